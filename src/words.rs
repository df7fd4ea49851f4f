//! Numbers as people read them, and tables, for whoever shows or says some. Knows nothing of us.

pub mod table;

/// `40 s`, `11 min`, `1 h 5 min`: as exact as an estimate deserves.
pub fn duration(secs: f64) -> String {
    let whole = secs.max(0.0).round() as u64;
    match whole {
        0 if secs > 0.0 => "less than 1 s".to_owned(),
        0..90 => format!("{whole} s"),
        90..3570 => format!("{} min", (whole + 30) / 60),
        _ => match ((whole + 30) / 3600, (whole + 30) % 3600 / 60) {
            (hours, 0) => format!("{hours} h"),
            (hours, minutes) => format!("{hours} h {minutes} min"),
        },
    }
}

/// [`duration`] of an estimate in a sentence: `about 11 min`, and `less than 1 s` as it is.
pub fn about_duration(secs: f64) -> String {
    let words = duration(secs);
    if words.starts_with("less") { words } else { format!("about {words}") }
}

/// `98 MB`, `1.2 GB`: decimal units, as the Hub and disks count.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(value < 9.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// `1.2 GB`, `640 MB`.
pub fn gigabytes(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 950.0 {
        format!("{megabytes:.0} MB")
    } else {
        format!("{:.1} GB", megabytes / 1000.0)
    }
}

/// `1234567` is `1,234,567`.
pub fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut words = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            words.push(',');
        }
        words.push(digit);
    }
    words
}

/// `0.001`, and `1e-4` for what is smaller: a setting as run files have it.
pub fn number(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-3..1e6).contains(&size) {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

/// The same to two digits: `0.0035`, `3.5e-4`, `1`.
pub fn about(value: f64) -> String {
    number(format!("{value:.1e}").parse().unwrap_or(value))
}

/// `1 row`, `3,000 rows`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", thousands(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_settings_are_written_as_run_files_have_them() {
        let cases = [(0.0, "0"), (1.0, "1"), (0.25, "0.25"), (0.001, "0.001"), (1e-4, "1e-4")];
        for (value, words) in cases {
            assert_eq!(number(value), words);
        }
        let cases = [(1.0, "1"), (0.0034551, "0.0035"), (3.46e-4, "3.5e-4"), (f64::NAN, "NaN")];
        for (value, words) in cases {
            assert_eq!(about(value), words);
        }
    }

    #[test]
    fn durations_are_as_exact_as_an_estimate_deserves() {
        let table = [
            (0.0, "0 s"),
            (0.2, "less than 1 s"),
            (68.0, "68 s"),
            (640.0, "11 min"),
            (3569.0, "59 min"),
            (3570.0, "1 h"),
            (3600.0, "1 h"),
            (3900.0, "1 h 5 min"),
            (7199.0, "2 h"),
        ];
        for (secs, expected) in table {
            assert_eq!(duration(secs), expected);
        }
        assert_eq!([0.2, 68.0].map(about_duration), ["less than 1 s", "about 68 s"]);
    }

    #[test]
    fn bytes_are_as_exact_as_an_estimate_deserves() {
        assert_eq!(gigabytes(640_200_000), "640 MB");
        assert_eq!(gigabytes(1_249_000_000), "1.2 GB");
    }
}
