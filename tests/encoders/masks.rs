//! Fill the mask: hidden words from both sides and from the left, and how well texts fit. Right values:
//! `tests/reference/make_masks.py` (transformers 5.23).

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tuning_fork_engine::explore::error::Error;
use tuning_fork_engine::explore::fit::{Fit, Fitted};
use tuning_fork_engine::explore::mask::{Guessed, GuessedToken, MaskedModel, Side, from_left};
use tuning_fork_engine::explore::subject::Subject;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::card::ModelSource;
use tuning_fork_engine::llm::{LoadOptions, Model};

const TOP: usize = 5;

fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(path)
}

fn told(part: &str) -> Vec<(String, Vec<Value>)> {
    let text = std::fs::read(reference("masks.json")).unwrap();
    let told: Value = serde_json::from_slice(&text).unwrap();
    let models = told[part].as_object().unwrap().iter();
    models.map(|(name, rows)| (name.clone(), rows.as_array().unwrap().clone())).collect()
}

fn masked(name: &str) -> MaskedModel {
    MaskedModel::load(&reference(&format!("encoders/{name}")), name).unwrap()
}

fn decoder(name: &str) -> Model {
    let source = ModelSource::at(&reference(&format!("models/{name}")));
    Model::load(&source, &LoadOptions::default(), &Quiet).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn near(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= 2e-4, "{what}: {found}, and {expected} was expected");
}

fn characters(word: &Value) -> Range<usize> {
    let ends = ids(&word["characters"]);
    ends[0] as usize..ends[1] as usize
}

fn hidden(row: &Value) -> Vec<Range<usize>> {
    row["words"].as_array().unwrap().iter().map(characters).collect()
}

fn assert_guessed(found: &GuessedToken, expected: &Value, what: &str) {
    let top: Vec<u32> = found.top.iter().map(|guess| guess.id).collect();
    assert_eq!(top, ids(&expected["top_ids"]), "{what}");
    for (guess, expected) in found.top.iter().zip(expected["top_logprobs"].as_array().unwrap()) {
        near(guess.logprob, expected, what);
        assert!((guess.probability - guess.logprob.exp()).abs() < 1e-12);
    }
    near(found.entropy, &expected["entropy"], what);
}

fn assert_words(side: &Side, row: &Value, what: &str) {
    assert_eq!(side.ids, ids(&row["ids"]), "{what}: what is read");
    let words = row["words"].as_array().unwrap();
    assert_eq!(side.places.len(), words.len(), "{what}");
    for (place, expected) in side.places.iter().zip(words) {
        let Guessed { characters: place_of, word, tokens, logprob, .. } = place;
        assert_eq!(*place_of, characters(expected), "{what}");
        let text: String = row["text"].as_str().unwrap().into();
        assert_eq!(word.as_deref(), Some(&text[place_of.clone()]), "{what}");
        let expected = expected["tokens"].as_array().unwrap();
        assert_eq!(tokens.len(), expected.len(), "{what}, {word:?}");
        let mut sum = 0.0;
        for (token, expected) in tokens.iter().zip(expected) {
            assert_guessed(token, expected, what);
            assert_eq!(token.position as u64, expected["position"].as_u64().unwrap());
            let own = token.own.as_ref().unwrap();
            assert_eq!(u64::from(own.id), expected["own"].as_u64().unwrap(), "{what}");
            assert_eq!(own.rank as u64, expected["rank"].as_u64().unwrap(), "{what}, {word:?}");
            near(own.logprob, &expected["logprob"], what);
            sum += expected["logprob"].as_f64().unwrap();
        }
        assert!((logprob.unwrap() - sum).abs() < 1e-3, "{what}: {logprob:?} for {sum}");
    }
}

#[test]
fn hidden_words_are_guessed_from_both_sides_as_transformers_guesses_them() {
    for (name, rows) in told("masked") {
        let model = masked(&name);
        for row in rows {
            let text = row["text"].as_str().unwrap();
            let side = model.fill(text, &hidden(&row), TOP, &Quiet).unwrap();
            assert_words(&side, &row, &name);
            assert!(!side.is_cut);
        }
    }
}

#[test]
fn hidden_words_are_guessed_from_the_left_as_transformers_guesses_them() {
    for (name, rows) in told("decoders") {
        let model = decoder(&name);
        let subject = Subject::new(&model, None);
        for row in rows {
            let text = row["text"].as_str().unwrap();
            let Some(typed) = row.get("typed") else {
                let side = from_left(subject, text, &hidden(&row), TOP, &Quiet).unwrap();
                assert_words(&side, &row, &name);
                continue;
            };
            let side = from_left(subject, text, &[], TOP, &Quiet).unwrap();
            assert_eq!(side.ids, ids(&row["ids"]), "{name} reads on with its own guess");
            assert_eq!((side.places.len(), side.places[0].word.as_ref()), (1, None));
            assert_guessed(&side.places[0].tokens[0], typed, &name);
        }
    }
}

