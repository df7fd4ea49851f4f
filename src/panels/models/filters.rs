//! What the search can be narrowed by, in one row.

use eframe::egui;
use eframe::egui::{ComboBox, Ui};

use crate::hub::browse::search::{Format, Query, SizeRange, Sort, Task};
use crate::hub::protocol::repository::RepoKind;
use crate::widgets::button::ActionButton;
use crate::widgets::theme;

/// transformers' `model_type`, and what people say.
const FAMILIES: [(&str, &str); 11] = [
    ("gemma2", "Gemma 2"),
    ("gemma3_text", "Gemma 3"),
    ("gemma3", "Gemma 3, larger than 1 B"),
    ("gpt2", "GPT-2"),
    ("llama", "Llama, SmolLM 2"),
    ("mistral", "Mistral"),
    ("olmo2", "OLMo 2"),
    ("phi3", "Phi 3, Phi 4"),
    ("qwen2", "Qwen 2, Qwen 2.5"),
    ("qwen3", "Qwen 3"),
    ("smollm3", "SmolLM 3"),
];

const LICENCES: [(&str, &str); 7] = [
    ("apache-2.0", "Apache-2.0"),
    ("mit", "MIT"),
    ("cc-by-4.0", "CC BY 4.0"),
    ("cc-by-nc-4.0", "CC BY-NC 4.0"),
    ("gemma", "Gemma"),
    ("llama3.1", "Llama 3.1"),
    ("llama3.2", "Llama 3.2"),
];

const SIZES: [(SizeRange, &str); 5] = [
    (SizeRange { from_millions: 0, up_to_millions: Some(500) }, "up to 0.5 B"),
    (SizeRange { from_millions: 500, up_to_millions: Some(1500) }, "0.5 to 1.5 B"),
    (SizeRange { from_millions: 1500, up_to_millions: Some(4500) }, "1.5 to 4.5 B"),
    (SizeRange { from_millions: 4500, up_to_millions: Some(9000) }, "4.5 to 9 B"),
    (SizeRange { from_millions: 9000, up_to_millions: None }, "over 9 B"),
];

/// Draws the row. True: something was changed.
pub fn filters_ui(ui: &mut Ui, query: &mut Query) -> bool {
    let mut changed = false;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = egui::vec2(theme::GAP_SMALL, theme::GAP_SMALL);
        if query.kind == RepoKind::Model {
            let tasks = Task::ALL.map(|task| (task, task_words(task)));
            changed |= choice_ui(ui, "Task", &mut query.task, &tasks);
            let formats = Format::ALL.map(|format| (format, format_words(format)));
            changed |= choice_ui(ui, "Format", &mut query.format, &formats);
            changed |= choice_ui(ui, "Family", &mut query.family, &FAMILIES);
            changed |= choice_ui(ui, "Parameters", &mut query.size, &SIZES);
        }
        changed |= choice_ui(ui, "Licence", &mut query.licence, &LICENCES);
        changed |= sort_ui(ui, &mut query.sort);
        let narrowed = !Query { words: String::new(), ..query.clone() }.is_empty();
        if narrowed && ui.add(ActionButton::quiet("Clear the filters")).clicked() {
            let Query { kind, words, sort, .. } = query.clone();
            *query = Query { kind, words, sort, ..Query::default() };
            changed = true;
        }
    });
    changed
}

fn task_words(task: Task) -> &'static str {
    match task {
        Task::TextGeneration => "Text generation",
        Task::FeatureExtraction => "Feature extraction",
        Task::FillMask => "Fill mask",
    }
}

fn format_words(format: Format) -> &'static str {
    match format {
        Format::Safetensors => "safetensors (can be trained)",
        Format::Gguf => "GGUF (small files)",
    }
}

/// A menu whose first entry is "any". Its name stays to be read where nothing is chosen.
fn choice_ui<T: Copy + PartialEq>(
    ui: &mut Ui,
    name: &str,
    value: &mut Option<T>,
    entries: &[(T, &str)],
) -> bool {
    let words = entries.iter().find(|(entry, _)| Some(*entry) == *value).map(|(_, words)| *words);
    let before = *value;
    let menu = ComboBox::from_id_salt(name).selected_text(words.unwrap_or(name));
    let menu = menu.width(0.0).show_ui(ui, |ui| {
        ui.selectable_value(value, None, "Any");
        for (entry, words) in entries {
            ui.selectable_value(value, Some(*entry), *words);
        }
    });
    menu.response.accessible_name(name);
    *value != before
}

fn sort_ui(ui: &mut Ui, sort: &mut Sort) -> bool {
    let words = |sort: Sort| match sort {
        Sort::Downloads => "Most downloaded",
        Sort::Likes => "Most liked",
        Sort::Trending => "Trending",
        Sort::Updated => "Newest first",
    };
    let before = *sort;
    let menu = ComboBox::from_id_salt("sort").selected_text(words(*sort));
    let menu = menu.width(0.0).show_ui(ui, |ui| {
        for entry in Sort::ALL {
            ui.selectable_value(sort, entry, words(entry));
        }
    });
    menu.response.accessible_name("Order");
    *sort != before
}
