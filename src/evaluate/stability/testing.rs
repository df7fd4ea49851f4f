//! Runs the tests of [`super`]: a model is asked the same in other forms.

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use super::variations::{
    TEMPLATES, TEMPLATES_OF_EACH, excluding, generic, is_legal, reordered, swapped, unused_word,
};
use super::{Failure, Outcome, Stability, StabilityError, Test};
use crate::data::codebook::Codebook;
use crate::evaluate::asking::error::AskError;
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::asking::respondent::Respondent;
use crate::evaluate::asking::run::Asker;
use crate::evaluate::prompt::Form;
use crate::evaluate::rows::question::Question;
use crate::evaluate::rows::several::{ANSWERS, named};
use crate::jobs::Progress;
use crate::llm::card::ModelIdentity;
use crate::stats::agreement::many::{Ratings, Scale};
use crate::stats::paired::wilson;
use crate::stats::resample::{Bootstrap, Interval};
use crate::stats::stability::{STABLE, alpha_interval};

/// Other orders of the classes than that of the codebook.
const ORDERS: usize = 3;

/// Answers that are not as they have to be are listed, but no more of them.
const MOST_LISTED: usize = 20;

/// Tokens that a reply may have beyond those of the longest label.
const MORE_TOKENS: usize = 12;

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

/// How far the tests are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Testing {
    pub test: &'static str,
    pub done: usize,
    pub total: usize,
}

