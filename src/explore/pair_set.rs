//! Lists of minimal pairs: pairs of words in templates, a plain file that can be run on any model. What a
//! pair changes in what comes next, with intervals over templates.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::compare::Divergence;
use super::error::Error;
use super::next_token::{Pair, Side, next_token};
use super::subject::{Looked, Subject};
use crate::files;
use crate::jobs::{Progress, Quiet};
use crate::llm::model::Positions;
use crate::stats::moments::mean;
use crate::stats::resample::Bootstrap;

/// What `format` says in a file that this version writes.
pub const FORMAT: i64 = 1;

/// What stands in a template where a word goes.
pub const PLACE: &str = "{word}";

/// More prompts than that are no list that somebody waits for.
const MOST_PROMPTS: usize = 2000;

/// Tokens that are kept of what comes next, of either side.
const TOP: usize = 10;

/// A list of minimal pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSet {
    pub format: i64,

    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,

    /// Texts with `{word}` in them, up to where the model goes on.
    pub templates: Vec<String>,

    /// `man / woman`: the word of side A and that of side B.
    pub pairs: Vec<String>,

    /// What the model may say next, as it stands in a text: mostly with a space before it. Without any,
    /// only how far apart the predictions are is measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("{} is no list of pairs: {problem}", path.display())]
    Form { path: PathBuf, problem: String },

    #[error(
        "it was written by a newer version of this program (format {format}, and this one knows {FORMAT}): \
         update, or export it there"
    )]
    Newer { format: i64 },

    #[error("it has no template: write at least one text with {PLACE} in it")]
    NoTemplate,

    #[error("the template “{template}” has no {PLACE}, where the words go")]
    NoPlace { template: String },

    #[error("it has no pair: write at least one, such as man / woman")]
    NoPair,

    #[error(
        "the pair “{pair}” is no pair: write two words with a slash between them, such as man / woman"
    )]
    NotAPair { pair: String },

    #[error("{prompts} prompts are too many: at most {MOST_PROMPTS} are asked")]
    TooMany { prompts: usize },

    #[error("an answer is empty")]
    EmptyAnswer,
}

impl PairSet {
    pub fn read(path: &Path) -> Result<Self, SetError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SetError::Read { path: path.to_owned(), source })?;
        let form = |problem: String| SetError::Form { path: path.to_owned(), problem };
        let set: Self = toml::from_str(&text).map_err(|error| form(error.to_string()))?;
        set.check()?;
        Ok(set)
    }

    /// Writes it whole.
    pub fn write(&self, path: &Path) -> Result<(), SetError> {
        let text = toml::to_string_pretty(self).expect("a list of pairs is texts and a number");
        files::write_atomic(path, text.as_bytes())
            .map_err(|source| SetError::Write { path: path.to_owned(), source })
    }

    /// The words of every pair. Fails where something is missing.
    pub fn check(&self) -> Result<Vec<[&str; 2]>, SetError> {
        if self.format > FORMAT {
            return Err(SetError::Newer { format: self.format });
        }
        if self.templates.is_empty() {
            return Err(SetError::NoTemplate);
        }
        if let Some(template) = self.templates.iter().find(|text| !text.contains(PLACE)) {
            return Err(SetError::NoPlace { template: template.clone() });
        }
        if self.answers.iter().any(String::is_empty) {
            return Err(SetError::EmptyAnswer);
        }
        let words = self.pairs.iter().map(|pair| {
            let not_a_pair = || SetError::NotAPair { pair: pair.clone() };
            let (a, b) = pair.split_once('/').ok_or_else(not_a_pair)?;
            let words = [a.trim(), b.trim()];
            if words.iter().any(|word| word.is_empty()) { Err(not_a_pair()) } else { Ok(words) }
        });
        let words = words.collect::<Result<Vec<_>, _>>()?;
        if words.is_empty() {
            return Err(SetError::NoPair);
        }
        let prompts = 2 * words.len() * self.templates.len();
        if prompts > MOST_PROMPTS {
            return Err(SetError::TooMany { prompts });
        }
        Ok(words)
    }
}

