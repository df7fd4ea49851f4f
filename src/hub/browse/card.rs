//! Model cards: what the Hub's README is for a reader who sees text alone. Front matter, pictures
//! and HTML go; words, tables, code and links stay.

use pulldown_cmark::{Event, Parser, Tag};

/// Longer cards are cut here.
pub const MOST_BYTES: usize = 200_000;

/// The card of a README, as Markdown without pictures and without HTML.
pub fn clean(readme: &str) -> String {
    let text = without_front_matter(readme.trim_start_matches('\u{feff}'));
    let text = within(text, MOST_BYTES);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (event, place) in Parser::new(text).into_offset_iter() {
        if matches!(event, Event::Start(Tag::CodeBlock(_))) {
            let start = text[..place.start].trim_end_matches([' ', '\t']).len().max(done);
            push_folded(&clean_prose(&text[done..start]), &mut out);
            let code = &text[start..place.end];
            out.push_str(code);
            done = place.end;
            if let Some(fence) = open_fence(code).filter(|_| done == text.len()) {
                out = format!("{}\n{fence}", out.trim_end()); // cut within a block of code
            }
        }
    }
    push_folded(&clean_prose(&text[done..]), &mut out);
    out.truncate(out.trim_end().len());
    out
}

/// The fence of a block of code that has none at its end.
fn open_fence(code: &str) -> Option<&str> {
    let code = code.trim_start();
    let mark = code.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let fence = &code[..code.len() - code.trim_start_matches(mark).len()];
    let is_closing = |line: &str| {
        line.trim().starts_with(fence) && line.trim().trim_start_matches(mark).is_empty()
    };
    let is_closed = code.lines().skip(1).last().is_some_and(is_closing);
    (!is_closed).then_some(fence)
}

/// Whether a link of a card may be opened: pages and mail, no files and no programs.
pub fn is_safe_link(address: &str) -> bool {
    let lower = address.trim().to_ascii_lowercase();
    ["https://", "http://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme))
}

/// What stands between `---` lines at the beginning is for the Hub.
fn without_front_matter(text: &str) -> &str {
    let Some(rest) = text.strip_prefix("---") else { return text };
    let Some(rest) = rest.strip_prefix('\n').or_else(|| rest.strip_prefix("\r\n")) else {
        return text;
    };
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == "---" {
            return &rest[at..];
        }
    }
    text
}

fn within(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Text outside of fenced code: pictures and HTML are taken out, code between backticks stays.
fn clean_prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['`', '<', '!', '[']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match rest.as_bytes()[0] {
            b'`' => code_span(rest).inspect(|len| out.push_str(&rest[..*len])),
            b'<' => html(rest, &mut out),
            b'[' if rest.starts_with("[![") => linked_picture(rest),
            b'!' if rest.starts_with("![") => picture(rest),
            _ => None,
        };
        let len = taken.unwrap_or_else(|| {
            let first = &rest[..1]; // all four are ASCII
            out.push_str(first);
            1
        });
        rest = &rest[len..];
    }
    out.push_str(rest);
    out
}

/// Length of a code span with its backticks; `None`: it is not closed in its paragraph.
fn code_span(text: &str) -> Option<usize> {
    let ticks = text.bytes().take_while(|byte| *byte == b'`').count();
    let fence = &text[..ticks];
    let end = text[ticks..].find(fence)? + ticks;
    (!text[..end].contains("\n\n")).then_some(end + ticks)
}

/// Takes out a tag or a comment; a line break stays one, and so does an address in `<…>`.
fn html(text: &str, out: &mut String) -> Option<usize> {
    if text.starts_with("<!--") {
        return Some(text.find("-->").map_or(text.len(), |at| at + 3));
    }
    let name = text[1..].trim_start_matches('/');
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let end = text.find('>')? + 1;
    let tag = &text[..end];
    if is_safe_link(&tag[1..]) {
        out.push_str(tag);
        return Some(end);
    }
    let name: String = name.chars().take_while(char::is_ascii_alphanumeric).collect();
    let name = name.to_lowercase();
    match name.as_str() {
        "style" | "script" if !tag.starts_with("</") => {
            let close = format!("</{name}");
            let after = text[end..].to_lowercase().find(&close).map(|at| end + at);
            return Some(after.unwrap_or(text.len()));
        }
        "br" | "p" | "div" | "tr" | "li" | "h1" | "h2" | "h3" | "h4" | "center" => {
            out.push('\n');
        }
        "td" | "th" => out.push(' '),
        _ => {}
    }
    Some(end)
}

