//! Every configuration that was tried with a table, and what each of them says: the log of a search
//! for a prompt, so that nobody has to trust the one that was kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Report;
use crate::evaluate::measures::figure::WithInterval;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::folder::Folder;
use crate::evaluate::results::frozen::{self, FreezeError, Standing};
use crate::evaluate::results::kept;
use crate::evaluate::task::split::Part;

/// An evaluation among the others of its table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tried {
    pub folder: PathBuf,

    /// What the task is called; without a name, its folder.
    pub name: String,

    /// What decides its answers, as a short hash.
    pub configuration: String,
    pub model: String,
    pub has_adapter: bool,
    pub part: Option<Part>,

    /// RFC 3339, UTC.
    pub started: String,
    pub answered: usize,
    pub rows: usize,

    /// What the others do not have: the first words that differ in prompt and settings.
    pub settings: String,

    /// How it stands to the test part, in a word or two.
    pub standing: Option<&'static str>,

    /// The share of each label.
    pub shares: Vec<(String, WithInterval)>,

    /// Against what most coders say, or the only one.
    pub accuracy: Option<WithInterval>,

    /// Of texts that were scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_byte: Option<WithInterval>,
}

/// The evaluations of one table, the oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfTable {
    /// The table's file name.
    pub table: String,
    pub data_sha256: String,
    pub tried: Vec<Tried>,
}

impl OfTable {
    /// Configurations that were tried with the rows that are not kept for the end.
    pub fn count(&self) -> usize {
        count(self.tried.iter().map(|tried| (tried.part, tried.configuration.clone())))
    }
}

/// The evaluations in a folder, by the table that they are about.
pub fn all(folder: &Path) -> Result<Vec<OfTable>, FreezeError> {
    let log = frozen::entries(folder)?;
    let mut tables: BTreeMap<String, OfTable> = BTreeMap::new();
    for path in kept::folders(folder) {
        // What cannot be read is said where the evaluations are listed.
        let Ok((evaluation, answered)) = Folder::read(&path) else { continue };
        let report = Report::of(&evaluation, &answered);
        let standing = frozen::standing(&evaluation, &log);
        let tried = of(&path, &evaluation, &report, &standing);
        let data = &evaluation.task.data;
        let table = data.file_name().unwrap_or(data.as_os_str()).to_string_lossy().into_owned();
        let data_sha256 = evaluation.data_sha256.clone();
        let of_table = OfTable { table, data_sha256: data_sha256.clone(), tried: Vec::new() };
        tables.entry(data_sha256).or_insert(of_table).tried.push(tried);
    }
    let mut tables: Vec<OfTable> = tables.into_values().collect();
    for of_table in &mut tables {
        of_table.tried.sort_by(|one, other| one.started.cmp(&other.started));
    }
    tables.sort_by(|one, other| one.table.cmp(&other.table));
    Ok(tables)
}

/// What is said of an evaluation's standing in its report.
pub fn sentence(folder: &Path, evaluation: &Evaluation) -> Result<Option<String>, FreezeError> {
    if evaluation.task.split.is_none() {
        return Ok(None);
    }
    let beside = frozen::beside(folder);
    let standing = frozen::standing(evaluation, &frozen::entries(beside)?);
    let all = kept::folders(beside).into_iter().filter_map(|path| Folder::evaluation(&path).ok());
    let own = all.filter(|other| other.data_sha256 == evaluation.data_sha256);
    let tried = own.map(|other| (part(&other), frozen::configuration(&other)));
    Ok(standing.sentence(count(tried)))
}

fn part(evaluation: &Evaluation) -> Option<Part> {
    evaluation.task.split.map(|split| split.part)
}

/// Configurations that were tried with the rows that are not kept for the end.
fn count(tried: impl Iterator<Item = (Option<Part>, String)>) -> usize {
    let tried = tried.filter(|(part, _)| *part != Some(Part::Test));
    tried.map(|(_, configuration)| configuration).collect::<BTreeSet<_>>().len()
}

fn of(path: &Path, evaluation: &Evaluation, report: &Report, standing: &Standing) -> Tried {
    let task = &evaluation.task;
    let orders = match task.orders {
        0 | 1 => String::new(),
        count => format!(" · {count} orders"),
    };
    let prompt: String = evaluation.prompt.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = prompt.chars().take(60).collect();
    if shown.len() < prompt.len() {
        shown.push('…');
    }
    let codebook = evaluation.codebook_sha256.as_deref().and_then(|hash| hash.get(..6));
    let codebook = codebook.map(|hash| format!(" · codebook {hash}")).unwrap_or_default();
    Tried {
        folder: path.to_owned(),
        name: match task.name.as_str() {
            "" => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            name => name.to_owned(),
        },
        configuration: frozen::configuration(evaluation),
        model: evaluation.model.name.clone(),
        has_adapter: evaluation.adapter_sha256.is_some(),
        part: part(evaluation),
        started: evaluation.started.clone(),
        answered: report.answered,
        rows: evaluation.rows,
        settings: format!("{shown}{codebook}{orders}"),
        standing: match standing {
            Standing::Whole | Standing::Development { frozen: false } => None,
            Standing::Development { frozen: true } | Standing::Frozen { .. } => Some("frozen"),
            Standing::Another => Some("another than the frozen one"),
            Standing::TooEarly => Some("opened before freezing"),
        },
        shares: report.shares.iter().map(|it| (it.label.clone(), it.share.clone())).collect(),
        accuracy: report.people.last().map(|against| against.accuracy.clone()),
        bits_per_byte: report.perplexity.as_ref().map(|scores| scores.all.bits_per_byte.clone()),
    }
}
