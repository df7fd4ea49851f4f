//! `tuning-fork lecture`: a lecture's file is checked, and its scenes are recorded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};

use super::load;
use super::out;
use super::progress::Bar;
use crate::explore::mask::MaskedModel;
use crate::explore::subject::Looked;
use crate::files;
use crate::hub::resolve;
use crate::jobs::Progress;
use crate::lecture::error::PlayError;
use crate::lecture::file;
use crate::lecture::play::{Shelf, play};
use crate::lecture::recording::{Recording, path_beside};
use crate::lecture::scene::Lecture;
use crate::llm::{Adapter, Model, Tokenizer, Weights};

#[derive(Debug, Args)]
pub struct LectureArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say whether a lecture can be given on this machine: its file, its models, its recording
    Check { lecture: PathBuf },

    /// Compute every scene, and keep what it shows: the lecture can then be given without the model
    Record {
        lecture: PathBuf,

        /// Where the recording is written; without it, beside the lecture
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

pub fn run(args: &LectureArgs) -> anyhow::Result<()> {
    match &args.what {
        What::Check { lecture } => check(lecture),
        What::Record { lecture, out } => record(lecture, out.as_deref()),
    }
}

fn read(path: &Path) -> anyhow::Result<Lecture> {
    file::read(path).with_context(|| format!("{} cannot be given", path.display()))
}

fn check(path: &Path) -> anyhow::Result<()> {
    let lecture = read(path)?;
    let recorded = path_beside(path);
    let recording = if recorded.exists() { Some(Recording::read(&recorded)?) } else { None };
    let mut missing = Vec::new();
    for (at, scene) in lecture.scenes.iter().enumerate() {
        let model = scene.model_in(&lecture);
        let is_recorded = recording.as_ref().is_some_and(|it| it.find(&lecture, scene).is_some());
        let state = match model {
            None => "needs no model".to_owned(),
            Some(_) if is_recorded => "recorded".to_owned(),
            Some(name) => match resolve::resolve_model(name) {
                Ok(_) => format!("{name} is here"),
                Err(err) => {
                    missing.push(format!("scene {}: {}", at + 1, err));
                    format!("{name} is missing")
                }
            },
        };
        out::line(&format!("{:>3}  {:<14}  {}: {state}", at + 1, scene.view.name(), scene.title))?;
    }
    if !missing.is_empty() {
        bail!("the lecture cannot be given here:\n{}", missing.join("\n"));
    }
    out::line(&format!("{} scenes, all of them can be shown", lecture.scenes.len()))
}

/// What a scene names beside its model, found as `--model` finds it.
struct ByName<'a> {
    lecture: &'a Path,

    /// The scene's own model.
    own: &'a str,
}

impl Shelf for ByName<'_> {
    fn second(
        &self,
        named: Option<&str>,
        weights: Weights,
        _progress: &dyn Progress<Looked>,
    ) -> Result<Arc<Model>, PlayError> {
        let own = || self.own.to_owned();
        let name = named.map_or_else(own, |name| files::named_beside(self.lecture, name));
        let loaded = load::load_model(&name, weights);
        let problem = |err: anyhow::Error| PlayError::Other { name, problem: format!("{err:#}") };
        loaded.map(Arc::new).map_err(problem)
    }

    fn masked(&self, named: &str) -> Result<Arc<MaskedModel>, PlayError> {
        let name = files::named_beside(self.lecture, named);
        let problem = |problem: String| PlayError::Other { name: named.to_owned(), problem };
        let path = resolve::resolve_model(&name).map_err(|err| problem(err.to_string()))?;
        let short = path_name(named);
        Ok(Arc::new(MaskedModel::load(&path, &short)?))
    }

    fn tokenizer(&self, named: &str) -> Result<Tokenizer, PlayError> {
        let name = files::named_beside(self.lecture, named);
        let problem = |err: anyhow::Error| PlayError::Other {
            name: named.to_owned(),
            problem: format!("{err:#}"),
        };
        Ok(load::load_text(&name).map_err(problem)?.0)
    }
}

/// What a model is called on the stage.
fn path_name(named: &str) -> String {
    let name = Path::new(named).file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| named.to_owned())
}

fn record(path: &Path, to: Option<&Path>) -> anyhow::Result<()> {
    let lecture = read(path)?;
    let mut recording = Recording::new(&lecture.title);
    let mut loaded: Option<(String, Arc<Model>)> = None;
    let bar = Bar::new();
    for (at, scene) in lecture.scenes.iter().enumerate() {
        let Some(name) = scene.model_in(&lecture) else { continue };
        let model = match &loaded {
            Some((known, model)) if known == name => Arc::clone(model),
            _ => {
                drop(loaded.take()); // two models at once may not fit
                Arc::new(load::load_model(&files::named_beside(path, name), Weights::AsStored)?)
            }
        };
        loaded = Some((name.to_owned(), Arc::clone(&model)));
        let adapter = match &scene.adapter {
            None => None,
            Some(name) => {
                let place = resolve::resolve_adapter(&files::named_beside(path, name))?;
                Some(Arc::new(Adapter::load(&place, &model)?))
            }
        };
        let own = files::named_beside(path, name);
        let shelf = ByName { lecture: path, own: &own };
        let played = play(&scene.view, (&model, &shelf), adapter.as_ref(), &bar)
            .with_context(|| format!("scene {} ({})", at + 1, scene.title))?;
        bar.clear();
        recording.push(&lecture, scene, &model.card().identity.sha256, played);
    }
    let to = to.map_or_else(|| path_beside(path), Path::to_owned);
    recording.write(&to)?;
    out::line(&format!("{} scenes recorded in {}", recording.scenes.len(), to.display()))
}
