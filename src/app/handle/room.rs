//! The room: opening it, and putting to the phones what is in front of the window.

use std::io;

use crate::app::Workbench;
use crate::app::tasks::find_addresses::FindAddresses;
use crate::app::tasks::keep_room::{KeepRoom, RoomRequest};
use crate::app::tasks::save_votes::SaveVotes;
use crate::lecture::scene::View;
use crate::room::answers::folded;
use crate::room::ballots::{Room, State};
use crate::room::coding;
use crate::room::question::{Kind, Question};
use crate::state::command::RoomCommand;
use crate::state::notice::Notice;
use crate::state::playground::view::PlaygroundView;
use crate::state::prefs::PanelId;
use crate::state::room::{ItemAsked, ItemKey, PairAsked, Source, Status};
use crate::web::listen::Place;
use crate::words::counted;

/// Of a long text, a phone gets the end: that is where the next token comes.
const MOST_ABOUT: usize = 1_500;

/// So many of the likeliest tokens are offered to choose from.
const MOST_OFFERED: usize = 6;

impl Workbench {
    #[expect(clippy::needless_pass_by_value, reason = "as every panel's handler takes its command")]
    pub(super) fn handle_room(&mut self, command: RoomCommand) {
        match command {
            RoomCommand::FindAddresses => {
                self.start_instead(FindAddresses, ());
            }
            RoomCommand::Open => self.open_room(),
            RoomCommand::Close => self.tasks.stop::<KeepRoom>(),
            RoomCommand::AskPair => {
                let key = self.state.annotate.pair_key();
                self.state.room.pair = key.map(|key| PairAsked { key, is_revealed: false });
            }
            RoomCommand::RevealPair => {
                if let Some(pair) = &mut self.state.room.pair {
                    pair.is_revealed = true;
                }
            }
            RoomCommand::TakePairAway => self.state.room.pair = None,
            RoomCommand::AskItem(key) => {
                self.state.room.item = Some(ItemAsked { key, is_revealed: false });
            }
            RoomCommand::RevealItem => {
                if let Some(item) = &mut self.state.room.item {
                    item.is_revealed = true;
                }
            }
            RoomCommand::TakeItemAway => self.state.room.item = None,
        }
    }

    fn open_room(&mut self) {
        if self.tasks.has::<KeepRoom>() {
            return;
        }
        self.state.notices.clear(PanelId::Lectures);
        let Some(ip) = self.state.room.address() else { return };
        let title = self.state.lectures.front.as_ref().map(|front| &front.opened.lecture.title);
        let room = Room::new(title.map_or("", String::as_str));
        // A name that a file system takes: 2026-11-28T18-30-00.123Z.
        let time = self.host.timestamp().replace(':', "-");
        let folder = self.project.as_ref().map(|open| open.folder.join("rooms").join(time));
        let place = Place { ip, port: None };
        let request = RoomRequest { room: room.clone(), place, folder: folder.clone() };
        self.state.room.status = Status::Opening;
        self.start(KeepRoom { room, folder }, request);
    }

    pub(in crate::app) fn tell_votes_not_kept(&mut self, error: &io::Error) {
        let summary = "The votes of the room could not be written into the project";
        let notice = Notice::error(PanelId::Lectures, summary, error);
        let hint = "They are in memory while the room is open. Is the disk full, or the project's \
                    folder read-only?";
        self.state.notices.push(notice.hint(hint));
    }

    /// Puts to the room what is in front of the window, where that has changed. Called once a frame.
    pub(in crate::app) fn ask_room(&mut self) {
        let is_seen = self.state.prefs.panel == PanelId::Lectures;
        if is_seen && !std::mem::replace(&mut self.state.room.is_looked_for, true) {
            self.start_instead(FindAddresses, ());
        }
        let wanted = self.in_front();
        let Some(open) = self.state.room.open() else { return };
        if open.front == wanted {
            return;
        }
        let (room, before) = (open.room.clone(), open.front);
        let Some((source, is_revealed)) = wanted else {
            room.take_away();
            self.set_front(None);
            return;
        };
        if before.is_none_or(|(before, _)| before != source) {
            let Some(question) = self.question(source) else { return };
            if let Err(err) = room.ask(question) {
                room.take_away();
                let summary = "The phones cannot be asked this";
                self.state.notices.push(Notice::error(self.state.prefs.panel, summary, &err));
            }
        }
        if is_revealed {
            room.reveal();
        }
        self.set_front(wanted);
        if is_revealed {
            self.save_votes();
            if let Source::Item(_) = source {
                self.take_room_into_study(&room);
            }
        }
    }

    /// What phones said of texts becomes verdicts of coders without a name.
    fn take_room_into_study(&mut self, room: &Room) {
        let at = self.host.timestamp();
        let name = format!("room-{}", room.code());
        let Some(session) = &mut self.state.codes.session else { return };
        let taken = coding::take_votes(&mut session.folder, &room.asked(), &name, &at);
        self.state.notices.push(match taken {
            Ok(coders) => {
                let summary = format!(
                    "The votes of {} are in the study: Agreement counts them as coders",
                    counted(coders.len(), "phone", "phones")
                );
                Notice::info(PanelId::Annotate, summary)
            }
            Err(err) => {
                let summary = "The votes of the phones could not be taken into the study";
                Notice::error(PanelId::Annotate, summary, &err)
            }
        });
    }

