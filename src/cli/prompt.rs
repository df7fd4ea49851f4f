//! `tuning-fork prompt`: the prompts of a project, filled, counted and run.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::load;
use super::load::ModelArgs;
use super::out;
use crate::data::project;
use crate::encoder::Encoder;
use crate::hub::resolve;
use crate::jobs::{Cancelled, Progress, Quiet};
use crate::llm;
use crate::llm::card::ModelSource;
use crate::llm::generate::sampling::SamplingParams;
use crate::prompts::error::PromptError;
use crate::prompts::examples::{self, Chosen, ExampleTable};
use crate::prompts::filled::{Values, check_values, missing, value_of};
use crate::prompts::fit::{Space, fit, shown};
use crate::prompts::library::{self, Entry};
use crate::prompts::material::{Choose, Manner, Material};
use crate::prompts::presets;
use crate::prompts::record::{Ended, new_path};
use crate::prompts::run::{RunEvent, RunRequest, run as run_chain};
use crate::prompts::writer::ModelWriter;
use crate::words::counted;

#[derive(Debug, Args)]
pub struct PromptArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show all prompts and chains: the project's own and those that are ready-made
    List {
        #[command(flatten)]
        place: PlaceArgs,

        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },

    /// Show a prompt: its variables, or filled with values and examples, with its tokens
    Show(ShowArgs),

    /// Answer a prompt or a chain, and keep what every step asked and answered
    Run(RunArgs),
}