/// Runs all tests. `identity`: of the model that is asked.
pub fn run<'a>(
    (respondent, identity): (impl Into<Respondent<'a>>, &ModelIdentity),
    prepared: &Prepared,
    settings: &Settings,
    progress: &dyn Progress<Testing>,
) -> Result<Stability, StabilityError> {
    let codebook = prepared.questions.codebook.clone().filter(|_| prepared.task.code.is_some());
    let codebook = codebook.ok_or(StabilityError::NoCodebook)?;
    let drawn = drawn(&prepared.questions.list, settings.rows, prepared.task.seed);
    if drawn.is_empty() {
        return Err(StabilityError::NoRows);
    }
    let rows = drawn.len();
    let base = prepared.with_rows(drawn).varied(codebook.clone(), None)?;
    let (respondent, several) = (respondent.into(), codebook.several);
    let mut bench = Bench { respondent, settings, base, codebook, progress, done: 0, total: 0 };
    bench.total = bench.passes();
    let outcomes = bench.run()?;
    Ok(Stability {
        model: identity.name.clone(),
        model_sha256: identity.sha256.clone(),
        rows,
        seed: prepared.task.seed,
        several,
        without_examples: prepared.task.examples.as_ref().map_or(0, |examples| examples.count),
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
    respondent: Respondent<'a>,
    settings: &'a Settings,

    /// The drawn rows, asked once each in the order of the codebook.
    base: Prepared,
    codebook: Codebook,
    progress: &'a dyn Progress<Testing>,
    done: usize,
    total: usize,
}

/// The labels of each row by their index in the codebook, one where a text cannot have several; `None`: the row
/// could not be asked.
type Answers = Vec<Option<Vec<usize>>>;

impl Bench<'_> {
    fn run(&mut self) -> Result<Vec<Outcome>, AskError> {
        let base = self.base.clone();
        let rows = base.questions.list.clone();
        let first = self.ask(Test::Order, &base, &rows)?;
        // A text with two labels is asked about the exclusion from both, one without any from none.
        let labels: usize = first.iter().flatten().map(Vec::len).sum();
        self.total = (self.total + 2 * labels).saturating_sub(2 * first.len());
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
        let orders = if self.codebook.several {
            usize::from(self.other_order().is_ok_and(|other| other.is_some()))
        } else {
            reordered(&self.codebook, ORDERS, self.base.task.seed).len()
        };
        // As it is, freely written, three for the exclusion, two with other labels.
        let with_rows = 7 + orders + prompts;
        rows * with_rows + definitions.count() + examples
    }

    fn templates(&self) -> Vec<&'static str> {
        let own = self.base.form.template();
        let templates = if self.codebook.several { TEMPLATES_OF_EACH } else { TEMPLATES };
        templates.into_iter().filter(|template| *template != own).collect()
    }

    /// Of several labels: each is asked about twice, with yes named first and with no. `None`: the prompt names
    /// neither.
    fn other_order(&self) -> Result<Option<Prepared>, AskError> {
        let mut both = self.base.clone();
        both.task.orders = ANSWERS.len();
        both.form = Form::of(&both.task, both.task.kind()?, Some(&self.codebook))?;
        let Some(question) = both.questions.list.first() else { return Ok(None) };
        let has_both = both.form.order_count(question) == ANSWERS.len();
        Ok(has_both.then_some(both))
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
        let mut asker = Asker::new(self.respondent, variant)?;
        let mut answers = Vec::with_capacity(questions.len());
        for question in questions {
            self.step(test)?;
            let answered = asker.answer(question, self.progress)?;
            let several = answered.several.map(|several| several.applies);
            answers.push(several.or_else(|| answered.index.map(|index| vec![index])));
        }
        Ok(answers)
    }

    fn label(&self, index: usize) -> String {
        self.codebook.labels().get(index).cloned().unwrap_or_default()
    }

    fn names(&self, labels: &[usize]) -> String {
        named(&self.codebook.labels(), labels)
    }

    fn legal_labels(&mut self, base: &Prepared) -> Result<Outcome, AskError> {
        let mut counted = Counted::new(Test::LegalLabels);
        let mut asker = Asker::new(self.respondent, base)?;
        let labels = if self.codebook.several { self.codebook.classes.len().max(1) } else { 1 };
        for (question, number) in base.questions.list.iter().zip(0..) {
            self.step(Test::LegalLabels)?;
            let answers = base.form.first(question)?.answers;
            let asked = (number % labels, MORE_TOKENS);
            let Some(reply) = asker.reply(question, asked, self.progress)? else { continue };
            let expected = if labels > 1 { answers.join(" or ") } else { "a label".to_owned() };
            counted.count(is_legal(&reply, &answers), || Failure {
                row: Some(question.row.place.row),
                expected,
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
            counted.count(got.contains(expected), || Failure {
                row: None,
                expected: self.label(*expected),
                got: self.names(&got),
            });
        }
        Ok(counted.outcome(self.settings.needed))
    }

    fn order(&mut self, first: &Answers) -> Result<Outcome, AskError> {
        let mut counted = Counted::new(Test::Order);
        if self.codebook.several {
            return self.order_of_yes_and_no(counted);
        }
        for (order, codebook) in reordered(&self.codebook, ORDERS, self.base.task.seed) {
            let variant = self.base.varied(codebook, None)?;
            let answers = self.ask(Test::Order, &variant, &variant.questions.list)?;
            let back = |places: &Vec<usize>| places.iter().map(|place| order[*place]).collect();
            let back = answers.iter().map(|answer| answer.as_ref().map(back)).collect();
            self.compare(&mut counted, first, &back);
        }
        Ok(counted.outcome(self.settings.needed))
    }

    fn order_of_yes_and_no(&mut self, mut counted: Counted) -> Result<Outcome, AskError> {
        let Some(both) = self.other_order()? else {
            counted.nothing = true;
            return Ok(counted.outcome(self.settings.needed));
        };
        let mut asker = Asker::new(self.respondent, &both)?;
        for question in &both.questions.list {
            self.step(Test::Order)?;
            let answered = asker.answer(question, self.progress)?;
            for (each, label) in answered.several.iter().flat_map(|it| &it.each).zip(0..) {
                let is_same = each.same_answer.is_none_or(|share| share == 1.0);
                counted.count(is_same, || Failure {
                    row: Some(question.row.place.row),
                    expected: format!("{}: the same in both orders", self.label(label)),
                    got: "yes in one, no in the other".to_owned(),
                });
            }
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
            let (Some(before), Some(after)) = (before, after) else { continue };
            let row = Some(question.row.place.row);
            if !self.codebook.several {
                counted.count(before == after, || Failure {
                    row,
                    expected: self.names(before),
                    got: self.names(after),
                });
                continue;
            }
            // Each label was a question of its own.
            for label in 0..self.codebook.classes.len() {
                let said = |labels: &[usize]| {
                    let answer = ANSWERS[usize::from(!labels.contains(&label))].to_lowercase();
                    format!("{}: {answer}", self.label(label))
                };
                counted.count(before.contains(&label) == after.contains(&label), || Failure {
                    row,
                    expected: said(before),
                    got: said(after),
                });
            }
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
        for (place, labels) in first.iter().enumerate() {
            for label in labels.iter().flatten() {
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
                let (Some(text), Some(rule), Some(both)) = (&only_text[*place], rule, both) else {
                    continue;
                };
                let has = |labels: &[usize]| labels.contains(&label);
                let name = self.label(label);
                counted.count(has(text) && has(&rule) && !has(&both), || Failure {
                    row: Some(rows[*place].row.place.row),
                    expected: format!("{name} | {name} | not {name}"),
                    got: [text, &rule, &both].map(|labels| self.names(labels)).join(" | "),
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
        let ratings = self.ratings(&runs);
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

impl Bench<'_> {
    /// What each run said of every text; of several labels, of every label of every text.
    fn ratings(&self, runs: &[Answers]) -> Ratings {
        let rows = runs.first().map_or(0, Vec::len);
        let classes = self.codebook.classes.len();
        if !self.codebook.several {
            let of_row = |row: usize| {
                runs.iter().map(|run| run[row].as_ref()?.first().copied()).collect::<Vec<_>>()
            };
            return Ratings { units: (0..rows).map(of_row).collect(), categories: classes };
        }
        let of_label = |row: usize, label: usize| {
            let said = |run: &Answers| Some(usize::from(!run[row].as_ref()?.contains(&label)));
            runs.iter().map(said).collect::<Vec<_>>()
        };
        let units = (0..rows).flat_map(|row| (0..classes).map(move |label| (row, label)));
        let units = units.map(|(row, label)| of_label(row, label)).collect();
        Ratings { units, categories: ANSWERS.len() }
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
            Test::Order if self.nothing => {
                "the prompt names neither yes nor no, so that they have no order".to_owned()
            }
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
}
