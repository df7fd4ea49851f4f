//! A study coded without a window: answers, training, suggestions, going back.

use std::collections::BTreeMap;

use super::*;
use crate::examples::items;
use crate::examples::study;
use crate::study::design::Study;
use crate::study::folder::{Suggestion, create};

const AT: &str = "2026-11-28T18:00:00.000Z";

/// Three items in the order of the table, coded by Ada.
fn session(change: impl FnOnce(&mut Study, &mut Vec<Item>)) -> (tempfile::TempDir, Session) {
    let parent = tempfile::tempdir().unwrap();
    let mut list = items(3);
    let mut design = Study { order: crate::study::plan::Order::AsGiven, ..study() };
    change(&mut design, &mut list);
    let mut folder = create(&parent.path().join("s"), design, &list).unwrap();
    let log = folder.join("Ada").unwrap();
    (parent, Session::new(folder, log, 0.0))
}

fn give(session: &mut Session, now: f64) {
    let verdict = session.verdict(now, AT).expect("it is complete");
    let log = session.log_place();
    session.folder.append(log, verdict).unwrap();
    session.given(now);
}

#[test]
fn items_are_coded_one_after_the_other_and_can_be_changed() {
    let (_parent, mut session) = session(|_, _| {});
    assert!(session.obstacle().unwrap().contains("“tone” has no answer yet"));
    session.choose("good");
    give(&mut session, 3.0);
    assert_eq!((session.progress(), session.item().unwrap().id.as_str()), ((1, 3), "i2"));
    session.back(4.0);
    assert_eq!(session.draft.values[0], Some(Value::words("good")));
    assert!(!session.is_changed());
    session.choose("bad");
    assert!(session.is_changed());
    give(&mut session, 6.0);
    let first = session.coder().verdict(0, 1).unwrap();
    assert_eq!((first.value(0), first.seconds), (Some(&Value::words("bad")), 2.0));
    assert_eq!(session.coder().history().len(), 2);
    for _ in 0..2 {
        session.do_not_know();
        give(&mut session, 7.0);
    }
    assert_eq!((session.slot(), session.progress()), (None, (3, 3)));
}

#[test]
fn a_training_item_is_followed_by_what_is_right() {
    let (_parent, mut session) = session(|_, items| {
        items[2].role = Role::Training;
        items[2].expected.insert("tone".to_owned(), Value::words("bad"));
    });
    assert_eq!(session.item().unwrap().id, "i3"); // first of all
    session.choose("good");
    give(&mut session, 1.0);
    let told =
        Told::Training(vec![("tone".to_owned(), Some(Value::words("good")), Value::words("bad"))]);
    assert_eq!(session.told, Some(told));
    session.given(2.0);
    assert_eq!((session.told.clone(), session.item().unwrap().id.as_str()), (None, "i1"));
}

#[test]
fn a_suggestion_is_seen_before_after_or_not_at_all_and_the_verdict_says_so() {
    for (when, withheld, seen_first, shown_after) in [
        (Suggest::Before, 0.0, true, false),
        (Suggest::Before, 1.0, false, false),
        (Suggest::After, 0.0, false, true),
        (Suggest::Never, 0.0, false, false),
    ] {
        let (_parent, mut session) = session(|study, _| {
            study.suggestions.when = when;
            study.suggestions.withheld = withheld;
        });
        let values = BTreeMap::from([("tone".to_owned(), Value::words("bad"))]);
        let suggestion = Suggestion { item: "i1".to_owned(), values };
        session.folder.set_suggestions(vec![suggestion]).unwrap();
        session.choose("good");
        give(&mut session, 1.0);
        let seen = session.coder().verdict(0, 1).unwrap().suggestion.clone();
        assert_eq!(seen.map(|one| one.seen), (when != Suggest::Never).then_some(seen_first));
        assert_eq!(matches!(session.told, Some(Told::Suggestion(_))), shown_after);
        if shown_after {
            session.choose("bad");
            give(&mut session, 2.0);
            assert!(session.coder().verdict(0, 1).unwrap().suggestion.as_ref().unwrap().seen);
        }
        assert_eq!(session.item().unwrap().id, "i2");
    }
}

#[test]
fn places_are_marked_word_by_word_with_keys_alone() {
    let (_parent, mut session) = session(|study, _| {
        study.codebook.variables[0].kind = Kind::Spans;
    });
    session.move_words(1, false);
    session.move_words(1, false);
    session.move_words(1, true);
    session.choose("good");
    // “This is text number 1.”: the second and the third word.
    let span = Span { start: 5, end: 12, label: "good".to_owned() };
    assert_eq!(session.draft.values[0], Some(Value::Spans(vec![span])));
    session.choose("good");
    assert_eq!(session.draft.values[0], Some(Value::Spans(Vec::new())));
    assert_eq!(session.obstacle(), None); // no place is an answer
    session.move_words(99, false);
    assert_eq!(session.draft.words, Some((4, 4)));
}

#[test]
fn several_questions_are_answered_in_turn_and_a_number_is_checked() {
    let (_parent, mut session) = session(|study, _| {
        let number = Variable {
            name: "count".to_owned(),
            kind: Kind::Number,
            low: Some(0.0),
            ..Variable::default()
        };
        study.codebook.variables.push(number);
        study.break_after = Some(1);
    });
    session.choose("good");
    assert_eq!((session.draft.question, session.first_open()), (1, Some(1)));
    session.draft.typed[1] = "-3".to_owned();
    assert!(session.obstacle().unwrap().contains("less than 0"));
    session.draft.typed[1] = "three".to_owned();
    assert!(session.obstacle().unwrap().contains("is no number"));
    session.draft.typed[1] = "3".to_owned();
    give(&mut session, 1.0);
    assert!(!session.break_due(59.0) && session.break_due(61.0));
    session.back(2.0);
    assert_eq!(session.draft.typed[1], "3");
}
