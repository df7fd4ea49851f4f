//! Chat templates against transformers: which one is meant, and what it sees.

use std::error::Error as _;

use time::Month;

use super::*;

fn tokens(tokens: &[(&str, &str)]) -> Map<String, Json> {
    tokens.iter().map(|(name, text)| ((*name).to_owned(), Json::from(*text))).collect()
}

fn now() -> PrimitiveDateTime {
    let date = time::Date::from_calendar_date(2026, Month::November, 5).unwrap();
    PrimitiveDateTime::new(date, time::Time::from_hms(9, 7, 0).unwrap())
}

fn template(source: &str) -> ChatTemplate {
    ChatTemplate::new(source, tokens(&[("bos_token", "<s>"), ("eos_token", "</s>")]))
}

#[expect(clippy::needless_pass_by_value, reason = "the tests read best so")]
fn fill(source: &str, messages: Json, tools: Option<Json>) -> Result<String, ChatError> {
    let surroundings = Surroundings {
        add_generation_prompt: true,
        tools,
        now: Some(now()),
        ..Surroundings::default()
    };
    template(source).fill(messages.as_array().unwrap().clone(), surroundings)
}

fn renders(source: &str, expected: &str) {
    let messages = serde_json::json!([{"role": "user", "content": "Hi"}]);
    assert_eq!(fill(source, messages, None).unwrap(), expected, "{source}");
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    crate::files::write_atomic(path, text.as_bytes()).unwrap();
}

/// The tokenizer of `tests/reference/special_tokens.py`, with these parts.
fn tokenizer_json(parts: &Json) -> String {
    let vocabulary =
        ["<unk>", "<s>", "</s>", "a", "b", "Ġ", "▁", "<|endoftext|>", "<x>", "<y>"].iter().zip(0..);
    let added =
        vocabulary.clone().filter(|(token, _)| token.starts_with('<')).map(|(token, id)| {
            serde_json::json!({
                "id": id, "content": token, "special": true, "normalized": false,
                "single_word": false, "lstrip": false, "rstrip": false,
            })
        });
    let vocab: Map<String, Json> =
        vocabulary.clone().map(|(token, id)| ((*token).to_owned(), Json::from(id))).collect();
    let mut whole = serde_json::json!({
        "version": "1.0",
        "added_tokens": added.collect::<Vec<Json>>(),
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    });
    let parts = parts.as_object().into_iter().flatten();
    whole.as_object_mut().unwrap().extend(parts.map(|(key, part)| (key.clone(), part.clone())));
    whole.to_string()
}

/// A model's folder with these files, and with a tokenizer.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("tokenizer.json"), &tokenizer_json(&Json::Null));
    for (name, text) in files {
        write(&folder.path().join(name), text);
    }
    folder
}

fn template_of(folder: &Path) -> Option<ChatTemplate> {
    ChatTemplate::from_folder(folder, &Tokenizer::from_folder(folder).unwrap()).unwrap()
}

/// What a folder's template makes of a greeting.
fn greeting(files: &[(&str, &str)]) -> String {
    let template = template_of(folder(files).path()).unwrap();
    template.render(&[Message::new("user", "Hi")], true).unwrap()
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
    let template = template(source);
    for case in cases {
        let messages: Vec<Message> = serde_json::from_value(case["messages"].clone()).unwrap();
        let add = case["add_generation_prompt"].as_bool().unwrap();
        assert_eq!(template.render(&messages, add).unwrap(), case["text"].as_str().unwrap());
    }
}

#[test]
fn the_templates_own_complaint_is_the_error() {
    let source = "{{ raise_exception('Conversation roles must alternate') }}";
    let error = template(source).render(&[Message::new("user", "Hi")], true).unwrap_err();
    assert!(matches!(&error, ChatError::Raised(message) if message.starts_with("Conv")));
    assert_eq!(
        error.to_string(),
        "the chat template refuses these messages: Conversation roles must alternate"
    );
}

#[test]
fn what_is_wrong_with_a_template_is_said_with_its_line() {
    let broken = template("{% set ns = 1 %}\n  {% do ns %}\n");
    let problem = "the model's chat template is not understood (line 2: there is no tag \"do\" in the Jinja of chat templates, in: {% do ns %})";
    assert_eq!(broken.problem(), Some(problem));
    let error = broken.render(&[Message::new("user", "Hi")], true).unwrap_err();
    assert_eq!(error.to_string(), format!("{problem}; use raw mode"));
    assert_eq!(template("a").problem(), None);
    let source = "a\n{{ messages[0].content + 1 }}";
    let error = fill(source, serde_json::json!([{"content": "a"}]), None).unwrap_err();
    assert_eq!(error.to_string(), "the model's chat template could not be filled in");
    assert_eq!(
        error.source().unwrap().to_string(),
        "line 2: can only concatenate str (not \"int\") to str, in: {{ messages[0].content + 1 }}"
    );
}

