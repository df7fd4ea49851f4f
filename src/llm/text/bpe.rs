//! Byte-pair encoding that takes little memory.
//!
//! Encodes as the `tokenizers` crate's BPE does, and is a model of that crate. The crate keeps a
//! vocabulary twice, as hash tables of strings, and its merges in a third: 70 MB for Gemma's
//! 262,144 tokens, beside 253 MB of weights. Here the tokens lie one after the other in one text,
//! and merges in one sorted list: 14 MB.

use std::collections::{BinaryHeap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::{
    DecoderWrapper, Model, ModelWrapper, NormalizerWrapper, PostProcessorWrapper,
    PreTokenizerWrapper, Token, TokenizerImpl,
};

use super::byte_names::byte_name;
use super::numbered::{Numbered, not_as_file};
use super::tokens::Tokens;

/// The crate's tokenizer, with either model.
pub type AnyTokenizer = TokenizerImpl<
    AnyModel,
    NormalizerWrapper,
    PreTokenizerWrapper,
    PostProcessorWrapper,
    DecoderWrapper,
>;

/// Two tokens, and the one that they become.
pub type Joined = (u32, u32, u32);

/// Two tokens that become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Merge {
    left: u32,
    right: u32,

    /// The token that they become.
    id: u32,

    /// The lower, the earlier.
    rank: u32,
}

/// A vocabulary with its merges.
#[derive(Clone)]
pub struct Bpe {
    tokens: Tokens,

    /// By left and right.
    merges: Vec<Merge>,

    /// A word that is a token is that token, whatever merges say.
    ignore_merges: bool,

    /// What stands for the bytes of a character that is no token.
    byte_tokens: Option<Vec<u32>>,

    /// What stands for everything else.
    unknown: Option<u32>,

    /// Several unknown characters in a row are one token.
    fuse_unknown: bool,
}

impl std::fmt::Debug for Bpe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (tokens, merges) = (self.tokens.len(), self.merges.len());
        let mut all = f.debug_struct("Bpe");
        all.field("tokens", &tokens).field("merges", &merges).finish_non_exhaustive()
    }
}

impl Bpe {
    /// `merges`: the first one first. Of two with the same parts, the later counts.
    pub fn new(tokens: Tokens, merges: impl Iterator<Item = Joined>) -> Self {
        let merges =
            merges.zip(0..).map(|((left, right, id), rank)| Merge { left, right, id, rank });
        let mut merges: Vec<Merge> = merges.collect();
        merges
            .sort_unstable_by_key(|merge| (merge.left, merge.right, std::cmp::Reverse(merge.rank)));
        merges.dedup_by_key(|merge| (merge.left, merge.right));
        merges.shrink_to_fit();
        Self {
            tokens,
            merges,
            ignore_merges: false,
            byte_tokens: None,
            unknown: None,
            fuse_unknown: true,
        }
    }

    #[must_use]
    pub fn ignoring_merges(self, ignore_merges: bool) -> Self {
        Self { ignore_merges, ..self }
    }

    /// SentencePiece's way with what is no token: its bytes, where all of them are tokens.
    #[must_use]
    pub fn falling_back(self) -> Self {
        let byte_tokens = (0..=u8::MAX).map(|byte| self.tokens.id(&byte_name(byte)));
        let byte_tokens = byte_tokens.map(|id| id.unwrap_or(NONE)).collect();
        Self { byte_tokens: Some(byte_tokens), ..self }
    }

    /// What stands for a character that is no token. Without it, it is left out.
    #[must_use]
    pub fn with_unknown(self, unknown: Option<u32>, fuse_unknown: bool) -> Self {
        Self { unknown, fuse_unknown, ..self }
    }

    fn merge(&self, left: u32, right: u32) -> Option<Merge> {
        let found = self.merges.binary_search_by_key(&(left, right), |m| (m.left, m.right));
        found.ok().map(|at| self.merges[at])
    }

