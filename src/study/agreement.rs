//! How far coders say the same: percent, Cohen's and Fleiss' kappa, Krippendorff's alpha with bootstrap
//! intervals, for each variable, label and pair of coders; each coder with themselves; their time.

use serde::Serialize;

use super::disagreement;
use super::folder::Folder;
use super::item::Role;
use super::log::{CoderLog, Verdict};
use super::ratings::{Coded, Measure};
use super::value::{Span, Value};
use super::variable::{FIRST, Kind, SECOND};
use crate::stats::agreement::two::{KappaWeights, cohen_kappa, percent_agreement};
use crate::stats::cross_table::CrossTable;
use crate::stats::moments::{quantile_of_sorted, sorted};
use crate::stats::resample::{Bootstrap, Interval, RESAMPLES};
use crate::stats::undefined::Number;

/// All that is said of a study's agreement.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Agreement {
    pub study: String,
    pub items: usize,

    /// Resamples of the items for each interval (95 %, percentiles), and their seed.
    pub resamples: usize,
    pub seed: u64,
    pub coders: Vec<CoderSummary>,
    pub variables: Vec<VariableAgreement>,
}

/// One coder.
#[derive(Clone, Debug, Serialize)]
pub struct CoderSummary {
    pub coder: String,

    /// Items with a verdict, without training, checks and second looks.
    pub coded: usize,
    pub median_seconds: Option<f64>,
    pub hours: f64,
    pub flagged: usize,

    /// Codes of training items and checks that are right, and all of them.
    pub training: Share,
    pub checks: Share,

    /// Of pairs: how often the answer on the left was the better one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<LeftShare>,
}

/// How often the left one of two answers was the better one. Which answer is there is drawn, half and
/// half: far from a half, the side decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeftShare {
    pub left: usize,

    /// Verdicts for one of the two, first and second looks.
    pub decided: usize,

    /// With Wilson's score interval.
    pub share: Estimate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    pub right: usize,
    pub all: usize,
}

/// One variable.
#[derive(Clone, Debug, Serialize)]
pub struct VariableAgreement {
    pub variable: String,
    pub kind: Kind,

    /// Items with codes of two coders or more.
    pub pairable: usize,

    /// Items that everybody has coded.
    pub complete: usize,
    pub dont_know: usize,

    /// Items about which coders disagree, and those of them that were settled.
    pub disagreements: usize,
    pub settled: usize,
    pub percent: Estimate,

    /// `nominal`, `ordinal`, `interval`; of places in a text, there is none.
    pub scale: String,
    pub alpha: Estimate,
    pub fleiss: Estimate,
    pub labels: Vec<LabelAgreement>,
    pub pairs: Vec<PairAgreement>,

    /// Each coder at the first and at the second look.
    pub again: Vec<SelfAgreement>,

    /// What a model suggested, where it was seen and where it was withheld.
    pub suggestion: Option<Pull>,
}

/// A number with its interval, or why there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    pub value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A label against all others.
#[derive(Clone, Debug, Serialize)]
pub struct LabelAgreement {
    pub label: String,

    /// Codes that are this label.
    pub codes: usize,
    pub percent: Estimate,
    pub alpha: Estimate,
}

/// Two coders.
#[derive(Clone, Debug, Serialize)]
pub struct PairAgreement {
    pub first: String,
    pub second: String,
    pub items: usize,
    pub percent: Estimate,

    /// Cohen's kappa.
    pub kappa: Estimate,

    /// On an ordered scale, with quadratic weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighted_kappa: Option<Estimate>,

    /// Of places in a text: F1 of the characters that got the same label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub characters_f1: Option<Estimate>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SelfAgreement {
    pub coder: String,
    pub items: usize,
    pub percent: Estimate,
    pub kappa: Estimate,

    /// Of pairs, which are shown the other way round the second time: how often the same side was
    /// better both times, which is the other answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_side: Option<usize>,
}

/// How often codes are what the model suggested. A larger share where it was seen is its pull.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pull {
    pub seen: Share,
    pub withheld: Share,
}

impl Estimate {
    fn of(value: Number) -> Self {
        match value {
            Ok(value) => Self { value: Some(value), ..Self::default() },
            Err(reason) => Self { reason: reason.to_string(), ..Self::default() },
        }
    }

    fn with_interval(interval: Interval) -> Self {
        let Interval { value, low, high, undefined: _ } = interval;
        Self { low: low.ok(), high: high.ok(), ..Self::of(value) }
    }
}

