//! The phones of the audience: opening the room, a question on the stage, the counts after R, guesses
//! of the next token, a pair of Annotate.

use std::time::Instant;

use eframe::egui::{Key, Modifiers};
use tuning_fork::app::tasks::find_addresses::FindAddresses;
use tuning_fork::app::tasks::keep_room::KeepRoom;
use tuning_fork::app::tasks::open_lecture::OpenLecture;
use tuning_fork::app::tasks::save_votes::SaveVotes;
use tuning_fork::app::work::Held;
use tuning_fork::data::samples;
use tuning_fork::lecture::file;
use tuning_fork::lecture::place::Place;
use tuning_fork::room::address::Address;
use tuning_fork::room::ballots::{Bar, Counts, Room, State, Tally};
use tuning_fork::room::question::{Kind, Question};
use tuning_fork::room::server::RoomEvent;
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, LecturesCommand, RoomCommand, ViewCommand};
use tuning_fork::state::lectures::Opened;
use tuning_fork::state::lectures::stage::Stage;
use tuning_fork::state::playground::view::PlaygroundView;
use tuning_fork::state::prefs::PanelId;
use tuning_fork::state::room::{ItemAsked, OpenRoom, PairAsked, Source, Status};

use crate::layout_states::both_answered;
use crate::playground_views::in_sampler;
use crate::support::{Window, empty_state, loaded_state};
use crate::whole_app::App;

const LECTURE: &str = "title = \"Week 3\"\n[[scene]]\nview = \"words\"\ntitle = \"Welcome\"\n\
    text = \"Hello\"\n[[scene]]\nview = \"ask\"\ntitle = \"Your turn\"\nkind = \"choice\"\n\
    text = \"Where do you read first?\"\noptions = [\"Abstract\", \"Figures\"]\n";

fn opened() -> Opened {
    Opened {
        place: Place::File("lectures/week3.toml".into()),
        lecture: file::parse(LECTURE).expect("it is a lecture"),
        recording: None,
        recording_problem: None,
        models: Vec::new(),
        adapters: vec![None; 2],
    }
}

fn open_room() -> OpenRoom {
    let room = Room::new("Week 3");
    let link = format!("http://192.168.1.20:8080/#{}", room.code());
    OpenRoom::new(room, "http://192.168.1.20:8080".to_owned(), link, None)
}

fn tally(id: String, state: State, votes: [(&str, usize); 2]) -> Counts {
    let bars = votes.map(|(label, votes)| Bar { label: label.to_owned(), votes });
    let votes = bars.iter().map(|bar| bar.votes).sum();
    let tally = Tally { id, state, votes, bars: bars.into(), mean: None };
    Counts { phones: 31, present: 30, wrong_codes: 0, tally: Some(tally) }
}

/// The Lectures panel with the room open.
pub fn panel_with_room() -> AppState {
    let mut state = empty_state();
    state.prefs.panel = PanelId::Lectures;
    state.room.status = Status::Open(Box::new(open_room()));
    state
}

/// The scene that asks, before and after the reveal.
fn asked_on_stage(revealed: usize) -> AppState {
    let mut state = panel_with_room();
    state.lectures.open(opened(), 0);
    let front = state.lectures.front.as_mut().expect("it is open");
    let mut stage = Stage::new(2);
    stage.go_to(1);
    for _ in 0..revealed {
        stage.reveal(1);
    }
    front.stage = Some(stage);
    let source = Source::Scene { lecture: front.number, at: 1 };
    let open = state.room.open_mut().expect("it is open");
    open.front = Some((source, revealed > 0));
    open.counts = tally(source.id(), State::Open, [("Abstract", 17), ("Figures", 4)]);
    state
}

pub fn phones_guess() -> AppState {
    let mut state = in_sampler();
    state.room.status = Status::Open(Box::new(open_room()));
    state.playground.vote.is_on = true;
    state
}

pub fn pair_asked() -> AppState {
    let mut state = loaded_state();
    state.prefs.panel = PanelId::Annotate;
    state.annotate = both_answered();
    state.room.status = Status::Open(Box::new(open_room()));
    let key = state.annotate.pair_key().expect("both are there");
    state.room.pair = Some(PairAsked { key, is_revealed: false });
    state
}

