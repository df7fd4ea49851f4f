//! Chat templates: messages to the text that the model was trained on.
//!
//! The templates are Jinja2 as transformers runs it (`jinja`). What stands here is what
//! `apply_chat_template` does around that: which template of a folder is meant, what it can see,
//! and what becomes of a message before the template sees it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};
use time::{OffsetDateTime, PrimitiveDateTime};

use super::folder_files::{FolderError, read_json, read_text};
use super::jinja::{Failure, Generated, Kind, Template};
use super::tokenizer::Tokenizer;
use crate::data::forms::Beside;
use crate::data::pair::Message;
use crate::llm::files::gguf::GgufFile;

/// Why there is no chat template, or what it says against the messages.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },

    /// Known since the model was opened: it can still continue raw text.
    #[error("{0}; use raw mode")]
    Unusable(String),

    /// The template's own words.
    #[error("the chat template refuses these messages: {}", .0.trim())]
    Raised(String),

    #[error("the model's chat template could not be filled in")]
    Render(#[source] Explained),
}

impl From<FolderError> for ChatError {
    fn from(FolderError { path, source }: FolderError) -> Self {
        Self::Read { path, source }
    }
}

/// What went wrong in a template, with the line where it did.
#[derive(Debug)]
pub struct Explained {
    failure: Failure,
    /// The line as it is written, where it is known.
    excerpt: Option<String>,
}

impl Explained {
    fn new(failure: Failure, source: &str) -> Self {
        const SHOWN: usize = 80;
        // Jinja counts `\r` as an end of line, too.
        let source = source.replace("\r\n", "\n").replace('\r', "\n");
        let line = failure.line.and_then(|line| source.lines().nth(line as usize - 1));
        let excerpt = line.map(str::trim).filter(|line| !line.is_empty()).map(|line| {
            let mut shown: String = line.chars().take(SHOWN).collect();
            if shown.len() < line.len() {
                shown.push('…');
            }
            shown
        });
        Self { failure, excerpt }
    }
}