#[test]
fn the_usual_constructs_of_model_templates_work() {
    renders("{{ bos_token }}{{ eos_token }}", "<s></s>");
    renders("{{ messages[0].content.strip().upper() }}", "HI");
    renders("{{ messages[0].get('tool_calls', 'none') }}", "none");
    renders("{{ messages[::-1][0]['role'] }}", "user");
    renders(
        "{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}",
        "01",
    );
    renders("{% if tools is not none %}x{% endif %}{% if tools is defined %}y{% endif %}", "y");
    renders("{{ 'a</think>b'.split('</think>')[-1].lstrip('\\n') }}", "b");
    renders("{{ messages[0].content is string }}", "True");
    renders("{% if not enable_thinking is defined or enable_thinking %}t{% endif %}", "t");
    renders("{{ strftime_now('%d %b %Y') }}", "05 Nov 2026");
    renders("{{ messages | tojson }}", r#"[{"role": "user", "content": "Hi"}]"#);
}

/// Each expected text: transformers 5.23, `apply_chat_template` with one message, "Hi".
#[test]
fn templates_from_the_wild_render_as_in_transformers() {
    let im = r#"{"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}"#;
    let of =
        |source: &str| greeting(&[("tokenizer_config.json", im), ("chat_template.jinja", source)]);
    // minijinja #670: line ends of Windows.
    let crlf = "{% for m in messages %}\r\n{{ '<|im_start|>' + m.role }}\r\n{{ m.content + '<|im_end|>' }}\r\n{% endfor %}\r\n{{ '<|im_start|>assistant' }}\r\n";
    assert_eq!(of(crlf), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant");
    // Qwen3-Coder: there are no tools.
    let none =
        "{% if tools is iterable and tools | length > 0 %}T{% endif %}{{ messages[0].content }}";
    assert_eq!(of(none), "Hi");
    let length = "{% for m in messages %}{% if m.tool_calls | length > 0 %}T{% endif %}{{ m.content }}{% endfor %}";
    assert_eq!(of(length), "Hi");
    assert_eq!(of("{{ '%s!' % messages[0].content }}"), "Hi!");
    assert_eq!(of("{{ '\\U0001F642' }}{{ messages[0].content }}"), "🙂Hi");
}

/// A sample of what `tests/reference/special_tokens.py` makes.
#[test]
fn special_tokens_are_those_of_autotokenizer() {
    let kept = include_str!("../../../tests/reference/text/special_tokens.jsonl");
    assert_eq!(kept.lines().count(), 40);
    kept.lines().for_each(has_the_special_tokens_of_autotokenizer);
}

#[test]
#[ignore = "needs TUNING_FORK_SPECIAL_TOKENS, written by special_tokens.py make"]
fn every_folder_has_the_special_tokens_of_autotokenizer() {
    let path = std::env::var_os("TUNING_FORK_SPECIAL_TOKENS").expect("names a file");
    let lines = std::fs::read_to_string(path).unwrap();
    lines.lines().for_each(has_the_special_tokens_of_autotokenizer);
}

fn has_the_special_tokens_of_autotokenizer(line: &str) {
    let row: Json = serde_json::from_str(line).unwrap();
    let folder = folder(&[]);
    for (name, content) in row["files"].as_object().unwrap() {
        let text =
            if name == "tokenizer.json" { tokenizer_json(content) } else { content.to_string() };
        write(&folder.path().join(name), &text);
    }
    let tokenizer = Tokenizer::from_folder(folder.path());
    let tokenizer = tokenizer.unwrap_or_else(|err| panic!("{line}: {err}"));
    assert_eq!(Json::from(tokens_of(&tokenizer)), row["special_tokens_map"], "{line}");
}

/// Each expected text: transformers 5.23, from `AutoTokenizer`.
#[test]
fn special_tokens_are_found_wherever_a_folder_names_them() {
    let source =
        "{{ bos_token }}|{{ eos_token }}|{{ pad_token }}|{{ unk_token }}|{{ image_token }}";
    let of = |files: &[(&str, &str)]| {
        let template = [("chat_template.jinja", source)];
        greeting(&[&template, files].concat())
    };
    let gpt2 = ("config.json", r#"{"model_type": "gpt2"}"#);
    let qwen2 = ("config.json", r#"{"model_type": "qwen2"}"#);
    // DialoGPT: only the class knows.
    assert_eq!(of(&[gpt2]), "<|endoftext|>|<|endoftext|>||<|endoftext|>|");
    assert_eq!(of(&[qwen2]), "|<|endoftext|>|<|endoftext|>|<|endoftext|>|");
    // What a file says is none is none.
    let null = (
        "tokenizer_config.json",
        r#"{"eos_token": null, "unk_token": {"__type": "AddedToken", "content": "<u>"}}"#,
    );
    assert_eq!(of(&[gpt2, null]), "<|endoftext|>|||<u>|");
    // llama.cpp #5040: in a file of their own.
    let plain = ("tokenizer_config.json", r#"{"tokenizer_class": "PreTrainedTokenizerFast"}"#);
    let map = (
        "special_tokens_map.json",
        r#"{"bos_token": "<a>", "eos_token": {"content": "<b>", "lstrip": false}, "image_token": "<i>"}"#,
    );
    assert_eq!(of(&[plain, map]), "<a>|<b>|||<i>");
    // That file is an old one, and is not read beside a newer list.
    let newer = ("tokenizer_config.json", r#"{"added_tokens_decoder": {}, "pad_token": "<p>"}"#);
    assert_eq!(of(&[newer, map]), "||<p>||");
    let extra = (
        "tokenizer_config.json",
        r#"{"extra_special_tokens": {"image_token": "<i>"}, "bos_token": "<s>"}"#,
    );
    assert_eq!(of(&[extra]), "<s>||||<i>");
    let step = serde_json::json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    let parts = serde_json::json!({
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [step]}, "decoder": step,
    });
    let byte_level = tokenizer_json(&parts);
    let byte_level = ("tokenizer.json", byte_level.as_str());
    let llama = ("tokenizer_config.json", r#"{"tokenizer_class": "LlamaTokenizerFast"}"#);
    assert_eq!(of(&[llama]), "<s>|</s>||<unk>|");
    assert_eq!(of(&[llama, byte_level]), "||||");
}

#[test]
fn a_folder_names_its_template_in_any_of_four_ways() {
    let of = |files: &[(&str, &str)]| {
        let template = template_of(folder(files).path());
        template.map(|template| template.render(&[Message::new("user", "Hi")], false).unwrap())
    };
    assert_eq!(of(&[]), None);
    let one =
        ("tokenizer_config.json", r#"{"bos_token": "<b>", "chat_template": "{{ bos_token }}1"}"#);
    assert_eq!(of(&[one]).as_deref(), Some("<b>1"));
    let several = (
        "tokenizer_config.json",
        r#"{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "2"}]}"#,
    );
    assert_eq!(of(&[several]).as_deref(), Some("2"));
    let file = ("chat_template.jinja", "3");
    assert_eq!(of(&[several, file]).as_deref(), Some("3"));
    let more = ("additional_chat_templates/tool_use.jinja", "4");
    assert_eq!(of(&[several, file, more]).as_deref(), Some("3"));
    // transformers gives up here, too.
    let only = folder(&[more]);
    let template = template_of(only.path()).unwrap();
    assert!(template.problem().unwrap().contains("(tool_use)"));
}

#[test]
fn a_template_for_tools_is_taken_where_there_are_tools() {
    let folder = folder(&[
        ("chat_template.jinja", "plain"),
        ("additional_chat_templates/tool_use.jinja", "{{ tools[0].function.name }}"),
    ]);
    let template = template_of(folder.path()).unwrap();
    let with = |tools: Option<Json>| {
        let message = serde_json::json!({"role": "user", "content": "Hi"});
        let surroundings = Surroundings { tools, ..Surroundings::default() };
        template.fill(vec![message], surroundings).unwrap()
    };
    assert_eq!(with(None), "plain");
    assert_eq!(with(Some(serde_json::json!([{"function": {"name": "f"}}]))), "f");
}

#[test]
fn messages_reach_the_template_as_transformers_passes_them_on() {
    let source = "{% for m in messages %}{{ m | tojson }}\n{% endfor %}";
    let messages = serde_json::json!([
        {"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"b": 1, "a": null}}}]},
        {"role": "assistant", "content": "a", "thinking": "t"},
        {"role": "assistant", "reasoning": "r", "reasoning_content": null},
    ]);
    // What is null is left out, and thinking goes under every name that templates read.
    assert_eq!(
        fill(source, messages, None).unwrap(),
        concat!(
            r#"{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"b": 1, "a": null}}}]}"#,
            "\n",
            r#"{"thinking": "t", "role": "assistant", "content": "a", "reasoning_content": "t"}"#,
            "\n",
            r#"{"thinking": "r", "role": "assistant", "reasoning": "r", "reasoning_content": "r"}"#,
            "\n",
        )
    );
}