#[test]
fn the_room_says_where_it_is_and_who_is_there() {
    let mut window = Window::new(panel_with_room());
    let code = window.state().room.open().unwrap().code.clone();
    assert!(window.sees("http://192.168.1.20:8080") && window.sees(&format!("Code {code}")));
    assert!(window.sees("0 phones here") && window.sees("No project is open"));
    window.click("Close the room");
    assert_eq!(window.asked(), [Command::Room(RoomCommand::Close)]);
    let mut state = panel_with_room();
    state.room.open_mut().unwrap().counts.wrong_codes = 4000;
    assert!(Window::new(state).sees("4000 wrong codes were sent"));
}

#[test]
fn without_a_network_it_cannot_be_opened_and_says_so() {
    let mut state = panel_with_room();
    state.room.status = Status::Closed;
    let mut window = Window::new(state);
    assert!(window.sees("No network"));
    let own = Address { ip: [127, 0, 0, 1].into(), interface: "this computer only".to_owned() };
    window.state().room.addresses = vec![own];
    window.run();
    assert!(window.sees("127.0.0.1 (this computer only)") && window.sees("Phones need a network"));
    window.click("Open to phones");
    assert_eq!(window.asked(), [Command::Room(RoomCommand::Open)]);
}

#[test]
fn counts_are_hidden_on_the_stage_until_the_reveal() {
    let mut window = Window::sized(asked_on_stage(0), 1280.0, 720.0);
    assert!(window.sees("Where do you read first?") && window.sees("QR code of the room"));
    assert!(window.sees("192.168.1.20:8080") && window.sees("21 answers"));
    assert!(window.sees("Abstract") && !window.sees("17"), "how many is told, not what");
    window.press(Modifiers::NONE, Key::J);
    assert!(window.sees("Join with your phone") && !window.sees("Where do you read first?"));
    window.press(Modifiers::NONE, Key::R);
    assert!(window.sees("17 · 81 %") && window.sees("4 · 19 %"));
    assert!(!window.sees("QR code of the room"));
}

#[test]
fn without_phones_a_question_is_for_a_show_of_hands() {
    let mut state = asked_on_stage(0);
    state.room.status = Status::Closed;
    let mut window = Window::sized(state, 1280.0, 720.0);
    assert!(window.sees("Where do you read first?") && window.sees("•  Figures"));
    window.press(Modifiers::NONE, Key::R);
    window.press(Modifiers::NONE, Key::J);
    assert!(window.sees("•  Figures"));
}

/// A room that was opened in the whole window.
fn open_in(app: &mut App) -> (Held<KeepRoom>, Room) {
    app.ask(Command::View(ViewCommand::ShowPanel(PanelId::Lectures)));
    let found = app.script.borrow_mut().take::<FindAddresses>().expect("it is looked for");
    let ip = [192, 168, 1, 20].into();
    found.feeder.finish(Ok(vec![Address { ip, interface: "wlan0".to_owned() }]));
    app.run();
    app.ask(Command::Room(RoomCommand::Open));
    let held = app.script.borrow_mut().take::<KeepRoom>().expect("it is served");
    assert_eq!((held.request.place.ip, held.request.place.port), (ip, None));
    let room = held.request.room.clone();
    let address = "http://192.168.1.20:8080".to_owned();
    let link = format!("{address}/#{}", room.code());
    held.feeder.emit(RoomEvent::Opened { address, link });
    app.run();
    (held, room)
}

