//! `tuning-fork generate`: answer a prompt, streamed to stdout.

use std::cell::RefCell;
use std::io::Read as _;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::load::ModelArgs;
use super::out;
use crate::data::pair::Message;
use crate::jobs::{Cancelled, Progress};
use crate::llm::generate;
use crate::llm::generate::sampling::SamplingParams;
use crate::llm::generate::{AdapterMode, GenerateEvent, GenerateRequest, Lane, Prompt};
use crate::words::counted;

#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[command(flatten)]
    model: ModelArgs,

    /// Continue this text (`-`: read it from stdin)
    #[arg(long, required_unless_present = "chat", conflicts_with_all = ["chat", "system"])]
    prompt: Option<String>,

    /// Answer this message through the chat template (`-`: read it from stdin)
    #[arg(long)]
    chat: Option<String>,

    /// The system message that goes before it
    #[arg(long)]
    system: Option<String>,

    #[command(flatten)]
    sampling: SamplingArgs,

    /// Same seed, same settings: same answer
    #[arg(long, default_value_t = 0)]
    seed: u64,

    #[arg(long, default_value_t = 200)]
    max_new_tokens: usize,

    /// End the answer where this text appears; may be given several times
    #[arg(long)]
    stop: Vec<String>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// What is not given stays as [`SamplingParams::default`] has it.
#[derive(Debug, Args)]
struct SamplingArgs {
    /// Always take the model's likeliest token; no penalty unless one is given
    #[arg(long)]
    greedy: bool,

    /// Below 1 the likely tokens get likelier, above 1 the field evens out
    #[arg(long)]
    temperature: Option<f32>,

    /// Keep the k likeliest tokens; 0 is off
    #[arg(long)]
    top_k: Option<usize>,

    /// Keep the smallest set of tokens with at least this probability; 1 is off
    #[arg(long)]
    top_p: Option<f32>,

    /// Remove tokens less likely than this share of the likeliest one; 0 is off
    #[arg(long)]
    min_p: Option<f32>,

    /// Keep the tokens whose surprise is closest to the expected one; 1 is off
    #[arg(long)]
    typical_p: Option<f32>,

    /// Make tokens that are already there less likely; 1 is off [default: 1.1, with --greedy 1]
    #[arg(long)]
    repetition_penalty: Option<f32>,

    /// Forbid runs of this many tokens from appearing twice; 0 is off
    #[arg(long)]
    no_repeat_ngram_size: Option<usize>,
}

impl SamplingArgs {
    /// What was not said is as in the window. A greedy answer is the exception: whoever compares
    /// it with transformers or llama.cpp means the model's own, without the window's penalty.
    fn params(&self) -> SamplingParams {
        let default = if self.greedy || self.temperature == Some(0.0) {
            SamplingParams { repetition_penalty: 1.0, ..SamplingParams::default() }
        } else {
            SamplingParams::default()
        };
        SamplingParams {
            greedy: self.greedy,
            temperature: self.temperature.unwrap_or(default.temperature),
            top_k: self.top_k.unwrap_or(default.top_k),
            top_p: self.top_p.unwrap_or(default.top_p),
            min_p: self.min_p.unwrap_or(default.min_p),
            typical_p: self.typical_p.unwrap_or(default.typical_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(default.repetition_penalty),
            no_repeat_ngram_size: self.no_repeat_ngram_size.unwrap_or(default.no_repeat_ngram_size),
        }
    }
}

pub fn run(args: &GenerateArgs) -> anyhow::Result<()> {
    let prompt = prompt(args)?;
    let (model, adapter) = args.model.load()?;
    let mode = if adapter.is_some() { AdapterMode::On } else { AdapterMode::Off };
    let request = GenerateRequest {
        prompt,
        sampling: args.sampling.params(),
        max_new_tokens: args.max_new_tokens,
        stop_strings: args.stop.clone(),
        lanes: vec![Lane { seed: args.seed, adapter: mode }],
    };
    let screen = Screen { quiet: args.json, ..Screen::default() };
    let answers = generate::generate(&model, adapter.as_ref(), &request, &screen);
    if let Some(error) = screen.broken.into_inner() {
        return Err(error);
    }
    let answer = answers?.into_iter().next().context("no answer came")?;
    let tokens = answer.ids.len();
    if args.json {
        let prompt_ids = screen.prompt_ids.into_inner();
        return out::json(&json!({
            "text": answer.text,
            "ids": answer.ids,
            "stop": answer.stop,
            "prompt_ids": prompt_ids,
            "prompt_secs": answer.prompt_secs,
            "generation_secs": answer.generation_secs,
        }));
    }
    // What was held back, because a stop string could have begun there.
    let shown = screen.shown.into_inner();
    out::line(answer.text.strip_prefix(&shown).unwrap_or_default())?;
    let rate = tokens as f64 / answer.generation_secs.max(1e-9);
    out::note(&format!("{}, {rate:.1} tokens/s", counted(tokens, "token", "tokens")));
    Ok(())
}

fn prompt(args: &GenerateArgs) -> anyhow::Result<Prompt> {
    let given = |text: &str| -> anyhow::Result<String> {
        if text != "-" {
            return Ok(text.to_owned());
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("stdin could not be read")?;
        Ok(text)
    };
    if let Some(text) = &args.prompt {
        return Ok(Prompt::Raw(given(text)?));
    }
    let user = given(args.chat.as_deref().context("say --prompt or --chat")?)?;
    let system = args.system.iter().map(|text| Message::new("system", text));
    Ok(Prompt::Chat(system.chain([Message::new("user", &user)]).collect()))
}

/// Shows tokens as they come. Stops once nobody reads them.
#[derive(Default)]
struct Screen {
    quiet: bool,
    shown: RefCell<String>,
    prompt_ids: RefCell<Vec<u32>>,
    broken: RefCell<Option<anyhow::Error>>,
}

impl Progress<GenerateEvent> for Screen {
    fn emit(&self, event: GenerateEvent) {
        match event {
            GenerateEvent::Prompt { ids, .. } => *self.prompt_ids.borrow_mut() = ids,
            GenerateEvent::Token { step, .. } if !self.quiet => {
                self.shown.borrow_mut().push_str(&step.text);
                if let Err(error) = out::piece(&step.text) {
                    self.broken.borrow_mut().get_or_insert(error);
                }
            }
            _ => {}
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.broken.borrow().is_some() { Err(Cancelled) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_greedy_answer_is_the_models_own_unless_a_penalty_is_given() {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: GenerateArgs,
        }
        let penalty = |line: &str| {
            let line = Line::try_parse_from(
                ["generate", "--prompt", "a"].into_iter().chain(line.split_whitespace()),
            );
            line.unwrap().args.sampling.params().repetition_penalty
        };

        assert_eq!(penalty(""), SamplingParams::default().repetition_penalty);
        assert_eq!(penalty("--greedy"), 1.0);
        assert_eq!(penalty("--temperature 0"), 1.0);
        assert_eq!(penalty("--greedy --repetition-penalty 1.3"), 1.3);
    }
}
