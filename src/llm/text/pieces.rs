//! Text to pieces and back, exactly as SentencePiece's own library does it: its table of replacements byte by
//! byte, its spaces, its search. Models whose `tokenizer.json` says how it is done go another way, by the
//! `tokenizers` crate (`llm::text::sentencepiece`); those of `llm::text::numbered` have none.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;

use super::byte_names::{byte_name, byte_token};
use super::charsmap::Charsmap;
use super::sentencepiece_file::{Role, SentencePiece, Spaces};

/// What a space is written as.
const BAR: &str = "▁";

/// How much worse than the least likely piece a character is that is no piece.
const UNKNOWN_PENALTY: f32 = 10.0;

/// A SentencePiece model, ready to split texts.
#[derive(Clone, Debug)]
pub(super) struct Pieces {
    all: Vec<Entry>,

    /// Those that can be found in a text, by how they are written.
    found: HashMap<String, u32>,

    /// Words that are never split, the longest first.
    whole: Vec<String>,

    /// The longest piece, in bytes.
    longest: usize,
    is_bpe: bool,
    byte_fallback: bool,

    /// Those that no text has: the unknown piece, special ones, bytes.
    reserved: HashMap<String, Role>,
    least: f32,
    most: f32,
    spaces: Spaces,
    charsmap: Option<Charsmap>,
}

#[derive(Clone, Debug)]
struct Entry {
    text: String,
    score: f32,
    role: Role,
}

/// A piece as it is written, and the bytes of the text that it stands for.
pub(super) type Placed = (String, Range<usize>);

/// A text as the model sees it, and for each of its bytes, and its end, where in the original that is.
struct Seen {
    text: String,
    origin: Vec<usize>,
}

impl Pieces {
    pub fn new(model: &SentencePiece) -> Self {
        let all: Vec<Entry> = model
            .pieces
            .iter()
            .map(|piece| Entry { text: piece.text.clone(), score: piece.score, role: piece.role })
            .collect();
        let (mut found, mut reserved) = (HashMap::new(), HashMap::new());
        for (entry, id) in all.iter().zip(0..) {
            if matches!(entry.role, Role::Other | Role::UserDefined | Role::Unused) {
                found.entry(entry.text.clone()).or_insert(id);
            } else {
                reserved.entry(entry.text.clone()).or_insert(entry.role);
            }
        }
        let usual =
            || all.iter().filter(|entry| entry.role == Role::Other).map(|entry| entry.score);
        let user = all.iter().filter(|entry| entry.role == Role::UserDefined);
        let mut whole: Vec<String> =
            user.map(|entry| entry.text.clone()).filter(|text| !text.is_empty()).collect();
        whole.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self {
            longest: found.keys().map(String::len).max().unwrap_or(0),
            whole,
            is_bpe: model.is_bpe,
            byte_fallback: model.byte_fallback,
            reserved,
            least: usual().fold(f32::MAX, f32::min),
            most: usual().fold(f32::MIN, f32::max),
            spaces: model.spaces,
            charsmap: model.charsmap_bytes().and_then(Charsmap::read),
            found,
            all,
        }
    }

    /// A piece by its place in the file.
    pub fn get(&self, id: u32) -> Option<&str> {
        self.all.get(id as usize).map(|entry| entry.text.as_str())
    }

    /// The pieces of a text.
    pub fn split(&self, text: &str) -> Vec<Placed> {
        let seen = self.normalize(text);
        let parts = if self.is_bpe { self.merged(&seen.text) } else { self.likeliest(&seen.text) };
        let mut pieces: Vec<Placed> = Vec::with_capacity(parts.len());
        let mut was_unknown = false;
        for (part, is_known) in parts {
            let place = seen.origin[part.start]..seen.origin[part.end];
            let written = &seen.text[part];
            if is_known {
                pieces.push((written.to_owned(), place));
            } else if self.byte_fallback {
                let bytes = written.bytes().map(byte_name);
                pieces.extend(bytes.map(|byte| (byte, place.clone())));
            } else if was_unknown && let Some((last, its)) = pieces.last_mut() {
                // What is unknown in a row is one piece.
                last.push_str(written);
                its.end = place.end;
            } else {
                pieces.push((written.to_owned(), place));
            }
            was_unknown = !is_known;
        }
        pieces
    }

    /// The word at the beginning that is never split.
    fn whole_word(&self, text: &str) -> Option<usize> {
        self.whole.iter().find(|word| text.starts_with(word.as_str())).map(String::len)
    }

