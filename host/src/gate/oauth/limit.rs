//! How long to leave a token endpoint alone that says that there were too many requests.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use super::clock::date;
use crate::gate::need::{RateLimit, ResetFormat};

/// Without any word of the peer.
const UNTOLD: Duration = Duration::from_secs(15);
/// Whatever the peer says.
const LONGEST: Duration = Duration::from_secs(300);

/// By `Retry-After`, else by the headers that the peer's API tells the same with; both clocks in that are the peer's.
pub(super) fn wait(headers: &HeaderMap, names: Option<&RateLimit>) -> Duration {
    let number = |name: HeaderName| -> Option<i64> {
        let text = headers.get(name)?.to_str().ok()?;
        text.trim().parse().ok()
    };
    let by_reset = || {
        let names = names?;
        let reset = number(HeaderName::from_bytes(names.reset.as_bytes()).ok()?)?;
        match names.reset_is {
            ResetFormat::DeltaSeconds => Some(reset),
            ResetFormat::EpochSeconds => reset.checked_sub(date(headers)?),
        }
    };
    let seconds = number(header::RETRY_AFTER).or_else(by_reset);
    // Both ends are cut to whole seconds.
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds.checked_add(1)?).ok());
    seconds.map_or(UNTOLD, Duration::from_secs).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_14_a_token_endpoint_is_left_alone_for_as_long_as_it_says() {
        let names = RateLimit {
            limit: "x-limit".into(),
            remaining: "x-left".into(),
            reset: "x-reset".into(),
            reset_is: ResetFormat::EpochSeconds,
        };
        let date = ("date", "Mon, 29 Sep 2025 06:24:57 GMT");
        let waited = |pairs: &[(&'static str, &str)]| {
            let pairs = pairs.iter();
            let headers =
                pairs.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            wait(&headers.collect(), Some(&names)).as_secs()
        };
        assert_eq!(waited(&[("retry-after", "7")]), 8);
        assert_eq!(waited(&[date, ("x-reset", "1759127105")]), 9);
        assert_eq!(waited(&[date, ("x-reset", "9999999999")]), 300);
        assert_eq!(waited(&[("x-reset", "1759127105")]), 15);
        assert_eq!(waited(&[("retry-after", "-9")]), 15);
    }
}
