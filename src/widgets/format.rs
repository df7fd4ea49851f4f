//! Numbers as people read them in a window.

pub use crate::words::{about_duration, bytes, counted, duration, thousands as count};

/// `212 of 269 MB · 8.0 MB/s · 7 s left`: a transfer, as far as it is known.
pub fn transfer(done: u64, total: Option<u64>, per_sec: f64, secs_left: Option<f64>) -> String {
    let mut parts = vec![match total.map(bytes) {
        Some(total) => {
            let done = bytes(done);
            // The unit once, where it is the same.
            let same = done.rsplit_once(' ').filter(|(_, unit)| total.ends_with(unit));
            let done = same.map_or_else(|| done.clone(), |(number, _)| number.to_owned());
            format!("{done} of {total}")
        }
        None => bytes(done),
    }];
    if per_sec > 0.0 {
        parts.push(format!("{}/s", bytes(per_sec as u64)));
    }
    parts.extend(secs_left.map(|secs| format!("{} left", duration(secs))));
    parts.join(" · ")
}

/// What an error says, where it stands by itself: its first word with a capital, unless that is a name.
pub fn sentence(cause: &str) -> String {
    let word = cause.split(' ').next().unwrap_or_default();
    let is_word =
        word.bytes().all(|byte| byte.is_ascii_lowercase()) && (word.len() > 1 || word == "a");
    let mut letters = cause.chars();
    match letters.next().filter(|_| is_word && word.len() < cause.len()) {
        Some(first) => format!("{}{}", first.to_ascii_uppercase(), letters.as_str()),
        None => cause.to_owned(),
    }
}

/// `135 M`, `1.2 B`: as model cards count parameters.
pub fn parameters(count: u64) -> String {
    let value = count as f64;
    let (value, unit) = match count {
        0..=999 => return count.to_string(),
        1_000..=999_499 => (value / 1e3, "k"),
        999_500..=999_499_999 => (value / 1e6, "M"),
        _ => (value / 1e9, "B"),
    };
    let decimals = usize::from(value < 9.95);
    format!("{value:.decimals$} {unit}")
}

/// `999`, `12 k`, `1.2 M`: how often something was downloaded or liked.
pub fn large(count: u64) -> String {
    if count < 1000 { count.to_string() } else { parameters(count) }
}

/// `+1.3`, `−0.2`: bits of a difference.
pub fn signed(bits: f64) -> String {
    if bits < 0.0 { format!("\u{2212}{:.1}", -bits) } else { format!("+{bits:.1}") }
}

/// `62.1 %`; `< 0.1 %` where rounding would say nothing.
pub fn percent(share: f32) -> String {
    let percent = f64::from(share) * 100.0;
    if percent > 0.0 && percent < 0.05 {
        return "< 0.1 %".to_owned();
    }
    format!("{percent:.1} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_stands_by_itself_begins_with_a_capital_unless_with_a_name() {
        assert_eq!(sentence("the data could not be read"), "The data could not be read");
        assert_eq!(sentence("a file is missing"), "A file is missing");
        for name in
            ["items.jsonl has no rows", "max_steps is 0", "r is 0", "“x” is missing", "gone", ""]
        {
            assert_eq!(sentence(name), name);
        }
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(98_362_432), "98 MB");
        assert_eq!(bytes(999_600), "1.0 MB");
        assert_eq!(bytes(1_234_000_000), "1.2 GB");
        assert_eq!(parameters(134_515_008), "135 M");
        assert_eq!(parameters(1_235_814_400), "1.2 B");
        assert_eq!(parameters(999_900), "1.0 M");
        assert_eq!(large(999), "999");
        assert_eq!(large(1_234_567), "1.2 M");
        assert_eq!(count(2048), "2,048");
        assert_eq!(count(49_152_000), "49,152,000");
        assert_eq!(count(7), "7");
        assert_eq!(percent(0.6214), "62.1 %");
        assert_eq!(percent(0.00004), "< 0.1 %");
        assert_eq!(percent(0.0), "0.0 %");
    }
}