/// Above so many items times numbers, fewer resamples are drawn.
const MUCH_WORK: usize = 300_000;

/// Computes everything. `seed`: of the resamples.
pub fn agreement(folder: &Folder, seed: u64) -> Agreement {
    let coders = folder.logs.len();
    let work = folder.items.len() * (coders * coders.saturating_sub(1) / 2 + 1);
    let resamples = if work > MUCH_WORK { RESAMPLES / 5 } else { RESAMPLES };
    let bootstrap = Bootstrap { resamples, seed, ..Bootstrap::default() };
    let variables = 0..folder.study.codebook.variables.len();
    Agreement {
        study: folder.study.name.clone(),
        items: folder.items.iter().filter(|item| item.role == Role::Coding).count(),
        resamples,
        seed,
        coders: folder.logs.iter().map(|log| summary(folder, log)).collect(),
        variables: variables.map(|place| of_variable(folder, place, bootstrap)).collect(),
    }
}

fn summary(folder: &Folder, log: &CoderLog) -> CoderSummary {
    let role = |item: usize| folder.items[item].role;
    let (mut training, mut checks) = (Share::default(), Share::default());
    let (mut coded, mut flagged, mut seconds) = (0, 0, Vec::new());
    let better = folder.study.codebook.better();
    let (mut left, mut decided) = (0, 0);
    for verdict in log.counting() {
        flagged += usize::from(verdict.flagged);
        let share = match role(verdict.item) {
            Role::Coding => {
                if let Some(is_left) = better.and_then(|place| chose_left(verdict, place)) {
                    decided += 1;
                    left += usize::from(is_left);
                }
                coded += usize::from(verdict.pass == 1);
                if verdict.seconds > 0.0 {
                    seconds.push(f64::from(verdict.seconds));
                }
                continue;
            }
            Role::Training => &mut training,
            Role::Check => &mut checks,
        };
        for (name, right) in &folder.items[verdict.item].expected {
            let Some((place, _)) = folder.study.codebook.named(name) else { continue };
            share.all += 1;
            share.right += usize::from(verdict.value(place) == Some(right));
        }
    }
    CoderSummary {
        coder: log.coder.clone(),
        coded,
        hours: seconds.iter().fold(0.0, |sum, secs| sum + secs) / 3600.0, // `sum` of none is -0
        median_seconds: quantile_of_sorted(&sorted(seconds), 0.5).ok(),
        flagged,
        training,
        checks,
        left: better.map(|_| LeftShare { left, decided, share: share_of(left, decided) }),
    }
}

/// Whether the answer on the left was the better one. `None`: neither was, or the sides are not known.
fn chose_left(verdict: &Verdict, place: usize) -> Option<bool> {
    let chosen = match verdict.value(place)? {
        Value::Words(words) if words == FIRST => 0,
        Value::Words(words) if words == SECOND => 1,
        _ => return None,
    };
    Some(verdict.left? == chosen)
}

fn share_of(count: usize, all: usize) -> Estimate {
    match crate::stats::paired::wilson(count as f64, all as f64, 0.95) {
        Ok(found) => Estimate {
            value: Some(found.share),
            low: Some(found.low),
            high: Some(found.high),
            reason: String::new(),
        },
        Err(_) => Estimate {
            reason: "no verdict is for one of two sides".to_owned(),
            ..Estimate::default()
        },
    }
}

