//! Whether a model does what a codebook says, and whether its answers stay when only the form of
//! the question changes.
//!
//! Seven tests are those of Halterman and Keith, "Codebook LLMs" (Political Analysis 2025, arXiv
//! 2407.10747); the eighth is the prompt stability score of Barrie, Palaiologou and Törnberg (arXiv
//! 2407.02039). Asking the same again is no test here: nothing is drawn, the answer is the same.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use rand::SeedableRng as _;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::question::Question;
use super::run::{AskError, Asker, Prepared};
use super::variations::{TEMPLATES, excluding, generic, is_legal, reordered, swapped, unused_word};
use crate::data::codebook::Codebook;
use crate::files;
use crate::jobs::Progress;
use crate::llm::{Adapter, Model};
use crate::stats::agreement::many::{Ratings, Scale};
use crate::stats::paired::wilson;
use crate::stats::resample::{Bootstrap, Interval};
use crate::stats::stability::{STABLE, alpha_interval};

/// The file in the folder of an evaluation.
pub const STABILITY: &str = "stability.json";

/// Other orders of the classes than that of the codebook.
const ORDERS: usize = 3;

/// Answers that are not as they have to be are listed, but no more of them.
const MOST_LISTED: usize = 20;

/// Tokens that a reply may have beyond those of the longest label.
const MORE_TOKENS: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    LegalLabels,
    Definitions,
    Examples,
    Order,
    Exclusion,
    GenericLabels,
    SwappedLabels,
    Prompts,
}

impl Test {
    pub fn name(self) -> &'static str {
        match self {
            Self::LegalLabels => "Legal labels",
            Self::Definitions => "Definitions",
            Self::Examples => "Examples",
            Self::Order => "Order of the classes",
            Self::Exclusion => "Exclusion",
            Self::GenericLabels => "Generic labels",
            Self::SwappedLabels => "Swapped labels",
            Self::Prompts => "Other prompts",
        }
    }

    /// What passes.
    pub fn words(self) -> &'static str {
        match self {
            Self::LegalLabels => "When the model may write anything, it writes one of the labels",
            Self::Definitions => "When the text is the definition of a label, it gives that label",
            Self::Examples => {
                "When the text is an example from the codebook, it gives the example's label"
            }
            Self::Order => "The label stays the same when the classes stand in another order",
            Self::Exclusion => {
                "A rule that excludes texts with a certain word is followed where the word occurs, \
                 and only there"
            }
            Self::GenericLabels => {
                "The label stays the same when the labels are called LABEL_1, LABEL_2 and so on"
            }
            Self::SwappedLabels => {
                "When the labels are swapped, the model follows the definitions and not the names"
            }
            Self::Prompts => {
                "Krippendorff's alpha between the labels that reworded prompts lead to"
            }
        }
    }
}

/// What is tested with how many rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Rows of the table, drawn with the task's seed.
    pub rows: usize,

    /// The share of answers that has to be right.
    pub needed: f64,

    /// Rewordings of the codebook's instruction, tested beside our prompts.
    pub instructions: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rows: 60, needed: 0.95, instructions: Vec::new() }
    }
}

/// An answer that is not as it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A row of the table; what belongs to the codebook has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    pub expected: String,
    pub got: String,
}

/// What a test found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub test: Test,

    /// Answers that were compared; of prompts, texts.
    pub asked: usize,

    /// The share of them that is as it has to be, with Wilson's interval; of prompts, Krippendorff's
    /// alpha with its bootstrap interval. `None`: there is no number, for the reason below.
    pub value: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub needed: f64,

    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// The first ones only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
}

impl Outcome {
    /// `None`: there is no number.
    pub fn passes(&self) -> Option<bool> {
        self.value.map(|value| value >= self.needed)
    }
}

/// All tests of a model with a codebook.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stability {
    pub model: String,
    pub model_sha256: String,
    pub rows: usize,
    pub seed: u64,
    pub outcomes: Vec<Outcome>,
}

