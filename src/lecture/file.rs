//! A lecture's file: TOML that is read and written by hand. The one place that reads it.

use std::path::Path;

use super::error::FileError;
use super::keys::{Keys, table_lines};
use super::questions::question_kind;
use super::scene::{FORMAT, KEPT_AS, Lecture, Scene, View};
use crate::explore::mask_words::{places_of, words};
use crate::explore::pair_set::PairSet;
use crate::files;
use crate::files::meant::meant;

/// More scenes than that are no lecture.
const MOST_SCENES: usize = 500;

/// The lecture in a file.
pub fn read(path: &Path) -> Result<Lecture, FileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| FileError::Read { path: path.to_owned(), source })?;
    parse(&text)
}

/// Writes it whole.
pub fn write(path: &Path, lecture: &Lecture) -> Result<(), FileError> {
    files::write_atomic(path, text(lecture).as_bytes())
        .map_err(|source| FileError::Write { path: path.to_owned(), source })
}

/// As its file says it.
pub fn text(lecture: &Lecture) -> String {
    toml::to_string_pretty(lecture).expect("a lecture is texts and numbers")
}

/// A scene as it stands in a lecture's file, to be appended to it.
pub fn scene_text(lecture: &Lecture, scene: Scene) -> String {
    let text = text(&Lecture { scenes: vec![scene], ..lecture.clone() });
    let begin = text.find("[[scene]]").unwrap_or(0);
    text[begin..].to_owned()
}

/// The lecture that a file's text says.
pub fn parse(text: &str) -> Result<Lecture, FileError> {
    let mut keys = Keys::of_file(text)?;
    let title = keys.text("title")?.unwrap_or_default();
    let about = keys.text("about")?.unwrap_or_default();
    let minutes = keys.whole("minutes", 1..=1000)?.map(|minutes| minutes as u32);
    let model = keys.text("model")?.unwrap_or_else(|| "starter".to_owned());
    let tables = keys.tables("scene")?;
    keys.end()?;
    if tables.is_empty() || tables.len() > MOST_SCENES {
        return Err(FileError::NoScenes);
    }
    let lines = table_lines(text, "scene");
    let scenes = tables.into_iter().enumerate().map(|(at, table)| {
        let line = lines.get(at).copied().unwrap_or(1);
        scene(Keys::new(table, text, line, format!("scene {}", at + 1)))
    });
    let scenes = scenes.collect::<Result<Vec<_>, _>>()?;
    Ok(Lecture { format: FORMAT, title, about, minutes, model, scenes })
}

fn scene(mut keys: Keys<'_>) -> Result<Scene, FileError> {
    let known = View::NAMES.join(", ");
    let name = keys.needed_text("view", &format!("one of {known}"))?;
    let title = keys.text("title")?.unwrap_or_default();
    let notes = keys.text("notes")?.unwrap_or_default();
    let reveal = keys.flag("reveal")?;
    let model = keys.text("model")?;
    let adapter = keys.text("adapter")?;
    let Some(view) = view(&name, &mut keys)? else {
        let meant = meant(&name, View::NAMES).map(str::to_owned);
        let place = keys.place("view");
        return Err(FileError::UnknownView { place, view: name, meant, known });
    };
    if matches!(view, View::Adapter { .. }) && adapter.is_none() {
        let expected = "the adapter that is compared with its base model".to_owned();
        return Err(FileError::Missing { place: keys.place("view"), key: "adapter", expected });
    }
    keys.end()?;
    let title = if title.is_empty() { view.words().to_owned() } else { title };
    Ok(Scene { title, view, reveal, model, adapter, notes })
}

