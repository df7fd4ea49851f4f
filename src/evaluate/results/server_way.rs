//! How the answers of a model behind a server are read: exactly where the server gives exact numbers,
//! else from what the model writes.

use serde::{Deserialize, Serialize};

use crate::evaluate::task::perplexity::Perplexity;
use crate::evaluate::task::{Kind, Scoring, Task};
use crate::remote::ability;
use crate::remote::probe::Probe;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerWay {
    /// The exact probability of each option, by `/v1/labels` of our own server.
    Labels,

    /// The sum of the log-probabilities of an option's tokens where it stands after the prompt, which
    /// is then a plain text without the chat template.
    Echoed,

    /// The log-probabilities of a text's tokens, as the server gives them of a prompt.
    Texts,

    /// The option that the model writes. There are no probabilities.
    Generated,

    /// The answer is a text anyway.
    Written,
}

impl ServerWay {
    /// How a task is asked of a server, or why it cannot be, in a sentence.
    pub fn of(probe: &Probe, task: &Task, kind: Kind<'_>) -> Result<Self, String> {
        let writes = probe.has(ability::CHAT) || probe.has(ability::COMPLETIONS);
        let without = "This server neither answers chats nor continues texts";
        if matches!(kind, Kind::Survey(_)) {
            return Err(
                "A survey's distributions are read from the scores of a loaded model, which a server \
                 does not send: load a model for it"
                    .to_owned(),
            );
        }
        if task.adapter.is_some() {
            return Err(
                "An adapter needs a loaded model, and a server takes none: remove the adapter from \
                 the task, or load the model"
                    .to_owned(),
            );
        }
        if let Kind::Write(write) = kind
            && (write.num_beams > 1 || write.temperature > 0.0)
        {
            return Err(
                "A server writes at temperature 0 and without beams: leave `num_beams` and \
                 `temperature` out, or load the model"
                    .to_owned(),
            );
        }
        if let Kind::Perplexity(perplexity) = kind {
            return texts(probe, perplexity);
        }
        if let Kind::Extract(extract) = kind
            && extract.windows
            && extract.window_tokens == 0
        {
            return Err(
                "How much of a text fits is not known of a server: say with `window_tokens` how much of it a \
                 window has"
                    .to_owned(),
            );
        }
        if kind.writes() {
            return if writes { Ok(Self::Written) } else { Err(without.to_owned()) };
        }
        if probe.lies.is_empty() && probe.has(ability::LABELS) {
            return Ok(Self::Labels);
        }
        if probe.lies.is_empty() && probe.has(ability::PROMPT_LOGPROBS) {
            return Ok(Self::Echoed);
        }
        if !writes {
            return Err(without.to_owned());
        }
        if task.score != Scoring::Sum {
            return Err(
                "This server gives no log-probabilities of options, and `score` says how they are \
                 used: set it to \"sum\", or ask another model"
                    .to_owned(),
            );
        }
        Ok(Self::Generated)
    }

    /// Whether the probabilities of options are the model's own.
    pub fn is_approximate(self) -> bool {
        self == Self::Generated
    }

    /// For the screen.
    pub fn note(self) -> &'static str {
        match self {
            Self::Labels => "Exact: the server scores every option (/v1/labels)",
            Self::Echoed => {
                "The server scores every option after the prompt as a plain text, without its chat \
                 template"
            }
            Self::Texts => {
                "The server gives the log-probability of every token of a text, which it reads as it stands"
            }
            Self::Generated => {
                "Approximate: the server gives no probabilities of options; an answer is the option \
                 that the model writes"
            }
            Self::Written => "The server writes the answers, at temperature 0",
        }
    }

    /// For a methods section.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Labels => {
                "The server scored the whole text of every option exactly, after the prompt in its chat \
                 template."
            }
            Self::Echoed => {
                "The server scored every option by the log-probabilities of its tokens after the prompt, \
                 which was a plain text that ends in “Answer:”, without a chat template and without anything \
                 that ends an option: one that begins another one has the probability of both. The precision \
                 of the numbers is the server's."
            }
            Self::Texts => {
                "The server gave the log-probabilities of the tokens of each text, read as it stands; the \
                 precision of its numbers is the server's."
            }
            Self::Generated => {
                "The server gave no probabilities of the options, so that the answers are approximate: \
                 an answer is the option that the model wrote at temperature 0. What stands for its \
                 probability is the share of the orders in which it was written; entropy, calibration \
                 and thresholds of such shares are not reported."
            }
            Self::Written => {
                "The server wrote the answers at temperature 0; servers compute in batches, and the same \
                 request need not give the same answer again."
            }
        }
    }
}

/// How texts are scored.
fn texts(probe: &Probe, perplexity: &Perplexity) -> Result<ServerWay, String> {
    if !probe.lies.is_empty() || !probe.has(ability::PROMPT_LOGPROBS) {
        return Err(
            "This server does not give log-probabilities of the tokens of a prompt, by which texts are scored: \
             load a model for it"
                .to_owned(),
        );
    }
    let unknown = perplexity.chat || perplexity.cut || perplexity.window > 0;
    if unknown {
        return Err(
            "A server reads texts as they stand and says nothing of its tokens beforehand: leave `chat`, \
             `cut` and `window` out, or load the model"
                .to_owned(),
        );
    }
    Ok(ServerWay::Texts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::task::code::Code;
    use crate::evaluate::task::free_text::Write;
    use crate::remote::probe::Ability;

    #[test]
    fn the_exact_way_is_taken_where_the_probe_holds_and_never_of_a_server_that_lies() {
        let ability = |name: &&'static str| Ability { name, has: true, detail: String::new() };
        let probe = |names: &[&'static str]| Probe {
            abilities: names.iter().map(ability).collect(),
            ..Probe::default()
        };
        let (task, code, write) = (Task::default(), Code::default(), Write::default());
        let of = |probe: &Probe| ServerWay::of(probe, &task, Kind::Code(&code));
        let ours = probe(&[ability::CHAT, ability::PROMPT_LOGPROBS, ability::LABELS]);
        assert_eq!(of(&ours), Ok(ServerWay::Labels));
        assert_eq!(of(&probe(&[ability::PROMPT_LOGPROBS])), Ok(ServerWay::Echoed));
        let lies = Probe { lies: vec!["x".to_owned()], ..ours.clone() };
        assert_eq!(of(&lies), Ok(ServerWay::Generated));
        assert!(of(&probe(&[])).is_err());
        let written = ServerWay::of(&ours, &task, Kind::Write(&write));
        assert_eq!(written, Ok(ServerWay::Written));
        let texts = Perplexity::default();
        let scored = |probe: &Probe| ServerWay::of(probe, &task, Kind::Perplexity(&texts));
        assert_eq!(scored(&ours), Ok(ServerWay::Texts));
        assert!(scored(&probe(&[ability::CHAT])).unwrap_err().contains("tokens of a prompt"));
        assert!(scored(&lies).is_err());
        let mean = Task { score: Scoring::Mean, ..Task::default() };
        let refused = ServerWay::of(&probe(&[ability::CHAT]), &mean, Kind::Code(&code));
        assert!(refused.unwrap_err().contains("`score`"));
        assert!(ServerWay::Generated.is_approximate() && !ServerWay::Labels.is_approximate());
    }
}
