//! Lectures: those that are here, the one that is open, and the stage.

pub mod stage;

use std::path::PathBuf;
use std::sync::Arc;

use self::stage::Stage;
use crate::lecture::place::Place;
use crate::lecture::played::Played;
use crate::lecture::recording::Recording;
use crate::lecture::scene::{Lecture, Scene};

/// Everything of the panel, and of the stage.
#[derive(Debug, Default)]
pub struct LecturesState {
    /// The tour first, then those of the project.
    pub listed: Vec<Listed>,
    pub front: Option<Front>,

    /// Counts the lectures that were opened: what belongs to an older one is not taken in.
    count: u64,
}

/// A lecture that can be opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub place: Place,

    /// What it says, or why it cannot be read.
    pub lecture: Result<Lecture, String>,
}

/// A lecture as it was read, with what it needs.
#[derive(Clone, Debug)]
pub struct Opened {
    pub place: Place,
    pub lecture: Lecture,
    pub recording: Option<Recording>,

    /// Why its recording cannot be read.
    pub recording_problem: Option<String>,

    /// The models that its scenes name, each once.
    pub models: Vec<Needed>,

    /// Of each scene the adapter's place, where it names one.
    pub adapters: Vec<Option<Result<PathBuf, String>>>,
}

/// A model that a lecture needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// As the lecture names it.
    pub name: String,

    /// Where it is, or why it is not here.
    pub found: Result<PathBuf, String>,
}

/// The lecture that is open.
#[derive(Debug)]
pub struct Front {
    pub number: u64,
    pub opened: Opened,
    pub results: Vec<Shown>,
    pub stage: Option<Stage>,

    /// The stage as it was left, to go on from there.
    pub left: Option<Stage>,

    /// How many models were on this disk when it was looked through.
    pub seen_models: usize,
}

/// What a scene has to show.
#[derive(Clone, Debug)]
pub enum Shown {
    Waiting,
    Computing,
    Ready {
        played: Arc<Played>,

        /// From the recording: the model is not here.
        is_recorded: bool,

        /// SHA-256 of the weights.
        sha256: String,
    },
    Failed(String),
}

impl Shown {
    pub fn played(&self) -> Option<&Played> {
        match self {
            Self::Ready { played, .. } => Some(played),
            Self::Waiting | Self::Computing | Self::Failed(_) => None,
        }
    }
}

impl LecturesState {
    /// A lecture was read.
    pub fn open(&mut self, opened: Opened, seen_models: usize) {
        self.count += 1;
        let results = opened.lecture.scenes.iter().map(|scene| opened.first_result(scene));
        let results = results.collect();
        let front =
            Front { number: self.count, results, opened, stage: None, left: None, seen_models };
        self.front = Some(front);
    }

    /// The open lecture, for whoever has worked for the one of this number.
    pub fn of(&mut self, number: u64) -> Option<&mut Front> {
        self.front.as_mut().filter(|front| front.number == number)
    }

    /// The lecture that is on the stage now.
    pub fn on_stage(&self) -> Option<(&Front, &Stage)> {
        let front = self.front.as_ref()?;
        Some((front, front.stage.as_ref()?))
    }

    pub fn is_on_stage(&self) -> bool {
        self.on_stage().is_some()
    }

    /// Closes what is in front of the panel. False: there is nothing.
    pub fn close_topmost(&mut self) -> bool {
        self.front.take().is_some()
    }
}

impl Opened {
    pub fn needed(&self, scene: &Scene) -> Option<&Needed> {
        let name = scene.model_in(&self.lecture)?;
        self.models.iter().find(|needed| needed.name == name)
    }

    /// What a scene has before anything was computed. With its model here it is computed: a
    /// recording could be of other weights under the same name.
    fn first_result(&self, scene: &Scene) -> Shown {
        let Some(needed) = self.needed(scene) else {
            let (played, sha256) = (Arc::new(Played::Words), String::new());
            return Shown::Ready { played, is_recorded: false, sha256 };
        };
        let Err(problem) = &needed.found else { return Shown::Waiting };
        let recorded = self.recording.as_ref().and_then(|it| it.find(&self.lecture, scene));
        match recorded {
            None => Shown::Failed(problem.clone()),
            Some(recorded) => Shown::Ready {
                played: Arc::new(recorded.played.clone()),
                is_recorded: true,
                sha256: recorded.sha256.clone(),
            },
        }
    }