#[derive(Debug, Args)]
struct PlaceArgs {
    /// The project's folder; without it, this folder if it is a project, else the default project
    #[arg(long, value_name = "FOLDER")]
    project: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct FillArgs {
    /// The prompt's name, or the path of its file
    name: String,

    /// A value for a variable; may be given several times. @FILE reads it from a file
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,

    /// How many examples stand in the prompt: 0 is zero-shot
    #[arg(long, value_name = "COUNT")]
    examples: Option<usize>,

    /// Which rows of the table become examples
    #[arg(long, value_enum)]
    choose: Option<Way>,

    /// Rows of the table by hand, from 1: 4,1,7
    #[arg(long, value_delimiter = ',', value_name = "ROW,…")]
    rows: Vec<usize>,

    /// The seed that random examples are drawn with
    #[arg(long)]
    examples_seed: Option<u64>,

    /// Another table of examples
    #[arg(long, value_name = "PATH")]
    table: Option<String>,

    /// An encoder that finds the nearest examples, in place of BM25
    #[arg(long, value_name = "NAME")]
    encoder: Option<String>,

    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    Hand,
    First,
    Random,
    Nearest,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    fill: FillArgs,

    /// A model whose tokens are counted; its weights are not loaded
    #[arg(long)]
    model: Option<String>,

    /// Tokens of the answer that have to fit beside the prompt
    #[arg(long, default_value_t = 200)]
    max_new_tokens: usize,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    fill: FillArgs,

    /// Answer the filled prompt by a chain: it becomes that chain's {question}
    #[arg(long, value_name = "CHAIN")]
    chain: Option<String>,

    #[command(flatten)]
    model: ModelArgs,

    /// Named settings: greedy, transformers, llama.cpp, or a preset of the project
    #[arg(long)]
    preset: Option<String>,

    #[arg(long, default_value_t = 0)]
    seed: u64,

    #[arg(long, default_value_t = 200)]
    max_new_tokens: usize,

    /// The folder of texts that a chain searches; without it, the one that its file names
    #[arg(long, value_name = "FOLDER")]
    texts: Option<PathBuf>,

    /// Where the run is kept; without it, in prompts/answers of the project
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Print the whole run as JSON
    #[arg(long)]
    json: bool,
}

impl PlaceArgs {
    fn folder(&self) -> Option<PathBuf> {
        if let Some(folder) = &self.project {
            return Some(folder.clone());
        }
        let here = PathBuf::from(".");
        let is_project = here.join("project.toml").is_file() || here.join(library::FOLDER).is_dir();
        if is_project { Some(here) } else { project::default_folder() }
    }
}

pub fn run(args: &PromptArgs) -> anyhow::Result<()> {
    match &args.what {
        What::List { place, json } => list(place, *json),
        What::Show(args) => show(args),
        What::Run(args) => answer(args),
    }
}

fn list(place: &PlaceArgs, as_json: bool) -> anyhow::Result<()> {
    for entry in library::list(place.folder().as_deref()) {
        let (kind, problem) = match &entry.material {
            Ok(material) if material.is_chain() => ("chain", None),
            Ok(_) => ("prompt", None),
            Err(why) => ("unusable", Some(why)),
        };
        let variables = entry.material.as_ref().map(Material::asked_for).unwrap_or_default();
        if as_json {
            out::json(&json!({
                "name": entry.name,
                "title": entry.title(),
                "kind": kind,
                "ready_made": entry.path.is_none(),
                "path": entry.path,
                "variables": variables,
                "problem": problem,
            }))?;
        } else if let Some(why) = problem {
            out::line(&format!("{:<22}  cannot be used: {why}", entry.name))?;
        } else {
            let named = if variables.is_empty() {
                String::new()
            } else {
                format!("  ({})", variables.join(", "))
            };
            out::line(&format!("{:<22}  {kind:<6}  {}{named}", entry.name, entry.title()))?;
        }
    }
    Ok(())
}

/// What a prompt is filled with.
struct Ready {
    entry: Entry,
    material: Material,
    values: Values,
    project: Option<PathBuf>,
}

fn prepare(args: &FillArgs) -> anyhow::Result<Ready> {
    let project = args.place.folder();
    let entry = library::find(project.as_deref(), &args.name)?;
    let mut material = match &entry.material {
        Ok(material) => material.clone(),
        Err(why) => bail!("the prompt {} cannot be used: {why}", entry.name),
    };
    let mut values = Values::new();
    for given in &args.set {
        let Some((name, value)) = given.split_once('=') else {
            bail!("--set {given}: write the variable's name and its value as NAME=VALUE");
        };
        let value = match value.strip_prefix('@') {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("--set {name}: {path} could not be read"))?,
            None => value.to_owned(),
        };
        values.insert(name.trim().to_owned(), value);
    }
    check_values(&material, &values)?;
    let wants = args.examples.is_some()
        || args.choose.is_some()
        || args.table.is_some()
        || args.encoder.is_some()
        || args.examples_seed.is_some()
        || !args.rows.is_empty();
    match &mut material.examples {
        None if wants => bail!(
            "the prompt {} has no [examples]: add them to its file, with a table and a template",
            entry.name
        ),
        None => {}
        Some(examples) => {
            if !args.rows.is_empty() {
                examples.choose = Choose::Hand;
                examples.rows.clone_from(&args.rows);
            }
            if let Some(way) = args.choose {
                examples.choose = match way {
                    Way::Hand => Choose::Hand,
                    Way::First => Choose::First,
                    Way::Random => Choose::Random,
                    Way::Nearest => Choose::Nearest,
                };
            }
            if let Some(count) = args.examples {
                examples.count = count;
                examples.rows.truncate(count);
            }
            examples.seed = args.examples_seed.unwrap_or(examples.seed);
            if let Some(table) = &args.table {
                examples.table.clone_from(table);
            }
            if let Some(encoder) = &args.encoder {
                examples.encoder.clone_from(encoder);
                examples.choose = Choose::Nearest;
            }
            crate::prompts::check::check(&material)?;
        }
    }
    Ok(Ready { entry, material, values, project })
}

