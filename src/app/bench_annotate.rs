//! `tuning-fork bench annotate`: a project with very many verdicts: how long it takes to open, how much
//! memory it takes, and how long a frame in which a verdict is given.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eframe::egui;
use serde_json::{Map, json};

use super::measured::{self, milliseconds_at};
use super::{WindowOptions, Workbench, measure_app};
use crate::data::codebook::Class;
use crate::data::pair::{Message, Text, Verdict};
use crate::data::record::{RECORD_VERSION, ShownAnswer, VerdictRecord, record_id};
use crate::data::remarks::Remarks;
use crate::files;
use crate::state::codes::AnnotateView;
use crate::state::command::{AnnotateCommand, CodesCommand};
use crate::state::prefs::PanelId;
use crate::study::design::{FORM, Study};
use crate::study::folder::{STUDY, create, studies_dir};
use crate::study::item::Item;
use crate::study::log::CoderLog;
use crate::study::variable::{Variable, Variables};

/// What to measure.
#[derive(Clone, Debug)]
pub struct AnnotateBenchOptions {
    /// Where the project is made, or was made before.
    pub folder: PathBuf,

    /// Verdicts on pairs; else codes of a study.
    pub pairs: bool,
    pub items: usize,

    /// Of each item.
    pub verdicts: usize,

    /// So many verdicts are given, one a frame.
    pub given: usize,

