//! `tuning-fork bundle`: a run as a folder for another engine.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, builder::TypedValueParser as _};
use serde_json::{Value, json};

use super::out;
use super::progress::Bar;
use super::rows::TableArgs;
use crate::elsewhere::bundle::Memory;
use crate::elsewhere::gpu::Choice;
use crate::elsewhere::{self, Engine, Made, Order, Preset};
use crate::hub::resolve::resolve_model;
use crate::llm::card::ModelSource;
use crate::train::config::run_file;
use crate::words::{counted, gigabytes};

#[derive(Debug, Args)]
pub struct BundleArgs {
    /// The run file: TRL's and PEFT's keys, as TOML
    run: PathBuf,

    /// The program that trains
    #[arg(long = "for", value_name = "ENGINE", default_value = "trl", value_parser = engines())]
    engine: Engine,

    /// How the run is distributed over GPUs
    #[arg(long, default_value = "one-gpu", value_parser = presets())]
    preset: Preset,

    /// GPUs per machine; without it, as many as the preset usually has
    #[arg(long)]
    gpus: Option<usize>,

    /// How many machines, for the preset machines
    #[arg(long)]
    machines: Option<usize>,

    /// What the other machine calls the model: OWNER/NAME, OWNER/NAME@COMMIT, or a path there
    #[arg(long, value_name = "MODEL")]
    base: Option<String>,

    /// Copy the model's folder into the bundle
    #[arg(long, conflicts_with = "base")]
    with_model: bool,

    /// A further setting of TRL's, such as bf16=false; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    given: Vec<String>,

    /// The folder to make; it must be empty or new
    #[arg(long)]
    out: PathBuf,

    #[command(flatten)]
    table: TableArgs,

    /// Print what was made, and the GPU memory that it needs, as JSON
    #[arg(long)]
    json: bool,
}

fn engines() -> impl clap::builder::TypedValueParser<Value = Engine> {
    PossibleValuesParser::new(Engine::ALL.map(Engine::key))
        .map(|key| Engine::named(&key).unwrap_or_default())
}

fn presets() -> impl clap::builder::TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::ALL.map(Preset::key))
        .map(|key| Preset::named(&key).unwrap_or_default())
}

pub fn run(args: &BundleArgs) -> anyhow::Result<()> {
    let mut config = run_file::read(&args.run)?;
    let columns = args.table.mapping()?;
    if !columns.is_empty() {
        config.columns = columns;
    }
    // A model that is too large for this machine need not be on it.
    let source = resolve_model(&config.model).ok().map(|path| ModelSource::at(&path));
    if source.is_none() && args.with_model {
        anyhow::bail!("--with-model copies the model, and {} is not on this disk", config.model);
    }
    let order = Order {
        config,
        engine: args.engine,
        preset: args.preset,
        gpus: args.gpus,
        machines: args.machines,
        source,
        base: args.base.clone(),
        with_model: args.with_model,
        given: args.given.clone(),
        out: args.out.clone(),
    };
    let bar = Bar::new();
    let made = elsewhere::make(&order, &bar);
    bar.clear();
    let made = made?;
    if args.json {
        return out::json(&as_json(&made));
    }
    for note in &made.notes {
        out::note(&format!("note: {note}"));
    }
    out::note(&format!(
        "{} for {}, {}: {} to train on, {} held out",
        made.preset.words(),
        made.engine.name(),
        counted(made.processes, "process", "processes"),
        counted(made.train_rows, "row", "rows"),
        counted(made.held_out_rows, "row", "rows"),
    ));
    if let Some(memory) = &made.memory {
        print_memory(memory)?;
    }
    out::line(&made.out.display().to_string())
}

fn print_memory(memory: &Memory) -> anyhow::Result<()> {
    for (name, bytes) in parts(memory) {
        out::line(&format!("{name:<28}{:>10}", gigabytes(bytes)))?;
    }
    for Choice { preset, gpus, bytes } in &memory.choices {
        let room = elsewhere::gpu::smallest(*bytes);
        let room = room.map_or_else(
            || "more than any GPU has".to_owned(),
            |(room, _)| format!("fits a GPU with {room} GB"),
        );
        let name = format!("  {} with {}", preset.key(), counted(*gpus, "GPU", "GPUs"));
        out::line(&format!("{name:<28}{:>10} each, {room}", gigabytes(*bytes)))?;
    }
    Ok(())
}

fn parts(memory: &Memory) -> [(&'static str, u64); 8] {
    let need = &memory.need;
    [
        ("memory of each GPU", need.total()),
        ("  weights", need.weights),
        ("  gradients", need.gradients),
        ("  optimizer states", need.optimizer),
        ("  reference model", need.reference),
        ("  kept for the backward pass", need.activations),
        ("  logits", need.logits),
        ("  CUDA and fragmentation", need.overhead),
    ]
}

fn as_json(made: &Made) -> Value {
    let Made { out, engine, preset, processes, train_rows, held_out_rows, files, notes, memory } =
        made;
    let memory = memory.as_ref().map(|memory| {
        let choices = memory.choices.iter().map(|choice| {
            json!({
                "preset": choice.preset.key(),
                "gpus": choice.gpus,
                "bytes_each": choice.bytes,
                "fits_gb": elsewhere::gpu::smallest(choice.bytes).map(|(room, _)| room),
            })
        });
        let smallest = memory.smallest.as_ref().map(|(choice, room)| {
            json!({ "preset": choice.preset.key(), "gpus": choice.gpus, "gb_each": room })
        });
        let need = &memory.need;
        json!({
            "bytes_each": need.total(),
            "weights": need.weights,
            "gradients": need.gradients,
            "optimizer": need.optimizer,
            "reference": need.reference,
            "activations": need.activations,
            "logits": need.logits,
            "overhead": need.overhead,
            "choices": choices.collect::<Vec<_>>(),
            "smallest": smallest,
        })
    });
    json!({
        "out": out,
        "for": engine.key(),
        "preset": preset.key(),
        "processes": processes,
        "train_rows": train_rows,
        "held_out_rows": held_out_rows,
        "files": files,
        "notes": notes,
        "gpu_memory": memory,
    })
}
