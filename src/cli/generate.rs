//! `tuning-fork generate`: answer a prompt, streamed to stdout.

use std::cell::RefCell;
use std::io::Read as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::guesser::{GuesserArgs, guessed_words};
use super::load::{CacheArgs, ModelArgs};
use super::out;
use super::remote::RemoteArgs;
use crate::data::pair::Message;
use crate::encoder::Tokens;
use crate::hub::resolve;
use crate::jobs::{Cancelled, Progress, Quiet};
use crate::llm::generate;
use crate::llm::generate::sampling::{ChainOrder, SamplingParams};
use crate::llm::generate::{AdapterMode, GenerateEvent, GenerateRequest, Lane, Prompt, ToldToken};
use crate::llm::headers::asked::{Asked, Counts};
use crate::remote::server::Server;
use crate::remote::{self, ability, lacking};
use crate::seq2seq::{Beam, BeamSettings, EarlyStopping, Seq2Seq, WriteRequest, is_pair_model};
use crate::words::counted;

#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    cache: CacheArgs,

    #[command(flatten)]
    remote: RemoteArgs,

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

    #[command(flatten)]
    guesser: GuesserArgs,

    /// Same seed, same settings: same answer
    #[arg(long, default_value_t = 0)]
    seed: u64,

    #[arg(long, default_value_t = 200)]
    max_new_tokens: usize,

    /// The language of the text, as the model's tokenizer calls it (`de_DE` of mBART, `deu_Latn` of NLLB, `de`
    /// of M2M100)
    #[arg(long, value_name = "CODE")]
    source_language: Option<String>,

    /// The language of the answer (of opus-mt models for several languages the code between their marks: `deu` of
    /// `>>deu<<`)
    #[arg(long, value_name = "CODE")]
    target_language: Option<String>,

    /// Search for the likeliest answer with so many beams (encoder-decoders: T5, BART)
    #[arg(long, value_name = "COUNT")]
    num_beams: Option<usize>,

    /// Divide the score of a beam by its length to this power: above 0 longer answers are favoured
    #[arg(long, default_value_t = 1.0, requires = "num_beams", allow_negative_numbers = true)]
    length_penalty: f64,

    /// When a beam search ends: by transformers' own rule (false), once as many answers have ended
    /// as there are beams (true), or only when no longer answer can be better (never)
    #[arg(long, value_enum, default_value_t = Early::False, requires = "num_beams")]
    early_stopping: Early,

    /// End the answer where this text appears; may be given several times
    #[arg(long)]
    stop: Vec<String>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// transformers' values of `early_stopping`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Early {
    False,
    True,
    Never,
}

impl Early {
    /// Whether a file's value is this one.
    fn is(self, value: &serde_json::Value) -> bool {
        match self {
            Self::False => *value == false,
            Self::True => *value == true,
            Self::Never => value == "never",
        }
    }
}

impl From<Early> for EarlyStopping {
    fn from(early: Early) -> Self {
        match early {
            Early::False => Self::Heuristic,
            Early::True => Self::AsSoonAsFull,
            Early::Never => Self::Never,
        }
    }
}

/// What is not given stays as [`SamplingParams::default`] has it.
#[derive(Clone, Debug, Args)]
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

    /// In whose order these act
    #[arg(long, value_enum, default_value_t)]
    sampling_order: SamplingOrder,
}

/// [`ChainOrder`] by the names of the libraries.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum SamplingOrder {
    /// Temperature, top-k, top-p, min-p, typical-p
    #[default]
    Transformers,

    /// Top-k, typical-p, top-p, min-p, temperature; the penalty counts the last 64 tokens
    #[value(name = "llama.cpp")]
    LlamaCpp,
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
            order: match self.sampling_order {
                SamplingOrder::Transformers => ChainOrder::Transformers,
                SamplingOrder::LlamaCpp => ChainOrder::LlamaCpp,
            },
        }
    }
}