impl std::fmt::Display for Explained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.failure)?;
        match &self.excerpt {
            Some(excerpt) => write!(f, ", in: {excerpt}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Explained {}

/// A model's chat template, ready to be filled in, or why it cannot be.
#[derive(Debug)]
pub struct ChatTemplate {
    usual: Named,
    /// Meant where there are tools.
    with_tools: Option<Named>,
    /// The texts of the special tokens, by names such as `bos_token`.
    tokens: Map<String, Json>,
}

#[derive(Debug)]
struct Named {
    source: String,
    /// What is wrong with it, in a sentence.
    template: Result<Template, String>,
}

impl Named {
    fn new(source: String) -> Self {
        let template = Template::new(&source).map_err(|failure| {
            let why = Explained::new(failure, &source);
            format!("the model's chat template is not understood ({why})")
        });
        Self { source, template }
    }
}

/// What a template is filled in with, beside the messages.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Opens the assistant's turn.
    pub add_generation_prompt: bool,
    /// JSON schemas of the functions that the model may call.
    pub tools: Option<Json>,
    /// What else the template is told by name, such as `enable_thinking`.
    pub named: Map<String, Json>,
    /// The time that a template may ask for.
    pub now: Option<PrimitiveDateTime>,
}

impl ChatTemplate {
    /// Reads a template. `tokens` are the texts of the special tokens, by names such as
    /// `bos_token`.
    pub fn new(source: &str, tokens: Map<String, Json>) -> Self {
        Self { usual: Named::new(source.to_owned()), with_tools: None, tokens }
    }

    /// The template of a transformers folder: `chat_template.jinja` and
    /// `additional_chat_templates/`, else the one or the ones in `tokenizer_config.json`. `None`:
    /// it has none.
    pub fn from_folder(folder: &Path, tokenizer: &Tokenizer) -> Result<Option<Self>, ChatError> {
        let config = read_json(&folder.join("tokenizer_config.json"))?;
        let mut named = files(folder)?;
        if named.is_empty() {
            named = templates_of_config(&config["chat_template"]);
        }
        Ok(Self::among(&named, tokens_of(tokenizer)))
    }

    /// The template in a GGUF file's metadata. `None`: it has none.
    pub fn from_gguf(file: &GgufFile, tokenizer: &Tokenizer) -> Option<Self> {
        let template = |name: &str| file.str(name).map(str::to_owned);
        let mut named = Vec::new();
        named.extend(
            template("tokenizer.chat_template").map(|source| ("default".to_owned(), source)),
        );
        let with_tools = template("tokenizer.chat_template.tool_use");
        named.extend(with_tools.map(|source| ("tool_use".to_owned(), source)));
        Self::among(&named, tokens_of(tokenizer))
    }

    fn among(named: &[(String, String)], tokens: Map<String, Json>) -> Option<Self> {
        let find = |wanted: &str| {
            let found = named.iter().find(|(name, _)| name == wanted);
            found.map(|(_, source)| Named::new(source.clone()))
        };
        let usual = match find("default") {
            Some(usual) => usual,
            None if named.is_empty() => return None,
            None => {
                let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
                let names = names.join(", ");
                let problem = format!(
                    "the model has chat templates ({names}), and none of them is called \"default\""
                );
                Named { source: String::new(), template: Err(problem) }
            }
        };
        Some(Self { usual, with_tools: find("tool_use"), tokens })
    }

    /// Another one in its place, with the same special tokens.
    #[must_use]
    pub fn replaced(&self, source: &str) -> Self {
        Self::new(source, self.tokens.clone())
    }

    /// Why it cannot be filled in, in a sentence. Such a model can still continue raw text.
    pub fn problem(&self) -> Option<&str> {
        self.usual.template.as_ref().err().map(String::as_str)
    }

    /// The template as it was written.
    pub fn source(&self) -> &str {
        &self.usual.source
    }

    /// The text for `messages`, as transformers' `apply_chat_template` writes it.
    /// `add_generation_prompt` opens the assistant's turn. Templates that ask for the date get
    /// today's.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, ChatError> {
        self.render_beside(messages, add_generation_prompt, &Beside::default())
    }

    /// As [`Self::render`], with the tools and the keyword arguments of a row of training data.
    pub fn render_beside(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        beside: &Beside,
    ) -> Result<String, ChatError> {
        Ok(self.filled_beside(messages, add_generation_prompt, beside)?.0)
    }

    fn filled_beside(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        Beside { tools, kwargs }: &Beside,
    ) -> Result<(String, Vec<Generated>), ChatError> {
        let surroundings = Surroundings {
            add_generation_prompt,
            tools: tools.clone(),
            named: kwargs.clone(),
            now: None,
        };
        self.filled(messages.iter().map(as_json).collect(), surroundings)
    }

    /// As [`Self::render_beside`], with the characters that an assistant wrote: what stands between
    /// `{% generation %}` tags, as transformers' `return_assistant_tokens_mask` finds it. Tags in a macro
    /// are found where the macro is called. Ranges follow each other as the tags were reached.
    pub fn render_marked(
        &self,
        messages: &[Message],
        beside: &Beside,
    ) -> Result<(String, Vec<Range<usize>>), ChatError> {
        let (text, generated) = self.filled_beside(messages, false, beside)?;
        let written = generated.into_iter().map(|Generated { before, characters }| {
            let start = text[..before].chars().count();
            start..start + characters
        });
        let written = written.collect();
        Ok((text, written))
    }

    /// Whether it says what an assistant writes: `{% generation %}`, by TRL's rule
    /// (`has_generation_markers`).
    pub fn has_generation_tags(&self) -> bool {
        let mut rest = self.usual.source.as_str();
        while let Some(at) = rest.find("{%") {
            rest = &rest[at + 2..];
            let tag = rest.strip_prefix('-').unwrap_or(rest).trim_start();
            let end = tag.strip_prefix("generation").map(str::trim_start);
            if end.is_some_and(|end| end.starts_with("%}") || end.starts_with("-%}")) {
                return true;
            }
        }
        false
    }

    /// As [`Self::render`], with messages as they stand in JSON, and with tools.
    pub fn fill(
        &self,
        messages: Vec<Json>,
        surroundings: Surroundings,
    ) -> Result<String, ChatError> {
        Ok(self.filled(messages, surroundings)?.0)
    }

    fn filled(
        &self,
        messages: Vec<Json>,
        surroundings: Surroundings,
    ) -> Result<(String, Vec<Generated>), ChatError> {
        let Surroundings { add_generation_prompt, tools, named, now } = surroundings;
        let tools = tools.filter(|tools| !tools.is_null());
        let chosen = match &self.with_tools {
            Some(with_tools) if tools.is_some() => with_tools,
            _ => &self.usual,
        };
        let messages = messages.into_iter().map(prepared).collect();
        let mut variables = self.tokens.clone();
        variables.extend(named);
        variables.insert("messages".to_owned(), Json::Array(messages));
        variables.insert("tools".to_owned(), tools.unwrap_or(Json::Null));
        variables.insert("documents".to_owned(), Json::Null);
        variables.insert("add_generation_prompt".to_owned(), add_generation_prompt.into());
        let now = now.unwrap_or_else(|| {
            // Without a known time zone, UTC is at most a day off.
            let now = OffsetDateTime::now_local().unwrap_or_else(|_| OffsetDateTime::now_utc());
            PrimitiveDateTime::new(now.date(), now.time())
        });
        let template = match &chosen.template {
            Ok(template) => template,
            Err(problem) => return Err(ChatError::Unusable(problem.clone())),
        };
        template.render(&variables, now).map_err(|failure| match failure.kind {
            Kind::Raised => ChatError::Raised(failure.message),
            _ => ChatError::Render(Explained::new(failure, &chosen.source)),
        })
    }
}

