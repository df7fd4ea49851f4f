//! A project's verdicts on pairs as other programs write them: Label Studio, LLM Comparator, Argilla,
//! Potato, Alpaca for LLaMA-Factory. TRL's own form: see [`super::export`].

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::data::pair::Verdict;
use crate::data::pair_rows;
use crate::data::record::VerdictRecord;
use crate::data::remarks::Strength;
use crate::files;

/// Another program's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairForm {
    LabelStudio,
    LlmComparator,
    Argilla,
    Potato,
    Alpaca,
    Csv,
    Unpaired,
    Sft,
}

impl PairForm {
    pub const ALL: [Self; 8] = [
        Self::Csv,
        Self::Unpaired,
        Self::Sft,
        Self::LabelStudio,
        Self::LlmComparator,
        Self::Argilla,
        Self::Potato,
        Self::Alpaca,
    ];

    /// As the command line names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LabelStudio => "label-studio",
            Self::LlmComparator => "llm-comparator",
            Self::Argilla => "argilla",
            Self::Potato => "potato",
            Self::Alpaca => "alpaca",
            Self::Csv => "csv",
            Self::Unpaired => "trl-unpaired",
            Self::Sft => "sft",
        }
    }

    /// As a person knows it.
    pub fn words(self) -> &'static str {
        match self {
            Self::LabelStudio => "Label Studio (tasks with annotations)",
            Self::LlmComparator => "LLM Comparator",
            Self::Argilla => "Argilla (records)",
            Self::Potato => "Potato",
            Self::Alpaca => "Alpaca with dataset_info.json (LLaMA-Factory)",
            Self::Csv => "CSV with everything, a row a verdict",
            Self::Unpaired => "Unpaired, each answer with a label (TRL, for KTO)",
            Self::Sft => "The better answers, or your own (TRL, for SFT)",
        }
    }

    /// What its file is called.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::LabelStudio => "label-studio.json",
            Self::LlmComparator => "llm-comparator.json",
            Self::Argilla => "argilla.json",
            Self::Potato => "potato.jsonl",
            Self::Alpaca => "alpaca.json",
            Self::Csv => "pairs.csv",
            Self::Unpaired => "unpaired.jsonl",
            Self::Sft => "sft.jsonl",
        }
    }

    /// Whether it is read to train on, and not to look at what was said.
    pub fn is_for_training(self) -> bool {
        matches!(self, Self::Unpaired | Self::Sft | Self::Alpaca)
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }
}

/// Writes `records` to `path`. How many of them: what a form has no word for is left out.
pub fn write(records: &[VerdictRecord], form: PairForm, path: &Path) -> io::Result<usize> {
    let (text, count) = text(records, form)?;
    files::write_atomic(path, text.as_bytes())?;
    if form == PairForm::Alpaca {
        dataset_info(path)?;
    }
    Ok(count)
}

/// What is written, and how many of `records` are in it.
pub fn text(records: &[VerdictRecord], form: PairForm) -> io::Result<(String, usize)> {
    Ok(match form {
        PairForm::LabelStudio => array(records.iter().enumerate().map(label_studio)),
        PairForm::LlmComparator => {
            let (value, count) = llm_comparator(records);
            (serde_json::to_string_pretty(&value)?, count)
        }
        PairForm::Argilla => array(records.iter().filter_map(argilla)),
        PairForm::Potato => {
            let rows: Vec<String> =
                records.iter().filter_map(potato).map(|row| format!("{row}\n")).collect();
            (rows.concat(), rows.len())
        }
        PairForm::Alpaca => array(records.iter().filter_map(alpaca)),
        PairForm::Csv => pair_rows::csv(records)?,
        PairForm::Unpaired => pair_rows::unpaired(records),
        PairForm::Sft => pair_rows::sft(records),
    })
}

fn array(rows: impl Iterator<Item = Value>) -> (String, usize) {
    let rows: Vec<Value> = rows.collect();
    let count = rows.len();
    let text = serde_json::to_string_pretty(&Value::Array(rows)).expect("values are valid JSON");
    (text, count)
}

/// A task of the template for pairs of answers, `<Pairwise name="comparison"
/// toName="answer1,answer2"/>`, with its annotation. A skipped one is a cancelled annotation, a tie
/// a choice beside it, as the control has none.
fn label_studio((at, record): (usize, &VerdictRecord)) -> Value {
    let id = at + 1;
    let selected = match record.verdict {
        Verdict::Left => Some("left"),
        Verdict::Right => Some("right"),
        Verdict::Tie | Verdict::BothBad | Verdict::Skip => None,
    };
    let mut result = Vec::new();
    if let Some(selected) = selected {
        result.push(json!({
            "id": format!("pair-{id}"),
            "type": "pairwise",
            "from_name": "comparison",
            "to_name": "comparison",
            "origin": "manual",
            "value": {"selected": selected},
        }));
    }
    if let Verdict::Tie | Verdict::BothBad = record.verdict {
        let choice = if record.verdict == Verdict::Tie { "tie" } else { "both bad" };
        result.push(json!({
            "id": format!("choice-{id}"),
            "type": "choices",
            "from_name": "undecided",
            "to_name": "prompt",
            "origin": "manual",
            "value": {"choices": [choice]},
        }));
    }
    json!({
        "id": id,
        "data": {
            "prompt": record.prompt.words(),
            "answer1": record.left.text,
            "answer2": record.right.text,
        },
        "meta": {"verdict_id": record.id},
        "annotations": [{
            "id": id,
            "completed_by": 1,
            "result": result,
            "was_cancelled": record.verdict == Verdict::Skip,
            "ground_truth": false,
            "lead_time": record.seconds_taken,
            "created_at": record.created_at,
            "updated_at": record.created_at,
        }],
        "predictions": [],
    })
}

