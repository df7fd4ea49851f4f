//! Conversations: asked, edited, left and had back.

use super::*;

#[test]
fn stop_strings_are_separated_by_commas_or_lines() {
    assert_eq!(parse_stop_strings("###, \\n\\n"), ["###", "\n\n"]);
    assert_eq!(parse_stop_strings("User:\nEnd."), ["User:", "End."]);
    assert!(parse_stop_strings(" , \n").is_empty());
}

#[test]
fn a_conversation_is_asked_with_all_its_turns() {
    let mut state = PlaygroundState {
        system: "Be brief.".to_owned(),
        prompt: "And in France?".to_owned(),
        ..PlaygroundState::default()
    };
    let turn = |question: &str, answer: &str| Turn {
        question: question.to_owned(),
        answer: answer.to_owned(),
        ..Turn::default()
    };
    state.turns.push(turn("What is the h-index?", "A measure."));
    let roles: Vec<String> = state.messages().into_iter().map(|message| message.role).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
}

fn answered(question: &str, answer: &str) -> PlaygroundState {
    let mut lane = LaneView::new(Lane { seed: 0, adapter: AdapterMode::Off });
    lane.tokens =
        vec![ShownToken { id: 1, text: answer.to_owned(), probability: 0.5, is_guessed: false }];
    PlaygroundState {
        question: question.to_owned(),
        lanes: vec![lane],
        ..PlaygroundState::default()
    }
}

#[test]
fn a_question_is_edited_beside_its_answer_and_the_answer_can_be_kept() {
    let mut state = answered("What is the h-index?", "A measure.");
    state.prompt = "half a thought".to_owned();
    state.edit_last();
    assert_eq!(state.prompt, "What is the h-index?");
    assert_eq!(state.lanes[0].text(), "A measure.", "it stays until the new one is sent");
    assert_eq!(state.messages().len(), 1, "the new question replaces the old one");
    state.keep_answer();
    assert_eq!(state.prompt, "half a thought");
    assert_eq!(state.messages().len(), 3);
}

#[test]
fn a_conversation_that_was_left_comes_back() {
    let mut state = answered("What is the h-index?", "A measure.");
    state.new_chat();
    assert!(state.lanes.is_empty() && state.has_past());
    state.new_chat();
    state.open_chat(0);
    assert_eq!(state.question, "What is the h-index?");
    assert_eq!(state.lanes[0].text(), "A measure.");
    assert!(!state.has_past(), "nothing was said in the new one");
}

/// Sends what is in the field, and has it answered.
fn ask(state: &mut PlaygroundState, answer: &str) {
    let request = GenerateRequest {
        prompt: Prompt::Chat(state.messages()),
        sampling: Prefs::default().sampling,
        max_new_tokens: 10,
        stop_strings: Vec::new(),
        lanes: vec![Lane { seed: 0, adapter: AdapterMode::Off }],
    };
    state.started(&request);
    let step = TokenStep {
        id: 1,
        text: answer.to_owned(),
        logprob: -0.5,
        logits: Vec::new().into(),
        is_guessed: false,
    };
    state.on_event(GenerateEvent::Token { lane: 0, step }, 0.0);
    state.finished();
}

fn said(state: &PlaygroundState) -> Vec<String> {
    state.exchanges().into_iter().map(|(question, answer)| format!("{question} {answer}")).collect()
}

#[test]
fn an_answer_that_is_asked_for_again_is_another_version_and_each_has_what_followed_it() {
    let mut state = PlaygroundState { prompt: "A?".to_owned(), ..PlaygroundState::default() };
    ask(&mut state, "one");
    state.prompt = "B?".to_owned();
    ask(&mut state, "two");
    assert_eq!(said(&state), ["A? one", "B? two"]);
    state.ask_turn_again(0);
    assert_eq!(state.messages().len(), 1, "what came later is not part of it");
    ask(&mut state, "three");
    assert_eq!((said(&state), state.versions(0)), (vec!["A? three".to_owned()], (2, 2)));
    state.step_version(0, false);
    assert_eq!(
        (said(&state), state.versions(0)),
        (vec!["A? one".to_owned(), "B? two".to_owned()], (1, 2))
    );
    state.step_version(0, false);
    assert_eq!(state.versions(0), (1, 2), "there is none before the first");
    state.edit_last();
    state.prompt = "C?".to_owned();
    ask(&mut state, "four");
    assert_eq!(
        (said(&state), state.versions(1)),
        (vec!["A? one".to_owned(), "C? four".to_owned()], (2, 2))
    );
    state.step_version(0, true);
    assert_eq!(said(&state), ["A? three"]);
    state.step_version(0, false);
    assert_eq!((said(&state)[1].as_str(), state.versions(1)), ("C? four", (2, 2)));
}

#[test]
fn a_turn_is_deleted_and_put_back() {
    let mut state = PlaygroundState { prompt: "A?".to_owned(), ..PlaygroundState::default() };
    ask(&mut state, "one");
    state.prompt = "B?".to_owned();
    ask(&mut state, "two");
    state.delete_turn(0);
    assert_eq!(said(&state), ["B? two"]);
    assert!(state.has_chats_to_keep());
    state.undo_delete();
    assert_eq!(said(&state), ["A? one", "B? two"]);
    state.delete_turn(1);
    assert_eq!(said(&state), ["A? one"]);
    assert_eq!(state.lanes[0].text(), "one", "the last answer is in front again");
}

#[test]
fn an_answer_that_did_not_come_gives_the_version_before_it_back() {
    let mut state = PlaygroundState { prompt: "A?".to_owned(), ..PlaygroundState::default() };
    ask(&mut state, "one");
    state.ask_again();
    ask(&mut state, "");
    state.prompt = "B?".to_owned();
    ask(&mut state, "two");
    assert_eq!(said(&state), ["A? one", "B? two"]);
}