    /// The tokens of a word, each with its place in it.
    fn encode(&self, word: &str) -> Vec<Symbol> {
        let mut symbols = self.characters(word);
        let last = symbols.len().saturating_sub(1);
        for (at, symbol) in symbols.iter_mut().enumerate() {
            (symbol.before, symbol.after) =
                (at.wrapping_sub(1), if at == last { END } else { at + 1 });
        }
        let candidate = |symbols: &[Symbol], at: usize| {
            let next = symbols[at].after;
            let merge = self.merge(symbols[at].id, symbols.get(next)?.id)?;
            Some(Candidate { rank: merge.rank, at, id: merge.id })
        };
        let mut queue: BinaryHeap<Candidate> =
            (0..symbols.len()).filter_map(|at| candidate(&symbols, at)).collect();
        while let Some(top) = queue.pop() {
            let Symbol { is_merged, before, after, id, .. } = symbols[top.at];
            if is_merged || after == END {
                continue;
            }
            let right = symbols[after];
            // One of the two may have become something else by now.
            if self.merge(id, right.id).is_none_or(|merge| merge.id != top.id) {
                continue;
            }
            symbols[after].is_merged = true;
            let merged = &mut symbols[top.at];
            (merged.id, merged.end, merged.after) = (top.id, right.end, right.after);
            if right.after != END {
                symbols[right.after].before = top.at;
            }
            if before != END {
                queue.extend(candidate(&symbols, before));
            }
            queue.extend(candidate(&symbols, top.at));
        }
        symbols.retain(|symbol| !symbol.is_merged);
        symbols
    }

    /// What each character is before anything is merged.
    fn characters(&self, word: &str) -> Vec<Symbol> {
        let mut symbols: Vec<Symbol> = Vec::with_capacity(word.len());
        let mut unknown: Option<Symbol> = None;
        for (start, character) in word.char_indices() {
            let end = start + character.len_utf8();
            if let Some(id) = self.tokens.id(&word[start..end]) {
                symbols.extend(unknown.take());
                symbols.push(Symbol::new(id, start..end));
                continue;
            }
            let bytes = self.byte_tokens.as_ref().map(|all| {
                let bytes = word[start..end].bytes().enumerate();
                let at = |(at, byte): (usize, u8)| {
                    Symbol::new(all[usize::from(byte)], start + at..start + at + 1)
                };
                bytes.map(at)
            });
            if let Some(bytes) = bytes
                && bytes.clone().all(|symbol| symbol.id != NONE)
            {
                symbols.extend(bytes);
            } else if let Some(id) = self.unknown {
                let last = if self.fuse_unknown { None } else { unknown.take() };
                symbols.extend(last);
                let first = unknown.map_or(start, |unknown| unknown.start);
                unknown = Some(Symbol::new(id, first..end));
            }
        }
        symbols.extend(unknown);
        symbols
    }

    /// As the crate has it.
    fn whole(&self) -> Result<BPE, tokenizers::Error> {
        let ids = (0..self.tokens.len() as u32).map(|id| (self.tokens.get(id).to_owned(), id));
        let mut vocabulary = Vocab::default();
        for (token, id) in ids {
            vocabulary.entry(token).or_insert(id);
        }
        let mut merges = self.merges.clone();
        merges.sort_unstable_by_key(|merge| merge.rank);
        let word = |id: u32| self.tokens.get(id).to_owned();
        let merges: Merges =
            merges.into_iter().map(|merge| (word(merge.left), word(merge.right))).collect();
        let mut builder = BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            .ignore_merges(self.ignore_merges)
            .byte_fallback(self.byte_tokens.is_some())
            .fuse_unk(self.fuse_unknown);
        if let Some(unknown) = self.unknown {
            builder = builder.unk_token(word(unknown));
        }
        builder.build()
    }
}

/// No such place.
const END: usize = usize::MAX;

/// No such token.
const NONE: u32 = u32::MAX;

/// A token in the making.
#[derive(Clone, Copy)]
struct Symbol {
    id: u32,
    start: usize,
    end: usize,
    before: usize,
    after: usize,
    is_merged: bool,
}

impl Symbol {
    fn new(id: u32, place: Range<usize>) -> Self {
        let Range { start, end } = place;
        Self { id, start, end, before: END, after: END, is_merged: false }
    }
}

/// A symbol that may be merged with the next one. The greatest is merged first: the lowest rank, then
/// the first place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Candidate {
    rank: u32,
    at: usize,
    id: u32,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.rank, other.at, other.id).cmp(&(self.rank, self.at, self.id))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The model of a tokenizer: ours, or one of the crate's, which knows more kinds.
#[derive(Clone, Debug)]
pub enum AnyModel {
    Bpe(Bpe),

    /// SentencePiece's pieces with numbers of their own.
    Numbered(Numbered),
    Other(ModelWrapper),
}

impl AnyModel {
    pub fn is_bpe(&self) -> bool {
        matches!(self, Self::Bpe(_) | Self::Other(ModelWrapper::BPE(_)))
    }
}

