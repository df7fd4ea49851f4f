//! Answers about several labels, decided again from another probability on. The model is not asked again.

use std::path::{Path, PathBuf};

use super::error::AskError;
use super::prepared::Prepared;
use crate::data::table::Reading;
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::folder::{Folder, FolderError};
use crate::evaluate::results::frozen::{FreezeError, note_opening};
use crate::evaluate::results::reproduce::task_of;
use crate::evaluate::results::table;
use crate::evaluate::rows::several::named;
use crate::evaluate::task::code::USUAL_THRESHOLD;
use crate::files;
use crate::jobs::Progress;

/// What came of deciding again.
#[derive(Clone, Debug, PartialEq)]
pub struct Redrawn {
    /// The new evaluation.
    pub folder: PathBuf,
    pub threshold: f64,

    /// Rows with an answer, and those whose labels are others now.
    pub rows: usize,
    pub changed: usize,
}

impl Redrawn {
    /// What came of it, for a person.
    pub fn sentence(&self) -> String {
        format!(
            "From {} on, {} of {} rows have other labels: {}",
            self.threshold,
            self.changed,
            self.rows,
            self.folder.display()
        )
    }
}

/// Why labels could not be decided again.
#[derive(Debug, thiserror::Error)]
pub enum RedrawError {
    #[error(transparent)]
    Folder(#[from] FolderError),

    #[error(transparent)]
    Ask(#[from] AskError),

    #[error(transparent)]
    Frozen(#[from] FreezeError),

    #[error("{} cannot be decided again: {problem}", folder.display())]
    Unusable { folder: PathBuf, problem: String },
}

/// Decides from the probabilities that an evaluation keeps which labels apply from `threshold` on, and keeps that
/// as an evaluation of its own beside it: it is one more configuration that was tried.
///
/// `at`: now, RFC 3339. Done a second time it leaves what is there, which may have got labels by people since.
pub fn redraw(
    folder: &Path,
    threshold: f64,
    at: &str,
    progress: &dyn Progress<Reading>,
) -> Result<Redrawn, RedrawError> {
    let unusable = |problem: String| RedrawError::Unusable { folder: folder.to_owned(), problem };
    let (begun, mut answered) = Folder::read(folder)?;
    let missing = begun.rows.saturating_sub(answered.len());
    if missing > 0 {
        return Err(unusable(format!("{missing} of its rows have no answer yet: resume it first")));
    }
    let evaluation = decided(&begun, threshold, at).map_err(&unusable)?;
    if answered.values().any(|row| row.approximate) {
        let problem = "its server told no probabilities of “Yes” and “No” for some rows, so there is nothing \
                       to decide from";
        return Err(unusable(problem.to_owned()));
    }
    let prepared = Prepared::read(&task_of(folder, &evaluation), progress)?;
    if prepared.data_sha256 != evaluation.data_sha256 {
        let data = prepared.task.data.display();
        return Err(unusable(format!("{data} was changed since it was asked about")));
    }
    if prepared.codebook_sha256 != evaluation.codebook_sha256 {
        let problem = "its codebook was changed since it was begun".to_owned();
        return Err(unusable(problem));
    }
    let labels = evaluation.labels.clone().unwrap_or_default();
    let mut changed = 0;
    for answer in answered.values_mut() {
        changed += usize::from(decide(&labels, answer, threshold));
    }
    let (new, there) = Folder::begin(&beside(folder, &begun, threshold), &evaluation, true)?;
    let redrawn =
        Redrawn { folder: new.path().to_owned(), threshold, rows: answered.len(), changed };
    if there.len() == answered.len() {
        return Ok(redrawn);
    }
    note_opening(new.path(), &evaluation, at)?;
    if let Some(code) = evaluation.task.code.as_ref().filter(|code| code.codebook.is_relative()) {
        copy(&folder.join(&code.codebook), &new.path().join(&code.codebook))?;
    }
    new.finish(&answered, &table::all(&prepared.task, &prepared.questions, &answered))?;
    Ok(redrawn)
}

/// The copy of the codebook that an evaluation of the window has in its folder.
fn copy(from: &Path, to: &Path) -> Result<(), FolderError> {
    let read = |source| FolderError::Read { path: from.to_owned(), source };
    let Some(text) = files::read_if_there(from).map_err(read)? else { return Ok(()) };
    let write = |source| FolderError::Write { path: to.to_owned(), source };
    files::write_atomic(to, text.as_bytes()).map_err(write)
}

/// What is written down of the evaluation that is decided again, or why it cannot be.
fn decided(begun: &Evaluation, threshold: f64, at: &str) -> Result<Evaluation, String> {
    let mut evaluation = begun.clone();
    let Some(code) = evaluation.task.code.as_mut().filter(|_| begun.several) else {
        return Err("a probability from which on a label applies belongs to codebooks of which a text can have \
                    several labels"
            .to_owned());
    };
    if code.threshold.unwrap_or(USUAL_THRESHOLD) == threshold {
        return Err(format!("its labels apply from {threshold} on already"));
    }
    code.threshold = Some(threshold);
    if let Some(problem) = code.problem() {
        return Err(problem);
    }
    let name = match evaluation.threshold_set.take() {
        // The name of the first, not of one that was decided again itself.
        Some(_) => evaluation.task.name.rsplit_once(FROM).map(|(name, _)| name.to_owned()),
        None => None,
    };
    let name = name.unwrap_or(evaluation.task.name);
    evaluation.task.name = format!("{name}{FROM}{threshold}");
    evaluation.threshold_set = Some(at.to_owned());
    Ok(evaluation)
}

/// Between an evaluation's name and the threshold.
const FROM: &str = ", from ";

/// Decides about one row. Whether its labels are others then.
fn decide(labels: &[String], answer: &mut Answered, threshold: f64) -> bool {
    let Some(several) = &mut answer.several else { return false }; // it could not be asked
    let applies = |label: &usize| answer.probabilities[*label] >= threshold;
    let now: Vec<usize> = (0..answer.probabilities.len()).filter(applies).collect();
    let is_other = now != several.applies;
    answer.answer = Some(named(labels, &now));
    several.applies = now;
    is_other
}

/// Beside an evaluation, one with another threshold: `tone` becomes `tone-from-0.3`, and that becomes
/// `tone-from-0.2`.
fn beside(folder: &Path, begun: &Evaluation, threshold: f64) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let own = begun.task.threshold().filter(|_| begun.threshold_set.is_some());
    let first = own.and_then(|own| name.strip_suffix(&format!("-from-{own}")));
    folder.with_file_name(format!("{}-from-{threshold}", first.unwrap_or(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::results::folder::TABLE;
    use crate::evaluate::rows::several::Several;
    use crate::evaluate::task::Task;
    use crate::evaluate::task::code::Code;
    use crate::jobs::Quiet;

    const AT: &str = "2026-11-30T12:00:00Z";

    /// An evaluation of two texts with three labels, done, in a folder of its own.
    fn asked(root: &Path) -> PathBuf {
        let (data, codebook) = (root.join("texts.csv"), root.join("topics.toml"));
        files::write_atomic(&data, b"text\nfirst\nsecond\n").unwrap();
        let class =
            |name: &str| format!("[[classes]]\nlabel = \"{name}\"\ndefinition = \"About it.\"\n");
        let classes = ["war", "trade", "health"].map(class).concat();
        let topics =
            format!("name = \"Topics\"\ninstruction = \"Read it.\"\nseveral = true\n{classes}");
        files::write_atomic(&codebook, topics.as_bytes()).unwrap();
        let code = Code { text: "text".to_owned(), codebook, ..Code::default() };
        let task = Task {
            name: "Topics".to_owned(),
            model: "m".to_owned(),
            data,
            code: Some(code),
            ..Task::default()
        };
        let prepared = Prepared::read(&task, &Quiet).unwrap();
        let evaluation = Evaluation {
            task,
            data_sha256: prepared.data_sha256.clone(),
            codebook_sha256: prepared.codebook_sha256.clone(),
            prompt: prepared.form.template().to_owned(),
            labels: prepared.questions.labels.clone(),
            several: true,
            rows: 2,
            ..Evaluation::default()
        };
        let row = |row: u64, probabilities: [f64; 3], applies: &[usize]| Answered {
            row,
            answer: Some("as it was".to_owned()),
            probabilities: probabilities.to_vec(),
            several: Some(Several { applies: applies.to_vec(), ..Several::default() }),
            ..Answered::default()
        };
        let folder = root.join("topics");
        let (kept, _) = Folder::begin(&folder, &evaluation, false).unwrap();
        kept.append(&row(1, [0.9, 0.3, 0.2], &[0])).unwrap();
        kept.append(&row(2, [0.7, 0.1, 0.29], &[0])).unwrap();
        folder
    }

    #[test]
    fn labels_are_decided_again_from_the_probabilities_that_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let folder = asked(root.path());
        let found = redraw(&folder, 0.3, AT, &Quiet).unwrap();
        assert_eq!((found.rows, found.changed), (2, 1));
        assert_eq!(found.folder, root.path().join("topics-from-0.3"));
        let (evaluation, answered) = Folder::read(&found.folder).unwrap();
        assert_eq!(evaluation.task.threshold(), Some(0.3));
        assert_eq!(evaluation.task.name, "Topics, from 0.3");
        assert_eq!(evaluation.threshold_set.as_deref(), Some(AT));
        let words: Vec<_> = answered.values().map(|row| row.answer.clone().unwrap()).collect();
        assert_eq!(words, ["war, trade", "war"]);
        assert_eq!(answered[&1].probabilities, [0.9, 0.3, 0.2]);
        let table = std::fs::read_to_string(found.folder.join(TABLE)).unwrap();
        assert!(table.contains(r#"first,"[""war"",""trade""]""#), "{table}");
        // The first one stays as it was.
        assert_eq!(Folder::read(&folder).unwrap().1[&1].answer.as_deref(), Some("as it was"));
        // A second time leaves what people have said of it since.
        let (mut evaluation, mut answered) = (evaluation, answered);
        evaluation.coders.push("ada".to_owned());
        for answer in answered.values_mut() {
            answer.several.as_mut().unwrap().human.push(Some(vec![1]));
        }
        Folder::keep(&found.folder, &evaluation, &answered).unwrap();
        assert_eq!(redraw(&folder, 0.3, AT, &Quiet).unwrap(), found);
        assert_eq!(Folder::read(&found.folder).unwrap(), (evaluation, answered));
        // The name does not grow with each time.
        let third = redraw(&found.folder, 0.2, AT, &Quiet).unwrap();
        assert_eq!(Folder::evaluation(&third.folder).unwrap().task.name, "Topics, from 0.2");
        assert_eq!(third.folder, root.path().join("topics-from-0.2"));
    }

    #[test]
    fn what_cannot_be_decided_again_says_why_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = asked(root.path());
        let said = |threshold: f64| redraw(&folder, threshold, AT, &Quiet).unwrap_err().to_string();
        assert!(said(0.5).contains("apply from 0.5 on already"), "{}", said(0.5));
        assert!(said(1.5).contains("a probability between 0 and 1"), "{}", said(1.5));
        let codebook = root.path().join("topics.toml");
        let text = std::fs::read_to_string(&codebook).unwrap();
        files::write_atomic(&codebook, text.replace("About it.", "Not about it.").as_bytes())
            .unwrap();
        assert!(said(0.3).contains("its codebook was changed"), "{}", said(0.3));
        files::write_atomic(&root.path().join("texts.csv"), b"text\nother\nsecond\n").unwrap();
        assert!(said(0.3).contains("was changed since"), "{}", said(0.3));
        let one = Evaluation { several: false, ..Folder::evaluation(&folder).unwrap() };
        let single = root.path().join("single");
        let (kept, _) = Folder::begin(&single, &one, false).unwrap();
        [1, 2].iter().for_each(|row| {
            kept.append(&Answered::refused(*row, None, "empty".to_owned())).unwrap();
        });
        let said = redraw(&single, 0.3, AT, &Quiet).unwrap_err().to_string();
        assert!(said.contains("can have several labels"), "{said}");
        assert!(!root.path().join("topics-from-0.3").exists());
        assert!(!root.path().join("single-from-0.3").exists());
    }
}
