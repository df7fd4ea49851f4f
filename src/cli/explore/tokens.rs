//! `tuning-fork explore tokens`

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::rows::{Content, InputArgs};
use super::table;
use super::table::Table;
use crate::cli::load;
use crate::cli::out;
use crate::explore::token_sides::{LanguageCost, by_language};
use crate::explore::tokens;
use crate::explore::tokens::{Piece, TextCounts, TokenView};
use crate::llm::Tokenizer;
use crate::words::counted;

#[derive(Debug, Args)]
pub struct TokensArgs {
    /// Whose tokenizer: as for `generate`; may be given several times, to put them side by side
    #[arg(long = "model", value_name = "MODEL", default_value = "starter")]
    models: Vec<String>,

    #[command(flatten)]
    input: InputArgs,

    /// Without what the tokenizer puts around a text
    #[arg(long)]
    no_special: bool,

    /// Also one sentence in 16 languages: how many tokens it is in each
    #[arg(long)]
    languages: bool,

    /// One JSON object a row and model
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ByLanguage<'a> {
    model: &'a str,
    languages: &'a [LanguageCost],
}

#[derive(Serialize)]
struct Line<'a> {
    model: &'a str,
    count: usize,
    ids: Vec<u32>,
    tokens: Vec<&'a str>,
    pieces: &'a [Piece],
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<TextCounts>,
}

pub fn run(args: &TokensArgs) -> anyhow::Result<()> {
    let rows = args.input.read()?;
    let tokenizers = args.models.iter().map(|name| Ok((name, load::load_text(name)?.0)));
    let tokenizers = tokenizers.collect::<anyhow::Result<Vec<_>>>()?;
    if args.languages {
        languages(&tokenizers, args.json)?;
    }
    for row in &rows {
        for (name, tokenizer) in &tokenizers {
            let view = match &row.content {
                Content::Text(text) => tokens::of_text(tokenizer, text, !args.no_special),
                Content::Ids(ids) => tokens::of_ids(tokenizer, ids),
            };
            let TokenView { pieces, text } = view.with_context(|| row.place.clone())?;
            if args.json {
                out::json(&Line {
                    model: name,
                    count: pieces.len(),
                    ids: pieces.iter().map(|piece| piece.id).collect(),
                    tokens: pieces.iter().map(|piece| piece.token.as_str()).collect(),
                    pieces: &pieces,
                    text,
                })?;
                continue;
            }
            let mut table = Table::new(["id", "token", "bytes", "characters", ""]);
            for Piece { id, token, bytes, special, characters } in &pieces {
                let bytes = bytes.iter().flatten().map(|byte| format!("{byte:02X}"));
                let place =
                    characters.as_ref().map(|place| format!("{}..{}", place.start, place.end));
                table.push(vec![
                    id.to_string(),
                    table::token(token),
                    bytes.collect::<Vec<_>>().join(" "),
                    place.unwrap_or_default(),
                    if *special { "special".to_owned() } else { String::new() },
                ]);
            }
            table.print()?;
            let a_word = text.and_then(|text| text.tokens_a_word);
            let a_word = a_word.map(|count| format!(", {count:.2} a word")).unwrap_or_default();
            out::line(&format!("{name}: {}{a_word}", counted(pieces.len(), "token", "tokens")))?;
        }
    }
    Ok(())
}

/// What one sentence takes in each language.
fn languages(tokenizers: &[(&String, Tokenizer)], json: bool) -> anyhow::Result<()> {
    for (name, tokenizer) in tokenizers {
        let costs = by_language(tokenizer)?;
        if json {
            out::json(&ByLanguage { model: name, languages: &costs })?;
            continue;
        }
        let mut table =
            Table::new(["language", "tokens", "a word", "a character", "times English"]);
        for cost in &costs {
            table.push(vec![
                cost.language.clone(),
                cost.tokens.to_string(),
                table::number(cost.tokens_a_word, 2),
                table::number(Some(cost.tokens_a_character), 2),
                table::number(Some(cost.beside_english), 2),
            ]);
        }
        table.print()?;
        out::line(&format!("{name}: one sentence in {} languages", costs.len()))?;
    }
    Ok(())
}
