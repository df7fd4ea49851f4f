//! REFI-QDA (`.qdpx`): what `MAXQDA`, `NVivo`, `ATLAS.ti` and others exchange. A zip of `project.qde`
//! (XML, namespace `urn:QDA-XML:project:1.0`) and of the texts; each code says who gave it.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;

use super::label_studio::escaped;
use crate::files;
use crate::study::folder::Folder;
use crate::study::value::{DONT_KNOW, Value};
use crate::study::variable::Variable;

/// The whole file. Codes of numbers and free texts are codes of their own below their variable.
pub fn project(folder: &Folder) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    // The same study gives the same file.
    let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
    archive.start_file("project.qde", options)?;
    archive.write_all(xml(folder).as_bytes())?;
    for item in &folder.items {
        archive.start_file(format!("sources/{}.txt", source_guid(folder, &item.id)), options)?;
        archive.write_all(item.whole_text().as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

fn source_guid(folder: &Folder, id: &str) -> String {
    guid(folder, &["source", id])
}

/// A GUID that is the same whenever the same thing is exported.
fn guid(folder: &Folder, parts: &[&str]) -> String {
    let hash = files::sha256_of_bytes(format!("{}/{}", folder.hash(), parts.join("/")).as_bytes());
    let part = |from: usize, to: usize| &hash[from..to];
    // Version 4, variant 1, as readers expect of random ones.
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// The codes that a value is.
fn codes(value: &Value) -> Vec<String> {
    match value {
        Value::Labels(labels) => labels.clone(),
        Value::Spans(spans) => spans.iter().map(|span| span.label.clone()).collect(),
        value => vec![value.to_cell()],
    }
}

/// Labels of the codebook, and what coders have written beyond it.
fn all_codes(folder: &Folder, place: usize, variable: &Variable) -> Vec<String> {
    let mut found = variable.labels();
    let verdicts = folder.logs.iter().flat_map(|log| log.counting());
    let mut more: Vec<String> =
        verdicts.filter_map(|verdict| verdict.value(place)).flat_map(codes).collect();
    more.sort();
    more.dedup();
    found.extend(more.into_iter().filter(|code| !variable.labels().contains(code)));
    found
}

fn xml(folder: &Folder) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    let name = escaped(if folder.study.name.is_empty() { "Study" } else { &folder.study.name });
    let began = match folder.study.created_at.as_str() {
        "" => String::new(),
        at => format!(" creationDateTime=\"{}\"", escaped(at)),
    };
    out.push_str(&format!(
        "<Project xmlns=\"urn:QDA-XML:project:1.0\" name=\"{name}\" origin=\"Tuning Fork\"{began}>\n"
    ));
    out.push_str("  <Users>\n");
    for log in &folder.logs {
        let user = guid(folder, &["user", &log.coder]);
        out.push_str(&format!("    <User guid=\"{user}\" name=\"{}\"/>\n", escaped(&log.coder)));
    }
    out.push_str("  </Users>\n  <CodeBook>\n    <Codes>\n");
    for (place, variable) in folder.study.codebook.variables.iter().enumerate() {
        let head = guid(folder, &["variable", &variable.name]);
        out.push_str(&format!(
            "      <Code guid=\"{head}\" name=\"{}\" isCodable=\"false\">\n",
            escaped(&variable.name)
        ));
        if !variable.question.is_empty() {
            out.push_str(&format!(
                "        <Description>{}</Description>\n",
                escaped(&variable.question)
            ));
        }
        for code in all_codes(folder, place, variable) {
            let own = guid(folder, &["code", &variable.name, &code]);
            let class = variable.classes.iter().find(|class| class.label.trim() == code);
            let about = class.map(|class| class.definition.trim()).unwrap_or_default();
            let shown = if code == DONT_KNOW { "don't know".to_owned() } else { code };
            let shown = escaped(&shown);
            if about.is_empty() {
                out.push_str(&format!(
                    "        <Code guid=\"{own}\" name=\"{shown}\" isCodable=\"true\"/>\n"
                ));
            } else {
                out.push_str(&format!(
                    "        <Code guid=\"{own}\" name=\"{shown}\" isCodable=\"true\">\n          \
                     <Description>{}</Description>\n        </Code>\n",
                    escaped(about)
                ));
            }
        }
        out.push_str("      </Code>\n");
    }
    out.push_str("    </Codes>\n  </CodeBook>\n  <Sources>\n");
    for number in 0..folder.items.len() {
        source(&mut out, folder, number);
    }
    out.push_str("  </Sources>\n</Project>\n");
    out
}

/// A text with the codes of all coders: of places as selections, of the whole text as its own.
fn source(out: &mut String, folder: &Folder, number: usize) {
    let item = &folder.items[number];
    let own = source_guid(folder, &item.id);
    out.push_str(&format!(
        "    <TextSource guid=\"{own}\" name=\"{}\" plainTextPath=\"internal://{own}.txt\">\n",
        escaped(&item.id)
    ));
    let (mut selections, mut whole) = (String::new(), String::new());
    for log in &folder.logs {
        let user = guid(folder, &["user", &log.coder]);
        let Some(verdict) = log.verdict(number, 1) else { continue };
        let at = if verdict.at.is_empty() {
            String::new()
        } else {
            format!(" creationDateTime=\"{}\"", escaped(&verdict.at.to_string()))
        };
        for (place, value) in verdict.values.iter() {
            let variable = &folder.study.codebook.variables[usize::from(*place)];
            let coding = |code: &str, which: &str, indent: &str| {
                let target = guid(folder, &["code", &variable.name, code]);
                let own =
                    guid(folder, &["coding", &item.id, &log.coder, &variable.name, code, which]);
                format!(
                    "{indent}<Coding guid=\"{own}\" creatingUser=\"{user}\"{at}>\n{indent}  \
                     <CodeRef targetGUID=\"{target}\"/>\n{indent}</Coding>\n"
                )
            };
            if let Value::Spans(spans) = value {
                for (count, span) in spans.iter().enumerate() {
                    let which = count.to_string();
                    let selection =
                        guid(folder, &["selection", &item.id, &log.coder, &variable.name, &which]);
                    selections.push_str(&format!(
                        "      <PlainTextSelection guid=\"{selection}\" name=\"{}\" \
                         startPosition=\"{}\" endPosition=\"{}\" creatingUser=\"{user}\"{at}>\n{}      \
                         </PlainTextSelection>\n",
                        escaped(&span.label),
                        span.start,
                        span.end,
                        coding(&span.label, &which, "        ")
                    ));
                }
                continue;
            }
            for code in codes(value) {
                whole.push_str(&coding(&code, "", "      "));
            }
        }
    }
    // The schema wants this order.
    out.push_str(&selections);
    out.push_str(&whole);
    out.push_str("    </TextSource>\n");
}