    /// The memory that this process holds, where the system says it.
    pub held_memory: fn() -> Option<u64>,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct AnnotateBenchReport {
    /// From when it was asked for until it is on the screen.
    pub open_secs: f64,

    /// The longest frame's work of this program until then.
    pub open_max_ms: f64,

    /// Of pairs: until the file with the answers to be judged is there.
    pub queue_secs: f64,
    pub resident_bytes: Option<u64>,
    pub frames: usize,

    /// By so much the file of the verdicts grew: not at all where each item of the project has one from an
    /// earlier measurement.
    pub kept_bytes: u64,

    /// A frame's work of this program, with the verdict and its way to the disk.
    pub median_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,

    /// Of that, the verdict.
    pub verdict_median_ms: f64,
    pub verdict_p99_ms: f64,
}

/// So many items of a project that was made have no verdict of a measurement yet.
const LEFT: &str = "left.json";

/// How many verdicts can still be given in a project that was made before. `None`: nobody knows.
pub fn left(folder: &Path) -> Option<usize> {
    let text = std::fs::read(folder.join(LEFT)).ok()?;
    serde_json::from_slice(&text).ok()
}

fn keep_left(folder: &Path, count: usize) -> io::Result<()> {
    files::write_atomic(&folder.join(LEFT), count.to_string().as_bytes())
}

/// So many verdicts were given.
pub fn keep_given(folder: &Path, given: usize) -> io::Result<()> {
    match left(folder) {
        Some(before) => keep_left(folder, before.saturating_sub(given)),
        None => Ok(()),
    }
}

/// Whose verdicts are given.
const CODER: &str = "bench";
const LABELS: [&str; 3] = ["good", "bad", "neither"];
const WORDS: &str = "The committee met twice and agreed that the figures of the second quarter have to be \
                     read together with those of the first, since the way of counting was changed in \
                     between; nobody could say by how much. ";

/// Makes the project, unless it is there.
pub fn make(options: &AnnotateBenchOptions) -> io::Result<()> {
    let AnnotateBenchOptions { folder, pairs, items, verdicts, given, .. } = options;
    let other = |err: &dyn std::error::Error| io::Error::other(err.to_string());
    if *pairs {
        let path = folder.join("pairs.jsonl");
        if path.exists() {
            return Ok(());
        }
        keep_left(folder, *given)?;
        files::write_in_pieces(&folder.join("answers.jsonl"), |to| {
            // The last ones have no verdict yet.
            (0..items + given).try_for_each(|item| {
                let [one, other] = answers(item);
                let row = json!({"prompt": question(item), "answer_a": one, "answer_b": other});
                writeln!(to, "{row}")
            })
        })?;
        return files::write_in_pieces(&path, |to| {
            for round in 0..*verdicts {
                for item in 0..*items {
                    writeln!(to, "{}", serde_json::to_string(&record(item, round, *items))?)?;
                }
            }
            Ok(())
        });
    }
    let path = studies_dir(folder).join("large");
    if path.join(STUDY).exists() {
        return Ok(());
    }
    keep_left(folder, *given)?;
    let classes = LABELS.map(|label| Class { label: label.to_owned(), ..Class::default() });
    let tone = Variable {
        name: "tone".to_owned(),
        question: "Which tone has the text?".to_owned(),
        classes: classes.to_vec(),
        ..Variable::default()
    };
    let codebook = Variables {
        name: "Tone".to_owned(),
        guideline_version: "1".to_owned(),
        variables: vec![tone],
        ..Variables::default()
    };
    let study =
        Study { form: FORM, name: "Large".to_owned(), codebook, again: 0.1, ..Study::default() };
    let list: Vec<Item> = (0..items + given).map(item).collect();
    let made = create(&path, study, &list).map_err(|err| other(&err))?;
    for coder in 0..*verdicts {
        let name = if coder == 0 { CODER.to_owned() } else { format!("coder {coder}") };
        let plan = made.plan(&name);
        files::write_in_pieces(&made.log_path(&name), |to| {
            writeln!(to, "{}", CoderLog::header_of(&name, made.hash()))?;
            for (number, slot) in plan.iter().take(*items).enumerate() {
                let label = LABELS[(slot.item * 7 + coder * coder) % 3];
                let line = json!({
                    "n": number + 1,
                    "item": made.items[slot.item].id,
                    "pass": slot.pass,
                    "values": {"tone": label},
                    "at": at(number),
                    "seconds": (number % 97) as f64 / 10.0 + 1.0,
                    "inclusion": 1.0,
                    "guideline": "1",
                });
                writeln!(to, "{line}")?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn at(number: usize) -> String {
    format!(
        "2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        number / 86_400 % 28 + 1,
        number / 3600 % 24,
        number / 60 % 60,
        number % 60,
        number % 1000
    )
}

fn item(number: usize) -> Item {
    Item {
        id: format!("item-{number}"),
        text: format!("{number}. {WORDS}"),
        inclusion: Some(1.0),
        ..Item::default()
    }
}

fn question(item: usize) -> String {
    format!("Question {item}: what was agreed, and what is still open?")
}

fn answers(item: usize) -> [String; 2] {
    ["First", "Second"].map(|which| format!("{which} answer to {item}. {WORDS}"))
}

fn record(item: usize, round: usize, items: usize) -> VerdictRecord {
    let number = round * items + item;
    let [left, right] = answers(item).map(|text| ShownAnswer {
        text,
        seed: number as u64,
        stop: Some("given".to_owned()),
        token_count: 0,
    });
    let before = (round > 0).then(|| record_id(&at(number - items), number - items + 1));
    VerdictRecord {
        version: RECORD_VERSION,
        id: record_id(&at(number), number + 1),
        created_at: at(number),
        prompt: Text::Messages(vec![Message::new("user", &question(item))]),
        rendered_prompt: format!("<|im_start|>user\n{}<|im_end|>\n", question(item)),
        left,
        right,
        left_lane: 0,
        verdict: Verdict::ALL[number % 5],
        seconds_taken: 4.25,
        guideline: "Prefer the answer that is correct and brief".to_owned(),
        model: json!({"name": "a model", "sha256": "ab".repeat(32)}),
        adapter: None,
        sampling: json!({"temperature": 0.7, "top_k": 50, "top_p": 0.95}),
        max_new_tokens: 256,
        program: "tuning-fork".to_owned(),
        remarks: Remarks { replaces: before, ..Remarks::default() },
        more: Map::new(),
    }
}

/// Opens the window on the project, measures, and closes it again.
pub fn run(options: AnnotateBenchOptions) -> Result<AnnotateBenchReport, eframe::Error> {
    measure_app(|creation, report| Measured::new(creation, options, report))
}

struct Measured {
    workbench: Workbench,
    options: AnnotateBenchOptions,
    shared: Arc<Mutex<AnnotateBenchReport>>,
    report: AnnotateBenchReport,
    asked: Instant,
    is_open: bool,

    /// Of pairs: whether the verdicts are there, and the answers are asked for.
    is_read: bool,
    frame_start: Instant,

    /// In seconds.
    frames: Vec<f64>,
    verdicts: Vec<f64>,

    /// How long the verdicts' file was when the first was given.
    len_before: Option<u64>,
}

impl Measured {
    fn new(
        creation: &eframe::CreationContext<'_>,
        options: AnnotateBenchOptions,
        shared: Arc<Mutex<AnnotateBenchReport>>,
    ) -> Self {
        let window = WindowOptions { open: Some(options.folder.clone()), downloads: false };
        let mut asked = Instant::now();
        let mut workbench = measured::workbench(&creation.egui_ctx, &window);
        workbench.state.prefs.panel = PanelId::Annotate;
        // Verdicts on pairs are read with their project.
        if !options.pairs {
            asked = Instant::now();
            workbench.state.codes.view = AnnotateView::Codes;
            CODER.clone_into(&mut workbench.state.codes.coder);
            let path = studies_dir(&options.folder).join("large");
            workbench.handle(CodesCommand::Open(path));
        }
        Self {
            workbench,
            options,
            shared,
            report: AnnotateBenchReport::default(),
            asked,
            is_open: false,
            is_read: false,
            frame_start: asked,
            frames: Vec::new(),
            verdicts: Vec::new(),
            len_before: None,
        }
    }

    /// How long the file is that the verdicts go to.
    fn verdicts_len(&self) -> u64 {
        let session = self.workbench.state.codes.session.as_ref();
        let path = match session.filter(|_| !self.options.pairs) {
            Some(session) => session.folder.logs[session.log_place()].path().to_owned(),
            None => self.options.folder.join("pairs.jsonl"),
        };
        path.metadata().map(|file| file.len()).unwrap_or_default()
    }

    /// Gives a verdict, once everything is there.
    fn step(&mut self) {
        let state = &mut self.workbench.state;
        if !self.is_open {
            let secs = self.asked.elapsed().as_secs_f64();
            if !self.options.pairs {
                self.is_open = state.codes.is_coding();
                self.report.open_secs = secs;
            } else if self.is_read {
                self.is_open = state.annotate.has_prompts();
                self.report.queue_secs = secs;
            } else if !state.annotate.is_reading {
                self.is_read = true;
                self.report.open_secs = secs;
                self.asked = Instant::now();
                let path = self.options.folder.join("answers.jsonl");
                self.workbench.handle(AnnotateCommand::UseAnswers(path));
            }
            return;
        }
        let len = self.verdicts_len();
        self.len_before.get_or_insert(len);
        let state = &mut self.workbench.state;
        let began = Instant::now();
        if self.options.pairs {
            self.workbench.handle(AnnotateCommand::Judge(Verdict::Left));
        } else if let Some(session) = &mut state.codes.session {
            session.choose(LABELS[self.verdicts.len() % 3]);
            self.workbench.handle(CodesCommand::Give);
        }
        self.verdicts.push(began.elapsed().as_secs_f64());
    }

    fn finish(&mut self) {
        let kept_bytes = self.verdicts_len() - self.len_before.unwrap_or_default();
        let report = &mut self.report;
        report.kept_bytes = kept_bytes;
        report.resident_bytes = (self.options.held_memory)();
        report.frames = self.frames.len();
        (report.median_ms, report.p99_ms) =
            (milliseconds_at(&self.frames, 0.5), milliseconds_at(&self.frames, 0.99));
        report.max_ms = milliseconds_at(&self.frames, 1.0);
        report.verdict_median_ms = milliseconds_at(&self.verdicts, 0.5);
        report.verdict_p99_ms = milliseconds_at(&self.verdicts, 0.99);
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = report.clone();
    }
}

impl eframe::App for Measured {
    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        self.workbench.clear_color(visuals)
    }

    fn logic(&mut self, context: &egui::Context, frame: &mut eframe::Frame) {
        self.frame_start = Instant::now();
        self.workbench.logic(context, frame);
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        let was_open = self.is_open;
        self.step();
        self.workbench.ui(ui, frame);
        let taken = self.frame_start.elapsed().as_secs_f64();
        if was_open {
            self.frames.push(taken);
        } else {
            self.report.open_max_ms = self.report.open_max_ms.max(taken * 1e3);
        }
        if self.verdicts.len() >= self.options.given {
            self.finish();
            measured::close(&mut self.workbench, ui.ctx());
        }
        // Before that it is drawn when there is something to say, as it is for a person.
        let pause = if self.is_open { Duration::ZERO } else { Duration::from_millis(100) };
        ui.ctx().request_repaint_after(pause);
    }

    fn on_exit(&mut self, gl: Option<&eframe::glow::Context>) {
        self.workbench.on_exit(gl);
    }
}
