//! The queue, the verdicts and their records, without a window.

use std::sync::Arc;

use super::*;
use crate::data::glance::hash;
use crate::data::kept::Kept;
use crate::data::replay::Replay;
use crate::llm::generate::guessing::Guesses;
use crate::llm::generate::{Answer, TokenStep};

const NOW: &str = "2026-11-21T20:31:05.123Z";

fn state(prompts: &[&str]) -> AnnotateState {
    let mut state = AnnotateState::new(7);
    let prompts = prompts.iter().map(|text| Text::Plain((*text).to_owned())).collect();
    state.set_prompts("test", prompts);
    state
}

fn ask(state: &mut AnnotateState) -> GenerateRequest {
    let sampling = SamplingParams::default();
    let request = state.request(&sampling, 40, AdapterMode::Off, true).unwrap();
    let model = ModelIdentity { name: "tiny".to_owned(), ..ModelIdentity::default() };
    state.started(&request, &model, &AdapterSlot::None);
    request
}

fn token(lane: usize, text: &str) -> GenerateEvent {
    let logits = Arc::from([0.0_f32]);
    let step = TokenStep { id: 5, text: text.to_owned(), logprob: -1.0, logits, is_guessed: false };
    GenerateEvent::Token { lane, step }
}

fn done(lane: usize, text: &str, stop: StopReason) -> GenerateEvent {
    let answer = Answer {
        text: text.to_owned(),
        ids: vec![5, 6],
        stop,
        prompt_secs: 0.0,
        generation_secs: 1.0,
        guesses: Guesses::default(),
    };
    GenerateEvent::LaneDone { lane, answer, next_logits: Arc::from([0.0_f32]) }
}

/// What a project has of these verdicts.
fn given(records: &[&VerdictRecord]) -> Given {
    let mut replay = Replay::default();
    for record in records {
        let replaces = record.remarks.replaces.as_deref().map(hash);
        replay.add(Kept::in_memory(Arc::new((*record).clone())), replaces);
    }
    replay.given()
}

/// Both answers to the prompt in front, ready at second 10.
fn answered(state: &mut AnnotateState) -> GenerateRequest {
    let request = ask(state);
    let text = "<|user|>".to_owned();
    state.on_event(GenerateEvent::Prompt { text, ids: vec![1] }, 9.0);
    state.on_event(done(0, "first", StopReason::EndOfTurn), 9.5);
    state.on_event(done(1, "second", StopReason::Length), 10.0);
    request
}

#[test]
fn a_record_says_where_everything_came_from() {
    let mut state = state(&["a", "b"]);
    let request = answered(&mut state);
    let left_lane = state.lane(Side::Left);
    let record = state.judge(Verdict::Left, 14.25, NOW).unwrap();
    assert_eq!(record.seconds_taken, 4.25);
    assert_eq!(record.rendered_prompt, "<|user|>");
    assert_eq!(record.prompt, Text::Messages(vec![Message::new("user", "a")]));
    assert_eq!(record.model["name"], "tiny");
    assert_eq!(record.sampling["top_k"], 50);
    assert_eq!((record.max_new_tokens, record.left_lane), (40, left_lane));
    let texts = ["first", "second"];
    assert_eq!(record.left.text, texts[left_lane]);
    assert_eq!(record.left.seed, request.lanes[left_lane].seed);
    assert_eq!(record.right.text, texts[1 - left_lane]);
    assert_eq!(record.right.seed, request.lanes[1 - left_lane].seed);
    let stops = ["end_of_turn", "length"];
    assert_eq!(record.left.stop.as_deref(), Some(stops[left_lane]));
    assert_eq!(record.id, "20261121T203105123Z-0001");
    assert_eq!(state.progress(), (1, 2));
    assert_eq!(state.prompt().unwrap().words(), "b");
}

