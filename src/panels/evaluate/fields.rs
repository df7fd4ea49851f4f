//! The fields that are read out of texts, or what is written about them, as the form has it.

use std::path::{Path, PathBuf};

use eframe::egui::{Align, ComboBox, Frame, Label, Layout, Margin, Stroke, TextEdit, Ui, vec2};

use super::column::{column_ui, columns_ui, short};
use crate::evaluate::asking::merging;
use crate::evaluate::task::schema::{Field, FieldKind};
use crate::panels::train::fields::{check_ui, number_row_ui, problem_ui, row_ui, section_ui};
use crate::state::evaluate::form::{CodeForm, file_name};
use crate::widgets::button::ActionButton;
use crate::widgets::choice::value_ui;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

/// What is read out of each text.
pub(super) fn fields_ui(ui: &mut Ui, form: &mut CodeForm, columns: &[String]) {
    section_ui(ui, "Fields");
    name_ui(ui, &mut form.name, "articles on open data");
    let hint = "Read the text and say what it says about each of these fields.";
    instruction_ui(ui, &mut form.extract.instruction, hint);
    let segments = [
        Segment { value: false, words: "one by one", explanation: "Name each field here" },
        Segment { value: true, words: "JSON schema", explanation: "Paste a schema that you have" },
    ];
    let mut pastes = form.pasted.is_some();
    if segmented_ui(ui, &mut pastes, &segments) {
        // What was written of the fields becomes the schema to begin with.
        form.pasted =
            pastes.then(|| form.schema().map(|it| format!("{:#}", it.json)).unwrap_or_default());
    }
    if let Some(pasted) = &mut form.pasted {
        let field = TextEdit::multiline(pasted)
            .desired_width(f32::INFINITY)
            .desired_rows(10)
            .font(eframe::egui::TextStyle::Monospace)
            .hint_text("{\"type\": \"object\", \"properties\": {…}}");
        ui.add(field).accessible_name("JSON schema");
    } else {
        list_ui(ui, &mut form.extract.fields);
    }
    match form.schema() {
        Ok(schema) => by_hand_ui(ui, form, &schema.columns, columns),
        Err(problem) => problem_ui(ui, &problem),
    }
    section_ui(ui, "How it is asked");
    let hint = "An answer that comes to so many tokens is brought to an end in its form, and the \
                row says so";
    number_row_ui(ui, "Tokens at most", hint, &mut form.extract.max_tokens, 1..=8192);
    windows_ui(ui, form);
    let hint = "So far may a number be from the one that was read by hand and count as the same";
    number_row_ui(ui, "Tolerance of numbers", hint, &mut form.extract.tolerance, 0.0..=1e9);
}

/// Whether long texts are read in windows, and in which.
fn windows_ui(ui: &mut Ui, form: &mut CodeForm) {
    let warning = form.schema().ok().and_then(|schema| merging::warning(&schema));
    let extract = &mut form.extract;
    let hint = "A text that does not fit is read in several windows, cut at the ends of sentences, whose fields \
                are merged: lists are united, of other fields the first value with evidence counts. Without \
                windows it is cut at its end";
    check_ui(ui, &mut extract.windows, "read long texts in windows", hint);
    if !extract.windows {
        return;
    }
    let hint = "Tokens of the text in a window; 0: as many as fit into the model's context";
    number_row_ui(ui, "Tokens of a window", hint, &mut extract.window_tokens, 0..=1_000_000);
    let hint = "A window begins with about so many tokens of the one before, so that what stands at a border is \
                read whole";
    number_row_ui(ui, "Overlap", hint, &mut extract.overlap, 0..=100_000);
    if let Some(warning) = warning {
        problem_ui(ui, &warning);
    }
}

