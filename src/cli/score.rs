//! `tuning-fork score`: the log-probability of every token of given texts.

use std::cell::RefCell;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::load::ModelArgs;
use super::out;
use super::progress::Bar;
use crate::data::pair::Text;
use crate::files;
use crate::files::Row;
use crate::jobs::{Cancelled, Progress};
use crate::llm;
use crate::llm::Model;
use crate::llm::generate::score;
use crate::llm::generate::score::Scoring;

#[derive(Debug, Args)]
pub struct ScoreArgs {
    #[command(flatten)]
    model: ModelArgs,

    /// JSON Lines: {"text"}, {"prompt", "completion"} (strings or message lists) or {"ids"}
    #[arg(long)]
    input: PathBuf,

    /// Where the scores go; without it, to stdout
    #[arg(long)]
    output: Option<PathBuf>,

    /// Write all logits as f32 tensors logits.0, logits.1, … of shape (tokens, vocabulary)
    #[arg(long)]
    logits: Option<PathBuf>,

    /// Print a summary as JSON
    #[arg(long, requires = "output")]
    json: bool,
}

/// A row of the input, told apart by its keys.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Input {
    Completion { prompt: Text, completion: Text },
    Text { text: String },
    Ids { ids: Vec<u32> },
}

/// A row as the model reads it.
struct Encoded {
    ids: Vec<u32>,
    completion_start: Option<usize>,
}

/// A row of the output.
#[derive(Serialize)]
struct Scored<'a> {
    ids: &'a [u32],

    /// Each token's text.
    tokens: Vec<String>,

    /// Natural logs; none for the first token.
    logprobs: &'a [Option<f32>],
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_start: Option<usize>,

    /// The sum over the completion's tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_logprob: Option<f64>,
}

pub fn run(args: &ScoreArgs) -> anyhow::Result<()> {
    // The rows first: a mistake in them should not cost the time of loading a model.
    let rows = read_rows(&args.input)?;
    let (model, adapter) = args.model.load()?;
    let encoded = rows
        .iter()
        .map(|row| {
            encode(&model, row)
                .with_context(|| format!("line {}: {}", row.line, args.input.display()))
        })
        .collect::<anyhow::Result<Vec<Encoded>>>()?;
    let mut logits_file = match &args.logits {
        Some(path) => Some(LogitsFile::create(path, &encoded, model.config().vocab_size)?),
        None => None,
    };
    let bar = Bar::new();
    let token_count: usize = encoded.iter().map(|row| row.ids.len()).sum();
    let mut done = 0;
    let mut lines = String::new();
    for (row, Encoded { ids, completion_start }) in rows.iter().zip(&encoded) {
        let progress = Offset { bar: &bar, done, total: token_count };
        let problem = RefCell::new(None);
        let mut keep = |logits: Vec<f32>| -> Result<(), llm::Error> {
            let Some(file) = &mut logits_file else { return Ok(()) };
            file.append(&logits).map_err(|error| {
                problem.borrow_mut().get_or_insert(error);
                llm::Error::Cancelled(Cancelled)
            })
        };
        let scored = score::score_with(&model, adapter.as_ref(), ids, &progress, &mut |logits| {
            keep(logits.flatten_all()?.to_vec1::<f32>()?)
        });
        if let Some(error) = problem.into_inner() {
            return Err(error);
        }
        let logprobs = scored
            .with_context(|| format!("line {} of {} failed", row.line, args.input.display()))?;
        done += ids.len();
        let sum = |start: usize| -> f64 {
            logprobs[start..].iter().flatten().map(|logprob| f64::from(*logprob)).sum()
        };
        let line = Scored {
            ids,
            tokens: ids.iter().map(|id| model.tokenizer().token_text(*id)).collect(),
            logprobs: &logprobs,
            completion_start: *completion_start,
            completion_logprob: completion_start.map(sum),
        };
        let line = serde_json::to_string(&line)?;
        match &args.output {
            Some(_) => {
                lines.push_str(&line);
                lines.push('\n');
            }
            None => out::line(&line)?,
        }
    }
    bar.clear();
    if let Some(file) = logits_file {
        file.finish()?;
    }
    if let Some(path) = &args.output {
        files::write_atomic(path, lines.as_bytes())
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    if args.json {
        out::json(&json!({ "rows": rows.len(), "tokens": token_count, "output": args.output }))?;
    } else {
        out::note(&format!("{} rows, {token_count} tokens", rows.len()));
    }
    Ok(())
}

fn read_rows(path: &Path) -> anyhow::Result<Vec<Row<Input>>> {
    let rows = files::read_jsonl::<Value>(path)?;
    if rows.is_empty() {
        bail!("{} has no rows", path.display());
    }
    rows.into_iter()
        .map(|row| {
            let line = row.line;
            // serde says only that no variant fits, which is no help: say what would.
            let Ok(value) = serde_json::from_value(row.value) else {
                bail!(
                    "line {line} needs \"text\", \"prompt\" and \"completion\", or \"ids\": {}",
                    path.display()
                );
            };
            Ok(Row { line, value })
        })
        .collect()
}

fn encode(model: &Model, row: &Row<Input>) -> anyhow::Result<Encoded> {
    let encoded = match &row.value {
        Input::Ids { ids } => Encoded { ids: ids.clone(), completion_start: None },
        Input::Text { text } => {
            Encoded { ids: model.tokenizer().encode(text, true)?, completion_start: None }
        }
        Input::Completion { prompt, completion } => {
            let tokenizer = model.tokenizer();
            let whole = score::encode_completion(tokenizer, model.chat(), prompt, completion)?;
            if whole.prompt_differs {
                out::note(&format!(
                    "line {}: the prompt alone has other tokens than the beginning of the whole",
                    row.line
                ));
            }
            Encoded { ids: whole.ids, completion_start: Some(whole.start) }
        }
    };
    if encoded.ids.is_empty() {
        bail!("there is no token to score");
    }
    Ok(encoded)
}

/// Counts tokens over all rows.
struct Offset<'a> {
    bar: &'a Bar,
    done: usize,
    total: usize,
}

