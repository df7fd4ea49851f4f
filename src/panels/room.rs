//! "Open to phones": where the audience's phones find the page, and who is there.

use std::net::IpAddr;

use eframe::egui::{ComboBox, Label, Sense, Ui, vec2};

use crate::state::command::{Commands, RoomCommand, WindowCommand};
use crate::state::room::{OpenRoom, RoomState, Status};
use crate::widgets::button::ActionButton;
use crate::widgets::card::titled_card_ui;
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::{qr_code, switch};

/// More wrong codes than a hall mistypes.
const MANY_WRONG: u64 = 100;

/// Draws the card.
pub fn room_card_ui(ui: &mut Ui, room: &mut RoomState, commands: &mut Commands) {
    titled_card_ui(
        ui,
        "The phones of the audience",
        |_| {},
        |ui| {
            switch_ui(ui, room, commands);
            ui.add_space(theme::GAP_SMALL);
            match &room.status {
                Status::Open(open) => open_ui(ui, open, commands),
                Status::Opening => {
                    ui.label(theme::muted(ui, "It is being opened"));
                }
                Status::Closed => closed_ui(ui, room, commands),
            }
        },
    );
}

fn switch_ui(ui: &mut Ui, room: &RoomState, commands: &mut Commands) {
    let mut is_on = !matches!(room.status, Status::Closed);
    let can_open = is_on || room.address().is_some();
    let about = "Serves one small page on the local network, with a new code each time. Nothing else \
                 of this computer can be seen";
    ui.add_enabled_ui(can_open, |ui| {
        if switch::switch_ui(ui, &mut is_on, "Open to phones", about).changed() {
            commands.push(if is_on { RoomCommand::Open } else { RoomCommand::Close });
        }
    });
}

fn closed_ui(ui: &mut Ui, room: &mut RoomState, commands: &mut Commands) {
    let words = "The audience votes on its own phones, on a page in their browser: no app, no account, \
                 nothing from the internet, and nothing of a phone is kept. Phones and this \
                 computer have to be in the same network.";
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    ui.add_space(theme::GAP_SMALL);
    ui.horizontal_wrapped(|ui| {
        ui.label("Address");
        let chosen = room.address();
        let words = |ip: Option<IpAddr>| {
            let found = room.addresses.iter().find(|address| Some(address.ip) == ip);
            found.map_or_else(|| "No network".to_owned(), |address| address.words())
        };
        let mut picked = chosen;
        let combo = ComboBox::from_id_salt("room address")
            .selected_text(words(chosen))
            .width(theme::em(ui) * 16.0)
            .truncate()
            .show_ui(ui, |ui| {
                for address in &room.addresses {
                    ui.selectable_value(&mut picked, Some(address.ip), address.words());
                }
            });
        let about = "The network that the phones are in. The likeliest one is first";
        combo.response.accessible_name("Address of the room").on_hover_text(about);
        if picked != chosen {
            room.chosen = picked;
        }
        let again = ActionButton::only_icon(icons::REFRESH, "Look for addresses again");
        if ui.add(again).clicked() {
            commands.push(RoomCommand::FindAddresses);
        }
    });
    let is_alone = room.address().is_some_and(|ip| ip.is_loopback());
    if is_alone {
        let words = "This address is for trying the page in a browser of this computer. Phones need a \
                     network: connect this computer to the one that they are in, or to the hotspot \
                     of a phone.";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
}

fn open_ui(ui: &mut Ui, open: &OpenRoom, commands: &mut Commands) {
    let side = theme::em(ui) * 11.0;
    ui.horizontal_top(|ui| {
        if let Some(qr) = &open.qr
            && ui.available_width() > side * 2.0
        {
            let (rect, _) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
            qr_code::draw(ui.painter(), rect, qr.size, |x, y| qr.is_dark(x, y));
            ui.add_space(theme::GAP);
        }
        ui.vertical(|ui| {
            ui.add(Label::new(theme::strong(ui, open.address.as_str()).heading()).wrap());
            let code = format!("Code {}", open.code);
            ui.add(Label::new(theme::strong(ui, code).heading()).wrap());
            ui.add(Label::new(open.turnout()).wrap());
            ui.add_space(theme::GAP_SMALL);
            ui.horizontal_wrapped(|ui| {
                let about = "The address with the code in it, to be sent to the audience";
                let copy = ActionButton::new("Copy the link").icon(icons::COPY);
                if ui.add(copy).on_hover_text(about).clicked() {
                    commands.push(WindowCommand::CopyText(open.link.clone()));
                }
                let close = ActionButton::new("Close the room").icon(icons::STOP);
                if ui.add(close).clicked() {
                    commands.push(RoomCommand::Close);
                }
            });
            ui.add_space(theme::GAP_SMALL);
            let words = "On the stage, J shows how to join. Scenes that ask the room, and next tokens \
                         that are hidden first, go to the phones by themselves.";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
        });
    });
    ui.add_space(theme::GAP_SMALL);
    let words = "If the page does not open on a phone: it has to be in the same network, and a guest \
                 network often keeps devices apart. A firewall may ask whether this program may be \
                 reached: allow it. Else close the room and choose another address, or let both use \
                 the hotspot of a phone.";
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    if open.folder.is_none() {
        let words = "No project is open: the votes are shown, and not kept.";
        ui.add(Label::new(theme::strong(ui, words)).wrap());
    }
    if open.counts.wrong_codes >= MANY_WRONG {
        let words = format!(
            "{} wrong codes were sent: somebody may be trying codes by machine. Close the room and \
             open it again: it then has a new code.",
            open.counts.wrong_codes
        );
        ui.add(Label::new(theme::strong(ui, words).color(theme::palette(ui).problem)).wrap());
    }
}
