//! `tuning-fork bench`: how fast this machine is, in numbers that can be compared.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::bench_pass::{read_prompt, write_answer};
use super::guesser::{GuesserArgs, guessed_words};
use super::load::{CacheArgs, ModelArgs, Precision, load_model};
use super::out;
use super::peak::{peak_memory, print_peak};
use crate::app;
use crate::app::bench::UiBenchOptions;
use crate::jobs::{self, Cancelled, Progress, Quiet};
use crate::llm::generate::guess::Guesser;
use crate::llm::generate::sampling::SamplingParams;
use crate::llm::generate::{AdapterMode, Answer, GenerateRequest, Lane, Prompt, generate_guessed};
use crate::llm::{Adapter, Model};
use crate::train;
use crate::train::StartRequest;
use crate::train::config::{Objective, TrainConfig};
use crate::train::record::metrics::{StepMetrics, TrainEvent};

#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Loading, reading a prompt, writing an answer, memory
    Generate(GenerateArgs),

    /// How fast memory is read, and which share of that an answer uses
    Memory(super::bench_memory::MemoryArgs),

    /// DPO or SFT steps with LoRA on a preference file
    Train(TrainArgs),

    /// Downloading, hashing and keeping a file, from a server in this process
    Fetch(super::bench_fetch::FetchArgs),

    /// A project with very many verdicts in the window: opening it, its memory, giving verdicts
    Annotate(super::bench_annotate::AnnotateArgs),

    /// The window: its first frame, and its own work a frame while a run is under way behind it
    Ui(UiArgs),

    /// The views of the Playground and of Look inside: how soon each is there, and its work a frame
    Views(super::bench_views::ViewsArgs),
}

#[derive(Debug, Args)]
struct UiArgs {
    /// The model to train meanwhile; `none`: the first frame only, or one of the next three
    #[arg(long, default_value = "starter")]
    model: String,

    /// With `--model none`: draw the curves of a run of so many steps
    #[arg(long, default_value_t = 0)]
    logged_steps: usize,

    /// With `--model none`: fetch this Hub repository meanwhile
    #[arg(long, value_name = "REPO")]
    fetch: Option<String>,

    /// With `--model none`: scroll through so many search results
    #[arg(long, default_value_t = 0)]
    found: usize,

    /// How long to measure, in seconds
    #[arg(long, default_value_t = 60.0)]
    secs: f64,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct GenerateArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    cache: CacheArgs,

    /// Tokens to write
    #[arg(long, default_value_t = 64)]
    tokens: usize,

    /// Tokens to read before them: writing slows down as the text grows
    #[arg(long, default_value_t = 16)]
    after: usize,

    /// With --draft or --lookup: the text to continue, whose answers are measured without and with guesses
    #[arg(long, default_value = "Once upon a time", value_name = "TEXT")]
    text: String,

