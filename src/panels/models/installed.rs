//! What is on this computer: get the starter model, load one, give its room on the disk back.

use eframe::egui;
use eframe::egui::{Align, ComboBox, Label, Layout, Ui, vec2};

use super::remote::remote_ui;
use super::serving::serving_ui;
use crate::hub::cache::local::Place;
use crate::lecture::place;
use crate::llm::card::{ModelFacts, ModelSource};
use crate::llm::config::CacheNumbers;
use crate::state::command::{Commands, LecturesCommand, ModelsCommand, WindowCommand};
use crate::state::models::FetchView;
use crate::state::models::Fit;
use crate::state::models::FoundModel;
use crate::state::models::LoadView;
use crate::state::models::Memory;
use crate::state::models::ModelsState;
use crate::state::models::STARTER_NAME;
use crate::state::models::USUAL_CONTEXT;
use crate::state::models::memory_needed;
use crate::state::slots::ModelSlot;
use crate::widgets::button::ActionButton;
use crate::widgets::card::Tone;
use crate::widgets::card::card_ui;
use crate::widgets::card::chip_ui;
use crate::widgets::card::decoration_ui;
use crate::widgets::card::title_row_ui;
use crate::widgets::format;
use crate::widgets::layout::scrolled_ui;
use crate::widgets::progress_row::ProgressRow;
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws what is on this disk, and what is being loaded.
pub fn installed_ui(
    ui: &mut Ui,
    models: &mut ModelsState,
    slot: &ModelSlot,
    commands: &mut Commands,
) {
    scrolled_ui(ui, "models", |ui| {
        if let Some(load) = &models.load {
            card_ui(ui, |ui| load_ui(ui, load));
            ui.add_space(theme::GAP_LARGE);
        }
        if models.fetch.is_some() || !models.has_starter() {
            starter_ui(ui, models, commands);
            ui.add_space(theme::GAP_LARGE);
        }
        remote_ui(ui, &mut models.remote, slot, commands);
        found_ui(ui, models, slot, commands);
    });
}

fn load_ui(ui: &mut Ui, load: &LoadView) {
    let what = format!("Loading {}", load.name);
    let detail = if load.total > 1 << 20 {
        format!("{} · {} of {}", load.what, format::bytes(load.done), format::bytes(load.total))
    } else if load.total > 0 {
        format!("{} · {} of {}", load.what, load.done, load.total)
    } else {
        load.what.clone()
    };
    let row =
        ProgressRow { what: &what, detail: &detail, fraction: load.fraction(), stoppable: false };
    row.show(ui);
}

fn starter_ui(ui: &mut Ui, models: &ModelsState, commands: &mut Commands) {
    let p = theme::palette(ui);
    card_ui(ui, |ui| {
        ui.horizontal(|ui| {
            decoration_ui(ui, theme::icon(ui, icons::MODELS).color(p.accent));
            ui.label(theme::title(ui, format!("Start with {STARTER_NAME}")));
        });
        let about = "A small instruct model that answers on any computer: 135 million parameters, \
                     Apache-2.0 licence, 98 to 270 MB to download depending on the source. It \
                     stays on this computer, and so does everything you ask it.";
        ui.add(Label::new(about).wrap());
        ui.add_space(theme::GAP_SMALL);
        match &models.fetch {
            None => {
                let button = ActionButton::primary("Get the starter model").icon(icons::DOWNLOAD);
                if ui.add(button).clicked() {
                    commands.push(ModelsCommand::FetchStarter);
                }
                ui.add_space(theme::GAP_SMALL);
                let about = "Fifteen scenes on how a language model writes, in twenty minutes. It \
                             shows a recording: nothing is downloaded";
                let tour = ActionButton::new("Take the guided tour").icon(icons::PROJECTOR);
                if ui.add(tour).on_hover_text(about).clicked() {
                    commands.push(LecturesCommand::Open(place::Place::Tour));
                }
            }
            Some(fetch) => fetch_ui(ui, fetch, commands),
        }
    });
}

