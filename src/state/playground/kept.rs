//! Conversations on the disk: what of them is to be written, and what comes back.

use super::PlaygroundState;
use super::turn::{Chat, Keeping, LaneView, Others, Turn, Version};
use crate::prompts::chats;
use crate::prompts::chats::Said;
use crate::state::prefs::{KeptChat, KeptTurn};

impl PlaygroundState {
    /// The conversations that no project keeps, as text, oldest first: the preferences have them until
    /// one does.
    pub fn kept(&self) -> Vec<KeptChat> {
        let turn = |(question, answer): (String, String)| KeptTurn { question, answer };
        let past = self.past.iter().filter(|chat| !chat.keeping.is_saved).map(|chat| {
            let turns = chat.turns.iter();
            turns.map(|it| turn((it.question.clone(), it.answer.clone()))).collect()
        });
        let front: KeptChat = if self.keeping.is_saved {
            Vec::new()
        } else {
            self.exchanges().into_iter().map(turn).collect()
        };
        past.chain([front]).filter(|chat: &KeptChat| !chat.is_empty()).collect()
    }

    /// Conversations of an earlier start that no project has kept.
    pub fn restore(&mut self, chats: &[KeptChat]) {
        self.past = chats
            .iter()
            .map(|chat| {
                let turns = chat.iter().map(|KeptTurn { question, answer }| Turn {
                    question: question.clone(),
                    answer: answer.clone(),
                    ..Turn::default()
                });
                let keeping = Keeping { is_dirty: true, ..Keeping::default() };
                Chat { keeping, system: String::new(), turns: turns.collect() }
            })
            .collect();
    }

    /// The conversations of a project that was opened. Those that no project keeps yet are kept in
    /// this one.
    pub fn set_chats(&mut self, chats: Vec<chats::Chat>) {
        if self.running {
            // It continues, as a conversation of this project.
            self.keeping = Keeping { is_dirty: true, ..Keeping::default() };
        } else if self.keeping.is_saved || self.keeping.is_dirty {
            self.new_chat();
        }
        let unsaved: Vec<Chat> =
            self.past.drain(..).filter(|chat| !chat.keeping.is_saved).collect();
        self.past = chats.into_iter().map(opened).collect();
        let known: Vec<String> = self.past.iter().map(|chat| chat.keeping.id.clone()).collect();
        self.past.extend(unsaved.into_iter().map(|mut chat| {
            if known.contains(&chat.keeping.id) {
                chat.keeping.id.clear();
            }
            chat.keeping.is_dirty = true;
            chat
        }));
    }

    /// Whether a conversation is to be written.
    pub fn has_chats_to_keep(&self) -> bool {
        let is_due = |keeping: &Keeping| keeping.is_dirty;
        (is_due(&self.keeping) && !self.running) || self.past.iter().any(|it| is_due(&it.keeping))
    }

    /// Every conversation that is to be written, under its name. `now`: RFC 3339 in UTC.
    pub fn take_chats_to_keep(
        &mut self,
        now: &str,
        fresh: &mut dyn FnMut() -> u64,
    ) -> Vec<chats::Chat> {
        let mut due = Vec::new();
        for chat in self.past.iter_mut().filter(|chat| chat.keeping.is_dirty) {
            begin(&mut chat.keeping, now, fresh);
            due.push(closed(&chat.keeping, &chat.system, &chat.turns));
        }
        if self.keeping.is_dirty && !self.running {
            let turns = self.front_path();
            if turns.is_empty() {
                self.keeping.is_dirty = false;
            } else {
                begin(&mut self.keeping, now, fresh);
                due.push(closed(&self.keeping, &self.system, &turns));
            }
        }
        due
    }

    /// These were written.
    pub fn chats_are_kept(&mut self, ids: &[String]) {
        let all = self.past.iter_mut().map(|chat| &mut chat.keeping).chain([&mut self.keeping]);
        for keeping in all.filter(|keeping| ids.contains(&keeping.id)) {
            keeping.is_saved = !keeping.is_dirty;
        }
    }

    /// All turns of the conversation in front.
    fn front_path(&self) -> Vec<Turn> {
        let mut turns = self.turns.clone();
        let count = turns.len();
        if let Some((question, answer)) = self.exchanges().into_iter().nth(count) {
            turns.push(Turn {
                question,
                answer,
                lanes: self.lanes.clone(),
                said: Vec::new(),
                followed: self.followed_lane(),
                asked: self.asked.clone(),
                others: self.others.clone(),
            });
        }
        turns
    }
}

/// A conversation is about to be written.
fn begin(keeping: &mut Keeping, now: &str, fresh: &mut dyn FnMut() -> u64) {
    if keeping.id.is_empty() {
        // `2026-11-29T02:28:11.123Z` as `2026-11-29-022811`, and a number that no other window has.
        let day = now.get(..10).unwrap_or(now);
        let time: String = now.chars().skip(11).take(8).filter(char::is_ascii_digit).collect();
        keeping.id = format!("{day}-{time}-{:04x}", fresh() & 0xffff);
        now.clone_into(&mut keeping.started_at);
    }
    now.clone_into(&mut keeping.changed_at);
    keeping.is_dirty = false;
}

