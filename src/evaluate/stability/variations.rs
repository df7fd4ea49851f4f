//! A codebook and its prompt in other forms, which a model has to answer alike, or in a way that is
//! known beforehand.

use crate::data::codebook::{Class, Codebook};
use crate::evaluate::prompt::orders;
use crate::evaluate::rows::question::Question;

/// Prompts of other words and another order than the usual one, with the same parts.
pub const TEMPLATES: [&str; 3] = [
    "Text: {text}\n\n{instruction}\n\n{codebook}\n\nOptions:\n{options}\n\n{reminder}",
    "You code texts for a study and follow its codebook to the letter.\n\n{instruction}\n\nThe \
     codebook:\n\n{codebook}\n\nThis is the text to code:\n\n“{text}”\n\nChoose one of these \
     labels:\n{options}\n\n{reminder}",
    "{instruction}\n\nThe labels are:\n{options}\n\nThey mean:\n\n{codebook}\n\nRead this:\n\n\
     {text}\n\nWhich label fits best? {reminder}",
];

/// The same of prompts that ask about one label.
pub const TEMPLATES_OF_EACH: [&str; 3] = [
    "{instruction}\n\n{label}\n\nText: {text}\n\n{reminder}",
    "You code texts for a study and follow its codebook to the letter.\n\n{instruction}\n\nThis is \
     the text to code:\n\n“{text}”\n\nThis is one label of the codebook:\n\n{label}\n\n{reminder}",
    "Read this:\n\n{text}\n\n{instruction}\n\nOne of the labels is this:\n\n{label}\n\n{reminder}",
];

/// Words that hardly any text has.
const WORDS: [&str; 4] = ["elephant", "lighthouse", "trombone", "marmalade"];

/// The codebook with its classes in at most `count` other orders; with each, which of its own classes
/// stands at each place.
pub fn reordered(codebook: &Codebook, count: usize, seed: u64) -> Vec<(Vec<usize>, Codebook)> {
    let all = orders(codebook.classes.len(), count + 1, seed);
    let others = all.into_iter().skip(1).take(count);
    others
        .map(|order| {
            let classes = order.iter().map(|place| codebook.classes[*place].clone()).collect();
            (order, Codebook { classes, ..codebook.clone() })
        })
        .collect()
}

/// The labels say nothing any more: `LABEL_1` and so on.
pub fn generic(codebook: &Codebook) -> Codebook {
    relabelled(codebook, (1..=codebook.classes.len()).map(|number| format!("LABEL_{number}")))
}

/// Every class has the label of the next one, the last one that of the first.
pub fn swapped(codebook: &Codebook) -> Codebook {
    let mut labels = codebook.labels();
    if !labels.is_empty() {
        labels.rotate_left(1);
    }
    relabelled(codebook, labels.into_iter())
}

fn relabelled(codebook: &Codebook, labels: impl Iterator<Item = String>) -> Codebook {
    let classes = codebook.classes.iter().zip(labels);
    let classes = classes.map(|(class, label)| Class { label, ..class.clone() }).collect();
    Codebook { classes, ..codebook.clone() }
}

/// One class excludes texts with a word.
pub fn excluding(codebook: &Codebook, class: usize, word: &str) -> Codebook {
    let mut codebook = codebook.clone();
    if let Some(class) = codebook.classes.get_mut(class) {
        let rule = format!("Texts in which the word “{word}” occurs.");
        let before = class.negative_clarification.trim();
        class.negative_clarification =
            if before.is_empty() { rule } else { format!("{before} {rule}") };
    }
    codebook
}

/// A word that stands neither in the codebook nor in one of the texts.
pub fn unused_word(codebook: &Codebook, questions: &[Question]) -> &'static str {
    let said = codebook.words().to_lowercase();
    let is_used = |word: &str| {
        said.contains(word)
            || questions.iter().any(|question| {
                question.part("text").is_some_and(|text| text.to_lowercase().contains(word))
            })
    };
    WORDS.into_iter().find(|word| !is_used(word)).unwrap_or(WORDS[0])
}

/// Whether a reply is one of the answers, but for case and for marks around it. Of answers that are
/// letters, the option's words may follow: `B. Method`.
pub fn is_legal(reply: &str, answers: &[String]) -> bool {
    let plain = |text: &str| {
        let marks = |letter: char| !letter.is_alphanumeric();
        text.trim_matches(marks).to_lowercase()
    };
    let letters = answers.iter().all(|answer| answer.chars().count() == 1);
    let said = match reply.split_once(['.', ')', ':']) {
        Some((letter, _)) if letters => plain(letter),
        _ => plain(reply),
    };
    answers.iter().any(|answer| plain(answer) == said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codebook() -> Codebook {
        let class = |label: &str| Class {
            label: label.to_owned(),
            definition: format!("what is {label}"),
            ..Class::default()
        };
        Codebook {
            instruction: "Say the tone.".to_owned(),
            classes: ["good", "bad", "mixed"].map(class).to_vec(),
            ..Codebook::default()
        }
    }

    #[test]
    fn definitions_stay_where_labels_change() {
        let definitions = |codebook: &Codebook| -> Vec<String> {
            codebook.classes.iter().map(|class| class.definition.clone()).collect()
        };
        let (generic, swapped) = (generic(&codebook()), swapped(&codebook()));
        assert_eq!(generic.labels(), ["LABEL_1", "LABEL_2", "LABEL_3"]);
        assert_eq!(swapped.labels(), ["bad", "mixed", "good"]);
        assert_eq!(definitions(&generic), definitions(&codebook()));
        assert_eq!(definitions(&swapped), definitions(&codebook()));
    }

    #[test]
    fn other_orders_say_where_each_class_came_from() {
        let found = reordered(&codebook(), 3, 0);
        assert_eq!(found.len(), 3);
        for (order, other) in found {
            assert_ne!(other.labels(), codebook().labels());
            for (place, from) in order.iter().enumerate() {
                assert_eq!(other.classes[place], codebook().classes[*from]);
            }
        }
        let two = Codebook { classes: codebook().classes[..2].to_vec(), ..codebook() };
        assert_eq!(reordered(&two, 3, 0).len(), 1, "two classes have one other order");
    }

    #[test]
    fn a_rule_is_added_to_what_a_class_excludes() {
        let mut book = codebook();
        book.classes[1].negative_clarification = "Irony.".to_owned();
        let found = excluding(&book, 1, "elephant");
        let rule = "Irony. Texts in which the word “elephant” occurs.";
        assert_eq!(found.classes[1].negative_clarification, rule);
        assert_eq!(found.classes[0], book.classes[0]);
        book.classes[0].definition = "Elephants and others".to_owned();
        assert_eq!(unused_word(&book, &[]), "lighthouse");
    }

    #[test]
    fn a_reply_is_legal_whatever_stands_around_it_but_not_with_more_words() {
        let labels = ["good", "not so good"].map(str::to_owned);
        for (reply, legal) in [
            ("good", true),
            ("**Good.**", true),
            ("“Not so good”\n", true),
            ("The tone is good", false),
            ("", false),
        ] {
            assert_eq!(is_legal(reply, &labels), legal, "{reply}");
        }
        let letters = ["A", "B"].map(str::to_owned);
        assert!(is_legal("B. not so good", &letters) && is_legal("a)", &letters));
        assert!(!is_legal("C", &letters) && !is_legal("Because", &letters));
    }
}