    /// The models that are not here.
    pub fn missing(&self) -> impl Iterator<Item = &Needed> {
        self.models.iter().filter(|needed| needed.found.is_err())
    }
}

impl Front {
    pub fn scene(&self, at: usize) -> Option<&Scene> {
        self.opened.lecture.scenes.get(at)
    }

    pub fn scene_count(&self) -> usize {
        self.results.len()
    }

    pub fn ready_count(&self) -> usize {
        self.results.iter().filter(|shown| shown.played().is_some()).count()
    }

    pub fn is_computing(&self) -> bool {
        self.results.iter().any(|shown| matches!(shown, Shown::Computing))
    }

    /// The scene to compute next: the one on the stage, those after it, then those before it.
    pub fn due(&self) -> Option<usize> {
        if self.is_computing() {
            return None;
        }
        let at = self.stage.as_ref().map_or(0, |stage| stage.at);
        let order = (at..self.results.len()).chain(0..at);
        order.into_iter().find(|at| matches!(self.results[*at], Shown::Waiting))
    }

    /// Why it cannot be given, in a sentence. A model that is missing is found out before the
    /// lecture, never in it.
    pub fn obstacle(&self) -> Option<String> {
        let lacks = |at: &usize| {
            let needed = self.scene(*at).and_then(|scene| self.opened.needed(scene));
            needed.is_some_and(|needed| needed.found.is_err())
                && self.results[*at].played().is_none()
        };
        let lacking = (0..self.results.len()).filter(lacks).count();
        (lacking > 0).then(|| match lacking {
            1 => "A model is missing, and 1 scene is not in a recording".to_owned(),
            count => format!("A model is missing, and {count} scenes are not in a recording"),
        })
    }

    /// What is shown now as a recording. `None`: not every scene is there.
    pub fn recording(&self) -> Option<Recording> {
        let lecture = &self.opened.lecture;
        let mut recording = Recording::new(&lecture.title);
        for (scene, shown) in lecture.scenes.iter().zip(&self.results) {
            let Shown::Ready { played, sha256, .. } = shown else { return None };
            if scene.model_in(lecture).is_some() {
                recording.push(lecture, scene, sha256, (**played).clone());
            }
        }
        Some(recording)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lecture::file::parse;
    use crate::lecture::samples;

    fn opened(found: Result<PathBuf, String>) -> Opened {
        let text = "[[scene]]\nview = \"words\"\n[[scene]]\nview = \"tokens\"\ntext = \"a\"\n\
                    [[scene]]\nview = \"surprise\"\ntext = \"a\"\n";
        Opened {
            place: Place::Tour,
            lecture: parse(text).unwrap(),
            recording: None,
            recording_problem: None,
            models: vec![Needed { name: "starter".to_owned(), found }],
            adapters: vec![None; 3],
        }
    }

    #[test]
    fn the_scene_in_front_is_computed_first_and_then_the_next_ones() {
        let mut state = LecturesState::default();
        state.open(opened(Ok("model.gguf".into())), 1);
        let front = state.front.as_mut().unwrap();
        assert_eq!((front.due(), front.obstacle(), front.ready_count()), (Some(1), None, 1));
        front.stage = Some(Stage::new(front.scene_count()));
        front.stage.as_mut().unwrap().at = 2;
        assert_eq!(front.due(), Some(2));
        front.results[2] = Shown::Computing;
        assert_eq!(front.due(), None, "one at a time");
        front.results[2] = Shown::Failed(String::new());
        assert_eq!(front.due(), Some(1));
        assert!(front.recording().is_none());
    }

    #[test]
    fn a_missing_model_is_told_before_the_lecture() {
        let mut state = LecturesState::default();
        state.open(opened(Err("it is not here".to_owned())), 0);
        let front = state.front.as_ref().unwrap();
        assert_eq!(front.due(), None);
        let told = "A model is missing, and 2 scenes are not in a recording";
        assert_eq!(front.obstacle().as_deref(), Some(told));
    }

    #[test]
    fn without_the_model_the_recording_is_shown() {
        let mut tour = opened(Err("it is not here".to_owned()));
        tour.lecture = samples::tour();
        tour.recording = Some(samples::tour_recording());
        let mut state = LecturesState::default();
        state.open(tour, 0);
        let front = state.front.as_ref().unwrap();
        assert_eq!(front.obstacle(), None);
        assert_eq!(front.ready_count(), front.scene_count());
        let again = front.recording().unwrap();
        assert!(again.covers(&front.opened.lecture), "and can be recorded again");
    }
}
