//! Which file of the crate imports which: read from `use` statements and from paths in the code.
//! Tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module's path: `llm/net/rows.rs` and `llm/rows/mod.rs` are `["llm", "net", "rows"]` and
/// `["llm", "rows"]`.
pub type Module = Vec<String>;

/// Every file by its module, with its path below `src`, and the modules that it imports.
pub struct Graph {
    pub files: BTreeMap<Module, String>,
    pub imports: BTreeMap<Module, BTreeSet<Module>>,

    /// Imports through the importer's own `mod.rs`: file, and the path as it stands there.
    pub detours: Vec<(String, String)>,
}

impl Graph {
    /// Of the files below `src`. Crate roots and files of tests are left out.
    pub fn read(src: &Path, files: &[String], roots: &[&str]) -> Self {
        let mut codes: BTreeMap<Module, Code> = BTreeMap::new();
        for file in files {
            let is_test =
                ["_tests.rs", "/tests.rs", "_properties.rs"].iter().any(|end| file.ends_with(end));
            if is_test || roots.contains(&file.trim_end_matches(".rs")) {
                continue;
            }
            let text = fs::read_to_string(src.join(file)).expect("source files are readable");
            codes.insert(module_of(file), Code::of(file, &text));
        }
        let known: BTreeSet<&Module> = codes.keys().collect();
        // What a module offers under its own name, and where that is from.
        let mut offered: BTreeMap<Module, Module> = BTreeMap::new();
        for (module, code) in &codes {
            for Import { path, name, is_public } in &code.uses {
                if *is_public && let Some(target) = absolute(module, path, &known) {
                    let mut key = module.clone();
                    key.push(name.clone());
                    if key != target {
                        offered.insert(key, target);
                    }
                }
            }
        }
        let mut graph =
            Self { files: BTreeMap::new(), imports: BTreeMap::new(), detours: Vec::new() };
        for (module, code) in &codes {
            let mut found = BTreeSet::new();
            for path in code.paths(module, &known) {
                let (target, through) = follow(&path, &offered, &known);
                // `mod.rs` of a folder that the importer lies in, for a name that it only passes on.
                let is_own = |passed: &Module| {
                    module.len() > passed.len() && module.starts_with(passed) && !passed.is_empty()
                };
                if through.iter().any(is_own) {
                    graph.detours.push((code.file.clone(), path.join("::")));
                }
                found.extend(target.filter(|target| target != module));
            }
            graph.imports.insert(module.clone(), found);
            graph.files.insert(module.clone(), code.file.clone());
        }
        graph
    }

    /// Files that import each other, round and round: each group once.
    pub fn cycles(&self) -> Vec<Vec<Module>> {
        let reach: BTreeMap<&Module, BTreeSet<&Module>> =
            self.imports.keys().map(|module| (module, self.reached_from(module))).collect();
        let mut groups: Vec<Vec<Module>> = Vec::new();
        for (module, reached) in &reach {
            if !reached.contains(module) || groups.iter().flatten().any(|seen| seen == *module) {
                continue;
            }
            let group = reached.iter().filter(|other| reach[*other].contains(module));
            groups.push(group.map(|module| (*module).clone()).collect());
        }
        groups
    }

    /// All that a module imports, by itself or through others.
    fn reached_from(&self, module: &Module) -> BTreeSet<&Module> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&Module> = self.imports[module].iter().collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(&self.imports[next]);
            }
        }
        reached
    }
}

/// The crate that lies in a folder of `src`, and its name in the other.
pub const INNER: (&str, &str) = ("kernels", "tuning_fork_kernels");

/// `llm/net/mod.rs` is `["llm", "net"]`, `kernels/lib.rs` is `["kernels"]`.
pub fn module_of(file: &str) -> Module {
    let stem = file.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/lib");
    stem.split('/').map(str::to_owned).collect()
}

struct Import {
    path: Vec<String>,

    /// Under which it is known here.
    name: String,
    is_public: bool,
}

/// What a file says, without comments, texts and tests.
struct Code {
    file: String,
    uses: Vec<Import>,

    /// The words of all the rest, with `::` among them.
    words: Vec<String>,
}

impl Code {
    fn of(file: &str, text: &str) -> Self {
        let words = without_tests(&words(text));
        let (mut uses, mut rest) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < words.len() {
            if words[at] != "use" {
                rest.push(words[at].clone());
                at += 1;
                continue;
            }
            let end = (at..words.len()).find(|end| words[*end] == ";").unwrap_or(words.len());
            // `pub use`, `pub(crate) use`
            let is_public = rest.last().is_some_and(|last| last == "pub" || last == ")");
            for (path, name) in leaves(&words[at + 1..end]) {
                uses.push(Import { path, name, is_public });
            }
            at = end + 1;
        }
        Self { file: file.to_owned(), uses, words: rest }
    }

    /// Every path that the file names, from the root of the crate on.
    fn paths(&self, module: &Module, known: &BTreeSet<&Module>) -> Vec<Vec<String>> {
        let passes_on = self.file.ends_with("/mod.rs") || self.file.ends_with("/lib.rs");
        let mut found = Vec::new();
        let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for Import { path, name, is_public } in &self.uses {
            let Some(path) = absolute(module, path, known) else { continue };
            names.insert(name, path.clone());
            // What a `mod.rs` passes on, it does not need.
            if !(passes_on && *is_public) {
                found.push(path);
            }
        }
        for path in paths_in(&self.words) {
            if let Some(path) = absolute(module, &path, known) {
                found.push(path);
            } else if let Some(start) = names.get(path[0].as_str()).filter(|_| path.len() > 1) {
                found.push([start.as_slice(), &path[1..]].concat());
            }
        }
        found
    }
}