fn of_variable(folder: &Folder, place: usize, bootstrap: Bootstrap) -> VariableAgreement {
    let variable = &folder.study.codebook.variables[place];
    let differing = disagreement::of_variable(folder, place);
    let settled = differing.iter().filter(|one| one.is_settled).count();
    let mut found = VariableAgreement {
        variable: variable.name.clone(),
        kind: variable.kind,
        pairable: 0,
        complete: 0,
        dont_know: 0,
        disagreements: differing.len(),
        settled,
        percent: Estimate::default(),
        scale: String::new(),
        alpha: Estimate::default(),
        fleiss: Estimate::default(),
        labels: Vec::new(),
        pairs: Vec::new(),
        again: Vec::new(),
        suggestion: pull(folder, place),
    };
    let Some(coded) = Coded::of(folder, place) else {
        found.pairs = pairs_of_spans(folder, place, bootstrap);
        let none = "places in a text are compared character by character, for each pair of coders";
        for estimate in [&mut found.percent, &mut found.alpha, &mut found.fleiss] {
            estimate.reason = none.to_owned();
        }
        return found;
    };
    let counted = coded.counted();
    let count = coded.ratings.units.len();
    found.pairable = coded.ratings.pairable();
    found.complete = coded.ratings.complete();
    found.dont_know = coded.dont_know;
    found.scale = match coded.scale {
        Measure::Nominal => "nominal",
        Measure::Ordinal => "ordinal",
        Measure::Interval => "interval",
    }
    .to_owned();
    let mut all = bootstrap.intervals(count, |drawn| {
        vec![counted.percent(drawn), counted.alpha(drawn), counted.fleiss_of(drawn)]
    });
    found.fleiss = all.pop().map(Estimate::with_interval).unwrap_or_default();
    found.alpha = all.pop().map(Estimate::with_interval).unwrap_or_default();
    found.percent = all.pop().map(Estimate::with_interval).unwrap_or_default();
    let of_label = |label: &str, coded: &Coded| {
        let counted = coded.counted();
        let intervals =
            bootstrap.intervals(count, |drawn| vec![counted.percent(drawn), counted.alpha(drawn)]);
        let codes = coded.ratings.units.iter().flatten().filter(|code| **code == Some(1)).count();
        let [percent, alpha] = [0, 1].map(|at| Estimate::with_interval(intervals[at].clone()));
        LabelAgreement { label: label.to_owned(), codes, percent, alpha }
    };
    match variable.kind {
        Kind::Choice | Kind::Scale | Kind::Better => {
            let labels = coded.categories.iter().enumerate();
            found.labels = labels
                .map(|(category, label)| of_label(label, &coded.one_against_rest(category)))
                .collect();
        }
        Kind::Choices => {
            let labels = variable.labels();
            let labels = labels.iter();
            found.labels = labels
                .map(|label| of_label(label, &Coded::of_label(folder, place, label)))
                .collect();
        }
        Kind::Number | Kind::Text | Kind::Spans => {}
    }
    let ordered = coded.scale == Measure::Ordinal;
    for pair in pairs(folder.logs.len()) {
        let both: Vec<usize> = (0..count)
            .filter(|unit| {
                let unit = &coded.ratings.units[*unit];
                unit[pair.0].is_some() && unit[pair.1].is_some()
            })
            .collect();
        let units = &coded.ratings.units;
        let same = |drawn: &[usize]| -> Number {
            let same = drawn.iter().filter(|at| {
                let unit = &units[both[**at]];
                unit[pair.0] == unit[pair.1]
            });
            let none = "no item has codes of both";
            crate::stats::undefined::ratio(same.count() as f64, drawn.len() as f64, none)
        };
        let kappa = |drawn: &[usize], weights| {
            let items: Vec<usize> = drawn.iter().map(|at| both[*at]).collect();
            counted.kappa(pair, &items, weights)
        };
        let mut numbers = bootstrap.intervals(both.len(), |drawn| {
            let mut numbers = vec![same(drawn), kappa(drawn, KappaWeights::Unweighted)];
            if ordered {
                numbers.push(kappa(drawn, KappaWeights::Quadratic));
            }
            numbers
        });
        let weighted_kappa = numbers.get(2).cloned().map(Estimate::with_interval);
        numbers.truncate(2);
        let kappa = numbers.pop().map(Estimate::with_interval).unwrap_or_default();
        let percent = numbers.pop().map(Estimate::with_interval).unwrap_or_default();
        found.pairs.push(PairAgreement {
            first: folder.logs[pair.0].coder.clone(),
            second: folder.logs[pair.1].coder.clone(),
            items: both.len(),
            percent,
            kappa,
            weighted_kappa,
            characters_f1: None,
        });
    }
    let again = folder.logs.iter().filter_map(|log| with_self(folder, log, place, bootstrap));
    found.again = again.collect();
    found
}

fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |first| (first + 1..count).map(move |second| (first, second)))
}

