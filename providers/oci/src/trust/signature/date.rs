//! Dates of HTTP (RFC 7231, 7.1.1.1).

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads `Tue, 21 Jul 2026 10:00:00 GMT`. `UTC` in place of `GMT` is accepted: Oracle's own audit sample carries it.
/// The day of the week is not compared with the date.
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    let (day_name, rest) = text.split_once(", ")?;
    let mut parts = rest.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (time, zone) = (parts.next()?, parts.next()?);
    if parts.next().is_some() || !DAYS.contains(&day_name) || !matches!(zone, "GMT" | "UTC") {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)?;
    let mut clock = time.split(':');
    let (hour, minute, second) = (clock.next()?, clock.next()?, clock.next()?);
    if clock.next().is_some() {
        return None;
    }
    let date = Date::new(digits(year, 4)?, i8::try_from(month).ok()?.checked_add(1)?, digits(day, 2)?.try_into().ok()?)
        .ok()?;
    let time = Time::new(
        digits(hour, 2)?.try_into().ok()?,
        digits(minute, 2)?.try_into().ok()?,
        digits(second, 2)?.try_into().ok()?,
        0,
    )
    .ok()?;
    TimeZone::UTC.to_timestamp(DateTime::from_parts(date, time)).ok()
}

/// Writes it the same way.
pub(crate) fn format_http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<i16> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_write() {
        let expected: Timestamp = "2026-07-21T10:00:00Z".parse().unwrap();
        assert_eq!(parse_http_date("Tue, 21 Jul 2026 10:00:00 GMT"), Some(expected));
        assert_eq!(parse_http_date("Tue, 21 Jul 2026 10:00:00 UTC"), Some(expected));
        assert_eq!(format_http_date(expected), "Tue, 21 Jul 2026 10:00:00 GMT");
    }

    #[test]
    fn rejects_what_is_no_http_date() {
        for text in [
            "",
            "2026-07-21T10:00:00Z",
            "Tue, 21 Jul 2026 10:00:00 CET",
            "Tue, 21 Jul 2026 10:00:00",
            "Tue, 31 Feb 2026 10:00:00 GMT",
            "Tue, 21 Jul 2026 24:00:00 GMT",
            "Tue, 21 Jul 26 10:00:00 GMT",
            "Tue, +1 Jul 2026 10:00:00 GMT",
            "Tue,  21 Jul 2026 10:00:00 GMT",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }
}
