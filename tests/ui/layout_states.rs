//! The states in which the layouts are looked at: each with long names, long texts and large
//! numbers, as they lie about.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tuning_fork::data::forms::mapping::Mapping;
use tuning_fork::data::pair::{Text, Verdict};
use tuning_fork::eval::comparison::Comparison;
use tuning_fork::eval::intervals::Interval;
use tuning_fork::evaluate::results::evaluation::Evaluation;
use tuning_fork::evaluate::results::kept::Kept;
use tuning_fork::hub::cache::local::Place;
use tuning_fork::hub::fetch::queue::{Failure, Help, ItemState};
use tuning_fork::hub::protocol::repository::RepoKind;
use tuning_fork::llm::card::{AdapterCard, ModelIdentity};
use tuning_fork::llm::generate::guessing::Guesses;
use tuning_fork::llm::generate::sampling::SamplingParams;
use tuning_fork::llm::generate::{AdapterMode, Answer, GenerateEvent, StopReason, TokenStep};
use tuning_fork::state::annotate::AnnotateState;
use tuning_fork::state::command::{Command, ModelsCommand, TrainCommand};
use tuning_fork::state::evaluate::form::What;
use tuning_fork::state::evaluate::{Front, LeftTab as EvaluateTab};
use tuning_fork::state::hub::ModelsTab;
use tuning_fork::state::hub::detail::DetailTab;
use tuning_fork::state::look_inside::beside;
use tuning_fork::state::look_inside::slot::Slot;
use tuning_fork::state::look_inside::view::View;
use tuning_fork::state::models::{FetchView, LoadView};
use tuning_fork::state::notice::Notice;
use tuning_fork::state::playground::{Answers, Mode, Turn};
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::scores::Position;
use tuning_fork::state::serving::{OpenServer, ServeStatus, ServeTo};
use tuning_fork::state::slots::{Activity, AdapterSlot};
use tuning_fork::state::train::form::DataFile;
use tuning_fork::state::train::past::RunPast;
use tuning_fork::state::train::runs::RunView;
use tuning_fork::state::train::samples::SampleBook;
use tuning_fork::state::train::{LeftTab, RunEdit, SelectedRun, TrainState};
use tuning_fork::state::{AppState, Closing, PaletteState};
use tuning_fork::train::config::Objective;
use tuning_fork::train::config::TruncationMode;
use tuning_fork::train::config::metric::Metric;
use tuning_fork::train::record::history::History;
use tuning_fork::train::record::metrics::Best;
use tuning_fork::train::record::metrics::{EvalMetrics, RunSummary, StepMetrics, TrainEvent};
use tuning_fork::train::record::notes::RunNotes;
use tuning_fork::train::record::runs::RunState;
use tuning_fork::train::record::samples::Sample;
use tuning_fork::train::rows::batch::Example;
use tuning_fork::train::rows::sequence::Sequence;
use tuning_fork::train::rows::survey::{Concern, Finding, Part, Survey, SurveyedRow};

use crate::evaluate;
use crate::evaluate_texts;
use crate::hub;
use crate::lectures;
use crate::look_inside;
use crate::look_meaning;
use crate::look_models;
use crate::look_parts;
use crate::map;
use crate::mask;
use crate::playground_views;
use crate::prompts;
use crate::room;
use crate::rounds;
use crate::scaling;
use crate::support::{empty_state, facts, found, loaded_state, scores, tokenizer};
use crate::sweep;

