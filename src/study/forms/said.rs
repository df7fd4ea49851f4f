//! What a file says, before it is known whether it belongs to the study: coder, item, variable and
//! value as words; and how such codes are taken into a study.

use std::collections::{BTreeMap, HashMap};

use crate::study::design::StudyError;
use crate::study::folder::Folder;
use crate::study::log::Verdict;
use crate::study::package::Merged;
use crate::study::value::Value;

/// One code of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Where it stands, for an error: `line 12`.
    pub place: String,
    pub coder: String,

    /// The item's id; where the file has none, its text.
    pub item: String,
    pub variable: String,

    /// As a cell has it ([`Value::to_cell`]).
    pub value: String,

    /// 1, or 2 for an item that was shown once more; 0 means 1.
    pub pass: u8,
    pub seconds: f32,
    pub at: String,
    pub reason: String,
    pub flagged: bool,
    pub guideline: String,

    /// Of two answers, the one that stood on the left: 0 is the first.
    pub left: Option<u8>,
}

/// A verdict whose values are still being gathered.
struct Coded {
    verdict: Verdict,
    values: Vec<(u16, Value)>,
}

impl Coded {
    fn end(mut self) -> Verdict {
        self.values.sort_by_key(|(place, _)| *place);
        Verdict { values: self.values.into(), ..self.verdict }
    }
}

/// Takes codes in: each coder of the file gets a log, or the codes go to the one that has it. All of
/// them or, with the first reason in words, none.
pub fn take_in(folder: &mut Folder, said: &[Said]) -> Result<Vec<Merged>, StudyError> {
    let refused =
        |said: &Said, problem: &str| StudyError::Foreign(format!("{}: {problem}", said.place));
    // A prompt may have several pairs of answers: its words do not say which is meant.
    let by_text: HashMap<&str, usize> = if folder.is_of_pairs() {
        HashMap::new()
    } else {
        folder.items.iter().map(|item| item.text.trim()).zip(0..).collect()
    };
    let mut verdicts: BTreeMap<&str, BTreeMap<(usize, u8), Coded>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for code in said {
        let found = folder.item_named(code.item.trim());
        let Some(item) = found.or_else(|| by_text.get(code.item.trim()).copied()) else {
            unknown.push(code);
            continue;
        };
        let Some((place, variable)) = folder.study.codebook.named(&code.variable) else {
            let names: Vec<&str> =
                folder.study.codebook.variables.iter().map(|v| v.name.as_str()).collect();
            let problem = format!(
                "the study has no variable “{}”; it has {}",
                code.variable,
                names.join(", ")
            );
            return Err(refused(code, &problem));
        };
        let value = variable.parse(&code.value).map_err(|problem| refused(code, &problem))?;
        let Some(value) = value else { continue };
        if let Some(problem) = variable.refusal(&value, &folder.items[item].text) {
            return Err(refused(code, &problem));
        }
        if code.coder.trim().is_empty() {
            return Err(refused(code, "it has no coder: name one"));
        }
        let pass = code.pass.clamp(1, 2);
        let coded =
            verdicts.entry(code.coder.trim()).or_default().entry((item, pass)).or_insert_with(
                || Coded {
                    verdict: Verdict {
                        item,
                        pass,
                        at: code.at.as_str().into(),
                        seconds: code.seconds,
                        flagged: code.flagged,
                        left: code.left,
                        guideline: code.guideline.as_str().into(),
                        reason: (!code.reason.trim().is_empty()).then(|| code.reason.trim().into()),
                        ..Verdict::default()
                    },
                    values: Vec::new(),
                },
            );
        let place = place as u16;
        if coded.values.iter().any(|(other, _)| *other == place) {
            let problem = format!(
                "{} has a second code for {} of “{}”",
                code.coder, code.variable, folder.items[item].id
            );
            return Err(refused(code, &problem));
        }
        coded.values.push((place, value));
    }
    if let Some(first) = unknown.first() {
        let known = said.len() - unknown.len();
        let problem = format!(
            "the study has no item “{}” ({} of {} codes are of items that it does not have)",
            first.item.chars().take(60).collect::<String>(),
            unknown.len(),
            unknown.len() + known
        );
        return Err(refused(first, &problem));
    }
    if verdicts.is_empty() {
        return Err(StudyError::Foreign("the file has no codes".to_owned()));
    }
    let verdicts: Vec<(String, Vec<Verdict>)> = verdicts
        .into_iter()
        .map(|(coder, coded)| (coder.to_owned(), coded.into_values().map(Coded::end).collect()))
        .collect();
    let mut merged = Vec::new();
    for (coder, mut verdicts) in verdicts {
        let log = folder.join(&coder)?;
        // What is there already is not said again.
        let there = |verdict: &Verdict| {
            let known = folder.logs[log].verdict(verdict.item, verdict.pass);
            known.is_some_and(|known| known.values == verdict.values)
        };
        verdicts.retain(|verdict| !there(verdict));
        let added = verdicts.len();
        folder.append_all(log, verdicts)?;
        merged.push(Merged { coder, added, verdicts: folder.logs[log].counting().count() });
    }
    Ok(merged)
}