/// How far the tests are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Testing {
    pub test: &'static str,
    pub done: usize,
    pub total: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum StabilityError {
    #[error(transparent)]
    Ask(#[from] AskError),

    #[error("only tasks with a codebook can be tested: this one has no part [code]")]
    NoCodebook,

    #[error("there is no row to test with: every text of the table is empty")]
    NoRows,

    #[error("{} could not be read: {problem}", path.display())]
    Read { path: PathBuf, problem: String },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Runs all tests.
pub fn run(
    model: &Model,
    adapter: Option<&Adapter>,
    prepared: &Prepared,
    settings: &Settings,
    progress: &dyn Progress<Testing>,
) -> Result<Stability, StabilityError> {
    let codebook = prepared.questions.codebook.clone().ok_or(StabilityError::NoCodebook)?;
    let mut sampled = prepared.clone();
    sampled.questions.list = drawn(&prepared.questions.list, settings.rows, prepared.task.seed);
    if sampled.questions.list.is_empty() {
        return Err(StabilityError::NoRows);
    }
    let base = sampled.varied(codebook.clone(), None)?;
    let rows = base.questions.list.len();
    let mut bench = Bench { model, adapter, settings, base, codebook, progress, done: 0, total: 0 };
    bench.total = bench.passes();
    let outcomes = bench.run()?;
    let identity = &model.card().identity;
    Ok(Stability {
        model: identity.name.clone(),
        model_sha256: identity.sha256.clone(),
        rows,
        seed: prepared.task.seed,
        outcomes,
    })
}

/// So many of the rows that can be asked, in the order of the table.
fn drawn(questions: &[Question], rows: usize, seed: u64) -> Vec<Question> {
    let askable: Vec<&Question> =
        questions.iter().filter(|question| question.problem.is_none()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut places = index::sample(&mut random, askable.len(), rows.min(askable.len())).into_vec();
    places.sort_unstable();
    places.into_iter().map(|place| askable[place].clone()).collect()
}

struct Bench<'a> {
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    settings: &'a Settings,

    /// The drawn rows, asked once each in the order of the codebook.
    base: Prepared,
    codebook: Codebook,
    progress: &'a dyn Progress<Testing>,
    done: usize,
    total: usize,
}

/// Labels by their index in the codebook; `None`: the row could not be asked.
type Answers = Vec<Option<usize>>;

impl Bench<'_> {
    fn run(&mut self) -> Result<Vec<Outcome>, AskError> {
        let base = self.base.clone();
        let rows = base.questions.list.clone();
        let first = self.ask(Test::Order, &base, &rows)?;
        Ok(vec![
            self.legal_labels(&base)?,
            self.definitions(&base)?,
            self.examples(&base)?,
            self.order(&first)?,
            self.exclusion(&first)?,
            self.other_labels(Test::GenericLabels, generic(&self.codebook), &first)?,
            self.other_labels(Test::SwappedLabels, swapped(&self.codebook), &first)?,
            self.prompts(&first)?,
        ])
    }

    /// How often the model is asked in all.
    fn passes(&self) -> usize {
        let rows = self.base.questions.list.len();
        let classes = &self.codebook.classes;
        let definitions = classes.iter().filter(|class| !class.definition.trim().is_empty());
        let examples: usize = classes.iter().map(|class| class.positive_examples.len()).sum();
        let prompts = self.templates().len() + self.settings.instructions.len();
        // As it is, freely written, three for the exclusion, two with other labels.
        let with_rows = 7 + reordered(&self.codebook, ORDERS, self.base.task.seed).len() + prompts;
        rows * with_rows + definitions.count() + examples
    }

    fn templates(&self) -> Vec<&'static str> {
        let own = self.base.form.template();
        TEMPLATES.iter().copied().filter(|template| *template != own).collect()
    }

    fn step(&mut self, test: Test) -> Result<(), AskError> {
        self.progress.check()?;
        let (done, total) = (self.done, self.total);
        self.progress.emit(Testing { test: test.name(), done, total });
        self.progress.rest();
        self.done += 1;
        Ok(())
    }

    fn ask(
        &mut self,
        test: Test,
        variant: &Prepared,
        questions: &[Question],
    ) -> Result<Answers, AskError> {
        let mut asker = Asker::new(self.model, self.adapter, variant)?;
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            self.step(test)?;
            answers.push(asker.answer(question, self.progress)?.index);
        }
        Ok(answers)
    }

    fn label(&self, index: usize) -> String {
        self.codebook.labels().get(index).cloned().unwrap_or_default()
    }

    fn legal_labels(&mut self, base: &Prepared) -> Result<Outcome, AskError> {
        let mut counted = Counted::new(Test::LegalLabels);
        let mut asker = Asker::new(self.model, self.adapter, base)?;
        for question in &base.questions.list {
            self.step(Test::LegalLabels)?;
            let answers = base.form.first(question)?.answers;
            let Some(reply) = asker.reply(question, MORE_TOKENS, self.progress)? else { continue };
            counted.count(is_legal(&reply, &answers), || Failure {
                row: Some(question.row.place.row),
                expected: "a label".to_owned(),
                got: reply.clone(),
            });
        }
        Ok(counted.outcome(self.settings.needed))
    }

    fn definitions(&mut self, base: &Prepared) -> Result<Outcome, AskError> {
        let classes = self.codebook.classes.iter().enumerate();
        let texts = classes
            .filter(|(_, class)| !class.definition.trim().is_empty())
            .map(|(index, class)| (index, class.definition.clone()))
            .collect::<Vec<_>>();
        self.texts_of_the_codebook(Test::Definitions, base, &texts)
    }

    fn examples(&mut self, base: &Prepared) -> Result<Outcome, AskError> {
        let classes = self.codebook.classes.iter().enumerate();
        let texts = classes
            .flat_map(|(index, class)| {
                class.positive_examples.iter().map(move |text| (index, text.clone()))
            })
            .collect::<Vec<_>>();
        self.texts_of_the_codebook(Test::Examples, base, &texts)
    }

    /// Texts from the codebook itself, each with the label that it has to get.
    fn texts_of_the_codebook(
        &mut self,
        test: Test,
        base: &Prepared,
        texts: &[(usize, String)],
    ) -> Result<Outcome, AskError> {
        let mut counted = Counted::new(test);
        counted.nothing = texts.is_empty();
        let Some(question) = base.questions.list.first() else {
            return Ok(counted.outcome(self.settings.needed));
        };
        // A prompt that shows other columns finds them empty.
        let blank = question.filled_with("");
        let questions: Vec<Question> =
            texts.iter().map(|(_, text)| blank.with_part("text", text)).collect();
        let answers = self.ask(test, base, &questions)?;
        for ((expected, _), got) in texts.iter().zip(answers) {
            let Some(got) = got else { continue };
            counted.count(got == *expected, || Failure {
                row: None,
                expected: self.label(*expected),
                got: self.label(got),
            });
        }
        Ok(counted.outcome(self.settings.needed))
    }

    fn order(&mut self, first: &Answers) -> Result<Outcome, AskError> {
        let mut counted = Counted::new(Test::Order);
        for (order, codebook) in reordered(&self.codebook, ORDERS, self.base.task.seed) {
            let variant = self.base.varied(codebook, None)?;
            let answers = self.ask(Test::Order, &variant, &variant.questions.list)?;
            let back = answers.iter().map(|answer| answer.map(|place| order[place])).collect();
            self.compare(&mut counted, first, &back);
        }
        Ok(counted.outcome(self.settings.needed))
    }

    /// The labels have other names, in the codebook's order: the index says what is meant.
    fn other_labels(
        &mut self,
        test: Test,
        codebook: Codebook,
        first: &Answers,
    ) -> Result<Outcome, AskError> {
        let mut counted = Counted::new(test);
        let variant = self.base.varied(codebook, None)?;
        let answers = self.ask(test, &variant, &variant.questions.list)?;
        self.compare(&mut counted, first, &answers);
        Ok(counted.outcome(self.settings.needed))
    }

    fn compare(&self, counted: &mut Counted, first: &Answers, other: &Answers) {
        for ((question, before), after) in self.base.questions.list.iter().zip(first).zip(other) {
            let (Some(before), Some(after)) = (*before, *after) else { continue };
            counted.count(before == after, || Failure {
                row: Some(question.row.place.row),
                expected: self.label(before),
                got: self.label(after),
            });
        }
    }

    /// The label of a text excludes texts with a word. The text, the rule, or both get the word; only
    /// both together may change the label, and have to.
    fn exclusion(&mut self, first: &Answers) -> Result<Outcome, AskError> {
        let mut counted = Counted::new(Test::Exclusion);
        let rows = self.base.questions.list.clone();
        let word = unused_word(&self.codebook, &rows);
        let with_word = |question: &Question| {
            let text = question.part("text").unwrap_or_default();
            let longer = format!("{text} {word}");
            question.with_part("text", &longer)
        };
        let base = self.base.clone();
        let longer: Vec<Question> = rows.iter().map(with_word).collect();
        let only_text = self.ask(Test::Exclusion, &base, &longer)?;
        let mut by_label: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, label) in first.iter().enumerate() {
            if let Some(label) = label {
                by_label.entry(*label).or_default().push(place);
            }
        }
        for (label, places) in by_label {
            let variant = base.varied(excluding(&self.codebook, label, word), None)?;
            let of = |questions: &[Question]| -> Vec<Question> {
                places.iter().map(|place| questions[*place].clone()).collect()
            };
            let only_rule = self.ask(Test::Exclusion, &variant, &of(&rows))?;
            let both = self.ask(Test::Exclusion, &variant, &of(&longer))?;
            for ((place, rule), both) in places.iter().zip(only_rule).zip(both) {
                let (Some(text), Some(rule), Some(both)) = (only_text[*place], rule, both) else {
                    continue;
                };
                let name = self.label(label);
                counted.count(text == label && rule == label && both != label, || Failure {
                    row: Some(rows[*place].row.place.row),
                    expected: format!("{name}, {name}, another"),
                    got: [text, rule, both].map(|label| self.label(label)).join(", "),
                });
            }
        }
        Ok(counted.outcome(self.settings.needed))
    }

    fn prompts(&mut self, first: &Answers) -> Result<Outcome, AskError> {
        let mut runs = vec![first.clone()];
        for template in self.templates() {
            let variant = self.base.varied(self.codebook.clone(), Some(template))?;
            runs.push(self.ask(Test::Prompts, &variant, &variant.questions.list)?);
        }
        for instruction in self.settings.instructions.clone() {
            let codebook = Codebook { instruction, ..self.codebook.clone() };
            let variant = self.base.varied(codebook, None)?;
            runs.push(self.ask(Test::Prompts, &variant, &variant.questions.list)?);
        }
        let units = (0..first.len()).map(|row| runs.iter().map(|run| run[row]).collect());
        let ratings = Ratings { units: units.collect(), categories: self.codebook.classes.len() };
        let bootstrap = Bootstrap { seed: self.base.task.seed, ..Bootstrap::default() };
        let Interval { value, low, high, .. } = alpha_interval(&ratings, Scale::Nominal, bootstrap);
        Ok(Outcome {
            test: Test::Prompts,
            asked: ratings.pairable(),
            reason: value.as_ref().err().map(ToString::to_string),
            value: value.ok(),
            low: low.ok(),
            high: high.ok(),
            needed: STABLE,
            failures: Vec::new(),
        })
    }
}