type Named = (&'static str, fn() -> AppState);

const ANSWER: &str = "The h-index of a researcher is the largest number h such that h of their \
     papers have been cited at least h times each. It rewards steady output over a single success, \
     and it can only grow.\nIt was proposed in 2005; transparency in how it is computed matters, \
     because databases cover different journals and metropolitan libraries differ from small ones.";

const LONG_NAME: &str =
    "a-very-long-organisation-name/a-model-whose-name-goes-on-and-on-Instruct-2507-Q4_K_M";

// Models

pub const INSTALLED: [Named; 6] = [
    ("first start", empty_state),
    ("fetching the starter", fetching_starter),
    ("models of all kinds", installed),
    ("a model loads", loading),
    ("who may ask the model", who_may_ask),
    ("a model is served", served),
];

fn fetching_starter() -> AppState {
    let mut state = empty_state();
    state.models.fetch = Some(FetchView {
        trying: Some("a mirror of the Hub".to_owned()),
        failed: vec![(
            "Hugging Face Hub".to_owned(),
            "the address could not be resolved: no network, or a proxy is needed".to_owned(),
        )],
        done: 212_000_000,
        total: Some(269_000_000),
        bytes_per_sec: 8_000_000.0,
        ..FetchView::default()
    });
    state
}

fn installed() -> AppState {
    let mut state = loaded_state();
    let mut long = found(LONG_NAME, Ok(facts()));
    long.local.place = Place::HubCache {
        repo: LONG_NAME.to_owned(),
        commit: "1234567890123456789012345678901234567890".to_owned(),
    };
    long.has_update = true;
    state.models.found.push(long);
    let broken = "its tensors are stored as IQ2_XXS, which this program does not read".to_owned();
    state.models.found.push(found("broken", Err(broken)));
    let mut opened = found("opened-by-hand", Ok(facts()));
    opened.local.place = Place::Opened;
    state.models.confirm_remove = Some(opened.local.path.clone());
    state.models.found.push(opened);
    state
}

fn who_may_ask() -> AppState {
    let mut state = installed();
    state.models.serving.is_asked = true;
    state.models.serving.to = ServeTo::Network;
    state
}

fn served() -> AppState {
    let mut state = installed();
    state.models.serving.status = ServeStatus::On(OpenServer {
        addresses: vec![
            "http://192.168.100.200:8321/v1".to_owned(),
            "http://127.0.0.1:8321/v1".to_owned(),
        ],
        key: Some("tf-ABCDEFGHJKLMNPQRSTUVWXYZabcdefgh".to_owned()),
        names: vec![format!("{LONG_NAME}+first try"), LONG_NAME.to_owned()],
        answered: 1234,
        refused: 5,
        tokens: 1_234_567,
        is_busy: true,
        ..OpenServer::default()
    });
    state
}

fn loading() -> AppState {
    let mut state = installed();
    state.models.load = Some(LoadView {
        name: LONG_NAME.to_owned(),
        what: "Reading the weights".to_owned(),
        done: 98_000_000,
        total: 2_690_000_000,
    });
    state
}

pub const HUB: [Named; 7] = [
    ("models to begin with", hub::finding),
    ("found", hub_found),
    ("found and looked at", || looked_at(DetailTab::Files)),
    ("its card", || looked_at(DetailTab::Card)),
    ("many files", many_files),
    ("connection settings", connection),
    ("downloads", downloads),
];

fn hub_found() -> AppState {
    let mut state = hub::finding();
    let rows = (0..12).map(|n| hub::row(&format!("{LONG_NAME}-{n}"), "llama")).collect();
    hub::found(&mut state, rows, Some("next"));
    state
}

fn looked_at(tab: DetailTab) -> AppState {
    let mut state = hub_found();
    let row = hub::row(LONG_NAME, "llama");
    hub::look_at(&mut state, RepoKind::Model, Some(row), &hub::FOLDER);
    state.hub.detail.as_mut().expect("it is looked at").tab = tab;
    state
}

fn many_files() -> AppState {
    let mut state = hub_found();
    hub::look_at(&mut state, RepoKind::Model, Some(hub::row(LONG_NAME, "llama")), &hub::GGUFS);
    state
}

fn connection() -> AppState {
    let mut state = hub::finding();
    state.hub.settings.open = true;
    state.hub.settings.token_from = Some("the system's keyring".to_owned());
    state.hub.settings.proxy_from = Some("the system's keyring".to_owned());
    state
}

fn downloads() -> AppState {
    let mut state = hub::fetching();
    state.prefs.panel = PanelId::Models;
    state.hub.tab = ModelsTab::Downloads;
    let failure = Failure {
        reason: "the server answered 403: access to this model has to be asked for".to_owned(),
        help: Help::Access { page: "https://hub.example/meta/gated".to_owned(), has_token: false },
    };
    state.hub.downloads.push(hub::item(90, LONG_NAME, ItemState::Failed(failure)));
    let away = ItemState::WaitingForNetwork {
        reason: "the connection was reset by the other side".to_owned(),
        secs: 42,
    };
    state.hub.downloads.push(hub::item(91, "ada/away", away));
    state.hub.downloads.push(hub::item(92, "ada/paused", ItemState::Paused));
    state
}

// Playground

pub const PLAYGROUND: [Named; 19] = [
    ("no model", no_model),
    ("nothing asked", ask),
    ("an answer", answered),
    ("an answer grows", growing),
    ("a token is looked at", looked_at_token),
    ("an adapter, one answer", one_with_adapter),
    ("side by side", side_by_side),
    ("raw", raw),
    ("a conversation", conversation),
    ("thirty lines pasted", pasted),
    ("the sampler", playground_views::in_sampler),
    ("a vote", || playground_views::voting(false)),
    ("a vote that was revealed", || playground_views::voting(true)),
    ("branches", playground_views::in_branches),
    ("repeats", playground_views::in_repeats),
    ("the list of prompts", prompts::in_library),
    ("a chain that is open", prompts::in_chain),
    ("the list of chats", prompts::in_chats),
    ("a version of an answer", prompts::in_versions),
];

fn no_model() -> AppState {
    let mut state = empty_state();
    state.prefs.panel = PanelId::Playground;
    state
}

fn ask() -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = PanelId::Playground;
    state.playground.prompt = "What is the h-index?".to_owned();
    state
}

