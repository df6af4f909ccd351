//! The requests that are made by hand. All others are links that Okta gave.

use std::fmt::Write;
use std::time::Duration;

use logweir_plugin::http::Request;

use crate::config::Config;
use crate::link::LOGS;
use crate::time::to_rfc3339;

/// Okta gives a query up after 30 s; what it answers then should be heard.
const FIRST_BYTE: Duration = Duration::from_secs(60);
const BETWEEN_BYTES: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);

/// A request for a path of the org.
pub fn get(config: &Config, path: &str) -> Request {
    Request::get(format!("{}{path}", config.origin))
        .header("accept", "application/json")
        .header("content-type", "application/json")
        .connect_timeout(CONNECT)
        .first_byte_timeout(FIRST_BYTE)
        .between_bytes_timeout(BETWEEN_BYTES)
}

/// The first page of all that was persisted from `since` on. Without `until` and ascending this is what Okta calls
/// polling: complete, in the order of persistence, and without an end.
pub fn polling(config: &Config, since: &str) -> String {
    let limit = config.limit;
    format!(
        "{LOGS}?since={since}&limit={limit}{}&sortOrder=ASCENDING",
        narrowed(config)
    )
}

/// The first page of a closed stretch of the past, in the order of `published`. What is persisted late may be missing:
/// this is for comparing, never for keeping up.
pub fn window(config: &Config, since: &str, until: &str) -> String {
    let limit = config.limit;
    format!(
        "{LOGS}?since={since}&until={until}&limit={limit}{}&sortOrder=ASCENDING",
        narrowed(config)
    )
}

/// The oldest event from `since` on.
pub fn oldest(config: &Config, since: u64) -> String {
    let since = to_rfc3339(since);
    format!(
        "{LOGS}?since={since}&limit=1{}&sortOrder=ASCENDING",
        narrowed(config)
    )
}

/// The newest event of a closed stretch. Descending without an end is no request that Okta knows.
pub fn newest(config: &Config, since: u64, until: u64) -> String {
    let (since, until) = (to_rfc3339(since), to_rfc3339(until));
    format!(
        "{LOGS}?since={since}&until={until}&limit=1{}&sortOrder=DESCENDING",
        narrowed(config)
    )
}

fn narrowed(config: &Config) -> String {
    let mut query = String::new();
    for (name, value) in [("filter", &config.filter), ("q", &config.q)] {
        if let Some(value) = value {
            query = format!("{query}&{name}={}", encoded(value));
        }
    }
    query
}

/// Percent-encodes all but the unreserved characters (RFC 3986 section 2.3).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            // Writing to a `String` can't fail.
            _ => write!(encoded, "%{byte:02X}").unwrap_or_default(),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        Config::parse(&format!(r#"{{"domain":"acme.okta.com"{more}}}"#)).unwrap()
    }

    #[test]
    fn trap_12_limit_is_always_sent() {
        let path = polling(&config(""), "2026-02-01T00:00:00.000Z");
        assert_eq!(
            path,
            "/api/v1/logs?since=2026-02-01T00:00:00.000Z&limit=1000&sortOrder=ASCENDING"
        );
    }

    #[test]
    fn trap_05_what_is_read_has_no_end_and_what_descends_has_one() {
        let config = config(r#","filter":"a eq \"b's\"","q":"x y/ü""#);
        let path = polling(&config, "S");
        assert_eq!(
            path,
            "/api/v1/logs?since=S&limit=1000&filter=a%20eq%20%22b%27s%22&q=x%20y%2F%C3%BC&sortOrder=ASCENDING"
        );
        assert!(!oldest(&config, 0).contains("until="));
        assert!(window(&config, "S", "U").contains("?since=S&until=U&limit=1000&filter="));
        let newest = newest(&config, 0, 1_000_000_000);
        assert!(
            newest.contains("&until=1970-01-01T00:00:01.000Z&limit=1&filter=")
                && newest.ends_with("DESCENDING")
        );
    }

    #[test]
    fn trap_18_every_part_of_an_answer_has_its_time() {
        let request = get(&config(""), "/api/v1/logs");
        assert_eq!(request.url, "https://acme.okta.com/api/v1/logs");
        assert!(request.first_byte_timeout.unwrap() > Duration::from_secs(30));
        assert!(request.between_bytes_timeout.is_some() && request.connect_timeout.is_some());
    }
}
