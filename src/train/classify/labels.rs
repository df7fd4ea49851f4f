//! Which labels there are, and what each row is to be learned as.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{Given, TextRow};
use crate::encoder::{Labels, Problem};
use crate::train::config::{
    ClassWeights, ConfigProblem, Named, Objective, ProblemType, TrainConfig,
};
use crate::train::error::Error;
use crate::train::rows::survey::{Concern, Finding};

/// What a text is learned as.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// One of the labels.
    Class(usize),

    /// The share of each label, 1 together.
    Shares(Vec<f32>),

    /// 0 or 1 for each label.
    Many(Vec<f32>),

    /// One number for each output.
    Numbers(Vec<f32>),
}

impl Target {
    /// The label that it mostly has, where it has one.
    pub fn class(&self) -> Option<usize> {
        match self {
            Self::Class(class) => Some(*class),
            Self::Shares(shares) => largest(shares),
            Self::Many(_) | Self::Numbers(_) => None,
        }
    }
}

/// The place of the largest value, the first of equals.
pub fn largest(values: &[f32]) -> Option<usize> {
    let best =
        values.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(at, _)| at)
}

/// The labels of a run, and the target of every row.
#[derive(Clone, Debug)]
pub struct Targets {
    pub labels: Labels,
    pub targets: Vec<Target>,
    pub findings: Vec<Finding>,
}

/// More labels than this are not drawn and hardly learned.
const MANY: usize = 50;

fn refused(message: String) -> Error {
    Error::Config(vec![ConfigProblem { field: "label", message }])
}

/// `known`: the labels of the model that the run begins with, where it has some.
pub fn targets(
    rows: &[TextRow],
    config: &TrainConfig,
    known: Option<&Labels>,
) -> Result<Targets, Error> {
    if config.objective == Objective::Regress {
        return numbers(rows, known);
    }
    let mut findings = Vec::new();
    let problem = problem(rows, config, known);
    let found = names(rows)?;
    let lengths: BTreeSet<usize> = rows
        .iter()
        .filter_map(|row| match &row.label {
            Given::Vector(values) => Some(values.len()),
            _ => None,
        })
        .collect();
    if lengths.len() > 1 {
        let lengths: Vec<String> = lengths.iter().map(usize::to_string).collect();
        return Err(refused(format!(
            "lists of {} numbers are found; one for each label was expected in every row",
            lengths.join(" and ")
        )));
    }
    let length = lengths.first().copied();
    let names = named(&found, length, known)?;
    if names.len() < 2 && problem == Problem::OneLabel {
        let name = names.first().map(String::as_str).unwrap_or_default();
        return Err(refused(format!(
            "every text has the same one, \"{name}\": a classifier needs at least two. Take a column with several labels"
        )));
    }
    let repeats = rows.len() >= 2 * found.len();
    if found.len() > 20 && !repeats {
        return Err(refused(format!(
            "{} different ones are found in {} texts, so most of them are there once: this looks like a column of names or of texts. Take a column whose labels repeat, or objective = \"regress\" for numbers",
            found.len(),
            rows.len()
        )));
    }
    if names.len() > MANY {
        findings.push(Finding {
            concern: Concern::Caution,
            sentence: format!(
                "there are {} labels, so many of them have few texts to learn from",
                names.len()
            ),
            ..Finding::default()
        });
    }
    let place: BTreeMap<&str, usize> =
        names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let mut tied = Vec::new();
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let (target, is_tied) = target(row, &place, (problem, config.soft_labels))?;
        if is_tied {
            tied.push(row.line);
        }
        all.push(target);
    }
    if !tied.is_empty() {
        findings.push(Finding {
            concern: Concern::Caution,
            sentence: "coders disagree evenly about some texts, which take the first of their labels; soft_labels = true learns the shares".to_owned(),
            lines: tied,
            ..Finding::default()
        });
    }
    Ok(Targets { labels: Labels { names, problem }, targets: all, findings })
}

