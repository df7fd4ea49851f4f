//! Where an answer ends: stop strings, as transformers' `stop_strings` finds them.
//!
//! They are looked for in what the tokens say, special tokens included, although those are not
//! shown; and one may begin in the prompt. What could be the beginning of one is not shown yet.

use std::collections::VecDeque;

use crate::llm::text::decode::StreamDecoder;
use crate::llm::text::tokenizer::Tokenizer;

/// Text up to the first stop string.
pub(super) struct UntilStop<'a> {
    tokenizer: &'a Tokenizer,
    stops: Vec<&'a [u8]>,

    /// What is shown: without special tokens.
    shown: StreamDecoder<'a>,

    /// What is searched: with them. Needed where a token's bytes depend on those before it.
    searched: StreamDecoder<'a>,

    /// The end of what was said: as much as could be the beginning of a stop string.
    tail: Vec<u8>,

    /// Tokens whose text is in `tail`.
    held: VecDeque<Held>,

    cut: Option<Cut>,

    /// Tokens so far.
    count: usize,

    /// The prompt, where the answer continues it.
    before: Vec<u32>,
}

/// A token that is not shown yet.
struct Held {
    /// Bytes that are left of it in `tail`, and those that are not.
    bytes: usize,
    gone: usize,
    text: String,
}

/// Where a stop string begins: after so many whole tokens, and so many bytes of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    tokens: usize,
    bytes: usize,
}

impl<'a> UntilStop<'a> {
    /// `prompt`: its tokens. `is_continued`: the answer continues a text and keeps the space that it
    /// begins with.
    pub fn new(
        tokenizer: &'a Tokenizer,
        stops: &'a [String],
        prompt: &[u32],
        is_continued: bool,
    ) -> Self {
        let stops: Vec<&[u8]> =
            stops.iter().map(|stop| stop.as_bytes()).filter(|stop| !stop.is_empty()).collect();
        let before = if is_continued { prompt } else { &[][..] };
        let longest = stops.iter().map(|stop| stop.len()).max().unwrap_or(0);
        let mut tail = Vec::new();
        if longest > 1 {
            // A token has a byte at least, or none.
            let near = &prompt[prompt.len().saturating_sub(longest)..];
            let decoded = || tokenizer.decode(near, false).into_bytes();
            let bytes: Option<Vec<Vec<u8>>> =
                near.iter().map(|id| tokenizer.token_bytes(*id)).collect();
            tail = bytes.map_or_else(decoded, |bytes| bytes.concat());
            tail.drain(..tail.len().saturating_sub(longest - 1));
        }
        let mut all = Self {
            tokenizer,
            stops,
            shown: StreamDecoder::continuing(tokenizer, before, true),
            searched: StreamDecoder::continuing(tokenizer, prompt, false),
            tail,
            held: VecDeque::new(),
            cut: None,
            count: 0,
            before: before.to_vec(),
        };
        let keep = all.open_from();
        all.tail.drain(..keep);
        all
    }

    pub fn is_stopped(&self) -> bool {
        self.cut.is_some()
    }

    /// The text that can be shown now that `id` is said.
    pub fn push(&mut self, id: u32) -> String {
        if self.is_stopped() {
            return String::new();
        }
        let text = self.shown.push(id);
        if self.stops.is_empty() {
            self.count += 1;
            return text;
        }
        let bytes = self.tokenizer.token_bytes(id);
        let bytes = bytes.unwrap_or_else(|| self.searched.push(id).into_bytes());
        // Only what this token completes is new.
        let searched_from = self.tail.len();
        self.tail.extend(&bytes);
        self.held.push_back(Held { bytes: bytes.len(), gone: 0, text });
        self.count += 1;
        let first = self.stops.iter().filter_map(|stop| self.find(stop, searched_from)).min();
        if let Some(at) = first {
            self.stop_at(at);
            return self.release(at);
        }
        let open = self.open_from();
        self.release(open)
    }

    /// The whole text of the answer `ids`, as it is decoded at once. Nothing of it is held back.
    pub fn whole(&self, ids: &[u32]) -> String {
        let decoded = |ids: &[u32]| self.tokenizer.decode_after(&self.before, ids, true);
        let Some(Cut { tokens, bytes }) = self.cut else { return decoded(ids) };
        let mut text = decoded(&ids[..tokens.min(ids.len())]);
        if bytes > 0
            && let Some(id) = ids.get(tokens)
            && !self.tokenizer.is_special(*id)
        {
            let more = decoded(&ids[..=tokens]);
            let more = more.strip_prefix(text.as_str()).unwrap_or_default().to_owned();
            // A space that is taken off the beginning of a text is missing there.
            let left_out = self.token_len(*id).saturating_sub(more.len());
            text.push_str(beginning(&more, bytes.saturating_sub(left_out)));
        }
        text
    }

    fn token_len(&self, id: u32) -> usize {
        self.tokenizer.token_bytes(id).map_or(0, |bytes| bytes.len())
    }

    /// Where `stop` begins in the tail, if the bytes after `from` complete it.
    fn find(&self, stop: &[u8], from: usize) -> Option<usize> {
        let first = (from + 1).saturating_sub(stop.len());
        let mut windows = self.tail.get(first..)?.windows(stop.len());
        windows.position(|window| window == stop).map(|at| first + at)
    }

    /// From where on the tail could be the beginning of a stop string.
    fn open_from(&self) -> usize {
        let longest = self.stops.iter().map(|stop| stop.len()).max().unwrap_or(1);
        let first = (self.tail.len() + 1).saturating_sub(longest);
        let could_begin =
            |at: &usize| self.stops.iter().any(|stop| stop.starts_with(&self.tail[*at..]));
        (first..self.tail.len()).find(could_begin).unwrap_or(self.tail.len())
    }

    /// Lets go of the tail before `at`; what of it was held is shown.
    fn release(&mut self, at: usize) -> String {
        let prompt = self.tail.len() - self.held.iter().map(|held| held.bytes).sum::<usize>();
        let mut left = at.saturating_sub(prompt);
        let mut text = String::new();
        while let Some(held) = self.held.front_mut() {
            if held.bytes <= left {
                left -= held.bytes;
                text += &held.text;
                self.held.pop_front();
                continue;
            }
            // A part of a token: what is not shown of it, such as a space taken off the beginning
            // of a text, is at its beginning.
            let hidden = held.bytes.saturating_sub(held.text.len());
            let part = beginning(&held.text, left.saturating_sub(hidden)).to_owned();
            held.text.drain(..part.len());
            held.bytes -= left;
            held.gone += left;
            text += &part;
            break;
        }
        self.tail.drain(..at);
        text
    }

    fn stop_at(&mut self, at: usize) {
        let held: usize = self.held.iter().map(|held| held.bytes).sum();
        let mut left = at.saturating_sub(self.tail.len() - held);
        let mut tokens = self.count - self.held.len();
        for held in &self.held {
            if held.bytes > left {
                left += held.gone;
                break;
            }
            left -= held.bytes;
            tokens += 1;
        }
        self.cut = Some(Cut { tokens, bytes: left });
    }
}

/// At most so many bytes from the beginning of a text, and no half character.
fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
