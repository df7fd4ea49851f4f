//! "A model on a server…": a server's model takes the place of the one in memory, after the server was
//! asked what it can do.

use eframe::egui::{CollapsingHeader, ComboBox, Grid, Label, RichText, TextEdit, Ui};

use crate::remote::probe::{Exactness, Probe};
use crate::state::command::{Commands, ModelsCommand};
use crate::state::remote::RemoteState;
use crate::state::slots::ModelSlot;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui, decoration_ui, titled_card_ui};
use crate::widgets::choice::value_ui;
use crate::widgets::theme::{self, icons};

/// Draws the form, or the model that is used; nothing before the button was pressed.
pub fn remote_ui(ui: &mut Ui, remote: &mut RemoteState, slot: &ModelSlot, commands: &mut Commands) {
    if let ModelSlot::Remote(probe) = slot {
        card_ui(ui, |ui| used_ui(ui, probe, commands));
    } else if remote.is_asked {
        form_ui(ui, remote, commands);
    } else {
        return;
    }
    ui.add_space(theme::GAP_LARGE);
}

fn used_ui(ui: &mut Ui, probe: &Probe, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        decoration_ui(ui, theme::icon(ui, icons::SERVE).color(theme::palette(ui).accent));
        ui.add(Label::new(theme::title(ui, &probe.model)).wrap());
        chip_ui(ui, Tone::Accent, None, "On a server");
        exactness_ui(ui, probe);
    });
    let words = format!(
        "{} answers in the Playground, in Annotate and in Evaluate. No hash of its weights is known: \
         verdicts and results name the server and the model's name there. Look inside and Train need \
         a model on this computer.",
        probe.address
    );
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    verdict_ui(ui, probe);
    abilities_ui(ui, probe);
    ui.add_space(theme::GAP_SMALL);
    if ui.add(ActionButton::new("Leave this server").icon(icons::EJECT)).clicked() {
        commands.push(ModelsCommand::Unload);
    }
}

fn form_ui(ui: &mut Ui, remote: &mut RemoteState, commands: &mut Commands) {
    let mut closes = false;
    let aside = |ui: &mut Ui| {
        closes = ui.add(ActionButton::only_icon(icons::CLOSE, "Close")).clicked();
    };
    titled_card_ui(ui, "A model on a server", aside, |ui| {
        // What is found is of the address that was asked.
        ui.add_enabled_ui(!remote.is_probing, |ui| fields_ui(ui, remote));
        let words = "What you ask, and the texts of your tables, go to this server. It is asked two \
                     dozen short questions first, to find out what it can do.";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        ui.add_space(theme::GAP_SMALL);
        if remote.is_probing {
            ui.horizontal_wrapped(|ui| {
                ui.label("The server is being asked what it can do…");
                if ui.add(ActionButton::new("Stop").icon(icons::STOP)).clicked() {
                    commands.push(ModelsCommand::StopProbing);
                }
            });
            return;
        }
        let Some(probe) = remote.found.clone() else {
            let is_there = !remote.address.trim().is_empty();
            let look = ActionButton::primary("Look at the server").icon(icons::VERIFY);
            let look = ui.add_enabled(is_there, look);
            if look.on_disabled_hover_text("Type its address first").clicked() {
                commands.push(ModelsCommand::ProbeServer);
            }
            return;
        };
        if models_ui(ui, remote, &probe) {
            commands.push(ModelsCommand::ProbeServer);
        }
        verdict_ui(ui, &probe);
        ui.add_space(theme::GAP_SMALL);
        ui.horizontal_wrapped(|ui| {
            if ui.add(ActionButton::primary("Use this model").icon(icons::PLAY)).clicked() {
                commands.push(ModelsCommand::UseServer);
            }
            if ui.add(ActionButton::new("Look again").icon(icons::REFRESH)).clicked() {
                commands.push(ModelsCommand::ProbeServer);
            }
        });
        abilities_ui(ui, &probe);
    });
    if closes {
        remote.is_asked = false;
    }
}