fn fetch_ui(ui: &mut Ui, fetch: &FetchView, commands: &mut Commands) {
    let p = theme::palette(ui);
    for (source, reason) in &fetch.failed {
        ui.horizontal_wrapped(|ui| {
            decoration_ui(ui, theme::icon(ui, icons::CLOSE).color(p.problem));
            ui.label(source);
            ui.add(Label::new(theme::muted(ui, reason)).wrap());
        });
    }
    let source = fetch.trying.as_deref().unwrap_or("the next source");
    let what = if fetch.verifying { "Checking" } else { "Downloading" };
    let detail = if fetch.elsewhere {
        "another copy of the program is fetching it: waiting for it to be done".to_owned()
    } else if fetch.verifying {
        "the file's hash".to_owned()
    } else if fetch.done > 0 {
        progress_words(fetch, source)
    } else {
        format!("from {source}")
    };
    let row = ProgressRow { what, detail: &detail, fraction: fetch.fraction(), stoppable: true };
    if row.show(ui) {
        commands.push(ModelsCommand::StopFetch);
    }
}

/// `212 of 269 MB · 8 MB/s · 7 s left · from the Hub`.
fn progress_words(fetch: &FetchView, source: &str) -> String {
    let FetchView { done, total, bytes_per_sec, .. } = *fetch;
    let words = format::transfer(done, total, bytes_per_sec, fetch.time_left());
    format!("{words} · from {source}")
}

fn found_ui(ui: &mut Ui, models: &mut ModelsState, slot: &ModelSlot, commands: &mut Commands) {
    card_ui(ui, |ui| {
        let memory = models.memory;
        let free = format!(
            "{} of {} memory free",
            format::bytes(memory.available),
            format::bytes(memory.total)
        );
        title_row_ui(ui, "Models", |ui| {
            let from_hub = |found: &FoundModel| matches!(found.local.place, Place::HubCache { .. });
            if models.found.iter().any(from_hub) {
                let ask = ActionButton::quiet("Look for newer versions").icon(icons::REFRESH);
                if ui.add_enabled(!models.checking_updates, ask).clicked() {
                    commands.push(ModelsCommand::CheckUpdates);
                }
            }
            if memory.total > 0 {
                ui.label(theme::muted(ui, free));
            }
        });
        if models.found.is_empty() {
            let words = if models.scanning {
                "Looking through the Hugging Face cache…"
            } else {
                "No models yet. Get the starter model, find one on the Hub, or use a GGUF file or \
                 a transformers folder. What Python has downloaded to the Hugging Face cache \
                 shows up here too."
            };
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            return;
        }
        let columns = Columns::fit(ui);
        columns.header_ui(ui);
        let ModelsState { found, confirm_remove, serving, answer_cache, .. } = models;
        let cache = *answer_cache;
        for (index, model) in found.iter().enumerate() {
            ui.push_id(index, |ui| {
                ui.separator();
                let asked = confirm_remove.as_ref() == Some(&model.local.path);
                let row = Row { model, memory, slot, asked, cache };
                match row.show(ui, &columns) {
                    Some(RowAction::Ask) => *confirm_remove = Some(model.local.path.clone()),
                    Some(RowAction::Keep) => *confirm_remove = None,
                    Some(RowAction::Remove) => {
                        *confirm_remove = None;
                        commands.push(ModelsCommand::Remove(model.local.path.clone()));
                    }
                    Some(RowAction::Load) => {
                        commands.push(ModelsCommand::Load(ModelSource::named(&model.local.path)));
                    }
                    Some(RowAction::Unload) => commands.push(ModelsCommand::Unload),
                    Some(RowAction::Reveal) => {
                        commands.push(WindowCommand::Reveal(model.local.path.clone()));
                    }
                    Some(RowAction::Verify) => {
                        commands.push(ModelsCommand::Verify(model.local.path.clone()));
                    }
                    Some(RowAction::Update) => {
                        commands.extend(
                            model.update_order().map(|order| ModelsCommand::Download(order).into()),
                        );
                    }
                    None => {}
                }
                if row.is_loaded() && slot.ready().is_some() {
                    serving_ui(ui, serving, commands);
                }
            });
        }
        ui.separator();
        cache_ui(ui, cache, commands);
    });
}

