//! REFI-QDA (`.qdpx`) as `MAXQDA`, `NVivo`, `ATLAS.ti` and others write it: codes, texts, and what of
//! them was coded by whom. Pictures, sound, cases, notes and links are passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value as Json};
use zip::ZipArchive;

use super::said::Said;
use crate::data::codebook::Class;
use crate::data::table::{Place, Row};
use crate::study::folder::Folder;
use crate::study::value::{DONT_KNOW, Span};
use crate::study::variable::{Kind, Variable, Variables};

/// What a file of this form may unpack to.
const MOST_BYTES: u64 = 500_000_000;

/// A whole project.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Project {
    pub name: String,

    /// Parents before their children.
    pub codes: Vec<Code>,
    pub sources: Vec<Source>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Code {
    guid: String,
    pub name: String,
    pub about: String,

    /// The code above it, by its place in the list.
    pub parent: Option<usize>,
}

/// A text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    pub name: String,
    pub text: String,
    pub codings: Vec<Coding>,
}

/// Somebody gave a text, or a place in it, a code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coding {
    pub coder: String,

    /// By its place in the list.
    pub code: usize,

    /// Characters, from 0; the end is the one behind the last. `None`: the whole text.
    pub place: Option<(usize, usize)>,
}

/// Reads a file; the error is a sentence.
pub fn read(path: &Path) -> Result<Project, String> {
    let damaged = |err: &dyn std::fmt::Display| format!("it is not a REFI-QDA file ({err})");
    let file = File::open(path).map_err(|err| err.to_string())?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|err| damaged(&err))?;
    let named: Vec<String> =
        archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let project = named.iter().find(|name| name.to_lowercase().ends_with(".qde"));
    let project = project.ok_or_else(|| damaged(&"it has no project.qde"))?;
    let xml = part(&mut archive, project)?;
    let mut reading = Reading::default();
    reading.xml(&xml).map_err(|err| damaged(&err))?;
    let mut left = MOST_BYTES;
    for source in &mut reading.project.sources {
        let Some(place) = source.text.strip_prefix(STORED_AT) else { continue };
        // `internal://` is the folder of sources; others name no file that we could have.
        let inner = place.strip_prefix("internal://").ok_or_else(|| {
            format!("the text of “{}” lies outside of the file ({place})", source.name)
        })?;
        let known = named
            .iter()
            .find(|name| name.to_lowercase() == format!("sources/{}", inner.to_lowercase()));
        let known =
            known.ok_or_else(|| format!("the file has no text for “{}” ({inner})", source.name))?;
        let text = part(&mut archive, known)?;
        left = left
            .checked_sub(text.len() as u64)
            .ok_or_else(|| format!("its texts are larger than {} MB", MOST_BYTES / 1_000_000))?;
        source.text = text;
    }
    Ok(reading.project)
}

/// In front of a text's place while it is not read yet: no text begins like this.
const STORED_AT: &str = "\u{0}at:";

