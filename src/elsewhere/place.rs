//! Where a bundle runs: here, or on a host that a person's own `ssh` and `rsync` reach.
//!
//! A run is started apart from this program, which looks after it every now and then: the program
//! may be closed, and follows it again later. What is known of it lies in `running.json` of the
//! bundle.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bundle;
use super::error::Error;
use super::manifest::Manifest;
use super::tail::Tail;
use crate::files;
use crate::jobs::{self, Progress};
use crate::train::record::metrics::TrainEvent;

/// What is known of a run that was started.
const RUNNING_FILE: &str = "running.json";

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Here,

    /// As `ssh` knows it.
    Host(String),
}

impl Place {
    /// `local`, or a host.
    pub fn named(name: &str) -> Result<Self, Error> {
        if name == "local" {
            return Ok(Self::Here);
        }
        // What begins with a dash would be an option of ssh.
        let is_host = |letter: char| letter.is_alphanumeric() || "._-@:[]%".contains(letter);
        if name.is_empty() || name.starts_with('-') || !name.chars().all(is_host) {
            return Err(Error::NotStarted(format!(
                "`{name}` is not a host name: write local, or a host as ssh knows it, such as ada@cluster.example"
            )));
        }
        Ok(Self::Host(name.to_owned()))
    }

    fn words(&self) -> String {
        match self {
            Self::Here => "this machine".to_owned(),
            Self::Host(host) => host.clone(),
        }
    }

    /// How long to wait between two looks at a run there.
    pub(super) fn look_every(&self) -> Duration {
        match self {
            Self::Here => Duration::from_millis(500),
            Self::Host(_) => Duration::from_secs(3),
        }
    }

    /// Has a shell there run `script`.
    fn shell(&self, script: &str) -> Result<String, Error> {
        let mut command = match self {
            Self::Here => {
                let mut command = Command::new("sh");
                command.arg("-s");
                command
            }
            Self::Host(host) => {
                let mut command = Command::new("ssh");
                // Nobody is there to type a password.
                command.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=20", host, "sh -s"]);
                command
            }
        };
        let advice = match self {
            Self::Here if cfg!(windows) => {
                "Windows has no `sh`: start the bundle in WSL, from Git Bash, or on a host with ssh"
            }
            Self::Here => "Put `sh` where the PATH of this program finds it",
            Self::Host(_) => "Install OpenSSH, and try `ssh HOST` in a terminal",
        };
        let what = command.get_program().to_string_lossy().into_owned();
        let failed = |source: io::Error| Error::Start { what: what.clone(), advice, source };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            // A shell that ends early says why on stderr.
            input.write_all(script.as_bytes()).ok();
        }
        let output = child.wait_with_output().map_err(failed)?;
        self.said(&output, "the command")
    }

    fn said(&self, output: &Output, what: &str) -> Result<String, Error> {
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        let said = if said.is_empty() { "it said nothing" } else { said };
        // 255 is ssh's own, and of rsync when ssh fails.
        let what = match (self, output.status.code()) {
            (Self::Host(host), Some(255)) => format!("reaching {host} with ssh"),
            _ => format!("{what} on {}", self.words()),
        };
        Err(Error::Command { what, said: said.to_owned() })
    }

    /// Copies a folder's contents with rsync, there or back.
    fn copy(&self, from: &str, to: &str, without: &[&str]) -> Result<(), Error> {
        let mut command = Command::new("rsync");
        command.args(["-a", "-e", "ssh -o BatchMode=yes -o ConnectTimeout=20"]);
        command.args(without.iter().map(|name| format!("--exclude={name}")));
        // Before rsync 3.2.4 the shell there reads the folder's name, too; -s keeps it from that. Not
        // always: the rsync of macOS has no -s. A path of this machine is absolute.
        let is_plain = |letter: char| letter.is_alphanumeric() || "_-./@:[]%".contains(letter);
        if [from, to].iter().any(|path| !path.starts_with('/') && !path.chars().all(is_plain)) {
            command.arg("-s");
        }
        command.arg(from).arg(to);
        let advice = "Install rsync on both machines";
        let what = "rsync".to_owned();
        let output = command.output().map_err(|source| Error::Start { what, advice, source })?;
        self.said(&output, "copying with rsync").map(drop)
    }
}