/// Length of `![words](address)`.
fn picture(text: &str) -> Option<usize> {
    let words = text.find(']')?;
    let after = &text[words + 1..];
    let close = match after.as_bytes().first()? {
        b'(' => after.find(')')?,
        b'[' => after.find(']')?,
        _ => return None,
    };
    let len = words + 1 + close + 1;
    (!text[..len].contains("\n\n")).then_some(len)
}

/// Length of `[![words](picture)](address)`, which is a badge.
fn linked_picture(text: &str) -> Option<usize> {
    let inner = 1 + picture(&text[1..])?;
    let after = text[inner..].strip_prefix("](")?;
    Some(inner + 2 + after.find(')')? + 1)
}

/// Adds prose. What was taken out of it leaves empty lines behind: two in a row become one.
fn push_folded(prose: &str, out: &mut String) {
    for line in prose.split_inclusive('\n') {
        let Some(words) = line.strip_suffix('\n') else {
            out.push_str(line);
            break;
        };
        let words = words.trim_end();
        if words.is_empty() && (out.is_empty() || out.ends_with("\n\n")) {
            continue;
        }
        out.push_str(words);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_pictures_and_html_go() {
        let readme = "---\nlicense: mit\ntags:\n- a\n---\n\n# Title\n\n\
                      [![Badge](https://img.example/b.svg)](https://ci.example)\n\
                      ![a plot](plot.png)\n<!-- hidden -->\n<p align=\"center\"><b>Bold</b></p>\n\n\
                      See [the paper](https://arxiv.org) and <https://example.org>.\n";
        let card = clean(readme);
        let expected =
            "# Title\n\nBold\n\nSee [the paper](https://arxiv.org) and <https://example.org>.";
        assert_eq!(card, expected);
    }

    #[test]
    fn code_stays_as_it_is() {
        let readme = "Use `<pad>` and `![x](y)`:\n\n```python\nif a < b:\n    print(\"<b>\")\n\n\n# <!--\n```\n\na < b";
        assert_eq!(clean(readme), readme);
    }

    #[test]
    fn code_is_what_commonmark_says_it_is() {
        // A fence of four marks is closed by four, so that a template may show its own fences.
        let nested = "````markdown\n```\n<b>x</b>\n```\n````\n\nthen";
        assert_eq!(clean(&format!("{nested} <b>bold</b>")), format!("{nested} bold"));
        // A line that is indented by four is code, and a comment hides the fences in it.
        assert_eq!(clean("a\n\n    <b>x</b>\n\nb"), "a\n\n    <b>x</b>\n\nb");
        assert_eq!(clean("<!--\n```\nold\n```\n-->\nnew"), "new");
        assert_eq!(
            clean("- a\n\n  ~~~\n  <b>\n\n\n  c\n  ~~~\n- b"),
            "- a\n\n  ~~~\n  <b>\n\n\n  c\n  ~~~\n- b"
        );
        assert_eq!(clean("~~~~\ncode\n~~~"), "~~~~\ncode\n~~~\n~~~~");
    }

    #[test]
    fn what_is_not_closed_does_no_harm() {
        for readme in
            ["<!-- never", "<style>p { }", "![a](b", "[![a](b)](c", "`a", "<", "---\nx: 1"]
        {
            assert!(clean(readme).len() <= readme.len(), "{readme}");
        }
        assert_eq!(clean("```\ncode"), "```\ncode\n```");
        let long = "ä".repeat(MOST_BYTES);
        assert_eq!(clean(&long).len(), MOST_BYTES);
    }

    #[test]
    fn links_to_files_and_programs_are_not_opened() {
        for good in ["https://a.example", "HTTP://a.example", "mailto:ada@a.example"] {
            assert!(is_safe_link(good), "{good}");
        }
        for bad in ["file:///etc/passwd", "javascript:alert(1)", "README.md", "\\\\host\\share", ""]
        {
            assert!(!is_safe_link(bad), "{bad}");
        }
    }
}