    /// What the first characters become, and how many bytes they are.
    fn normalized_prefix<'a>(&'a self, text: &'a str) -> (&'a str, usize) {
        if let Some(length) = self.whole_word(text) {
            return (&text[..length], length);
        }
        let replaced = self.charsmap.as_ref().and_then(|map| map.longest(text));
        replaced.unwrap_or_else(|| {
            let length = text.chars().next().map_or(0, char::len_utf8);
            (&text[..length], length)
        })
    }

    fn normalize(&self, text: &str) -> Seen {
        let Spaces { adds_first, removes_extra, escapes, is_suffix } = self.spaces;
        let space = if escapes { BAR } else { " " };
        let mut seen = Seen { text: String::new(), origin: Vec::new() };
        let mut at = 0;
        if removes_extra {
            while at < text.len() {
                let (first, length) = self.normalized_prefix(&text[at..]);
                if first != " " {
                    break;
                }
                at += length;
            }
        }
        if at == text.len() {
            seen.origin.push(at);
            return seen;
        }
        let push = |seen: &mut Seen, written: &str, at: usize| {
            seen.text.push_str(written);
            seen.origin.extend(std::iter::repeat_n(at, written.len()));
        };
        if adds_first && !is_suffix {
            push(&mut seen, space, at);
        }
        let mut is_after_space = removes_extra;
        while at < text.len() {
            let (mut part, length) = self.normalized_prefix(&text[at..]);
            while is_after_space && let Some(rest) = part.strip_prefix(' ') {
                part = rest;
            }
            if !part.is_empty() {
                let written = if escapes { part.replace(' ', BAR) } else { part.to_owned() };
                push(&mut seen, &written, at);
                is_after_space = part.ends_with(' ');
            }
            at += length;
            is_after_space &= removes_extra;
        }
        let mut end = at;
        while removes_extra && seen.text.ends_with(space) {
            let length = seen.text.len() - space.len();
            end = seen.origin[length];
            seen.text.truncate(length);
            seen.origin.truncate(length);
        }
        if adds_first && is_suffix {
            push(&mut seen, space, end);
        }
        seen.origin.push(end);
        seen
    }

    /// The pieces whose scores have the greatest sum, each with whether it is one.
    fn likeliest(&self, text: &str) -> Vec<(Range<usize>, bool)> {
        #[derive(Clone, Copy)]
        struct Best {
            start: usize,
            score: f32,
            is_known: bool,
        }
        let mut best: Vec<Option<Best>> = vec![None; text.len() + 1];
        let unknown = f64::from(self.least - UNKNOWN_PENALTY);
        let offer = |best: &mut Vec<Option<Best>>, range: Range<usize>, score: f64, is_known| {
            // SentencePiece adds in double precision and keeps single.
            let before = best[range.start].map_or(0.0, |it| it.score);
            let sum = score + f64::from(before);
            let place = &mut best[range.end];
            if place.is_none_or(|it| sum > f64::from(it.score)) {
                *place = Some(Best { start: range.start, score: sum as f32, is_known });
            }
        };
        for (start, character) in text.char_indices() {
            let first = start + character.len_utf8();
            let mut is_one = false;
            let rest = &text[start..];
            let ends = rest.char_indices().map(|(at, it)| start + at + it.len_utf8());
            for end in ends.take_while(|end| end - start <= self.longest) {
                let Some(id) = self.found.get(&text[start..end]) else { continue };
                let entry = &self.all[*id as usize];
                let score = match entry.role {
                    Role::Unused => continue,
                    // Always the best choice.
                    Role::UserDefined => f64::from((end - start) as f32 * self.most) - 0.1,
                    _ => f64::from(entry.score),
                };
                offer(&mut best, start..end, score, true);
                is_one |= end == first;
            }
            if !is_one {
                offer(&mut best, start..first, unknown, false);
            }
        }
        let mut parts = Vec::new();
        let mut end = text.len();
        while end > 0 {
            let Some(Best { start, is_known, .. }) = best[end] else { break };
            parts.push((start..end, is_known));
            end = start;
        }
        parts.reverse();
        parts
    }

    /// Characters that are merged, the pair with the best score first, each with whether it is a piece.
    fn merged(&self, text: &str) -> Vec<(Range<usize>, bool)> {
        let mut symbols: Vec<Symbol> = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let whole = self.whole_word(&text[at..]);
            let length =
                whole.unwrap_or_else(|| text[at..].chars().next().map_or(1, char::len_utf8));
            let before = symbols.len().checked_sub(1);
            symbols.push(Symbol {
                range: at..at + length,
                is_whole: whole.is_some(),
                before,
                after: Some(symbols.len() + 1),
            });
            at += length;
        }
        if let Some(last) = symbols.last_mut() {
            last.after = None;
        }
        // How pieces that are not used are taken apart again.
        let mut apart: HashMap<&str, (Range<usize>, Range<usize>)> = HashMap::new();
        let mut queue = BinaryHeap::new();
        let pair = |symbols: &[Symbol], left: Option<usize>, right: Option<usize>| {
            let (left, right) = (left?, right?);
            let [one, other] = [&symbols[left], &symbols[right]];
            if one.is_whole || other.is_whole {
                return None;
            }
            let range = one.range.start..other.range.end;
            let id = *self.found.get(&text[range.clone()])?;
            let entry = &self.all[id as usize];
            let split = (entry.role == Role::Unused)
                .then(|| (range.clone(), one.range.clone(), other.range.clone()));
            Some((Pair { score: entry.score, left, right, length: range.len() }, split))
        };
        let mut add = |queue: &mut BinaryHeap<Pair>, found: Option<(Pair, Option<Split>)>| {
            if let Some((pair, split)) = found {
                queue.push(pair);
                if let Some((range, one, other)) = split {
                    apart.insert(&text[range], (one, other));
                }
            }
        };
        for right in 1..symbols.len() {
            add(&mut queue, pair(&symbols, Some(right - 1), Some(right)));
        }
        while let Some(Pair { left, right, length, .. }) = queue.pop() {
            let [one, other] = [symbols[left].range.clone(), symbols[right].range.clone()];
            if one.is_empty() || other.is_empty() || one.len() + other.len() != length {
                continue; // one of the two has become something else
            }
            symbols[left].range = one.start..other.end;
            let after = symbols[right].after;
            symbols[left].after = after;
            if let Some(after) = after {
                symbols[after].before = Some(left);
            }
            symbols[right].range = 0..0;
            add(&mut queue, pair(&symbols, symbols[left].before, Some(left)));
            add(&mut queue, pair(&symbols, Some(left), after));
        }
        let mut parts = Vec::new();
        for symbol in symbols.iter().filter(|symbol| !symbol.range.is_empty()) {
            let mut open = vec![symbol.range.clone()];
            while let Some(range) = open.pop() {
                let id = self.found.get(&text[range.clone()]);
                let is_unused = id.is_some_and(|id| self.all[*id as usize].role == Role::Unused);
                match apart.get(&text[range.clone()]).filter(|_| is_unused) {
                    Some((one, other)) => {
                        // Found at another place of the text, perhaps: of the same lengths.
                        let middle = range.start + one.len();
                        debug_assert_eq!(one.len() + other.len(), range.len());
                        open.extend([middle..range.end, range.start..middle]);
                    }
                    None => parts.push((range, id.is_some())),
                }
            }
        }
        parts
    }

    /// The text of pieces in a row.
    pub fn text<'a>(&self, pieces: impl Iterator<Item = &'a str>) -> String {
        let Spaces { adds_first, removes_extra, .. } = self.spaces;
        let mut text = String::new();
        let mut bytes = Vec::new();
        // Whether a space that was put before the text may still come.
        let (mut is_first, mut was_space) = (true, false);
        for piece in pieces {
            let role = self.role(piece);
            if let (Some(byte), true) = (byte_token(piece), role == Some(Role::Byte)) {
                bytes.push(byte);
                continue;
            }
            push_bytes(&mut text, &mut bytes);
            if was_space || !text.is_empty() {
                is_first = false;
            }
            was_space = false;
            match role {
                Some(Role::Control) => {}
                Some(Role::Unknown) => text.push_str(" \u{2047} "),
                None => text.push_str(piece),
                Some(_) => {
                    let mut rest = piece;
                    if is_first && (adds_first || removes_extra) {
                        let stripped = rest.strip_prefix(BAR);
                        was_space = stripped.is_some() && !removes_extra;
                        rest = stripped.unwrap_or(rest);
                    }
                    text.push_str(&rest.replace(BAR, " "));
                }
            }
        }
        push_bytes(&mut text, &mut bytes);
        text
    }

    /// What a piece is. `None`: it is none.
    fn role(&self, piece: &str) -> Option<Role> {
        if let Some(id) = self.found.get(piece) {
            return Some(self.all[*id as usize].role);
        }
        self.reserved.get(piece).copied()
    }
}

/// A piece that is not used, and the two that it is made of.
type Split = (Range<usize>, Range<usize>, Range<usize>);

struct Symbol {
    range: Range<usize>,
    is_whole: bool,
    before: Option<usize>,
    after: Option<usize>,
}

/// Two neighbours that are a piece together. The greatest is merged first: the best score, then the first place.
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

/// Bytes in a row are characters, and what is none of them U+FFFD, a byte each.
fn push_bytes(text: &mut String, bytes: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    bytes.clear();
}