/// Answers that are as they have to be, of all.
struct Counted {
    test: Test,
    held: usize,
    asked: usize,
    failures: Vec<Failure>,

    /// There was nothing to ask.
    nothing: bool,
}

impl Counted {
    fn new(test: Test) -> Self {
        Self { test, held: 0, asked: 0, failures: Vec::new(), nothing: false }
    }

    fn count(&mut self, holds: bool, failure: impl FnOnce() -> Failure) {
        self.asked += 1;
        if holds {
            self.held += 1;
        } else if self.failures.len() < MOST_LISTED {
            self.failures.push(failure());
        }
    }

    fn outcome(self, needed: f64) -> Outcome {
        let share = wilson(self.held as f64, self.asked as f64, 0.95).ok();
        let reason = share.is_none().then(|| match self.test {
            Test::Definitions if self.nothing => "the codebook has no definitions".to_owned(),
            Test::Examples if self.nothing => "the codebook has no examples".to_owned(),
            Test::Definitions | Test::Examples => "none of these texts could be asked".to_owned(),
            _ => "no row could be asked".to_owned(),
        });
        Outcome {
            test: self.test,
            asked: self.asked,
            value: share.map(|share| share.share),
            low: share.map(|share| share.low),
            high: share.map(|share| share.high),
            needed,
            reason,
            failures: self.failures,
        }
    }
}