/// `None`: there is no view of that name.
fn view(name: &str, keys: &mut Keys<'_>) -> Result<Option<View>, FileError> {
    const TEXT: &str = "the text that is looked at";
    const TOP: usize = 8;

    /// Tokenizers that have room under the lecture's own.
    const MOST: usize = 3;

    let view = match name {
        "words" => View::Words { text: keys.text("text")?.unwrap_or_default() },
        "tokens" => View::Tokens {
            text: keys.needed_text("text", TEXT)?,
            chat: keys.flag("chat")?,
            ids: keys.flag("ids")?,
        },
        "tokenizers" => {
            let (text, with) = (keys.needed_text("text", TEXT)?, keys.texts("with")?);
            if !(1..=MOST).contains(&with.len()) {
                return Err(FileError::Value {
                    place: keys.place("with"),
                    key: "with".to_owned(),
                    found: format!("a list of {}", with.len()),
                    expected: format!("1 to {MOST} models, or folders of tokenizers"),
                });
            }
            View::Tokenizers { text, with }
        }
        "next" => View::Next {
            text: keys.needed_text("text", TEXT)?,
            chat: keys.flag("chat")?,
            top: keys.whole("top", 1..=10)?.unwrap_or(TOP),
            temperature: keys.number("temperature", 0.0..=10.0)?.unwrap_or(1.0),
            top_k: keys.whole("top_k", 0..=1_000_000)?.unwrap_or(0),
            top_p: keys.number("top_p", 0.0..=1.0)?.unwrap_or(1.0),
            min_p: keys.number("min_p", 0.0..=1.0)?.unwrap_or(0.0),
        },
        "temperatures" => {
            let (text, chat) = (keys.needed_text("text", TEXT)?, keys.flag("chat")?);
            let top = keys.whole("top", 1..=8)?.unwrap_or(6);
            let mut temperatures = keys.numbers("temperatures", 0.05..=10.0)?;
            if temperatures.is_empty() {
                temperatures = vec![0.3, 1.0, 2.0];
            }
            if temperatures.len() > 3 {
                return Err(FileError::Value {
                    place: keys.place("temperatures"),
                    key: "temperatures".to_owned(),
                    found: format!("a list of {}", temperatures.len()),
                    expected: "at most 3: more have no room beside each other".to_owned(),
                });
            }
            View::Temperatures { text, chat, top, temperatures }
        }
        "surprise" => View::Surprise { text: keys.needed_text("text", TEXT)? },
        "guess" => {
            let (text, hide) = (keys.needed_text("text", TEXT)?, keys.texts("hide")?);
            let every = keys.whole("every", 2..=100)?;
            if let Some(word) = hide.iter().find(|word| !text.contains(word.as_str())) {
                return Err(FileError::Value {
                    place: keys.place("hide"),
                    key: "hide".to_owned(),
                    found: format!("{word:?}, which is not in the text"),
                    expected: "words of the text, as they are written there".to_owned(),
                });
            }
            let every = every.unwrap_or(if hide.is_empty() { 5 } else { 0 });
            View::Guess { text, hide, every }
        }
        "mask" => mask(keys, TEXT)?,
        "pair" => View::Pair {
            text: keys.needed_text("text", "the first of the two prompts")?,
            other: keys.needed_text("other", "the second of the two prompts")?,
            top: keys.whole("top", 1..=8)?.unwrap_or(5),
        },
        "pair_set" => pair_set(keys)?,
        "tree" => View::Tree {
            text: keys.needed_text("text", TEXT)?,
            branches: keys.whole("branches", 1..=6)?.unwrap_or(4),
            steps: keys.whole("steps", 1..=8)?.unwrap_or(4),
        },
        "attention" => View::Attention {
            text: keys.needed_text("text", TEXT)?,
            layer: keys.whole("layer", 0..=usize::MAX)?.unwrap_or(0),
            head: keys.whole("head", 0..=usize::MAX)?.unwrap_or(0),
            hide_first: keys.flag("hide_first")?,
        },
        "lens" => View::Lens {
            text: keys.needed_text("text", TEXT)?,
            last: keys.whole("last", 1..=8)?.unwrap_or(5),
        },
        "leave_one_out" => View::LeaveOneOut {
            text: keys.needed_text("text", "the prompt of which words are left out")?,
            answer: keys.needed_text("answer", "what comes after the prompt")?,
        },
        "meaning" => {
            let items = keys.texts("items")?;
            if !(3..=30).contains(&items.len()) {
                return Err(FileError::Value {
                    place: keys.place("items"),
                    key: "items".to_owned(),
                    found: format!("a list of {}", items.len()),
                    expected: "3 to 30 words or texts".to_owned(),
                });
            }
            let before = keys.text("before")?.unwrap_or_else(|| "Here is a word: ".to_owned());
            View::Meaning { items, before, layer: keys.whole("layer", 0..=usize::MAX)? }
        }
        "adapter" => View::Adapter { text: keys.needed_text("text", TEXT)? },
        "two_models" => two_models(keys)?,
        "machine" => View::Machine { times: keys.flag("times")? },
        "ask" => {
            let text = keys.needed_text("text", "what the room is asked")?;
            let about = keys.text("about")?.unwrap_or_default();
            View::Ask { text, about, kind: question_kind(keys)? }
        }
        _ => return Ok(None),
    };
    Ok(Some(view))
}