/// Words, numbers, `::` and single signs. No comments, and `""` for a text.
fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let starts = |at: usize, what: &str| {
        what.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c))
    };
    let mut words = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if starts(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if starts(at, "/*") {
            while at < chars.len() && !starts(at, "*/") {
                at += 1;
            }
            at += 2;
        } else if c == 'r' && (starts(at, "r\"") || starts(at, "r#")) && !starts(at, "r#_") {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            let end = format!("\"{}", "#".repeat(hashes));
            at += 2 + hashes;
            while at < chars.len() && !starts(at, &end) {
                at += 1;
            }
            at += end.len();
            words.push("\"\"".to_owned());
        } else if c == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
            words.push("\"\"".to_owned());
        } else if c == '\''
            && (chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\''))
        {
            at += if chars[at + 1] == '\\' { 3 } else { 2 };
            while at < chars.len() && chars[at] != '\'' {
                at += 1;
            }
            at += 1;
        } else if is_word(c) {
            let len = chars[at..].iter().take_while(|c| is_word(**c)).count();
            words.push(chars[at..at + len].iter().collect());
            at += len;
        } else if starts(at, "::") {
            words.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                words.push(c.to_string());
            }
            at += 1;
        }
    }
    words
}

/// Without the items under `#[cfg(test)]`.
fn without_tests(words: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if !words[at..].iter().map(String::as_str).take(MARK.len()).eq(MARK) {
            kept.push(words[at].clone());
            at += 1;
            continue;
        }
        at += MARK.len();
        // To the end of the item: a `;`, or the brace that closes it.
        let mut depth = 0;
        while at < words.len() {
            match words[at].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 && matches!(words[at - 1].as_str(), ";" | "}") {
                break;
            }
        }
    }
    kept
}

/// The paths of a `use`, each with the name that it brings.
fn leaves(words: &[String]) -> Vec<(Vec<String>, String)> {
    let mut prefix: Vec<String> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        match words[at].as_str() {
            "::" => {}
            "{" => {
                let inner = &words[at + 1..words.len() - 1];
                let mut all = Vec::new();
                for part in split_at_commas(inner) {
                    for (path, name) in leaves(part) {
                        let path = if path == ["self"] { Vec::new() } else { path };
                        let name = if name == "self" { last(&prefix) } else { name };
                        all.push(([prefix.as_slice(), &path].concat(), name));
                    }
                }
                return all;
            }
            "as" => {
                let name = words.get(at + 1).cloned().unwrap_or_default();
                return vec![(prefix, name)];
            }
            word => prefix.push(word.to_owned()),
        }
        at += 1;
    }
    if prefix.is_empty() {
        return Vec::new();
    }
    let name = last(&prefix);
    vec![(prefix, name)]
}

fn last(path: &[String]) -> String {
    path.last().cloned().unwrap_or_default()
}

fn split_at_commas(words: &[String]) -> Vec<&[String]> {
    let mut depth = 0;
    words
        .split(|word| {
            match word.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            word == "," && depth == 0
        })
        .filter(|part| !part.is_empty())
        .collect()
}

/// Every `a::b::c` among the words.
fn paths_in(words: &[String]) -> Vec<Vec<String>> {
    let is_name = |word: &String| word.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let mut path = Vec::new();
        // A path that begins with `::` is of another crate.
        if is_name(&words[at]) && (at == 0 || words[at - 1] != "::") {
            path.push(words[at].clone());
            while words.get(at + 1).is_some_and(|word| word == "::")
                && words.get(at + 2).is_some_and(is_name)
            {
                path.push(words[at + 2].clone());
                at += 2;
            }
        }
        if path.len() > 1 {
            found.push(path);
        }
        at += 1;
    }
    found
}

/// A path as it stands in `module`, from the root of the crate on. `None`: it is of another crate.
fn absolute(module: &Module, path: &[String], known: &BTreeSet<&Module>) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" if module.first().is_some_and(|root| root == INNER.0) => {
            Some([&[INNER.0.to_owned()], rest].concat())
        }
        "crate" => Some(rest.to_vec()),
        inner if inner == INNER.1 => Some([&[INNER.0.to_owned()], rest].concat()),
        "self" => Some([module.as_slice(), rest].concat()),
        "super" => {
            let ups = path.iter().take_while(|word| *word == "super").count();
            let base = &module[..module.len().checked_sub(ups)?];
            Some([base, &path[ups..]].concat())
        }
        _ => {
            let child = [module.as_slice(), std::slice::from_ref(first)].concat();
            known.contains(&child).then(|| [module.as_slice(), path].concat())
        }
    }
}

/// The file that a path leads to, and the modules that passed it on.
fn follow(
    path: &Module,
    offered: &BTreeMap<Module, Module>,
    known: &BTreeSet<&Module>,
) -> (Option<Module>, Vec<Module>) {
    let (mut path, mut through) = (path.clone(), Vec::new());
    for _ in 0..8 {
        // A module goes before what is passed on under the same name.
        let is_passed_on = |len: &usize| {
            let part = &path[..*len];
            offered.contains_key(part) && (*len == path.len() || !known.contains(&part.to_vec()))
        };
        let passed = (1..=path.len()).rev().find(is_passed_on);
        let Some(len) = passed else { break };
        through.push(path[..len - 1].to_vec());
        path = [offered[&path[..len]].as_slice(), &path[len..]].concat();
    }
    let file = (1..=path.len()).rev().map(|len| path[..len].to_vec());
    (file.into_iter().find(|module| known.contains(module)), through)
}