impl Ready {
    fn choose(&self) -> anyhow::Result<Option<Chosen>> {
        let Some(wanted) = &self.material.examples else { return Ok(None) };
        if wanted.count == 0 && wanted.choose != Choose::Hand {
            return Ok(Some(Chosen::default()));
        }
        let file = self.entry.path.as_deref();
        let path = examples::find_table(&wanted.table, file, self.project.as_deref());
        let table = ExampleTable::read(&path, &Quiet)?;
        let encoder = match wanted.encoder_name() {
            Some(name) => Some((Encoder::load(&resolve::resolve_model(name)?)?, name)),
            None => None,
        };
        let asked = value_of(&self.material, &self.values, &wanted.compare).unwrap_or_default();
        let encoder = encoder.as_ref().map(|(encoder, name)| (encoder, *name));
        let chosen = examples::choose(wanted, &table, &asked, encoder, &Quiet)?;
        if !chosen.left_out.is_empty() {
            let rows = counted(chosen.left_out.len(), "row", "rows");
            out::note(&format!("{rows} with the very text that is asked about: left out"));
        }
        Ok(Some(chosen))
    }

    /// The first variable that has no value.
    fn missing(&self) -> Option<String> {
        let asked = self.material.asked_for();
        missing(&self.material, &asked, &self.values).map(str::to_owned)
    }
}

fn show(args: &ShowArgs) -> anyhow::Result<()> {
    let ready = prepare(&args.fill)?;
    let Ready { entry, material, values, .. } = &ready;
    let is_missing = ready.missing();
    let chosen = if is_missing.is_none() { ready.choose()? } else { None };
    let mut filled = None;
    let mut counted_fit = None;
    if is_missing.is_none() {
        filled = Some(shown(material, values, chosen.as_ref())?);
        if let Some(name) = &args.model {
            let (tokenizer, chat) = load::load_text(name)?;
            let facts = llm::inspect(&ModelSource::at(&resolve::resolve_model(name)?))?;
            let space =
                Space { tokenizer: &tokenizer, chat: chat.as_ref(), context: facts.context_length };
            let manner = outside(args.max_new_tokens, 0, SamplingParams::default());
            counted_fit = Some(fit(material, values, chosen.as_ref(), &manner, &space)?);
        }
    }
    if args.json {
        return out::json(&json!({
            "name": entry.name,
            "title": entry.title(),
            "about": material.about,
            "source": material.source,
            "variables": material.asked_for(),
            "missing": is_missing,
            "steps": material.all_steps(),
            "examples": chosen,
            "system": filled.as_ref().map(|filled| &filled.system),
            "prompt": filled.as_ref().map(|filled| &filled.prompt),
            "tokens": counted_fit.map(|fit| fit.tokens),
            "context": counted_fit.map(|fit| fit.context),
            "room": counted_fit.map(|fit| fit.room()),
            "examples_that_fit": counted_fit.map(|fit| fit.fits),
        }));
    }
    out::note(entry.title());
    for text in [&material.about, &material.source] {
        if !text.is_empty() {
            out::note(text);
        }
    }
    let Some(filled) = filled else {
        for name in material.asked_for() {
            let variable = material.variables.get(&name).cloned().unwrap_or_default();
            let default = variable.default.map_or_else(String::new, |text| format!(" [{text}]"));
            out::note(&format!("  --set {name}=…  {}{default}", variable.about));
        }
        for step in material.all_steps() {
            out::line(&step.prompt)?;
        }
        return Ok(());
    };
    if !filled.system.is_empty() {
        out::line(&filled.system)?;
        out::line("")?;
    }
    out::line(&filled.prompt)?;
    if let Some(fit) = counted_fit {
        let tokens = counted(fit.tokens, "token", "tokens");
        let room = fit.room();
        out::note(&format!(
            "{tokens}; {room} of the context's {} are free for the prompt beside {} new tokens",
            fit.context, fit.max_new_tokens
        ));
        fit.check()?;
    }
    Ok(())
}

fn outside(max_new_tokens: usize, seed: u64, sampling: SamplingParams) -> Manner {
    Manner { sampling, max_new_tokens, stop: Vec::new(), seed }
}