pub fn run(args: &GenerateArgs) -> anyhow::Result<()> {
    let prompt = prompt(args)?;
    if let Some(server) = args.remote.open_named()? {
        return answer_of_server(args, prompt, &server);
    }
    // The folder of an adapter alone stands for the model that it names, with it.
    let found = resolve::resolve_with_adapter(&args.model.model).ok();
    if let Some(found) = found.filter(|found| is_pair_model(&found.model)) {
        return answer_of_pair(args, &prompt, (&found.model, found.adapter.as_deref()));
    }
    if args.num_beams.is_some_and(|beams| beams > 1) {
        bail!("{} is a decoder alone: --num-beams is for encoder-decoders", args.model.model);
    }
    if args.source_language.is_some() || args.target_language.is_some() {
        bail!("--source-language and --target-language are for encoder-decoders such as NLLB");
    }
    let (model, adapter) = args.model.load_for_answers(args.cache)?;
    let is_told = |asked: &Asked| asked.key == "stop_strings" && args.stops_at(&asked.value);
    let asked: Vec<Asked> = model.asked().iter().filter(|asked| !is_told(asked)).cloned().collect();
    let known = [&FLAGS[..], &["stop_strings"]].concat();
    if let Some(words) = unasked(&asked, &args.sampling.params(), &known) {
        out::note(&words);
    }
    let draft = args.guesser.load_draft(&model)?;
    let guesser = args.guesser.guesser(draft.as_ref());
    let mode = if adapter.is_some() { AdapterMode::On } else { AdapterMode::Off };
    let request = GenerateRequest {
        prompt,
        sampling: args.sampling.params(),
        max_new_tokens: args.max_new_tokens,
        stop_strings: args.stop.clone(),
        lanes: vec![Lane { seed: args.seed, adapter: mode }],
    };
    let screen = Screen { quiet: args.json, ..Screen::default() };
    let answers = generate::generate_guessed(&model, adapter.as_ref(), guesser, &request, &screen);
    if let Some(error) = screen.broken.into_inner() {
        return Err(error);
    }
    let answer = answers?.into_iter().next().context("no answer came")?;
    let tokens = answer.ids.len();
    let rate = tokens as f64 / answer.generation_secs.max(1e-9);
    if args.json {
        let prompt_ids = screen.prompt_ids.into_inner();
        return out::json(&json!({
            "text": answer.text,
            "ids": answer.ids,
            "stop": answer.stop,
            "prompt_ids": prompt_ids,
            "prompt_secs": answer.prompt_secs,
            "generation_secs": answer.generation_secs,
            "tokens_per_sec": rate,
            "drafted": answer.guesses.drafted,
            "accepted": answer.guesses.accepted,
            "passes": answer.guesses.passes,
        }));
    }
    // What was held back, because a stop string could have begun there.
    let shown = screen.shown.into_inner();
    out::line(answer.text.strip_prefix(&shown).unwrap_or_default())?;
    let mut words = format!("{}, {rate:.1} tokens/s", counted(tokens, "token", "tokens"));
    if args.guesser.is_on() {
        words.push_str(&guessed_words(answer.guesses));
    }
    out::note(&words);
    Ok(())
}

/// What transformers' `generate` would do beside, because the model's files ask for it.
fn unasked(asked: &[Asked], params: &SamplingParams, known: &[&str]) -> Option<String> {
    let is_done = |asked: &&Asked| {
        let same = |own: f32| asked.value.as_f64().is_some_and(|value| value as f32 == own);
        match asked.key {
            "repetition_penalty" => same(params.repetition_penalty),
            "no_repeat_ngram_size" => same(params.no_repeat_ngram_size as f32),
            "temperature" => same(params.temperature),
            "top_k" => same(params.top_k as f32),
            "top_p" => same(params.top_p),
            "min_p" => same(params.min_p),
            "typical_p" => same(params.typical_p),
            _ => false,
        }
    };
    let counts = |asked: &&Asked| match asked.counts {
        Counts::Always => true,
        Counts::WhereDrawn => !params.is_greedy(),
        Counts::WhereSearched => known.contains(&asked.key),
    };
    let left: Vec<&Asked> = asked.iter().filter(counts).filter(|asked| !is_done(asked)).collect();
    let shown = |value: &serde_json::Value| {
        const MOST: usize = 40;
        let whole = value.to_string();
        match whole.char_indices().nth(MOST) {
            Some((end, _)) => format!("{}…", &whole[..end]),
            None => whole,
        }
    };
    let list = left.iter().map(|Asked { key, value, .. }| format!("{key} = {}", shown(value)));
    let list: Vec<String> = list.collect();
    if list.is_empty() {
        return None;
    }
    let flags = left.iter().filter(|asked| known.contains(&asked.key));
    let flags = flags.map(|Asked { key, value, .. }| match (*key, value) {
        ("stop_strings", serde_json::Value::Array(all)) => {
            all.iter().map(|text| format!("--stop {text}")).collect::<Vec<String>>().join(" ")
        }
        ("stop_strings", text) => format!("--stop {text}"),
        _ => format!("--{} {value}", key.replace('_', "-")),
    });
    let flags: Vec<String> = flags.collect();
    let how = if flags.is_empty() {
        "and cannot be asked for here".to_owned()
    } else if flags.len() == left.len() {
        format!("unless it is asked for: {}", flags.join(" "))
    } else {
        format!("unless it is asked for, as far as it can be: {}", flags.join(" "))
    };
    Some(format!(
        "The model's generation_config.json has {}, which transformers' generate follows. That is not done \
         here {how}",
        list.join(", ")
    ))
}