/// What does the run there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    Process(u64),
    Slurm(u64),
}

/// A run that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub place: Place,

    /// Its folder there.
    pub folder: String,
    pub job: Job,
}

/// How a run is started.
#[derive(Clone, Debug)]
pub struct StartOrder {
    pub bundle: PathBuf,
    pub place: Place,

    /// The folder on the host. `None`: `tuning-fork/<name of the bundle>` in the home there.
    pub folder: Option<String>,

    /// The Python that has TRL. `None`: `python3` there.
    pub python: Option<String>,

    /// Whether it is submitted to SLURM where `sbatch` is.
    pub slurm: bool,
}

/// Text as a shell takes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A folder as a shell takes it; `~` is left to that.
fn quoted_folder(folder: &str) -> String {
    match folder.strip_prefix("~/") {
        Some(rest) => format!("\"$HOME\"/{}", quoted(rest)),
        None => quoted(folder),
    }
}

impl Running {
    pub fn read(bundle: &Path) -> Result<Self, Error> {
        let path = bundle.join(RUNNING_FILE);
        let text = files::read_if_there(&path)
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        let Some(text) = text else {
            return Err(Error::NotStarted(format!(
                "no run of {} was started: start it with `tuning-fork run-on local {}`",
                bundle.display(),
                bundle.display()
            )));
        };
        let running: Self = serde_json::from_str(&text).map_err(|err| Error::Settings {
            problem: files::mistake_in_json(text.as_bytes(), &err),
            path,
        })?;
        // The bundle may have come from somebody else.
        if let Place::Host(host) = &running.place {
            Place::named(host)?;
        }
        Ok(running)
    }