#[test]
fn the_two_answers_have_different_seeds_and_the_sides_are_mixed() {
    let prompts: Vec<String> = (0..200).map(|index| format!("prompt {index}")).collect();
    let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
    let mut state = state(&prompts);
    let mut left_lanes = [0, 0];
    for _ in &prompts {
        let request = answered(&mut state);
        assert_ne!(request.lanes[0].seed, request.lanes[1].seed);
        left_lanes[state.lane(Side::Left)] += 1;
        state.judge(Verdict::Tie, 11.0, NOW).unwrap();
    }
    // 200 fair throws: outside of 70 to 130 once in 20,000 seeds.
    assert!((70..=130).contains(&left_lanes[0]), "{left_lanes:?}");
}

#[test]
fn a_seed_gives_the_same_answers_and_another_try_gives_others() {
    let request = ask(&mut state(&["a"]));
    assert_eq!(ask(&mut state(&["a"])), request);
    let mut other = state(&["a"]);
    other.ask_again();
    assert_ne!(ask(&mut other).lanes, request.lanes);
}

#[test]
fn no_verdict_before_both_answers_are_there() {
    let mut state = state(&["a", "b"]);
    assert_eq!(state.why_not(Verdict::Left), Some("Generate two answers first"));
    ask(&mut state);
    state.on_event(token(0, "fir"), 1.0);
    for verdict in Verdict::ALL.into_iter().filter(|verdict| *verdict != Verdict::Skip) {
        assert_eq!(state.why_not(verdict), Some("The answers are still being written"));
        assert_eq!(state.judge(verdict, 1.0, NOW), None);
    }
    assert_eq!(state.why_not(Verdict::Skip), None, "the next prompt can be had");
    assert!(state.activity().unwrap().ends_with("· 1 token"));
    state.on_event(done(0, "first", StopReason::EndOfTurn), 2.0);
    state.on_event(done(1, "second", StopReason::EndOfTurn), 3.0);
    assert_eq!(state.phase(), Phase::Ready { since: 3.0 });
    assert!(Verdict::ALL.iter().all(|verdict| state.why_not(*verdict).is_none()));
}

#[test]
fn a_stopped_answer_is_not_judged_but_can_be_asked_for_again() {
    let mut state = state(&["a", "b"]);
    ask(&mut state);
    state.on_event(done(0, "fir", StopReason::Stopped), 2.0);
    state.on_event(done(1, "", StopReason::Stopped), 2.0);
    assert_eq!(state.phase(), Phase::Halted);
    assert!(state.why_not(Verdict::Left).is_some());
    answered(&mut state);
    assert_eq!(state.why_not(Verdict::Left), None);

    // A failure says nothing more.
    let mut state = self::state(&["a", "b"]);
    ask(&mut state);
    state.ended();
    assert_eq!(state.phase(), Phase::Halted);
    let record = state.judge(Verdict::Skip, 3.0, NOW).unwrap();
    assert_eq!((record.verdict, record.left.stop), (Verdict::Skip, None));
}

#[test]
fn equal_answers_have_no_better_one() {
    let mut state = state(&["a"]);
    ask(&mut state);
    state.on_event(done(0, "same", StopReason::EndOfTurn), 2.0);
    state.on_event(done(1, "same ", StopReason::EndOfTurn), 3.0);
    assert!(state.why_not(Verdict::Left).is_some());
    assert!(state.why_not(Verdict::Right).is_some());
    assert_eq!(state.why_not(Verdict::Tie), None);
}

#[test]
fn undo_puts_the_same_answers_up_again() {
    let mut state = state(&["a", "b"]);
    answered(&mut state);
    let shown = [state.answer(Side::Left).clone(), state.answer(Side::Right).clone()];
    let first = state.judge(Verdict::Left, 11.0, NOW).unwrap();
    ask(&mut state); // the next prompt is already being answered
    assert_eq!(state.undo(20.0), std::slice::from_ref(&first.id));
    assert_eq!(state.prompt().unwrap().words(), "a");
    assert_eq!([state.answer(Side::Left).clone(), state.answer(Side::Right).clone()], shown);
    state.on_event(token(0, "late"), 20.0); // from the work that is being stopped
    assert_eq!(state.answer(Side::Left), &shown[0]);

    let second = state.judge(Verdict::Right, 22.0, NOW).unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(second.seconds_taken, 2.0);
    assert_eq!((second.model, second.sampling), (first.model, first.sampling));
    assert_eq!(state.counts().pairs(), 1);
    state.undo(30.0);
    assert!(state.undo(30.0).is_empty());
}