/// Plays an answer of many words.
fn play(state: &mut AppState, is_done: bool) {
    let request = state.playground.request(&state.prefs, &state.model, &state.adapter).unwrap();
    state.playground.started(&request);
    let prompt = GenerateEvent::Prompt { text: ANSWER.to_owned(), ids: vec![1, 2, 3] };
    state.playground.on_event(prompt, 0.0);
    for lane in 0..request.lanes.len() {
        for (place, word) in ANSWER.split_inclusive(' ').enumerate() {
            let step = TokenStep {
                id: 50 + place as u32 % 200,
                text: word.to_owned(),
                logprob: -0.5,
                logits: scores(50 + place as u32 % 200),
                is_guessed: false,
            };
            state.playground.on_event(GenerateEvent::Token { lane, step }, place as f64 * 0.1);
        }
        if !is_done {
            return;
        }
        let answer = Answer {
            text: ANSWER.to_owned(),
            ids: vec![1; 64],
            stop: StopReason::Length,
            prompt_secs: 0.1,
            generation_secs: 6.4,
            guesses: Guesses::default(),
        };
        let next_logits = scores(5);
        state.playground.on_event(GenerateEvent::LaneDone { lane, answer, next_logits }, 9.0);
    }
    state.playground.finished();
}

fn answered() -> AppState {
    let mut state = ask();
    state.playground.shaded = true;
    state.playground.seed = 123_456;
    play(&mut state, true);
    state
}

fn growing() -> AppState {
    let mut state = ask();
    play(&mut state, false);
    state.activities.push(Activity::new("Answering", "64 tokens".to_owned()));
    state
}

fn looked_at_token() -> AppState {
    let mut state = answered();
    state.prefs.sampling.top_k = 3;
    state.prefs.sampling.repetition_penalty = 1.1;
    state.playground.selected = Some(Position { lane: 0, token: 3 });
    state
}

pub fn adapter(name: &str) -> AdapterSlot {
    let card = AdapterCard {
        name: name.to_owned(),
        path: PathBuf::from("runs/1"),
        sha256: String::new(),
        rank: 8,
        alpha: 16.0,
        target_modules: vec!["q_proj".to_owned()],
        parameter_count: 1000,
    };
    AdapterSlot::Ready { card, mode: AdapterMode::On }
}

fn one_with_adapter() -> AppState {
    let mut state = ask();
    state.adapter = adapter("2026-11-28-112233-dpo");
    play(&mut state, true);
    state
}

fn side_by_side() -> AppState {
    let mut state = ask();
    state.adapter = adapter("2026-11-28-112233-dpo");
    state.playground.answers = Answers::SideBySide;
    play(&mut state, true);
    state
}

fn raw() -> AppState {
    let mut state = ask();
    state.playground.mode = Mode::Raw;
    play(&mut state, true);
    state
}

fn conversation() -> AppState {
    let mut state = answered();
    let turn = |question: &str| Turn {
        question: question.to_owned(),
        answer: ANSWER.to_owned(),
        ..Turn::default()
    };
    state.playground.turns = vec![turn("What is the h-index?"), turn("And the g-index?")];
    state.playground.prompt = "And which of the two is used in practice?".to_owned();
    state
}

fn pasted() -> AppState {
    let mut state = conversation();
    state.playground.prompt = "A line of an abstract.\n".repeat(30);
    state
}