/// What the cache of answers keeps, for the models that are loaded from now on.
fn cache_ui(ui: &mut Ui, cache: Option<CacheNumbers>, commands: &mut Commands) {
    const NAME: &str = "KV cache of answers";
    let about = "The keys and values that are remembered of a text while it is continued. f16 \
                 takes half the memory of f32, and q8_0 about a quarter, for answers that are a little less exact. \
                 Measurements, labels and training keep what they have. For models that are \
                 loaded from now on";
    let words = |cache: Option<CacheNumbers>| cache.map_or("As the weights", CacheNumbers::name);
    ui.horizontal(|ui| {
        ui.label(theme::muted(ui, NAME)).on_hover_text(about);
        let mut chosen = cache;
        let combo = ComboBox::from_id_salt(NAME).selected_text(words(cache)).show_ui(ui, |ui| {
            for choice in [None].into_iter().chain(CacheNumbers::ALL.map(Some)) {
                ui.selectable_value(&mut chosen, choice, words(choice));
            }
        });
        combo.response.accessible_name(NAME);
        if chosen != cache {
            commands.push(ModelsCommand::KeepAnswersAs(chosen));
        }
    });
}

/// Widths of the table, in points.
struct Columns {
    name: f32,
    number: f32,
    memory: f32,

    /// Whether the numbers have columns of their own; else they go under the name.
    wide: bool,
    gap: f32,
}

const NUMBER_COLUMNS: [(&str, &str); 4] = [
    ("Size", "The size of its files on the disk"),
    ("Precision", "How most of its weights are stored; the fewer bits, the smaller and coarser"),
    ("Params", "How many numbers were learned in training"),
    ("Context", "The longest prompt and answer together, in tokens"),
];

impl Columns {
    fn fit(ui: &Ui) -> Self {
        let em = theme::em(ui);
        let width = ui.available_width();
        let (number, memory, actions, gap) = (em * 4.7, em * 8.6, em * 10.4, theme::GAP);
        let rest = width - 4.0 * (number + gap) - memory - gap - actions - gap;
        if rest >= em * 13.0 {
            Self { name: rest, number, memory, wide: true, gap }
        } else {
            let name = width - actions - gap;
            Self { name, number, memory, wide: false, gap }
        }
    }

    fn header_ui(&self, ui: &mut Ui) {
        if !self.wide {
            return;
        }
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = self.gap;
            cell_ui(ui, self.name, Align::Min, |ui| {
                ui.label(theme::muted(ui, "Name"));
            });
            for (name, about) in NUMBER_COLUMNS {
                cell_ui(ui, self.number, Align::Max, |ui| {
                    ui.label(theme::muted(ui, name)).on_hover_text(about);
                });
            }
            let about = format!(
                "Its weights and the cache of {} tokens of context",
                format::count(USUAL_CONTEXT)
            );
            cell_ui(ui, self.memory, Align::Max, |ui| {
                ui.label(theme::muted(ui, "Memory needed")).on_hover_text(about);
            });
        });
    }
}

fn cell_ui(ui: &mut Ui, width: f32, align: Align, contents: impl FnOnce(&mut Ui)) {
    let layout = match align {
        Align::Max => Layout::right_to_left(Align::Center),
        _ => Layout::left_to_right(Align::Center),
    };
    let size = vec2(width, ui.spacing().interact_size.y);
    ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_width(width);
        contents(ui);
    });
}

enum RowAction {
    Load,
    Unload,
    Reveal,
    Verify,
    Update,
    Ask,
    Keep,
    Remove,
}

struct Row<'a> {
    model: &'a FoundModel,
    memory: Memory,
    slot: &'a ModelSlot,

    /// Whether its removal waits for a yes.
    asked: bool,

    /// What the cache of answers keeps.
    cache: Option<CacheNumbers>,
}