fn problem(rows: &[TextRow], config: &TrainConfig, known: Option<&Labels>) -> Problem {
    match config.problem_type {
        Some(ProblemType::OneLabel) => Problem::OneLabel,
        Some(ProblemType::ManyLabels) => Problem::ManyLabels,
        None => {
            let is_of_model = known.is_some_and(|known| known.problem == Problem::ManyLabels);
            let has_lists = rows.iter().any(|row| match &row.label {
                Given::Names(_) => !config.soft_labels,
                Given::Vector(values) => {
                    let is_share = (values.iter().sum::<f64>() - 1.0).abs() < 1e-6;
                    !is_share || is_of_model
                }
                _ => false,
            });
            if has_lists || is_of_model { Problem::ManyLabels } else { Problem::OneLabel }
        }
    }
}

/// Every label that a row names.
fn names(rows: &[TextRow]) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for row in rows {
        match &row.label {
            Given::Name(name) => found.extend([name.clone()]),
            Given::Names(names) => found.extend(names.iter().cloned()),
            Given::Shares(shares) => found.extend(shares.iter().map(|(name, _)| name.clone())),
            Given::Vector(_) | Given::None => {}
            Given::Number(number) => {
                return Err(refused(format!(
                    "line {} has the number {number}; labels were expected",
                    row.line
                )));
            }
        }
    }
    Ok(found)
}

/// The labels in their order: as the model has them where those are meant, else sorted.
fn named(
    found: &BTreeSet<String>,
    length: Option<usize>,
    known: Option<&Labels>,
) -> Result<Vec<String>, Error> {
    let number = |name: &String| name.parse::<usize>().ok();
    let numbers: Option<Vec<usize>> = found.iter().map(number).collect();
    let numbers = numbers.filter(|numbers| !numbers.is_empty());
    if let Some(known) = known {
        let names = &known.names;
        let by_name = found.iter().all(|name| names.contains(name));
        let by_id = numbers.as_ref().is_some_and(|ids| ids.iter().all(|id| *id < names.len()));
        let by_length = length.is_none_or(|length| length == names.len());
        if by_length && (by_name || by_id) {
            return Ok(names.clone());
        }
    }
    if let Some(length) = length {
        if found.is_empty() {
            return Ok((0..length).map(|id| format!("LABEL_{id}")).collect());
        }
        return Err(refused(
            "some rows have lists of numbers and others names: one of the two was expected"
                .to_owned(),
        ));
    }
    let mut names: Vec<String> = found.iter().cloned().collect();
    if numbers.is_some() {
        names.sort_by_key(number);
    }
    Ok(names)
}

/// What a row is learned as, and whether its coders disagree evenly.
fn target(
    row: &TextRow,
    place: &BTreeMap<&str, usize>,
    (problem, is_soft): (Problem, bool),
) -> Result<(Target, bool), Error> {
    let count = place.len();
    // A number may be the id of a label that the model has by name.
    let of = |name: &String| {
        let by_id = || name.parse().ok().filter(|id| *id < count);
        place.get(name.as_str()).copied().or_else(by_id)
    };
    let wrong = |what: String| refused(format!("line {}: {what}", row.line));
    let mut shares = vec![0.0_f32; count];
    let mut add = |name: &String, share: f64| -> Result<(), Error> {
        let at = of(name).ok_or_else(|| wrong(format!("\"{name}\" is none of the labels")))?;
        shares[at] += share as f32;
        Ok(())
    };
    match &row.label {
        Given::Name(name) => add(name, 1.0)?,
        Given::Names(names) => names.iter().try_for_each(|name| add(name, 1.0))?,
        Given::Shares(found) => found.iter().try_for_each(|(name, share)| add(name, *share))?,
        Given::Vector(values) => shares = values.iter().map(|value| *value as f32).collect(),
        Given::None | Given::Number(_) => return Err(wrong("it has no label".to_owned())),
    }
    if shares.iter().any(|share| !share.is_finite() || *share < 0.0) {
        return Err(wrong("a share of a label is below 0 or no number".to_owned()));
    }
    if problem == Problem::ManyLabels {
        let is_share = matches!(row.label, Given::Vector(_) | Given::Shares(_));
        let kept = shares
            .into_iter()
            .map(|share| if is_share { share.min(1.0) } else { f32::from(share > 0.0) });
        return Ok((Target::Many(kept.collect()), false));
    }
    let sum: f32 = shares.iter().sum();
    if sum <= 0.0 {
        return Err(wrong("it has none of the labels, and one was expected".to_owned()));
    }
    let best = largest(&shares).unwrap_or_default();
    let is_vote = matches!(row.label, Given::Names(_));
    let is_certain = shares[best] >= sum;
    let is_tied =
        is_vote && !is_soft && shares.iter().filter(|share| **share == shares[best]).count() > 1;
    if is_certain || (is_vote && !is_soft) {
        return Ok((Target::Class(best), is_tied));
    }
    shares.iter_mut().for_each(|share| *share /= sum);
    Ok((Target::Shares(shares), false))
}

