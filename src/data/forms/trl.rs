//! TRL's own forms: what `SFTTrainer` and `DPOTrainer` read as it is.

use super::content::{Content, Fault, Fields, Turned};
use super::value::{given, same_format, text};
use crate::data::pair::{Message, PreferencePair, Text, extract_prompt};

/// `{"text"}`
pub(crate) fn whole_text(row: &Fields) -> Result<Turned, Fault> {
    Ok(Turned::Into(Content::Whole(text(row, "text")?)))
}

/// `{"messages"}`
pub(crate) fn messages(row: &Fields) -> Result<Turned, Fault> {
    Ok(Turned::Into(Content::Whole(text(row, "messages")?)))
}

/// `{"prompt", "completion"}`
pub(crate) fn completion(row: &Fields) -> Result<Turned, Fault> {
    let (prompt, completion) = (text(row, "prompt")?, text(row, "completion")?);
    let (prompt, [completion]) = in_one_format("completion", prompt, [completion])?;
    Ok(Turned::Into(Content::Completion { prompt, completion }))
}

/// `{"prompt", "chosen", "rejected"}`
pub(crate) fn preference(row: &Fields) -> Result<Turned, Fault> {
    let (chosen, rejected) = answers(row)?;
    let prompt = text(row, "prompt")?;
    if let (Text::Plain(words), Text::Messages(_)) = (&prompt, &chosen)
        && let Some(pair) = extract_prompt(chosen.clone(), rejected.clone())
        && !of_assistant(&chosen)
    {
        if says(&pair.prompt, words) {
            return Ok(Turned::Into(Content::Preference(pair)));
        }
        let sentence = "\"prompt\" is text that none of the messages says that \"chosen\" and \
                        \"rejected\" begin with, so it is not clear what was asked. Leave the column \
                        \"prompt\" out: what both dialogues begin with is then the prompt, as in TRL";
        return Err(Fault::new("prompt", sentence.to_owned()));
    }
    let (prompt, [chosen, rejected]) = in_one_format("chosen", prompt, [chosen, rejected])?;
    Ok(Turned::Into(Content::Preference(PreferencePair { prompt, chosen, rejected })))
}

/// A prompt and its answers, all text or all messages. Where only one side is text it is clear whose
/// words it has, and it becomes a message; TRL fails there.
fn in_one_format<const N: usize>(
    key: &str,
    prompt: Text,
    answers: [Text; N],
) -> Result<(Text, [Text; N]), Fault> {
    match &prompt {
        Text::Plain(words) if answers.iter().all(of_assistant) => {
            Ok((Text::Messages(vec![Message::new("user", words)]), answers))
        }
        Text::Messages(_) => {
            let answers = answers.map(|answer| match answer {
                Text::Plain(words) => Text::Messages(vec![Message::new("assistant", &words)]),
                Text::Messages(_) => answer,
            });
            Ok((prompt, answers))
        }
        Text::Plain(_) => {
            for answer in &answers {
                same_format(("prompt", &prompt), (key, answer))?;
            }
            Ok((prompt, answers))
        }
    }
}

/// Whether it begins with an answer.
fn of_assistant(text: &Text) -> bool {
    match text {
        Text::Messages(messages) => messages[0].role == "assistant",
        Text::Plain(_) => false,
    }
}

/// `{"chosen", "rejected"}`: the prompt is what both begin with.
pub(crate) fn implicit_preference(row: &Fields) -> Result<Turned, Fault> {
    if given(row, "prompt").is_some() {
        let sentence = "this row has a \"prompt\", and the first row has none".to_owned();
        return Err(Fault::new("prompt", sentence));
    }
    let (chosen, rejected) = answers(row)?;
    let sentence = "\"chosen\" and \"rejected\" have no message in common to begin with, so there \
                    is no prompt";
    let pair = extract_prompt(chosen, rejected);
    let pair = pair.ok_or_else(|| Fault::new("chosen", sentence.to_owned()))?;
    Ok(Turned::Into(Content::Preference(pair)))
}

fn answers(row: &Fields) -> Result<(Text, Text), Fault> {
    let (chosen, rejected) = (text(row, "chosen")?, text(row, "rejected")?);
    same_format(("chosen", &chosen), ("rejected", &rejected))?;
    Ok((chosen, rejected))
}

/// Whether one of the messages is these words: `UltraFeedback` and its like have the prompt twice,
/// as text and as what both dialogues begin with.
fn says(messages: &Text, words: &str) -> bool {
    let Text::Messages(messages) = messages else { return false };
    messages.iter().any(|message| message.content.trim() == words.trim())
}
