//! The phones of the audience as the window shows them: closed, or open at an address with a code; the
//! question in front and its counts.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::room::address::Address;
use crate::room::ballots::{Counts, Room, Tally};
use crate::room::coding;
use crate::room::qr::QrCode;

/// Everything of it.
#[derive(Debug, Default)]
pub struct RoomState {
    /// At which phones could reach this computer, the likeliest first.
    pub addresses: Vec<Address>,

    /// They have been looked for.
    pub is_looked_for: bool,

    /// `None`: the first of them.
    pub chosen: Option<IpAddr>,
    pub status: Status,

    /// The pair of Annotate that the room is asked about.
    pub pair: Option<PairAsked>,

    /// The text of a study that the room is asked about.
    pub item: Option<ItemAsked>,
}

/// How far it is.
#[derive(Debug, Default)]
pub enum Status {
    /// Nothing is served.
    #[default]
    Closed,
    Opening,
    Open(Box<OpenRoom>),
}

/// A pair of Annotate that is shown to the phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairAsked {
    pub key: PairKey,
    pub is_revealed: bool,
}

/// A text of a study that is shown to the phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemAsked {
    pub key: ItemKey,
    pub is_revealed: bool,
}

/// Which text of the study, and which of its questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemKey {
    pub item: usize,
    pub variable: usize,
}

/// Two answers: which prompt of the queue, and which attempt at answering it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairKey {
    pub prompt: usize,
    pub attempt: u64,
}

/// What is in front of the room, by where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A scene of the lecture with this number.
    Scene {
        lecture: u64,
        at: usize,
    },

    /// The next token in the Playground, in this round of guesses.
    Guess {
        round: u64,
    },
    Pair(PairKey),
    Item(ItemKey),
}

impl Source {
    /// As the files of votes name it.
    pub fn id(self) -> String {
        match self {
            Self::Scene { lecture, at } => format!("lecture-{lecture}-scene-{}", at + 1),
            Self::Guess { round } => format!("next-token-{round}"),
            Self::Pair(PairKey { prompt, attempt }) => {
                format!("pair-{}-{}", prompt + 1, attempt + 1)
            }
            Self::Item(ItemKey { item, variable }) => coding::id(item, variable),
        }
    }
}

/// A room that phones can join.
#[derive(Debug)]
pub struct OpenRoom {
    pub room: Room,

    /// `http://192.168.1.20:8080`: what is typed.
    pub address: String,

    /// The same with the code: what the QR code says.
    pub link: String,
    pub code: String,
    pub qr: Option<QrCode>,
    pub counts: Counts,

    /// What was last put to it, and whether its counts are shown.
    pub front: Option<(Source, bool)>,

    /// Where its votes are kept. `None`: no project is open.
    pub folder: Option<PathBuf>,
}

impl OpenRoom {
    pub fn new(room: Room, address: String, link: String, folder: Option<PathBuf>) -> Self {
        let (code, qr) = (room.code().to_string(), QrCode::of(&link));
        Self { room, address, link, code, qr, counts: Counts::default(), front: None, folder }
    }

    /// The counts of a question, once they have come.
    pub fn tally(&self, source: Source) -> Option<&Tally> {
        let is_front = self.front.is_some_and(|(front, _)| front == source);
        self.counts.tally.as_ref().filter(|tally| is_front && tally.id == source.id())
    }

    /// `12 answers · 30 phones here`.
    pub fn turnout(&self) -> String {
        let phones = match self.counts.present {
            1 => "1 phone here".to_owned(),
            count => format!("{count} phones here"),
        };
        match self.counts.tally.as_ref().map(|tally| tally.votes) {
            None => phones,
            Some(1) => format!("1 answer · {phones}"),
            Some(count) => format!("{count} answers · {phones}"),
        }
    }
}

impl RoomState {
    pub fn open(&self) -> Option<&OpenRoom> {
        match &self.status {
            Status::Open(open) => Some(open),
            Status::Closed | Status::Opening => None,
        }
    }

    pub fn open_mut(&mut self) -> Option<&mut OpenRoom> {
        match &mut self.status {
            Status::Open(open) => Some(open),
            Status::Closed | Status::Opening => None,
        }
    }

    /// The address that would be used. `None`: there is none.
    pub fn address(&self) -> Option<IpAddr> {
        self.chosen.or_else(|| self.addresses.first().map(|address| address.ip))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::question::{Kind, Question};

    #[test]
    fn counts_belong_to_the_question_that_is_in_front() {
        let room = Room::new("Test");
        let mut open = OpenRoom::new(room, "http://a".into(), "http://a/#B".into(), None);
        let source = Source::Scene { lecture: 1, at: 2 };
        assert_eq!(source.id(), "lecture-1-scene-3");
        open.room.ask(Question::new(&source.id(), "Why?", Kind::Words)).unwrap();
        open.counts = open.room.counts(std::time::Instant::now());
        assert!(open.tally(source).is_none(), "the window has not put it there");
        open.front = Some((source, false));
        assert_eq!(open.tally(source).map(|tally| tally.votes), Some(0));
        assert!(open.tally(Source::Guess { round: 1 }).is_none());
        assert_eq!(open.turnout(), "0 answers · 0 phones here");
    }
}
