//! `tuning-fork explore beams`

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::read_write;
use super::rows::InputArgs;
use super::table;
use super::table::Table;
use crate::cli::generate::Early;
use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::explore::beams::{BeamView, NodeFate, beams};
use crate::explore::read_write::Source;
use crate::jobs::Quiet;
use crate::llm::generate::sampling::SamplingParams;
use crate::seq2seq::BeamSettings;

#[derive(Debug, Args)]
pub struct BeamsArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    input: InputArgs,

    /// How many answers run side by side
    #[arg(long, default_value_t = 4)]
    num_beams: usize,

    /// Divide the score of a beam by its length to this power: above 0 longer answers are favoured
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    length_penalty: f64,

    /// When the search ends: by transformers' own rule (false), once as many answers have ended as
    /// there are beams (true), or only when no longer answer can be better (never)
    #[arg(long, value_enum, default_value_t = Early::False)]
    early_stopping: Early,

    #[arg(long, default_value_t = 40)]
    max_new_tokens: usize,

    /// Make tokens that are already there less likely; 1 is off
    #[arg(long, default_value_t = 1.0)]
    repetition_penalty: f32,

    /// Forbid runs of this many tokens from appearing twice; 0 is off
    #[arg(long, default_value_t = 0)]
    no_repeat_ngram_size: usize,

    /// One JSON object a row
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    source: &'a Source,
    #[serde(flatten)]
    view: &'a BeamView,
}

pub fn run(args: &BeamsArgs) -> anyhow::Result<()> {
    if args.num_beams == 0 {
        bail!("--num-beams must be 1 at least");
    }
    let rows = args.input.read()?;
    let model = read_write::load(&args.model)?;
    let settings = BeamSettings {
        beams: args.num_beams,
        length_penalty: args.length_penalty,
        early_stopping: args.early_stopping.into(),
        max_new_tokens: args.max_new_tokens,
        sampling: SamplingParams {
            repetition_penalty: args.repetition_penalty,
            no_repeat_ngram_size: args.no_repeat_ngram_size,
            ..read_write::greedy()
        },
    };
    for source in read_write::sources(&model, &rows)? {
        let view = beams(&model, &source, &settings, &Quiet)?;
        if args.json {
            out::json(&Line { source: &source, view: &view })?;
        } else {
            show(&view)?;
        }
    }
    Ok(())
}

fn show(view: &BeamView) -> anyhow::Result<()> {
    let mut table =
        Table::new(["step", "node", "after", "token", "log p", "sum", "what became of it"]);
    for (number, node) in view.nodes.iter().enumerate() {
        table.push(vec![
            node.step.to_string(),
            number.to_string(),
            node.parent.map_or_else(|| "start".to_owned(), |parent| parent.to_string()),
            table::token(&node.token),
            format!("{:.4}", node.logprob),
            format!("{:.4}", node.sum),
            match node.fate {
                NodeFate::Ran { place } => format!("beam {}", place + 1),
                NodeFate::Ended { score } => format!("ended, score {score:.4}"),
                NodeFate::Dropped => "dropped".to_owned(),
            },
        ]);
    }
    table.print()?;
    out::line("Answers, the best first: score, sum of log-probabilities, tokens")?;
    for answer in &view.answers {
        let (score, sum, count) = (answer.score, answer.sum, answer.ids.len());
        out::line(&format!("{score:>9.4}  {sum:>9.4}  {count:>4}  {}", answer.text))?;
    }
    Ok(())
}
