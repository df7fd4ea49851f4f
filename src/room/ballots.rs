//! The questions of a room and every vote, counted exactly once; shared by the server, which takes
//! votes in, and the window, which asks and reveals.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event_listener::{Event, EventListener};
use serde::Serialize;

use super::answers::{Answer, Side, folded};
use super::code::Code;
use super::error::QuestionError;
use super::question::{Kind, Question};

/// More phones are in no lecture hall; whoever draws numbers by machine fills no memory.
pub const MOST_PHONES: usize = 5_000;

/// With [`MOST_PHONES`], 2.5 million votes.
pub const MOST_QUESTIONS: usize = 500;

/// A phone that has not asked for that long has left. It asks every 20 seconds at least.
const GONE_AFTER: Duration = Duration::from_secs(45);

/// What the page of a phone has drawn for itself: so long that nobody guesses another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device(u128);

impl Device {
    /// 32 hexadecimal digits. `None`: something else.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }
}

/// How far a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Open,

    /// Nobody can vote any more; the counts are still hidden.
    Closed,

    /// The counts are on the stage.
    Revealed,
}

/// A vote as it was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The number of the phone, in the order in which they came, from 1.
    pub phone: u32,
    pub answer: Answer,

    /// The two sides were shown the other way round.
    pub is_swapped: bool,
}

/// A question with its votes.
#[derive(Clone, Debug)]
pub struct Asked {
    pub question: Question,
    pub state: State,
    pub votes: Vec<Vote>,

    /// Where in `votes` a phone's is.
    by_phone: BTreeMap<u32, usize>,
}

/// What became of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Counted,

    /// This phone has voted here before; that vote stays.
    Already,

    /// The question is closed: it was not counted.
    Closed,

    /// There is no such question.
    NoQuestion,

    /// The answer does not fit the question.
    Malformed,

    /// There are [`MOST_PHONES`] phones.
    Full,
}

/// What a phone sees.
#[derive(Debug, Serialize)]
pub struct View {
    /// Another one: there is something else to see.
    pub version: u64,
    pub title: String,
    pub question: Option<Seen>,
}

/// A question as a phone sees it.
#[derive(Debug, Serialize)]
pub struct Seen {
    #[serde(flatten)]
    question: Question,
    state: State,

    /// What this phone has answered, as it has seen the question.
    yours: Option<Answer>,
}

/// What the stage shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// All that have ever been here, and those that are here now.
    pub phones: usize,
    pub present: usize,
    pub wrong_codes: u64,

    /// Of the question in front.
    pub tally: Option<Tally>,
}

/// The votes of a question, counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    pub id: String,
    pub state: State,
    pub votes: usize,

    /// In the order of the question; free texts by their votes.
    pub bars: Vec<Bar>,

    /// Of a scale.
    pub mean: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    pub label: String,
    pub votes: usize,
}

/// A clone is the same room.
#[derive(Clone)]
pub struct Room(Arc<Shared>);

struct Shared {
    title: String,
    code: Code,
    ballots: Mutex<Ballots>,

    /// There is something else to see.
    changed: Event,
}

#[derive(Default)]
struct Ballots {
    asked: Vec<Asked>,
    front: Option<usize>,
    phones: BTreeMap<Device, Phone>,
    version: u64,
    wrong_codes: u64,
}

struct Phone {
    number: u32,
    seen: Instant,
}

impl Room {
    /// An empty room with a code of its own.
    pub fn new(title: &str) -> Self {
        Self(Arc::new(Shared {
            title: title.to_owned(),
            code: Code::random(),
            ballots: Mutex::default(),
            changed: Event::new(),
        }))
    }

    pub fn code(&self) -> &Code {
        &self.0.code
    }

