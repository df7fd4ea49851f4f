//! Verdicts as the preference data that TRL reads, and beside it a file with all that TRL has no
//! column for.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::data::counts::VerdictCounts;
use crate::data::kept::ReadError;
use crate::data::record::{Form, VerdictRecord};
use crate::files;

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("there are no pairs yet: no verdict says that one answer is better")]
    NoPairs,

    #[error(transparent)]
    Read(#[from] ReadError),

    #[error("{} could not be written", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// What was written, and what was left out because it is not a preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub path: PathBuf,

    /// One line for each verdict, also for those left out: the whole record, and its `row` in the
    /// exported file (from 0) or null.
    pub provenance: PathBuf,

    /// Of everything: `pairs()` rows were written, ties, both bad and skipped were left out.
    pub counts: VerdictCounts,
}

impl Exported {
    /// `9 pairs exported; 2 ties, 1 both bad and 3 skipped left out`
    pub fn sentence(&self) -> String {
        let VerdictCounts { tie, both_bad, skipped, .. } = self.counts;
        let pairs = self.counts.pairs();
        let mut left_out = Vec::new();
        if tie > 0 {
            left_out.push(if tie == 1 { "1 tie".to_owned() } else { format!("{tie} ties") });
        }
        if both_bad > 0 {
            left_out.push(format!("{both_bad} both bad"));
        }
        if skipped > 0 {
            left_out.push(format!("{skipped} skipped"));
        }
        let written = if pairs == 1 { "1 pair".to_owned() } else { format!("{pairs} pairs") };
        match left_out.split_last() {
            None => format!("{written} exported"),
            Some((only, [])) => format!("{written} exported; {only} left out"),
            Some((last, others)) => {
                format!("{written} exported; {} and {last} left out", others.join(", "))
            }
        }
    }
}

/// Writes the decided verdicts to `path` in TRL's explicit preference format, a row each.
///
/// Every verdict goes in full to `<name>.provenance.jsonl` beside it. Each of the two files is
/// written whole or not at all.
pub fn export(records: &[VerdictRecord], form: Form, path: &Path) -> Result<Exported, ExportError> {
    let counts = VerdictCounts::of(records);
    if counts.pairs() == 0 {
        return Err(ExportError::NoPairs);
    }
    let provenance_path = path.with_extension("provenance.jsonl");
    let mut rows = String::new();
    let mut provenance = String::new();
    let mut row_count = 0;
    let write_error = |path: &Path, source| ExportError::Write { path: path.to_owned(), source };
    for record in records {
        let row = match record.pair(form) {
            Some(pair) => {
                let line = serde_json::to_string(&pair);
                rows.push_str(&line.map_err(|err| write_error(path, err.into()))?);
                rows.push('\n');
                row_count += 1;
                Some(row_count - 1)
            }
            None => None,
        };
        let line = serde_json::to_string(&json!({"row": row, "verdict": record}));
        provenance.push_str(&line.map_err(|err| write_error(&provenance_path, err.into()))?);
        provenance.push('\n');
    }
    // The provenance first: rows without their origin are worse than an origin without rows.
    for (path, text) in [(provenance_path.as_path(), &provenance), (path, &rows)] {
        files::write_atomic(path, text.as_bytes()).map_err(|source| write_error(path, source))?;
    }
    Ok(Exported { path: path.to_owned(), provenance: provenance_path, counts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::import;
    use crate::data::pair::Verdict;
    use crate::examples::record;

    fn verdicts() -> Vec<VerdictRecord> {
        vec![
            record("1", "a", Verdict::Left),
            record("2", "b", Verdict::Tie),
            record("3", "c", Verdict::Right),
            record("4", "d", Verdict::Skip),
        ]
    }

    #[test]
    fn what_is_exported_can_be_imported() {
        let folder = tempfile::tempdir().unwrap();
        for form in [Form::Conversational, Form::Standard] {
            let path = folder.path().join("pairs.jsonl");
            let exported = export(&verdicts(), form, &path).unwrap();
            let expected: Vec<_> = verdicts().iter().filter_map(|r| r.pair(form)).collect();
            assert_eq!(import::pairs(&path).unwrap(), expected);
            assert_eq!(exported.sentence(), "2 pairs exported; 1 tie and 1 skipped left out");
        }
    }

    #[test]
    fn rows_are_spelled_as_trl_spells_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        export(&verdicts()[..1], Form::Conversational, &path).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            concat!(
                r#"{"prompt":[{"role":"user","content":"a"}],"#,
                r#""chosen":[{"role":"assistant","content":"left answer to a"}],"#,
                r#""rejected":[{"role":"assistant","content":"right answer to a"}]}"#,
                "\n"
            )
        );
        export(&verdicts()[..1], Form::Standard, &path).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"prompt\":\"a\",\"chosen\":\" left answer to a\",\
             \"rejected\":\" right answer to a\"}\n"
        );
    }

    #[test]
    fn nothing_is_lost_on_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        let exported = export(&verdicts(), Form::Standard, &path).unwrap();
        let lines: Vec<files::Row<serde_json::Value>> =
            files::read_jsonl(&exported.provenance).unwrap();
        let rows: Vec<_> = lines.iter().map(|line| line.value["row"].as_u64()).collect();
        assert_eq!(rows, [Some(0), None, Some(1), None]);
        let back: Vec<VerdictRecord> = lines
            .into_iter()
            .map(|mut line| serde_json::from_value(line.value["verdict"].take()).unwrap())
            .collect();
        assert_eq!(back, verdicts());
    }

    #[test]
    fn without_a_decided_verdict_there_is_nothing_to_export() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.jsonl");
        let err = export(&verdicts()[1..2], Form::Standard, &path).unwrap_err();
        assert!(matches!(err, ExportError::NoPairs));
        assert!(!path.exists());
    }
}