impl GenerateArgs {
    /// Whether an answer ends at all of these texts.
    fn stops_at(&self, texts: &serde_json::Value) -> bool {
        let has = |text: &serde_json::Value| {
            text.as_str().is_some_and(|text| self.stop.iter().any(|stop| stop == text))
        };
        texts.as_array().map_or_else(|| has(texts), |all| all.iter().all(has))
    }
}

/// The settings of `generation_config.json` that this command has too.
const FLAGS: [&str; 7] = [
    "repetition_penalty",
    "no_repeat_ngram_size",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
];

/// Of a model on a server.
fn answer_of_server(args: &GenerateArgs, prompt: Prompt, server: &Server) -> anyhow::Result<()> {
    if args.num_beams.is_some_and(|beams| beams > 1) {
        bail!("a server has no beam search: leave --num-beams out with --remote");
    }
    if args.source_language.is_some() || args.target_language.is_some() {
        bail!(
            "a server is told languages in the prompt: leave --source-language and --target-language out"
        );
    }
    if args.guesser.is_on() {
        bail!(
            "--draft and --lookup are for a model on this computer: leave them out with --remote"
        );
    }
    let asked = args.sampling.params();
    if let Some(words) = lacking::sentence(&asked, &server.probe) {
        out::note(&words);
    }
    if !server.probe.has(ability::SEED) && !asked.is_greedy() {
        out::note(
            "The seed is not used: the server does not give the same answer to the same seed",
        );
    }
    let request = GenerateRequest {
        prompt,
        sampling: lacking::used(&asked, &server.probe),
        max_new_tokens: args.max_new_tokens,
        stop_strings: args.stop.clone(),
        lanes: vec![Lane { seed: args.seed, adapter: AdapterMode::Off }],
    };
    let screen = Screen { quiet: args.json, ..Screen::default() };
    let answers = remote::answer::generate(server, &request, &screen);
    if let Some(error) = screen.broken.into_inner() {
        return Err(error);
    }
    let answer = answers?.into_iter().next().context("no answer came")?;
    let told = screen.told.into_inner();
    if args.json {
        let tokens = told
            .iter()
            .map(|token| json!({"text": token.text, "logprob": token.logprob, "top": token.top}));
        return out::json(&json!({
            "text": answer.text,
            "stop": answer.stop,
            "server": server.probe.address,
            "model": server.probe.model,
            "tokens": tokens.collect::<Vec<_>>(),
            "not_used": lacking::left_out(&asked, &server.probe),
            "prompt_secs": answer.prompt_secs,
            "generation_secs": answer.generation_secs,
        }));
    }
    out::line("")
}