/// What is written about each text.
pub(super) fn writing_ui(ui: &mut Ui, form: &mut CodeForm, columns: &[String]) {
    section_ui(ui, "What is written");
    name_ui(ui, &mut form.name, "one-sentence summaries");
    let hint = "Summarise the text in one sentence.";
    instruction_ui(ui, &mut form.write.instruction, hint);
    let hint = "Columns with texts that people wrote for it. The answers are measured against \
                them; the model does not see them";
    ui.add(Label::new("References").selectable(false)).on_hover_text(hint);
    columns_ui(ui, columns, &form.text, &mut form.write.references);
    section_ui(ui, "How it is asked");
    let hint = "An answer that comes to so many tokens is cut, and the row says so";
    number_row_ui(ui, "Tokens at most", hint, &mut form.write.max_tokens, 1..=8192);
    let write = &mut form.write;
    let hint = "So many answers are searched side by side, and the likeliest is taken; 1 is no search. For \
                encoder-decoders (T5, BART)";
    number_row_ui(ui, "Beams", hint, &mut write.num_beams, 1..=16);
    if write.num_beams > 1 {
        write.temperature = 0.0; // a search draws nothing
        let hint = "The score of a beam is divided by its length to this power: above 0 longer answers are \
                    favoured";
        number_row_ui(ui, "Length penalty", hint, &mut write.length_penalty, -4.0..=4.0);
        return;
    }
    let hint = "Tokens are drawn at this temperature, with the seed of the task and the number of the row; 0: \
                the likeliest each time";
    number_row_ui(ui, "Temperature", hint, &mut write.temperature, 0.0..=2.0);
    if write.temperature > 0.0 {
        let hint = "Of the tokens, the smallest set with at least this probability; 1: all";
        number_row_ui(ui, "Top-p", hint, &mut write.top_p, 0.01..=1.0);
    }
}

/// `encoders`: those on this disk, name and folder.
pub(super) fn asking_ui(ui: &mut Ui, form: &mut CodeForm, encoders: &[(String, PathBuf)]) {
    section_ui(ui, "What is asked");
    name_ui(ui, &mut form.name, "who paid for the studies");
    if let Some(column) = &form.ask.question {
        let words = format!("Each row has its own question, in the column \"{column}\"");
        ui.add(Label::new(words).wrap());
    } else {
        let label = ui.add(Label::new("Questions").selectable(false));
        let label = label.on_hover_text("Each of them is asked about every document");
        let field = TextEdit::multiline(&mut form.asked)
            .desired_width(f32::INFINITY)
            .desired_rows(3)
            .hint_text("Who paid for the study?\nHow many people took part?");
        ui.add(field).labelled_by(label.id);
    }
    section_ui(ui, "How it is asked");
    let hint = "The model reads so many passages of a document, those that fit the question best. A \
                document that has no more is read whole";
    number_row_ui(ui, "Passages at most", hint, &mut form.ask.passages, 1..=64);
    let hint = "Words of a passage, at most";
    number_row_ui(ui, "Words of a passage", hint, &mut form.ask.passage_words, 20..=1000);
    ranking_ui(ui, &mut form.encoder, encoders);
    let hint = "An answer that comes to so many tokens is cut, and the row says so";
    number_row_ui(ui, "Tokens at most", hint, &mut form.ask.max_tokens, 1..=8192);
}

/// What passages are chosen by.
fn ranking_ui(ui: &mut Ui, chosen: &mut Option<String>, encoders: &[(String, PathBuf)]) {
    const WORDS: &str = "the words they share";
    let hint = "Passages are ranked by the words that they share with the question (BM25), or by what \
                they mean: the cosine of vectors that an encoder makes. An encoder, such as \
                all-MiniLM-L6-v2, can be fetched in Models";
    let shown = match chosen.as_deref() {
        None => WORDS.to_owned(),
        Some(folder) => {
            let known = encoders.iter().find(|(_, path)| path.as_os_str() == folder);
            known.map_or_else(|| file_name(Path::new(folder)), |(name, _)| name.clone())
        }
    };
    row_ui(ui, "Passages are chosen by", hint, |ui| {
        let width = (ui.available_width() - 4.0).min(theme::em(ui) * 12.0);
        let combo = ComboBox::from_id_salt("passages are chosen by").selected_text(shown);
        let combo = combo.width(width).truncate().show_ui(ui, |ui| {
            ui.selectable_value(chosen, None, WORDS);
            for (name, folder) in encoders {
                value_ui(ui, chosen, Some(folder.display().to_string()), name);
            }
        });
        combo.response.accessible_name("Passages are chosen by").on_hover_text(hint);
    });
}

/// The name of an evaluation that codes: its codebook has one too.
pub(super) fn own_name_ui(ui: &mut Ui, form: &mut CodeForm) {
    let label = ui.add(Label::new("Name of the evaluation").selectable(false));
    let label = label.on_hover_text("What it is called in the list. Empty: as the codebook");
    let hint = match form.codebook.name.trim() {
        "" => "as the codebook",
        name => name,
    };
    let field = TextEdit::singleline(&mut form.name).desired_width(f32::INFINITY).hint_text(hint);
    ui.add(field).labelled_by(label.id);
}