#[test]
fn an_opened_project_goes_on_where_it_was_left() {
    let mut earlier = state(&["a", "b", "c"]);
    answered(&mut earlier);
    let first = earlier.judge(Verdict::Right, 11.0, NOW).unwrap();
    answered(&mut earlier);
    let second = earlier.judge(Verdict::Skip, 11.0, NOW).unwrap();

    let mut state = state(&["a", "b", "c"]);
    state.set_given(given(&[&first, &second]));
    assert_eq!(state.progress(), (2, 3));
    assert_eq!(state.prompt().unwrap().words(), "c");
    assert_eq!(state.undo(5.0), [second.id]);
    assert_eq!(state.prompt().unwrap().words(), "b");
    // The other way round: first the project, then its prompts.
    let mut late = AnnotateState::new(1);
    late.set_given(given(&[&first]));
    late.set_prompts("x", vec![Text::Plain("a".to_owned())]);
    assert_eq!((late.prompt(), late.has_prompts()), (None, true));
    assert_eq!(late.counts().left_share(), Some(0.0));
}

#[test]
fn a_model_without_a_chat_template_continues_the_prompt() {
    let state = state(&["The sky is"]);
    let request = state.request(&SamplingParams::default(), 8, AdapterMode::On, false).unwrap();
    assert_eq!(request.prompt, Prompt::Raw("The sky is".to_owned()));
    assert!(request.lanes.iter().all(|lane| lane.adapter == AdapterMode::On));
}

fn with_candidates() -> AnnotateState {
    let rows = "{\"prompt\":\"q\",\"responses\":[\"x\",\"y\",\"z\"],\"models\":[\"a\",\"b\",\"c\"]}\n\
                {\"prompt\":\"r\",\"answer_a\":\"u\",\"answer_b\":\"v\"}\n";
    let imported = crate::examples::candidates_of(rows);
    let mut state = AnnotateState::new(1);
    state.set_candidates("answers.jsonl", imported, 5.0);
    state
}

#[test]
fn answers_of_a_file_are_judged_without_a_model_and_each_with_each() {
    let mut state = with_candidates();
    assert_eq!(state.progress(), (0, 4));
    let sampling = SamplingParams::default();
    assert!(state.request(&sampling, 10, AdapterMode::Off, true).is_none(), "they are there");
    state.ranks = false;
    let record = state.judge(Verdict::Left, 7.5, NOW).unwrap();
    assert_eq!(record.seconds_taken, 2.5);
    assert_eq!(record.more["source"], "answers.jsonl");
    let of = |text: &str| ["a", "b", "c"][["x", "y", "z"].iter().position(|x| *x == text).unwrap()];
    assert_eq!(record.more["left_model"], of(&record.left.text));
    assert_eq!(record.more["right_model"], of(&record.right.text));
    let kept = record.clone();
    while state.why_not(Verdict::Tie).is_none() {
        let record = state.judge(Verdict::Tie, 9.0, NOW).unwrap();
        if record.prompt.words() == "r" {
            assert!(!record.more.contains_key("left_model"), "the file did not say");
        }
    }
    assert_eq!(state.progress(), (4, 4));
    // Opened again, with a verdict that was kept: that pair is not asked again, the others are.
    let mut again = with_candidates();
    again.set_given(given(&[&kept]));
    assert_eq!(again.progress(), (1, 4));
    assert_eq!(again.undo(20.0).len(), 1);
    assert_eq!(again.progress(), (0, 4));
    assert!(again.pair_in_front().is_some());
}

