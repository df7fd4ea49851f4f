//! Texts as the messages of a chat: how newer versions of sentence-transformers give them to decoders
//! that were saved with the modality "message".

use std::path::Path;

use serde_json::{Value, json};

use super::error::Error;
use super::module_file::{read_json, setting, settings_path};
use crate::llm;
use crate::llm::text::chat::{ChatTemplate, Surroundings};
use crate::llm::text::tokenizer::Tokenizer;

/// How a message holds its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Messages {
    /// As a string.
    Flat,

    /// As a list with one part.
    Parts,
}

/// Who says what.
pub(super) type Said<'a> = (&'static str, &'a str);

impl Messages {
    /// Of the folder of a network. `None`: texts are read as they are.
    pub fn read(network: &Path) -> Result<Option<Self>, Error> {
        let Some(path) = settings_path(network) else { return Ok(None) };
        let settings = read_json(&path)?;
        let ways = &settings["modality_config"];
        if ways["message"].is_null() {
            return Ok(None);
        }
        match ways["message"]["format"].as_str() {
            Some("flat") => Ok(Some(Self::Flat)),
            Some("structured") => Ok(Some(Self::Parts)),
            _ => {
                let expected = "a format was expected in its \"message\": flat or structured";
                Err(setting(&path, "modality_config", ways, expected))
            }
        }
    }

    /// The ids of a conversation, and whether something was cut off. Of one that is too long the end is kept
    /// that the template writes behind every text, in the place of its last tokens: pooling and scores
    /// read the last one.
    pub fn encode(
        self,
        (tokenizer, chat): (&Tokenizer, Option<&ChatTemplate>),
        said: &[Said<'_>],
        most: Option<usize>,
    ) -> Result<(Vec<u32>, bool), Error> {
        let chat = chat.ok_or(llm::Error::NoChatTemplate)?;
        let ids = |said: &[Said<'_>]| -> Result<Vec<u32>, Error> {
            let messages = said.iter().map(|said| self.message(*said)).collect();
            let text = chat.fill(messages, Surroundings::default()).map_err(llm::Error::from)?;
            Ok(tokenizer.encode(&text, false)?)
        };
        let mut all = ids(said)?;
        let Some(most) = most.filter(|most| all.len() >= *most) else { return Ok((all, false)) };
        let is_cut = all.len() > most;
        all.truncate(most);
        // What two short conversations end with alike is the template's.
        let instead = |text: &'static str| {
            said.iter().map(move |(role, own)| (*role, if *role == "system" { own } else { text }))
        };
        let (one, other) = (
            ids(&instead("0").collect::<Vec<_>>())?,
            ids(&instead("1 2 3 4").collect::<Vec<_>>())?,
        );
        let alike = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
        if alike < one.len().min(other.len()) {
            let kept = alike.min(all.len());
            let at = all.len() - kept;
            all[at..].copy_from_slice(&one[one.len() - kept..]);
        }
        Ok((all, is_cut))
    }

    fn message(self, (role, text): Said<'_>) -> Value {
        match self {
            Self::Flat => json!({ "role": role, "content": text }),
            Self::Parts => json!({ "role": role, "content": [{ "type": "text", "text": text }] }),
        }
    }
}
