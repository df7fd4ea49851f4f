//! `tuning-fork explore lens`

use anyhow::bail;
use clap::Args;

use super::rows;
use super::rows::InputArgs;
use super::table;
use super::table::Table;
use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::explore::lens;
use crate::explore::lens::{LensRequest, LensView};
use crate::explore::subject::Subject;

#[derive(Debug, Args)]
pub struct LensArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    input: InputArgs,

    /// Only the last positions, this many
    #[arg(long)]
    last: Option<usize>,

    /// How many of the likeliest tokens are given at each place
    #[arg(long, default_value_t = 10)]
    top: usize,

    /// Follow one token through the layers: its id, or a text that is one token
    #[arg(long, value_name = "TOKEN")]
    follow: Option<String>,

    /// One JSON object a row: lists by layer and position; layer 0 is the embedding, the last one the
    /// model's own answer
    #[arg(long)]
    json: bool,
}

pub fn run(args: &LensArgs) -> anyhow::Result<()> {
    let rows = args.input.read()?;
    let (model, adapter) = args.model.load()?;
    let subject = Subject::new(&model, adapter.as_ref());
    let ids = rows::ids_of(&rows, subject)?;
    let follow = args.follow.as_deref().map(|token| one_token(subject, token)).transpose()?;
    let request = LensRequest { last: args.last, top: args.top, follow };
    let view = |ids: &[u32], bar: &Bar| Ok(lens::lens(subject, ids, &request, bar)?);
    rows::show_each(&ids, args.json, view, show)
}

/// An id as digits, or a text that is one token.
pub fn one_token(subject: Subject<'_>, token: &str) -> anyhow::Result<u32> {
    if let Ok(id) = token.parse::<u32>() {
        return Ok(id);
    }
    match subject.model.tokenizer().encode(token, false)?.as_slice() {
        [id] => Ok(*id),
        ids => bail!(
            "{token:?} is {} tokens of this model, and one is followed: give one of the ids {ids:?}",
            ids.len()
        ),
    }
}

fn show(view: &LensView) -> anyhow::Result<()> {
    // A terminal has room for a few columns.
    const SHOWN: usize = 6;
    let first = view.positions.len().saturating_sub(SHOWN);
    let positions = view.positions.clone().skip(first);
    let headings = positions.map(|at| format!("after {}", table::token(&view.tokens[at])));
    let mut table = Table::of(std::iter::once("layer".to_owned()).chain(headings).collect());
    for (layer, top) in view.top.iter().enumerate() {
        let cells = top[first..].iter().map(|candidates| {
            let best = candidates.first();
            let shown = |it: &crate::explore::predictions::Candidate| {
                format!("{} {:.3}", table::token(&it.token), it.probability)
            };
            best.map(shown).unwrap_or_default()
        });
        table.push(std::iter::once(layer.to_string()).chain(cells).collect());
    }
    table.print()?;
    if let Some(followed) = &view.followed {
        let mut table = Table::new(["layer", "log-probability", "rank"]);
        for (layer, (logprobs, ranks)) in followed.logprobs.iter().zip(&followed.ranks).enumerate()
        {
            let logprob = table::number(logprobs.last().copied(), 4);
            let rank = ranks.last().map(ToString::to_string).unwrap_or_default();
            table.push(vec![layer.to_string(), logprob, rank]);
        }
        out::line(&format!("{} at the last position:", table::token(&followed.token)))?;
        table.print()?;
    }
    Ok(())
}