fn mask(keys: &mut Keys<'_>, expected: &str) -> Result<View, FileError> {
    /// More words than anybody's text has.
    const MOST: f64 = 100_000.0;

    let (text, hide) = (keys.needed_text("text", expected)?, keys.texts("hide")?);
    let with = keys.needed_text("with", "the masked model, which guesses from both sides")?;
    let places = keys.numbers("places", 1.0..=MOST)?;
    let places: Vec<usize> = places.into_iter().map(|place| place as usize).collect();
    let every = keys.whole("every", 2..=100)?.unwrap_or(0);
    let words = words(&text);
    let wrong = |key: &'static str, found: String, expected: String| {
        let place = keys.place(key);
        Err(FileError::Value { place, key: key.to_owned(), found, expected })
    };
    if let Err(word) = places_of(&text, &hide) {
        let expected =
            "words of the text, as they are written there, each as often as it stands there";
        return wrong("hide", format!("{word:?}, which is not in the text"), expected.to_owned());
    }
    if let Some(place) = places.iter().find(|place| **place > words.len()) {
        let expected = format!("numbers of the text's words, from 1 to {}", words.len());
        return wrong("places", place.to_string(), expected);
    }
    let has_typed = words.iter().any(|word| word.is_mask);
    if hide.is_empty() && places.is_empty() && every == 0 && !has_typed {
        let expected =
            "words to hide (`hide`, `places` or `every`), or [MASK] in the text".to_owned();
        return Err(FileError::Missing { place: keys.place("view"), key: "hide", expected });
    }
    Ok(View::Mask { text, hide, places, every, with })
}

fn pair_set(keys: &mut Keys<'_>) -> Result<View, FileError> {
    /// Answers that have room on a stage.
    const MOST: usize = 8;

    let (templates, pairs) = (keys.texts("templates")?, keys.texts("pairs")?);
    let answers = keys.texts("answers")?;
    let wrong = |key: &'static str, found: String, expected: String| {
        let place = keys.place(key);
        Err(FileError::Value { place, key: key.to_owned(), found, expected })
    };
    if !(1..=MOST).contains(&answers.len()) {
        let expected = format!("1 to {MOST} answers, such as \" nurse\"");
        return wrong("answers", format!("a list of {}", answers.len()), expected);
    }
    let set = PairSet { format: 1, title: String::new(), templates, pairs, answers };
    if let Err(error) = set.check() {
        let expected = "texts with {word} in them, and pairs such as \"man / woman\"".to_owned();
        return wrong("templates", error.to_string(), expected);
    }
    let PairSet { templates, pairs, answers, .. } = set;
    Ok(View::PairSet { templates, pairs, answers })
}