/// Where all records have the same two models, A and B are these; else A is the left answer and B the
/// right one. Its score is above 0 where A is better.
fn llm_comparator(records: &[VerdictRecord]) -> (Value, usize) {
    let mut names: Vec<String> = Vec::new();
    let mut is_known = !records.is_empty();
    for record in records {
        match record.models() {
            Some(models) => {
                for model in models {
                    if !names.contains(&model) {
                        names.push(model);
                    }
                }
            }
            None => is_known = false,
        }
    }
    names.sort();
    let is_known = is_known && names.len() == 2;
    if !is_known {
        names = vec!["left".to_owned(), "right".to_owned()];
    }
    let mut examples = Vec::new();
    for record in records {
        // Its scale goes to 1.5: better, much better.
        let by = match record.remarks.strength {
            Some(Strength::Little) => 0.5,
            Some(Strength::Clearly) | None => 1.0,
            Some(Strength::Much) => 1.5,
        };
        let score = match record.verdict {
            Verdict::Left => by,
            Verdict::Right => -by,
            Verdict::Tie | Verdict::BothBad => 0.0,
            Verdict::Skip => continue,
        };
        let is_flipped = is_known && record.models().is_some_and(|[left, _]| left != names[0]);
        let (a, b) =
            if is_flipped { (&record.right, &record.left) } else { (&record.left, &record.right) };
        let score: f64 = if is_flipped && score != 0.0 { -score } else { score };
        examples.push(json!({
            "input_text": record.prompt.words(),
            "tags": [],
            "output_text_a": a.text,
            "output_text_b": b.text,
            "score": score,
            "individual_rater_scores": [
                {"is_flipped": is_flipped, "score": score, "rationale": record.remarks.reason}
            ],
            "custom_fields": {"verdict": record.verdict, "seconds": record.seconds_taken},
        }));
    }
    let count = examples.len();
    let value = json!({
        "metadata": {
            "source_path": "Tuning Fork",
            "custom_fields_schema": [
                {"name": "verdict", "type": "category"},
                {"name": "seconds", "type": "number"},
            ],
        },
        "models": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
        "examples": examples,
    });
    (value, count)
}

/// A record with a question `preference` whose value is one of `answer_a`, `answer_b`, `tie`,
/// `both_bad`. A skipped one has no response.
fn argilla(record: &VerdictRecord) -> Option<Value> {
    let value = match record.verdict {
        Verdict::Left => "answer_a",
        Verdict::Right => "answer_b",
        Verdict::Tie => "tie",
        Verdict::BothBad => "both_bad",
        Verdict::Skip => return None,
    };
    Some(json!({
        "id": record.id,
        "fields": {
            "prompt": record.prompt.words(),
            "answer_a": record.left.text,
            "answer_b": record.right.text,
        },
        "metadata": {
            "created_at": record.created_at,
            "seconds": record.seconds_taken,
            "strength": record.remarks.strength,
            "reason": record.remarks.reason,
            "flagged": record.remarks.flagged,
        },
        "suggestions": {},
        "responses": {
            "preference": [{"value": value, "user_id": "00000000-0000-0000-0000-000000000001"}]
        },
        "vectors": {},
    }))
}

/// An instance with its pairwise annotation: A is the left answer. "Both bad" counts as a tie.
fn potato(record: &VerdictRecord) -> Option<Value> {
    let selection = match record.verdict {
        Verdict::Left => "A",
        Verdict::Right => "B",
        Verdict::Tie | Verdict::BothBad => "tie",
        Verdict::Skip => return None,
    };
    Some(json!({
        "id": record.id,
        "prompt": record.prompt.words(),
        "responses": [record.left.text, record.right.text],
        "annotations": {"preference": {"selection": selection}},
    }))
}

fn alpaca(record: &VerdictRecord) -> Option<Value> {
    let (chosen, rejected) = record.chosen_and_rejected()?;
    Some(json!({
        "instruction": record.prompt.words(),
        "input": "",
        "chosen": chosen,
        "rejected": rejected,
    }))
}

