//! `/v1/chat/completions`: messages go through the model's chat template and are answered.

use serde_json::{Value, json};

use super::asked::Chat;
use super::completions::{Delta, Envelope, Take, Usage, Wanted, written};
use super::error::Refusal;
use super::likelihoods::Names;
use super::served::{Decoder, Served};
use super::watch::Watch;
use crate::llm;
use crate::llm::generate::{GenerateRequest, Prompt, RenderedPrompt};

fn answer(
    decoder: &Decoder,
    asked: &Chat,
    watch: &Watch<'_>,
    take: &mut Take<'_>,
) -> Result<Usage, Refusal> {
    let model = &decoder.model;
    let chat = model.chat().ok_or(llm::Error::NoChatTemplate)?;
    let text =
        chat.render_beside(&asked.messages, true, &asked.beside).map_err(llm::Error::from)?;
    // A chat template writes the beginning of a text itself.
    let ids = model.tokenizer().encode(&text, false).map_err(llm::Error::from)?;
    let prompt_tokens = ids.len();
    let request = GenerateRequest {
        prompt: Prompt::Chat(Vec::new()),
        sampling: asked.sampled.sampling.clone(),
        max_new_tokens: asked.max_tokens.unwrap_or(usize::MAX),
        stop_strings: asked.sampled.stop.clone(),
        lanes: asked.sampled.lanes(asked.adapter),
    };
    // As OpenAI does, without the token that ends the turn.
    let wanted = Wanted { top: asked.top.as_ref(), begin: 0, ends: false };
    let prompt = RenderedPrompt { text, ids };
    let answered = written(decoder, prompt, &request, (watch, wanted), take)?;
    Ok(Usage { prompt: prompt_tokens, answer: answered })
}

/// The whole answer at once.
pub fn whole(served: &Served, asked: &Chat, watch: &Watch<'_>) -> Result<(Value, Usage), Refusal> {
    let decoder = served.writer()?;
    let mut all = vec![Delta::default(); asked.sampled.choices];
    let usage = answer(decoder, asked, watch, &mut |at, delta| all[at].append(delta))?;
    let choices = all.into_iter().enumerate().map(|(at, delta)| {
        let message = json!({"role": "assistant", "content": delta.text, "refusal": null});
        choice(decoder, asked, (at, &delta), ("message", message))
    });
    let envelope = Envelope::new("chatcmpl", "chat.completion", asked.adapter, served);
    Ok((envelope.with_usage(&choices.collect::<Vec<_>>(), usage), usage))
}

/// A piece at a time, each as it is computed.
pub fn stream(
    served: &Served,
    asked: &Chat,
    watch: &Watch<'_>,
    say: &dyn Fn(&Value),
) -> Result<Usage, Refusal> {
    let decoder = served.writer()?;
    let envelope = Envelope::new("chatcmpl", "chat.completion.chunk", asked.adapter, served);
    let mut has_begun = vec![false; asked.sampled.choices];
    let mut take = |at: usize, delta: Delta| {
        let mut more = json!({});
        if !std::mem::replace(&mut has_begun[at], true) {
            more["role"] = "assistant".into();
            more["content"] = "".into();
        }
        if !delta.text.is_empty() {
            more["content"] = delta.text.as_str().into();
        }
        let is_silent = more.as_object().is_some_and(serde_json::Map::is_empty);
        let is_silent = is_silent && delta.likelihoods.is_empty() && delta.finish.is_none();
        if is_silent && !asked.sampled.returns_ids {
            return;
        }
        say(&envelope.with(&[choice(decoder, asked, (at, &delta), ("delta", more))]));
    };
    let usage = answer(decoder, asked, watch, &mut take)?;
    if asked.sampled.streams_usage {
        say(&envelope.with_usage(&[], usage));
    }
    Ok(usage)
}

fn choice(
    decoder: &Decoder,
    asked: &Chat,
    (at, delta): (usize, &Delta),
    (key, said): (&str, Value),
) -> Value {
    let names = Names { tokenizer: decoder.model.tokenizer(), by_id: asked.sampled.names_ids };
    let has_any = asked.top.is_some() && (key == "message" || !delta.likelihoods.is_empty());
    let mut choice = json!({
        "index": at,
        key: said,
        "logprobs": has_any.then(|| names.objects(&delta.likelihoods)),
        "finish_reason": delta.finish,
    });
    if asked.sampled.returns_ids {
        choice["token_ids"] = delta.ids.clone().into();
    }
    choice
}
