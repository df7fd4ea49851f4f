//! Python's `strftime`, in the C locale.

use std::fmt::Write as _;

use time::{Duration, PrimitiveDateTime, Weekday};

const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The C library's own flags: `%-d` has no leading zero.
#[derive(Clone, Copy, Default)]
struct Flags {
    pad: Option<char>,
    upper: bool,
    swap: bool,
    width: Option<usize>,
}

pub fn strftime(now: PrimitiveDateTime, format: &str) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let directive = &rest[at..];
        let mut flags = Flags::default();
        let mut characters = directive[1..].chars().peekable();
        while let Some(flag) =
            characters.next_if(|flag| matches!(flag, '-' | '_' | '0' | '^' | '#'))
        {
            match flag {
                '^' => flags.upper = true,
                '#' => flags.swap = true,
                pad => flags.pad = Some(pad),
            }
        }
        while let Some(digit) = characters.peek().and_then(|digit| digit.to_digit(10)) {
            characters.next();
            let width = flags.width.unwrap_or(0) * 10 + digit as usize;
            flags.width = Some(width.min(1000));
        }
        // Other calendars and other digits, which the C locale does not have.
        characters.next_if(|modifier| matches!(modifier, 'E' | 'O'));
        let Some(letter) = characters.next() else {
            out.push_str(directive);
            return out;
        };
        let after: String = characters.collect();
        rest = &directive[directive.len() - after.len()..];
        match written(now, letter, flags) {
            Some(text) => out.push_str(&text),
            None => out.push_str(&directive[..directive.len() - rest.len()]),
        }
    }
    out.push_str(rest);
    out
}

fn written(now: PrimitiveDateTime, letter: char, flags: Flags) -> Option<String> {
    let day = DAYS[now.weekday().number_days_from_monday() as usize];
    let month = now.month().to_string();
    let hour12 = (now.hour() + 11) % 12 + 1;
    let half = if now.hour() < 12 { "AM" } else { "PM" };
    let number = |value: i64, width: usize, pad: char| Some(padded(value, width, pad, flags));
    let text = |text: &str| Some(words(text, flags));
    let compound = |format: &str| Some(words(&strftime(now, format), flags));
    match letter {
        'a' => text(&day[..3]),
        'A' => text(day),
        'b' | 'h' => text(&month[..3]),
        'B' => text(&month),
        'c' => compound("%a %b %e %H:%M:%S %Y"),
        'C' => number(i64::from(now.year().div_euclid(100)), 2, '0'),
        'd' => number(i64::from(now.day()), 2, '0'),
        'D' | 'x' => compound("%m/%d/%y"),
        'e' => number(i64::from(now.day()), 2, ' '),
        'f' => Some(format!("{:06}", now.microsecond())),
        'F' => compound("%Y-%m-%d"),
        'g' => number(i64::from(iso_year(now).rem_euclid(100)), 2, '0'),
        'G' => number(i64::from(iso_year(now)), 1, '0'),
        'H' => number(i64::from(now.hour()), 2, '0'),
        'I' => number(i64::from(hour12), 2, '0'),
        'j' => number(i64::from(now.ordinal()), 3, '0'),
        'k' => number(i64::from(now.hour()), 2, ' '),
        'l' => number(i64::from(hour12), 2, ' '),
        'm' => number(i64::from(u8::from(now.month())), 2, '0'),
        'M' => number(i64::from(now.minute()), 2, '0'),
        'n' => Some("\n".to_owned()),
        'p' if flags.swap => text(&half.to_lowercase()),
        'p' => text(half),
        'P' => text(&half.to_lowercase()),
        'r' => compound("%I:%M:%S %p"),
        'R' => compound("%H:%M"),
        's' => number(now.assume_utc().unix_timestamp(), 1, '0'),
        'S' => number(i64::from(now.second()), 2, '0'),
        't' => Some("\t".to_owned()),
        'T' | 'X' => compound("%H:%M:%S"),
        'u' => number(i64::from(now.weekday().number_from_monday()), 1, '0'),
        'U' => number(i64::from(now.sunday_based_week()), 2, '0'),
        'V' => number(i64::from(now.iso_week()), 2, '0'),
        'w' => number(i64::from(now.weekday().number_days_from_sunday()), 1, '0'),
        'W' => number(i64::from(now.monday_based_week()), 2, '0'),
        'y' => number(i64::from(now.year().rem_euclid(100)), 2, '0'),
        'Y' => number(i64::from(now.year()), 1, '0'),
        // A time without a zone.
        'z' | 'Z' => Some(String::new()),
        '%' => Some("%".to_owned()),
        _ => None,
    }
}

/// The year that the ISO week belongs to: that of its Thursday.
fn iso_year(now: PrimitiveDateTime) -> i32 {
    let to_thursday = i64::from(Weekday::Thursday.number_days_from_monday())
        - i64::from(now.weekday().number_days_from_monday());
    (now.date() + Duration::days(to_thursday)).year()
}

fn padded(value: i64, width: usize, pad: char, flags: Flags) -> String {
    let pad = match flags.pad {
        Some('-') => return value.to_string(),
        Some('_') => ' ',
        Some(_) => '0',
        None => pad,
    };
    let width = flags.width.unwrap_or(width);
    let mut text = String::new();
    let written = match pad {
        '0' => write!(text, "{value:0width$}"),
        _ => write!(text, "{value:width$}"),
    };
    written.expect("a String takes everything");
    text
}

fn words(text: &str, flags: Flags) -> String {
    let text = if flags.upper || flags.swap && !text.chars().all(|c| !c.is_uppercase()) {
        text.to_uppercase()
    } else {
        text.to_owned()
    };
    match (flags.width, flags.pad) {
        (Some(width), Some('0')) => {
            let missing = width.saturating_sub(text.len());
            format!("{}{text}", "0".repeat(missing))
        }
        (Some(width), _) => format!("{text:>width$}"),
        _ => text,
    }
}