impl Row<'_> {
    fn show(&self, ui: &mut Ui, columns: &Columns) -> Option<RowAction> {
        let mut action = None;
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = columns.gap;
            cell_ui(ui, columns.name, Align::Min, |ui| self.name_ui(ui));
            if columns.wide {
                self.number_cells_ui(ui, columns);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = theme::GAP_SMALL;
                action = self.actions_ui(ui);
            });
        });
        if !columns.wide
            && let Ok(facts) = &self.model.facts
        {
            let words = format!(
                "{} · {} · {} parameters · {} tokens",
                format::bytes(self.model.local.file_bytes),
                facts.precision,
                format::parameters(facts.parameter_count),
                format::count(facts.context_length)
            );
            ui.add(Label::new(theme::number(words)).wrap());
            ui.horizontal(|ui| self.memory_ui(ui, facts));
        }
        self.place_ui(ui, &mut action);
        if self.model.has_update {
            ui.horizontal_wrapped(|ui| {
                chip_ui(ui, Tone::Info, Some(icons::INFO), "A newer version is on the Hub");
                let get = ui.add(ActionButton::new("Get it").icon(icons::DOWNLOAD));
                let name = format!("Get the newer {}", self.model.local.name);
                if get.accessible_name(name).clicked() {
                    action = Some(RowAction::Update);
                }
            });
        }
        if let Some(note) = self.model.note() {
            ui.horizontal_wrapped(|ui| {
                let ink = theme::palette(ui).muted;
                decoration_ui(ui, theme::icon(ui, icons::INFO).color(ink));
                ui.add(Label::new(note).wrap());
            });
        }
        if let Some(obstacle) = self.model.obstacle() {
            ui.horizontal_wrapped(|ui| {
                let p = theme::palette(ui);
                let (icon, ink, words) = if self.model.is_for_other() {
                    (icons::INFO, p.muted, obstacle.to_owned())
                } else {
                    (icons::PROBLEM, p.problem, format!("Cannot be loaded: {obstacle}"))
                };
                decoration_ui(ui, theme::icon(ui, icon).color(ink));
                ui.add(Label::new(words).wrap());
            });
        }
        if self.asked {
            self.confirm_ui(ui, &mut action);
        }
        action
    }

    fn is_loaded(&self) -> bool {
        self.slot.in_memory().is_some_and(|card| card.source.path() == self.model.local.path)
    }

    fn name_ui(&self, ui: &mut Ui) {
        if self.is_loaded() {
            chip_ui(ui, Tone::Accent, Some(icons::DONE), "Loaded");
        }
        let name = theme::strong(ui, &self.model.local.name);
        ui.add(Label::new(name).truncate());
    }

    fn number_cells_ui(&self, ui: &mut Ui, columns: &Columns) {
        let facts = self.model.facts.as_ref().ok();
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        let cells = [
            format::bytes(self.model.local.file_bytes),
            or_dash(facts.map(|facts| facts.precision.clone())),
            or_dash(facts.map(|facts| format::parameters(facts.parameter_count))),
            or_dash(facts.map(|facts| format::count(facts.context_length))),
        ];
        for cell in cells {
            cell_ui(ui, columns.number, Align::Max, |ui| {
                ui.add(Label::new(theme::number(cell)).truncate());
            });
        }
        cell_ui(ui, columns.memory, Align::Max, |ui| {
            if let Some(facts) = facts {
                self.memory_ui(ui, facts);
            }
        });
    }

    fn memory_ui(&self, ui: &mut Ui, facts: &ModelFacts) {
        let needed = memory_needed(facts, self.cache);
        let (tone, words) = match self.memory.fit(needed) {
            Fit::Fits => (Tone::Chosen, "fits"),
            Fit::Tight => (Tone::Rejected, "tight"),
            Fit::TooLarge => (Tone::Problem, "too large"),
            Fit::Unknown => (Tone::Neutral, "?"),
        };
        let about = format!(
            "{} for the weights and {} for {} tokens of context; {} of memory is free",
            format::bytes(facts.memory_bytes),
            format::bytes(needed - facts.memory_bytes),
            format::count(USUAL_CONTEXT.min(facts.context_length)),
            format::bytes(self.memory.available)
        );
        chip_ui(ui, tone, None, words).on_hover_text(&about);
        ui.label(theme::number(format::bytes(needed))).on_hover_text(about);
    }

    fn place_ui(&self, ui: &mut Ui, action: &mut Option<RowAction>) {
        let place = match &self.model.local.place {
            Place::HubCache { commit, .. } => {
                let short: String = commit.chars().take(7).collect();
                format!("Hugging Face cache, commit {short}")
            }
            Place::Own => "Tuning Fork's models folder".to_owned(),
            Place::Opened => self.model.local.path.display().to_string(),
        };
        let used = match self.model.unused_days {
            None => String::new(),
            Some(0) => " · used today".to_owned(),
            Some(1) => " · last used yesterday".to_owned(),
            Some(days) => format!(" · last used {days} days ago"),
        };
        let words = theme::muted(ui, format!("{place}{used}")).small();
        let link = egui::Button::new(words).frame(false).truncate();
        let path = self.model.local.path.display();
        let response = ui.add(link).on_hover_text(format!("{path}\nClick to show the folder"));
        if response.clicked() {
            *action = Some(RowAction::Reveal);
        }
    }

    fn actions_ui(&self, ui: &mut Ui) -> Option<RowAction> {
        let mut action = None;
        let name = &self.model.local.name;
        let loading = matches!(self.slot, ModelSlot::Loading { .. });
        // A file that was only opened by hand stays where it is.
        let remove = if self.model.local.place == Place::Opened {
            ActionButton::only_icon(icons::CLOSE, "Remove from list…")
        } else {
            ActionButton::only_icon(icons::DELETE, "Delete from this disk…")
        };
        let remove = ui.add_enabled(!self.asked, remove);
        if remove.accessible_name(format!("Remove {name}")).clicked() {
            action = Some(RowAction::Ask);
        }
        if matches!(self.model.local.place, Place::HubCache { .. }) {
            let verify = ActionButton::only_icon(icons::VERIFY, "Check its files again");
            let about = "Hashes every file and holds it against what was published";
            let verify = ui.add(verify).on_hover_text(about);
            if verify.accessible_name(format!("Check {name}")).clicked() {
                action = Some(RowAction::Verify);
            }
        }
        if self.is_loaded() {
            let unload = ActionButton::new("Unload").icon(icons::EJECT);
            let unload = ui.add(unload).on_hover_text("Give its memory back");
            if unload.accessible_name(format!("Unload {name}")).clicked() {
                action = Some(RowAction::Unload);
            }
        } else {
            let possible = self.model.obstacle().is_none() && !loading;
            let load = ui.add_enabled(possible, ActionButton::new("Load").icon(icons::PLAY));
            let load = load.accessible_name(format!("Load {name}"));
            let reason = self.model.obstacle().unwrap_or("Another model is being loaded");
            if load.on_disabled_hover_text(reason).clicked() {
                action = Some(RowAction::Load);
            }
        }
        action
    }

    fn confirm_ui(&self, ui: &mut Ui, action: &mut Option<RowAction>) {
        ui.horizontal_wrapped(|ui| {
            let is_opened = self.model.local.place == Place::Opened;
            let words = if is_opened {
                "Remove it from this list? The file stays where it is.".to_owned()
            } else {
                let freed = self.model.frees.unwrap_or(self.model.local.file_bytes);
                let freed = format::bytes(freed);
                format!("Delete it from the disk? It frees {freed} and can be downloaded again.")
            };
            ui.label(theme::strong(ui, words));
            let (button, icon) = if is_opened {
                ("Remove from list", icons::CLOSE)
            } else {
                ("Delete", icons::DELETE)
            };
            if ui.add(ActionButton::danger(button).icon(icon)).clicked() {
                *action = Some(RowAction::Remove);
            }
            if ui.add(ActionButton::new("Cancel")).clicked() {
                *action = Some(RowAction::Keep);
            }
        });
    }
}
