//! What people and their programs write into a cell for a number, and for nothing.

/// A number as tables of either half of the world have it: `1234.5`, `1,234.5`, `1.234,5`, `0,25`,
/// `1 234`. `None`: it is none, or `1,234`, which is one thing here and another there.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let finite = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    if let Some(number) = finite(text) {
        return Some(number);
    }
    let bare = without_spaces(text)?;
    let is_number =
        |letter: char| letter.is_ascii_digit() || matches!(letter, ',' | '.' | '-' | '+');
    if bare.is_empty() || !bare.chars().all(is_number) {
        return None;
    }
    let (comma, point) = (bare.rfind(','), bare.rfind('.'));
    let (thousands, decimal) = match (comma, point) {
        (Some(comma), Some(point)) if comma > point => ('.', Some(',')),
        (Some(comma), None) if bare.matches(',').count() == 1 => {
            let (before, after) =
                (bare[..comma].trim_start_matches(['-', '+']), &bare[comma + 1..]);
            let could_be_thousands =
                after.len() == 3 && !before.starts_with('0') && before.len() < 4;
            if could_be_thousands || after.is_empty() {
                return None;
            }
            ('.', Some(','))
        }
        (Some(_), _) => (',', None),
        (None, Some(_)) if bare.matches('.').count() > 1 => ('.', None),
        (None, _) => return finite(&bare),
    };
    // What stands between thousands are three digits each.
    let whole = match decimal {
        None if thousands == '.' => bare.as_str(),
        decimal => bare.split(decimal.unwrap_or('.')).next().unwrap_or_default(),
    };
    let groups: Vec<&str> = whole.trim_start_matches(['-', '+']).split(thousands).collect();
    let grouped = groups.len() == 1 || groups[1..].iter().all(|group| group.len() == 3);
    let plain: String = bare.chars().filter(|letter| *letter != thousands).collect();
    grouped.then(|| finite(&plain.replace(',', ".")))?
}

/// Without what stands between thousands in France and Switzerland. `None`: it stands elsewhere, too.
fn without_spaces(text: &str) -> Option<String> {
    let is_space = |letter: char| matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\'');
    let mut groups = text.split(is_space);
    let mut bare = groups.next()?.to_owned();
    for group in groups {
        let digits = group.chars().take_while(char::is_ascii_digit).count();
        if digits != 3 || !bare.ends_with(|letter: char| letter.is_ascii_digit()) {
            return None;
        }
        bare.push_str(group);
    }
    Some(bare)
}

/// What R and pandas write where there is nothing. `None` and `null` may be meant as words.
pub fn is_missing(text: &str) -> bool {
    matches!(text.trim(), "NA" | "<NA>" | "NaN" | "nan" | "#N/A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_it_is_meant_or_not_at_all() {
        for (text, expected) in [
            ("1.5", Some(1.5)),
            (" 12 ", Some(12.0)),
            ("1e-3", Some(0.001)),
            ("0,25", Some(0.25)),
            ("-1,5", Some(-1.5)),
            ("12,3456", Some(12.3456)),
            ("1.234,5", Some(1234.5)),
            ("1,234.5", Some(1234.5)),
            ("1.234.567", Some(1_234_567.0)),
            ("1,234,567", Some(1_234_567.0)),
            ("1\u{a0}234,5", Some(1234.5)),
            ("1'234.5", Some(1234.5)),
            ("0,125", Some(0.125)),
            ("1,234", None), // 1.234 in Berlin, 1234 in Boston
            ("1,23,456", None),
            ("12.34,5", None),
            ("1,", None),
            ("31.01.2024", None),
            ("3 4", None),
            ("one", None),
            ("", None),
            ("inf", None),
            ("NaN", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
