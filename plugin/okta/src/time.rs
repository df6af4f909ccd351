//! Times as texts: those of events, those of HTTP headers, those in checkpoints and requests.
//!
//! Inside, a time is a number of nanoseconds since 1970-01-01T00:00:00Z. What is before 1970 or behind the year 2554
//! is clamped: events dated in the year 4000 exist.

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// Nanoseconds in a day.
pub const DAY: u64 = 86_400 * SECOND;

/// The time that an RFC 3339 text says; `None` when it says none, as on a 31st of September.
pub fn from_rfc3339(text: &str) -> Option<u64> {
    fixed(text.as_bytes())
        .or_else(|| nanoseconds(text.parse().ok()?))
        .map(clamp)
}

/// The time that a `Date` or `Retry-After` header says (RFC 9110 section 5.6.7).
pub fn from_http(text: &str) -> Option<u64> {
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    nanoseconds(date).map(clamp)
}

/// A time in RFC 3339, with as many digits as Okta gives: three.
pub fn to_rfc3339(time: u64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(time)).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

fn nanoseconds(time: Timestamp) -> Option<i128> {
    Some(time.as_nanosecond())
}

fn clamp(time: i128) -> u64 {
    u64::try_from(time.max(0)).unwrap_or(u64::MAX)
}

/// The one layout that Okta uses, read without a general parser: `2026-01-31T23:59:59.123Z`, with any number of digits
/// behind the point, or none, and an offset in place of `Z`.
fn fixed(text: &[u8]) -> Option<i128> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', clock @ ..] = *head else {
        return None;
    };
    let [h1, h2, b':', i1, i2, b':', s1, s2] = clock else {
        return None;
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let days = days(year, two(m1, m2)?, two(d1, d2)?)?;
    let seconds = time_of_day(two(h1, h2)?, two(i1, i2)?, two(s1, s2)?)?;
    let (fraction, zone) = fraction(rest)?;
    let seconds = days * 86_400 + seconds - offset(zone)?;
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(fraction))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    let both = tens.is_ascii_digit() && ones.is_ascii_digit();
    both.then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

fn time_of_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    (hour < 24 && minute < 60 && second < 60).then_some((hour * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that a leap day is the
/// last day of its year.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > longest {
        return None;
    }
    let (year, month) = match month > 2 {
        true => (year, month - 3),
        false => (year - 1, month + 9),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468)
}

/// Nanoseconds from the digits behind a point, and what follows them. More than nine digits are finer than a
/// nanosecond.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', behind)) = rest.split_first() else {
        return Some((0, rest));
    };
    let length = behind
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, zone) = behind.split_at_checked(length)?;
    let padded = digits
        .iter()
        .copied()
        .chain(std::iter::repeat(b'0'))
        .take(9);
    let nanoseconds = padded.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    (length > 0).then_some((nanoseconds, zone))
}

/// How many seconds a zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z'] => Some(0),
        [b'+', h1, h2, b':', m1, m2] => time_of_day(two(h1, h2)?, two(m1, m2)?, 0),
        [b'-', h1, h2, b':', m1, m2] => Some(-time_of_day(two(h1, h2)?, two(m1, m2)?, 0)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn delivery_06_odd_dates_are_clamped_or_none() {
        assert_eq!(from_rfc3339("1969-12-31T23:59:59Z"), Some(0));
        assert_eq!(from_rfc3339("4000-01-01T00:00:00.000Z"), Some(u64::MAX));
        for none in [
            "2017-09-31T22:23:07.777Z",
            "2026-02-29T00:00:00Z",
            "",
            "yesterday",
            "2026-01-01",
            "null",
        ] {
            assert_eq!(from_rfc3339(none), None, "{none}");
        }
    }

    #[test]
    fn any_precision_and_offset_is_read() {
        let at = |text| from_rfc3339(text).unwrap();
        let whole = 1_769_904_000 * SECOND;
        assert_eq!(at("2026-02-01T00:00:00Z"), whole);
        assert_eq!(at("2026-02-01T00:00:00.5Z"), whole + SECOND / 2);
        assert_eq!(at("2026-02-01T00:00:00.123456789012Z"), whole + 123_456_789);
        assert_eq!(at("2026-02-01T01:30:00.000+01:30"), whole);
        assert_eq!(at("2026-01-31T16:00:00-08:00"), whole);
        assert_eq!(
            at("2026-02-01 00:00:00z"),
            whole,
            "read by the general parser"
        );
    }

    #[test]
    fn headers_say_their_time() {
        let date = from_http("Mon, 29 Sep 2025 06:24:57 GMT");
        assert_eq!(date, Some(1_759_127_097 * SECOND));
        assert_eq!(from_http("soon"), None);
    }

    #[test]
    fn a_time_is_written_like_okta_does() {
        assert_eq!(
            to_rfc3339(1_769_904_000 * SECOND),
            "2026-02-01T00:00:00.000Z"
        );
        assert_eq!(to_rfc3339(u64::MAX), "2554-07-21T23:34:33.709Z");
    }

    proptest! {
        #[test]
        fn the_short_way_says_what_the_long_way_says(seconds in -62_000_000_000_i64..250_000_000_000, nanos in 0..1_000_000_000_i32) {
            let time = Timestamp::new(seconds, if seconds < 0 { -nanos } else { nanos }).unwrap();
            let text = time.to_string();
            prop_assert_eq!(fixed(text.as_bytes()), Some(time.as_nanosecond()));
        }

        #[test]
        fn no_date_is_read_that_does_not_exist(month in 0..14_u8, day in 0..33_u8, hour in 0..26_u8) {
            let text = format!("2024-{month:02}-{day:02}T{hour:02}:00:00Z");
            let known = text.parse::<Timestamp>().ok().map(|time| time.as_nanosecond());
            prop_assert_eq!(fixed(text.as_bytes()), known);
        }
    }
}
