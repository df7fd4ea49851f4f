//! Days and times as pandas prints them: `2024-01-31`, `2024-01-31 12:00:00`, `12:00:00.5`.

/// The day of the calendar, counted from 1 January 1970.
pub(super) fn day(days: i64) -> String {
    // Years that begin in March: what is irregular, February's end, comes last (Hinnant's
    // `civil_from_days`).
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The time of day, in nanoseconds.
pub(super) fn time(nanos: i64) -> String {
    const SECOND: i64 = 1_000_000_000;

    let seconds = nanos.div_euclid(SECOND);
    let rest = nanos.rem_euclid(SECOND);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let whole = format!("{hours:02}:{minutes:02}:{:02}", seconds % 60);
    match rest {
        0 => whole,
        rest if rest % 1000 == 0 => format!("{whole}.{:06}", rest / 1000),
        rest => format!("{whole}.{rest:09}"),
    }
}

/// A time of `OpenDocument`'s, `PT01H30M00S`, in nanoseconds.
pub(super) fn of_iso(text: &str) -> Option<i64> {
    let rest = text.strip_prefix("PT")?;
    let (hours, rest) = rest.split_once('H')?;
    let (minutes, rest) = rest.split_once('M')?;
    let seconds: f64 = rest.strip_suffix('S')?.replace(',', ".").parse().ok()?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let whole = i64::from(hours) * 3600 + i64::from(minutes) * 60;
    let rest = (seconds * 1e6).round();
    (0.0..61e6).contains(&rest).then_some(whole * 1_000_000_000 + rest as i64 * 1000)
}

/// Ticks since 1 January 1970, of which a second has `each`.
pub(super) fn moment(ticks: i64, each: i64) -> String {
    let seconds = ticks.div_euclid(each);
    let rest = ticks.rem_euclid(each) * (1_000_000_000 / each);
    let of_day = seconds.rem_euclid(86_400) * 1_000_000_000 + rest;
    format!("{} {}", day(seconds.div_euclid(86_400)), time(of_day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_those_of_pandas() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(-1), "1969-12-31");
        assert_eq!(day(19_782), "2024-02-29");
        assert_eq!(day(-719_162), "0001-01-01");
        assert_eq!(moment(1_700_000_000_123, 1000), "2023-11-14 22:13:20.123000");
        assert_eq!(moment(-1, 1_000_000_000), "1969-12-31 23:59:59.999999999");
        assert_eq!(moment(0, 1000), "1970-01-01 00:00:00");
        assert_eq!(time(45_296_000_000_000), "12:34:56");
        let of_iso = |text| of_iso(text).map(time);
        assert_eq!(of_iso("PT01H30M00S").as_deref(), Some("01:30:00"));
        assert_eq!(of_iso("PT26H00M01,5S").as_deref(), Some("26:00:01.500000"));
        assert_eq!(of_iso("P1D"), None);
        assert!(!moment(i64::MAX, 1000).is_empty() && !moment(i64::MIN, 1000).is_empty());
    }
}
