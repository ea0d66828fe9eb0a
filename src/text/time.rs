//! How times are written, and how spans of time are shown.
//!
//! Pure: a time is passed in, and no clock is read.

use std::fmt;
use std::time::{Duration, SystemTime};

/// A time of the calendar, in UTC and to the second. Displayed, it is RFC 3339: `2026-11-22T19:04:05Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    year: u64,
    month: u64,
    day: u64,
    second: u64,
}

const DAY: u64 = 86_400;

impl From<SystemTime> for Utc {
    /// Turns days into a date as Howard Hinnant does in "chrono-Compatible Low-Level Date Algorithms". A year begins in
    /// March there, so that the leap day is its last day. A time before 1970 becomes the first second of 1970.
    fn from(time: SystemTime) -> Utc {
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let days = seconds / DAY + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Utc {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * shifted + 2) / 5 + 1,
            second: seconds % DAY,
        }
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Utc { year, month, day, second } = self;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl Utc {
    /// Reads a time between the years 1970 and 9999. Returns `None` if Display would not write this text of any time,
    /// such as a thirtieth of February.
    pub fn parse(text: &str) -> Option<SystemTime> {
        let mut numbers = text.strip_suffix('Z')?.split(['-', 'T', ':']).map(|n| n.parse::<u64>().ok());
        let mut next = || numbers.next()?;
        let (year, month, day) = (next()?, next()?, next()?);
        let (hour, minute, second) = (next()?, next()?, next()?);
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let shifted = year - u64::from(month <= 2);
        let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day.checked_sub(1)?;
        let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719_468;
        let seconds = days * DAY + hour * 3600 + minute * 60 + second;
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        // This refuses a day that its month does not have, which has become another day, and a number without its
        // zeros.
        (Utc::from(at).to_string() == text).then_some(at)
    }
}

/// A span of time. Displayed, it is a whole number of the largest unit that fits into it twice, rounded down: `4 min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A span of time that somebody must still wait. Displayed like [`Span`], but rounded up, so that nobody comes back too
/// early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining(pub Duration);

/// Returns the unit in which a number of seconds is shown: its length in seconds, and its name.
fn unit(seconds: u64) -> (u64, &'static str) {
    match seconds {
        0..120 => (1, "s"),
        120..7200 => (60, "min"),
        7200..172_800 => (3600, "h"),
        _ => (86_400, "days"),
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (length, name) = unit(seconds);
        write!(f, "{} {name}", seconds / length)
    }
}

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0);
        let (length, name) = unit(seconds);
        write!(f, "{} {name}", seconds.div_ceil(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_back() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_374_245, "2026-11-22T19:04:05Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(Utc::from(at).to_string(), text);
            assert_eq!(Utc::parse(text), Some(at));
        }
        for day in 0..100_000 {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(day * DAY + day % DAY);
            assert_eq!(Utc::parse(&Utc::from(at).to_string()), Some(at));
        }
        for wrong in
            ["", "Z", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22", "x"]
        {
            assert_eq!(Utc::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_span_is_shown_in_the_largest_unit_that_fits_twice() {
        for (seconds, span, remaining) in [
            (0, "0 s", "0 s"),
            (119, "119 s", "119 s"),
            (120, "2 min", "2 min"),
            (299, "4 min", "5 min"),
            (7199, "119 min", "120 min"),
            (7200, "2 h", "2 h"),
            (7201, "2 h", "3 h"),
            (172_799, "47 h", "48 h"),
            (172_800, "2 days", "2 days"),
            (864_001, "10 days", "11 days"),
        ] {
            let time = Duration::from_secs(seconds);
            assert_eq!(
                (Span(time).to_string(), Remaining(time).to_string()),
                (span.to_string(), remaining.to_string())
            );
        }
        assert_eq!(Remaining(Duration::from_millis(299_001)).to_string(), "5 min");
    }
}
