//! Chat templates: messages to the text that the model was trained on.
//!
//! The templates are Jinja as transformers runs it: blocks trim the line they stand on, strings
//! have Python's methods, `tojson` writes what Python's `json.dumps` writes, and
//! `raise_exception`, `strftime_now` and `{% generation %}` are there.

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{AutoEscape, Environment, ErrorKind, context};
use serde_json::Value as Json;
use time::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::tokenizer::{Tokenizer, special_token};
use crate::data::forms::Beside;
use crate::data::pair::Message;
use crate::llm::files::gguf::GgufFile;

/// Why there is no chat template, or what it says against the messages.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },

    #[error("the model's chat template is not valid Jinja")]
    Syntax(#[source] minijinja::Error),

    /// The template's own words.
    #[error("{}", sentence(.0))]
    Raised(String),

    #[error("the model's chat template could not be filled in")]
    Render(#[source] minijinja::Error),
}

/// A template's complaint, as a sentence of ours.
fn sentence(message: &str) -> String {
    format!("the chat template refuses these messages: {}", message.trim())
}

/// A model's chat template, ready to be filled in.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    bos: String,
    eos: String,
}

impl ChatTemplate {
    /// Compiles a template. `bos` and `eos` are the texts of the tokens that begin and end a text,
    /// empty where there is none.
    pub fn new(source: &str, bos: &str, eos: &str) -> Result<Self, ChatError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(ChatError::Syntax)?);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", |message: String| -> Result<Value, _> {
            let error = minijinja::Error::new(ErrorKind::InvalidOperation, message.clone());
            Err(error.with_source(RaisedByTemplate(message)))
        });
        environment
            .add_template_owned(NAME, without_generation_tags(source))
            .map_err(ChatError::Syntax)?;
        let source = source.to_owned();
        Ok(Self { environment, source, bos: bos.to_owned(), eos: eos.to_owned() })
    }

    /// The template of a transformers folder: `chat_template.jinja`, else the one in
    /// `tokenizer_config.json`. `None`: it has none.
    pub fn from_folder(folder: &Path) -> Result<Option<Self>, ChatError> {
        let config = match read_optional(&folder.join("tokenizer_config.json"))? {
            Some(text) => serde_json::from_str(&text).map_err(|err| ChatError::Read {
                path: folder.join("tokenizer_config.json"),
                source: err.into(),
            })?,
            None => Json::Null,
        };
        let source = match read_optional(&folder.join("chat_template.jinja"))? {
            Some(source) => Some(source),
            None => template_of_config(&config["chat_template"]).map(str::to_owned),
        };
        let Some(source) = source else { return Ok(None) };
        let token = |key| special_token(&config, key).unwrap_or_default();
        Self::new(&source, token("bos_token"), token("eos_token")).map(Some)
    }

    /// The template in a GGUF file's metadata. `None`: it has none.
    pub fn from_gguf(file: &GgufFile, tokenizer: &Tokenizer) -> Result<Option<Self>, ChatError> {
        let Some(source) = file.str("tokenizer.chat_template") else { return Ok(None) };
        let token = |id: Option<u32>| id.and_then(|id| tokenizer.token(id)).unwrap_or_default();
        Self::new(source, &token(tokenizer.bos()), &token(tokenizer.eos())).map(Some)
    }

    /// The template as it was written.
    pub fn source(&self) -> &str {
        &self.source
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
        // Without a known time zone, UTC is at most a day off.
        let now = OffsetDateTime::now_local().unwrap_or_else(|_| OffsetDateTime::now_utc());
        let now = PrimitiveDateTime::new(now.date(), now.time());
        self.render_at(messages, add_generation_prompt, (beside, now))
    }

    /// As [`Self::render_beside`], at a given time.
    pub fn render_at(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
        (beside, now): (&Beside, PrimitiveDateTime),
    ) -> Result<String, ChatError> {
        let strftime_now = Value::from_function(move |format: String| strftime(now, &format));
        let Beside { tools, kwargs } = beside;
        // What is given first counts: a row's keyword arguments, as in transformers.
        let variables = context! {
            ..Value::from(Serde(kwargs)),
            ..context! {
                messages => messages.iter().map(in_template).collect::<Vec<_>>(),
                add_generation_prompt,
                bos_token => self.bos.as_str(),
                eos_token => self.eos.as_str(),
                tools => Value::from(Serde(tools)),
                documents => (),
                strftime_now,
            }
        };
        let template = self.environment.get_template(NAME).map_err(ChatError::Syntax)?;
        template.render(variables).map_err(|err| match raised_message(&err) {
            Some(message) => ChatError::Raised(message),
            None => ChatError::Render(err),
        })
    }
}

