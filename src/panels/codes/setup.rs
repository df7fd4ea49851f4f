//! A new study: its table, its codebook, its sample and its order.

use eframe::egui::{Label, Sides, TextEdit, Ui};

use super::list::busy_ui;
use super::variables::variables_ui;
use crate::evaluate::results::table::OF_MODEL;
use crate::panels::evaluate::column::column_ui;
use crate::panels::preview::look_ui;
use crate::panels::train::fields::{choice_ui, number_row_ui, problem_ui, row_ui, section_ui};
use crate::state::codes::setup::{LogprobsFrom, Sample, Setup, What};
use crate::state::codes::{CodesState, Front};
use crate::state::command::{CodesCommand, Commands};
use crate::study::design::Suggest;
use crate::study::plan::Order;
use crate::widgets::button::ActionButton;
use crate::widgets::layout::scrolled_ui;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

pub(super) fn setup_ui(ui: &mut Ui, codes: &mut CodesState, commands: &mut Commands) {
    let has_coder = !codes.coder.trim().is_empty();
    Sides::new().shrink_left().wrap().show(
        ui,
        |ui| {
            if ui.add(ActionButton::only_icon(icons::BACK, "All studies")).clicked() {
                codes.front = Front::List;
            }
            ui.label(theme::title(ui, "New study"));
        },
        |ui| {
            let obstacle = codes.setup.obstacle().or_else(|| {
                (!has_coder).then(|| "Write your name or number as a coder first".to_owned())
            });
            let make = ActionButton::primary("Begin to code").icon(icons::PLAY);
            let make = ui.add_enabled(obstacle.is_none() && codes.busy.is_none(), make);
            if make.on_disabled_hover_text(obstacle.unwrap_or_default()).clicked() {
                commands.push(CodesCommand::Make);
            }
        },
    );
    busy_ui(ui, codes);
    scrolled_ui(ui, "new study", |ui| {
        ui.set_max_width(ui.available_width().min(theme::em(ui) * 46.0));
        ui.spacing_mut().item_spacing.y = 6.0;
        let coder = &mut codes.coder;
        row_ui(ui, "You code as", "Each verdict is kept under this name or number", |ui| {
            let field = TextEdit::singleline(coder).desired_width(theme::em(ui) * 12.0);
            ui.add(field.hint_text("name or number")).accessible_name("You code as");
        });
        let setup = &mut codes.setup;
        what_ui(ui, setup);
        if setup.what() == What::Pairs {
            pairs_ui(ui, setup, commands);
        } else {
            table_ui(ui, setup, commands);
        }
        codebook_ui(ui, setup, commands);
        sample_ui(ui, setup);
        order_ui(ui, setup);
        if let Some(obstacle) = setup.obstacle() {
            ui.add_space(theme::GAP);
            problem_ui(ui, &obstacle);
        }
    });
}

fn what_ui(ui: &mut Ui, setup: &mut Setup) {
    let mut what = setup.what();
    row_ui(ui, "What is judged", "Texts, or which of two answers is better", |ui| {
        let segments = [
            Segment { value: What::Texts, words: "Texts", explanation: "Each text gets codes" },
            Segment {
                value: What::Pairs,
                words: "Pairs of answers",
                explanation: "Which of two answers to a prompt is better, without saying whose \
                              they are",
            },
        ];
        segmented_ui(ui, &mut what, &segments);
    });
    setup.judge(what);
}

/// The file with the answers.
fn pairs_ui(ui: &mut Ui, setup: &mut Setup, commands: &mut Commands) {
    section_ui(ui, "Pairs");
    let name = setup.table.as_ref().map_or_else(
        || "No answers yet".to_owned(),
        |report| report.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    );
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| ui.add(Label::new(name).truncate()),
        |ui| {
            let choose = ActionButton::new("Choose file…").icon(icons::FILE);
            let hint = "Two or more answers a prompt: preference pairs of TRL, exports of Label \
                        Studio, Argilla, Potato, LLM Comparator, tables. Of more than two, each is \
                        compared with each";
            if ui.add(choose).on_hover_text(hint).clicked() {
                commands.push(CodesCommand::ChooseTable);
            }
            let folder = ActionButton::new("Several models…").icon(icons::FOLDER);
            let hint = "A folder with a file of answers for each model, joined by their prompts";
            if ui.add(folder).on_hover_text(hint).clicked() {
                commands.push(CodesCommand::ChooseFolder);
            }
        },
    );
    let Some(report) = &setup.table else { return };
    look_ui(ui, report);
    let columns = setup.columns().to_vec();
    if columns.is_empty() {
        return;
    }
    let hint = "A column that names each pair, so that verdicts can be joined to other tables";
    column_ui(ui, "Ids", hint, &with_none(&columns), &mut setup.id);
    roles_ui(ui, setup, &columns);
}