impl Model for AnyModel {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, sequence: &str) -> tokenizers::Result<Vec<Token>> {
        let bpe = match self {
            Self::Bpe(bpe) => bpe,
            Self::Numbered(model) => return Ok(model.split(sequence)),
            Self::Other(model) => return model.tokenize(sequence),
        };
        if bpe.ignore_merges
            && let Some(id) = bpe.tokens.id(sequence)
        {
            return Ok(vec![Token::new(id, sequence.to_owned(), (0, sequence.len()))]);
        }
        let token = |Symbol { id, start, end, .. }: Symbol| {
            Token::new(id, bpe.tokens.get(id).to_owned(), (start, end))
        };
        Ok(bpe.encode(sequence).into_iter().map(token).collect())
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            Self::Bpe(bpe) => bpe.tokens.id(token),
            Self::Numbered(model) => model.id(token),
            Self::Other(model) => model.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Self::Bpe(bpe) => {
                ((id as usize) < bpe.tokens.len()).then(|| bpe.tokens.get(id).to_owned())
            }
            Self::Numbered(model) => model.token(id),
            Self::Other(model) => model.id_to_token(id),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Self::Bpe(bpe) => {
                bpe.tokens.with_ids().map(|(token, id)| (token.to_owned(), id)).collect()
            }
            Self::Numbered(model) => model.vocabulary().clone(),
            Self::Other(model) => model.get_vocab(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            Self::Bpe(bpe) => bpe.tokens.distinct(),
            Self::Numbered(model) => model.vocabulary().len(),
            Self::Other(model) => model.get_vocab_size(),
        }
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> tokenizers::Result<Vec<PathBuf>> {
        match self {
            Self::Bpe(bpe) => bpe.whole()?.save(folder, prefix),
            Self::Numbered(_) => Err(not_as_file()),
            Self::Other(model) => model.save(folder, prefix),
        }
    }

    fn get_trainer(&self) -> TrainerWrapper {
        match self {
            Self::Bpe(_) | Self::Numbered(_) => ModelWrapper::BPE(BPE::default()).get_trainer(),
            Self::Other(model) => model.get_trainer(),
        }
    }
}

impl Serialize for AnyModel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bpe(bpe) => bpe.whole().map_err(serde::ser::Error::custom)?.serialize(serializer),
            Self::Numbered(_) => Err(serde::ser::Error::custom(not_as_file())),
            Self::Other(model) => model.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AnyModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ModelWrapper::deserialize(deserializer).map(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

    use super::*;

    const UNKNOWN: &str = "<unk>";

    /// Words over few letters, so that many merges meet in every text; `é` has byte tokens, `ü`
    /// misses one of its two.
    fn vocabulary(seed: u64) -> (Vec<String>, Vec<(String, String)>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut tokens: Vec<String> = ["a", "b", "c", "▁", UNKNOWN].map(str::to_owned).to_vec();
        tokens.extend("é".bytes().map(byte_name));
        let mut merges = Vec::new();
        while merges.len() < 60 {
            let mut any = || {
                let index = rng.next_u32() as usize % tokens.len();
                Some(tokens[index].clone()).filter(|token| !token.starts_with('<'))
            };
            let (Some(left), Some(right)) = (any(), any()) else { continue };
            let merged = format!("{left}{right}");
            if merged.chars().count() < 9 && !merges.contains(&(left.clone(), right.clone())) {
                if !tokens.contains(&merged) {
                    tokens.push(merged);
                }
                merges.push((left, right));
            }
        }
        (tokens, merges)
    }

    #[test]
    fn texts_are_encoded_as_the_crate_encodes_them() {
        for seed in 0..40 {
            let (tokens, merges) = vocabulary(seed);
            let all = Tokens::new(tokens.iter().map(String::as_str));
            let id = |token: &str| all.id(token).unwrap();
            let parts = merges
                .iter()
                .map(|(left, right)| (id(left), id(right), id(&format!("{left}{right}"))));
            let ours = Bpe::new(all.clone(), parts)
                .falling_back()
                .with_unknown(Some(id(UNKNOWN)), seed % 4 < 2)
                .ignoring_merges(seed % 2 == 1);
            let theirs = ours.whole().unwrap();
            let ours = AnyModel::Bpe(ours);
            let mut rng = ChaCha8Rng::seed_from_u64(seed + 1000);
            for _ in 0..200 {
                let length = rng.next_u32() as usize % 30;
                let letters = ["a", "b", "c", "▁", "é", "ü", "x"];
                let text: String =
                    (0..length).map(|_| letters[rng.next_u32() as usize % 7]).collect();
                let shown = |tokens: Vec<Token>| -> Vec<_> {
                    tokens.into_iter().map(|token| (token.id, token.value)).collect()
                };
                assert_eq!(
                    shown(ours.tokenize(&text).unwrap()),
                    shown(theirs.tokenize(&text).unwrap()),
                    "{text} of vocabulary {seed}"
                );
            }
            assert_eq!(ours.get_vocab(), theirs.get_vocab());
            assert_eq!(ours.get_vocab_size(), theirs.get_vocab_size());
        }
    }
}