// Lectures

pub const LECTURES: [Named; 7] = [
    ("no lecture", || lectures::panel(empty_state())),
    ("lectures of a project", lectures::listed),
    ("a lecture is open", lectures::opened),
    ("the lecturer's window", lectures::with_notes),
    ("the room is open to phones", room::panel_with_room),
    ("the phones are guessing", room::phones_guess),
    ("the phones are asked about a pair", room::pair_asked),
];

// Look inside

pub const LOOK_INSIDE: [Named; 33] = [
    ("no model", || inside(empty_state())),
    ("no text", || inside(loaded_state())),
    ("tokens with ids", tokens_with_ids),
    ("tokens of a long text", || look_inside::looked_at(&LONG_TEXT.repeat(200))),
    ("surprise", || surprised(Some(9))),
    ("surprise of a long text", long_surprise),
    ("hide and guess", guessing),
    ("surprise is measured", measuring),
    ("no model to fill masks", mask::nothing),
    ("masks are filled", || mask::filled(ANSWER, &[2, 5, 9])),
    ("a mask of several tokens", || {
        let mut state = mask::filled(ANSWER, &[2, 5, 9]);
        state.look_inside.mask.selected = Some(5);
        state
    }),
    ("guesses that are hidden", mask::hidden),
    ("two texts and a masked model", mask::compared),
    ("attention as lines", || watched(true)),
    ("attention as a map", || watched(false)),
    ("the lens", || look_inside::through_the_lens(ANSWER)),
    ("a token through the lens", followed),
    ("no adapter to compare", nothing_to_compare),
    ("base and adapter", || look_inside::compared(ANSWER)),
    ("base and adapter, a token", || {
        let mut state = look_inside::compared(ANSWER);
        state.look_inside.selected = Some(7);
        state
    }),
    ("what the answer hangs on", || look_parts::hanging(ANSWER)),
    ("words between two groups", look_meaning::between_anchors),
    ("two models by words", || look_models::by_words(ANSWER)),
    ("several tokenizers", || look_models::tokenizers(ANSWER, beside::Part::Text)),
    ("one sentence in many languages", || look_models::tokenizers(ANSWER, beside::Part::Languages)),
    ("a list of pairs and two models", look_models::pair_list),
    ("where the time of a pass goes", look_models::timed),
    ("the machine and a part of it", || look_parts::taken_apart(Some(2))),
    ("no map of texts yet", map::empty),
    ("a map of texts", || map::made(60)),
    ("the nearest texts on a map", map::near_one),
    ("clusters of texts", map::grouped),
    ("a linear probe", map::probed),
];

const LONG_TEXT: &str = "The library in the old tower opens at nine. ";

fn inside(mut state: AppState) -> AppState {
    state.prefs.panel = PanelId::LookInside;
    state
}

fn tokens_with_ids() -> AppState {
    let mut state = look_inside::looked_at(ANSWER);
    state.look_inside.shows_ids = true;
    state.look_inside.selected = Some(4);
    state
}

fn surprised(selected: Option<usize>) -> AppState {
    let mut state = look_inside::surprised(ANSWER, View::Surprise);
    state.look_inside.selected = selected;
    state.look_inside.shows_bits = true;
    state
}

fn long_surprise() -> AppState {
    let mut state = look_inside::surprised(&LONG_TEXT.repeat(200), View::Surprise);
    state.look_inside.selected = Some(12);
    state
}

fn guessing() -> AppState {
    let mut state = look_inside::surprised(ANSWER, View::Guess);
    let look = &mut state.look_inside;
    let first = look.surprise.ready().expect("it is measured").words[4].start;
    look.selected = Some(first);
    look.guess.reveal(4);
    state
}

fn watched(as_lines: bool) -> AppState {
    let mut state = look_inside::watched(ANSWER);
    state.look_inside.as_lines = as_lines;
    state.look_inside.selected = Some(7);
    state
}

fn followed() -> AppState {
    let mut state = look_inside::through_the_lens(ANSWER);
    state.look_inside.lens.follow = Some(70);
    let tokens = state.look_inside.tokens.ready().expect("it is split");
    let view = look_inside::lens(tokens, &state.look_inside.lens.request());
    state.look_inside.lens.view = Slot::Ready(view);
    state
}