    fn set_front(&mut self, front: Option<(Source, bool)>) {
        if let Some(open) = self.state.room.open_mut() {
            open.front = front;
        }
    }

    fn save_votes(&mut self) {
        let Some(open) = self.state.room.open() else { return };
        if let Some(folder) = open.folder.clone() {
            let asked = open.room.asked();
            self.start_instead(SaveVotes, (asked, folder));
        }
    }

    /// What the room would be asked now, and whether its counts are shown.
    fn in_front(&self) -> Option<(Source, bool)> {
        let state = &self.state;
        if let Some((front, stage)) = state.lectures.on_stage() {
            let scene = front.scene(stage.at)?;
            let asks = matches!(scene.view, View::Ask { .. })
                || (matches!(scene.view, View::Next { .. }) && scene.reveal);
            let source = Source::Scene { lecture: front.number, at: stage.at };
            return asks.then(|| (source, stage.revealed() > 0));
        }
        if let Some(pair) = state.room.pair
            && state.annotate.pair_key() == Some(pair.key)
        {
            return Some((Source::Pair(pair.key), pair.is_revealed));
        }
        if let Some(item) = state.room.item
            && state.codes.is_coding()
            && state.codes.session.as_ref().is_some_and(|session| session.has_in_front(item.key))
        {
            return Some((Source::Item(item.key), item.is_revealed));
        }
        let vote = &state.playground.vote;
        let is_asked = vote.is_on && vote.asks_phones;
        let is_there = state.playground.view == PlaygroundView::Sampler;
        (is_asked && is_there).then(|| (Source::Guess { round: vote.round() }, vote.is_revealed))
    }

    /// What the phones show. `None`: it is not there (any more).
    fn question(&mut self, source: Source) -> Option<Question> {
        let id = source.id();
        match source {
            Source::Scene { at, .. } => {
                let scene = self.state.lectures.front.as_ref()?.scene(at)?;
                match &scene.view {
                    View::Ask { text, about, kind } => {
                        let question = Question::new(&id, text, kind.clone());
                        Some(Question { about: about.clone(), ..question })
                    }
                    View::Next { text, .. } => {
                        let question = Question::new(&id, "What comes next?", Kind::Words);
                        Some(Question { about: end_of(text), ..question })
                    }
                    _ => None,
                }
            }
            Source::Guess { .. } => {
                let kind = if self.state.playground.vote.offers_tokens {
                    let options = self.likeliest_words();
                    if options.len() < 2 {
                        Kind::Words
                    } else {
                        Kind::Choice { options, other: true }
                    }
                } else {
                    Kind::Words
                };
                let question = Question::new(&id, "What comes next?", kind);
                Some(Question { about: end_of(&self.state.playground.text_before()), ..question })
            }
            Source::Item(ItemKey { item, variable }) => {
                let session = self.state.codes.session.as_ref()?;
                match coding::question(&session.folder, item, variable) {
                    Ok(question) => Some(question),
                    Err(why) => {
                        self.state.room.item = None;
                        let summary = "The phones cannot be asked about this text";
                        let notice = Notice::problem(PanelId::Annotate, summary);
                        self.state.notices.push(notice.hint(why));
                        None
                    }
                }
            }
            Source::Pair(_) => {
                let (prompt, [left, right]) = self.state.annotate.pair_in_front()?;
                let kind = Kind::Pair { left: left.to_owned(), right: right.to_owned() };
                let question = Question::new(&id, "Which answer is better?", kind);
                Some(Question { about: end_of(&prompt), ..question })
            }
        }
    }

    /// The likeliest next tokens that are words, in the order of the alphabet: the order must not
    /// tell which is the likeliest.
    fn likeliest_words(&mut self) -> Vec<String> {
        let Some(card) = self.state.model.ready() else { return Vec::new() };
        let params = &self.state.prefs.sampling;
        let view = self.state.playground.pipeline(params, &card.tokenizer);
        let Some(Ok(view)) = view else { return Vec::new() };
        let mut words: Vec<String> = Vec::new();
        for row in &view.rows {
            let word = row.text.trim();
            let is_word = word.chars().any(char::is_alphanumeric);
            if is_word && words.iter().all(|other| folded(other) != folded(word)) {
                words.push(word.to_owned());
            }
            if words.len() == MOST_OFFERED {
                break;
            }
        }
        words.sort_by_key(|word| word.to_lowercase());
        words
    }

    /// The room's guesses go to the others once the vote is closed.
    pub(in crate::app) fn take_guesses(&mut self) {
        let vote = &mut self.state.playground.vote;
        let source = Source::Guess { round: vote.round() };
        let Some(tally) = self.state.room.open().and_then(|open| open.tally(source)) else {
            return;
        };
        if tally.state == State::Revealed && vote.is_revealed {
            vote.take_phones(tally.bars.iter().map(|bar| (bar.label.as_str(), bar.votes)));
        }
    }
}

/// The end of a text that is too long for a phone.
fn end_of(text: &str) -> String {
    let count = text.chars().count();
    if count <= MOST_ABOUT {
        return text.to_owned();
    }
    let end: String = text.chars().skip(count - MOST_ABOUT).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_the_end_is_shown() {
        assert_eq!(end_of("Once"), "Once");
        let long = format!("{}end", "ü".repeat(2_000));
        let shown = end_of(&long);
        assert!(shown.starts_with('…') && shown.ends_with("end"));
        assert_eq!(shown.chars().count(), MOST_ABOUT + 1);
    }
}
