//! `tuning-fork bench memory`: how fast memory is read here, and how much of that an answer uses.

use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::bench_pass::write_answer;
use super::load::{CacheArgs, ModelArgs};
use super::out;
use crate::explore::machine::{Kind, Machine, machine};

#[derive(Debug, Args)]
pub struct MemoryArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    cache: CacheArgs,

    /// Tokens to write
    #[arg(long, default_value_t = 64)]
    tokens: usize,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// 512 MB: more than any cache holds.
const WORDS: usize = 64 << 20;

/// How often it is read; the fastest counts.
const TIMES: usize = 5;

pub(super) fn run(args: &MemoryArgs) -> anyhow::Result<()> {
    let bandwidth = bandwidth();
    let (model, adapter) = args.model.load_for_answers(args.cache)?;
    let read = bytes_a_token(&machine(&model)?);
    // The first answer warms caches and threads up.
    write_answer(&model, adapter.as_ref(), 16, 8)?;
    let rate = write_answer(&model, adapter.as_ref(), 16, args.tokens)?;
    let share = rate * read / bandwidth;
    if args.json {
        return out::json(&json!({
            "model": model.card().identity.name,
            "threads": rayon::current_num_threads(),
            "bytes_per_sec": bandwidth,
            "weight_bytes_a_token": read,
            "generation_tokens_per_sec": rate,
            "share": share,
        }));
    }
    let giga = 1e-9;
    out::line(&format!("memory              {:>8.1} GB/s", bandwidth * giga))?;
    out::line(&format!("weights a token     {:>8.3} GB", read * giga))?;
    out::line(&format!("generation          {rate:>8.1} tokens/s"))?;
    out::line(&format!("of what memory gives{:>8.0} %", 100.0 * share))?;
    Ok(())
}

/// Bytes a second that all threads together read.
fn bandwidth() -> f64 {
    let words: Vec<u64> = (0..WORDS as u64).collect();
    let mut best = f64::INFINITY;
    for _ in 0..TIMES {
        let started = Instant::now();
        std::hint::black_box(tuning_fork_kernels::read_all(std::hint::black_box(&words)));
        best = best.min(started.elapsed().as_secs_f64());
    }
    size_of_val(words.as_slice()) as f64 / best
}

/// Bytes of the weights that the next token is multiplied with: of experts those that are chosen.
fn bytes_a_token(machine: &Machine) -> f64 {
    // A head that is the embedding has no weights of its own.
    let embedding = machine.parts.iter().find(|part| part.kind == Kind::Embedding);
    let each = |bytes: u64, parameters: u64| bytes as f64 / (parameters as f64).max(1.0);
    let of_embedding = embedding.map_or(0.0, |part| each(part.bytes, part.parameters));
    let parts = machine.parts.iter().map(|part| {
        let of_one =
            if part.parameters == 0 { of_embedding } else { each(part.bytes, part.parameters) };
        of_one * part.multiplications as f64
    });
    parts.sum()
}