/// A coder's first look against their second, on the items of the study itself.
fn with_self(
    folder: &Folder,
    log: &CoderLog,
    place: usize,
    bootstrap: Bootstrap,
) -> Option<SelfAgreement> {
    let known = |value: Option<&Value>| value.filter(|value| value.is_known()).map(Value::to_cell);
    let (mut both, mut same_side) = (Vec::new(), 0);
    for second in log.counting().filter(|verdict| verdict.pass == 2) {
        let Some(first) = log.verdict(second.item, 1) else { continue };
        if let (Some(one), Some(other)) = (known(first.value(place)), known(second.value(place))) {
            both.push((one, other));
            let sides = (chose_left(first, place), chose_left(second, place));
            same_side += usize::from(sides.0.is_some() && sides.0 == sides.1);
        }
    }
    if both.is_empty() {
        return None;
    }
    let mut categories: Vec<&String> = both.iter().flat_map(|(a, b)| [a, b]).collect();
    categories.sort_unstable();
    categories.dedup();
    let index = |code: &String| categories.binary_search(&code).ok();
    let codes: Vec<_> = both.iter().map(|(a, b)| (index(a), index(b))).collect();
    let mut numbers = bootstrap.intervals(codes.len(), |drawn| {
        let (first, second): (Vec<_>, Vec<_>) = drawn.iter().map(|at| codes[*at]).unzip();
        let table = CrossTable::new(&first, &second, None, categories.len());
        vec![percent_agreement(&table), cohen_kappa(&table, KappaWeights::Unweighted)]
    });
    let kappa = numbers.pop().map(Estimate::with_interval).unwrap_or_default();
    let percent = numbers.pop().map(Estimate::with_interval).unwrap_or_default();
    let of_pairs = folder.study.codebook.variables[place].kind == Kind::Better;
    Some(SelfAgreement {
        coder: log.coder.clone(),
        items: both.len(),
        percent,
        kappa,
        same_side: of_pairs.then_some(same_side),
    })
}

/// `None`: no suggestion was written into a verdict.
fn pull(folder: &Folder, place: usize) -> Option<Pull> {
    let mut pull = Pull::default();
    for verdict in folder.logs.iter().flat_map(CoderLog::counting) {
        let Some(suggested) = verdict.suggestion.as_deref() else { continue };
        let Some(value) = verdict.value(place).filter(|_| place == 0) else { continue };
        let share = if suggested.seen { &mut pull.seen } else { &mut pull.withheld };
        share.all += 1;
        share.right += usize::from(*value == suggested.value);
    }
    (pull.seen.all + pull.withheld.all > 0).then_some(pull)
}

/// Places in texts, for each pair of coders: F1 of the characters that got the same label.
fn pairs_of_spans(folder: &Folder, place: usize, bootstrap: Bootstrap) -> Vec<PairAgreement> {
    let spans = |log: &CoderLog, item: usize| -> Option<Vec<Span>> {
        match log.verdict(item, 1)?.value(place)? {
            Value::Spans(spans) => Some(spans.clone()),
            Value::Labels(none) if none.is_empty() => Some(Vec::new()),
            _ => None,
        }
    };
    let items: Vec<usize> =
        (0..folder.items.len()).filter(|item| folder.items[*item].role == Role::Coding).collect();
    let of_pair = |(a, b): (usize, usize)| {
        let (first, second) = (&folder.logs[a], &folder.logs[b]);
        // Characters that both, the first, the second labelled; and whether all places are the same.
        let counts: Vec<([f64; 3], bool)> = items
            .iter()
            .filter_map(|item| {
                let (ours, theirs) = (spans(first, *item)?, spans(second, *item)?);
                let (a, b) = (characters(&ours), characters(&theirs));
                let both = a.intersection(&b).count();
                Some(([both as f64, a.len() as f64, b.len() as f64], ours == theirs))
            })
            .collect();
        let f1 = |drawn: &[usize]| -> Number {
            let sum = |at: usize| drawn.iter().map(|item| counts[*item].0[at]).sum::<f64>();
            let none = "neither coder labelled a character";
            crate::stats::undefined::ratio(2.0 * sum(0), sum(1) + sum(2), none)
        };
        let same = |drawn: &[usize]| -> Number {
            let same = drawn.iter().filter(|item| counts[**item].1).count();
            let none = "no item has codes of both";
            crate::stats::undefined::ratio(same as f64, drawn.len() as f64, none)
        };
        PairAgreement {
            first: first.coder.clone(),
            second: second.coder.clone(),
            items: counts.len(),
            percent: Estimate::with_interval(bootstrap.interval(counts.len(), same)),
            kappa: Estimate::default(),
            weighted_kappa: None,
            characters_f1: Some(Estimate::with_interval(bootstrap.interval(counts.len(), f1))),
        }
    };
    pairs(folder.logs.len()).map(of_pair).collect()
}

fn characters(spans: &[Span]) -> std::collections::BTreeSet<(usize, &str)> {
    let of = |span: &'_ Span| (span.start, span.end);
    spans
        .iter()
        .flat_map(|span| {
            let (start, end) = of(span);
            (start..end).map(|at| (at, span.label.as_str()))
        })
        .collect()
}

#[cfg(test)]
#[path = "agreement_tests.rs"]
mod tests;
