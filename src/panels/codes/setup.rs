//! A new study: its table, its codebook, its sample and its order.

use eframe::egui::{Label, Sides, TextEdit, Ui};

use super::list::busy_ui;
use super::variables::variables_ui;
use crate::panels::evaluate::column::column_ui;
use crate::panels::preview::look_ui;
use crate::panels::train::fields::{choice_ui, number_row_ui, problem_ui, row_ui, section_ui};
use crate::state::codes::setup::{Sample, Setup};
use crate::state::codes::{CodesState, Front};
use crate::state::command::{CodesCommand, Commands};
use crate::study::design::Suggest;
use crate::study::plan::Order;
use crate::widgets::button::ActionButton;
use crate::widgets::layout::scrolled_ui;
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
        ui.set_max_width(theme::em(ui) * 46.0);
        ui.spacing_mut().item_spacing.y = 6.0;
        let coder = &mut codes.coder;
        row_ui(ui, "You code as", "Each verdict is kept under this name or number", |ui| {
            let field = TextEdit::singleline(coder).desired_width(theme::em(ui) * 12.0);
            ui.add(field.hint_text("name or number")).accessible_name("You code as");
        });
        let setup = &mut codes.setup;
        table_ui(ui, setup, commands);
        codebook_ui(ui, setup, commands);
        sample_ui(ui, setup);
        order_ui(ui, setup);
        if let Some(obstacle) = setup.obstacle() {
            ui.add_space(theme::GAP);
            problem_ui(ui, &obstacle);
        }
    });
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
    let hint = "A column that says “training” or “check” of some rows. Training rows come first, with \
                the right code shown after the coder's; checks come among the others, and show \
                whether a coder reads";
    column_ui(ui, "Training and checks", hint, &with_none(&columns), &mut setup.role);
    if !setup.role.is_empty() {
        let hint = "The column with the right code of these rows, for the first question";
        column_ui(ui, "Right codes", hint, &with_none(&columns), &mut setup.right);
    }
}

fn with_none(columns: &[String]) -> Vec<String> {
    std::iter::once(String::new()).chain(columns.iter().cloned()).collect()
}

fn codebook_ui(ui: &mut Ui, setup: &mut Setup, commands: &mut Commands) {
    section_ui(ui, "Codebook");
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let label = ui.add(Label::new("Name").selectable(false));
            let width = ui.available_width();
            let field = TextEdit::singleline(&mut setup.codebook.name).desired_width(width);
            ui.add(field.hint_text("kind of contribution")).labelled_by(label.id);
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
        .hint_text("Read the whole text before you choose.");
    ui.add(field).labelled_by(label.id);
    variables_ui(ui, &mut setup.codebook);
}

fn sample_ui(ui: &mut Ui, setup: &mut Setup) {
    section_ui(ui, "Sample");
    let hint = "The probability with which each text is drawn is kept: estimates for the whole \
                table need it";
    row_ui(ui, "Which texts", hint, |ui| {
        let choices = [
            ("all", Sample::All),
            ("at random", Sample::Random),
            ("spread over a column", Sample::Stratified),
            ("least certain first", Sample::Uncertain),
        ];
        choice_ui(ui, "Which texts", &mut setup.sample, &choices, hint);
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
                        the probabilities of all. 30 % of the texts are drawn at random from the \
                        others: without them nothing could be said of these";
            column_ui(ui, "Probabilities", hint, &columns, &mut setup.column);
        }
        Sample::All | Sample::Random => {}
    }
}

fn order_ui(ui: &mut Ui, setup: &mut Setup) {
    section_ui(ui, "Order");
    if setup.sample != Sample::Uncertain {
        let hint = "An order of their own for each coder: tiredness does not meet the same texts";
        row_ui(ui, "Texts come", hint, |ui| {
            let choices = [
                ("at random, for each coder", Order::Random),
                ("at random, the same for all", Order::SameForAll),
                ("as in the table", Order::AsGiven),
            ];
            choice_ui(ui, "Texts come", &mut setup.order, &choices, hint);
        });
    }
    let hint = "So many per cent of the texts are shown a second time, much later: how far a coder \
                agrees with themselves";
    number_row_ui(ui, "Shown again, in %", hint, &mut setup.again, 0..=50);
    let hint = "Draws the sample and the order. The same seed draws the same";
    number_row_ui(ui, "Seed", hint, &mut setup.seed, 0..=1_000_000);
    let hint = "Coders are reminded of a break after so many minutes; 0: never";
    number_row_ui(ui, "Break after, in minutes", hint, &mut setup.break_after, 0..=240);
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