const NAME: &str = "chat template";

/// Under which names reasoning is looked for, in transformers' order.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// A message as a template sees it: everything that was written, and reasoning under the names that
/// transformers gives it too.
fn in_template(message: &Message) -> Value {
    let Message { role, content, written } = message;
    let Some(fields) = written else {
        return Value::from_pairs([("role", role.as_str()), ("content", content.as_str())]);
    };
    let given = |key: &str| fields.get(key).filter(|value| !value.is_null());
    let Some(reasoning) = REASONING.iter().find_map(|key| given(key)) else {
        return Value::from(Serde(fields));
    };
    let mut all = serde_json::Map::new();
    all.insert("thinking".to_owned(), reasoning.clone());
    all.extend(fields.iter().map(|(key, value)| (key.clone(), value.clone())));
    all.insert("reasoning_content".to_owned(), reasoning.clone());
    Value::from(Serde(&all))
}

fn read_optional(path: &Path) -> Result<Option<String>, ChatError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(ChatError::Read { path: path.to_owned(), source: err.into() }),
    }
}

/// One template, or a list of named ones of which `default` is meant.
fn template_of_config(config: &Json) -> Option<&str> {
    if let Some(source) = config.as_str() {
        return Some(source);
    }
    let named = config.as_array()?;
    let default = named.iter().find(|entry| entry["name"] == "default").or_else(|| named.first());
    default?["template"].as_str()
}

/// Marks an error as the template's own `raise_exception`.
#[derive(Debug)]
struct RaisedByTemplate(String);

impl fmt::Display for RaisedByTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RaisedByTemplate {}

fn raised_message(err: &minijinja::Error) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(err);
    while let Some(err) = cause {
        if let Some(RaisedByTemplate(message)) = err.downcast_ref() {
            return Some(message.clone());
        }
        cause = err.source();
    }
    None
}

/// `{% generation %}` marks the assistant's words for training and writes nothing. It becomes a
/// block that is always taken, because a block's tags also trim the white space around them.
fn without_generation_tags(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        let Some(end) = tag[2..].find("%}").map(|end| end + 2) else { break }; // not that of `{%}`
        let (inner, after) = (&tag[2..end], &tag[end + 2..]);
        let (left, inner) = split_sign(inner);
        let trimmed = inner.trim_end_matches(['-', '+']);
        let right = &inner[trimmed.len()..];
        let block = match trimmed.trim() {
            "generation" => Some("if true"),
            "endgeneration" => Some("endif"),
            _ => None,
        };
        result.push_str(before);
        match block {
            Some(block) => {
                result.push_str("{%");
                result.push_str(left);
                result.push(' ');
                result.push_str(block);
                result.push(' ');
                result.push_str(right);
                result.push_str("%}");
            }
            None => result.push_str(&tag[..end + 2]),
        }
        rest = after;
    }
    result.push_str(rest);
    result
}

/// `- generation ` is `-` and ` generation `.
fn split_sign(inner: &str) -> (&str, &str) {
    let rest = inner.strip_prefix(['-', '+']).unwrap_or(inner);
    inner.split_at(inner.len() - rest.len())
}

/// Python's `strftime`.
fn strftime(now: PrimitiveDateTime, format: &str) -> Result<String, minijinja::Error> {
    let invalid = |what: String| minijinja::Error::new(ErrorKind::InvalidOperation, what);
    let items = format_description::parse_strftime_borrowed(format)
        .map_err(|err| invalid(format!("strftime_now({format:?}): {err}")))?;
    now.format(&items).map_err(|err| invalid(format!("strftime_now({format:?}): {err}")))
}

/// transformers' `tojson`: Python's `json.dumps` with `ensure_ascii=False`, and nothing escaped
/// for HTML.
#[expect(clippy::needless_pass_by_value, reason = "what minijinja asks of a filter")]
fn to_json(value: &Value, kwargs: Kwargs) -> Result<String, minijinja::Error> {
    let layout = Layout {
        ensure_ascii: kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort_keys: kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        indent: kwargs.get::<Option<usize>>("indent")?,
        separators: kwargs.get::<Option<Vec<String>>>("separators")?,
    };
    kwargs.assert_all_used()?;
    let json = serde_json::to_value(value).map_err(|err| {
        minijinja::Error::new(ErrorKind::BadSerialization, "cannot be written as JSON")
            .with_source(err)
    })?;
    let mut text = String::new();
    layout.write(&json, 0, &mut text);
    Ok(text)
}

