//! Two evaluations of the same rows: what one model has over the other, with paired intervals.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use serde::Serialize;

use super::field_scores::is_same;
use super::figure::WithInterval;
use super::perplexity_scores;
use super::text_scores::{MEASURES, RowScores, all};
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::task::Kind;
use crate::evaluate::task::perplexity::Likelihood;
use crate::stats::moments::{quantile_of_sorted, sorted};
use crate::stats::paired::Discordance;
use crate::stats::resample::RESAMPLES;
use crate::stats::undefined::Number;
use crate::words::table::Table;

/// What differs, measure by measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub first: String,
    pub second: String,

    /// Rows that both have answered.
    pub rows: usize,
    pub measures: Vec<Measure>,

    /// What has to be known to read them, as a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    pub name: String,
    pub items: usize,
    pub first: Option<f64>,
    pub second: Option<f64>,

    /// The second less the first, with the percentile interval over 1,000 draws of rows, the same
    /// for both (seed 0).
    pub difference: WithInterval,

    /// `McNemar`'s exact test, where a row is right or wrong.
    pub p: Option<f64>,
}

/// What an evaluation kept.
pub type Kept = (Evaluation, BTreeMap<u64, Answered>);

impl Comparison {
    /// Fails, with a sentence, where the two are not of the same task and table.
    pub fn of(first: &Kept, second: &Kept) -> Result<Self, String> {
        let ((one, _), (other, _)) = (first, second);
        if one.data_sha256 != other.data_sha256 {
            return Err("the two evaluations are of different tables".to_owned());
        }
        let kinds = (one.task.kind(), other.task.kind());
        let (Ok(kind), Ok(other_kind)) = kinds else {
            return Err("one of the two evaluations does not say what was asked".to_owned());
        };
        if std::mem::discriminant(&kind) != std::mem::discriminant(&other_kind) {
            return Err("the two evaluations are of different kinds of tasks".to_owned());
        }
        let pairs: Vec<(&Answered, &Answered)> = first
            .1
            .iter()
            .filter_map(|(row, answer)| Some((answer, second.1.get(row)?)))
            .filter(|(a, b)| a.problem.is_none() && b.problem.is_none())
            .collect();
        let measures = match kind {
            Kind::Write(_) | Kind::Ask(_) => texts(&pairs),
            Kind::Extract(extract) => extract
                .human
                .keys()
                .map(|field| {
                    let right = |row: &Answered| {
                        let written = row.written.as_ref()?;
                        let person = written.people.get(field)?;
                        let value = written.fields.get(field).unwrap_or(&serde_json::Value::Null);
                        Some(is_same(value, person))
                    };
                    right_or_wrong(&format!("{field}: exact"), &pairs, right)
                })
                .collect(),
            Kind::Survey(_) => Vec::new(),
            Kind::Perplexity(_) => likelihoods(&pairs),
            Kind::Code(_) if one.several != other.several => {
                return Err(
                    "in one of the two evaluations a row can have several labels".to_owned()
                );
            }
            Kind::Code(_) if one.several => {
                let coders = one.coders.iter().enumerate();
                coders
                    .map(|(place, coder)| {
                        let right = |row: &Answered| {
                            let several = row.several.as_ref()?;
                            Some(several.human.get(place)?.as_ref()? == &several.applies)
                        };
                        right_or_wrong(&format!("the same labels as {coder}"), &pairs, right)
                    })
                    .collect()
            }
            Kind::Code(_) | Kind::Exam(_) | Kind::Judge(_) | Kind::Rate(_) => {
                let coders = one.coders.iter().enumerate();
                coders
                    .map(|(place, coder)| {
                        let right = |row: &Answered| {
                            let said = row.human.get(place).copied().flatten()?;
                            Some(row.index == Some(said))
                        };
                        right_or_wrong(&format!("as {coder}"), &pairs, right)
                    })
                    .collect()
            }
        };
        let name = |evaluation: &Evaluation| {
            let adapter = evaluation.adapter_sha256.as_ref().map(|_| " with an adapter");
            format!("{}{}", evaluation.model.name, adapter.unwrap_or_default())
        };
        let note = cuts_otherwise(&pairs).then(|| OTHER_TOKENS.to_owned());
        Ok(Self { first: name(one), second: name(other), rows: pairs.len(), measures, note })
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "# Two evaluations\n\nFirst: {}. Second: {}. {} rows that both have answered. \
             Differences are second less first, with 95 % percentile intervals over {RESAMPLES} \
             draws of rows.\n\n",
            self.first, self.second, self.rows
        );
        let numbers = ["rows", "first", "second", "difference"];
        let table = Table::default().words(["measure"]).numbers(numbers);
        let mut table = table.words(["95 % interval"]).numbers(["p"]);
        for measure in &self.measures {
            let number = |value: Option<f64>| {
                value.map_or_else(|| "none".to_owned(), |it| format!("{it:.3}"))
            };
            let interval = match (measure.difference.low, measure.difference.high) {
                (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
                _ => "none".to_owned(),
            };
            let [first, second, difference] =
                [measure.first, measure.second, measure.difference.value.value].map(number);
            let p = measure.p.map_or(String::new(), |p| format!("{p:.3}"));
            let Measure { name, items, .. } = measure;
            table.row(&[name, items, &first, &second, &difference, &interval, &p]);
        }
        out.push_str(&table.after(""));
        if let Some(note) = &self.note {
            out.push_str(&format!("\n{note}\n"));
        }
        if self.measures.is_empty() {
            out.push_str("\nNothing that people said is there to measure against.\n");
        }
        out
    }
}

