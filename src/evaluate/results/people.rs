//! Labels that people gave after a model did: what the coders of a study say of the rows of an evaluation.
//!
//! The study is usually one of the evaluation's own results, of the texts that the model was least certain of.
//! Its labels, with the probability with which each text was drawn, are kept with the answers, where the report
//! reads them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::answered::Answered;
use super::evaluation::Evaluation;
use super::folder::{Folder, FolderError, TABLE};
use crate::data::table::{self, ImportError, Reading, Row};
use crate::evaluate::cells::{label_of, listed, words};
use crate::evaluate::rows::several::labels_in;
use crate::evaluate::task::code::Code;
use crate::jobs::Progress;
use crate::study;
use crate::study::design::StudyError;
use crate::study::item::Role;
use crate::study::log::{CoderLog, Use};
use crate::study::variable::Kind;

/// What was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Who said something, in the order of the study.
    pub coders: Vec<String>,

    /// Rows of the evaluation that somebody has labelled.
    pub labelled: usize,

    /// Items of the study that are no rows of the evaluation.
    pub strangers: usize,
}

impl Taken {
    /// What was taken over, for a person.
    pub fn sentence(&self) -> String {
        let rows = match self.labelled {
            1 => "1 row is".to_owned(),
            count => format!("{count} rows are"),
        };
        let others = match self.strangers {
            0 => String::new(),
            1 => "; 1 item of the study is no row of this evaluation".to_owned(),
            count => format!("; {count} items of the study are no rows of this evaluation"),
        };
        format!("{rows} labelled by {}{others}", self.coders.join(", "))
    }
}

