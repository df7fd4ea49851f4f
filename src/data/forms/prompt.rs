//! What a row asks: one rule for every form, so that no question is both trained on and held out, and
//! no fixed prompt contains its own answer.

use super::content::{Beside, Content, Fields, Understood};
use crate::data::pair::{Message, PreferencePair, Text};

/// What is asked, and what it is held out by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub asked: Text,
    pub group: String,
}

/// Words of a plain text that are asked with, at most: a text has no question, so its beginning is.
const MOST_WORDS: usize = 32;

/// What stands between question and answer where a dialogue was written down as one text: HH
/// transcripts, the templates of Alpaca, Llama 2, `ChatML`, Llama 3, Zephyr and Gemma, and plain names.
const ANSWER_MARKS: [&str; 14] = [
    "\n\nAssistant:",
    "### Response:",
    "### Assistant:",
    "### Output:",
    "[/INST]",
    "<|im_start|>assistant\n",
    "<|start_header_id|>assistant<|end_header_id|>",
    "<|assistant|>",
    "<start_of_turn>model\n",
    "<|start_of_role|>assistant<|end_of_role|>",
    "\nAssistant:",
    "\nASSISTANT:",
    "\nAnswer:",
    "\nA:",
];

/// What a row asks.
///
/// Of a dialogue that is learned as a whole, everything before the first answer: two dialogues that
/// open alike have an answer to the same question. Of a prompt that was found in its answers, what
/// comes before the sentence in which it ends, since the first words of an answer are often the same.
pub fn of(content: &Content, is_implicit: bool) -> Asked {
    let (asked, group) = match content {
        Content::Preference(PreferencePair { prompt: Text::Plain(prompt), .. }) if is_implicit => {
            let question = Text::Plain(whole_sentences(prompt).to_owned());
            (question.clone(), question)
        }
        Content::Preference(PreferencePair { prompt, .. }) | Content::Completion { prompt, .. } => {
            (prompt.clone(), prompt.clone())
        }
        Content::Whole(Text::Messages(messages)) => {
            let opening = Text::Messages(opening(messages).to_vec());
            (opening.clone(), opening)
        }
        Content::Whole(Text::Plain(text)) => match up_to_answer(text) {
            Some(question) => {
                let question = Text::Plain(question.to_owned());
                (question.clone(), question)
            }
            None => (Text::Plain(beginning(text).to_owned()), Text::Plain(text.clone())),
        },
    };
    Asked { asked, group: group.words().trim().to_owned() }
}

/// The messages before the first answer of the assistant to anybody.
fn opening(messages: &[Message]) -> &[Message] {
    let is_answer = |message: &Message| matches!(message.role.as_str(), "assistant" | "model");
    let first_question =
        messages.iter().position(|message| !is_answer(message) && message.role != "system");
    let Some(question) = first_question else {
        let answer = messages.iter().position(is_answer);
        return answer.map_or(messages, |answer| &messages[..answer]);
    };
    let answer = messages[question..].iter().position(is_answer);
    answer.map_or(messages, |answer| &messages[..question + answer])
}

/// A text up to the mark after which its first answer begins, the mark with it.
fn up_to_answer(text: &str) -> Option<&str> {
    let place = |mark: &&str| text.find(*mark).map(|start| start + mark.len());
    let end = ANSWER_MARKS.iter().filter_map(place).min()?;
    let is_question = !text[..end].trim().is_empty() && !text[end..].trim().is_empty();
    is_question.then(|| &text[..end])
}

/// The text without the sentence that it breaks off in; all of it where it is a single one.
fn whole_sentences(text: &str) -> &str {
    // A transcript's last turn is its answer's, however much of that both answers share.
    if let Some(place) = text.rfind("\n\nAssistant:") {
        return &text[..place + "\n\nAssistant:".len()];
    }
    let ends =
        |character: char| matches!(character, '.' | '?' | '!' | ':' | '\n' | '。' | '？' | '！');
    match text.rfind(ends) {
        Some(place) => {
            let width = text[place..].chars().next().map_or(1, char::len_utf8);
            &text[..place + width]
        }
        None => text,
    }
}