#[test]
fn sides_of_given_answers_are_drawn() {
    let mut state = with_candidates();
    let mut lanes = Vec::new();
    for seed in 0..40 {
        state.seed = seed;
        state.match_prompts();
        lanes.push(state.lane(Side::Left));
    }
    let first = lanes.iter().filter(|lane| **lane == 0).count();
    assert!((8..=32).contains(&first), "{first} of 40");
}

#[test]
fn any_verdict_can_be_changed_and_the_old_one_is_kept() {
    let mut state = state(&["a", "b", "c"]);
    answered(&mut state);
    state.draft.reason = "first thought".to_owned();
    let first = state.judge(Verdict::Left, 11.0, NOW).unwrap();
    answered(&mut state);
    state.judge(Verdict::Tie, 12.0, NOW).unwrap();
    state.go_to(0, 20.0);
    assert_eq!((state.place(), state.draft.reason.as_str()), ((0, true), "first thought"));
    assert_eq!(state.said_before().map(|record| record.verdict), Some(Verdict::Left));
    assert_eq!(state.answer(Side::Left).text, first.left.text);
    let changed = state.judge(Verdict::BothBad, 25.0, NOW).unwrap();
    assert_eq!(changed.remarks.replaces, Some(first.id.clone()));
    assert_eq!((changed.seconds_taken, state.prompt().unwrap().words().as_str()), (5.0, "c"));
    let counts = state.counts();
    assert_eq!((counts.left, counts.tie, counts.both_bad, state.progress()), (0, 1, 1, (2, 3)));
    // Taken back, the old one counts; put back, the new one.
    assert_eq!(state.undo(30.0), std::slice::from_ref(&changed.id));
    assert_eq!((state.counts().left, state.progress(), state.place()), (1, (2, 3), (0, true)));
    assert_eq!(state.redo(31.0), std::slice::from_ref(&changed.id));
    assert_eq!((state.counts().left, state.counts().both_bad), (0, 1));
    // Opened again, the same.
    let mut again = self::state(&["a", "b", "c"]);
    again.set_given(given(&[&first, &changed]));
    assert_eq!((again.progress(), again.counts().both_bad), ((1, 3), 1));
    assert_eq!(again.undo(1.0), [changed.id]);
    assert_eq!((again.counts().left, again.progress()), (1, (1, 3)));
}

