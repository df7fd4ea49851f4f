//! Scores texts with a model in memory: how likely it finds each, token after token.

use super::pair_scoring::PairScorer;
use super::respondent::Answerer;
use super::scoring::{Scorer, common};
use crate::data::pair::Message;
use crate::encoder::Error;
use crate::evaluate::task::perplexity::{Likelihood, Perplexity, spans};
use crate::jobs::Progress;
use crate::llm;
use crate::llm::Model;
use crate::llm::text::tokenizer::Tokenizer;
use crate::seq2seq::Seq2Seq;

/// What is known of a text, and how many of its tokens were cut off at its end.
pub type Scored = (Likelihood, Option<usize>);

/// Scores a text after what stands before it. A sentence: this text cannot be scored.
pub fn score_text<E>(
    answerer: &mut Answerer<'_>,
    (before, text): (&str, &str),
    settings: &Perplexity,
    progress: &dyn Progress<E>,
) -> Result<Result<Scored, String>, Error> {
    match answerer {
        Answerer::Decoder { model, scorer } => {
            decoded((model, scorer), (before, text), settings, progress)
        }
        Answerer::Pair { model, tokenizer, scorer } => {
            after_a_read_text((model, tokenizer, scorer), (before, text), settings, progress)
        }
    }
}

/// By a decoder: in windows where there are more tokens than it reads at once.
fn decoded<E>(
    (model, scorer): (&Model, &Scorer<'_>),
    (before, text): (&str, &str),
    settings: &Perplexity,
    progress: &dyn Progress<E>,
) -> Result<Result<Scored, String>, Error> {
    let tokenizer = model.tokenizer();
    let (begin, add_special) = if settings.chat {
        if before.trim().is_empty() {
            return Ok(Err("nothing stands before it that could be the user's message".to_owned()));
        }
        let Some(chat) = model.chat() else {
            return Ok(Err("the model has no chat template: leave `chat` out".to_owned()));
        };
        let begin = chat.render(&[Message::new("user", before.trim())], true);
        (begin.map_err(llm::Error::from)?, false)
    } else {
        (before.to_owned(), true)
    };
    let prompt = tokenizer.encode(&begin, add_special)?;
    let ids = tokenizer.encode(&format!("{begin}{text}"), add_special)?;
    // A token in which both meet is one of the text.
    let start = common([prompt.as_slice(), ids.as_slice()].into_iter());
    // Before the first token there is none, unless the tokenizer puts one there.
    let first = start.max(1);
    if ids.len() <= first {
        return Ok(Err("it has no token that could be scored after another one".to_owned()));
    }
    let context = scorer.context();
    let window = if settings.window == 0 { context } else { settings.window };
    if window > context {
        return Ok(Err(format!(
            "`window` is {window}, and the model reads {context} tokens at most"
        )));
    }
    let mut end = ids.len();
    if settings.cut && end > window {
        if first >= window {
            let before = format!("what stands before it has {start} tokens");
            return Ok(Err(format!(
                "{before}, and {window} are read at once: nothing of it is left"
            )));
        }
        end = window;
    }
    let (mut logprob, mut windows) = (0.0, 0);
    for span in spans(end, first, window, settings.stride_of(window)) {
        let read = &ids[span.begin..span.end];
        let found = scorer.logprobs(read, span.first - span.begin, progress)?;
        logprob += found.into_iter().map(f64::from).sum::<f64>();
        windows += 1;
    }
    let is_whole = first == start && end == ids.len();
    let scored = if is_whole {
        text.to_owned()
    } else {
        let said = tokenizer.decode_after(&ids[..first], &ids[first..end], true);
        said.trim_end_matches('\u{fffd}').to_owned()
    };
    let likelihood = Likelihood {
        tokens: end - first,
        before: start,
        logprob,
        bytes: scored.len(),
        characters: scored.chars().count(),
        windows,
        window,
    };
    let cut = ids.len() - end;
    Ok(Ok((likelihood, (cut > 0).then_some(cut))))
}

/// By an encoder-decoder: its encoder reads what stands before, its decoder goes over the text.
fn after_a_read_text<E>(
    (model, tokenizer, scorer): (&Seq2Seq, &Tokenizer, &mut PairScorer<'_>),
    (before, text): (&str, &str),
    settings: &Perplexity,
    progress: &dyn Progress<E>,
) -> Result<Result<Scored, String>, Error> {
    if before.trim().is_empty() {
        return Ok(Err(
            "an encoder-decoder writes a text after one that it has read, and nothing stands before this \
             one: choose a column for `before`, or a decoder"
                .to_owned(),
        ));
    }
    if settings.chat {
        return Ok(Err("an encoder-decoder has no chat template: leave `chat` out".to_owned()));
    }
    let prompt = tokenizer.encode(before.trim_end(), true)?;
    let mut ids = tokenizer.encode(text, false)?;
    let context = scorer.context();
    if prompt.len() > context {
        let count = prompt.len();
        return Ok(Err(format!(
            "what stands before it has {count} tokens, and the model's encoder reads {context} at most"
        )));
    }
    if ids.is_empty() {
        return Ok(Err("the model's tokenizer has no token for it".to_owned()));
    }
    let mut cut = 0;
    let opening = model.opening()?.len();
    let most = model.longest_answer().map_or(usize::MAX, |most| most.saturating_sub(opening));
    let window = if settings.window == 0 { most } else { settings.window.min(most) };
    if ids.len() > window {
        if !settings.cut {
            let count = ids.len();
            return Ok(Err(format!(
                "it has {count} tokens, and the model's decoder writes {window} at most; windows are for \
                 decoders, and with `cut` it is cut there"
            )));
        }
        cut = ids.len() - window;
        ids.truncate(window);
    }
    let logprobs = scorer.logprobs(&prompt, &ids, progress)?;
    let scored = if cut > 0 { tokenizer.decode(&ids, true) } else { text.to_owned() };
    let likelihood = Likelihood {
        tokens: ids.len(),
        before: prompt.len(),
        logprob: logprobs.into_iter().map(f64::from).sum(),
        bytes: scored.len(),
        characters: scored.chars().count(),
        windows: 1,
        window: 0,
    };
    Ok(Ok((likelihood, (cut > 0).then_some(cut))))
}