/// The first half of the words, and not too many.
fn beginning(text: &str) -> &str {
    let words: Vec<usize> = text
        .split_whitespace()
        .map(|word| word.as_ptr() as usize - text.as_ptr() as usize + word.len())
        .collect();
    let count = (words.len() / 2).clamp(1, MOST_WORDS);
    words.get(count - 1).map_or(text, |end| &text[..*end])
}

/// A row with what it asks.
pub(crate) fn understood(
    row: usize,
    content: Content,
    beside: Beside,
    is_implicit: bool,
) -> Understood {
    let Asked { asked, group } = of(&content, is_implicit);
    Understood {
        row,
        content,
        label: None,
        margin: None,
        columns: Fields::new(),
        asked,
        group,
        beside,
        from_columns: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Text {
        Text::Plain(text.to_owned())
    }

    fn of_text(text: &str) -> Asked {
        of(&Content::Whole(plain(text)), false)
    }

    #[test]
    fn a_dialogue_asks_what_comes_before_its_first_answer() {
        let dialogue = |turns: &[(&str, &str)]| {
            let messages = turns.iter().map(|(role, words)| Message::new(role, words)).collect();
            of(&Content::Whole(Text::Messages(messages)), false).group
        };
        let first = [("user", "Name a tree."), ("assistant", "An oak.")];
        assert_eq!(dialogue(&first), "Name a tree.");
        let longer = [first.as_slice(), &[("user", "Another."), ("assistant", "A fir.")]].concat();
        assert_eq!(dialogue(&longer), "Name a tree.");
        let greeted =
            [&[("system", "Be brief."), ("assistant", "Hello!")], first.as_slice()].concat();
        assert_eq!(dialogue(&greeted), "Be brief.\n\nHello!\n\nName a tree.");
        assert_eq!(dialogue(&[("system", "s"), ("assistant", "a")]), "s");
        assert_eq!(dialogue(&[("user", "only")]), "only");
    }

    #[test]
    fn a_written_down_dialogue_asks_up_to_its_answer() {
        for (text, question) in [
            (
                "### Instruction:\nWhy?\n\n### Response:\nBecause.",
                "### Instruction:\nWhy?\n\n### Response:",
            ),
            (
                "\n\nHuman: Why?\n\nAssistant: Because.\n\nHuman: So?\n\nAssistant: Yes.",
                "\n\nHuman: Why?\n\nAssistant:",
            ),
            ("<s>[INST] Why? [/INST] Because.</s>", "<s>[INST] Why? [/INST]"),
        ] {
            assert_eq!(of_text(text).asked, plain(question));
        }
    }

    #[test]
    fn a_text_without_a_question_is_asked_with_its_beginning_and_held_out_by_all_of_it() {
        let Asked { asked, group } = of_text("one two three four");
        assert_eq!((asked, group.as_str()), (plain("one two"), "one two three four"));
        assert_eq!(of_text("one").asked, plain("one"));
        assert_eq!(of_text("").asked, plain(""));
        let long = "word ".repeat(200);
        assert_eq!(of_text(&long).asked.words().split_whitespace().count(), MOST_WORDS);
    }

    #[test]
    fn a_found_prompt_does_not_end_in_the_middle_of_an_answer() {
        let asked = |prompt: &str| {
            let pair =
                PreferencePair { prompt: plain(prompt), chosen: plain("a"), rejected: plain("b") };
            of(&Content::Preference(pair), true).group
        };
        assert_eq!(asked("Name a tree. B"), "Name a tree."); // Birch, Beech
        assert_eq!(asked("Name a tree."), "Name a tree.");
        assert_eq!(asked("The sky is"), "The sky is");
        assert_eq!(asked("\n\nHuman: Why?\n\nAssistant: It. Is"), "Human: Why?\n\nAssistant:");
    }
}
