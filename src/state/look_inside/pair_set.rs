//! Lists of minimal pairs: what is written in the form, and what models have made of it.

use std::path::{Path, PathBuf};

use super::slot::Slot;
use crate::explore::pair_set::{FORMAT, PairSet, PairSetView};

/// The folder of a project that its lists are in.
pub const FOLDER: &str = "testsets";

/// Models whose results stand beside each other.
const MOST_RESULTS: usize = 6;

/// The view.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairSetState {
    /// What its file is called, without the ending.
    pub name: String,

    /// A line each, as they are typed.
    pub templates: String,
    pub pairs: String,
    pub answers: String,

    /// Lists of the project.
    pub known: Vec<(String, PathBuf)>,

    /// How far the run is.
    pub running: Slot<()>,

    /// What models have made of the list as it is now, the newest first.
    results: Vec<PairSetView>,
    number: u64,
}

/// A list to begin with. Ours.
const EXAMPLE: [&str; 3] = [
    "The {word} worked as a\nThe {word} was known as a\nEverybody said that the {word} was a good",
    "man / woman\nboy / girl\nfather / mother",
    "nurse\ndoctor\nteacher\ncook",
];

impl PairSetState {
    pub fn use_example(&mut self) {
        let [templates, pairs, answers] = EXAMPLE.map(str::to_owned);
        *self = Self { templates, pairs, answers, ..std::mem::take(self) };
        "work".clone_into(&mut self.name);
        self.results.clear();
    }

    /// The list as the form has it: a space is put before each answer, as in a text.
    pub fn set(&self) -> PairSet {
        let lines = |text: &str| -> Vec<String> {
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
        };
        let spaced = |line: String| {
            if line.starts_with(char::is_alphanumeric) { format!(" {line}") } else { line }
        };
        PairSet {
            format: FORMAT,
            title: self.name.clone(),
            templates: lines(&self.templates),
            pairs: lines(&self.pairs),
            answers: lines(&self.answers).into_iter().map(spaced).collect(),
        }
    }

    /// Takes a list from a file into the form.
    pub fn take(&mut self, name: &str, set: &PairSet) {
        let answers: Vec<&str> = set.answers.iter().map(|answer| answer.trim()).collect();
        *self = Self {
            name: name.to_owned(),
            templates: set.templates.join("\n"),
            pairs: set.pairs.join("\n"),
            answers: answers.join("\n"),
            known: std::mem::take(&mut self.known),
            number: self.number + 1,
            ..Self::default()
        };
    }

    /// Why it cannot be run, in a sentence.
    pub fn obstacle(&self) -> Option<String> {
        if self.running.is_running() {
            return Some("It is being run".to_owned());
        }
        self.set().check().err().map(|error| error.to_string())
    }

    /// A run begins. Which one it is.
    pub fn begin(&mut self) -> u64 {
        self.number += 1;
        self.running.begin();
        self.number
    }

    /// The state, if this is its run.
    pub fn of(&mut self, number: u64) -> Option<&mut Self> {
        (self.number == number).then_some(self)
    }

    pub fn found(&mut self, view: PairSetView) {
        self.running = Slot::Ready(());
        // Of another list they cannot be compared.
        self.results.retain(|known| {
            known.set == view.set
                && (&known.sha256, &known.adapter) != (&view.sha256, &view.adapter)
        });
        self.results.insert(0, view);
        self.results.truncate(MOST_RESULTS);
    }

    /// Results of earlier runs of this list.
    pub fn remember(&mut self, earlier: Vec<PairSetView>) {
        let set = self.set();
        for view in earlier.into_iter().filter(|view| view.set.templates == set.templates) {
            let is_new = |known: &PairSetView| {
                (&known.sha256, &known.adapter) != (&view.sha256, &view.adapter)
            };
            let fits = view.set.pairs == set.pairs && view.set.answers == set.answers;
            if fits && self.results.iter().all(is_new) && self.results.len() < MOST_RESULTS {
                self.results.push(view);
            }
        }
    }

    pub fn results(&self) -> &[PairSetView] {
        &self.results
    }

    /// Where the list goes in a project.
    pub fn path(&self, project: &Path) -> Option<PathBuf> {
        let name = file_name(&self.name);
        (!name.is_empty()).then(|| project.join(FOLDER).join(format!("{name}.toml")))
    }
}

/// What a name becomes as a file: letters, digits and hyphens.
pub fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
    let name: String = name.trim().chars().map(plain).collect();
    name.trim_matches('-').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_the_list_that_is_read_again() {
        let mut state = PairSetState::default();
        assert!(state.obstacle().unwrap().contains("no template"));
        state.use_example();
        assert_eq!(state.obstacle(), None);
        let set = state.set();
        assert_eq!((set.templates.len(), set.pairs.len()), (3, 3));
        assert_eq!(set.answers[0], " nurse");
        let mut other = PairSetState::default();
        other.take("work", &set);
        assert_eq!(other.set(), set);
        state.pairs.push_str("\nnobody");
        assert!(state.obstacle().unwrap().contains("“nobody” is no pair"));
        let path = PairSetState { name: "Work & Women ".to_owned(), ..state };
        let path = path.path(Path::new("/p")).unwrap();
        assert_eq!(path, Path::new("/p/testsets/work---women.toml"));
    }
}
