//! A window without a screen: draws a state, takes clicks and keys, collects what was asked for.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui;
use egui_kittest::Harness;
use egui_kittest::kittest::NodeT as _;
use egui_kittest::kittest::Queryable as _;
use tuning_fork::hub::cache::local::LocalModel;
use tuning_fork::hub::cache::local::Place;
use tuning_fork::llm::card::ModelCard;
use tuning_fork::llm::card::ModelFacts;
use tuning_fork::llm::card::ModelIdentity;
use tuning_fork::llm::card::ModelSource;
use tuning_fork::llm::card::Purpose;
use tuning_fork::llm::generate::Answer;
use tuning_fork::llm::generate::GenerateEvent;
use tuning_fork::llm::generate::StopReason;
use tuning_fork::llm::generate::TokenStep;
use tuning_fork::llm::generate::guessing::Guesses;
use tuning_fork::llm::text::tokenizer::Tokenizer;
use tuning_fork::panels;
use tuning_fork::state::AppState;
use tuning_fork::state::command::Command;
use tuning_fork::state::command::Commands;
use tuning_fork::state::models::FoundModel;
use tuning_fork::state::models::Memory;
use tuning_fork::state::slots::ModelSlot;
use tuning_fork::widgets::theme;

/// A drawn state and what was asked for beyond it.
pub struct Bench {
    pub state: AppState,
    pub asked: Vec<Command>,
}

/// The window under test.
pub struct Window(pub Harness<'static, Bench>);

impl Window {
    pub fn new(state: AppState) -> Self {
        Self::sized(state, 1280.0, 800.0)
    }

    pub fn sized(state: AppState, width: f32, height: f32) -> Self {
        Self::zoomed(state, width, height, 1.0)
    }

    /// A window of so many pixels, everything in it so many times as large.
    pub fn zoomed(state: AppState, width: f32, height: f32, zoom: f32) -> Self {
        let draw = |ui: &mut egui::Ui, bench: &mut Bench| {
            let mut commands = Commands::default();
            panels::show(ui, &mut bench.state, &mut commands);
            for command in commands {
                match command {
                    Command::View(command) => bench.state.apply(command),
                    command => bench.asked.push(command),
                }
            }
        };
        let mut harness = Harness::builder()
            .with_size(egui::vec2(width, height) / zoom)
            .with_pixels_per_point(zoom)
            .with_max_steps(20)
            .with_context_setup(theme::install)
            .build_ui_state(draw, Bench { state, asked: Vec::new() });
        harness.run();
        Self(harness)
    }

    pub fn state(&mut self) -> &mut AppState {
        &mut self.0.state_mut().state
    }

    pub fn run(&mut self) {
        self.0.run();
    }

    /// As [`Self::click`], of a button that has to be scrolled to.
    pub fn press_unseen(&mut self, name: &str) {
        self.0.get_by_role_and_label(egui::accesskit::Role::Button, name).click_accesskit();
        self.0.run();
    }

    /// Clicks the one button (link, tab, row) with this name.
    pub fn click(&mut self, name: &str) {
        let clickable = |node: &egui_kittest::kittest::AccessKitNode<'_>| {
            let role = node.role();
            !matches!(role, egui::accesskit::Role::Label)
                && node.label().is_some_and(|label| label == name)
        };
        self.0.get(egui_kittest::kittest::By::new().predicate(clickable)).click();
        self.0.run();
    }

    pub fn press(&mut self, modifiers: egui::Modifiers, key: egui::Key) {
        self.0.key_press_modifiers(modifiers, key);
        self.0.run();
    }

    /// Whether any text on the screen contains `words`.
    pub fn sees(&self, words: &str) -> bool {
        self.0.root().children_recursive().any(|node| {
            let node = node.accesskit_node();
            let says = |text: Option<String>| text.is_some_and(|text| text.contains(words));
            says(node.label()) || says(node.value())
        })
    }

    /// The whole name of the one thing to click whose name begins with `start`.
    pub fn name_with(&self, start: &str) -> String {
        let rest_begins =
            |label: &str| label.strip_prefix(start).is_some_and(|rest| rest.starts_with(" ·"));
        let names = self.0.root().children_recursive();
        let mut names = names.filter_map(|node| node.accesskit_node().label());
        names.find(|label| rest_begins(label)).expect("it is on the screen")
    }

    /// What was asked for since the last look.
    pub fn asked(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.0.state_mut().asked)
    }

    /// The accessibility tree as text: role, name, value, what is off.
    pub fn tree(&self) -> String {
        read_out(&self.0)
    }
}