fn answer(args: &RunArgs) -> anyhow::Result<()> {
    let mut ready = prepare(&args.fill)?;
    if let Some(name) = ready.missing() {
        return Err(PromptError::NoValue { name }.into());
    }
    let mut chosen = ready.choose()?;
    if let Some(chain) = &args.chain {
        ready = ready.through(chain, chosen.take().as_ref())?;
    }
    let own = match &ready.project {
        Some(project) => presets::read(project)?,
        None => Vec::new(),
    };
    let sampling = match &args.preset {
        Some(name) => presets::find(name, &own)?,
        None => SamplingParams::default(),
    };
    let manner = outside(args.max_new_tokens, args.seed, sampling);
    let (model, adapter) = args.model.load()?;
    let space = Space {
        tokenizer: model.tokenizer(),
        chat: model.chat(),
        context: model.context_with(adapter.as_ref()),
    };
    fit(&ready.material, &ready.values, chosen.as_ref(), &manner, &space)?.check()?;
    let Ready { entry, material, values, project } = ready;
    let in_project = (!material.texts.is_empty())
        .then(|| project.as_ref().map(|project| project.join(&material.texts)))
        .flatten();
    let to = match (&args.out, &project) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(project)) => Some(new_path(project, &entry.name)),
        (None, None) => None,
    };
    let request = RunRequest {
        name: entry.name,
        material,
        values,
        examples: chosen,
        manner,
        presets: own,
        texts: args.texts.clone().or(in_project),
        to,
        started_at: OffsetDateTime::now_utc().format(&Rfc3339)?,
        model: model.card().identity.clone(),
        adapter: args.model.adapter.clone(),
    };
    let screen = Screen { steps: request.material.all_steps().len(), is_quiet: args.json };
    let writer = ModelWriter { model: &model, adapter: adapter.as_ref() };
    let record = run_chain(&request, &writer, &screen);
    if let Some(path) = request.to.as_deref().filter(|path| path.exists()) {
        out::note(&format!("Kept in {}", Path::new(path).display()));
    }
    let record = record?;
    if args.json {
        return out::json(&record);
    }
    if record.ended == Ended::Complete {
        out::line(record.answer.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

impl Ready {
    /// The chain `name`, asked the filled prompt.
    fn through(self, name: &str, chosen: Option<&Chosen>) -> anyhow::Result<Self> {
        if self.material.is_chain() {
            bail!("{} is a chain itself: --chain is for a prompt", self.entry.name);
        }
        let entry = library::find(self.project.as_deref(), name)?;
        let material = match &entry.material {
            Ok(material) => material.clone(),
            Err(why) => bail!("the chain {name} cannot be used: {why}"),
        };
        if !material.asked_for().iter().any(|asked| asked == "question") {
            bail!("{name} has no variable {{question}} that the prompt could be put into");
        }
        let filled = shown(&self.material, &self.values, chosen)?;
        let question = if filled.system.is_empty() {
            filled.prompt
        } else {
            format!("{}\n\n{}", filled.system, filled.prompt)
        };
        let name = format!("{}-{}", entry.name, self.entry.name);
        let values = Values::from([("question".to_owned(), question)]);
        Ok(Self { entry: Entry { name, ..entry }, material, values, project: self.project })
    }
}

/// Shows every step as it is written.
struct Screen {
    steps: usize,
    is_quiet: bool,
}

impl Progress<RunEvent> for Screen {
    fn emit(&self, event: RunEvent) {
        if self.is_quiet {
            return;
        }
        match event {
            RunEvent::Began { step, prompt } => {
                out::note(&format!("\n— Step {step} of {}\n{prompt}\n", self.steps));
            }
            RunEvent::Wrote { text, .. } => out::piece_of_note(&text),
            RunEvent::Used { used, .. } => {
                let (tool, input, output) = (&used.tool, &used.input, &used.output);
                out::note(&format!("\n  {tool}[{input}] → {output}"));
            }
            RunEvent::Ended { .. } => out::note(""),
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}