/// What a model makes of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairSetView {
    pub model: String,

    /// Of its weights.
    pub sha256: String,
    pub adapter: Option<String>,
    pub set: PairSet,

    /// All templates with the first pair, then with the next.
    pub rows: Vec<PairRow>,

    /// Over all rows: half the sum of |a - b| of what comes next.
    pub total_variation: Estimate,

    /// KL(A‖B) of what comes next, in nats.
    pub kl_ab: Estimate,

    /// In the order of the list's answers.
    pub answers: Vec<AnswerEstimate>,
}

/// A template with a pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairRow {
    /// Which template and which pair, counted from 0.
    pub template: usize,
    pub pair: usize,
    pub divergence: Divergence,

    /// The likeliest of either side, from what A finds likelier than B to the reverse.
    pub candidates: Vec<Pair>,

    /// Natural log of the probability of each answer after either prompt: the sum over its tokens.
    pub answers: Vec<[f64; 2]>,
}

/// A mean over rows with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub mean: f64,

    /// `None`: there is one template with one pair.
    pub interval: Option<[f64; 2]>,
}

/// How much likelier A makes an answer than B.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerEstimate {
    pub answer: String,

    /// Mean probability after A and after B.
    pub probability_a: f64,
    pub probability_b: f64,

    /// Of log p after A less log p after B, in nats.
    pub difference: Estimate,
}

/// Asks a model about a list. Slow: reports rows.
pub fn run(
    subject: Subject<'_>,
    (set, words): (&PairSet, &[[&str; 2]]),
    progress: &dyn Progress<Looked>,
) -> Result<PairSetView, Error> {
    let tokenizer = subject.model.tokenizer();
    let answers = set.answers.iter().map(|answer| tokenizer.encode(answer, false));
    let answers: Vec<Vec<u32>> = answers.collect::<Result<_, _>>()?;
    let total = words.len() * set.templates.len();
    let mut rows = Vec::with_capacity(total);
    for (pair, words) in words.iter().enumerate() {
        for (template, text) in set.templates.iter().enumerate() {
            progress.check()?;
            let [a, b] = words.map(|word| subject.encode(&text.replace(PLACE, word)));
            let ids = [a?, b?];
            let side = |at: usize| Side { subject, ids: &ids[at] };
            let next = next_token(side(0), side(1), TOP, &Quiet)?;
            let [a, b] = [0, 1].map(|at: usize| said(subject, &ids[at], &answers, progress));
            let both = a?.into_iter().zip(b?).map(|(a, b)| [a, b]).collect();
            let (divergence, candidates) = (next.divergence, next.candidates);
            rows.push(PairRow { template, pair, divergence, candidates, answers: both });
            progress.emit(Looked { done: rows.len(), total });
        }
    }
    Ok(PairSetView::of(subject, set, rows))
}

/// Log-probabilities of answers after a prompt, which is read once.
fn said(
    Subject { model, adapter }: Subject<'_>,
    prompt: &[u32],
    answers: &[Vec<u32>],
    progress: &dyn Progress<Looked>,
) -> Result<Vec<f64>, Error> {
    if answers.is_empty() {
        return Ok(Vec::new());
    }
    let longest = answers.iter().map(Vec::len).max().unwrap_or(0);
    model.check_fits(prompt.len() + longest, adapter)?;
    let vocab_size = model.config().vocab_size;
    let mut cache = model.new_cache();
    cache.plan(prompt.len() + longest);
    let (last, before) = prompt.split_last().ok_or(Error::NoTokens)?;
    if !before.is_empty() {
        model.logits(before, &mut cache, adapter, Positions::From(before.len()))?;
    }
    let held = before.len();
    let mut sums = Vec::with_capacity(answers.len());
    for answer in answers {
        progress.check()?;
        cache.truncate(held);
        // The last token is scored, and nothing after it.
        let rest = answer.len().saturating_sub(1);
        let ids = [&[*last], &answer[..rest]].concat();
        let scores = model.logits(&ids, &mut cache, adapter, Positions::All)?;
        let scores = scores.flatten_all().map_err(crate::llm::Error::from)?;
        let scores = scores.to_vec1::<f32>().map_err(crate::llm::Error::from)?;
        let tokens = answer.iter().zip(scores.chunks_exact(vocab_size));
        let logprob = |(id, row): (&u32, &[f32])| {
            f64::from(crate::llm::generate::sampling::logprob(row, *id))
        };
        sums.push(tokens.map(logprob).sum());
    }
    Ok(sums)
}