fn nothing_to_compare() -> AppState {
    let mut state = look_inside::looked_at(ANSWER);
    state.look_inside.view = View::Compare;
    state
}

fn measuring() -> AppState {
    let mut state = look_inside::looked_at(ANSWER);
    state.look_inside.view = View::Surprise;
    state.look_inside.surprise.begin();
    state.look_inside.surprise.reached(128, 2048);
    state
}

// Annotate

pub const ANNOTATE: [Named; 6] = [
    ("no prompts", || annotate(AnnotateState::new(1))),
    ("a prompt", || annotate(prompts(40))),
    ("answers grow", || annotate(half_answered())),
    ("two answers", || annotate(both_answered())),
    ("verdicts that are not safe", unsafe_verdicts),
    ("all judged", all_judged),
];

fn annotate(annotate: AnnotateState) -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = PanelId::Annotate;
    state.annotate = annotate;
    state
}

fn prompts(count: usize) -> AnnotateState {
    let mut annotate = AnnotateState::new(1);
    let prompt = |n| Text::Plain(format!("Question {n}: what does this abstract claim?\n{ANSWER}"));
    annotate.set_prompts("abstracts-of-the-last-ten-years.csv", (1..=count).map(prompt).collect());
    annotate
}

fn half_answered() -> AnnotateState {
    let mut annotate = prompts(40);
    let sampling = SamplingParams::default();
    let request = annotate.request(&sampling, 40, AdapterMode::Off, true);
    let request = request.expect("there is a prompt to answer");
    annotate.started(&request, &ModelIdentity::default(), &AdapterSlot::None);
    let (text, logits) = (ANSWER.to_owned(), Arc::from([0.0_f32]));
    let step = TokenStep { id: 1, text, logprob: -1.0, logits, is_guessed: false };
    annotate.on_event(GenerateEvent::Token { lane: 0, step }, 1.0);
    annotate
}

pub fn both_answered() -> AnnotateState {
    let mut annotate = half_answered();
    for lane in 0..2 {
        let answer = Answer {
            text: format!("{lane} {ANSWER} {ANSWER}"),
            ids: vec![1; 60],
            stop: StopReason::Length,
            prompt_secs: 0.0,
            generation_secs: 1.0,
            guesses: Guesses::default(),
        };
        let next_logits = Arc::from([0.0_f32]);
        annotate.on_event(GenerateEvent::LaneDone { lane, answer, next_logits }, 2.0);
    }
    annotate
}

pub fn unsafe_verdicts() -> AppState {
    let mut made = both_answered();
    made.unsaved_count = 12;
    let mut state = annotate(made);
    state.notices.push(
        Notice::problem(PanelId::Annotate, "The verdict could not be saved")
            .hint("It is kept in memory and written with the next one that can be"),
    );
    state
}

fn all_judged() -> AppState {
    let mut made = both_answered();
    made.set_prompts("one.csv", vec![made.prompt().expect("a prompt").clone()]);
    for n in 0..3 {
        made.judge(Verdict::Skip, f64::from(n), "2026-11-21T20:31:05.123Z");
    }
    annotate(made)
}

// Train

pub const TRAIN_SETUP: [Named; 4] = [
    ("no pairs", || train(TrainState::default())),
    ("ready", || train(with_pairs())),
    ("with problems", with_problems),
    ("several losses", several_losses),
];

pub const TRAIN_RUNS: [Named; 15] = [
    ("a run", || train(running(60))),
    ("an SFT run", sft_run),
    ("a run before its first step", || train(running(0))),
    ("a run has ended", ended),
    ("a run has failed", failed),
    ("the list", || train(listed())),
    ("a run of the list", || train(selected())),
    ("runs compared", compared),
    ("the data looked at", surveyed),
    ("a sweep is set up", || train(sweep::set_up())),
    ("a sweep", || train(sweep::under_way())),
    ("a scaling series is set up", || train(scaling::set_up())),
    ("a scaling series", || train(scaling::shown())),
    ("rounds in a row", || train(rounds::shown())),
    ("a learning rate", || train(sweep::rate_found())),
];

pub fn train(train: TrainState) -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = PanelId::Train;
    state.train = train;
    state
}

fn with_pairs() -> TrainState {
    let mut train = TrainState { project_pairs: 12_345, sample_rows: 60, ..TrainState::default() };
    let path = PathBuf::from("preferences-of-all-annotators-without-duplicates.jsonl");
    train.use_file(DataFile { path, rows: 200_000, report: None, columns: Mapping::default() });
    train
}