fn part(archive: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<String, String> {
    let damaged = |err: &dyn std::fmt::Display| format!("{name} cannot be read ({err})");
    let part = archive.by_name(name).map_err(|err| damaged(&err))?;
    let mut bytes = Vec::new();
    part.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|err| damaged(&err))?;
    let text = String::from_utf8(bytes).map_err(|_err| damaged(&"it is not UTF-8"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// What the elements that are open mean.
#[derive(Default)]
struct Reading {
    project: Project,
    users: BTreeMap<String, String>,

    /// Codes that are open, the innermost last.
    open_codes: Vec<usize>,

    /// Whether a text is open.
    in_source: bool,

    /// The place that is open, and who marked it.
    selection: Option<(usize, usize)>,
    selected_by: String,
    coded_by: String,

    /// What the words between two tags belong to.
    words: Words,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Words {
    #[default]
    Nothing,
    About,
    Text,
}

impl Reading {
    fn xml(&mut self, xml: &str) -> Result<(), String> {
        let mut reader = Reader::from_str(xml);
        loop {
            match reader.read_event().map_err(|err| err.to_string())? {
                Event::Start(tag) => self.begin(&tag)?,
                Event::Empty(tag) => {
                    self.begin(&tag)?;
                    self.end(tag.local_name().as_ref());
                }
                Event::End(tag) => self.end(tag.local_name().as_ref()),
                Event::Text(words) => self.say(&words),
                Event::CData(words) => self.say(&words),
                Event::GeneralRef(name) => {
                    let letter = name.resolve_char_ref().map_err(|err| err.to_string())?;
                    if let Some(letter) = letter {
                        self.say(&letter.to_string());
                    } else {
                        let known = quick_xml::escape::resolve_xml_entity(&name);
                        self.say(known.unwrap_or_default());
                    }
                }
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    fn say(&mut self, words: &str) {
        match self.words {
            Words::Nothing => {}
            Words::About => {
                if let Some(code) = self.open_codes.last() {
                    self.project.codes[*code].about.push_str(words);
                }
            }
            Words::Text => {
                if let Some(source) = self.project.sources.last_mut() {
                    source.text.push_str(words);
                }
            }
        }
    }

    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), String> {
        let value = |name: &str| -> Result<String, String> {
            let found = tag.try_get_attribute(name).map_err(|err| err.to_string())?;
            let Some(found) = found else { return Ok(String::new()) };
            let plain = quick_xml::escape::unescape(&found.value);
            Ok(plain.map_err(|err| err.to_string())?.into_owned())
        };
        let guid = |name: &str| Ok::<String, String>(value(name)?.trim().to_lowercase());
        match tag.local_name().as_ref() {
            "Project" => self.project.name = value("name")?,
            "User" => {
                let (own, name) = (guid("guid")?, value("name")?);
                self.users.insert(own, name);
            }
            "Code" => {
                self.project.codes.push(Code {
                    guid: guid("guid")?,
                    name: value("name")?.trim().to_owned(),
                    about: String::new(),
                    parent: self.open_codes.last().copied(),
                });
                self.open_codes.push(self.project.codes.len() - 1);
            }
            "Description" if !self.open_codes.is_empty() => self.words = Words::About,
            "TextSource" => {
                let place = value("plainTextPath")?;
                let text =
                    if place.is_empty() { String::new() } else { format!("{STORED_AT}{place}") };
                let name = value("name")?;
                self.project.sources.push(Source { name, text, codings: Vec::new() });
                self.in_source = true;
            }
            "PlainTextContent" if self.in_source => {
                if let Some(source) = self.project.sources.last_mut() {
                    source.text.clear();
                }
                self.words = Words::Text;
            }
            "PlainTextSelection" if self.in_source => {
                let number = |name: &str| -> Result<usize, String> {
                    let written = value(name)?;
                    written.trim().parse().map_err(|_err| {
                        format!("a selection has {name}=\"{written}\", where a number is expected")
                    })
                };
                self.selection = Some((number("startPosition")?, number("endPosition")?));
                self.selected_by = guid("creatingUser")?;
            }
            "Coding" if self.in_source => self.coded_by = guid("creatingUser")?,
            "CodeRef" if self.in_source => {
                let target = guid("targetGUID")?;
                let code = self.project.codes.iter().position(|code| code.guid == target);
                let code = code.ok_or_else(|| format!("no code has the GUID {target}"))?;
                let by = [&self.coded_by, &self.selected_by].into_iter().find(|by| !by.is_empty());
                let coder = by.and_then(|by| self.users.get(by)).cloned().unwrap_or_default();
                let place = self.selection;
                if let Some(source) = self.project.sources.last_mut() {
                    source.codings.push(Coding { coder, code, place });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, name: &str) {
        match name {
            "Code" => _ = self.open_codes.pop(),
            "Description" | "PlainTextContent" => self.words = Words::Nothing,
            "TextSource" => self.in_source = false,
            "PlainTextSelection" => {
                self.selection = None;
                self.selected_by.clear();
            }
            "Coding" => self.coded_by.clear(),
            _ => {}
        }
    }
}

impl Project {
    /// A code and those above it, from the top.
    fn path(&self, code: usize) -> Vec<usize> {
        let mut path = vec![code];
        while let Some(parent) = self.codes[path[path.len() - 1]].parent {
            path.push(parent);
        }
        path.reverse();
        path
    }

    fn shown(&self, code: usize) -> String {
        let names: Vec<&str> =
            self.path(code).into_iter().map(|at| self.codes[at].name.as_str()).collect();
        names.join(" > ")
    }

    /// The texts as rows of a table with the columns `name` and `text`.
    pub fn rows(&self) -> Vec<Row> {
        let row = |(at, source): (usize, &Source)| {
            let mut fields = Map::new();
            fields.insert("name".to_owned(), Json::from(source.name.as_str()));
            fields.insert("text".to_owned(), Json::from(source.text.as_str()));
            Row { place: Place { row: at as u64 + 1, line: None }, fields }
        };
        self.sources.iter().enumerate().map(row).collect()
    }

    /// A codebook for a study of these texts: each code at the top that has others below it becomes a
    /// variable with those as labels. The others at the top are the labels of one variable, `codes`.
    pub fn codebook(&self) -> Variables {
        let below = |top: usize| -> Vec<usize> {
            (0..self.codes.len()).filter(|at| *at != top && self.path(*at)[0] == top).collect()
        };
        let tops: Vec<usize> =
            (0..self.codes.len()).filter(|at| self.codes[*at].parent.is_none()).collect();
        let (heads, single): (Vec<usize>, Vec<usize>) =
            tops.into_iter().partition(|top| below(*top).len() > 1);
        let mut variables: Vec<Variable> = heads
            .into_iter()
            .map(|top| self.variable(&self.codes[top].name, &self.codes[top].about, &below(top)))
            .collect();
        let single: Vec<usize> =
            single.into_iter().flat_map(|top| [vec![top], below(top)].concat()).collect();
        if !single.is_empty() {
            variables.push(self.variable("codes", "Which codes fit?", &single));
        }
        Variables {
            name: self.name.clone(),
            guideline_version: "1".to_owned(),
            variables,
            ..Variables::default()
        }
    }

    fn variable(&self, name: &str, question: &str, codes: &[usize]) -> Variable {
        let used = |coding: &&Coding| codes.contains(&coding.code);
        let all = self.sources.iter().flat_map(|source| &source.codings);
        let has_places = all.filter(used).any(|coding| coding.place.is_some());
        let has_several = self.sources.iter().any(|source| {
            let by: Vec<&str> =
                source.codings.iter().filter(used).map(|one| one.coder.as_str()).collect();
            by.iter().collect::<BTreeSet<_>>().len() < by.len()
        });
        let kind = match (has_places, has_several || codes.len() < 2) {
            (true, _) => Kind::Spans,
            (false, true) => Kind::Choices,
            (false, false) => Kind::Choice,
        };
        let mut labels = BTreeSet::new();
        let classes = codes.iter().filter_map(|at| {
            let Code { name, about, .. } = &self.codes[*at];
            let label = if name == "don't know" { return None } else { name.clone() };
            let definition = about.trim().to_owned();
            labels.insert(label.clone()).then(|| Class { label, definition, ..Class::default() })
        });
        Variable {
            name: name.to_owned(),
            kind,
            question: question.trim().to_owned(),
            optional: true,
            classes: classes.collect(),
            ..Variable::default()
        }
    }

    /// The codes as they belong to a study. The variable is a code above the code that was given, or
    /// the only one that has such a label. `coder`: where the file does not say it.
    pub fn said(&self, folder: &Folder, coder: &str) -> Result<Vec<Said>, String> {
        type Given<'a> = BTreeMap<(usize, &'a str, usize), (Vec<String>, Vec<Span>)>;
        let variables = &folder.study.codebook.variables;
        let mut given = Given::new();
        for (at, source) in self.sources.iter().enumerate() {
            for coding in &source.codings {
                let (place, label) = self.place_in(coding.code, variables)?;
                let variable = &variables[place];
                let by = if coding.coder.trim().is_empty() { coder } else { &coding.coder };
                let entry = given.entry((at, by, place)).or_default();
                match (coding.place, variable.kind) {
                    (Some((start, end)), Kind::Spans) => {
                        entry.1.push(Span { start, end, label });
                    }
                    (None, Kind::Spans) if label == DONT_KNOW => entry.0.push(label),
                    (None, Kind::Spans) => {
                        return Err(format!(
                            "“{}” is given to the whole of “{}”, and {} is about places in the text",
                            self.shown(coding.code),
                            source.name,
                            variable.name
                        ));
                    }
                    (Some(_), _) => {
                        return Err(format!(
                            "“{}” is given to a place in “{}”, and {} is about whole texts: a \
                             variable of the kind “spans” has room for it",
                            self.shown(coding.code),
                            source.name,
                            variable.name
                        ));
                    }
                    (None, _) => entry.0.push(label),
                }
            }
        }
        let mut said = Vec::new();
        for ((at, by, place), (mut labels, mut spans)) in given {
            let (source, variable) = (&self.sources[at], &variables[place]);
            labels.dedup();
            let value = match variable.kind {
                Kind::Spans if labels.is_empty() => {
                    spans.sort_by_key(|span| (span.start, span.end));
                    serde_json::to_string(&spans).expect("numbers and texts are valid JSON")
                }
                Kind::Choices if labels != [DONT_KNOW] => {
                    serde_json::to_string(&labels).expect("texts are valid JSON")
                }
                _ if labels.len() > 1 => {
                    return Err(format!(
                        "{by} gave “{}” {} codes of {}, and one is expected: {}",
                        source.name,
                        labels.len(),
                        variable.name,
                        labels.join(", ")
                    ));
                }
                _ => labels.pop().unwrap_or_default(),
            };
            let known = folder.item_named(source.name.trim()).is_some();
            said.push(Said {
                place: format!("“{}”", source.name),
                coder: by.to_owned(),
                item: if known { source.name.clone() } else { source.text.clone() },
                variable: variable.name.clone(),
                value,
                ..Said::default()
            });
        }
        Ok(said)
    }

    /// The variable that a code belongs to, and its label there.
    fn place_in(&self, code: usize, variables: &[Variable]) -> Result<(usize, String), String> {
        let same =
            |one: &str, other: &str| one.trim().to_lowercase() == other.trim().to_lowercase();
        let name = &self.codes[code].name;
        let label = if name == "don't know" { DONT_KNOW } else { name };
        let path = self.path(code);
        for above in path[..path.len() - 1].iter().rev() {
            let head = &self.codes[*above].name;
            if let Some(at) = variables.iter().position(|variable| same(&variable.name, head)) {
                return Ok((at, label.to_owned()));
            }
        }
        let has = |variable: &Variable| variable.labels().iter().any(|known| same(known, label));
        let mut with: Vec<usize> = (0..variables.len()).filter(|at| has(&variables[*at])).collect();
        match (with.pop(), with.is_empty()) {
            (Some(at), true) => Ok((at, label.to_owned())),
            (Some(_), false) => Err(format!(
                "several variables of the study have the label “{name}”, and the file does not say \
                 which is meant (“{}”)",
                self.shown(code)
            )),
            (None, _) => Err(format!(
                "the study has no variable and no label for the code “{}”",
                self.shown(code)
            )),
        }
    }
}

#[cfg(test)]
#[path = "qdpx_read_tests.rs"]
mod tests;