/// See [`Window::tree`].
pub fn read_out<State>(harness: &Harness<'_, State>) -> String {
    let mut text = String::new();
    for node in harness.root().children_recursive() {
        let node = node.accesskit_node();
        let name = node.label().unwrap_or_default();
        let value = node.value().or_else(|| node.numeric_value().map(|n| n.to_string()));
        // Runs repeat what their label says, as it happens to be cut off.
        let is_run = node.role() == egui::accesskit::Role::TextRun;
        if is_run || (name.is_empty() && value.is_none()) {
            continue;
        }
        text.push_str(&format!("{:?}", node.role()));
        if !name.is_empty() {
            text.push_str(&format!(" {name:?}"));
        }
        if let Some(value) = value.filter(|value| *value != name) {
            text.push_str(&format!(" = {value:?}"));
        }
        if node.is_disabled() {
            text.push_str(" (disabled)");
        }
        if let Some(toggled) = node.toggled() {
            text.push_str(&format!(" ({toggled:?})"));
        }
        text.push('\n');
    }
    text
}

pub fn facts() -> ModelFacts {
    ModelFacts {
        architecture: "llama".to_owned(),
        parameter_count: 134_515_008,
        precision: "Q4_1".to_owned(),
        file_bytes: 98_362_432,
        memory_bytes: 98_362_432,
        cache_bytes_per_token: 46_080,
        cache_bytes_as: [92_160, 46_080, 24_480],
        context_length: 2048,
        vocab_size: 384,
        layer_count: 30,
        has_chat_template: true,
        chat_problem: None,
        warnings: Vec::new(),
        purpose: Purpose::Generate,
        makes_vectors: false,
        unsupported: None,
    }
}

pub fn found(name: &str, facts: Result<ModelFacts, String>) -> FoundModel {
    let local = LocalModel {
        name: name.to_owned(),
        path: PathBuf::from(format!("models/{name}.gguf")),
        place: Place::Own,
        file_bytes: 98_362_432,
    };
    FoundModel { local, facts, frees: Some(98_362_432), has_update: false, unused_days: Some(3) }
}

pub fn empty_state() -> AppState {
    let mut state = AppState { project: PathBuf::from("Tuning Fork"), ..AppState::default() };
    state.models.memory = Memory { total: 16_000_000_000, available: 6_000_000_000 };
    state
}

/// A model is loaded; nothing has been asked yet.
pub fn loaded_state() -> AppState {
    let mut state = empty_state();
    let model = found("SmolLM2-135M-Instruct.Q4_1", Ok(facts()));
    state.models.found.push(model);
    state.model = ModelSlot::Ready(Box::new(card()));
    state
}

/// The loaded model's card.
pub fn card() -> ModelCard {
    let name = "SmolLM2-135M-Instruct.Q4_1".to_owned();
    ModelCard {
        source: ModelSource::Gguf(PathBuf::from(format!("models/{name}.gguf"))),
        identity: ModelIdentity { name, ..ModelIdentity::default() },
        facts: facts(),
        tokenizer: Arc::new(tokenizer()),
    }
}

pub fn tokenizer() -> Tokenizer {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"));
    Tokenizer::from_file(&path.join("tests/reference/models/llama/tokenizer.json")).unwrap()
}

/// Raw scores of a position: `id` first, the ids after it less and less likely.
pub fn scores(id: u32) -> Arc<[f32]> {
    let mut scores = vec![0.0; 384];
    for place in 0..20 {
        scores[(id as usize + place) % 384] = 10.0 - 0.5 * place as f32;
    }
    scores.into()
}

/// Plays the events of an answer to what the state would ask now.
pub fn answer(state: &mut AppState, ids: &[u32]) {
    let request = state.playground.request(&state.prefs, &state.model, &state.adapter).unwrap();
    let playground = &mut state.playground;
    playground.started(&request);
    let prompt = GenerateEvent::Prompt { text: "user: hello".to_owned(), ids: vec![1, 2, 3] };
    playground.on_event(prompt, 0.0);
    let tokenizer = tokenizer();
    for lane in 0..request.lanes.len() {
        for (place, id) in ids.iter().enumerate() {
            let step = TokenStep {
                id: *id,
                text: tokenizer.token_text(*id),
                logprob: -0.5,
                logits: scores(*id),
                is_guessed: false,
            };
            playground.on_event(GenerateEvent::Token { lane, step }, place as f64 * 0.1);
        }
        let answer = Answer {
            text: tokenizer.decode(ids, false),
            ids: ids.to_vec(),
            stop: StopReason::EndOfTurn,
            prompt_secs: 0.1,
            generation_secs: 0.1 * ids.len() as f64,
            guesses: Guesses::default(),
        };
        let next_logits = scores(5);
        playground.on_event(GenerateEvent::LaneDone { lane, answer, next_logits }, 1.0);
    }
    playground.finished();
}
