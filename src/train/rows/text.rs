//! A text as windows of tokens, for pretraining: read as a whole, joined, cut.

use std::path::Path;

use serde_json::{Value, json};

use super::RowsError;
use super::batch::Example;
use super::limit::Limit;
use super::prepared::Prepared;
use super::sequence::Sequence;
use super::survey::{Concern, Finding, Part, Survey, SurveyedRow};
use crate::data::pair::Text;
use crate::data::split::Split;
use crate::data::table;
use crate::data::table::ImportError;
use crate::jobs::{Progress, Quiet};
use crate::llm::model::Model;
use crate::llm::text::born::Entropies;
use crate::train::config::TrainConfig;
use crate::train::error::Error;
use crate::train::record::landmarks::Landmarks;
use crate::train::record::metrics::TrainEvent;
use crate::words::thousands;

/// Endings of files that are one text, not a table.
const PLAIN: [&str; 4] = ["txt", "md", "text", "rst"];

/// The column of a table that holds the texts.
const COLUMNS: [&str; 3] = ["text", "content", "document"];

/// The texts of a file: the whole of a plain one, or a column of a table.
pub fn texts(path: &Path) -> Result<Vec<String>, RowsError> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if PLAIN.contains(&ending.as_str()) {
        let bytes = std::fs::read(path)
            .map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
        let text = String::from_utf8(bytes).map_err(|err| {
            let place = err.utf8_error().valid_up_to();
            let problem = format!("its bytes are no UTF-8 from byte {place} on; save it as UTF-8");
            RowsError::Text { path: path.to_owned(), problem }
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        return Ok(vec![text.replace("\r\n", "\n")]);
    }
    let table = table::rows(path, &Quiet)?;
    let column = COLUMNS.iter().find(|name| table.report.columns.iter().any(|own| own == *name));
    let Some(column) = column else {
        let problem = format!(
            "it is a table without a column text, and has {}; name the column text, or give the text as a \
             .txt file",
            table.report.columns.join(", ")
        );
        return Err(RowsError::Text { path: path.to_owned(), problem });
    };
    let text =
        |row: &table::Row| row.fields.get(*column).and_then(Value::as_str).map(str::to_owned);
    Ok(table.rows.iter().filter_map(text).filter(|text| !text.is_empty()).collect())
}

/// The same as JSON Lines, for the copy in a run's folder.
pub fn json_lines(path: &Path) -> Result<Vec<u8>, Error> {
    let lines = texts(path)
        .map_err(Error::Data)?
        .into_iter()
        .map(|text| format!("{}\n", json!({ "text": text })));
    Ok(lines.collect::<String>().into_bytes())
}

/// What is said as one text: for whoever makes a tokenizer of it.
pub fn joined(path: &Path) -> Result<String, Error> {
    Ok(texts(path).map_err(Error::Data)?.join("\n"))
}

/// The windows of a file, of which the last share is held out.
pub(super) fn prepared(
    model: &Model,
    config: &TrainConfig,
    data: &Path,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Prepared, Error> {
    let texts = texts(data).map_err(Error::Data)?;
    let tokenizer = model.tokenizer();
    let mut ids: Vec<u32> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        progress.check().map_err(|_stopped| Error::Cancelled)?;
        let encoded = tokenizer
            .encode(text, false)
            .map_err(|source| Error::Tokenize { line: index + 1, source: Box::new(source) })?;
        ids.extend(encoded);
        // One text ends where the next begins.
        if texts.len() > 1 {
            ids.extend(tokenizer.eos());
        }
    }
    let limit = Limit::of(model, config);
    let window = limit.tokens;
    let stride = if config.stride == 0 { window } else { config.stride.min(window) };
    if ids.len() < window {
        let why = format!(
            "it is {} tokens long, and a window takes {}; take a longer text or a smaller max_length",
            thousands(ids.len()),
            limit.words()
        );
        return Err(Error::NothingLeft { rows: texts.len(), why });
    }
    let count = (ids.len() - window) / stride + 1;
    let examples: Vec<Example> = (0..count)
        .map(|index| {
            let part = ids[index * stride..index * stride + window].to_vec();
            let start = tokenizer.decode(&part[..part.len().min(SHOWN)], true);
            let chosen = Sequence::whole(part);
            let group = index.to_string();
            Example::of_one(index + 1, Text::Plain(start), group, chosen)
        })
        .collect();
    // The end of the text: windows that were drawn at random would overlap with others.
    let held_out = (count as f64 * config.held_out_share).round() as usize;
    let held_out = held_out.min(count - 1);
    let train = count - held_out;
    let split = Split { train: (0..train).collect(), held_out: (train..count).collect() };
    let vocabulary = model.config().vocab_size;
    let learned = &ids[..((train - 1) * stride + window).min(ids.len())];
    let landmarks = Landmarks::from(Entropies::of(learned, vocabulary));
    let findings = findings(tokenizer, &ids, (count, held_out), &landmarks);
    let part = |index: usize| if index < train { Part::Train } else { Part::HeldOut };
    let rows = examples.iter().enumerate();
    let rows =
        rows.map(|(index, example)| SurveyedRow { example: example.clone(), part: part(index) });
    let survey = Survey {
        findings,
        rows: rows.collect(),
        max_length: window,
        truncation_mode: limit.mode,
        train_rows: train,
        held_out_rows: held_out,
    };
    Ok(Prepared { examples, split, survey, landmarks: Some(landmarks), sources: Vec::new() })
}

/// Tokens of a window that are shown, and asked for a sample.
const SHOWN: usize = 12;

fn findings(
    tokenizer: &crate::llm::text::tokenizer::Tokenizer,
    ids: &[u32],
    (count, held_out): (usize, usize),
    landmarks: &Landmarks,
) -> Vec<Finding> {
    let fact = |sentence: String| Finding {
        concern: Concern::Fact,
        sentence,
        rows: Vec::new(),
        lines: Vec::new(),
    };
    let Landmarks { uniform, unigram, bigram } = landmarks;
    let mut found = vec![
        fact(format!(
            "The text is {} tokens: {} windows, of which the last {} are held out",
            thousands(ids.len()),
            thousands(count),
            thousands(held_out)
        )),
        fact(format!(
            "A model that knows nothing has a loss of {uniform:.2} (ln of the vocabulary), one that knows \
             how frequent each token is {unigram:.2}, one that knows which token follows which {bigram:.2}"
        )),
    ];
    let named = tokenizer.named_tokens().get("unk_token");
    let unknown = named.and_then(|token| tokenizer.special_id(token));
    let lost = unknown.map_or(0, |unknown| ids.iter().filter(|id| **id == unknown).count());
    if lost > 0 {
        let sentence = format!(
            "{} tokens of the text are unknown to this model's tokenizer, and it learns nothing of what \
             stands there",
            thousands(lost)
        );
        found.insert(0, Finding { concern: Concern::Caution, ..fact(sentence) });
    }
    found
}
