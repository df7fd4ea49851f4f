//! The running window, seen through its accessibility tree and moved with a real mouse and real
//! keys (xdotool).

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use eframe::egui::accesskit::{Node, Role};
use egui_inspection::protocol::{Request, Response, read_handshake, read_message, write_message};

/// A control on the screen: what a screen reader would say, and where it is, in pixels.
#[derive(Clone, Debug)]
pub struct Control {
    pub role: Role,
    pub label: String,
    pub value: String,
    pub disabled: bool,
    pub center: (f64, f64),
    pub width: f64,
}

pub struct Window {
    process: Child,
    socket: TcpStream,
    id: String,
    screenshots: PathBuf,
    shots: usize,
}

impl Window {
    /// Starts the binary with an empty home folder and waits for its window.
    pub fn open(binary: &Path, home: &Path, screenshots: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(binary);
        command.env("EGUI_INSPECTION", format!("127.0.0.1:{port}"));
        for (name, folder) in [
            ("HOME", ""),
            ("XDG_DATA_HOME", ".local/share"),
            ("XDG_CONFIG_HOME", ".config"),
            ("XDG_CACHE_HOME", ".cache"),
            ("XDG_DOCUMENTS_DIR", "Documents"),
        ] {
            command.env(name, home.join(folder));
        }
        for name in ["HF_HOME", "HF_HUB_CACHE", "HF_TOKEN", "WAYLAND_DISPLAY"] {
            command.env_remove(name);
        }
        let process = command.spawn().expect("the binary starts");
        let deadline = Instant::now() + Duration::from_secs(30);
        let socket = loop {
            if let Ok(socket) = TcpStream::connect(("127.0.0.1", port)) {
                break socket;
            }
            assert!(Instant::now() < deadline, "the window did not open");
            std::thread::sleep(Duration::from_millis(50));
        };
        socket.set_read_timeout(Some(Duration::from_mins(1))).expect("a timeout can be set");
        read_handshake(&socket).expect("the window speaks the inspection protocol");
        let id = output(
            "xdotool",
            &["search", "--sync", "--onlyvisible", "--pid", &process.id().to_string()],
        );
        let id = id.lines().last().expect("xdotool finds the window").to_owned();
        // Nobody else gives it the keyboard: there is no window manager.
        run("xdotool", &["windowfocus", "--sync", &id]);
        std::fs::create_dir_all(screenshots).expect("the folder for screenshots can be made");
        // A second window goes on where the first one's pictures ended.
        let shots = std::fs::read_dir(screenshots).expect("the folder can be read").count();
        Self { process, socket, id, screenshots: screenshots.to_owned(), shots }
    }

    fn ask(&mut self, request: &Request) -> Response {
        write_message(&mut self.socket, request).expect("the window listens");
        read_message(&mut self.socket).expect("the window answers")
    }

    /// Everything on the screen.
    pub fn controls(&mut self) -> Vec<Control> {
        let Response::Tree { pixels_per_point, accesskit: Some(tree), .. } =
            self.ask(&Request::GetTree)
        else {
            return Vec::new();
        };
        tree.nodes.iter().map(|(_, node)| control(node, f64::from(pixels_per_point))).collect()
    }

