//! `tuning-fork explore machine`

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::table::Table;
use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::explore::machine;
use crate::explore::machine::{Machine, Shape};
use crate::explore::pass_times::{PartTime, PassTimes, pass_times};
use crate::explore::subject::Subject;
use crate::words;

#[derive(Debug, Args)]
pub struct MachineArgs {
    #[command(flatten)]
    model: ModelArgs,

    /// Tokens that stand before the one that is computed: attention looks at all of them
    #[arg(long, value_name = "TOKENS", default_value_t = 128)]
    before: usize,

    /// Also measure a pass: how long each part takes while a text of `--before` tokens is read, and while
    /// eight more are written
    #[arg(long)]
    times: bool,

    /// One JSON object, with every part and its tensors
    #[arg(long)]
    json: bool,
}

pub fn run(args: &MachineArgs) -> anyhow::Result<()> {
    let (model, adapter) = args.model.load()?;
    let machine = machine::machine(&model)?;
    if args.before >= machine.context_length {
        bail!(
            "--before {} does not fit: the context of this model has {} tokens",
            args.before,
            words::thousands(machine.context_length)
        );
    }
    let times = if args.times {
        let bar = Bar::new();
        let times = pass_times(Subject::new(&model, adapter.as_ref()), args.before, &bar)?;
        bar.clear();
        Some(times)
    } else {
        None
    };
    if args.json {
        return out::json(&Line { machine: &machine, times: times.as_ref() });
    }
    show(&machine, args.before)?;
    times.map_or(Ok(()), |times| show_times(&times))
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    machine: &'a Machine,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<&'a PassTimes>,
}

fn show_times(times: &PassTimes) -> anyhow::Result<()> {
    let reading = times.reading.iter().map(|timed| (timed, "read together"));
    for (timed, what) in reading.chain([(&times.writing, "written one after the other")]) {
        let mut table = Table::new(["part", "ms a token", "share %"]);
        for PartTime { kind, secs, share } in &timed.parts {
            table.push(vec![
                kind.name().to_owned(),
                format!("{:.4}", secs * 1000.0 / timed.tokens.max(1) as f64),
                format!("{:.1}", 100.0 * share),
            ]);
        }
        table.print()?;
        let millis = timed.secs_a_token() * 1000.0;
        out::line(&format!(
            "{} {what}: {millis:.3} ms a token",
            words::counted(timed.tokens, "token", "tokens")
        ))?;
    }
    Ok(())
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