fn fields_ui(ui: &mut Ui, remote: &mut RemoteState) {
    let width = (ui.available_width() - theme::em(ui) * 7.0).min(theme::em(ui) * 30.0);
    let grid = Grid::new("server").num_columns(2).spacing([theme::GAP, theme::GAP_SMALL]);
    grid.show(ui, |ui| {
        let label = ui.label("Address").on_hover_text("The base URL that its programs are given");
        let field = TextEdit::singleline(&mut remote.address);
        let field = field.hint_text("http://localhost:8000/v1").desired_width(width);
        if ui.add(field).labelled_by(label.id).changed() {
            remote.address_changed();
        }
        ui.end_row();
        let about = "Only where the server wants one. It goes to this address only. It is kept in the \
                     system's keyring where there is one, else in a file only you can read; empty: the \
                     one that was kept";
        let label = ui.label("Key").on_hover_text(about);
        let field = TextEdit::singleline(&mut remote.key).password(true);
        let field = field.hint_text("none, or the one that is kept").desired_width(width);
        ui.add(field).labelled_by(label.id).on_hover_text(about);
        ui.end_row();
    });
}

/// Which of its models. True: another one was chosen.
fn models_ui(ui: &mut Ui, remote: &mut RemoteState, probe: &Probe) -> bool {
    let mut is_other = false;
    ui.horizontal_wrapped(|ui| {
        let name = ui.label("Model");
        if probe.models.len() < 2 {
            ui.add(Label::new(theme::strong(ui, &probe.model)).wrap());
        } else {
            let chooser = ComboBox::from_id_salt("server model")
                .selected_text(&remote.model)
                .width((theme::em(ui) * 20.0).min(ui.available_width()))
                .truncate();
            let chosen = chooser.show_ui(ui, |ui| {
                for model in &probe.models {
                    let option = value_ui(ui, &mut remote.model, model.clone(), model);
                    is_other |= option.changed();
                }
            });
            chosen.response.labelled_by(name.id);
        }
        exactness_ui(ui, probe);
    });
    is_other
}

fn exactness_ui(ui: &mut Ui, probe: &Probe) {
    let (tone, words) = match probe.exactness {
        _ if !probe.lies.is_empty() => (Tone::Problem, "Contradicts itself"),
        Exactness::Exact => (Tone::Chosen, "Exact probabilities"),
        Exactness::TopOnly => (Tone::Rejected, "Approximate"),
        Exactness::None => (Tone::Rejected, "No probabilities"),
    };
    chip_ui(ui, tone, None, words).on_hover_text(probe.verdict());
}

/// What was found out about it, in a sentence, and where it contradicts itself.
fn verdict_ui(ui: &mut Ui, probe: &Probe) {
    let p = theme::palette(ui);
    ui.add(Label::new(probe.verdict()).wrap());
    for lie in &probe.lies {
        ui.add(Label::new(RichText::new(lie).color(p.problem)).wrap());
    }
}

fn abilities_ui(ui: &mut Ui, probe: &Probe) {
    let p = theme::palette(ui);
    let count = probe.abilities.iter().filter(|ability| ability.has).count();
    let title = format!("What it can do: {count} of {}", probe.abilities.len());
    CollapsingHeader::new(title).id_salt("abilities").default_open(true).show(ui, |ui| {
        for ability in &probe.abilities {
            ui.horizontal_wrapped(|ui| {
                let (icon, ink) =
                    if ability.has { (icons::DONE, p.accent) } else { (icons::CLOSE, p.muted) };
                decoration_ui(ui, theme::icon(ui, icon).color(ink));
                let name = if ability.has { "" } else { "no " };
                ui.label(format!("{name}{}", ability.name.replace('_', " ")));
                ui.add(Label::new(theme::muted(ui, &ability.detail)).wrap());
            });
        }
    });
}
