//! Jinja2's own rules, and random templates against Jinja2 itself.

use serde_json::{Map, Value as Json};
use time::{Date, Month, PrimitiveDateTime, Time};

use super::{Failure, Kind, Template};

/// When `tests/reference/jinja_random.py` believes to be.
fn now() -> PrimitiveDateTime {
    let date = Date::from_calendar_date(2026, Month::November, 5).unwrap();
    PrimitiveDateTime::new(date, Time::from_hms(9, 7, 3).unwrap())
}

fn render(source: &str, variables: &Map<String, Json>) -> Result<String, Failure> {
    Ok(Template::new(source)?.render(variables, now())?.0)
}

fn variables() -> Map<String, Json> {
    let variables = serde_json::json!({
        "messages": [{"role": "user", "content": "Hi"}],
        "none_list": [], "s": "Hello", "xs": [3, 1, 2], "d": {"b": 1, "a": null},
    });
    variables.as_object().unwrap().clone()
}

fn renders(source: &str, expected: &str) {
    let text = render(source, &variables());
    assert_eq!(text.as_deref(), Ok(expected), "{source}");
}

fn fails(source: &str, kind: Kind, expected: &str) {
    let failure = render(source, &variables()).unwrap_err();
    assert_eq!((failure.kind, failure.to_string().as_str()), (kind, expected), "{source}");
}

/// A sample of what `tests/reference/jinja_random.py` makes with seed 16: what transformers 5.23
/// with Jinja2 3.1.6 writes for random templates.
#[test]
fn random_templates_are_filled_in_as_jinja2_fills_them_in() {
    let kept = include_str!("../../../../tests/reference/text/jinja_sample.jsonl");
    let mut rows = kept.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let first = rows.next().unwrap();
    let variables = first["variables"].as_object().unwrap();
    let mut count = 0;
    for row in rows {
        let source = row["template"].as_str().unwrap();
        let ours = render(source, variables);
        match (&row["text"], ours) {
            (Json::String(text), ours) => assert_eq!(ours.as_ref(), Ok(text), "{source}"),
            (_, Ok(text)) => panic!("{source} should fail with {}, not give {text}", row["error"]),
            (_, Err(failure)) if row["error"] == "TemplateError" => {
                assert_eq!(failure.message, row["words"].as_str().unwrap(), "{source}");
            }
            (_, Err(_)) => {}
        }
        count += 1;
    }
    assert_eq!(count, 500);
}

/// Fills in the templates of a file, for `tests/reference/jinja_random.py` and `jinja_real.py`.
#[test]
#[ignore = "reads what the variable TEMPLATES names and writes to what TEMPLATES_OUT names"]
fn jinja_in_bulk() {
    let path = |name: &str| std::path::PathBuf::from(std::env::var_os(name).unwrap());
    let mut out = String::new();
    for line in std::fs::read_to_string(path("TEMPLATES")).unwrap().lines() {
        let row: Json = serde_json::from_str(line).unwrap();
        let source = row["template"].as_str().unwrap();
        let ours = match render(source, row["variables"].as_object().unwrap()) {
            Ok(text) => serde_json::json!({"text": text}),
            Err(failure) => serde_json::json!({
                "error": failure.to_string(), "kind": format!("{:?}", failure.kind)
            }),
        };
        out.push_str(&ours.to_string());
        out.push('\n');
    }
    crate::files::write_atomic(&path("TEMPLATES_OUT"), out.as_bytes()).unwrap();
}

#[test]
fn blocks_trim_the_line_they_stand_on() {
    renders("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc");
    renders("a \n {%- if true -%} \n b{% endif %}", "ab");
    renders("a\n  {%+ if true %}\nb{% endif %}", "a\n  b");
    renders("a\n  {# c #}\nb", "a\nb");
    renders("{% raw %}\n{{ x }}{% endraw %}\nb", "\n{{ x }}b");
    // One line end at the end is dropped, and those of Windows become those of Unix.
    renders("a\r\n{% if true %}\r\nb\r\n{% endif %}\r\n\r\n", "a\nb\n");
}

#[test]
fn generation_tags_vanish_and_still_trim() {
    renders("a{% generation %}b{% endgeneration %}c", "abc");
    renders("a {%- generation -%} b {%- endgeneration -%} c", "abc");
    renders("a\n  {% generation %}\nb\n  {% endgeneration %}\nc", "a\nb\nc");
    // In a string and in raw text they are no tags.
    renders("{{ '{% generation %}' }}", "{% generation %}");
    renders("{% raw %}{% generation %}{% endraw %}", "{% generation %}");
    // What is set inside stays inside.
    renders("{% set a = 1 %}{% generation %}{% set a = 2 %}{% endgeneration %}{{ a }}", "1");
}

#[test]
fn a_name_means_what_it_means_in_jinja2() {
    // A loop's assignments end with it; a namespace keeps them.
    renders("{% set a = 0 %}{% for x in xs %}{% set a = a + x %}{% endfor %}{{ a }}", "0");
    renders(
        "{% set n = namespace(a=0) %}{% for x in xs %}{% set n.a = n.a + x %}{% endfor %}{{ n.a }}",
        "6",
    );
    // An `if` has no names of its own.
    renders("{% if true %}{% set a = 1 %}{% endif %}{{ a }}", "1");
    // A macro sees what is set after it.
    renders("{% macro m() %}{{ a }}{% endmacro %}{% set a = 1 %}{{ m() }}", "1");
    // A name that the outermost level sets later is not there yet, even if it was passed in.
    renders("{% for x in xs %}{{ s }}{% endfor %}{% set s = 1 %}{{ s }}", "1");
    // A loop whose first round does not come to its end has done nothing.
    renders("{% for x in xs %}{{ x }}{% break %}{% else %}e{% endfor %}", "3e");
}