/// The arguments of Python's `json.dumps`.
struct Layout {
    ensure_ascii: bool,
    sort_keys: bool,
    indent: Option<usize>,
    separators: Option<Vec<String>>,
}

impl Layout {
    fn write(&self, json: &Json, depth: usize, out: &mut String) {
        match json {
            Json::Array(items) => {
                self.write_items(['[', ']'], items, depth, out, |item, out| {
                    self.write(item, depth + 1, out);
                });
            }
            Json::Object(map) => {
                let mut entries: Vec<(&String, &Json)> = map.iter().collect();
                if self.sort_keys {
                    entries.sort_by_key(|(key, _)| *key);
                }
                let colon = self.separators.as_ref().and_then(|pair| pair.get(1));
                self.write_items(['{', '}'], &entries, depth, out, |(key, value), out| {
                    self.write_string(key, out);
                    out.push_str(colon.map_or(": ", String::as_str));
                    self.write(value, depth + 1, out);
                });
            }
            Json::String(text) => self.write_string(text, out),
            other => out.push_str(&other.to_string()),
        }
    }

    fn write_items<T>(
        &self,
        [open, close]: [char; 2],
        items: &[T],
        depth: usize,
        out: &mut String,
        write: impl Fn(&T, &mut String),
    ) {
        let comma = self.separators.as_ref().and_then(|pair| pair.first()).map(String::as_str);
        let usual = if self.indent.is_some() { "," } else { ", " };
        let comma = comma.unwrap_or(usual);
        let new_line = |depth: usize, out: &mut String| {
            if let Some(indent) = self.indent {
                out.push('\n');
                out.push_str(&" ".repeat(indent * depth));
            }
        };
        out.push(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push_str(comma);
            }
            new_line(depth + 1, out);
            write(item, out);
        }
        if !items.is_empty() {
            new_line(depth, out);
        }
        out.push(close);
    }

    fn write_string(&self, text: &str, out: &mut String) {
        let quoted = Json::from(text).to_string();
        if !self.ensure_ascii {
            out.push_str(&quoted);
            return;
        }
        for character in quoted.chars() {
            if character.is_ascii() {
                out.push(character);
            } else {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    write!(out, "\\u{unit:04x}").expect("a String takes everything");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use time::Month;

    use super::*;

    fn render(source: &str, messages: &[(&str, &str)]) -> Result<String, ChatError> {
        let messages: Vec<Message> =
            messages.iter().map(|(role, content)| Message::new(role, content)).collect();
        let date = time::Date::from_calendar_date(2026, Month::November, 5).unwrap();
        let now = PrimitiveDateTime::new(date, time::Time::from_hms(9, 7, 0).unwrap());
        ChatTemplate::new(source, "<s>", "</s>")?.render_at(
            &messages,
            true,
            (&Beside::default(), now),
        )
    }

    fn renders(source: &str, expected: &str) {
        assert_eq!(render(source, &[("user", "Hi")]).unwrap(), expected, "{source}");
    }

    #[test]
    fn a_tag_that_is_none_is_left_for_the_parser_to_refuse() {
        assert_eq!(without_generation_tags("a{%}b"), "a{%}b");
        assert!(matches!(render("{%}", &[]), Err(ChatError::Syntax(_))));
    }

    #[test]
    fn smollm2_renders_as_transformers_renders_it() {
        // tests/reference/text/chat_smollm2.json: transformers' apply_chat_template. The template
        // is the one in the model's GGUF file.
        let source = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}";
        let cases: Vec<Json> =
            serde_json::from_str(include_str!("../../../tests/reference/text/chat_smollm2.json"))
                .unwrap();
        assert_eq!(cases.len(), 6);
        let template = ChatTemplate::new(source, "<|im_start|>", "<|im_end|>").unwrap();
        for case in cases {
            let messages: Vec<Message> = serde_json::from_value(case["messages"].clone()).unwrap();
            let add = case["add_generation_prompt"].as_bool().unwrap();
            assert_eq!(template.render(&messages, add).unwrap(), case["text"].as_str().unwrap());
        }
    }

    #[test]
    fn blocks_trim_the_line_they_stand_on() {
        renders("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc");
    }

    #[test]
    fn the_templates_own_complaint_is_the_error() {
        let source = "{{ raise_exception('Conversation roles must alternate') }}";
        let err = render(source, &[("user", "Hi")]).unwrap_err();
        assert_eq!(
            err.to_string(),
            "the chat template refuses these messages: Conversation roles must alternate"
        );
        assert!(err.source().is_none());
    }

    #[test]
    fn a_complaint_inside_a_macro_is_found_too() {
        let source = "{% macro check(m) %}{{ raise_exception('no ' + m.role) }}{% endmacro %}{{ check(messages[0]) }}";
        let err = render(source, &[("tool", "Hi")]).unwrap_err();
        assert!(matches!(err, ChatError::Raised(message) if message == "no tool"));
    }

    #[test]
    fn a_broken_template_is_an_error_and_not_a_panic() {
        assert!(matches!(render("{% if %}", &[]), Err(ChatError::Syntax(_))));
        assert!(matches!(render("{{ messages[7].role.x }}", &[]), Err(ChatError::Render(_))));
        assert!(render("{% generation", &[]).is_err());
    }

    #[test]
    fn the_date_is_the_one_that_was_passed_in() {
        renders("{{ strftime_now('%d %b %Y') }}", "05 Nov 2026");
        renders("{{ strftime_now('%Y-%m-%d %H:%M') }}", "2026-11-05 09:07");
        renders("{{ strftime_now('%B %-d, %Y') }}", "November 5, 2026");
        let in_macro = "{% macro today() %}{{ strftime_now('%A') }}{% endmacro %}{{ today() }}";
        renders(in_macro, "Thursday");
    }

    #[test]
    fn generation_tags_vanish_and_still_trim() {
        renders("a{% generation %}b{% endgeneration %}c", "abc");
        renders("a {%- generation -%} b {%- endgeneration -%} c", "abc");
        renders("a\n  {% generation %}\nb\n  {% endgeneration %}\nc", "a\nb\nc");
    }

    #[test]
    fn json_is_written_as_python_writes_it() {
        // Each expected text: json.dumps(x, ensure_ascii=False, ...) in Python 3.
        let value = "{% set x = {'b': '<é> & \"', 'a': [1, 2.5, true, none], 'e': [], 'f': {}} %}";
        renders(
            &format!("{value}{{{{ x | tojson }}}}"),
            r#"{"b": "<é> & \"", "a": [1, 2.5, true, null], "e": [], "f": {}}"#,
        );
        renders(
            &format!("{value}{{{{ x | tojson(indent=2) }}}}"),
            "{\n  \"b\": \"<é> & \\\"\",\n  \"a\": [\n    1,\n    2.5,\n    true,\n    null\n  ],\n  \"e\": [],\n  \"f\": {}\n}",
        );
        renders("{{ 'é🙂' | tojson(ensure_ascii=true) }}", r#""\u00e9\ud83d\ude42""#);
        renders("{{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}", r#"{"a": 2, "b": 1}"#);
        renders("{{ {'b': [1, 2]} | tojson(separators=(',', ':')) }}", r#"{"b":[1,2]}"#);
        renders("{{ messages | tojson }}", r#"[{"role": "user", "content": "Hi"}]"#);
    }

    #[test]
    fn the_usual_constructs_of_model_templates_work() {
        renders("{{ bos_token }}{{ eos_token }}", "<s></s>");
        renders("{{ messages[0].content.strip().upper() }}", "HI");
        renders("{{ messages[0].get('tool_calls', 'none') }}", "none");
        renders("{{ messages[::-1][0]['role'] }}", "user");
        renders(
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "1",
        );
        renders(
            "{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "01",
        );
        renders("{% if tools is not none %}x{% endif %}{% if tools is defined %}y{% endif %}", "y");
        renders("{{ 'a</think>b'.split('</think>')[-1].lstrip('\\n') }}", "b");
        renders("{{ messages[0].content is string }}", "True");
        renders("{% if not enable_thinking is defined or enable_thinking %}t{% endif %}", "t");
    }

    #[test]
    fn a_folder_names_its_template_in_any_of_three_ways() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("tokenizer_config.json");
        let read = || {
            let template = ChatTemplate::from_folder(folder.path()).unwrap();
            template.map(|template| template.render(&[], false).unwrap())
        };
        assert_eq!(read(), None);
        let write = |path: &Path, text: &str| {
            crate::files::write_atomic(path, text.as_bytes()).unwrap();
        };
        write(&config, r#"{"bos_token": {"content": "<b>"}, "chat_template": "{{ bos_token }}1"}"#);
        assert_eq!(read().as_deref(), Some("<b>1"));
        write(
            &config,
            r#"{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "2"}]}"#,
        );
        assert_eq!(read().as_deref(), Some("2"));
        write(&folder.path().join("chat_template.jinja"), "3");
        assert_eq!(read().as_deref(), Some("3"));
    }
}