    /// The first control for which `wanted` holds, or what is on the screen instead.
    fn wait(&mut self, what: &str, limit: Duration, wanted: impl Fn(&Control) -> bool) -> Control {
        let deadline = Instant::now() + limit;
        loop {
            let controls = self.controls();
            if let Some(found) = controls.iter().find(|control| wanted(control)) {
                return found.clone();
            }
            assert!(self.process.try_wait().expect("its state is known").is_none(), "it quit");
            if Instant::now() > deadline {
                self.shot("failed");
                let texts: Vec<_> = controls
                    .iter()
                    .filter(|control| !control.label.is_empty() || !control.value.is_empty())
                    .map(|c| format!("  {:?} {:?} {:?}", c.role, c.label, c.value))
                    .collect();
                panic!("no {what} after {limit:?}; on the screen:\n{}", texts.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until some text on the screen contains `text`.
    pub fn sees(&mut self, text: &str, limit_secs: u64) -> Control {
        self.wait(&format!("text {text:?}"), Duration::from_secs(limit_secs), |control| {
            control.label.contains(text) || control.value.contains(text)
        })
    }

    /// Waits for an enabled control with this name and clicks it with the mouse.
    pub fn click(&mut self, name: &str, limit_secs: u64) {
        let clickable = |control: &Control| {
            control.label == name
                && !control.disabled
                && !matches!(control.role, Role::Label | Role::TextRun)
        };
        let limit = Duration::from_secs(limit_secs);
        let control = self.wait(&format!("control {name:?}"), limit, clickable);
        self.click_at(control.center);
    }

    /// Opens a list and takes one of its choices.
    pub fn choose(&mut self, list: &str, choice: &str) {
        self.click(list, 10);
        let is_choice = |control: &Control| {
            control.label == choice && !matches!(control.role, Role::Label | Role::TextRun)
        };
        let found = self.wait(&format!("choice {choice:?}"), Duration::from_secs(5), is_choice);
        self.click_at(found.center);
    }

    pub fn click_at(&self, (x, y): (f64, f64)) {
        let (x, y) = (format!("{x:.0}"), format!("{y:.0}"));
        run("xdotool", &["mousemove", "--window", &self.id, &x, &y]);
        std::thread::sleep(Duration::from_millis(50));
        run("xdotool", &["click", "1"]);
        std::thread::sleep(Duration::from_millis(80));
    }

    /// Drags the slider with this name that is the furthest to the right to this share of its length, again
    /// where `taken` has not become true within seconds: what is above it may grow during the drag.
    pub fn slide(&mut self, name: &str, share: f64, mut taken: impl FnMut() -> bool) {
        for _ in 0..5 {
            self.drag(name, share);
            let deadline = Instant::now() + Duration::from_secs(4);
            while Instant::now() < deadline {
                if taken() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        self.shot("failed");
        panic!("slider {name:?} was dragged five times, and nothing came of it");
    }

    fn drag(&mut self, name: &str, share: f64) {
        let is_slider = |control: &Control| control.label == name && control.role == Role::Slider;
        self.wait(&format!("slider {name:?}"), Duration::from_secs(10), is_slider);
        let sliders = self.controls().into_iter().filter(is_slider);
        let slider = sliders.max_by(|one, other| one.center.0.total_cmp(&other.center.0));
        let Control { center: (x, y), width, .. } = slider.expect("it was just there");
        let (from, to) = (format!("{x:.0}"), format!("{:.0}", x + width * (share - 0.5)));
        let (id, y) = (self.id.clone(), format!("{y:.0}"));
        let moves: [&[&str]; 4] = [
            &["mousemove", "--window", &id, &from, &y],
            &["mousedown", "1"],
            &["mousemove", "--window", &id, &to, &y],
            &["mouseup", "1"],
        ];
        for each in moves {
            run("xdotool", each);
            // Each is seen by a frame of its own.
            std::thread::sleep(Duration::from_millis(80));
            self.controls();
        }
    }

    /// Waits until the control with this name can be used.
    pub fn ready(&mut self, name: &str, limit_secs: u64) {
        let usable = |control: &Control| control.label == name && !control.disabled;
        self.wait(&format!("usable {name:?}"), Duration::from_secs(limit_secs), usable);
    }

    /// Replaces what is in the text or number field with this name.
    pub fn fill(&mut self, name: &str, text: &str) {
        let editable = |control: &Control| {
            control.label == name
                && matches!(
                    control.role,
                    Role::TextInput | Role::MultilineTextInput | Role::SpinButton
                )
        };
        let field = self.wait(&format!("field {name:?}"), Duration::from_secs(10), editable);
        self.click_at(field.center);
        key("ctrl+a");
        type_text(text);
    }

    /// Turns the wheel over `at` until the control with this name can be seen there.
    pub fn scroll_to(&mut self, name: &str, at: (f64, f64)) {
        const SEEN: std::ops::Range<f64> = 120.0..600.0;

        for _ in 0..100 {
            let limit = Duration::from_secs(10);
            let control = self.wait(&format!("{name:?}"), limit, |control| control.label == name);
            if SEEN.contains(&control.center.1) {
                return;
            }
            let (x, y) = (format!("{:.0}", at.0), format!("{:.0}", at.1));
            run("xdotool", &["mousemove", "--window", &self.id, &x, &y]);
            run("xdotool", &["click", if control.center.1 < SEEN.start { "4" } else { "5" }]);
            std::thread::sleep(Duration::from_millis(150));
        }
        panic!("{name} cannot be scrolled to");
    }

    /// Saves a picture of the window as `NN-name.png`.
    pub fn shot(&mut self, name: &str) {
        if let Response::Screenshot(png) =
            self.ask(&Request::GetScreenshot { pixels_per_point: None })
        {
            let path = self.screenshots.join(format!("{:02}-{name}.png", self.shots));
            tuning_fork::files::write_atomic(&path, &png.bytes).expect("the folder is ours");
            self.shots += 1;
        }
    }

    /// Kills the process, as a crash or the power would.
    pub fn kill(mut self) {
        self.process.kill().expect("it can be killed");
        self.process.wait().expect("it ends");
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Presses a key, as xdotool names it: `ctrl+Return`, `1`, `Escape`.
pub fn key(key: &str) {
    run("xdotool", &["key", key]);
    std::thread::sleep(Duration::from_millis(80));
}

pub fn type_text(text: &str) {
    run("xdotool", &["type", "--delay", "5", text]);
    std::thread::sleep(Duration::from_millis(120));
}

fn control(node: &Node, pixels_per_point: f64) -> Control {
    let bounds = node.bounds().unwrap_or_default();
    let center = |from: f64, to: f64| f64::midpoint(from, to) * pixels_per_point;
    Control {
        role: node.role(),
        label: node.label().unwrap_or_default().to_owned(),
        value: node.value().unwrap_or_default().to_owned(),
        disabled: node.is_disabled(),
        center: (center(bounds.x0, bounds.x1), center(bounds.y0, bounds.y1)),
        width: bounds.width() * pixels_per_point,
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback is there");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn run(program: &str, arguments: &[&str]) {
    output(program, arguments);
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|err| panic!("{program} could not be started: {err}"));
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
