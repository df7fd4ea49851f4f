//! Watches a run that was started elsewhere. Whoever stops watching stops nothing there.

use std::path::Path;

use super::error::Error;
use super::manifest::Manifest;
use super::place::Running;
use super::tail::Tail;
use crate::errors;
use crate::jobs::{self, Cancelled, Progress};
use crate::train::record::metrics::TrainEvent;

/// The last lines are asked for with one look of so many.
const LINES_EVERY: usize = 3;

/// What is seen of it.
#[derive(Clone, Debug)]
pub enum Watched {
    Train(Box<TrainEvent>),

    /// The last lines of what it says.
    Lines(String),

    /// It cannot be reached now, and why. It is tried again.
    Lost(String),
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status, or that it is not known.
    pub status: String,
    pub last_lines: String,
}

impl Ended {
    pub fn is_good(&self) -> bool {
        self.status == "0"
    }
}

/// Looks at the run of a bundle until it has ended, and brings its results into the bundle's `out`.
pub fn watch(bundle: &Path, progress: &dyn Progress<Watched>) -> Result<Ended, Error> {
    let running = Running::read(bundle)?;
    let mut tail = Tail::of(&Manifest::read(bundle)?);
    let mut lost = 0_u32;
    for look in 0_usize.. {
        let seen = look_once(&running, bundle, &mut tail, (look % LINES_EVERY == 0, progress));
        lost = if seen.is_ok() { 0 } else { lost + 1 };
        match seen {
            Ok(Some(ended)) => return Ok(ended),
            Ok(None) => {}
            Err(error) => progress.emit(Watched::Lost(errors::one_line(&error))),
        }
        jobs::pause(progress, running.place.wait(lost)).map_err(|Cancelled| Error::Cancelled)?;
    }
    Err(Error::Cancelled)
}

/// Looks once. `None`: it runs. An error may pass, also one of fetching the results.
fn look_once(
    running: &Running,
    bundle: &Path,
    tail: &mut Tail,
    (with_lines, progress): (bool, &dyn Progress<Watched>),
) -> Result<Option<Ended>, Error> {
    let seen = running.look(tail.bytes())?;
    tail.take(&seen.rows, &Passing(progress));
    if !with_lines && seen.ended.is_none() {
        return Ok(None);
    }
    // Where they cannot be had, they are asked for again with a later look.
    let last_lines = running.last_lines().unwrap_or_default().trim().to_owned();
    progress.emit(Watched::Lines(last_lines.clone()));
    let Some(status) = seen.ended else { return Ok(None) };
    running.fetch(bundle)?;
    Ok(Some(Ended { status, last_lines }))
}

struct Passing<'a>(&'a dyn Progress<Watched>);

impl Progress<TrainEvent> for Passing<'_> {
    fn emit(&self, event: TrainEvent) {
        self.0.emit(Watched::Train(Box::new(event)));
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::place::{Place, StartOrder};
    use super::*;
    use crate::files;
    use crate::jobs::Recorder;

    fn bundle(folder: &Path, script: &str) -> std::path::PathBuf {
        let bundle = folder.join("bundle");
        let manifest = serde_json::to_string(&Manifest::default()).expect("it is JSON");
        for (name, text) in [("manifest.json", manifest.as_str()), ("run.sh", script)] {
            files::write_atomic(&bundle.join(name), text.as_bytes()).expect("writable");
        }
        let order = StartOrder {
            bundle: bundle.clone(),
            place: Place::Here,
            folder: None,
            python: None,
            slurm: false,
        };
        Running::start(&order).expect("it starts");
        bundle
    }

    #[test]
    fn a_run_is_watched_from_its_first_row_and_its_last_lines_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let script = "cd \"$(dirname \"$0\")\"\necho 'No space left on device'\n\
                      echo '{\"planned_steps\": 2}' > out/metrics.jsonl\n\
                      echo '{\"step\": 1, \"epoch\": 0.5, \"loss\": 0.69}' >> out/metrics.jsonl\n\
                      echo 1 > out/exit_status\n";
        let bundle = bundle(folder.path(), script);
        let recorder = Recorder::default();
        let ended = watch(&bundle, &recorder).unwrap();
        assert!(!ended.is_good() && ended.status == "1");
        assert_eq!(ended.last_lines, "No space left on device");
        let events = recorder.into_events();
        let steps = |event: &&Watched| matches!(event, Watched::Train(event) if matches!(**event, TrainEvent::Step(_)));
        assert_eq!(events.iter().filter(steps).count(), 1);
        let again = Recorder::default();
        watch(&bundle, &again).unwrap();
        let again = again.into_events();
        assert_eq!(
            again.iter().filter(steps).count(),
            1,
            "a window that comes later sees it whole"
        );
    }

    #[test]
    fn who_stops_watching_stops_nothing_there() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = bundle(folder.path(), "sleep 60\n");
        let stopped = watch(&bundle, &Recorder::stop_after(1)).unwrap_err();
        assert!(stopped.is_stop(), "{stopped}");
        let running = Running::read(&bundle).unwrap();
        assert_eq!(running.look(0).unwrap().ended, None);
        running.stop().unwrap();
    }

    #[test]
    fn a_folder_that_is_gone_is_said_and_looked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = bundle(folder.path(), "sleep 60\n");
        let running = Running::read(&bundle).unwrap();
        let gone = Running { folder: "/nowhere/bundle".to_owned(), ..running.clone() };
        let text = serde_json::to_string(&gone).unwrap();
        files::write_atomic(&bundle.join("running.json"), text.as_bytes()).unwrap();
        let recorder = Recorder::stop_after(1);
        assert!(watch(&bundle, &recorder).unwrap_err().is_stop());
        let events = recorder.into_events();
        assert!(
            matches!(&events[..], [Watched::Lost(why)] if why.contains("/nowhere")),
            "{events:?}"
        );
        running.stop().unwrap();
    }
}
