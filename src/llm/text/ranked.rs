//! Tokens that are bytes with a rank each: Mistral's `tekken.json`, and files of OpenAI's tiktoken. Made into
//! byte-level merges as transformers makes them: a token is merged from any two others, in the order of the
//! ranks.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::added::Spelled;
use super::base64::from_base64;
use super::byte_tokens::letter;
use super::folder_files::Problem;
use super::gguf_rules::CL100K;
use super::model_file::{Kind, ModelParts, Pair, TokenizerFile, Vocabulary};

/// What such a file gives.
pub(super) struct Ranked {
    pub file: TokenizerFile,

    /// Tokens beside those of the merges, in the order of their ids.
    pub special: Vec<Spelled>,
}

#[derive(Deserialize)]
struct Tekken {
    config: TekkenConfig,
    vocab: Vec<TekkenToken>,
    special_tokens: Option<Vec<TekkenSpecial>>,
}

#[derive(Deserialize)]
struct TekkenConfig {
    pattern: String,
    default_vocab_size: Option<usize>,
    default_num_special_tokens: Option<usize>,
    version: Option<String>,
}

#[derive(Deserialize)]
struct TekkenToken {
    token_bytes: String,
}

#[derive(Deserialize)]
struct TekkenSpecial {
    rank: usize,
    token_str: String,
}

/// Whose special tokens need not be listed, and which they are: as mistral-common has it.
const FIRST_VERSIONS: [&str; 4] = ["v1", "v2", "v3", "v7"];
const SPECIAL: &str = "<unk> <s> </s> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS] \
                       [/TOOL_RESULTS] [TOOL_CALLS] [IMG] <pad> [IMG_BREAK] [IMG_END] [PREFIX] [MIDDLE] \
                       [SUFFIX] [SYSTEM_PROMPT] [/SYSTEM_PROMPT] [TOOL_CONTENT]";

/// More special tokens than any vocabulary has.
const MOST: usize = 1 << 20;

/// Reads `tekken.json`. Its special tokens come first; tokens beyond the size that it gives itself are padding.
pub(super) fn tekken(bytes: &[u8]) -> Result<Ranked, Problem> {
    let Tekken { config, mut vocab, special_tokens } = serde_json::from_slice(bytes)?;
    let is_first =
        config.version.as_deref().is_some_and(|version| FIRST_VERSIONS.contains(&version));
    let mut named = match special_tokens {
        Some(named) => named,
        None if is_first => {
            let named = SPECIAL.split(' ').enumerate();
            named.map(|(rank, token)| TekkenSpecial { rank, token_str: token.to_owned() }).collect()
        }
        None => {
            return Err(
                "it does not list its special tokens (special_tokens), as only Mistral's first \
                        files of this kind (version v1 to v7) may; fetch the model's tokenizer.json"
                    .into(),
            );
        }
    };
    named.sort_by_key(|token| token.rank);
    if let Some(place) = named.iter().zip(0..).position(|(token, place)| token.rank != place) {
        return Err(format!(
            "the ranks of its special_tokens must be 0, 1, 2 …, and number {place} has {}",
            named[place].rank
        )
        .into());
    }
    let mut special: Vec<String> = named.into_iter().map(|token| token.token_str).collect();
    let first = config.default_num_special_tokens.unwrap_or(special.len());
    if first > MOST || special.len() > first {
        return Err(format!(
            "default_num_special_tokens = {first}, and it has {} of them",
            special.len()
        )
        .into());
    }
    special.extend((special.len()..first).map(|id| format!("<SPECIAL_{id}>")));
    if let Some(size) = config.default_vocab_size {
        vocab.truncate(size.saturating_sub(first));
    }
    let mut tokens = Vec::with_capacity(vocab.len());
    for (place, token) in vocab.iter().enumerate() {
        let bytes = from_base64(&token.token_bytes);
        let bytes =
            bytes.ok_or_else(|| format!("the token_bytes of token {place} are no base64"))?;
        tokens.push((bytes, place as u32));
    }
    let mut file = merged(&tokens, first as u32)?;
    if let Vocabulary::Ids(ids) = &mut file.model.vocab {
        ids.extend(special.iter().cloned().zip(0..));
    }
    surround(&mut file, &config.pattern);
    Ok(Ranked { file, special: special.iter().map(|token| Spelled::special(token)).collect() })
}

/// Whether a file is one of tiktoken's: a token in base64 and its rank on each line.
pub(super) fn is_tiktoken(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    std::str::from_utf8(line).is_ok_and(|line| token_of(line).is_some())
}

fn token_of(line: &str) -> Option<(Vec<u8>, u32)> {
    let (token, rank) = line.trim_end().split_once(' ')?;
    Some((from_base64(token)?, rank.parse().ok()?))
}