fn assert_fit(found: &Fit, expected: &Value, what: &str) {
    assert_eq!(found.ids, ids(&expected["ids"]), "{what}");
    for (logprob, expected) in found.logprobs.iter().zip(expected["logprobs"].as_array().unwrap()) {
        assert_eq!(logprob.is_none(), expected.is_null(), "{what}");
        if let Some(logprob) = logprob {
            near(*logprob, expected, what);
        }
    }
    let sum = expected["sum"].as_f64().unwrap();
    assert!((found.pseudo_log_likelihood - sum).abs() < 2e-3, "{what}");
}

#[test]
fn texts_fit_as_transformers_says_and_their_tokens_are_compared() {
    for (name, rows) in told("masked") {
        let model = masked(&name);
        for row in rows {
            let fits = row["fits"].as_array().unwrap();
            let text = |at: usize| fits[at]["text"].as_str().unwrap();
            let Fitted::One(one) = model.fit(text(0), None, &Quiet).unwrap() else {
                panic!("one text was given")
            };
            assert_fit(&one, &fits[0], &name);
            let Fitted::Pair(pair) = model.fit(text(0), Some(text(1)), &Quiet).unwrap() else {
                panic!("two texts were given")
            };
            assert_eq!(pair.a, one);
            assert_fit(&pair.b, &fits[1], &name);
            let sum = |at: usize| fits[at]["sum"].as_f64().unwrap();
            assert!((pair.difference - (sum(0) - sum(1))).abs() < 4e-3, "{name}");
            assert!(pair.shared.len() > 3, "{name}: most of the texts is the same");
            for shared in &pair.shared {
                assert_eq!(pair.a.ids[shared.a], pair.b.ids[shared.b]);
                let (a, b) = (pair.a.logprobs[shared.a], pair.b.logprobs[shared.b]);
                assert!((shared.difference - (a.unwrap() - b.unwrap())).abs() < 1e-12);
            }
        }
    }
}

/// The same masks, written as the model's own or as anybody writes them, or as a word that is hidden.
#[test]
fn a_mask_is_a_mask_however_it_is_written() {
    for name in ["mlm_bert", "mlm_roberta"] {
        let model = masked(name);
        let fill = |text: &str, hidden: &[Range<usize>]| model.fill(text, hidden, TOP, &Quiet);
        let one = fill("the <mask> was open", &[]).unwrap();
        let other = fill("the [MASK] was open", &[]).unwrap();
        assert_eq!((&one.ids, &one.places), (&other.ids, &other.places), "{name}");
        assert_eq!(one.places[0].characters, 4..10, "{name}");
        let text = "the [MASK] was open";
        let both = fill(text, std::slice::from_ref(&(15..19))).unwrap();
        let places: Vec<_> = both.places.iter().map(|place| place.word.clone()).collect();
        assert_eq!(places, [None, Some("open".to_owned())], "{name}: one typed, one hidden");
        assert!(matches!(fill("the door", &[]), Err(Error::NothingHidden)), "{name}");
    }
}

#[test]
fn of_a_text_that_is_too_long_the_beginning_is_read() {
    let model = masked("mlm_bert");
    let text = "open data was the best answer ".repeat(40);
    let last = text.chars().count() - 7;
    let hidden = [0..4, last..last + 6];
    let side = model.fill(&text, &hidden, TOP, &Quiet).unwrap();
    assert!(side.is_cut);
    assert_eq!(side.places.len(), 1, "the last word is cut off");
    assert_eq!(side.places[0].characters, 0..4);
    // It ends with what ends every text.
    let short = model.fill("open data", std::slice::from_ref(&(0..4)), TOP, &Quiet).unwrap();
    assert_eq!(side.ids.last(), short.ids.last());
}

#[test]
fn nothing_is_guessed_before_the_text_begins() {
    let model = decoder("gpt2");
    let subject = Subject::new(&model, None);
    let words = [0..4, 5..9];
    let side = from_left(subject, "open data was the best answer", &words, TOP, &Quiet).unwrap();
    assert_eq!(side.places[0].characters, 0..4);
    assert!(side.places[0].tokens.is_empty() && side.places[0].probability.is_none());
    assert!(side.places[1].probability.is_some());
}

#[test]
fn a_model_without_the_head_says_what_it_has() {
    let folder = reference("encoders/cls_bert_nli");
    let said = MaskedModel::load(&folder, "cls_bert_nli").err().unwrap().to_string();
    assert!(said.contains("guesses masked words"), "{said}");
}