/// Names the file in the `dataset_info.json` beside it. What else is registered there stays.
fn dataset_info(path: &Path) -> io::Result<()> {
    let info = path.with_file_name("dataset_info.json");
    let known = match std::fs::read(&info) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(err) if err.kind() == io::ErrorKind::NotFound => json!({}),
        Err(err) => return Err(err),
    };
    let Value::Object(mut known) = known else {
        let what = "dataset_info.json beside it is no JSON object, and was left as it is";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    };
    let part = |part: Option<&std::ffi::OsStr>| {
        part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let stanza = json!({
        "file_name": part(path.file_name()),
        "formatting": "alpaca",
        "ranking": true,
        "columns": {
            "prompt": "instruction",
            "query": "input",
            "chosen": "chosen",
            "rejected": "rejected",
        },
    });
    known.insert(part(path.file_stem()), stanza);
    let text = serde_json::to_string_pretty(&Value::Object(known))?;
    files::write_atomic(&info, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::battles::{self, Winner};
    use crate::data::forms::candidates;
    use crate::data::import;
    use crate::data::record::Form;
    use crate::examples::record;
    use crate::jobs::Quiet;

    fn records() -> Vec<VerdictRecord> {
        let verdicts =
            [Verdict::Left, Verdict::Right, Verdict::Tie, Verdict::BothBad, Verdict::Skip];
        verdicts
            .into_iter()
            .enumerate()
            .map(|(at, verdict)| {
                let mut record = record(&at.to_string(), &format!("question {at}"), verdict);
                let models = if at % 2 == 0 { ["base", "dpo"] } else { ["dpo", "base"] };
                record.more.insert("left_model".to_owned(), models[0].into());
                record.more.insert("right_model".to_owned(), models[1].into());
                record
            })
            .collect()
    }

    #[test]
    fn what_is_written_for_other_programs_is_read_as_the_same_pairs() {
        let folder = tempfile::tempdir().unwrap();
        let expected: Vec<(String, String)> = records()
            .iter()
            .filter_map(|record| record.pair(Form::Conversational))
            .map(|pair| (pair.chosen.words(), pair.rejected.words()))
            .collect();
        assert_eq!(expected.len(), 2);
        for form in [PairForm::LabelStudio, PairForm::Argilla, PairForm::Potato, PairForm::Alpaca] {
            let path = folder.path().join(form.file_name());
            write(&records(), form, &path).unwrap();
            let table = crate::data::table::rows(&path, &Quiet).unwrap();
            let rows: Vec<_> = table.rows.into_iter().map(|row| row.fields).collect();
            let want = crate::data::forms::Want::Pairs;
            let read = crate::data::forms::understand(&rows, want, None).unwrap();
            let pairs: Vec<(String, String)> = read
                .rows
                .iter()
                .filter_map(|row| match &row.content {
                    crate::data::forms::Content::Preference(pair) => {
                        Some((pair.chosen.words(), pair.rejected.words()))
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(pairs, expected, "{}", form.name());
        }
    }

    #[test]
    fn answers_that_were_written_can_be_labelled_again_blind() {
        let folder = tempfile::tempdir().unwrap();
        let forms =
            [PairForm::LabelStudio, PairForm::LlmComparator, PairForm::Argilla, PairForm::Potato];
        for form in forms {
            let path = folder.path().join(form.file_name());
            let count = write(&records(), form, &path).unwrap();
            let read = import::candidates(&path, &Quiet).unwrap();
            assert_eq!(read.items.len(), count, "{}", form.name());
            let candidates::Candidates { prompt, answers } = &read.items[0];
            assert_eq!(prompt.words(), "question 0");
            assert_eq!(answers[0].text, "left answer to question 0");
            let is_named = answers[0].model.as_deref() == Some("base");
            assert_eq!(is_named, form == PairForm::LlmComparator);
        }
    }

    #[test]
    fn llm_comparators_a_and_b_are_the_two_models_whatever_the_sides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("comparison.json");
        assert_eq!(write(&records(), PairForm::LlmComparator, &path).unwrap(), 4);
        let read = battles::read(&path, &Quiet).unwrap();
        let winners: Vec<Winner> = read.battles.iter().map(|battle| battle.winner).collect();
        // Left of the first is base; right of the second is base too.
        assert_eq!(winners, [Winner::First, Winner::First, Winner::Tie, Winner::Tie]);
        assert!(read.battles.iter().all(|battle| battle.first == "base"));
    }

    #[test]
    fn other_data_sets_stay_registered() {
        let folder = tempfile::tempdir().unwrap();
        let info = folder.path().join("dataset_info.json");
        crate::files::write_atomic(&info, br#"{"mine": {"file_name": "mine.json"}}"#).unwrap();
        write(&records(), PairForm::Alpaca, &folder.path().join("alpaca.json")).unwrap();
        let read: Value = serde_json::from_slice(&std::fs::read(&info).unwrap()).unwrap();
        assert_eq!(read["mine"]["file_name"], "mine.json");
        assert_eq!(read["alpaca"]["ranking"], true);
        crate::files::write_atomic(&info, b"[1]").unwrap();
        let said = write(&records(), PairForm::Alpaca, &folder.path().join("alpaca.json"));
        assert!(said.unwrap_err().to_string().contains("no JSON object"));
        assert_eq!(std::fs::read(&info).unwrap(), b"[1]");
    }
}
