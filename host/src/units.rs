//! Values with units, as they are written in a configuration: `60d`, `256MiB`.
//!
//! A number and one unit, without fractions or sums, so that there is one way to write a value. A duration always has
//! a unit; a size without one is a number of bytes. Decimal sizes (`MB`) are refused: nobody agrees on what they mean.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Units of time and their length in milliseconds, longest first.
const TIME_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Units of size and their length in bytes, longest first.
const SIZE_UNITS: [(&str, u64); 5] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// Why a text is not a value with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// There is no number in front.
    #[error("`{0}` does not begin with a number; write it like `{1}`")]
    NoNumber(String, &'static str),
    /// A duration without a unit.
    #[error("`{0}` has no unit; write `{0}s`, `{0}m`, `{0}h` or `{0}d`")]
    NoUnit(String),
    /// A unit that is none of ours.
    #[error("`{unit}` is not a unit here; the units are {known}")]
    UnknownUnit {
        /// What was written.
        unit: String,
        /// What may be written.
        known: &'static str,
    },
    /// More than can be counted.
    #[error("`{0}` is too big")]
    TooBig(String),
}

/// A stretch of time: `500ms`, `30s`, `5m`, `2h`, `60d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(pub Duration);

/// A number of bytes: `64KiB`, `256MiB`, or a plain number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Seconds to a tenth, as logs say how long something takes.
pub(crate) fn in_tenths(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

impl FromStr for Period {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split(text, "60s")?;
        if unit.is_empty() {
            return Err(UnitError::NoUnit(number.to_owned()));
        }
        let millis = multiply(text, number, unit, &TIME_UNITS, "ms, s, m, h and d")?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, unit) = split(text, "64MiB")?;
        let unit = if unit.is_empty() { "B" } else { unit };
        multiply(text, number, unit, &SIZE_UNITS, "B, KiB, MiB, GiB and TiB").map(Self)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write_with_unit(f, millis, &TIME_UNITS, "0s")
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with_unit(f, self.0, &SIZE_UNITS, "0B")
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Written("a duration like `60s`"))?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_any(Written("a size like `64MiB`"))?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Period {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "examples": ["30s", "5m", "60d"]})
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)?$",
            "minimum": 0,
            "examples": ["64KiB", "256MiB"],
        })
    }
}

/// Takes text, or a plain number as the text it was written as; names what is expected otherwise.
struct Written(&'static str);

impl Visitor<'_> for Written {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }
}

fn split<'a>(text: &'a str, example: &'static str) -> Result<(&'a str, &'a str), UnitError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text.split_at_checked(digits) {
        Some((number, unit)) if digits > 0 => Ok((number, unit)),
        _ => Err(UnitError::NoNumber(text.to_owned(), example)),
    }
}

fn multiply(
    text: &str,
    number: &str,
    unit: &str,
    units: &[(&str, u64)],
    known: &'static str,
) -> Result<u64, UnitError> {
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let unit = unit.to_owned();
        return Err(UnitError::UnknownUnit { unit, known });
    };
    let number = number.parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(*factor))
        .ok_or_else(|| UnitError::TooBig(text.to_owned()))
}

fn write_with_unit(
    f: &mut fmt::Formatter<'_>,
    value: u64,
    units: &[(&str, u64)],
    zero: &str,
) -> fmt::Result {
    let whole = units
        .iter()
        .find(|(_, factor)| value.is_multiple_of(*factor));
    match whole {
        Some((unit, factor)) if value > 0 => write!(f, "{}{unit}", value / factor),
        _ => f.write_str(zero),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> Result<Duration, String> {
        let parsed: Result<Period, _> = text.parse();
        parsed.map(|period| period.0).map_err(|e| e.to_string())
    }

    fn size(text: &str) -> Result<u64, String> {
        let parsed: Result<ByteSize, _> = text.parse();
        parsed.map(|size| size.0).map_err(|e| e.to_string())
    }

    #[test]
    fn every_unit_is_read() {
        assert_eq!(period("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(period("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(period("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(period("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(period("60d"), Ok(Duration::from_secs(5_184_000)));
        assert_eq!(size("17"), Ok(17));
        assert_eq!(size("17B"), Ok(17));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("256MiB"), Ok(268_435_456));
        assert_eq!(size("1TiB"), Ok(1 << 40));
    }

    #[test]
    fn what_is_wrong_is_said() {
        insta::assert_snapshot!(period("90").unwrap_err(), @"`90` has no unit; write `90s`, `90m`, `90h` or `90d`");
        insta::assert_snapshot!(period("1h30m").unwrap_err(), @"`h30m` is not a unit here; the units are ms, s, m, h and d");
        insta::assert_snapshot!(period("soon").unwrap_err(), @"`soon` does not begin with a number; write it like `60s`");
        insta::assert_snapshot!(period("-5s").unwrap_err(), @"`-5s` does not begin with a number; write it like `60s`");
        insta::assert_snapshot!(size("64MB").unwrap_err(), @"`MB` is not a unit here; the units are B, KiB, MiB, GiB and TiB");
        insta::assert_snapshot!(size("99999999TiB").unwrap_err(), @"`99999999TiB` is too big");
        insta::assert_snapshot!(size("99999999999999999999999B").unwrap_err(), @"`99999999999999999999999B` is too big");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0..u64::MAX, bytes: u64) {
            assert_eq!(period(&Period(Duration::from_millis(millis)).to_string()), Ok(Duration::from_millis(millis)));
            assert_eq!(size(&ByteSize(bytes).to_string()), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text: String) {
            assert!(period(&text).is_ok() || !period(&text).unwrap_err().is_empty());
            assert!(size(&text).is_ok() || !size(&text).unwrap_err().is_empty());
        }
    }
}