/// Which rows are for training and for checks.
fn roles_ui(ui: &mut Ui, setup: &mut Setup, columns: &[String]) {
    let hint = "A column that says “training” or “check” of some rows. Training rows come first, with \
                what is right shown after the coder's verdict; checks come among the others, and show \
                whether a coder reads";
    column_ui(ui, "Training and checks", hint, &with_none(columns), &mut setup.role);
    if setup.role.is_empty() {
        return;
    }
    let hint = if setup.what() == What::Pairs {
        "The column that says which answer of these rows is better: first or second (also a or b, 1 or \
         2), tie, both bad"
    } else {
        "The column with the right code of these rows, for the first question"
    };
    column_ui(ui, "Right codes", hint, &with_none(columns), &mut setup.right);
    let hint = "The column that says why, shown after a training row";
    column_ui(ui, "Explanation", hint, &with_none(columns), &mut setup.feedback);
}

fn table_ui(ui: &mut Ui, setup: &mut Setup, commands: &mut Commands) {
    section_ui(ui, "Texts");
    let name = setup.table.as_ref().map_or_else(
        || "No table yet".to_owned(),
        |report| report.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    );
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| ui.add(Label::new(name).truncate()),
        |ui| {
            let choose = ActionButton::new("Choose table…").icon(icons::FILE);
            let hint = "CSV, Excel, JSON Lines, Parquet and more: a row for each text";
            if ui.add(choose).on_hover_text(hint).clicked() {
                commands.push(CodesCommand::ChooseTable);
            }
        },
    );
    let Some(report) = &setup.table else { return };
    look_ui(ui, report);
    let columns = setup.columns().to_vec();
    column_ui(ui, "Texts", "The column with the texts", &columns, &mut setup.text);
    let hint = "A column that names each text, so that codes can be joined to other tables";
    column_ui(ui, "Ids", hint, &with_none(&columns), &mut setup.id);
    roles_ui(ui, setup, &columns);
}

fn with_none(columns: &[String]) -> Vec<String> {
    std::iter::once(String::new()).chain(columns.iter().cloned()).collect()
}

fn codebook_ui(ui: &mut Ui, setup: &mut Setup, commands: &mut Commands) {
    let of_pairs = setup.what() == What::Pairs;
    section_ui(ui, "Codebook");
    let (name_hint, guideline_hint) = if of_pairs {
        ("helpfulness", "Prefer the answer that is correct, well supported and brief.")
    } else {
        ("kind of contribution", "Read the whole text before you choose.")
    };
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let label = ui.add(Label::new("Name").selectable(false));
            let width = ui.available_width();
            let field = TextEdit::singleline(&mut setup.codebook.name).desired_width(width);
            ui.add(field.hint_text(name_hint)).labelled_by(label.id);
        },
        |ui| {
            let open = ActionButton::new("Open…").icon(icons::FILE);
            let hint = "A codebook in TOML, JSON, CSV or Markdown, also one of Evaluate";
            if ui.add(open).on_hover_text(hint).accessible_name("Open a codebook…").clicked() {
                commands.push(CodesCommand::ChooseCodebook);
            }
        },
    );
    let hint = "What every coder reads before the first item, in Markdown. It is one key away (?), \
                and its version stands in every verdict";
    let label = ui.add(Label::new("Guideline").selectable(false)).on_hover_text(hint);
    let field = TextEdit::multiline(&mut setup.codebook.guideline)
        .desired_width(f32::INFINITY)
        .desired_rows(3)
        .hint_text(guideline_hint);
    ui.add(field).labelled_by(label.id);
    variables_ui(ui, &mut setup.codebook, of_pairs);
}

