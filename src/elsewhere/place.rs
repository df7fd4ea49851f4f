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
use crate::files;

/// What is known of a run that was started.
const RUNNING_FILE: &str = "running.json";

/// How `ssh` is called: nobody is there to type a password, and a connection that is gone ends within a
/// minute.
const SSH: [&str; 8] = [
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=20",
    "-o",
    "ServerAliveInterval=15",
    "-o",
    "ServerAliveCountMax=4",
];

/// What `ssh` says where trying again does not help.
const REFUSALS: [&str; 3] =
    ["Permission denied", "Host key verification failed", "REMOTE HOST IDENTIFICATION"];

/// Exit codes of rsync when a connection breaks.
const BROKEN: [i32; 4] = [10, 12, 30, 35];

/// A host that cannot be reached is tried again after so long at most.
const LONGEST: Duration = Duration::from_mins(1);

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
                command.args(SSH).args([host.as_str(), "sh -s"]);
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
        self.said(&output, "the command", &[])
    }

    /// How long to wait for the next look, after so many in a row that failed.
    pub(super) fn wait(&self, lost: u32) -> Duration {
        let usual = self.look_every();
        usual.saturating_mul(1 << lost.min(8)).min(LONGEST.max(usual))
    }

    /// `broken`: exit codes that say, beside ssh's own, that a connection broke.
    fn said(&self, output: &Output, what: &str, broken: &[i32]) -> Result<String, Error> {
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        let said = if said.is_empty() { "it said nothing" } else { said };
        let said = said.to_owned();
        // 255 is ssh's own, and of rsync when ssh fails.
        match (self, output.status.code()) {
            (Self::Host(host), Some(code)) if code == 255 || broken.contains(&code) => {
                let what = format!("reaching {host} with ssh");
                if REFUSALS.iter().any(|refusal| said.contains(refusal)) {
                    return Err(Error::Command { what, said });
                }
                Err(Error::Unreached { what, said })
            }
            _ => Err(Error::Command { what: format!("{what} on {}", self.words()), said }),
        }
    }

    /// Copies a folder's contents with rsync, there or back.
    fn copy(&self, from: &str, to: &str, without: &[&str]) -> Result<(), Error> {
        let mut command = Command::new("rsync");
        command.args(["-a", "-e", &format!("ssh {}", SSH.join(" "))]);
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
        self.said(&output, "copying with rsync", &BROKEN).map(drop)
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
        let made = files::folders::make(&out);
        made.map_err(|source| Error::Write { path: out.clone(), source })?;
        let to = format!("{}/", out.display());
        self.place.copy(&format!("{host}:{there}/out/"), &to, &["optimizer.pt", "rng_state*"])
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
}