    fn ballots(&self) -> MutexGuard<'_, Ballots> {
        self.0.ballots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Ballots) -> T) -> T {
        let mut ballots = self.ballots();
        let result = change(&mut ballots);
        ballots.version += 1;
        drop(ballots);
        self.0.changed.notify(usize::MAX);
        result
    }

    /// Puts a question to the room. The one before is closed. One that was there before comes to the
    /// front again, open unless its counts were shown: each phone still has its one vote.
    pub fn ask(&self, question: Question) -> Result<(), QuestionError> {
        question.check()?;
        let mut ballots = self.ballots();
        let known = ballots.asked.iter().position(|asked| asked.question.id == question.id);
        if known.is_some_and(|at| ballots.asked[at].question != question) {
            return Err(QuestionError::SameId { id: question.id });
        }
        if known.is_none() && ballots.asked.len() >= MOST_QUESTIONS {
            return Err(QuestionError::TooMany { most: MOST_QUESTIONS });
        }
        ballots.close_front();
        let at = known.unwrap_or_else(|| {
            let (votes, by_phone) = (Vec::new(), BTreeMap::new());
            ballots.asked.push(Asked { question, state: State::Open, votes, by_phone });
            ballots.asked.len() - 1
        });
        if ballots.asked[at].state == State::Closed {
            ballots.asked[at].state = State::Open;
        }
        ballots.front = Some(at);
        ballots.version += 1;
        drop(ballots);
        self.0.changed.notify(usize::MAX);
        Ok(())
    }

    /// Takes no more votes on the question in front; its counts stay hidden.
    pub fn close(&self) {
        self.change(Ballots::close_front);
    }

    /// Closes the question in front and shows its counts.
    pub fn reveal(&self) {
        self.change(|ballots| {
            if let Some(asked) = ballots.in_front_mut() {
                asked.state = State::Revealed;
            }
        });
    }

    /// Takes the question off the phones, and closes it.
    pub fn take_away(&self) {
        self.change(|ballots| {
            ballots.close_front();
            ballots.front = None;
        });
    }

    /// What the stage shows at `now`.
    pub fn counts(&self, now: Instant) -> Counts {
        let ballots = self.ballots();
        let is_here = |phone: &&Phone| now.saturating_duration_since(phone.seen) < GONE_AFTER;
        Counts {
            phones: ballots.phones.len(),
            present: ballots.phones.values().filter(is_here).count(),
            wrong_codes: ballots.wrong_codes,
            tally: ballots.front.map(|at| ballots.asked[at].tally()),
        }
    }

    /// Every question with its votes, in the order in which they were asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.ballots().asked.clone()
    }

    /// What a phone sees at `now`. `None`: there are too many phones.
    pub(super) fn view(&self, device: Device, now: Instant) -> Option<View> {
        let mut ballots = self.ballots();
        let phone = ballots.phone(device, now)?;
        let question = ballots.front.map(|at| ballots.asked[at].seen(at, phone));
        Some(View { version: ballots.version, title: self.0.title.clone(), question })
    }

    /// Takes a vote in. Whatever is sent, and however often: a phone has one vote a question.
    pub(super) fn vote(&self, device: Device, id: &str, answer: Answer, now: Instant) -> Outcome {
        let mut ballots = self.ballots();
        let Some(phone) = ballots.phone(device, now) else { return Outcome::Full };
        let Some(at) = ballots.asked.iter().position(|asked| asked.question.id == id) else {
            return Outcome::NoQuestion;
        };
        let asked = &mut ballots.asked[at];
        if asked.by_phone.contains_key(&phone) {
            return Outcome::Already;
        }
        if asked.state != State::Open {
            return Outcome::Closed;
        }
        let is_swapped = asked.is_swapped(at, phone);
        let Some(answer) = answer.fitting(&asked.question) else { return Outcome::Malformed };
        asked.by_phone.insert(phone, asked.votes.len());
        asked.votes.push(Vote { phone, answer: answer.turned(is_swapped), is_swapped });
        Outcome::Counted
    }

    /// Hears of the next change from now on.
    pub(super) fn listen(&self) -> EventListener {
        self.0.changed.listen()
    }

    pub(super) fn wrong_code(&self) {
        self.ballots().wrong_codes += 1;
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("title", &self.0.title).finish_non_exhaustive()
    }
}

impl Ballots {
    fn close_front(&mut self) {
        if let Some(asked) = self.in_front_mut()
            && asked.state == State::Open
        {
            asked.state = State::Closed;
        }
    }