fn sample_ui(ui: &mut Ui, setup: &mut Setup) {
    section_ui(ui, "Sample");
    let of_pairs = setup.what() == What::Pairs;
    let (which, least) = if of_pairs {
        ("Which pairs", ("hardest to tell apart first", Sample::Closest))
    } else {
        ("Which texts", ("least certain first", Sample::Uncertain))
    };
    let hint = "The probability with which each of them is drawn is kept: estimates for the whole \
                table need it";
    row_ui(ui, which, hint, |ui| {
        let choices = [
            ("all", Sample::All),
            ("at random", Sample::Random),
            ("spread over a column", Sample::Stratified),
            least,
        ];
        choice_ui(ui, which, &mut setup.sample, &choices, hint);
    });
    if setup.sample == Sample::All {
        return;
    }
    let rows = setup.table.as_ref().map_or(1_000_000, |report| report.rows as usize);
    number_row_ui(ui, "How many", "So many texts are coded", &mut setup.count, 1..=rows.max(1));
    let columns = with_none(setup.columns());
    match setup.sample {
        Sample::Stratified => {
            let hint = "Each of its values gets a part in proportion, and at least one text";
            column_ui(ui, "Spread over", hint, &columns, &mut setup.column);
        }
        Sample::Uncertain => {
            let hint = "A column with a model's probability of one of two labels, or with a list of \
                        the probabilities of all; of an evaluation's results (model_p_…) those of all \
                        labels count. 30 % of the texts are drawn at random from the \
                        others: without them nothing could be said of these";
            column_ui(ui, "Probabilities", hint, &columns, &mut setup.column);
            let together = setup.probabilities().len();
            if together > 1 {
                let words = format!("The {together} columns {OF_MODEL}… count together");
                ui.label(theme::muted(ui, words));
            }
        }
        Sample::Closest => closest_ui(ui, setup, &columns),
        Sample::All | Sample::Random => {}
    }
}

/// Whose log-probabilities say which pairs are hard to tell apart.
fn closest_ui(ui: &mut Ui, setup: &mut Setup, columns: &[String]) {
    let hint = "Pairs whose two answers a model finds equally likely come first: the mean \
                log-probability of an answer's tokens given the prompt. 30 % of the pairs are drawn at \
                random from the others: without them nothing could be said of these";
    row_ui(ui, "Log-probabilities", hint, |ui| {
        let choices =
            [("by the loaded model", LogprobsFrom::Model), ("in the file", LogprobsFrom::Columns)];
        choice_ui(ui, "Log-probabilities", &mut setup.logprobs_from, &choices, hint);
    });
    if setup.logprobs_from == LogprobsFrom::Columns {
        let [first, second] = &mut setup.logprobs;
        column_ui(ui, "Of the first answer", hint, columns, first);
        column_ui(ui, "Of the second answer", hint, columns, second);
    }
}

fn order_ui(ui: &mut Ui, setup: &mut Setup) {
    section_ui(ui, "Order");
    let of_pairs = setup.what() == What::Pairs;
    if !matches!(setup.sample, Sample::Uncertain | Sample::Closest) {
        let hint = "An order of their own for each coder: tiredness does not meet the same texts";
        let come = if of_pairs { "Pairs come" } else { "Texts come" };
        row_ui(ui, come, hint, |ui| {
            let choices = [
                ("at random, for each coder", Order::Random),
                ("at random, the same for all", Order::SameForAll),
                ("as in the table", Order::AsGiven),
            ];
            choice_ui(ui, come, &mut setup.order, &choices, hint);
        });
    }
    let hint = if of_pairs {
        "So many per cent of the pairs are shown a second time, much later and with the sides swapped: \
         how far a coder agrees with themselves, and whether the side decides"
    } else {
        "So many per cent of the texts are shown a second time, much later: how far a coder agrees \
         with themselves"
    };
    number_row_ui(ui, "Shown again, in %", hint, &mut setup.again, 0..=50);
    let hint = "Draws the sample and the order. The same seed draws the same";
    number_row_ui(ui, "Seed", hint, &mut setup.seed, 0..=1_000_000);
    let hint = "Coders are reminded of a break after so many minutes; 0: never";
    number_row_ui(ui, "Break after, in minutes", hint, &mut setup.break_after, 0..=240);
    let hint = "A sitting ends after so many verdicts: the coder is told so, and may begin another one; \
                0: never";
    number_row_ui(ui, "Stop after, in verdicts", hint, &mut setup.stop_after_items, 0..=10_000);
    let hint = "The same after so many minutes";
    number_row_ui(ui, "Stop after, in minutes", hint, &mut setup.stop_after_minutes, 0..=600);
    if of_pairs {
        return;
    }
    let hint = "Whether a coder sees what a model says. Open the study to choose an evaluation";
    row_ui(ui, "A model's suggestion", hint, |ui| {
        let choices = [
            ("is not shown", Suggest::Never),
            ("stands beside the text", Suggest::Before),
            ("comes after the verdict", Suggest::After),
        ];
        choice_ui(ui, "A model's suggestion", &mut setup.suggest, &choices, hint);
    });
    if setup.suggest != Suggest::Never {
        let hint = "Of so many per cent of the texts, drawn at random, nothing is suggested: how \
                    far suggestions pull can be measured then";
        number_row_ui(ui, "Withheld, in %", hint, &mut setup.withheld, 0..=100);
    }
}