fn numbers(rows: &[TextRow], known: Option<&Labels>) -> Result<Targets, Error> {
    let mut all = Vec::with_capacity(rows.len());
    let mut length = None;
    for row in rows {
        let values = match &row.label {
            Given::Number(number) => vec![*number as f32],
            Given::Vector(values) => values.iter().map(|value| *value as f32).collect(),
            _ => return Err(refused(format!("line {} has no number", row.line))),
        };
        if *length.get_or_insert(values.len()) != values.len() {
            return Err(refused(format!(
                "line {} has {} numbers, and those before have another count",
                row.line,
                values.len()
            )));
        }
        all.push(Target::Numbers(values));
    }
    let count = length.unwrap_or(1);
    let mut findings = Vec::new();
    let first = all.first().cloned();
    if all.iter().all(|target| Some(target) == first.as_ref()) {
        return Err(refused(
            "every text has the same number, so there is nothing to learn; take another column"
                .to_owned(),
        ));
    }
    let names = known.filter(|known| known.names.len() == count).map(|known| known.names.clone());
    let names = names.unwrap_or_else(|| (0..count).map(|id| format!("LABEL_{id}")).collect());
    let far = all.iter().any(|target| matches!(target, Target::Numbers(values) if values.iter().any(|value| value.abs() > 50.0)));
    if far {
        findings.push(Finding {
            concern: Concern::Caution,
            sentence: "some numbers are far from 0, where the head begins: bring them to a range such as 0 to 1, or learning takes long".to_owned(),
            ..Finding::default()
        });
    }
    Ok(Targets { labels: Labels { names, problem: Problem::Regression }, targets: all, findings })
}

/// By how much each label counts, from the rows that are trained on. Empty: all the same.
pub fn weights(
    config: &TrainConfig,
    labels: &Labels,
    train: &[&Target],
) -> Result<Vec<f32>, Error> {
    let count = labels.names.len();
    match &config.class_weights {
        ClassWeights::None => Ok(Vec::new()),
        ClassWeights::Named(Named::Balanced) => {
            let mut sums = vec![0.0_f64; count];
            for target in train {
                match target {
                    Target::Class(class) => sums[*class] += 1.0,
                    Target::Shares(values) | Target::Many(values) => {
                        sums.iter_mut()
                            .zip(values)
                            .for_each(|(sum, value)| *sum += f64::from(*value));
                    }
                    Target::Numbers(_) => {}
                }
            }
            let rows = train.len() as f64;
            let weight = |sum: f64| match labels.problem {
                _ if sum <= 0.0 => 1.0,
                // torch's pos_weight: as much as those without the label.
                Problem::ManyLabels => ((rows - sum) / sum).max(1e-3),
                _ => rows / (count as f64 * sum),
            };
            Ok(sums.into_iter().map(|sum| weight(sum) as f32).collect())
        }
        ClassWeights::Table(table) => {
            if let Some(name) = table.keys().find(|name| !labels.names.contains(name)) {
                let message =
                    format!("names \"{name}\", and the labels are {}", labels.names.join(", "));
                return Err(Error::Config(vec![ConfigProblem { field: "class_weights", message }]));
            }
            Ok(labels
                .names
                .iter()
                .map(|name| table.get(name).copied().unwrap_or(1.0) as f32)
                .collect())
        }
    }
}