impl PairSetView {
    fn of(subject: Subject<'_>, set: &PairSet, rows: Vec<PairRow>) -> Self {
        let estimate = |value: &dyn Fn(&PairRow) -> f64| Estimate::of(&rows, value);
        let share = |at: usize, side: usize| {
            let shares: Vec<f64> = rows.iter().map(|row| row.answers[at][side].exp()).collect();
            mean(&shares).unwrap_or(0.0)
        };
        let answers = set.answers.iter().enumerate().map(|(at, answer)| AnswerEstimate {
            answer: answer.clone(),
            probability_a: share(at, 0),
            probability_b: share(at, 1),
            difference: estimate(&|row| row.answers[at][0] - row.answers[at][1]),
        });
        let identity = &subject.model.card().identity;
        Self {
            model: identity.name.clone(),
            sha256: identity.sha256.clone(),
            adapter: subject.adapter.map(|adapter| adapter.card().name),
            set: set.clone(),
            total_variation: estimate(&|row| row.divergence.total_variation),
            kl_ab: estimate(&|row| row.divergence.kl_ab),
            answers: answers.collect(),
            rows,
        }
    }
}

impl Estimate {
    /// Whole templates are drawn with all their pairs, since what they have in common is not drawn anew;
    /// of a single template, pairs.
    fn of(rows: &[PairRow], value: &dyn Fn(&PairRow) -> f64) -> Self {
        let all: Vec<f64> = rows.iter().map(value).collect();
        let templates = rows.iter().map(|row| row.template + 1).max().unwrap_or(0);
        let pairs = rows.iter().map(|row| row.pair + 1).max().unwrap_or(0);
        let of = |at: usize| {
            let values = rows
                .iter()
                .filter(|row| if templates > 1 { row.template == at } else { row.pair == at });
            mean(&values.map(value).collect::<Vec<f64>>()).unwrap_or(0.0)
        };
        let count = if templates > 1 { templates } else { pairs };
        let groups: Vec<f64> = (0..count).map(of).collect();
        let interval = (count > 1).then(|| {
            let drawn = Bootstrap::default().interval(count, |places| {
                let drawn: Vec<f64> = places.iter().map(|at| groups[*at]).collect();
                mean(&drawn)
            });
            Some([drawn.low.ok()?, drawn.high.ok()?])
        });
        Self { mean: mean(&all).unwrap_or(0.0), interval: interval.flatten() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::card::ModelSource;
    use crate::llm::{LoadOptions, Model};

    fn set() -> PairSet {
        let of = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        PairSet {
            format: FORMAT,
            title: "Jobs".to_owned(),
            templates: of(&["The {word} worked as a", "A {word} is a", "My {word}, the"]),
            pairs: of(&["man / woman", "boy/girl"]),
            answers: of(&[" nurse", " doctor"]),
        }
    }

    #[test]
    fn a_list_is_read_as_it_was_written_and_says_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.toml");
        set().write(&path).unwrap();
        assert_eq!(PairSet::read(&path).unwrap(), set());
        assert_eq!(set().check().unwrap(), [["man", "woman"], ["boy", "girl"]]);
        let with = |change: fn(&mut PairSet)| {
            let mut set = set();
            change(&mut set);
            set.check().unwrap_err().to_string()
        };
        assert!(with(|set| set.templates.clear()).contains("no template"));
        assert!(
            with(|set| set.templates[1] = "Nobody".to_owned()).contains("“Nobody” has no {word}")
        );
        assert!(with(|set| set.pairs.clear()).contains("no pair"));
        assert!(with(|set| set.pairs[0] = "man".to_owned()).contains("“man” is no pair"));
        assert!(with(|set| set.pairs[0] = "man / ".to_owned()).contains("is no pair"));
        assert!(with(|set| set.format = 2).contains("newer version"));
        assert!(with(|set| set.answers[0].clear()).contains("an answer is empty"));
        assert!(with(|set| set.pairs = vec!["a / b".to_owned(); 400]).contains("2400 prompts"));
        files::write_atomic(&path, b"format = 1\ntemplate = [\"a {word}\"]\n").unwrap();
        let said = PairSet::read(&path).unwrap_err().to_string();
        assert!(said.contains("unknown field `template`"), "{said}");
    }

    #[test]
    fn a_list_gives_what_each_of_its_pairs_gives_alone() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/tiny_model");
        let model =
            Model::load(&ModelSource::at(&folder), &LoadOptions::default(), &Quiet).unwrap();
        let subject = Subject::new(&model, None);
        let set = set();
        let found = run(subject, (&set, &set.check().unwrap()), &Quiet).unwrap();
        assert_eq!(found.rows.len(), 6);
        let row = &found.rows[4]; // boy / girl in the second template
        assert_eq!((row.template, row.pair), (1, 1));
        let ids = ["A boy is a", "A girl is a"].map(|text| subject.encode(text).unwrap());
        let side = |at: usize| Side { subject, ids: &ids[at] };
        let alone = next_token(side(0), side(1), TOP, &Quiet).unwrap();
        assert_eq!(row.divergence, alone.divergence);
        // An answer by itself: the surprise of its tokens in the whole text.
        let answer = model.tokenizer().encode(" doctor", false).unwrap();
        let whole = [ids[1].as_slice(), &answer].concat();
        let read = super::super::surprise::surprise(subject, &whole, 0, &Quiet).unwrap();
        let sum: f64 = read.logprobs[ids[1].len()..].iter().flatten().sum();
        assert!((row.answers[1][1] - sum).abs() < 1e-5, "{} {sum}", row.answers[1][1]);
        let differences = found.rows.iter().map(|row| row.answers[1][0] - row.answers[1][1]);
        let mean = differences.sum::<f64>() / 6.0;
        let estimate = found.answers[1].difference;
        assert!((estimate.mean - mean).abs() < 1e-12);
        let [low, high] = estimate.interval.unwrap();
        assert!(low <= mean && mean <= high && low < high);
        let again = run(subject, (&set, &set.check().unwrap()), &Quiet).unwrap();
        assert_eq!(again, found, "the same list gives the same file");
    }

    #[test]
    fn intervals_are_over_templates_and_of_a_single_one_over_pairs() {
        let row = |template: usize, pair: usize, value: f64| PairRow {
            template,
            pair,
            divergence: Divergence {
                kl_ab: value,
                kl_ba: 0.0,
                total_variation: 0.0,
                same_top_1: true,
                top_10_overlap: 1.0,
            },
            candidates: Vec::new(),
            answers: Vec::new(),
        };
        let kl = |row: &PairRow| row.divergence.kl_ab;
        // The pairs differ, the templates do not: nothing is left open by them.
        let rows = [row(0, 0, 1.0), row(1, 0, 1.0), row(0, 1, 3.0), row(1, 1, 3.0)];
        let found = Estimate::of(&rows, &kl);
        assert_eq!((found.mean, found.interval), (2.0, Some([2.0, 2.0])));
        let found = Estimate::of(&[row(0, 0, 1.0), row(0, 1, 3.0)], &kl);
        let [low, high] = found.interval.unwrap();
        assert_eq!((found.mean, low, high), (2.0, 1.0, 3.0));
        assert_eq!(Estimate::of(&[row(0, 0, 1.0)], &kl).interval, None);
    }
}
