//! What a class puts around the tokens of a vocabulary, and around a text.

use serde_json::Value;
use tokenizers::PostProcessorWrapper;

use super::added::Spelled;
use super::bpe::AnyTokenizer;
use super::class_tokens::pegasus_unknown;
use super::classes::{Class, Frame};
use super::folder_files::Problem;
use super::frame::{Second, around, placed_template, template};
use super::languages;
use super::languages::MbartLanguages;
use super::model_file::{ModelParts, Vocabulary};
use super::numbered::m2m100_token;
use super::told::Told;

impl Told {
    /// Tokens of these classes are not numbered as SentencePiece's file numbers them.
    pub(super) fn frame_vocabulary(&self, parts: &mut ModelParts) {
        if let (Class::Nllb, Vocabulary::Ids(ids)) = (self.class, &mut parts.vocab) {
            let first = ["bos_token", "pad_token", "eos_token", "unk_token"];
            let first = first.map(|name| self.named.get(name).unwrap_or_default().to_owned());
            let rest = ids.drain(..).map(|(token, _)| token).filter(|token| !first.contains(token));
            let all: Vec<String> = first.iter().cloned().chain(rest).collect();
            *ids = all.into_iter().zip(0..).collect();
            return;
        }
        let Vocabulary::Scores(scores) = &mut parts.vocab else { return };
        let named = |name: &str| (self.named.get(name).unwrap_or_default().to_owned(), 0.0);
        match self.class {
            Class::XlmRoberta => {
                let first = ["bos_token", "pad_token", "eos_token", "unk_token"].map(named);
                scores.splice(..scores.len().min(3), first);
                scores.push(named("mask_token"));
            }
            Class::Camembert => {
                let own = |token: &str, score| (token.to_owned(), score);
                let [pad, unknown] = ["pad_token", "unk_token"].map(named);
                let first = [
                    own("<s>NOTUSED", 0.0),
                    pad,
                    own("</s>NOTUSED", 0.0),
                    unknown,
                    own("<unk>NOTUSED", -100.0),
                ];
                scores.splice(..scores.len().min(1), first);
                scores.push(named("mask_token"));
            }
            Class::MBart | Class::MBart50 => {
                let first = if self.class == Class::MBart { "bos_token" } else { "cls_token" };
                let first = [first, "pad_token", "eos_token", "unk_token"].map(named);
                scores.splice(..scores.len().min(3), first);
                let count = if self.class == Class::MBart {
                    MbartLanguages::TwentyFive
                } else {
                    MbartLanguages::Fifty
                };
                scores.extend(languages::mbart(count).map(|code| (code.to_owned(), 0.0)));
                scores.push(named("mask_token"));
            }
            Class::Pegasus => {
                let given = |name: &str, usual: &str| {
                    let value = self.settings.get(name);
                    value
                        .and_then(Spelled::read)
                        .map_or_else(|| usual.to_owned(), |token| token.content().to_owned())
                };
                let masks = [given("mask_token", "<mask_1>"), given("mask_token_sent", "<mask_2>")];
                let mut first = vec![named("pad_token"), named("eos_token")];
                let is_one = masks[0] == masks[1];
                first.extend(
                    masks.into_iter().take(if is_one { 1 } else { 2 }).map(|mask| (mask, 0.0)),
                );
                let settings = Value::Object(self.settings.clone());
                first.extend(pegasus_unknown(&settings).map(|token| (token, -100.0)));
                scores.splice(..scores.len().min(2), first);
            }
            Class::T5 => {
                scores.extend(self.extra_ids().rev().map(|token| (token, 0.0)));
            }
            _ => {}
        }
    }

    /// What is put around a text that asks for special tokens.
    pub(super) fn frame(&self, inner: &mut AnyTokenizer) -> Result<(), Problem> {
        let told = |key: &str| self.settings.get(key).and_then(Value::as_bool);
        let is_told = ["add_bos_token", "add_eos_token"].iter().any(|key| told(key).is_some());
        let [bos, eos, cls, sep] =
            ["bos_token", "eos_token", "cls_token", "sep_token"].map(|name| self.named.get(name));
        let add = |name, is_on: bool, token: Option<&str>| {
            token.filter(|_| told(name).unwrap_or(is_on)).map(str::to_owned)
        };
        let by_settings = |bos_unless_told: bool| {
            let begin = add("add_bos_token", bos_unless_told, bos);
            let end = add("add_eos_token", false, eos);
            (begin, end)
        };
        let own = |token: Option<&str>| token.map(str::to_owned);
        let settings = Value::Object(self.settings.clone());
        let frame = self.class.frame(&settings);
        if let Frame::Language { .. } | Frame::TextsEos = frame {
            inner.with_post_processor(Some(self.one_frame(
                inner,
                frame,
                eos.unwrap_or_default(),
            )?));
            return Ok(());
        }
        let (begin, end) = match frame {
            Frame::FromFile if inner.get_post_processor().is_some() && !is_told => return Ok(()),
            Frame::FromFile => by_settings(false),
            Frame::BosAndEos { bos_unless_told } => by_settings(bos_unless_told),
            Frame::ClsAndSep => (own(cls), own(sep)),
            Frame::BosText => (own(bos), own(eos)),
            Frame::TextEos | Frame::TextsEos | Frame::Language { .. } => (None, own(eos)),
        };
        let second = match self.class {
            Class::Bert | Class::BertFile | Class::Albert | Class::DebertaV2 | Class::BigBird => {
                Second::AfterEnd
            }
            Class::Roberta | Class::Mpnet | Class::XlmRoberta | Class::Camembert => {
                Second::AfterTwoEnds
            }
            _ => Second::Own,
        };
        // These classes name no token "None", and give it an id.
        let missing = match self.class {
            Class::Bert => Some((2, 3)),
            Class::Mpnet => Some((0, 2)),
            Class::DebertaV2 => Some((0, 0)),
            _ => None,
        };
        let post_processor = match missing.filter(|_| begin.is_none() || end.is_none()) {
            Some((begin_id, end_id)) => {
                let placed = |token: Option<String>, missing| match token {
                    None => Some(("None".to_owned(), missing)),
                    Some(token) => inner.token_to_id(&token).map(|id| (token, id)),
                };
                let [begin, end] = [placed(begin, begin_id), placed(end, end_id)];
                let [begin, end] =
                    [&begin, &end].map(|it| it.as_ref().map(|(token, id)| (token.as_str(), *id)));
                placed_template(begin, end, second)?
            }
            None => template(inner, begin.as_deref(), end.as_deref(), second)?,
        };
        inner.with_post_processor(Some(post_processor));
        Ok(())
    }

    /// Frames that go once around two texts.
    fn one_frame(
        &self,
        inner: &AnyTokenizer,
        frame: Frame,
        eos: &str,
    ) -> Result<PostProcessorWrapper, Problem> {
        let unknown = self.named.get("unk_token").and_then(|token| inner.token_to_id(token));
        let id = |token: &str| {
            let id = inner.token_to_id(token).or(unknown);
            id.ok_or_else(|| Problem::from(format!("the special token {token:?} is not a token")))
        };
        let end = (eos, id(eos)?);
        let Frame::Language { usual, is_behind } = frame else { return around(&[], &[end]) };
        let language = self.settings.get("src_lang").and_then(Value::as_str).unwrap_or(usual);
        let whole = m2m100_token(language);
        let language = if self.class == Class::M2m100 { whole.as_str() } else { language };
        let language = (language, id(language)?);
        if is_behind { around(&[], &[end, language]) } else { around(&[language], &[end]) }
    }
}