fn closed(keeping: &Keeping, system: &str, turns: &[Turn]) -> chats::Chat {
    chats::Chat {
        id: keeping.id.clone(),
        started_at: keeping.started_at.clone(),
        changed_at: keeping.changed_at.clone(),
        system: system.to_owned(),
        turns: turns.iter().map(closed_turn).collect(),
    }
}

fn closed_turn(turn: &Turn) -> chats::Turn {
    let Others { before, after } = &turn.others;
    let other = |version: &Version| closed_version(&version.turn, &version.later);
    let mut versions: Vec<chats::Version> = before.iter().map(other).collect();
    let shown = versions.len();
    versions.push(closed_version(turn, &[]));
    versions.extend(after.iter().map(other));
    chats::Turn { shown, versions }
}

fn closed_version(turn: &Turn, later: &[Turn]) -> chats::Version {
    let said = if turn.lanes.is_empty() {
        turn.said.clone()
    } else {
        let said = |lane: &LaneView| Said {
            text: lane.text(),
            seed: lane.lane.seed,
            adapter: lane.lane.adapter,
        };
        turn.lanes.iter().map(said).collect()
    };
    chats::Version {
        question: turn.question.clone(),
        answer: turn.answer.clone(),
        followed: turn.followed,
        said,
        asked: turn.asked.clone(),
        later: later.iter().map(closed_turn).collect(),
    }
}

fn opened(chat: chats::Chat) -> Chat {
    let chats::Chat { id, started_at, changed_at, system, turns } = chat;
    let keeping = Keeping { id, started_at, changed_at, is_dirty: false, is_saved: true };
    Chat { keeping, system, turns: turns.into_iter().map(opened_turn).collect() }
}

fn opened_turn(turn: chats::Turn) -> Turn {
    let mut versions = turn.versions.into_iter().map(|version| {
        let chats::Version { question, answer, followed, said, asked, later } = version;
        let later = later.into_iter().map(opened_turn).collect();
        let lanes = Vec::new();
        let others = Others::default();
        Version { turn: Turn { question, answer, lanes, said, followed, asked, others }, later }
    });
    let before: Vec<Version> = versions.by_ref().take(turn.shown).collect();
    let shown = versions.next().map(|version| version.turn).unwrap_or_default();
    Turn { others: Others { before, after: versions.collect() }, ..shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(question: &str, answer: &str) -> KeptTurn {
        KeptTurn { question: question.to_owned(), answer: answer.to_owned() }
    }

    /// WINDOW A6.
    #[test]
    fn conversations_come_back_after_a_restart() {
        let mut state = PlaygroundState::default();
        let first = vec![turn("Why?", "Because."), turn("So?", "Yes.")];
        let second = vec![turn("What?", "That.")];
        state.restore(&[first.clone(), second.clone()]);
        assert!(!state.has_chat() && state.has_past());
        state.open_chat(1);
        assert_eq!(state.turns.len(), 1);
        assert_eq!(state.turns[0].answer, "That.");
        assert_eq!(state.kept(), [first, second]);
        // A project keeps them from now on.
        let mut number = 0;
        let due = state.take_chats_to_keep("2026-11-29T02:28:11.123Z", &mut || {
            number += 1;
            number
        });
        assert_eq!(due[0].id, "2026-11-29-022811-0001");
        let ids: Vec<String> = due.into_iter().map(|chat| chat.id).collect();
        state.chats_are_kept(&ids);
        assert!(state.kept().is_empty() && !state.has_chats_to_keep());
    }

    #[test]
    fn every_version_comes_back_from_the_file() {
        let mut state = PlaygroundState::default();
        let kept = |text: &str| chats::Version {
            question: "Q".to_owned(),
            answer: text.to_owned(),
            ..chats::Version::default()
        };
        let later = vec![chats::Turn { shown: 0, versions: vec![kept("later")] }];
        let versions = vec![chats::Version { later, ..kept("one") }, kept("two"), kept("three")];
        let chat = chats::Chat {
            id: "a".to_owned(),
            turns: vec![chats::Turn { shown: 1, versions }],
            ..chats::Chat::default()
        };
        state.set_chats(vec![chat.clone()]);
        let listed = &state.past_chats()[0];
        assert_eq!(listed.title(), "Q");
        assert!(listed.fits("LATER one three") && !listed.fits("four"));
        state.open_chat(0);
        assert_eq!((state.versions(0), state.turns[0].answer.as_str()), ((2, 3), "two"));
        state.step_version(0, false);
        assert_eq!(state.turns[1].answer, "later", "what followed it is there again");
        state.step_version(0, true);
        let due = state.take_chats_to_keep("2026-11-30T00:00:00Z", &mut || 0);
        assert_eq!(due[0].turns, chat.turns);
    }
}