/// T5, BART: the prompt is read by one half, and the other writes.
fn answer_of_pair(
    args: &GenerateArgs,
    prompt: &Prompt,
    (folder, adapter): (&Path, Option<&Path>),
) -> anyhow::Result<()> {
    let Prompt::Raw(text) = prompt else {
        bail!("{} has no chat template: give the text with --prompt", args.model.model);
    };
    if args.guesser.is_on() {
        bail!("--draft and --lookup are for decoders: leave them out with an encoder-decoder");
    }
    if !args.stop.is_empty() {
        bail!("--stop is for decoders: leave it out with an encoder-decoder");
    }
    let named = args.model.adapter.as_deref().map(resolve::resolve_adapter).transpose()?;
    let mut model = Seq2Seq::load_adapted(folder, named.as_deref().or(adapter))?;
    model.set_languages(args.source_language.as_deref(), args.target_language.as_deref())?;
    let beams = args.num_beams.map(|beams| beams as f64);
    let searches = beams.is_some_and(|beams| beams > 1.0)
        || model.asked().iter().any(|asked| asked.key == "num_beams");
    let is_left = |asked: &&Asked| match asked.key {
        "num_beams" => beams.is_none() || asked.value.as_f64() != beams,
        "length_penalty" => searches && asked.value.as_f64() != Some(args.length_penalty),
        "early_stopping" => searches && !args.early_stopping.is(&asked.value),
        _ => true,
    };
    let asked: Vec<Asked> = model.asked().iter().filter(is_left).cloned().collect();
    let known = [&FLAGS[..], &["num_beams", "length_penalty", "early_stopping"]].concat();
    if let Some(words) = unasked(&asked, &args.sampling.params(), &known) {
        out::note(&words);
    }
    let (ids, is_cut) = model.encode(text)?;
    if is_cut {
        out::note(&format!("The text was cut: {} tokens of it are read", ids.len()));
    }
    let shown = |ids: &[u32]| {
        model.tokenizer().map(|tokenizer| tokenizer.decode(ids, true)).unwrap_or_default()
    };
    let clock = Instant::now();
    if let Some(beams) = args.num_beams.filter(|beams| *beams > 1) {
        let settings = BeamSettings {
            beams,
            length_penalty: args.length_penalty,
            early_stopping: args.early_stopping.into(),
            max_new_tokens: args.max_new_tokens,
            sampling: SamplingArgs { greedy: true, ..args.sampling.clone() }.params(),
        };
        let memory = model.read(Tokens::plain(&ids), &mut |_| {})?;
        let found = model.search(&memory, &settings, &Quiet)?;
        if args.json {
            let beams = found.iter().map(|beam| {
                let Beam { ids, score, is_finished } = beam;
                json!({ "text": shown(ids), "ids": ids, "score": score, "finished": is_finished })
            });
            let beams: Vec<_> = beams.collect();
            return out::json(&json!({
                "text": found.first().map(|best| shown(&best.ids)),
                "beams": beams,
                "prompt_ids": ids,
                "generation_secs": clock.elapsed().as_secs_f64(),
            }));
        }
        for Beam { ids, score, .. } in &found {
            out::line(&format!("{score:>9.4}  {}", shown(ids)))?;
        }
        return Ok(());
    }
    let request = WriteRequest {
        sampling: args.sampling.params(),
        max_new_tokens: args.max_new_tokens,
        seed: args.seed,
    };
    let written = model.write(&ids, &request, &Quiet)?;
    if args.json {
        return out::json(&json!({
            "text": shown(&written.ids),
            "ids": written.ids,
            "stop": written.stop,
            "prompt_ids": ids,
            "generation_secs": clock.elapsed().as_secs_f64(),
        }));
    }
    out::line(&shown(&written.ids))?;
    let rate = written.ids.len() as f64 / clock.elapsed().as_secs_f64().max(1e-9);
    let count = counted(written.ids.len(), "token", "tokens");
    out::note(&format!("{count}, {rate:.1} tokens/s"));
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
    told: RefCell<Vec<ToldToken>>,
    broken: RefCell<Option<anyhow::Error>>,
}

impl Screen {
    fn show(&self, text: &str) {
        if !self.quiet
            && let Err(error) = out::piece(text)
        {
            self.broken.borrow_mut().get_or_insert(error);
        }
    }
}

impl Progress<GenerateEvent> for Screen {
    fn emit(&self, event: GenerateEvent) {
        match event {
            GenerateEvent::Prompt { ids, .. } => *self.prompt_ids.borrow_mut() = ids,
            GenerateEvent::Told { token, .. } => {
                self.show(&token.text);
                let mut told = self.told.borrow_mut();
                match told.last_mut().filter(|_| token.is_rest) {
                    Some(last) => last.text.push_str(&token.text),
                    None => told.push(token),
                }
            }
            GenerateEvent::Token { step, .. } if !self.quiet => {
                self.shown.borrow_mut().push_str(&step.text);
                self.show(&step.text);
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