fn with_problems() -> AppState {
    let mut made = with_pairs();
    made.form.lora.target_modules.clear();
    made.form.learning_rate = -1.0;
    made.form.early_stopping_patience = 3;
    made.form.load_best_model_at_end = true;
    train(made)
}

fn several_losses() -> AppState {
    let mut made = with_pairs();
    made.form.loss_type = vec!["sigmoid".to_owned(), "bco_pair".to_owned(), "sft".to_owned()];
    made.form.loss_weights = vec![0.8, 0.2, 1.0];
    train(made)
}

fn step(step: usize) -> StepMetrics {
    let share = step as f64 / 60.0;
    let values = [
        (Metric::Loss, 0.693 - 0.4 * share),
        (Metric::LearningRate, 5e-5 * (1.0 - share)),
        (Metric::GradNorm, 12.25),
        (Metric::RewardsChosen, -0.25 * share),
        (Metric::RewardsRejected, -1.75 * share),
        (Metric::RewardsAccuracies, 0.75),
        (Metric::RewardsMargins, 1.5 * share),
        (Metric::LogpsChosen, -1110.0),
        (Metric::LogpsRejected, -1125.5),
    ];
    StepMetrics {
        step,
        num_tokens: 1_234 * step as u64,
        values: values.into(),
        step_secs: 3.4,
        ..StepMetrics::default()
    }
}

fn evaluation(step: usize) -> EvalMetrics {
    let values =
        [(Metric::Loss, 0.61), (Metric::RewardsAccuracies, 0.75), (Metric::RewardsMargins, 0.234)];
    EvalMetrics { step, pair_count: 2_469, values: values.into(), ..EvalMetrics::default() }
}

fn sample(step: usize) -> Sample {
    Sample { step, prompt: "What does this abstract claim?".to_owned(), answer: ANSWER.to_owned() }
}

fn running(steps_done: usize) -> TrainState {
    let mut train = with_pairs();
    train.begin("2026-11-28-112233-dpo");
    train.on_event(TrainEvent::Planned { steps: 2000, train_rows: 9_876, held_out_rows: 2_469 });
    let warning = "12 rows are longer than 1,024 tokens together with their answer: they are cut";
    train.on_event(TrainEvent::Warning(warning.to_owned()));
    if steps_done > 0 {
        train.on_event(TrainEvent::Evaluated(evaluation(0)));
        train.on_event(TrainEvent::Sampled(sample(0)));
    }
    for number in 1..=steps_done {
        train.on_event(TrainEvent::Step(step(number)));
    }
    if steps_done > 0 {
        train.on_event(TrainEvent::Evaluated(evaluation(steps_done)));
        train.on_event(TrainEvent::Sampled(sample(steps_done)));
    }
    train
}

fn sft_run() -> AppState {
    let mut made = with_pairs();
    made.form.objective = Objective::Sft;
    made.begin("2026-11-28-112233-sft");
    made.on_event(TrainEvent::Planned { steps: 200, train_rows: 48, held_out_rows: 12 });
    for number in 1..=12 {
        let values = [
            (Metric::Loss, 0.693 - 0.01 * number as f64),
            (Metric::LearningRate, 5e-5),
            (Metric::GradNorm, 12.25),
            (Metric::MeanTokenAccuracy, 0.61),
        ];
        let plain = StepMetrics { values: values.into(), ..step(number) };
        made.on_event(TrainEvent::Step(plain));
    }
    train(made)
}

fn summary(steps_done: usize) -> RunSummary {
    RunSummary {
        run_dir: "project/runs/2026-11-28-112233-dpo".into(),
        adapter_dir: "project/runs/2026-11-28-112233-dpo".into(),
        model_dir: None,
        steps_done,
        steps_planned: 2000,
        best: Some(Best { step: 20, value: 0.41 }),
        stopped_early: Some(
            "Stopped early: eval_loss has not become better in 2 evaluations since step 20"
                .to_owned(),
        ),
        last_step: None,
        evaluation: Some(evaluation(steps_done)),
    }
}

fn ended() -> AppState {
    let mut made = running(60);
    made.finished(Ok(summary(60)));
    made.set_runs(vec![run("2026-11-28-112233-dpo", RunState::Finished)]);
    train(made)
}