impl Stability {
    /// What lies in the folder of an evaluation; `None`: nothing was tested.
    pub fn read(folder: &Path) -> Result<Option<Self>, StabilityError> {
        let path = folder.join(STABILITY);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(StabilityError::Read { path, problem: err.to_string() }),
        };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|err| StabilityError::Read {
            path,
            problem: files::mistake_in_json(&bytes, &err),
        })
    }

    pub fn save(&self, folder: &Path) -> Result<(), StabilityError> {
        let path = folder.join(STABILITY);
        let text = serde_json::to_string_pretty(self).expect("texts and numbers are valid JSON");
        files::write_atomic(&path, text.as_bytes())
            .map_err(|source| StabilityError::Write { path, source })
    }

    /// A section of the report.
    pub fn markdown(&self) -> String {
        let needed = self.outcomes.first().map_or(0.0, |outcome| outcome.needed);
        let mut out = format!(
            "\n## Stability\n\nTested with {} rows, drawn with seed {}, and {}. The first seven \
             tests are those of Halterman and Keith (2025), who name no threshold: {:.0} % is \
             ours. The last is the prompt stability score of Barrie et al. (2024), who call {STABLE} \
             stable. Asking the same prompt again gives the same probabilities: nothing is \
             drawn.\n\n| test | what passes | answers | result | 95 % interval | needed | |\n\
             | --- | --- | ---: | ---: | --- | ---: | --- |\n",
            self.rows,
            self.seed,
            self.model,
            needed * 100.0
        );
        for outcome in &self.outcomes {
            let number = |value: Option<f64>| value.map(|value| format!("{value:.3}"));
            let interval = match (number(outcome.low), number(outcome.high)) {
                (Some(low), Some(high)) => format!("{low} to {high}"),
                _ => String::new(),
            };
            let verdict = match (outcome.passes(), &outcome.reason) {
                (Some(true), _) => "passes",
                (Some(false), _) => "**fails**",
                (None, Some(reason)) => reason,
                (None, None) => "",
            };
            out.push_str(&format!(
                "| {} | {} | {} | {} | {interval} | {:.2} | {verdict} |\n",
                outcome.test.name(),
                outcome.test.words(),
                outcome.asked,
                number(outcome.value).unwrap_or_default(),
                outcome.needed
            ));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_passes_from_what_is_needed_on() {
        let mut counted = Counted::new(Test::Order);
        for holds in [true, true, true, false] {
            let failure =
                || Failure { row: Some(1), expected: "a".to_owned(), got: "b".to_owned() };
            counted.count(holds, failure);
        }
        let outcome = counted.outcome(0.75);
        assert_eq!((outcome.value, outcome.passes()), (Some(0.75), Some(true)));
        assert_eq!(outcome.failures.len(), 1);
        let none = Counted { nothing: true, ..Counted::new(Test::Examples) }.outcome(0.95);
        assert_eq!(
            (none.passes(), none.reason.as_deref()),
            (None, Some("the codebook has no examples"))
        );
    }

    #[test]
    fn what_is_saved_is_read_back_and_a_folder_without_it_was_not_tested() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Stability::read(folder.path()).unwrap(), None);
        let found = Stability {
            model: "tiny".to_owned(),
            model_sha256: "00".to_owned(),
            rows: 3,
            seed: 1,
            outcomes: vec![Counted::new(Test::Definitions).outcome(0.95)],
        };
        found.save(folder.path()).unwrap();
        assert_eq!(Stability::read(folder.path()).unwrap(), Some(found));
    }
}
