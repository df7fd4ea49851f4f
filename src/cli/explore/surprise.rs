//! `tuning-fork explore surprise`

use clap::Args;

use super::rows;
use super::rows::InputArgs;
use super::table;
use super::table::Table;
use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::explore::subject::Subject;
use crate::explore::surprise;
use crate::explore::surprise::SurpriseView;
use crate::words::counted;

#[derive(Debug, Args)]
pub struct SurpriseArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    input: InputArgs,

    /// How many of the likeliest tokens are given at each place
    #[arg(long, default_value_t = 10)]
    top: usize,

    /// One JSON object a row, with all numbers in full
    #[arg(long)]
    json: bool,
}

pub fn run(args: &SurpriseArgs) -> anyhow::Result<()> {
    let rows = args.input.read()?;
    let (model, adapter) = args.model.load()?;
    let subject = Subject::new(&model, adapter.as_ref());
    let ids = rows::ids_of(&rows, subject)?;
    let view = |ids: &[u32], bar: &Bar| Ok(surprise::surprise(subject, ids, args.top, bar)?);
    rows::show_each(&ids, args.json, view, show)
}

fn show(view: &SurpriseView) -> anyhow::Result<()> {
    let mut table = Table::new(["token", "bits", "open", "likeliest instead"]);
    for (at, token) in view.tokens.iter().enumerate() {
        let (instead, open) = match view.instead_of(at) {
            None => (String::new(), None),
            Some((candidates, entropy)) => {
                let few = candidates.iter().take(3);
                let few =
                    few.map(|it| format!("{} {:.3}", table::token(&it.token), it.probability));
                (few.collect::<Vec<_>>().join("  "), Some(entropy))
            }
        };
        let bits = table::number(view.surprisal[at], 3);
        table.push(vec![table::token(token), bits, table::number(open, 3), instead]);
    }
    table.print()?;
    let perplexity = table::number(view.perplexity, 3);
    out::line(&format!("{}, perplexity {perplexity}", counted(view.ids.len(), "token", "tokens")))
}
