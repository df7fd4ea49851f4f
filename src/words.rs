//! Numbers as people read them, for whoever shows or says some. Knows nothing of us.

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

/// `1 row`, `3,000 rows`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{} {many}", thousands(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn bytes_are_as_exact_as_an_estimate_deserves() {
        assert_eq!(gigabytes(640_200_000), "640 MB");
        assert_eq!(gigabytes(1_249_000_000), "1.2 GB");
    }
}