impl Progress<Scoring> for Offset<'_> {
    fn emit(&self, event: Scoring) {
        self.bar.count("Scoring", (self.done + event.done) as u64, self.total as u64);
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

/// A safetensors file that is written front to back: the logits of a long text would not fit in
/// memory beside the model.
struct LogitsFile {
    path: PathBuf,
    file: BufWriter<tempfile::NamedTempFile>,
}

impl LogitsFile {
    fn create(path: &Path, rows: &[Encoded], vocab_size: usize) -> anyhow::Result<Self> {
        let mut header = serde_json::Map::new();
        let mut offset = 0;
        for (index, row) in rows.iter().enumerate() {
            let end = offset + row.ids.len() * vocab_size * size_of::<f32>();
            let tensor = json!({
                "dtype": "F32",
                "shape": [row.ids.len(), vocab_size],
                "data_offsets": [offset, end],
            });
            header.insert(format!("logits.{index}"), tensor);
            offset = end;
        }
        let mut header = serde_json::to_string(&header)?;
        // Readers map the data as f32, so it has to begin at a multiple of 8.
        header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        let file = std::fs::create_dir_all(folder)
            .and_then(|()| tempfile::Builder::new().prefix(".writing-").tempfile_in(folder))
            .with_context(|| format!("{} could not be written", path.display()))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        Ok(Self { path: path.to_owned(), file })
    }

    fn append(&mut self, logits: &[f32]) -> anyhow::Result<()> {
        for value in logits {
            self.file.write_all(&value.to_le_bytes())?;
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        let file = self.file.into_inner().map_err(|error| error.into_error())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // A temporary file is private; what it becomes is a document like any other.
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        file.persist(&self.path)
            .with_context(|| format!("{} could not be written", self.path.display()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> Result<Input, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn rows_are_told_apart_by_their_keys() {
        assert!(matches!(row(r#"{"text":"a","note":1}"#), Ok(Input::Text { .. })));
        let plain = row(r#"{"prompt":"a","completion":" b"}"#);
        assert!(matches!(plain, Ok(Input::Completion { prompt: Text::Plain(_), .. })));
        let chat = row(r#"{"prompt":[{"role":"user","content":"a"}],"completion":"b"}"#);
        assert!(matches!(chat, Ok(Input::Completion { prompt: Text::Messages(_), .. })));
        assert!(matches!(row(r#"{"ids":[1,2]}"#), Ok(Input::Ids { .. })));
        assert!(row(r#"{"prompt":"a"}"#).is_err());
    }

    #[test]
    fn logits_are_written_as_safetensors_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/logits.safetensors");
        let row = |count: usize| Encoded { ids: vec![0; count], completion_start: None };
        let mut file = LogitsFile::create(&path, &[row(2), row(1)], 3).unwrap();
        file.append(&[0.0, 1.0, 2.0]).unwrap();
        file.append(&[3.0, 4.0, 5.0, 6.0, 7.0, 8.5]).unwrap();
        file.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.tensor("logits.0").unwrap().shape(), [2, 3]);
        let second = tensors.tensor("logits.1").unwrap();
        assert_eq!(second.data()[8..], 8.5_f32.to_le_bytes());
    }
}