fn failed() -> AppState {
    let mut made = running(60);
    made.on_event(TrainEvent::Saved { step: 50 });
    let reason = "The loss is no longer a number at step 61: the learning rate is too large. A \
                  tenth of it is a good next try";
    made.finished(Err(reason.to_owned()));
    train(made)
}

fn run(id: &str, status: RunState) -> RunView {
    let config = tuning_fork::train::config::TrainConfig {
        beta: id.len() as f64 / 10.0,
        ..Default::default()
    };
    let interval = |value: f64| Interval { value, low: value * 0.5, high: value * 1.5 };
    RunView {
        id: id.to_owned(),
        folder: Path::new("project/runs").join(id),
        status,
        objective: Objective::Dpo,
        model: "SmolLM2-135M-Instruct.Q4_1".to_owned(),
        steps_done: 60,
        steps_planned: 2000,
        last_step: Some(step(60)),
        evaluation: Some(evaluation(60)),
        about: RunNotes {
            title: String::new(),
            note: "The same as before with twice the beta; abstracts only".to_owned(),
        },
        config,
        data_sha256: "0123456789abcdef".to_owned(),
        comparison: Some(Comparison {
            rows: 2_469,
            held_out: true,
            accuracy: Some(Interval { value: 0.75, low: 0.468, high: 0.911 }),
            margin: Some(interval(0.4)),
            perplexity_before: interval(1234.5),
            perplexity_after: interval(1034.5),
            neutral_kl: interval(0.02),
        }),
        note: Some(
            "The program ended during this run. What it learned up to step 50 is here".to_owned(),
        ),
        usable: true,
        has_adapter: true,
        resumable: status == RunState::Interrupted,
    }
}

fn listed() -> TrainState {
    let mut train = with_pairs();
    train.left_tab = LeftTab::Runs;
    train.set_runs(vec![
        run("2026-11-28-112233-dpo", RunState::Finished),
        run("2026-11-28-102233-dpo-2", RunState::Interrupted),
        run("2026-11-27-092233-dpo", RunState::Failed),
        run("2026-11-26-092233-dpo", RunState::Stopped),
    ]);
    train.asks_delete = Some("2026-11-27-092233-dpo".to_owned());
    train.editing = Some(RunEdit {
        id: "2026-11-26-092233-dpo".to_owned(),
        notes: RunNotes { title: "Baseline".to_owned(), note: "As published".to_owned() },
    });
    train
}

fn past() -> RunPast {
    let steps = (1..=60).map(step).collect();
    let history = History { steps, evaluations: vec![evaluation(30), evaluation(60)] };
    RunPast::of(&history, vec![sample(0), sample(60)], None)
}

fn selected() -> TrainState {
    let mut train = listed();
    train.selected = Some(SelectedRun {
        id: "2026-11-28-112233-dpo".to_owned(),
        curves: None,
        samples: SampleBook::default(),
        round: None,
    });
    train.show_run("2026-11-28-112233-dpo", past());
    train
}

fn compared() -> AppState {
    let mut made = listed();
    for id in ["2026-11-28-112233-dpo", "2026-11-28-102233-dpo-2", "2026-11-26-092233-dpo"] {
        made.toggle_compared(id);
        made.show_run(id, past());
    }
    train(made)
}

fn surveyed() -> AppState {
    let tokenizer = tokenizer();
    let ids = |text: &str| tokenizer.encode(text, false).unwrap();
    let prompt = ids("What does this abstract claim?");
    let sequence =
        |answer: &str| Sequence::new([prompt.clone(), ids(answer)].concat(), prompt.len());
    let row = |line| SurveyedRow {
        example: Example {
            rejected: Some(sequence(ANSWER)),
            ..Example::of_one(
                line,
                Text::Plain("What does this abstract claim?".to_owned()),
                String::new(),
                sequence(ANSWER),
            )
        },
        part: Part::Train,
    };
    let finding = |concern, sentence: &str| Finding {
        concern,
        sentence: sentence.to_owned(),
        rows: vec![0, 1],
        lines: vec![1, 2],
    };
    let survey = Survey {
        findings: vec![
            finding(Concern::Problem, "2 answers are longer than 64 tokens: they are cut there"),
            finding(Concern::Caution, "2 pairs have the same prompt and the same two answers"),
            finding(Concern::Fact, "The chosen answer is the longer one in 1,234 of 2,469 pairs"),
        ],
        rows: (1..=20).map(row).collect(),
        max_length: 64,
        truncation_mode: TruncationMode::KeepStart,
        train_rows: 16,
        held_out_rows: 4,
    };
    let mut made = with_pairs();
    let form = made.form.clone();
    made.survey.begin(&form);
    made.survey.ready(survey);
    train(made)
}

