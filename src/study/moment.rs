//! When something was said, in 16 bytes: a log has a million of them.

use std::fmt;

use serde::{Serialize, Serializer};

/// A time as its file has it: RFC 3339 in UTC to the millisecond as this program writes it, or any other
/// words. Empty: it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Milliseconds since the first of January in the year 0.
    Milliseconds(i64),
    Words(Box<str>),
}

impl Moment {
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Kind::Words(words) if words.is_empty())
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self(Kind::Words(Box::default()))
    }
}

impl From<&str> for Moment {
    fn from(words: &str) -> Self {
        // Only what is given back letter for letter.
        match milliseconds(words.as_bytes()) {
            Some(count) if Self(Kind::Milliseconds(count)).to_string() == words => {
                Self(Kind::Milliseconds(count))
            }
            _ => Self(Kind::Words(words.into())),
        }
    }
}

impl From<String> for Moment {
    fn from(words: String) -> Self {
        Self::from(words.as_str())
    }
}

const DAY: i64 = 86_400_000;

/// The days of the years before `year`, from the year 0 of the Gregorian calendar on.
fn days_before(year: i64) -> i64 {
    let past = year - 1;
    // Year 0 has a 29th of February.
    if year == 0 { 0 } else { 366 + past * 365 + past / 4 - past / 100 + past / 400 }
}

fn month_lengths(year: i64) -> [i64; 12] {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// `2026-11-28T18:00:00.000Z`; `None`: it is written in another way.
fn milliseconds(words: &[u8]) -> Option<i64> {
    const FORM: &[u8; 24] = b"dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(letter, form): (&u8, &u8)| match form {
        b'd' => letter.is_ascii_digit(),
        other => letter == other,
    };
    if words.len() != FORM.len() || !words.iter().zip(FORM).all(fits) {
        return None;
    }
    let number = |places: std::ops::Range<usize>| {
        words[places].iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
    };
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let lengths = month_lengths(year);
    let month = usize::try_from(month - 1).ok().filter(|month| *month < 12)?;
    if !(1..=lengths[month]).contains(&day) {
        return None;
    }
    let (hour, minute, second) = (number(11..13), number(14..16), number(17..19));
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_before(year) + lengths[..month].iter().sum::<i64>() + day - 1;
    Some(days * DAY + ((hour * 60 + minute) * 60 + second) * 1000 + number(20..23))
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = match &self.0 {
            Kind::Words(words) => return f.write_str(words),
            Kind::Milliseconds(count) => *count,
        };
        let (mut days, rest) = (count / DAY, count % DAY);
        // 146,097 days in 400 years; the guess is at most one too high.
        let mut year = days * 400 / 146_097;
        if days_before(year + 1) <= days {
            year += 1;
        } else if days_before(year) > days {
            year -= 1;
        }
        days -= days_before(year);
        let mut month = 1;
        for length in month_lengths(year) {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        let (seconds, thousandths) = (rest / 1000, rest % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let day = days + 1;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{thousandths:03}Z"
        )
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_given_back_letter_for_letter() {
        assert_eq!(size_of::<Moment>(), 16);
        for words in [
            "2026-11-28T18:00:00.123Z",
            "2024-02-29T23:59:59.999Z",
            "2000-02-29T00:00:00.000Z",
            "1900-02-28T00:00:00.000Z",
            "0000-12-31T12:00:00.000Z",
            "9999-12-31T23:59:59.999Z",
            "2026-11-28T18:00:00Z",
            "2026-11-28T18:00:00.1Z",
            "2026-11-28T18:00:00.123+01:00",
            "2025-02-29T18:00:00.123Z", // no such day
            "2026-13-01T18:00:00.123Z",
            "2026-00-01T18:00:00.123Z",
            "2026-11-28T24:00:00.123Z",
            "2016-12-31T23:59:60.000Z",
            "last week",
            "",
        ] {
            assert_eq!(Moment::from(words).to_string(), words);
            assert_eq!(Moment::from(words).is_empty(), words.is_empty());
        }
        assert_eq!(serde_json::to_string(&Moment::from("a \"b\"")).unwrap(), r#""a \"b\"""#);
    }

    #[test]
    fn every_day_of_four_hundred_years_is_itself() {
        let (mut count, mut before) = (milliseconds(b"1800-01-01T00:00:00.007Z").unwrap(), 0);
        for _ in 0..146_097 {
            let words = Moment(Kind::Milliseconds(count)).to_string();
            assert_eq!(milliseconds(words.as_bytes()), Some(count), "{words}");
            assert!(count - before == DAY || before == 0, "{words}");
            before = count;
            count += DAY;
        }
        assert_eq!(Moment(Kind::Milliseconds(count)).to_string(), "2200-01-01T00:00:00.007Z");
    }
}