pub(super) fn name_ui(ui: &mut Ui, name: &mut String, hint: &str) {
    let label = ui.add(Label::new("Name").selectable(false));
    let label = label.on_hover_text("What the evaluation is called in the list");
    let field = TextEdit::singleline(name).desired_width(f32::INFINITY).hint_text(hint);
    ui.add(field).labelled_by(label.id);
}

fn instruction_ui(ui: &mut Ui, instruction: &mut String, hint: &str) {
    let label = ui.add(Label::new("Instruction").selectable(false));
    let label = label.on_hover_text("What is asked of every text");
    let field = TextEdit::multiline(instruction)
        .desired_width(f32::INFINITY)
        .desired_rows(2)
        .hint_text(hint);
    ui.add(field).labelled_by(label.id);
}

fn list_ui(ui: &mut Ui, fields: &mut Vec<Field>) {
    let mut removed = None;
    let can_remove = fields.len() > 1;
    for (index, field) in fields.iter_mut().enumerate() {
        if ui.push_id(("field", index), |ui| field_ui(ui, field, index, can_remove)).inner {
            removed = Some(index);
        }
    }
    if let Some(index) = removed {
        fields.remove(index);
    }
    if ui.add(ActionButton::quiet("Add a field").icon(icons::ADD)).clicked() {
        fields.push(Field::default());
    }
}

/// True: it is to be removed.
fn field_ui(ui: &mut Ui, field: &mut Field, index: usize, can_remove: bool) -> bool {
    let p = theme::palette(ui);
    let number = index + 1;
    let frame = Frame::new()
        .stroke(Stroke::new(theme::HAIRLINE, p.line))
        .corner_radius(theme::CONTROL_RADIUS)
        .inner_margin(Margin::symmetric(8, 6));
    let mut removed = false;
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        let size = vec2(ui.available_width(), ui.spacing().interact_size.y);
        ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
            let words = format!("Remove field {number}");
            let remove = ui.add_enabled(can_remove, ActionButton::only_icon(icons::CLOSE, &words));
            removed = remove.on_disabled_hover_text("One field is needed").clicked();
            let combo = ComboBox::from_id_salt("kind")
                .selected_text(field.kind.words())
                .width(theme::em(ui) * 7.0)
                .show_ui(ui, |ui| {
                    for kind in FieldKind::ALL {
                        ui.selectable_value(&mut field.kind, kind, kind.words());
                    }
                });
            combo.response.accessible_name(format!("Type of field {number}"));
            let width = ui.available_width();
            let name = TextEdit::singleline(&mut field.name).desired_width(width);
            let name = ui.add(name.hint_text("name, as sample_size"));
            name.accessible_name(format!("Name of field {number}"));
        });
        let about = TextEdit::multiline(&mut field.description)
            .desired_width(f32::INFINITY)
            .desired_rows(1)
            .hint_text("description: what the model looks for");
        ui.add(about).accessible_name(format!("Description of field {number}"));
        // What stands between semicolons is kept as it is typed.
        let mut allowed = field.allowed.join(";");
        let edit = TextEdit::singleline(&mut allowed)
            .desired_width(f32::INFINITY)
            .hint_text("allowed values, with semicolons between; none: any");
        if ui.add(edit).accessible_name(format!("Allowed values of field {number}")).changed() {
            field.allowed = match allowed.as_str() {
                "" => Vec::new(),
                values => values.split(';').map(str::to_owned).collect(),
            };
        }
        ui.horizontal_wrapped(|ui| {
            check_ui(ui, &mut field.list, "list", "A text may have several of them");
            let hint = "Where the text does not say it, the field is null";
            check_ui(ui, &mut field.optional, "may be missing", hint);
            let hint = "The words of the text that say it are asked for too, and looked up in it";
            check_ui(ui, &mut field.quote, "with quote", hint);
        });
    });
    removed
}

/// For each field the column in which it was read by hand.
fn by_hand_ui(ui: &mut Ui, form: &mut CodeForm, fields: &[String], columns: &[String]) {
    form.extract.human.retain(|field, _| fields.contains(field));
    if columns.is_empty() {
        return;
    }
    section_ui(ui, "Read by hand");
    let mut choices = vec![String::new()];
    choices.extend(columns.iter().filter(|column| **column != form.text).cloned());
    for field in fields {
        let mut column = form.extract.human.get(field).cloned().unwrap_or_default();
        let hint = "The column in which a person read this field out of the text. The answers are \
                    measured against it; the model does not see it";
        ui.push_id(field, |ui| column_ui(ui, &short(field), hint, &choices, &mut column));
        if column.is_empty() {
            form.extract.human.remove(field);
        } else {
            form.extract.human.insert(field.clone(), column);
        }
    }
}
