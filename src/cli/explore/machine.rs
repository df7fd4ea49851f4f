//! `tuning-fork explore machine`

use anyhow::bail;
use clap::Args;

use super::table::Table;
use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::explore::machine;
use crate::explore::machine::{Machine, Shape};
use crate::words;

#[derive(Debug, Args)]
pub struct MachineArgs {
    #[command(flatten)]
    model: ModelArgs,

    /// Tokens that stand before the one that is computed: attention looks at all of them
    #[arg(long, value_name = "TOKENS", default_value_t = 128)]
    before: usize,

    /// One JSON object, with every part and its tensors
    #[arg(long)]
    json: bool,
}

pub fn run(args: &MachineArgs) -> anyhow::Result<()> {
    let (model, _) = args.model.load()?;
    let machine = machine::machine(&model)?;
    if args.before >= machine.context_length {
        bail!(
            "--before {} does not fit: the context of this model has {} tokens",
            args.before,
            words::thousands(machine.context_length)
        );
    }
    if args.json { out::json(&machine) } else { show(&machine, args.before) }
}

fn show(machine: &Machine, before: usize) -> anyhow::Result<()> {
    let mut table = Table::new(["part", "layers", "parameters", "bytes", "computes", "weights"]);
    for part in &machine.parts {
        let layers = match part.layers {
            None => String::new(),
            Some((layer, 1)) => format!("{layer}"),
            Some((first, count)) => format!("{first}–{}", first + count - 1),
        };
        table.push(vec![
            part.kind.name().to_owned(),
            layers,
            words::thousands(part.parameters as usize),
            words::bytes(part.bytes),
            format!("{:.1} %", 100.0 * machine.share(part, before)),
            part.tensors.iter().map(Shape::words).collect::<Vec<_>>().join(", "),
        ]);
    }
    table.print()?;
    out::line(&format!(
        "{} ({}): {} parameters in {}; {} multiplications by weights a token; a token of context takes \
         {} in the cache",
        machine.name,
        machine.architecture,
        words::thousands(machine.parameters as usize),
        words::bytes(machine.bytes),
        words::thousands(machine.multiplications() as usize),
        words::bytes(machine.cache_bytes_per_token),
    ))
}