/// The texts of the special tokens, by name.
fn tokens_of(tokenizer: &Tokenizer) -> Map<String, Json> {
    let named = tokenizer.named_tokens().iter();
    named.map(|(name, text)| (name.clone(), Json::from(text.as_str()))).collect()
}

/// A message as a data set spells it.
fn as_json(message: &Message) -> Json {
    serde_json::to_value(message).unwrap_or(Json::Null)
}

/// The names under which a message's thinking is passed; the first is the standard one.
const THINKING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// A message as transformers shows it to a template: without keys that hold nothing, and with its
/// thinking under the names that templates read.
fn prepared(message: Json) -> Json {
    let Json::Object(mut message) = message else { return message };
    message.retain(|_, value| !value.is_null());
    if let Some(thinking) = THINKING.iter().find_map(|name| message.get(*name)).cloned() {
        let mut all = Map::new();
        all.insert("thinking".to_owned(), thinking.clone());
        all.extend(message);
        all.insert("reasoning_content".to_owned(), thinking);
        message = all;
    }
    Json::Object(message)
}

/// The templates that lie in files of their own, by name.
fn files(folder: &Path) -> Result<Vec<(String, String)>, ChatError> {
    let mut named = Vec::new();
    let usual = read_text(&folder.join("chat_template.jinja"))?;
    named.extend(usual.map(|source| ("default".to_owned(), source)));
    let Ok(entries) = std::fs::read_dir(folder.join("additional_chat_templates")) else {
        return Ok(named);
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(name) = name.strip_suffix(".jinja").map(str::to_owned)
            && let Some(source) = read_text(&path)?
        {
            named.retain(|(other, _)| *other != name);
            named.push((name, source));
        }
    }
    Ok(named)
}

/// One template, or a list of named ones.
fn templates_of_config(config: &Json) -> Vec<(String, String)> {
    match config {
        Json::String(source) => vec![("default".to_owned(), source.clone())],
        Json::Array(named) => {
            let text = |entry: &Json, key: &str| entry[key].as_str().map(str::to_owned);
            named
                .iter()
                .filter_map(|entry| Some((text(entry, "name")?, text(entry, "template")?)))
                .collect()
        }
        Json::Object(named) => {
            let text = |source: &Json| source.as_str().map(str::to_owned);
            named.iter().filter_map(|(name, source)| Some((name.clone(), text(source)?))).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
