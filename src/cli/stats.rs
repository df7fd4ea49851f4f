//! `tuning-fork stats`: agreement, accuracy, scores of texts and other statistics of given cases.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::Value;

use super::out;
use crate::files::meant::meant;
use crate::files::without_position;
use crate::stats::cases::Kind;

#[derive(Debug, Args)]
pub struct StatsArgs {
    /// What to compute, as `agreement_two`, classification, rouge; an unknown one lists all
    kind: String,

    /// JSON: a list of {"name", "input"}; or one such object a line
    #[arg(long)]
    input: PathBuf,
}

pub fn run(args: &StatsArgs) -> anyhow::Result<()> {
    let Some(kind) = Kind::named(&args.kind) else { bail!(unknown_kind(&args.kind)) };
    let cases = read_cases(&args.input)?;
    let mut failed = 0;
    for (index, case) in cases.iter().enumerate() {
        match kind.compute(case, index + 1) {
            Ok(got) => out::json(&got)?,
            Err(error) => {
                failed += 1;
                out::note(&format!("error: {error}"));
            }
        }
    }
    if failed > 0 {
        let all = cases.len();
        bail!("{failed} of {all} cases could not be computed: {}", args.input.display());
    }
    Ok(())
}

fn unknown_kind(name: &str) -> String {
    let near = meant(name, Kind::names());
    let near =
        near.map(|near| format!(": did you mean {near:?}?")).unwrap_or_else(|| ".".to_owned());
    let all: Vec<&str> = Kind::names().collect();
    format!("there are no statistics of the kind {name:?}{near} All kinds: {}", all.join(", "))
}

/// A list, a single case, or a case a line.
fn read_cases(path: &Path) -> anyhow::Result<Vec<Value>> {
    let bytes = fs::read(path).with_context(|| format!("{} could not be read", path.display()))?;
    let Ok(text) = String::from_utf8(bytes) else {
        bail!("{} is not UTF-8 text; save it as UTF-8", path.display());
    };
    parse_cases(&text).with_context(|| format!("{} could not be understood", path.display()))
}

fn parse_cases(text: &str) -> anyhow::Result<Vec<Value>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match serde_json::from_str(text) {
        Ok(Value::Array(cases)) => return Ok(cases),
        Ok(case @ Value::Object(_)) => return Ok(vec![case]),
        Ok(_) => bail!("a list of cases is expected: [{{\"name\": …, \"input\": {{…}}}}, …]"),
        Err(error) if !text.trim_start().starts_with('{') => bail!(explained(text, &error)),
        Err(_) => {}
    }
    let mut cases = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(case) => cases.push(case),
            Err(error) => bail!("line {}: {}", index + 1, explained(line, &error)),
        }
    }
    Ok(cases)
}

/// What is wrong with a JSON text, and where; Python writes NaN, which JSON does not have.
fn explained(text: &str, error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    let from = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let rest: String = from.chars().skip(column.saturating_sub(3)).take(12).collect();
    let hint = if rest.contains("NaN") || rest.contains("Inf") {
        "; JSON has no NaN or Infinity: write null for a missing value"
    } else {
        ""
    };
    format!("no JSON at line {line}, column {column} ({}){hint}", without_position(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_come_as_a_list_as_one_and_a_line_each() {
        let forms = [
            ("[{\"name\": \"a\"}, {\"name\": \"b\"}]", 2),
            ("\u{feff}[\n{\"name\":\"a\"}\n]\n", 1),
            ("{\"name\": \"a\"}", 1),
            ("{\"name\": \"a\"}\n\n{\"name\": \"b\"}\n", 2),
            ("[]", 0),
        ];
        for (text, count) in forms {
            assert_eq!(parse_cases(text).unwrap().len(), count, "{text}");
        }
    }

    #[test]
    fn a_file_that_is_no_json_says_where_and_what_to_write_instead() {
        let nan = parse_cases("[{\"name\": \"a\", \"input\": {\"x\": [1, NaN]}}]").unwrap_err();
        assert!(nan.to_string().contains("write null for a missing value"), "{nan}");
        let second = parse_cases("{\"name\": \"a\"}\n{\"name\": }").unwrap_err();
        assert!(second.to_string().contains("line 2"), "{second}");
        assert!(parse_cases("3").is_err() && parse_cases("").is_err());
    }

    #[test]
    fn an_unknown_kind_names_the_nearest_and_all() {
        let said = unknown_kind("agreement-two");
        assert!(said.contains("did you mean \"agreement_two\"? All kinds: "), "{said}");
        assert!(said.contains("wilson"), "{said}");
    }
}