fn two_models(keys: &mut Keys<'_>) -> Result<View, FileError> {
    let text = keys.needed_text("text", "the text that both models read")?;
    let with = keys.text("with")?.unwrap_or_default();
    let weights = keys.text("weights")?.unwrap_or_default();
    let known: Vec<&str> = KEPT_AS.iter().map(|(words, _)| *words).collect();
    if !weights.is_empty() && !known.contains(&weights.as_str()) {
        return Err(FileError::Value {
            place: keys.place("weights"),
            key: "weights".to_owned(),
            found: format!("{weights:?}"),
            expected: format!("one of {}", known.join(", ")),
        });
    }
    if with.is_empty() && weights.is_empty() {
        let expected =
            "the second model (`with`), or how its own weights are kept (`weights`)".to_owned();
        return Err(FileError::Missing { place: keys.place("view"), key: "with", expected });
    }
    Ok(View::TwoModels { text, with, weights })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = "format = 1\ntitle = \"One\"\n\n[[scene]]\nview = \"tokens\"\n\
                         title = \"What does it read?\"\ntext = \"The library opens at nine.\"\n";

    fn problem(text: &str) -> String {
        parse(text).expect_err("there is something wrong").to_string()
    }

    #[test]
    fn a_lecture_is_read_as_it_was_written() {
        let lecture = parse(SHORT).unwrap();
        assert_eq!((lecture.title.as_str(), lecture.model.as_str()), ("One", "starter"));
        let View::Tokens { text, chat: false, ids: false } = &lecture.scenes[0].view else {
            panic!("{:?}", lecture.scenes[0]);
        };
        assert_eq!(text, "The library opens at nine.");
        assert_eq!(parse(&super::text(&lecture)).unwrap(), lecture);
    }

    #[test]
    fn a_scene_can_be_appended_to_what_was_written_by_hand() {
        let lecture = parse(SHORT).unwrap();
        let longer = format!("{SHORT}\n{}", scene_text(&lecture, lecture.scenes[0].clone()));
        let again = parse(&longer).unwrap();
        assert_eq!(again.scenes, [lecture.scenes[0].clone(), lecture.scenes[0].clone()]);
    }

    #[test]
    fn every_view_is_written_as_it_is_read() {
        let scenes = "format = 1\ntitle = \"All\"\nminutes = 20\nmodel = \"starter\"\n\
            [[scene]]\nview = \"words\"\ntext = \"\"\"\nTwo\nlines\"\"\"\nnotes = \"Wait\"\n\
            [[scene]]\nview = \"tokens\"\ntext = \"a\"\nchat = true\nids = true\n\
            [[scene]]\nview = \"tokenizers\"\ntext = \"a\"\nwith = [\"another\"]\n\
            [[scene]]\nview = \"next\"\ntext = \"a\"\ntop_k = 40\ntop_p = 0.9\nreveal = true\n\
            [[scene]]\nview = \"temperatures\"\ntext = \"a\"\ntemperatures = [0.5, 1]\n\
            [[scene]]\nview = \"surprise\"\ntext = \"a\"\nmodel = \"another\"\n\
            [[scene]]\nview = \"guess\"\ntext = \"a b\"\nhide = [\"b\"]\n\
            [[scene]]\nview = \"mask\"\ntext = \"a b\"\nhide = [\"b\"]\nplaces = [1]\nwith = \"bert\"\n\
            [[scene]]\nview = \"pair\"\ntext = \"a\"\nother = \"b\"\n\
            [[scene]]\nview = \"pair_set\"\ntemplates = [\"a {word}\"]\npairs = [\"a / b\"]\n\
            answers = [\" c\"]\n\
            [[scene]]\nview = \"tree\"\ntext = \"a\"\n\
            [[scene]]\nview = \"attention\"\ntext = \"a\"\nlayer = 3\nhead = 2\nhide_first = true\n\
            [[scene]]\nview = \"lens\"\ntext = \"a\"\n\
            [[scene]]\nview = \"leave_one_out\"\ntext = \"a\"\nanswer = \" b\"\n\
            [[scene]]\nview = \"meaning\"\nitems = [\"a\", \"b\", \"c\"]\n\
            [[scene]]\nview = \"adapter\"\ntext = \"a\"\nadapter = \"runs/one\"\n\
            [[scene]]\nview = \"two_models\"\ntext = \"a\"\nweights = \"q4_0\"\n\
            [[scene]]\nview = \"machine\"\ntimes = true\n\
            [[scene]]\nview = \"ask\"\ntext = \"a\"\nkind = \"pair\"\nleft = \"b\"\nright = \"c\"\n";
        let lecture = parse(scenes).unwrap();
        let names: Vec<&str> = lecture.scenes.iter().map(|scene| scene.view.name()).collect();
        assert_eq!(names, View::NAMES);
        assert_eq!(parse(&super::text(&lecture)).unwrap(), lecture);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_was_meant() {
        let typo = SHORT.replace("text =", "txet =");
        let said = problem(&typo);
        assert!(said.starts_with("line 5, scene 1: `text` is missing"), "{said}");
        let extra = format!("{SHORT}chta = true\n");
        assert_eq!(
            problem(&extra),
            "line 8, scene 1: there is no key `chta` here (did you mean `chat`?). Known here: view, \
             title, notes, reveal, model, adapter, text, chat, ids"
        );
        let at_top = SHORT.replace("title = \"One\"", "tilte = \"One\"");
        let said = problem(&at_top);
        assert!(said.starts_with("line 2: there is no key `tilte` here (did you mean `title`?)"));
    }

    #[test]
    fn a_scene_of_a_newer_version_says_so() {
        let said = problem(&SHORT.replace("\"tokens\"", "\"hologram\""));
        assert!(said.contains("line 5, scene 1: there is no view `hologram`"), "{said}");
        assert!(said.contains("from a newer one"), "{said}");
        let said = problem(&SHORT.replace("\"tokens\"", "\"token\""));
        assert!(said.contains("did you mean `tokens`?"), "{said}");
        let said = problem(&SHORT.replace("format = 1", "format = 2"));
        assert!(said.contains("newer version of Tuning Fork"), "{said}");
    }

    #[test]
    fn a_value_that_cannot_be_says_what_is_expected() {
        let next = SHORT.replace("\"tokens\"", "\"next\"");
        let said = problem(&format!("{next}top = 50\n"));
        assert_eq!(said, "line 8, scene 1: `top` is 50. Expected: a whole number from 1 to 10");
        let said = problem(&format!("{next}temperature = \"hot\"\n"));
        assert!(said.contains("`temperature` is the text \"hot\". Expected: a number"), "{said}");
        let guess = SHORT.replace("\"tokens\"", "\"guess\"");
        let said = problem(&format!("{guess}hide = [\"museum\"]\n"));
        assert!(said.contains("\"museum\", which is not in the text"), "{said}");
        let mask = SHORT.replace("\"tokens\"", "\"mask\"");
        assert!(problem(&mask).contains("`with` is missing"), "{}", problem(&mask));
        let mask = format!("{mask}with = \"bert\"\n");
        assert!(problem(&mask).contains("`hide` is missing"), "{}", problem(&mask));
        let said = problem(&format!("{mask}hide = [\"museum\"]\n"));
        assert!(said.contains("\"museum\", which is not in the text"), "{said}");
        let said = problem(&format!("{mask}places = [6]\n"));
        assert!(said.contains("from 1 to 5"), "{said}");
        let two = SHORT.replace("\"tokens\"", "\"two_models\"");
        let said = problem(&two);
        assert!(said.contains("`with` is missing"), "{said}");
        let said = problem(&format!("{two}weights = \"q3\"\n"));
        assert!(said.contains("one of f32, bf16, q8_0, q4_0"), "{said}");
        assert!(problem("title = \"One\"").contains("no scene"));
        assert!(problem("title = ").starts_with("line 1:"));
    }
}