/// Why labels could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error(transparent)]
    Folder(#[from] FolderError),

    #[error(transparent)]
    Study(#[from] StudyError),

    #[error(transparent)]
    Table(#[from] ImportError),

    #[error("{} cannot be used for {}: {problem}", study.display(), evaluation.display())]
    Unusable { study: PathBuf, evaluation: PathBuf, problem: String },
}

/// Keeps the labels of a study's coders with the answers of an evaluation.
///
/// Those of a coder of the same name who is there already are replaced: taking the same study again takes what its
/// coders have said since.
/// Rows are found by the column that names them, else by their texts, and the texts have to be the same.
pub fn take(
    folder: &Path,
    study: &Path,
    progress: &dyn Progress<Reading>,
) -> Result<Taken, PeopleError> {
    let unusable = |problem: String| PeopleError::Unusable {
        study: study.to_owned(),
        evaluation: folder.to_owned(),
        problem,
    };
    let (mut evaluation, mut answered) = Folder::read(folder)?;
    let (Some(code), Some(labels)) = (evaluation.task.code.clone(), evaluation.labels.clone())
    else {
        return Err(unusable(
            "only evaluations that give texts a label have labels by people".into(),
        ));
    };
    let opened = study::folder::Folder::open(study, Use::Read)?;
    let kind = if evaluation.several { Kind::Choices } else { Kind::Choice };
    let variable = variable_with(&opened, kind, &labels).map_err(&unusable)?;
    let rows = table::rows(&folder.join(TABLE), progress)?.rows;
    if rows.len() != answered.len() {
        let (rows, answers) = (rows.len(), answered.len());
        let problem =
            format!("its {TABLE} has {rows} rows and not one for each of the {answers} answers");
        return Err(unusable(problem));
    }
    let places = Places::of(&rows, &code, evaluation.task.id.as_deref());
    let mut answers: Vec<&mut Answered> = answered.values_mut().collect();
    let is_adjudicated = opened.settled.counting().next().is_some();
    let adjudicated = is_adjudicated.then_some(&opened.settled);
    let logs: Vec<&CoderLog> = opened.logs.iter().chain(adjudicated).collect();
    let columns = columns_of(&mut evaluation, &logs);
    for answer in &mut answers {
        let Some(several) = &mut answer.several else {
            answer.human.resize(evaluation.coders.len(), None);
            columns.iter().for_each(|column| answer.human[*column] = None);
            continue;
        };
        several.human.resize(evaluation.coders.len(), None);
        columns.iter().for_each(|column| several.human[*column] = None);
    }
    let (mut labelled, mut strangers) = (0, 0);
    let mut has_said = vec![false; logs.len()];
    for (number, item) in opened.items.iter().enumerate() {
        if item.role != Role::Coding {
            continue;
        }
        let Some(place) = places.find(&item.id, &item.text) else {
            strangers += 1;
            continue;
        };
        if words(rows[place].get(&code.text)).trim() != item.text.trim() {
            let problem = format!("the item “{}” has another text there", item.id);
            return Err(unusable(problem));
        }
        let mut is_labelled = false;
        for (who, log) in logs.iter().enumerate() {
            let value = log.verdict(number, 1).and_then(|verdict| verdict.value(variable));
            let has = match &mut answers[place].several {
                None => {
                    let said = value.and_then(|value| label_of(&value.to_cell(), &labels));
                    answers[place].human[columns[who]] = said;
                    said.is_some()
                }
                Some(several) => {
                    let said = value.filter(|value| value.is_known());
                    let said =
                        said.and_then(|value| labels_in(Some(&value.to_json()), &labels).ok()?);
                    let has = said.is_some();
                    several.human[columns[who]] = said;
                    has
                }
            };
            has_said[who] |= has;
            is_labelled |= has;
        }
        if is_labelled && code.inclusion.is_none() {
            answers[place].inclusion = item.inclusion;
        }
        labelled += usize::from(is_labelled);
    }
    if labelled == 0 {
        return Err(unusable(if strangers == opened.items.len() {
            "none of its items is a row of the evaluation".to_owned()
        } else {
            "nobody has labelled a row of the evaluation in it yet".to_owned()
        }));
    }
    drop(answers);
    Folder::keep(folder, &evaluation, &answered)?;
    let coders = logs.iter().zip(has_said).filter(|(_, said)| *said);
    Ok(Taken { coders: coders.map(|(log, _)| log.coder.clone()).collect(), labelled, strangers })
}

/// The variable of a study that has the labels of a codebook: all of them, or else no other.
fn variable_with(
    study: &study::folder::Folder,
    kind: Kind,
    labels: &[String],
) -> Result<usize, String> {
    let variables = study.study.codebook.variables.iter().enumerate();
    let choices: Vec<(usize, Vec<String>)> = variables
        .filter(|(_, variable)| variable.kind == kind)
        .map(|(place, variable)| (place, variable.labels()))
        .collect();
    let is_known = |label: &String| labels.contains(label);
    let same =
        choices.iter().find(|(_, own)| own.len() == labels.len() && own.iter().all(is_known));
    let part = || choices.iter().find(|(_, own)| !own.is_empty() && own.iter().all(is_known));
    same.or_else(part).map(|(place, _)| *place).ok_or_else(|| {
        format!("none of its questions has the labels of the codebook, {}", listed(labels))
    })
}

/// Where each coder's labels go among those of the evaluation's; a new one gets a new column.
fn columns_of(evaluation: &mut Evaluation, logs: &[&CoderLog]) -> Vec<usize> {
    let mut columns = Vec::with_capacity(logs.len());
    for log in logs {
        let known = evaluation.coders.iter().position(|coder| *coder == log.coder);
        columns.push(known.unwrap_or_else(|| {
            evaluation.coders.push(log.coder.clone());
            evaluation.coders.len() - 1
        }));
    }
    columns
}

/// The rows of the results by what names them.
enum Places<'a> {
    Ids(HashMap<String, usize>),
    Texts(HashMap<Cow<'a, str>, usize>),
}

impl<'a> Places<'a> {
    fn of(rows: &'a [Row], code: &Code, id: Option<&str>) -> Self {
        let rows = rows.iter().enumerate();
        match id {
            Some(id) => Self::Ids(
                rows.map(|(place, row)| (words(row.get(id)).trim().to_owned(), place)).collect(),
            ),
            None => Self::Texts(
                // Of two rows with the same text the first: what is said of it is said of the text.
                rows.rev().map(|(place, row)| (words(row.get(&code.text)), place)).collect(),
            ),
        }
    }

    fn find(&self, id: &str, text: &str) -> Option<usize> {
        match self {
            Self::Ids(places) => places.get(id.trim()).copied(),
            Self::Texts(places) => places.get(text).copied(),
        }
    }
}
