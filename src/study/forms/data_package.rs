//! `datapackage.json` beside exported tables (Frictionless Data Package): what each column holds, so
//! that an archive or a colleague need not guess.

use serde_json::{Value as Json, json};

use crate::study::folder::Folder;
use crate::study::variable::Kind;

/// A table that was written: its file name, and which of ours it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Long,
    Wide,
    Codebook,
}

/// The description of these files.
pub fn describe(folder: &Folder, tables: &[(Table, &str)]) -> Json {
    let resources: Vec<Json> = tables
        .iter()
        .map(|(table, path)| {
            let (name, about, fields) = match table {
                Table::Long => ("codes", "A row a code", long()),
                Table::Wide => ("items", "A row an item, a column a coder", wide(folder)),
                Table::Codebook => ("codebook", "A row a label", codebook()),
            };
            json!({
                "name": name,
                "path": path,
                "description": about,
                "profile": "tabular-data-resource",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "schema": {"fields": fields, "missingValues": [""]},
            })
        })
        .collect();
    let name = crate::study::variable::column_name(&folder.study.name).replace('_', "-");
    json!({
        "name": name,
        "title": folder.study.name,
        "profile": "tabular-data-package",
        "created": folder.study.created_at,
        "resources": resources,
    })
}

fn field(name: &str, kind: &str, about: &str) -> Json {
    json!({"name": name, "type": kind, "description": about})
}

fn long() -> Vec<Json> {
    [
        ("coder", "string", "Who coded"),
        ("item", "string", "The item's id"),
        ("variable", "string", "What was asked"),
        ("value", "string", "The code; lists are JSON; (don't know) is an answer of its own"),
        ("pass", "integer", "1; 2 for an item that was shown once more"),
        ("role", "string", "coding, training or check"),
        ("seconds", "number", "From when the item was shown to its verdict"),
        ("at", "string", "When the verdict was given, in UTC (RFC 3339)"),
        (
            "inclusion_probability",
            "number",
            "With which probability the item was drawn from its table, known by design",
        ),
        ("flagged", "boolean", "To be talked about"),
        ("reason", "string", "What the coder wrote"),
        ("guideline_version", "string", "The guideline that was valid"),
        ("suggestion", "string", "What a model suggested"),
        ("suggestion_seen", "boolean", "Whether the coder had seen it"),
        ("left", "string", "Of two answers, the one that stood on the left: first or second"),
    ]
    .map(|(name, kind, about)| field(name, kind, about))
    .to_vec()
}

fn wide(folder: &Folder) -> Vec<Json> {
    let mut fields = vec![
        field("item", "string", "The item's id"),
        field("text", "string", "What was coded"),
        field("role", "string", "coding, training or check"),
        field("inclusion_probability", "number", "With which probability the item was drawn"),
    ];
    for variable in &folder.study.codebook.variables {
        // "Don't know" is a word among numbers.
        let kind =
            if variable.kind == Kind::Number && variable.must_decide { "number" } else { "string" };
        for log in &folder.logs {
            let name = format!("{}.{}", variable.name, log.coder);
            fields.push(field(&name, kind, &variable.question));
        }
        let name = format!("{}.agreed", variable.name);
        fields.push(field(&name, kind, "Settled, or said by all coders"));
    }
    fields
}

fn codebook() -> Vec<Json> {
    super::codebook::COLUMNS
        .iter()
        .map(|name| match *name {
            "low" | "high" => field(name, "number", ""),
            "optional" | "must_decide" => field(name, "boolean", ""),
            name => field(name, "string", ""),
        })
        .collect()
}
