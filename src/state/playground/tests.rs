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
    state.back_to_last();
    assert_eq!(state.question, "What is the h-index?");
    assert_eq!(state.lanes[0].text(), "A measure.");
    assert!(!state.has_past(), "nothing was said in the new one");
}