// Evaluate

pub const EVALUATE: [Named; 18] = [
    ("nothing yet", || evaluate::at_evaluate(empty_state())),
    ("the list", evaluations),
    ("an empty form", empty_form),
    ("a form", evaluate::filled_form),
    ("fields", evaluate::form_of_fields),
    ("exam answers", || evaluate::form_of_options(What::Exam)),
    ("verdicts", || evaluate::form_of_options(What::Judge)),
    ("ratings", || evaluate::form_of_options(What::Rate)),
    ("several labels", evaluate::with_several_labels),
    ("perplexity", || evaluate::form_of_options(What::Perplexity)),
    ("windows that differ", evaluate_texts::with_windows),
    ("a report", evaluate::report),
    ("configurations", evaluate::configurations),
    ("a prompt", evaluate_prompt),
    ("rows", evaluate::evaluated),
    ("confusion", evaluate::with_confusion),
    ("a row", evaluate_row),
    ("asking", evaluate::asking),
];

fn evaluations() -> AppState {
    let mut state = evaluate::asking();
    state.evaluate.front = Front::List;
    let kept = |name: &str, done| Kept {
        folder: PathBuf::from(format!("evaluations/{name}")),
        evaluation: Evaluation {
            task: evaluate::prepared("text,coder_a,coder_b\na,praise,blame\n").task,
            model: ModelIdentity { name: LONG_NAME.to_owned(), ..ModelIdentity::default() },
            rows: 12_345,
            weights: "as stored".to_owned(),
            program: "0".to_owned(),
            started: "2026-11-28T10:15:00.000Z".to_owned(),
            ..Evaluation::default()
        },
        done,
    };
    state.evaluate.kept = vec![kept("one", 1200), kept("two", 12_345)];
    state
}

fn empty_form() -> AppState {
    let mut state = evaluate::at_evaluate(empty_state());
    state.evaluate.front = Front::Form;
    state
}

fn evaluate_prompt() -> AppState {
    let mut state = evaluate::filled_form();
    state.evaluate.left = EvaluateTab::Prompt;
    state
}

fn evaluate_row() -> AppState {
    let mut state = evaluate::evaluated();
    let open = state.evaluate.open.as_mut().expect("rows are shown");
    open.grid.selected = Some(3);
    state.evaluate.rows_in_front = true;
    state
}

// The window around the panels

pub const AROUND: [Named; 5] = [
    ("notices", notices),
    ("four things run", busy),
    ("asked before closing", closing),
    ("the palette", palette),
    ("the keys", keys),
];

fn notices() -> AppState {
    let mut state = answered();
    state.adapter = adapter("2026-11-28-112233-dpo-with-a-long-name");
    for n in 0..2 {
        let summary = format!("Could not load {LONG_NAME}-{n}");
        state.notices.push(
            Notice::problem(PanelId::Playground, summary)
                .hint("Choose another file, or get it again from the Hub: its hash differs")
                .remedy("Choose a file…", Command::Models(ModelsCommand::ChooseFile)),
        );
    }
    state
}

fn busy() -> AppState {
    let mut state = train(running(60));
    for (what, detail) in [
        ("Training", "step 12 of 200 · 3.4 s a step · 11 min left"),
        ("Downloading", "a-model-whose-name-goes-on-and-on · 212 of 269 MB · 8 MB/s · 7 s left"),
        ("Measuring what changed", "held-out rows · 12 of 2,469"),
        ("Exporting the curves", "curves.png"),
    ] {
        state.activities.push(Activity {
            fraction: Some(0.06),
            stop: Some(Command::Train(TrainCommand::Stop)),
            ..Activity::new(what, detail.to_owned())
        });
    }
    state
}

fn closing() -> AppState {
    let mut state = busy();
    state.window.closing = Closing::Asked;
    state
}

fn palette() -> AppState {
    let mut state = answered();
    state.window.palette = Some(PaletteState::default());
    state
}

fn keys() -> AppState {
    let mut state = annotate(both_answered());
    state.window.keys_open = true;
    state
}
