//! Stretches of time as they are written: a number and one unit, `60d`, without fractions or sums.

use std::time::Duration;

/// Reads a stretch of time. The error says what to write.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let wrong =
        || format!("`{text}` is no stretch of time; write it like `60s`, `5m`, `12h` or `60d`");
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = number.checked_mul(millis).ok_or_else(wrong)?;
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        let seconds = |text| parse(text).map(|time| time.as_secs());
        assert_eq!(seconds("60d"), Ok(60 * 86_400));
        assert_eq!(seconds("12h"), Ok(12 * 3600));
        assert_eq!(seconds("5m"), Ok(300));
        assert_eq!(seconds("0s"), Ok(0));
        assert_eq!(parse("100ms"), Ok(Duration::from_millis(100)));
        for wrong in [
            "",
            "60",
            "d",
            "1.5h",
            "1h30m",
            "-1s",
            " 1s",
            "1 s",
            "1D",
            "99999999999999999999d",
            "184467440737095516d",
        ] {
            let message = parse(wrong).unwrap_err();
            assert!(message.contains("60d"), "{message}");
        }
    }
}