#[test]
fn the_whole_history_can_be_taken_back_and_put_back() {
    let mut state = state(&["a", "b", "c"]);
    let mut ids = Vec::new();
    for verdict in [Verdict::Left, Verdict::Tie, Verdict::Right] {
        answered(&mut state);
        ids.push(state.judge(verdict, 11.0, NOW).unwrap().id);
    }
    assert_eq!(state.prompt(), None);
    let back: Vec<String> = (0..3).flat_map(|_| state.undo(12.0)).collect();
    assert_eq!(back, ids.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!((state.can_undo(), state.progress()), (false, (0, 3)));
    let forth: Vec<String> = (0..3).flat_map(|_| state.redo(13.0)).collect();
    assert_eq!((forth, state.can_redo(), state.progress()), (ids, false, (3, 3)));
}

#[test]
fn by_how_much_is_asked_only_of_a_better_answer() {
    let mut state = state(&["a"]);
    state.judging.asks_strength = true;
    answered(&mut state);
    assert!(state.wants_strength(Verdict::Left) && !state.wants_strength(Verdict::Tie));
    state.draft.strength = Some(crate::data::remarks::Strength::Much);
    let record = state.judge(Verdict::Left, 11.0, NOW).unwrap();
    assert_eq!(record.remarks.strength, Some(crate::data::remarks::Strength::Much));
}

#[test]
fn an_order_of_answers_gives_a_verdict_for_every_pair() {
    let mut state = with_candidates();
    let (texts, _) = state.ranking().unwrap();
    let best: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    for place in [1, 2] {
        state.ranking_mut().press(place);
    }
    let records = state.keep_ranking(8.0, NOW);
    assert_eq!((records.len(), state.progress(), records[0].seconds_taken), (3, (3, 4), 1.0));
    for record in &records {
        let (chosen, rejected) = record.chosen_and_rejected().unwrap();
        let rank = |text: &str| [&best[1], &best[2], &best[0]].iter().position(|t| *t == text);
        assert!(rank(chosen) < rank(rejected), "{chosen} {rejected}");
        assert_eq!(record.more["ranking"]["id"], records[0].id);
        assert!(record.models().is_some());
    }
    assert_eq!(state.prompt().unwrap().words(), "r");
    // Taken back as a whole, and asked as a whole again.
    assert_eq!(state.undo(9.0).len(), 3);
    assert_eq!((state.progress(), state.ranking().is_some()), ((0, 4), true));
    assert_eq!(state.redo(9.0).len(), 3);
    assert_eq!(state.progress(), (3, 4));
}

#[test]
fn the_comparison_that_tells_the_most_comes_first() {
    let mut state = with_candidates();
    state.ranks = false;
    state.prefer(vec![["c".to_owned(), "b".to_owned()]]);
    let (_, [left, right]) = state.pair_in_front().unwrap();
    assert!([left, right].contains(&"y") && [left, right].contains(&"z"));
    state.judge(Verdict::Tie, 6.0, NOW).unwrap();
    assert_eq!(state.progress(), (1, 4));
    assert!(state.prompt().is_some());
}

#[test]
fn base_and_adapter_are_compared_without_saying_which_is_which() {
    let mut state = state(&["a"]);
    state.compares_adapter = true;
    let request = state.request(&SamplingParams::default(), 8, AdapterMode::On, true).unwrap();
    let modes: Vec<AdapterMode> = request.lanes.iter().map(|lane| lane.adapter).collect();
    assert_eq!(modes, [AdapterMode::Off, AdapterMode::On]);
}

#[test]
fn by_how_much_is_asked_again_of_a_changed_verdict() {
    let mut state = state(&["a"]);
    state.judging.asks_strength = true;
    answered(&mut state);
    state.draft.strength = Some(crate::data::remarks::Strength::Much);
    state.judge(Verdict::Left, 11.0, NOW).unwrap();
    state.go_to(0, 12.0);
    assert!(state.wants_strength(Verdict::Right));
    state.draft.side = Some(Verdict::Right);
    assert!(!state.wants_strength(Verdict::Right), "it is being asked");
}

#[test]
fn an_answer_that_nobody_changed_is_nobodys_own() {
    let mut state = state(&["a"]);
    answered(&mut state);
    let left = state.answer(Side::Left).text.clone();
    state.draft.write_from(crate::data::remarks::From::Left, &left);
    let record = state.judge(Verdict::Right, 11.0, NOW).unwrap();
    assert_eq!(record.remarks.written, None);
    let expected = (record.right.text.as_str(), left.as_str());
    assert_eq!(record.chosen_and_rejected(), Some(expected));
}

#[test]
fn a_ranking_is_passed_as_a_whole() {
    let mut state = with_candidates();
    assert_eq!((state.neighbour(false), state.neighbour(true)), (None, Some(3)));
    state.go_to(3, 6.0);
    assert_eq!((state.neighbour(false), state.neighbour(true)), (Some(2), None));
    state.go_to(2, 7.0);
    assert_eq!((state.neighbour(false), state.neighbour(true)), (None, Some(3)));
    state.ranks = false;
    assert_eq!((state.neighbour(false), state.neighbour(true)), (Some(1), Some(3)));
}

#[test]
fn differences_are_those_of_the_answers_in_front() {
    let mut state = with_candidates();
    state.ranks = false;
    assert_eq!(state.differences().unwrap().map(|places| places[0].start), [0, 0]);
    let row = "{\"prompt\":\"s\",\"answer_a\":\"a b\",\"answer_b\":\"a c\"}\n";
    state.set_candidates("others.jsonl", crate::examples::candidates_of(row), 6.0);
    assert_eq!(state.differences().unwrap().map(|places| places[0].start), [2, 2]);
}