    fn write(&self, bundle: &Path) -> Result<(), Error> {
        let path = bundle.join(RUNNING_FILE);
        let text = serde_json::to_string_pretty(self).expect("plain values can be written");
        let text = format!("{text}\n");
        files::write_atomic(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })
    }

    /// `process 1234 on this machine`
    pub fn words(&self) -> String {
        let place = self.place.words();
        match self.job {
            Job::Process(id) => format!("process {id} on {place}"),
            Job::Slurm(id) => format!("SLURM job {id} on {place}"),
        }
    }

    fn log(&self) -> String {
        match self.job {
            Job::Process(_) => "out/log.txt".to_owned(),
            Job::Slurm(id) => format!("slurm-{id}.log"),
        }
    }

    /// Starts a bundle apart from this program.
    pub fn start(order: &StartOrder) -> Result<Self, Error> {
        let StartOrder { bundle, place, folder, python, slurm } = order;
        let manifest = Manifest::read(bundle)?;
        manifest.check_data(bundle)?;
        bundle::check_settings(bundle, &manifest)?;
        if let Ok(earlier) = Self::read(bundle)
            && earlier.look(0).is_ok_and(|seen| seen.ended.is_none())
        {
            let words = format!("this bundle is running already: {}", earlier.words());
            return Err(Error::NotStarted(words));
        }
        let bundle = std::path::absolute(bundle)
            .map_err(|source| Error::Read { path: bundle.clone(), source })?;
        let folder = match place {
            Place::Here => bundle.display().to_string(),
            Place::Host(host) => {
                let name = bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let folder = folder.clone().unwrap_or_else(|| format!("~/tuning-fork/{name}"));
                place.shell(&format!("mkdir -p {}\n", quoted_folder(&folder)))?;
                let there = folder.strip_prefix("~/").unwrap_or(&folder);
                let from = format!("{}/", bundle.display());
                place.copy(&from, &format!("{host}:{there}/"), &["out", RUNNING_FILE])?;
                folder
            }
        };
        let said = place.shell(&start_script(&folder, python.as_deref(), *slurm))?;
        let last = said.lines().last().unwrap_or_default();
        let job = match last.split_once(' ') {
            // `123;cluster` where there are several.
            Some(("slurm", id)) => {
                id.split(';').next().and_then(|id| id.parse().ok()).map(Job::Slurm)
            }
            Some(("process", id)) => id.parse().ok().map(Job::Process),
            _ => None,
        };
        let Some(job) = job else {
            return Err(Error::Command {
                what: format!("starting on {}", place.words()),
                said: said.trim().to_owned(),
            });
        };
        let running = Self { place: place.clone(), folder, job };
        running.write(&bundle)?;
        Ok(running)
    }

    /// How it stands, with the rows of its log from byte `from` on.
    pub fn look(&self, from: usize) -> Result<Seen, Error> {
        let said = self.place.shell(&look_script(self, from))?;
        let mut parts = said.splitn(3, '\n');
        let is_alive = parts.next() == Some("alive yes");
        let status = parts.next().and_then(|line| line.strip_prefix("status ")).unwrap_or_default();
        let rows = parts.next().unwrap_or_default().to_owned();
        let ended = match status.trim() {
            "" if is_alive => None,
            "" => Some("unknown: it was killed, or the machine was restarted".to_owned()),
            status => Some(status.to_owned()),
        };
        Ok(Seen { ended, rows })
    }

    /// The last lines of what it said.
    pub fn last_lines(&self) -> Result<String, Error> {
        let folder = quoted_folder(&self.folder);
        let script =
            format!("cd {folder} && tail -c 6000 {} | tr '\\r' '\\n' | tail -n 15\n", self.log());
        self.place.shell(&script)
    }

    /// Ends it: asks first, and does not ask twice.
    pub fn stop(&self) -> Result<(), Error> {
        let script = match self.job {
            Job::Slurm(id) => format!("scancel {id}\n"),
            Job::Process(id) => format!(
                "kill -TERM -- -{id} 2>/dev/null || kill -TERM {id} 2>/dev/null\n\
                 for second in 1 2 3 4 5 6 7 8 9 10; do kill -0 -- -{id} 2>/dev/null || exit 0; sleep 1; done\n\
                 kill -KILL -- -{id} 2>/dev/null || kill -KILL {id} 2>/dev/null\n\
                 exit 0\n"
            ),
        };
        self.place.shell(&script).map(drop)
    }

    /// Brings its results into `out` of the bundle.
    pub fn fetch(&self, bundle: &Path) -> Result<(), Error> {
        let Place::Host(host) = &self.place else { return Ok(()) };
        let there = self.folder.strip_prefix("~/").unwrap_or(&self.folder);
        let out = std::path::absolute(bundle.join("out"))
            .map_err(|source| Error::Read { path: bundle.to_owned(), source })?;
        let made = std::fs::create_dir_all(&out);
        made.map_err(|source| Error::Write { path: out.clone(), source })?;
        let to = format!("{}/", out.display());
        self.place.copy(&format!("{host}:{there}/out/"), &to, &["optimizer.pt", "rng_state*"])
    }

    /// Follows it to its end: each row of its log is an event. A stop asks it to end.
    pub fn follow(&self, bundle: &Path, progress: &dyn Progress<TrainEvent>) -> Result<(), Error> {
        let manifest = Manifest::read(bundle)?;
        let mut tail = Tail::of(&manifest);
        loop {
            let seen = self.look(tail.bytes())?;
            tail.take(&seen.rows, progress);
            if let Some(status) = seen.ended {
                self.fetch(bundle)?;
                if status == "0" {
                    return Ok(());
                }
                let last_lines = self.last_lines().unwrap_or_default();
                return Err(Error::Died { status, last_lines: last_lines.trim().to_owned() });
            }
            if jobs::pause(progress, self.place.look_every()).is_err() {
                self.stop()?;
                return Err(Error::Cancelled);
            }
        }
    }
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its exit status. `None`: it runs.
    pub ended: Option<String>,

    /// Of `metrics.jsonl`; the last one may be cut short.
    pub rows: String,
}

