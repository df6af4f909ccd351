//! What a request to `/api/v1/logs` asks for.
//!
//! Two kinds of request: *polling* (no `until`, ascending) reads by persistence and never ends; *bounded* reads by
//! `published` between two times and ends.

use jiff::Timestamp;
use url::form_urlencoded::{Serializer, parse};

use crate::clock::{DAY_MS, iso};
use crate::error::ApiError;
use crate::filter::Filter;

const DEFAULT_SINCE_MS: i64 = 7 * DAY_MS;
/// Older events are gone for every request.
pub(crate) const RETENTION_MS: i64 = 90 * DAY_MS;
const OLDEST_SINCE_MS: i64 = 180 * DAY_MS;
const LIMIT_DEFAULT: usize = 100;
/// The largest page.
pub(crate) const LIMIT_MAX: usize = 1000;
const KEYWORDS_MAX: usize = 10;
const KEYWORD_CHARS_MAX: usize = 40;

/// A request for a page, understood and checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LogQuery {
    pub(crate) since: i64,
    /// None in a polling request.
    pub(crate) until: Option<i64>,
    pub(crate) limit: usize,
    pub(crate) descending: bool,
    pub(crate) filter: Option<Filter>,
    /// In lower case; every one must occur.
    pub(crate) keywords: Vec<String>,
}

/// The parameters as they were sent, decoded. An empty one counts as absent; of two with one name the first counts.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
    pub(crate) limit: Option<String>,
    pub(crate) sort_order: Option<String>,
    pub(crate) filter: Option<String>,
    pub(crate) q: Option<String>,
    pub(crate) after: Option<String>,
}

impl Parameters {
    /// Splits and decodes a query.
    pub(crate) fn parse(raw: &str) -> Self {
        let mut found = Self::default();
        for (name, value) in parse(raw.as_bytes()) {
            let place = match &*name {
                "since" => &mut found.since,
                "until" => &mut found.until,
                "limit" => &mut found.limit,
                "sortOrder" => &mut found.sort_order,
                "filter" => &mut found.filter,
                "q" => &mut found.q,
                "after" => &mut found.after,
                _ => continue,
            };
            if place.is_none() && !value.is_empty() {
                *place = Some(value.into_owned());
            }
        }
        found
    }

    /// Descending without an end is neither polling nor bounded.
    pub(crate) fn is_endless_descending(&self) -> bool {
        self.until.is_none() && self.is_descending().unwrap_or(false)
    }

    /// Checks everything, at a time the org calls now.
    pub(crate) fn check(&self, now: i64) -> Result<LogQuery, ApiError> {
        let descending = self.is_descending()?;
        let until = match &self.until {
            Some(text) => Some(date("until", text)?),
            None => descending.then_some(now),
        };
        let since = match &self.since {
            Some(text) => date("since", text)?,
            // A cursor says where to begin.
            None if self.after.is_some() => now - RETENTION_MS,
            None => until.unwrap_or(now) - DEFAULT_SINCE_MS,
        };
        if since < now - OLDEST_SINCE_MS {
            return Err(ApiError::new(
                http::StatusCode::BAD_REQUEST,
                "E0000053",
                "Invalid parameter: The since parameter is over 180 days prior to the current day.",
            ));
        }
        if until.is_some_and(|until| until < since) {
            return Err(ApiError::validation(
                "'until'",
                "until: must not be before 'since'",
            ));
        }
        Ok(LogQuery {
            since,
            until,
            limit: self.limit()?,
            descending,
            filter: self.filter.as_deref().map(Filter::parse).transpose()?,
            keywords: self.keywords()?,
        })
    }

    /// The query of a link to this request's next page, in the one order links have, without `after`.
    pub(crate) fn link(&self, query: &LogQuery) -> String {
        let mut link = Serializer::new(String::new());
        link.append_pair("since", &iso(query.since));
        if let Some(until) = query.until {
            link.append_pair("until", &iso(until));
        }
        link.append_pair("limit", &query.limit.to_string());
        let order = if query.descending {
            "DESCENDING"
        } else {
            "ASCENDING"
        };
        link.append_pair("sortOrder", order);
        for (name, value) in [("q", &self.q), ("filter", &self.filter)] {
            if let Some(value) = value {
                link.append_pair(name, value);
            }
        }
        link.finish()
    }

    fn is_descending(&self) -> Result<bool, ApiError> {
        match self.sort_order.as_deref() {
            None | Some("ASCENDING") => Ok(false),
            Some("DESCENDING") => Ok(true),
            Some(_) => Err(ApiError::validation(
                "sortOrder",
                "sortOrder: must be ASCENDING or DESCENDING",
            )),
        }
    }

    fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = &self.limit else {
            return Ok(LIMIT_DEFAULT);
        };
        match text.parse() {
            Ok(limit @ 1..=LIMIT_MAX) => Ok(limit),
            _ => Err(ApiError::validation(
                "limit",
                "limit: must be between 1 and 1000",
            )),
        }
    }

    fn keywords(&self) -> Result<Vec<String>, ApiError> {
        let words = self.q.as_deref().unwrap_or_default().split_whitespace();
        let words: Vec<_> = words.map(str::to_lowercase).collect();
        if words.len() > KEYWORDS_MAX {
            return Err(ApiError::validation(
                "q",
                "q: must not have more than 10 keywords",
            ));
        }
        if words
            .iter()
            .any(|word| word.chars().count() > KEYWORD_CHARS_MAX)
        {
            return Err(ApiError::validation(
                "q",
                "q: keywords must not be longer than 40 characters",
            ));
        }
        Ok(words)
    }
}

impl LogQuery {
    /// Whether every event matches, so that none has to be looked at.
    pub(crate) fn takes_all(&self) -> bool {
        self.filter.is_none() && self.keywords.is_empty()
    }

    /// Whether an event's bytes match.
    pub(crate) fn matches(&self, event: &[u8]) -> bool {
        if !self.keywords.is_empty() {
            let text = String::from_utf8_lossy(event).to_lowercase();
            if !self.keywords.iter().all(|word| text.contains(word)) {
                return false;
            }
        }
        let Some(filter) = &self.filter else {
            return true;
        };
        serde_json::from_slice(event).is_ok_and(|event| filter.matches(&event))
    }
}

fn date(name: &str, text: &str) -> Result<i64, ApiError> {
    let parsed: Result<Timestamp, _> = text.parse();
    parsed.map(Timestamp::as_millisecond).map_err(|_| {
        ApiError::validation(
            &format!("'{name}': The date format in your query is not recognized. Please enter dates using ISO8601 string format."),
            format!("{name}: The date format in your query is not recognized."),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_772_359_200_000;

    fn check(raw: &str) -> Result<LogQuery, ApiError> {
        Parameters::parse(raw).check(NOW)
    }

    #[test]
    fn defaults_are_seven_days_and_a_hundred_events() {
        let query = check("").unwrap();
        assert_eq!(query.since, NOW - 7 * DAY_MS);
        assert_eq!(
            (query.until, query.limit, query.descending),
            (None, 100, false)
        );
    }

    #[test]
    fn empty_until_counts_as_absent() {
        assert_eq!(check("until=").unwrap().until, None);
    }

    #[test]
    fn descending_ends_now() {
        assert_eq!(check("sortOrder=DESCENDING").unwrap().until, Some(NOW));
        assert!(Parameters::parse("sortOrder=DESCENDING").is_endless_descending());
    }

    #[test]
    fn refusals_have_their_codes() {
        let words = ["w"; 11].join("+");
        for (raw, code) in [
            ("since=yesterday".to_owned(), "E0000001"),
            ("until=2026-02-31T00:00:00Z".to_owned(), "E0000001"),
            ("limit=0".to_owned(), "E0000001"),
            ("limit=1001".to_owned(), "E0000001"),
            ("limit=ten".to_owned(), "E0000001"),
            ("sortOrder=UP".to_owned(), "E0000001"),
            ("since=2025-01-01T00:00:00Z".to_owned(), "E0000053"),
            ("filter=published+gt+1".to_owned(), "E0000053"),
            (format!("q={}", "x".repeat(41)), "E0000001"),
            (format!("q={words}"), "E0000001"),
        ] {
            assert_eq!(check(&raw).unwrap_err().code, code, "{raw}");
        }
    }

    #[test]
    fn link_has_one_order_and_a_full_since() {
        let parameters = Parameters::parse(
            "q=a+b&limit=5&filter=eventType%20eq%20%22x%22&since=2026-02-28T10:00:00Z",
        );
        let query = parameters.check(NOW).unwrap();
        assert_eq!(
            parameters.link(&query),
            "since=2026-02-28T10%3A00%3A00.000Z&limit=5&sortOrder=ASCENDING&q=a+b&filter=eventType+eq+%22x%22"
        );
    }

    #[test]
    fn keywords_must_all_occur_in_any_case() {
        let query = check("q=Session+zoë").unwrap();
        assert!(query.matches("{\"a\":\"user.session.start\",\"b\":\"ZOË\"}".as_bytes()));
        assert!(!query.matches(b"{\"a\":\"user.session.start\"}"));
    }
}
