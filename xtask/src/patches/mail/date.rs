//! Dates as mails, git and DEP-3 headers write them. The weekday is not looked at: people change a date and forget it.

use chrono::{DateTime, Datelike as _, FixedOffset, NaiveDate, NaiveDateTime};
use std::fmt;

/// A commit's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Since 1970, UTC.
    pub seconds: i64,
    /// East of UTC.
    pub offset_minutes: i32,
}

const WITH_ZONE: [&str; 3] = ["%Y-%m-%d %H:%M:%S%.f %z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%b %d %H:%M:%S %Y %z"];
const WITHOUT_ZONE: [&str; 3] = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%b %d %H:%M:%S %Y"];

impl Date {
    /// Reads RFC 2822's form, ISO 8601's, that of `git log`, and git's own `@seconds +hhmm`. What names no zone is UTC.
    pub fn read(text: &str) -> Option<Date> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = without_weekday(&text);
        let zoned = DateTime::parse_from_rfc2822(text)
            .ok()
            .or_else(|| WITH_ZONE.iter().find_map(|form| DateTime::parse_from_str(text, form).ok()));
        if let Some(time) = zoned {
            return Some(Date { seconds: time.timestamp(), offset_minutes: time.offset().local_minus_utc() / 60 });
        }
        let local = WITHOUT_ZONE
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
        match local {
            Some(time) => Some(Date { seconds: time.and_utc().timestamp(), offset_minutes: 0 }),
            None => raw(text),
        }
    }

    fn local(self) -> Option<DateTime<FixedOffset>> {
        let zone = FixedOffset::east_opt(self.offset_minutes.checked_mul(60)?)?;
        let time = DateTime::from_timestamp(self.seconds, 0)?.with_timezone(&zone);
        // RFC 2822 has years of four digits.
        (1970..=9999).contains(&time.year()).then_some(time)
    }
}

/// `Tue, 8 Oct 2024 23:32:23 +0200`; `@seconds +hhmm` for a time that has no such form.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(time) = self.local() {
            return write!(f, "{}", time.format("%a, %-d %b %Y %H:%M:%S %z"));
        }
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.unsigned_abs();
        write!(f, "@{} {sign}{:02}{:02}", self.seconds, minutes / 60, minutes % 60)
    }
}

fn without_weekday(text: &str) -> &str {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let is_day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        .iter()
        .any(|day| first.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(day)));
    if is_day { rest } else { text }
}

fn raw(text: &str) -> Option<Date> {
    let (seconds, zone) = text.split_once(' ').unwrap_or((text, "+0000"));
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if digits.len() < 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(digits.len() - 2);
    let minutes = hours.parse::<i32>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)?;
    let seconds = seconds.strip_prefix('@').unwrap_or(seconds).parse().ok()?;
    Some(Date { seconds, offset_minutes: sign * minutes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_time_is_read() {
        for text in [
            "Tue, 8 Oct 2024 23:32:23 +0200",
            "Mon, 08 Oct 2024 23:32:23 +0200 (CEST)",
            "8 Oct 2024 21:32:23 GMT",
            "Tue Oct 8 23:32:23 2024 +0200",
            "Tue Oct  8 21:32:23 2024",
            "2024-10-08 23:32:23 +0200",
            "2024-10-08T21:32:23Z",
            "2024-10-08T23:32:23.5+02:00",
            "2024-10-08 21:32:23",
            "@1728423143 +0200",
            "1728423143 -0330",
        ] {
            assert_eq!(Date::read(text).map(|date| date.seconds), Some(1_728_423_143), "{text}");
        }
        assert_eq!(Date::read("2024-10-08"), Some(Date { seconds: 1_728_345_600, offset_minutes: 0 }));
        for text in ["", "yesterday", "2024-13-01", "32 Oct 2024 00:00:00 +0000", "12", "é"] {
            // A bare number is git's own form.
            assert_eq!(Date::read(text).is_some(), text == "12", "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for (seconds, offset_minutes) in
            [(0, 0), (1_728_423_143, -210), (-1, 0), (i64::MAX, 5999), (i64::MIN, 0), (253_402_300_799, 60)]
        {
            let date = Date { seconds, offset_minutes };
            assert_eq!(Date::read(&date.to_string()), Some(date), "{date}");
        }
        assert_eq!(Date { seconds: 1_728_423_143, offset_minutes: 120 }.to_string(), "Tue, 8 Oct 2024 23:32:23 +0200");
    }
}
