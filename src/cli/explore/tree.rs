//! `tuning-fork explore tree`

use std::sync::Arc;

use clap::Args;

use super::rows;
use super::rows::InputArgs;
use super::table;
use super::table::Table;
use crate::cli::load::ModelArgs;
use crate::cli::progress::Bar;
use crate::explore::subject::Subject;
use crate::explore::tree::{ROOT, Tree, TreeView};
use crate::jobs::Quiet;

#[derive(Debug, Args)]
pub struct TreeArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    input: InputArgs,

    /// How many of the likeliest tokens each node continues with
    #[arg(long, default_value_t = 3)]
    branches: usize,

    /// How many tokens deep it branches
    #[arg(long, default_value_t = 3)]
    depth: usize,

    /// Then continue every leaf with the likeliest token, this many times
    #[arg(long, default_value_t = 0)]
    greedy: usize,

    /// One JSON object a row
    #[arg(long)]
    json: bool,
}

pub fn run(args: &TreeArgs) -> anyhow::Result<()> {
    let rows = args.input.read()?;
    let (model, adapter) = args.model.load()?;
    let (model, adapter) = (Arc::new(model), adapter.map(Arc::new));
    let subject = Subject::new(&model, adapter.as_deref());
    let ids = rows::ids_of(&rows, subject)?;
    let view = |ids: &[u32], bar: &Bar| {
        let mut tree = Tree::plant(Arc::clone(&model), adapter.clone(), ids, bar)?;
        let mut leaves = vec![ROOT];
        for _ in 0..args.depth {
            let mut next = Vec::new();
            for leaf in leaves {
                if tree.is_at_end(leaf) {
                    continue;
                }
                for candidate in tree.candidates(leaf, args.branches)? {
                    next.push(tree.branch(leaf, candidate.id)?);
                }
            }
            leaves = next;
        }
        if args.greedy > 0 {
            let leaves = tree.leaves();
            tree.go_on_greedily(&leaves, args.greedy, &Quiet)?;
        }
        Ok(tree.view())
    };
    rows::show_each(&ids, args.json, view, show)
}

fn show(view: &TreeView) -> anyhow::Result<()> {
    let mut table = Table::new(["node", "after", "token", "probability", "of the path"]);
    for node in &view.nodes {
        table.push(vec![
            node.node.to_string(),
            node.parent.map_or_else(|| "prompt".to_owned(), |parent| parent.to_string()),
            table::token(&node.token),
            format!("{:.4}", node.logprob.exp()),
            format!("{:.3e}", node.path_logprob.exp()),
        ]);
    }
    table.print()
}