/// Positions, drawn for both models together.
fn draws(count: usize) -> Vec<Vec<usize>> {
    let mut random = ChaCha20Rng::seed_from_u64(0);
    let mut draw = || (0..count).map(|_| random.random_range(0..count)).collect();
    if count == 0 { Vec::new() } else { (0..RESAMPLES).map(|_| draw()).collect() }
}

fn texts(pairs: &[(&Answered, &Answered)]) -> Vec<Measure> {
    let scores = pairs.iter().filter_map(|(a, b)| Some((RowScores::of(a)?, RowScores::of(b)?)));
    let (first, second): (Vec<RowScores>, Vec<RowScores>) = scores.unzip();
    paired(&MEASURES, first.len(), |drawn| [all(&first, drawn), all(&second, drawn)])
}

/// Of texts that were scored: the numbers of the report of each.
fn likelihoods(pairs: &[(&Answered, &Answered)]) -> Vec<Measure> {
    let both = pairs.iter().filter_map(|(a, b)| Some((a.scored.as_ref()?, b.scored.as_ref()?)));
    let (first, second): (Vec<&Likelihood>, Vec<&Likelihood>) = both.unzip();
    let of = |texts: &[&Likelihood], drawn: &[usize]| {
        perplexity_scores::all(&drawn.iter().map(|at| texts[*at]).collect::<Vec<_>>())
    };
    let names = &perplexity_scores::MEASURES;
    paired(names, first.len(), |drawn| [of(&first, drawn), of(&second, drawn)])
}

/// Whether the two models cut a text into other tokens.
fn cuts_otherwise(pairs: &[(&Answered, &Answered)]) -> bool {
    let both = pairs.iter().filter_map(|(a, b)| Some((a.scored.as_ref()?, b.scored.as_ref()?)));
    both.into_iter().any(|(a, b)| a.tokens != b.tokens)
}

const OTHER_TOKENS: &str = "The two models cut these texts into other tokens: bits per byte and per character can be \
                            compared, perplexities cannot.";

/// Measures of all rows together, of both models; `of` computes them for the rows that are drawn.
fn paired(names: &[&str], count: usize, of: impl Fn(&[usize]) -> [Vec<Number>; 2]) -> Vec<Measure> {
    if count == 0 {
        return Vec::new();
    }
    let whole: Vec<usize> = (0..count).collect();
    let [own, theirs] = of(&whole);
    let mut drawn = vec![Vec::new(); names.len()];
    for draw in draws(count) {
        let [own, theirs] = of(&draw);
        for (place, (a, b)) in own.into_iter().zip(theirs).enumerate() {
            drawn[place].extend(minus(b, a).ok());
        }
    }
    names
        .iter()
        .zip(drawn)
        .enumerate()
        .map(|(place, (name, drawn))| {
            let (a, b) = (own[place].clone(), theirs[place].clone());
            Measure {
                name: (*name).to_owned(),
                items: count,
                first: a.clone().ok(),
                second: b.clone().ok(),
                difference: around(minus(b, a), drawn),
                p: None,
            }
        })
        .collect()
}

fn right_or_wrong(
    name: &str,
    pairs: &[(&Answered, &Answered)],
    right: impl Fn(&Answered) -> Option<bool>,
) -> Measure {
    let items: Vec<(bool, bool)> =
        pairs.iter().filter_map(|(a, b)| Some((right(a)?, right(b)?))).collect();
    let share = |which: fn(&(bool, bool)) -> bool, drawn: &[usize]| -> Number {
        let right = drawn.iter().filter(|at| which(&items[**at])).count();
        crate::stats::undefined::ratio(right as f64, drawn.len() as f64, "no rows")
    };
    let whole: Vec<usize> = (0..items.len()).collect();
    let (first, second) = (share(|it| it.0, &whole), share(|it| it.1, &whole));
    let drawn = draws(items.len());
    let drawn =
        drawn.iter().filter_map(|draw| minus(share(|it| it.1, draw), share(|it| it.0, draw)).ok());
    Measure {
        name: name.to_owned(),
        items: items.len(),
        first: first.clone().ok(),
        second: second.clone().ok(),
        difference: around(minus(second, first), drawn.collect()),
        p: (!items.is_empty()).then(|| Discordance::new(items.iter().copied()).exact_p()),
    }
}

fn minus(a: Number, b: Number) -> Number {
    Ok(a? - b?)
}

fn around(value: Number, drawn: Vec<f64>) -> WithInterval {
    let drawn = sorted(drawn);
    let end = |q: f64| quantile_of_sorted(&drawn, q).ok();
    WithInterval { value: value.into(), low: end(0.025), high: end(0.975) }
}