#[test]
fn a_scene_that_asks_goes_to_the_phones_while_it_is_in_front() {
    let mut app = App::open();
    let (held, room) = open_in(&mut app);
    app.ask(Command::Lectures(LecturesCommand::Open(Place::File("lectures/week3.toml".into()))));
    let lecture = app.script.borrow_mut().take::<OpenLecture>().expect("it is read");
    lecture.feeder.finish(Ok(opened()));
    app.run();
    app.ask(Command::Lectures(LecturesCommand::Start { has_notes: false }));
    assert!(room.asked().is_empty());
    app.harness.key_press(Key::PageDown);
    app.run();
    let asked = &room.asked()[0];
    assert_eq!(
        (asked.question.text.as_str(), asked.state),
        ("Where do you read first?", State::Open)
    );
    held.feeder.emit(RoomEvent::Counts(room.counts(Instant::now())));
    app.run();
    app.sees("0 answers");
    app.harness.key_press(Key::R);
    app.run();
    assert_eq!(room.asked()[0].state, State::Revealed);
    assert!(app.script.borrow_mut().take::<SaveVotes>().is_some(), "they are kept at once");
    app.harness.key_press(Key::PageUp);
    app.run();
    assert!(room.counts(Instant::now()).tally.is_none(), "it is off the phones");
    app.harness.key_press(Key::Escape);
    app.run();
    app.ask(Command::Room(RoomCommand::Close));
    assert!(held.feeder.was_cancelled());
    held.feeder.finish(Ok(None));
    app.run();
    assert!(app.harness.state().state.room.open().is_none());
}

#[test]
fn the_phones_guess_the_next_token_beside_what_is_typed_in() {
    let mut window = Window::new(phones_guess());
    window.click("Ask the phones");
    assert!(window.sees("The phones are being asked"));
    let mut app = App::with_model();
    let (held, room) = open_in(&mut app);
    {
        let state = &mut app.harness.state_mut().state;
        state.playground = in_sampler().playground;
        state.prefs.panel = PanelId::Playground;
        state.playground.view = PlaygroundView::Sampler;
        state.playground.vote.is_on = true;
        state.playground.vote.asks_phones = true;
        state.playground.vote.draft = "Paris".to_owned();
        state.playground.vote.add();
    }
    app.run();
    let question: Question = room.asked()[0].question.clone();
    assert_eq!((question.text.as_str(), &question.kind), ("What comes next?", &Kind::Words));
    assert!(question.about.starts_with("Say hello"), "{question:?}");
    app.harness.state_mut().state.playground.vote.is_revealed = true;
    app.run();
    assert_eq!(room.asked()[0].state, State::Revealed);
    let counts = tally(question.id, State::Revealed, [("paris", 11), ("Lyon", 2)]);
    held.feeder.emit(RoomEvent::Counts(counts));
    app.run();
    let vote = &app.harness.state().state.playground.vote;
    let guesses: Vec<(&str, u32)> =
        vote.guesses.iter().map(|guess| (guess.text.as_str(), guess.votes)).collect();
    assert_eq!(guesses, [("Paris", 12), ("Lyon", 2)]);
}

#[test]
fn a_pair_goes_to_the_phones_as_it_stands_on_the_screen() {
    let mut window = Window::new(pair_asked());
    window.click("Reveal the room's votes");
    assert_eq!(window.asked(), [Command::Room(RoomCommand::RevealPair)]);
    let mut app = App::with_model();
    let (_held, room) = open_in(&mut app);
    {
        let state = &mut app.harness.state_mut().state;
        state.annotate.set_prompts("the sample prompts", samples::prompts());
        state.annotate = both_answered();
        state.prefs.panel = PanelId::Annotate;
    }
    app.ask(Command::Room(RoomCommand::AskPair));
    let asked = &room.asked()[0];
    let Kind::Pair { left, right } = &asked.question.kind else { panic!("{asked:?}") };
    let (_, [on_left, on_right]) =
        app.harness.state().state.annotate.pair_in_front().expect("both are there");
    assert_eq!([left, right], [on_left, on_right]);
    app.ask(Command::Room(RoomCommand::TakePairAway));
    assert!(room.counts(Instant::now()).tally.is_none());
}

/// Phones that do not know are counted in words, as the coder's own button says it.
#[test]
fn of_a_text_the_room_says_what_it_does_not_know() {
    let parent = tempfile::tempdir().unwrap();
    let mut state = crate::codes::coding(parent.path());
    let key = state.codes.session.as_ref().unwrap().in_front().unwrap();
    state.room.item = Some(ItemAsked { key, is_revealed: true });
    let mut open = open_room();
    open.front = Some((Source::Item(key), true));
    open.counts = tally(Source::Item(key).id(), State::Revealed, [("praise", 2), ("?", 1)]);
    state.room.status = Status::Open(Box::new(open));
    assert!(Window::new(state).sees("The room: 2 praise · 1 don't know"));
}
