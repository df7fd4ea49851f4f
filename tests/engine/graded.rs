//! Preference rows of `HelpSteer2`, `HelpSteer3` and Nectar, as their cards describe them.

use serde_json::{Value, json};
use tuning_fork_engine::data::forms::{Content, Fields, Form, Read, Want, understand};
use tuning_fork_engine::data::pair::Text;

fn read(rows: Value) -> Read {
    let rows: Vec<Fields> = serde_json::from_value(rows).unwrap();
    understand(&rows, Want::Pairs, None).unwrap()
}

fn pairs(read: &Read) -> Vec<[String; 3]> {
    let pairs = read.rows.iter().map(|row| match &row.content {
        Content::Preference(pair) => {
            [pair.prompt.words(), pair.chosen.words(), pair.rejected.words()]
        }
        other => panic!("{other:?}"),
    });
    pairs.collect()
}

// The data sets' cards: -3 the first answer is much better, 3 the second.
#[test]
fn helpsteers_sign_says_which_answer_is_better() {
    let row = |strength: Value| {
        json!({"prompt": "q", "response_1": "x", "response_2": "y",
               "preference_strength": strength, "preference_statement": "…"})
    };
    let found = read(json!([row(json!(-2)), row(json!(1)), row(json!(0)), row(json!(-100))]));
    assert_eq!(found.form, Form::HelpSteer);
    assert_eq!(pairs(&found), [["q", "x", "y"], ["q", "y", "x"]]);
    let notes: Vec<&str> = found.notes.iter().map(|note| note.sentence.as_str()).collect();
    assert!(
        notes[0].contains("neither of its answers is better") && notes[1].contains("from -3 to 3"),
        "{notes:?}"
    );

    let third = json!({"domain": "stem", "language": "english",
        "context": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                    {"role": "user", "content": "c"}],
        "response1": "x", "response2": "y", "overall_preference": 3});
    let found = read(json!([third]));
    let Content::Preference(pair) = &found.rows[0].content else { panic!("a pair") };
    assert_eq!(pair.chosen.words(), "y");
    let Text::Messages(prompt) = &pair.prompt else { panic!("messages") };
    assert_eq!(prompt.len(), 3);
}

#[test]
fn nectars_best_rank_stands_against_the_last() {
    let answers = json!([{"answer": "bad", "model": "m", "rank": 7.0},
        {"answer": "good", "model": "n", "rank": 1.0}, {"answer": "fair", "model": "o", "rank": 3.0}]);
    let prompt = "\n\nHuman: Why?\n\nAssistant: Because.\n\nIt is.\n\nHuman: So?\n\nAssistant: ";
    let found =
        read(json!([{"prompt": prompt, "answers": answers, "turns": 2, "num_responses": 3}]));
    assert_eq!(found.form, Form::Nectar);
    let Content::Preference(pair) = &found.rows[0].content else { panic!("a pair") };
    assert_eq!((pair.chosen.words(), pair.rejected.words()), ("good".into(), "bad".into()));
    let Text::Messages(turns) = &pair.prompt else { panic!("messages") };
    let turns: Vec<(&str, &str)> =
        turns.iter().map(|turn| (turn.role.as_str(), turn.content.as_str())).collect();
    let expected = [("user", "Why?"), ("assistant", "Because.\n\nIt is."), ("user", "So?")];
    assert_eq!(turns, expected);
}