    fn in_front_mut(&mut self) -> Option<&mut Asked> {
        self.front.and_then(|at| self.asked.get_mut(at))
    }

    /// The number of a phone that is heard of at `now`. `None`: there are too many.
    fn phone(&mut self, device: Device, now: Instant) -> Option<u32> {
        if let Some(phone) = self.phones.get_mut(&device) {
            phone.seen = now;
            return Some(phone.number);
        }
        if self.phones.len() >= MOST_PHONES {
            return None;
        }
        let number = self.phones.len() as u32 + 1;
        self.phones.insert(device, Phone { number, seen: now });
        Some(number)
    }
}

impl Asked {
    /// Every other phone sees the sides of a pair the other way round, and each phone those of every
    /// other question: which side an answer is on cannot decide.
    fn is_swapped(&self, at: usize, phone: u32) -> bool {
        matches!(self.question.kind, Kind::Pair { .. }) && (at + phone as usize) % 2 == 1
    }

    fn seen(&self, at: usize, phone: u32) -> Seen {
        let is_swapped = self.is_swapped(at, phone);
        let mut question = self.question.clone();
        if is_swapped && let Kind::Pair { left, right } = &mut question.kind {
            std::mem::swap(left, right);
        }
        let vote = self.by_phone.get(&phone).map(|vote| &self.votes[*vote]);
        let yours = vote.map(|vote| vote.answer.clone().turned(is_swapped));
        Seen { question, state: self.state, yours }
    }

    pub fn tally(&self) -> Tally {
        let labels: Vec<String> = match &self.question.kind {
            Kind::Pair { .. } => {
                [Side::Left, Side::Tie, Side::Right].map(|side| side.name().to_owned()).into()
            }
            Kind::Choice { options, .. } => options.clone(),
            Kind::Scale { low, high, .. } => (*low..=*high).map(|step| step.to_string()).collect(),
            Kind::Words => Vec::new(),
        };
        let mut bars: Vec<Bar> = labels.into_iter().map(|label| Bar { label, votes: 0 }).collect();
        let given = bars.len();
        let mut at: BTreeMap<String, usize> =
            bars.iter().enumerate().map(|(at, bar)| (folded(&bar.label), at)).collect();
        for vote in &self.votes {
            let label = vote.answer.label(&self.question);
            let bar = *at.entry(folded(&label)).or_insert_with(|| {
                bars.push(Bar { label, votes: 0 });
                bars.len() - 1
            });
            bars[bar].votes += 1;
        }
        bars[given..].sort_by_key(|bar| std::cmp::Reverse(bar.votes));
        let steps = self.votes.iter().filter_map(|vote| match vote.answer {
            Answer::Step(step) => Some(step as f64),
            _ => None,
        });
        let steps: Vec<f64> = steps.collect();
        let mean = (!steps.is_empty()).then(|| steps.iter().sum::<f64>() / steps.len() as f64);
        let (id, state, votes) = (self.question.id.clone(), self.state, self.votes.len());
        Tally { id, state, votes, bars, mean }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: u128) -> Device {
        Device(number)
    }

    fn pair(id: &str) -> Question {
        let kind = Kind::Pair { left: "short".to_owned(), right: "long".to_owned() };
        Question::new(id, "Which is better?", kind)
    }

    #[test]
    fn a_vote_counts_once_and_not_after_the_reveal() {
        let (room, now) = (Room::new("Test"), Instant::now());
        let vote = |number, id: &str, side| room.vote(device(number), id, Answer::Side(side), now);
        assert_eq!(vote(1, "q1", Side::Left), Outcome::NoQuestion);
        room.ask(pair("q1")).unwrap();
        assert_eq!(vote(1, "q1", Side::Tie), Outcome::Counted);
        assert_eq!(vote(1, "q1", Side::Left), Outcome::Already);
        assert_eq!(
            room.vote(device(2), "q1", Answer::Option(0), now),
            Outcome::Malformed,
            "and can vote yet"
        );
        assert_eq!(vote(2, "q1", Side::Left), Outcome::Counted);
        room.reveal();
        assert_eq!(vote(3, "q1", Side::Left), Outcome::Closed);
        assert_eq!(vote(2, "q1", Side::Left), Outcome::Already, "that one was counted");
        assert_eq!(room.counts(now).tally.unwrap().votes, 2);
    }