/// Reads a file of tiktoken, which has no special tokens: they are `added` by their ids, with names for the
/// gaps between them, and `extra` after them.
pub(super) fn tiktoken(
    bytes: &[u8],
    added: &[(u64, Spelled)],
    extra: &[Spelled],
) -> Result<Ranked, Problem> {
    let text = std::str::from_utf8(bytes)?;
    let mut tokens = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
        tokens.push(token_of(line).ok_or_else(|| {
            format!("line {} is {line:?}: a token in base64 and its rank were expected", number + 1)
        })?);
    }
    let count = tokens.len() as u64;
    let mut file = merged(&tokens, 0)?;
    surround(&mut file, CL100K);
    let last = added.iter().map(|(id, _)| *id).max().unwrap_or(0);
    if last > count + MOST as u64 {
        let problem =
            format!("added_tokens_decoder has the id {last}, and the file {count} tokens");
        return Err(problem.into());
    }
    let mut special: Vec<String> = (count..(last + 1).max(count))
        .map(|id| {
            let own = added.iter().find(|(known, _)| *known == id);
            let gap = || format!("<|reserved_token_{id}|>");
            own.map_or_else(gap, |(_, token)| token.content().to_owned())
        })
        .collect();
    for token in extra {
        if !special.iter().any(|known| known == token.content()) {
            special.push(token.content().to_owned());
        }
    }
    Ok(Ranked { file, special: special.iter().map(|token| Spelled::special(token)).collect() })
}

/// A byte-level model of tokens with their ranks; ids begin at `first`.
fn merged(tokens: &[(Vec<u8>, u32)], first: u32) -> Result<TokenizerFile, Problem> {
    let letters: Vec<char> = (0..=u8::MAX).map(letter).collect();
    let written =
        |bytes: &[u8]| -> String { bytes.iter().map(|byte| letters[usize::from(*byte)]).collect() };
    let ranks: HashMap<&[u8], u32> =
        tokens.iter().map(|(bytes, rank)| (bytes.as_slice(), *rank)).collect();
    if ranks.len() != tokens.len() {
        return Err("a token is in it twice".into());
    }
    let mut order: Vec<&(Vec<u8>, u32)> = tokens.iter().collect();
    order.sort_by_key(|(_, rank)| *rank);
    let mut merges = Vec::new();
    for (bytes, _) in order {
        let halves = (1..bytes.len()).filter_map(|at| {
            let (left, right) = bytes.split_at(at);
            Some((*ranks.get(left)?, *ranks.get(right)?, left, right))
        });
        let mut halves: Vec<_> = halves.collect();
        halves.sort_by_key(|(left, right, ..)| (*left, *right));
        merges.extend(halves.into_iter().map(|(_, _, l, r)| Pair(written(l), written(r))));
    }
    let ids = tokens.iter().map(|(bytes, rank)| -> Result<(String, u32), Problem> {
        let id = rank.checked_add(first).ok_or("a rank is too large")?;
        Ok((written(bytes), id))
    });
    let ids = ids.collect::<Result<Vec<_>, Problem>>()?;
    Ok(TokenizerFile::of_model(ModelParts {
        kind: Some(Kind::Bpe),
        vocab: Vocabulary::Ids(ids),
        merges: Some(merges),
        ignore_merges: true,
        ..ModelParts::default()
    }))
}

/// How a text is split before the merges, and put together again.
fn surround(file: &mut TokenizerFile, pattern: &str) {
    let byte_level = |trim_offsets: bool| -> Value {
        json!({
            "type": "ByteLevel",
            "add_prefix_space": false,
            "trim_offsets": trim_offsets,
            "use_regex": false,
        })
    };
    let split = json!({
        "type": "Split",
        "pattern": { "Regex": pattern },
        "behavior": "Isolated",
        "invert": false,
    });
    file.pre_tokenizer =
        Some(json!({ "type": "Sequence", "pretokenizers": [split, byte_level(true)] }));
    file.decoder = Some(byte_level(true));
    file.post_processor = Some(byte_level(false));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(read: Result<Ranked, Problem>) -> String {
        read.err().map(|err| err.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_token_is_merged_from_any_two_others_in_the_order_of_the_ranks() {
        // a, b, c, ab, bc, abc: transformers' TikTokenConverter gives these merges in this order.
        let file = b"YQ== 0\nYg== 1\nYw== 2\nYWI= 3\nYmM= 4\nYWJj 5\n";
        assert!(is_tiktoken(file) && !is_tiktoken(b"\x0a\x0e<unk>"));
        let read = tiktoken(file, &[], &[]).unwrap();
        let merges = read.file.model.merges.unwrap();
        let merges: Vec<(&str, &str)> =
            merges.iter().map(|Pair(left, right)| (left.as_str(), right.as_str())).collect();
        assert_eq!(merges, [("a", "b"), ("b", "c"), ("a", "bc"), ("ab", "c")]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let line = problem(tiktoken(b"YQ== 0\nnot base64 at all\n", &[], &[]));
        assert!(line.contains("line 2"), "{line}");
        assert!(problem(tiktoken(b"YQ== 0\nYQ== 1\n", &[], &[])).contains("twice"));
        let old = br#"{"config": {"pattern": "a"}, "vocab": []}"#;
        assert!(problem(tekken(old)).contains("special_tokens"));
        let gap = br#"{"config": {"pattern": "a"}, "vocab": [], "special_tokens": [{"rank": 1, "token_str": "x"}]}"#;
        assert!(problem(tekken(gap)).contains("number 0 has 1"));
    }
}