    #[command(flatten)]
    guesser: GuesserArgs,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct TrainArgs {
    #[arg(long, default_value = "starter")]
    model: String,

    /// Preference pairs as JSON Lines
    #[arg(long)]
    data: PathBuf,

    #[arg(long, default_value_t = 6)]
    steps: usize,

    /// Pairs in one step
    #[arg(long, default_value_t = 4)]
    batch: usize,

    /// Train on the chosen answers alone, not on pairs
    #[arg(long)]
    sft: bool,

    /// Keep the weights as the file stores them, or widen them to f32
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    weights: Precision,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &BenchArgs, process_start: Instant) -> anyhow::Result<()> {
    match &args.what {
        What::Generate(args) => bench_generate(args),
        What::Memory(args) => super::bench_memory::run(args),
        What::Train(args) => bench_train(args),
        What::Fetch(args) => super::bench_fetch::run(args),
        What::Annotate(args) => super::bench_annotate::run(args),
        What::Ui(args) => bench_ui(args, process_start),
        What::Views(args) => super::bench_views::run(args),
    }
}

fn bench_ui(args: &UiArgs, process_start: Instant) -> anyhow::Result<()> {
    let model = match args.model.as_str() {
        "none" => None,
        name => Some(crate::hub::resolve::resolve_model(name)?),
    };
    let UiArgs { logged_steps, ref fetch, found, secs, .. } = *args;
    let fetch = fetch.clone();
    let options = UiBenchOptions { model, logged_steps, fetch, found, secs, process_start };
    let report = app::bench::run(options)
        .map_err(|err| anyhow::anyhow!("the window could not be opened: {err}"))?;
    if args.json {
        return out::json(&report);
    }
    out::line(&format!("first frame         {:>8.0} ms after the start", report.first_frame_ms))?;
    if report.frame_count > 0 {
        out::line(&format!("frames              {:>8}", report.frame_count))?;
        out::line(&format!("a frame, median     {:>8.2} ms", report.median_ms))?;
        out::line(&format!("a frame, p99        {:>8.2} ms", report.p99_ms))?;
        out::line(&format!("a frame, maximum    {:>8.2} ms", report.max_ms))?;
        out::line(&format!("our own part, median{:>8.2} ms", report.own_median_ms))?;
        out::line(&format!("our own part, p99   {:>8.2} ms", report.own_p99_ms))?;
        out::line(&format!("steps meanwhile     {:>8}", report.steps_done))?;
    }
    Ok(())
}

const PROMPT_LENGTHS: [usize; 3] = [16, 128, 512];

fn bench_generate(args: &GenerateArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    let (model, adapter) = args.model.load_for_answers(args.cache)?;
    let load_secs = started.elapsed().as_secs_f64();
    let adapter = adapter.as_ref();
    let mut prompts = Vec::new();
    for length in PROMPT_LENGTHS.into_iter().filter(|n| *n < model.config().context_length) {
        // The first pass warms caches and threads up; the better of the next two is kept.
        read_prompt(&model, adapter, length)?;
        let secs = read_prompt(&model, adapter, length)?.min(read_prompt(&model, adapter, length)?);
        prompts.push((length, length as f64 / secs));
    }
    let write_rate = write_answer(&model, adapter, args.after, args.tokens)?;
    let guessed = args.guesser.is_on().then(|| bench_guesses(args, &model, adapter)).transpose()?;
    let peak = peak_memory();
    if args.json {
        let prompts: Vec<_> = prompts
            .iter()
            .map(|(length, rate)| json!({ "tokens": length, "tokens_per_sec": rate }))
            .collect();
        return out::json(&json!({
            "model": model.card().identity.name,
            "instructions": tuning_fork_kernels::instructions(),
            "load_secs": load_secs,
            "prompt": prompts,
            "generation_after_tokens": args.after,
            "generation_tokens_per_sec": write_rate,
            "guesses": guessed.as_ref().map(|[alone, guessed]| json!({
                "tokens": guessed.ids.len(),
                "is_same_text": alone.ids == guessed.ids,
                "tokens_per_sec_alone": rate(alone),
                "tokens_per_sec": rate(guessed),
                "drafted": guessed.guesses.drafted,
                "accepted": guessed.guesses.accepted,
                "passes": guessed.guesses.passes,
            })),
            "peak_memory_bytes": peak,
        }));
    }
    out::line(&format!("instructions        {}", tuning_fork_kernels::instructions()))?;
    out::line(&format!("load                {load_secs:>8.2} s"))?;
    for (length, rate) in prompts {
        out::line(&format!("prompt, {length:>3} tokens  {rate:>8.1} tokens/s"))?;
    }
    out::line(&format!("generation at {:>4}  {write_rate:>10.1} tokens/s", args.after))?;
    if let Some([alone, guessed]) = guessed {
        let (slow, fast) = (rate(&alone), rate(&guessed));
        out::line(&format!("without guesses     {slow:>8.1} tokens/s"))?;
        out::line(&format!(
            "with guesses        {fast:>8.1} tokens/s, {:.2} times{}",
            fast / slow.max(1e-9),
            guessed_words(guessed.guesses)
        ))?;
    }
    print_peak(peak)
}

/// A greedy answer without guesses, and with them: the faster of two each, in turn.
fn bench_guesses(
    args: &GenerateArgs,
    model: &Model,
    adapter: Option<&Adapter>,
) -> anyhow::Result<[Answer; 2]> {
    let draft = args.guesser.load_draft(model)?;
    let guessers = [Guesser::Nobody, args.guesser.guesser(draft.as_ref())];
    let mode = if adapter.is_some() { AdapterMode::On } else { AdapterMode::Off };
    let sampling =
        SamplingParams { greedy: true, repetition_penalty: 1.0, ..SamplingParams::default() };
    let request = GenerateRequest {
        prompt: Prompt::Raw(args.text.clone()),
        sampling,
        max_new_tokens: args.tokens,
        stop_strings: Vec::new(),
        lanes: vec![Lane { seed: 0, adapter: mode }],
    };
    let answer = |guesser| -> anyhow::Result<Answer> {
        let answers = generate_guessed(model, adapter, guesser, &request, &Quiet)?;
        answers.into_iter().next().context("no answer came")
    };
    let [alone, guessed] = [answer(guessers[0])?, answer(guessers[1])?];
    let [alone_again, guessed_again] = [answer(guessers[0])?, answer(guessers[1])?];
    Ok([faster(alone, alone_again), faster(guessed, guessed_again)])
}

fn faster(one: Answer, other: Answer) -> Answer {
    if one.generation_secs <= other.generation_secs { one } else { other }
}

fn rate(answer: &Answer) -> f64 {
    answer.ids.len() as f64 / answer.generation_secs.max(1e-9)
}

fn bench_train(args: &TrainArgs) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder could be made")?;
    let config = TrainConfig {
        model: args.model.clone(),
        data: args.data.clone(),
        max_steps: Some(args.steps),
        per_device_train_batch_size: args.batch,
        held_out_share: 0.0,
        eval_steps: 0,
        save_steps: 0,
        ..TrainConfig::suggested(if args.sft { Objective::Sft } else { Objective::Dpo })
    };
    let model = load_model(&args.model, args.weights.into())?;
    let steps = Steps::default();
    let request = StartRequest { config, run_dir: folder.path().join("run"), cache: None };
    jobs::give_way(); // as it would in the window
    train::start(&model, &request, &steps)?;
    let steps = steps.0.into_inner();
    // The first step allocates what the others use again.
    let measured = if steps.len() > 1 { &steps[1..] } else { &steps[..] };
    let secs: f64 = measured.iter().map(|step| step.step_secs).sum();
    let step_secs = secs / measured.len().max(1) as f64;
    let pairs_per_sec = args.batch as f64 / step_secs;
    let seen = |step: &StepMetrics| step.num_tokens as f64;
    let tokens = measured.last().map_or(0.0, seen) - steps.first().map_or(0.0, seen);
    let tokens_per_sec = if steps.len() > 1 { tokens / secs } else { 0.0 };
    let peak = peak_memory();
    if args.json {
        return out::json(&json!({
            "model": model.card().identity.name,
            "steps": measured.len(),
            "step_secs": step_secs,
            "pairs_per_sec": pairs_per_sec,
            "tokens_per_sec": tokens_per_sec,
            "peak_memory_bytes": peak,
        }));
    }
    out::line(&format!("a step of {} pairs   {step_secs:>8.2} s", args.batch))?;
    out::line(&format!("                    {pairs_per_sec:>8.2} pairs/s"))?;
    out::line(&format!(
        "                    {tokens_per_sec:>8.0} tokens/s, shared prompts counted twice"
    ))?;
    print_peak(peak)
}

#[derive(Default)]
struct Steps(RefCell<Vec<StepMetrics>>);

impl Progress<TrainEvent> for Steps {
    fn emit(&self, event: TrainEvent) {
        if let TrainEvent::Step(step) = event {
            self.0.borrow_mut().push(step);
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}