#[test]
fn what_is_not_there_is_empty_and_every_other_use_of_it_is_an_error() {
    renders(
        "{{ nosuch }}{{ nosuch | length }}{{ nosuch | list }}{{ d.nosuch is defined }}",
        "0[]False",
    );
    renders("{% if none is iterable and none | length > 0 %}T{% endif %}", "");
    fails("{{ nosuch.attribute }}", Kind::Undefined, "line 1: 'nosuch' is undefined");
    fails(
        "\n{{ d.nosuch + 1 }}",
        Kind::Undefined,
        "line 2: 'dict object' has no attribute 'nosuch'",
    );
    fails("{{ none | length }}", Kind::Type, "line 1: object of type 'NoneType' has no len()");
    // The sandbox: what would change a list is not there.
    renders("{{ xs.append is defined }}", "False");
    fails(
        "{{ xs.append(1) }}",
        Kind::Security,
        "line 1: access to attribute 'append' of 'list' object is unsafe.",
    );
}

#[test]
fn numbers_and_texts_are_written_as_python_writes_them() {
    renders(
        "{{ 1.0 }} {{ 1e16 }} {{ 1e-5 }} {{ 0.1 + 0.2 }} {{ 7 / 2 }}",
        "1.0 1e+16 1e-05 0.30000000000000004 3.5",
    );
    renders("{{ -7 // 2 }} {{ -7 % 3 }} {{ 2 ** -1 }} {{ true + 1 }}", "-4 2 0.5 2");
    renders(
        "{{ xs }} {{ ('a',) }} {{ d }} {{ [true, none, \"it's\"] }}",
        "[3, 1, 2] ('a',) {'b': 1, 'a': None} [True, None, \"it's\"]",
    );
    renders(
        "{{ 2.5 | round }} {{ 3.5 | round | int }} {{ 42 | round }} {{ 2.675 | round(2) }}",
        "2.0 4 42 2.67",
    );
    // Multiplied and divided as whole numbers: in floats the last digit would be another.
    renders("{{ 1000000000000000066 | round(1, 'ceil') }}", "1.0000000000000001e+18");
    renders("{{ '%s and %5.1f|%-4d|%x' % ('a', 2.25, 7, 255) }}", "a and   2.2|7   |ff");
    renders(
        "{{ '{:>6}|{:,}|{:.2e}|{!r}'.format('a', 1234567, 0.00123, 'q') }}",
        "     a|1,234,567|1.23e-03|'q'",
    );
    renders(r"{{ '\U0001F642\u00e9\x41\101\d\'' }}", "🙂éAA\\d'");
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
    renders("{{ {1: 1e16, none: (1, 2)} | tojson }}", r#"{"1": 1e+16, "null": [1, 2]}"#);
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
fn a_template_that_is_not_jinja_is_refused_with_its_line() {
    let fails = |source: &str, expected: &str| fails(source, Kind::Syntax, expected);
    fails("a\n{% do xs %}", "line 2: there is no tag \"do\" in the Jinja of chat templates");
    fails(
        "{% if s %}\n{% endfor %}",
        "line 2: \"endfor\" stands where \"if\" is still open: \"elif\" or \"else\" or \"endif\" should come first",
    );
    fails(
        "{% if s %}\n",
        "line 1: the template ends before its \"if\" does (\"elif\" or \"else\" or \"endif\" is missing)",
    );
    fails("{{ s | nosuch }}", "line 1: there is no filter \"nosuch\" in Jinja");
    fails("{{ s is nosuch }}", "line 1: there is no test \"nosuch\" in Jinja");
    fails("\n\n{{ (s }}", "line 3: unexpected '}', expected ')'");
    fails("{{ s", "line 1: the template ends where the end of the expression, \"}}\", should be");
    fails(
        "{% for x %}{% endfor %}",
        "line 1: \"in\" should be where \"end of statement block\" stands",
    );
    fails("{% break %}", "line 1: this stands outside of any loop");
    fails("{{ 'a' b }}", "line 1: the end of the expression, \"}}\", should be where \"b\" stands");
}

#[test]
fn no_template_takes_for_ever_or_all_memory() {
    let fails = |source: &str, kind: Kind| {
        assert_eq!(render(source, &variables()).unwrap_err().kind, kind, "{source}");
    };
    fails("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", Kind::Recursion);
    fails(
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        Kind::Limit,
    );
    fails("{{ 'x' * 1000000000000 }}", Kind::Limit);
    let doubled = "{% set n = namespace(x='ab') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}";
    fails(doubled, Kind::Limit);
    let nested =
        "{% set n = namespace(x=1) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% endfor %}";
    fails(nested, Kind::Recursion);
    fails(&format!("{{{{ {}1{} }}}}", "(".repeat(9999), ")".repeat(9999)), Kind::Syntax);
    fails(
        "{% set n = namespace() %}{% for x in xs if n.l is undefined or n.l.last %}{% set n.l = loop %}{% endfor %}",
        Kind::Value,
    );
    renders(
        "{% set n = namespace() %}{% set n.n = n %}{{ n }}",
        "<Namespace {'n': <Namespace {...}>}>",
    );
}