fn start_script(folder: &str, python: Option<&str>, slurm: bool) -> String {
    let folder = quoted_folder(folder);
    let python =
        python.map_or_else(String::new, |python| format!("export PYTHON={}\n", quoted(python)));
    let submit = if slurm {
        "if command -v sbatch >/dev/null 2>&1; then\n  \
           id=$(sbatch --parsable slurm.sbatch) || exit 1\n  \
           echo \"slurm $id\"\n  exit 0\nfi\n"
    } else {
        ""
    };
    // In a process group of its own, which Stop ends as a whole: macOS has no setsid.
    format!(
        "cd {folder} || exit 1\n\
         mkdir -p out || exit 1\n\
         rm -f out/exit_status out/metrics.jsonl\n\
         {python}{submit}\
         apart=$(command -v setsid) || set -m\n\
         nohup $apart sh run.sh >out/log.txt 2>&1 </dev/null &\n\
         echo \"process $!\"\n"
    )
}

fn look_script(running: &Running, from: usize) -> String {
    let folder = quoted_folder(&running.folder);
    let alive = match running.job {
        Job::Slurm(id) => format!("[ -n \"$(squeue -h -j {id} -o %T 2>/dev/null)\" ]"),
        Job::Process(id) => format!(
            "case \"$(ps -o stat= -p {id} 2>/dev/null || (kill -0 {id} 2>/dev/null && echo R))\" in \
             ''|*Z*) false;; *) true;; esac"
        ),
    };
    // Whether it runs is asked before its status: it may end between the two.
    format!(
        "cd {folder} || exit 1\n\
         if {alive}; then echo 'alive yes'; else echo 'alive no'; fi\n\
         echo \"status $(cat out/exit_status 2>/dev/null)\"\n\
         if [ -f out/metrics.jsonl ]; then tail -c +{} out/metrics.jsonl; fi\n",
        from + 1
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Recorder;

    #[test]
    fn a_host_is_a_host_and_no_option_of_ssh() {
        assert_eq!(Place::named("local").unwrap(), Place::Here);
        let host = Place::named("ada@cluster.example").unwrap();
        assert_eq!(host, Place::Host("ada@cluster.example".to_owned()));
        for name in ["", "-oProxyCommand=x", "a b", "host;rm"] {
            assert!(Place::named(name).is_err(), "{name}");
        }
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted_folder("~/a b"), "\"$HOME\"/'a b'");
    }

    #[cfg(unix)]
    #[test]
    fn a_run_here_is_followed_to_its_end_and_the_last_lines_of_one_that_died_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("it's a bundle");
        let write = |name: &str, text: &str| {
            files::write_atomic(&bundle.join(name), text.as_bytes()).unwrap();
        };
        let manifest = serde_json::to_string(&Manifest::default()).unwrap();
        write("manifest.json", &manifest);
        let order = StartOrder {
            bundle: bundle.clone(),
            place: Place::Here,
            folder: None,
            python: None,
            slurm: false,
        };
        let said = Running::read(&bundle).unwrap_err().to_string();
        assert!(said.contains("no run of"), "{said}");
        write(
            "running.json",
            r#"{"place":{"host":"-oProxyCommand=x"},"folder":"x","job":{"process":7}}"#,
        );
        let said = Running::read(&bundle).unwrap_err().to_string();
        assert!(said.contains("is not a host name"), "{said}");
        write(
            "run.sh",
            "cd \"$(dirname \"$0\")\"\necho '{\"planned_steps\": 1}' > out/metrics.jsonl\necho 0 > out/exit_status\n",
        );
        let recorder = Recorder::default();
        Running::start(&order).unwrap().follow(&bundle, &recorder).unwrap();
        assert_eq!(recorder.into_events().len(), 1);
        write("run.sh", "echo starting\necho 'CUDA out of memory' >&2\necho 1 > out/exit_status\n");
        let died = Running::start(&order).unwrap().follow(&bundle, &Recorder::default());
        let said = died.unwrap_err().to_string();
        assert!(said.contains("exit status 1") && said.contains("CUDA out of memory"), "{said}");
        write("run.sh", "sleep 60\n");
        let running = Running::start(&order).unwrap();
        assert!(Running::start(&order).unwrap_err().to_string().contains("running already"));
        running.stop().unwrap();
        let ended = running.look(0).unwrap().ended.unwrap();
        assert!(ended.contains("killed"), "{ended}");
    }
}