    #[test]
    fn the_next_question_closes_the_one_before_and_ids_are_not_used_twice() {
        let (room, now) = (Room::new("Test"), Instant::now());
        room.ask(pair("q1")).unwrap();
        room.ask(pair("q2")).unwrap();
        let outcome = room.vote(device(1), "q1", Answer::Side(Side::Tie), now);
        assert_eq!(outcome, Outcome::Closed);
        let other = Question::new("q1", "Why?", Kind::Words);
        let again = room.ask(other).unwrap_err();
        assert_eq!(again.to_string(), "the room has another question with the id \"q1\"");
        // Back to the first: it is open again, and the one vote of a phone is still one.
        room.ask(pair("q1")).unwrap();
        let vote = |number| room.vote(device(number), "q1", Answer::Side(Side::Tie), now);
        assert_eq!([vote(1), vote(1)], [Outcome::Counted, Outcome::Already]);
        room.reveal();
        room.ask(pair("q2")).unwrap();
        room.ask(pair("q1")).unwrap();
        assert_eq!(vote(2), Outcome::Closed, "what was shown stays closed");
        assert_eq!(room.asked().len(), 2);
        room.take_away();
        assert_eq!(room.counts(now).tally, None);
    }

    #[test]
    fn sides_are_swapped_for_every_other_phone_and_votes_are_meant_as_asked() {
        let (room, now) = (Room::new("Test"), Instant::now());
        room.ask(pair("q1")).unwrap();
        for number in 0..10 {
            let seen = room.view(device(number), now).unwrap().question.unwrap();
            let Kind::Pair { left, .. } = &seen.question.kind else { panic!("a pair") };
            // Everybody prefers the short one, wherever it is.
            let side = if left == "short" { Side::Left } else { Side::Right };
            room.vote(device(number), "q1", Answer::Side(side), now);
            let seen = room.view(device(number), now).unwrap().question.unwrap();
            assert_eq!(seen.yours, Some(Answer::Side(side)), "as this phone saw it");
        }
        let asked = &room.asked()[0];
        assert_eq!(asked.votes.iter().filter(|vote| vote.is_swapped).count(), 5);
        let bars = asked.tally().bars;
        assert_eq!(bars[0], Bar { label: "left".to_owned(), votes: 10 });
    }

    #[test]
    fn words_are_counted_together_whatever_their_case() {
        let (room, now) = (Room::new("Test"), Instant::now());
        room.ask(Question::new("w", "What comes next?", Kind::Words)).unwrap();
        for (number, word) in ["lyon", "Paris", " paris ", "PARIS"].into_iter().enumerate() {
            let answer = Answer::Words(word.to_owned());
            assert_eq!(room.vote(device(number as u128), "w", answer, now), Outcome::Counted);
        }
        let bars = room.counts(now).tally.unwrap().bars;
        assert_eq!(bars[0], Bar { label: "Paris".to_owned(), votes: 3 });
        assert_eq!(bars.len(), 2);
    }

    #[test]
    fn a_phone_that_is_silent_has_left_and_too_many_are_refused() {
        let (room, now) = (Room::new("Test"), Instant::now());
        room.view(device(1), now).unwrap();
        room.view(device(2), now + GONE_AFTER).unwrap();
        let counts = room.counts(now + GONE_AFTER);
        assert_eq!((counts.phones, counts.present), (2, 1));
        for number in 0..MOST_PHONES as u128 {
            room.view(device(number), now);
        }
        assert!(room.view(device(u128::MAX), now).is_none());
        assert!(room.view(device(1), now).is_some(), "whoever is here stays");
    }

    #[test]
    fn a_device_is_32_hexadecimal_digits() {
        assert!(Device::parse("0123456789abcdef0123456789abcdef").is_some());
        for wrong in
            ["", "1", "+123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdeg"]
        {
            assert!(Device::parse(wrong).is_none(), "{wrong}");
        }
    }
}
