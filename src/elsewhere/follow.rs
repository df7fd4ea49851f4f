//! Follows a run that was started elsewhere to its end. Whoever stops following asks the run to end; watching
//! one stops nothing: see `watch.rs`.

use std::path::Path;
use std::time::Duration;

use super::error::Error;
use super::manifest::Manifest;
use super::place::{Running, Seen};
use super::tail::Tail;
use crate::jobs::{self, Progress};
use crate::train::record::metrics::TrainEvent;
use crate::words::duration;

/// Each row of its log is an event. A host that is not reached is looked for again, later and later, and that
/// is said. A stop asks the run to end.
pub fn follow(
    running: &Running,
    bundle: &Path,
    progress: &dyn Progress<TrainEvent>,
) -> Result<(), Error> {
    let mut tail = Tail::of(&Manifest::read(bundle)?);
    let mut patience = Patience { progress, lost: 0, wait: &|lost| running.place.wait(lost) };
    let ended = loop {
        let look = patience.reached(running, || running.look(tail.bytes()))?;
        let Seen { ended, rows } = look;
        tail.take(&rows, progress);
        if let Some(status) = ended {
            break status;
        }
        patience.pause(running)?;
    };
    patience.reached(running, || running.fetch(bundle))?;
    if ended == "0" {
        return Ok(());
    }
    let last_lines = patience.reached(running, || running.last_lines()).unwrap_or_default();
    Err(Error::Died { status: ended, last_lines: last_lines.trim().to_owned() })
}

/// Waits for a host.
struct Patience<'a> {
    progress: &'a dyn Progress<TrainEvent>,

    /// Times in a row that it was not reached.
    lost: u32,

    /// How long to wait after so many of them.
    wait: &'a dyn Fn(u32) -> Duration,
}

impl Patience<'_> {
    /// What `work` gives, once the host is reached. Other failures are passed on.
    fn reached<T>(
        &mut self,
        running: &Running,
        mut work: impl FnMut() -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            match work() {
                Ok(found) => {
                    if self.lost > 0 {
                        let words = format!("{} is reached again", running.words());
                        self.progress.emit(TrainEvent::Noted(words));
                        self.lost = 0;
                    }
                    return Ok(found);
                }
                Err(error @ Error::Unreached { .. }) => {
                    let before = (self.wait)(self.lost);
                    self.lost += 1;
                    let next = (self.wait)(self.lost);
                    // Once it is tried at its slowest, saying so again says nothing.
                    if next > before {
                        let secs = duration(next.as_secs_f64());
                        self.progress.emit(TrainEvent::Warning(format!(
                            "{error}. The run itself goes on; it is looked for again in {secs}"
                        )));
                    }
                    self.pause(running)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Until the next look. A stop ends the run.
    fn pause(&self, running: &Running) -> Result<(), Error> {
        if jobs::pause(self.progress, (self.wait)(self.lost)).is_err() {
            running.stop()?;
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    #[cfg(unix)]
    use super::super::place::StartOrder;
    use super::super::place::{Job, Place};
    use super::*;
    #[cfg(unix)]
    use crate::files;
    use crate::jobs::{Quiet, Recorder};

    #[test]
    fn a_host_that_is_not_reached_is_looked_for_again_later_and_later_and_that_is_said() {
        let place = Place::named("ada@cluster.example").unwrap();
        let waits: Vec<u64> = (0..8).map(|lost| place.wait(lost).as_secs()).collect();
        assert_eq!(waits, [3, 6, 12, 24, 48, 60, 60, 60]);
        let running = Running { place, folder: "~/run".to_owned(), job: Job::Slurm(7) };
        let recorder = Recorder::default();
        let wait = |lost: u32| Duration::from_millis([1, 2, 4, 4, 4, 4][lost as usize]);
        let mut patience = Patience { progress: &recorder, lost: 0, wait: &wait };
        let tries = Cell::new(0);
        let look = || {
            tries.set(tries.get() + 1);
            if tries.get() < 5 {
                let (what, said) = ("reaching it with ssh".to_owned(), "no route".to_owned());
                return Err(Error::Unreached { what, said });
            }
            Ok(tries.get())
        };
        assert_eq!(patience.reached(&running, look).unwrap(), 5);
        assert_eq!(patience.lost, 0);
        let said: Vec<String> = recorder
            .into_events()
            .into_iter()
            .filter_map(|event| match event {
                TrainEvent::Warning(words) | TrainEvent::Noted(words) => Some(words),
                _ => None,
            })
            .collect();
        // Twice while it waits longer, not at the slowest; then that it is back.
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("no route. The run itself goes on"), "{said:?}");
        assert!(said[2].ends_with("is reached again"), "{said:?}");
    }

    #[test]
    fn what_waiting_does_not_mend_ends_it() {
        let recorder = Recorder::default();
        let running =
            Running { place: Place::Here, folder: "/nowhere".to_owned(), job: Job::Process(1) };
        let mut patience =
            Patience { progress: &recorder, lost: 0, wait: &|_| Duration::from_mins(1) };
        let look = || -> Result<(), Error> {
            Err(Error::Command { what: "the command".to_owned(), said: "no folder".to_owned() })
        };
        assert!(matches!(patience.reached(&running, look), Err(Error::Command { .. })));
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
        follow(&Running::start(&order).unwrap(), &bundle, &recorder).unwrap();
        assert_eq!(recorder.into_events().len(), 1);
        write("run.sh", "echo starting\necho 'CUDA out of memory' >&2\necho 1 > out/exit_status\n");
        let died = follow(&Running::start(&order).unwrap(), &bundle, &Recorder::default());
        let said = died.unwrap_err().to_string();
        assert!(said.contains("exit status 1") && said.contains("CUDA out of memory"), "{said}");
        write("run.sh", "sleep 60\n");
        let running = Running::start(&order).unwrap();
        assert!(Running::start(&order).unwrap_err().to_string().contains("running already"));
        running.stop().unwrap();
        // The system takes a moment to take it away.
        let ended = (0..200).find_map(|_| {
            jobs::pause::<()>(&Quiet, Duration::from_millis(50)).unwrap();
            running.look(0).unwrap().ended
        });
        let ended = ended.unwrap();
        assert!(ended.contains("killed"), "{ended}");
    }
}
