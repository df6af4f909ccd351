//! The part of SCIM filters (RFC 7644, 3.4.2.2) that the System Log knows: comparisons, `and`, `or`, `not`, parentheses.
//!
//! Events are parsed only when a request has a filter; an event that is not JSON matches none.

use std::cmp::Ordering;

use serde_json::Value;

use crate::error::ApiError;

/// A filter nested deeper than this is refused.
const DEPTH_MAX: usize = 32;

/// What an event may be asked about.
const FIELDS: [&str; 16] = [
    "actor",
    "authenticationContext",
    "client",
    "debugContext",
    "device",
    "displayMessage",
    "eventType",
    "legacyEventType",
    "outcome",
    "request",
    "securityContext",
    "severity",
    "target",
    "transaction",
    "uuid",
    "version",
];
/// Not searchable by a part of their text.
const NEVER_BY_PART: [&str; 2] = [
    "debugContext.debugData.url",
    "debugContext.debugData.requestUri",
];
const EXPECTED: &str = "eq,co,ew,ge,gt,le,lt,ne,pr,sw";

/// A filter that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Not(Box<Filter>),
    Present(String),
    Compare(String, Operator, Value),
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
    Sw,
    Ew,
    Co,
}

impl Filter {
    /// Reads a filter; the error is the one Okta answers with.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let mut parser = Parser {
            text,
            at: 0,
            depth: 0,
        };
        let filter = parser.any()?;
        match parser.next() {
            None => Ok(filter),
            Some((at, word)) => Err(ApiError::filter(format!(
                "Unexpected '{word}' at position {at}"
            ))),
        }
    }

    /// Whether an event matches.
    pub(crate) fn matches(&self, event: &Value) -> bool {
        match self {
            Self::Any(filters) => filters.iter().any(|filter| filter.matches(event)),
            Self::All(filters) => filters.iter().all(|filter| filter.matches(event)),
            Self::Not(filter) => !filter.matches(event),
            Self::Present(path) => any_at(event, path, &mut |value| !value.is_null()),
            Self::Compare(path, Operator::Ne, wanted) => {
                !any_at(event, path, &mut |value| value == wanted)
            }
            Self::Compare(path, operator, wanted) => {
                any_at(event, path, &mut |value| operator.holds(value, wanted))
            }
        }
    }
}

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "lt" => Self::Lt,
            "le" => Self::Le,
            "sw" => Self::Sw,
            "ew" => Self::Ew,
            "co" => Self::Co,
            _ => return None,
        })
    }

    fn holds(self, value: &Value, wanted: &Value) -> bool {
        let order = || compare(value, wanted);
        let texts = || value.as_str().zip(wanted.as_str());
        match self {
            Self::Eq => value == wanted,
            Self::Ne => value != wanted,
            Self::Gt => order() == Some(Ordering::Greater),
            Self::Ge => order().is_some_and(Ordering::is_ge),
            Self::Lt => order() == Some(Ordering::Less),
            Self::Le => order().is_some_and(Ordering::is_le),
            Self::Sw => texts().is_some_and(|(text, part)| text.starts_with(part)),
            Self::Ew => texts().is_some_and(|(text, part)| text.ends_with(part)),
            Self::Co => texts().is_some_and(|(text, part)| text.contains(part)),
        }
    }
}

fn compare(value: &Value, wanted: &Value) -> Option<Ordering> {
    match (value, wanted) {
        (Value::String(value), Value::String(wanted)) => Some(value.cmp(wanted)),
        _ => value.as_f64()?.partial_cmp(&wanted.as_f64()?),
    }
}

/// Whether a value at a dotted path passes; every element of an array counts.
fn any_at(value: &Value, path: &str, passes: &mut dyn FnMut(&Value) -> bool) -> bool {
    if let Value::Array(elements) = value {
        return elements.iter().any(|element| any_at(element, path, passes));
    }
    if path.is_empty() {
        return passes(value);
    }
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    value
        .get(name)
        .is_some_and(|inner| any_at(inner, rest, passes))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Filter, ApiError> {
        self.chain("or", Self::all, Filter::Any)
    }

    fn all(&mut self) -> Result<Filter, ApiError> {
        self.chain("and", Self::one, Filter::All)
    }

    /// Terms joined by a word; a single term stays what it is.
    fn chain(
        &mut self,
        joint: &str,
        term: fn(&mut Self) -> Result<Filter, ApiError>,
        together: fn(Vec<Filter>) -> Filter,
    ) -> Result<Filter, ApiError> {
        let first = term(self)?;
        let mut terms = vec![first];
        while self.take(joint) {
            terms.push(term(self)?);
        }
        Ok(match terms.len() {
            1 => terms.remove(0),
            _ => together(terms),
        })
    }

    fn one(&mut self) -> Result<Filter, ApiError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ApiError::filter("too deeply nested"));
        }
        let filter = if self.take("not") {
            Filter::Not(Box::new(self.one()?))
        } else if self.take("(") {
            self.parenthesized()?
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(filter)
    }

    fn parenthesized(&mut self) -> Result<Filter, ApiError> {
        let inner = self.any()?;
        match self.take(")") {
            true => Ok(inner),
            false => Err(ApiError::filter(format!(
                "Expected ')' at position {}",
                self.at
            ))),
        }
    }

    fn comparison(&mut self) -> Result<Filter, ApiError> {
        let path = field(self.word()?.1)?;
        let (at, word) = self.word()?;
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let Some(operator) = Operator::parse(word) else {
            return Err(ApiError::filter(format!(
                "Unrecognized attribute operator '{word}' at position {at}. Expected: {EXPECTED}"
            )));
        };
        if operator == Operator::Co && NEVER_BY_PART.contains(&path.as_str()) {
            return Err(ApiError::criteria(format!(
                "The operator 'co' is not supported for '{path}'"
            )));
        }
        let (at, word) = self.word()?;
        let value = serde_json::from_str(word).map_err(|_| {
            ApiError::filter(format!("Unrecognized value '{word}' at position {at}"))
        })?;
        Ok(Filter::Compare(path, operator, value))
    }

    fn word(&mut self) -> Result<(usize, &'a str), ApiError> {
        let end = || ApiError::criteria("The filter must be a valid SCIM filter expression");
        let found = self.next().ok_or_else(end)?;
        self.at = found.0 + found.1.len();
        Ok(found)
    }

    fn take(&mut self, wanted: &str) -> bool {
        match self.next() {
            Some((at, word)) if word.eq_ignore_ascii_case(wanted) => {
                self.at = at + word.len();
                true
            }
            _ => false,
        }
    }

    /// The next word and its place: a parenthesis, a quoted string, or a run of other characters.
    fn next(&self) -> Option<(usize, &'a str)> {
        let rest = self.text.get(self.at..)?;
        let trimmed = rest.trim_start();
        let at = self.at + (rest.len() - trimmed.len());
        let length = match trimmed.chars().next()? {
            '(' | ')' => 1,
            '"' => quoted(trimmed),
            _ => trimmed.find([' ', '(', ')', '\t']).unwrap_or(trimmed.len()),
        };
        Some((at, trimmed.get(..length)?))
    }
}

/// The length of the string literal that text begins with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn field(path: &str) -> Result<String, ApiError> {
    let name = path.split('.').next().unwrap_or_default();
    match FIELDS.contains(&name) && !path.contains("changeDetails") {
        true => Ok(path.to_owned()),
        false => Err(ApiError::filter(format!("field '{path}' is not supported"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(filter: &str) -> bool {
        let event = json!({
            "eventType": "user.session.start", "severity": "INFO", "outcome": {"result": "SUCCESS", "reason": null},
            "actor": {"id": "00u1"}, "securityContext": {"asNumber": 64500},
            "target": [{"id": "a", "type": "User"}, {"id": "b", "type": "AppInstance"}]
        });
        Filter::parse(filter).unwrap().matches(&event)
    }

    #[test]
    fn comparisons() {
        for yes in [
            r#"eventType eq "user.session.start""#,
            r#"eventType SW "user.""#,
            r#"eventType ew "start" and severity eq "INFO""#,
            r#"eventType co "session""#,
            r#"target.id eq "b""#,
            r#"securityContext.asNumber ge 64500"#,
            r#"severity ne "WARN""#,
            "actor.id pr",
            r#"not (actor.id eq "x")"#,
            r#"actor.id eq "x" or (severity eq "INFO" and outcome.result eq "SUCCESS")"#,
        ] {
            assert!(matches(yes), "{yes}");
        }
        for no in [
            r#"eventType eq "User.session.start""#,
            r#"target.id eq "c""#,
            r#"securityContext.asNumber gt 64500"#,
            r#"severity ne "INFO""#,
            "outcome.reason pr",
            "client.id pr",
        ] {
            assert!(!matches(no), "{no}");
        }
    }

    #[test]
    fn refusals_name_code_and_place() {
        for (filter, code, text) in [
            (r#"eventType eqq "x""#, "E0000053", "'eqq' at position 10"),
            (
                r#"published gt "2026-01-01T00:00:00Z""#,
                "E0000053",
                "published",
            ),
            (
                r#"debugContext.debugData.url co "x""#,
                "E0000031",
                "Invalid search criteria",
            ),
            ("eventType eq", "E0000031", ""),
            (r#"(eventType eq "x""#, "E0000053", "')'"),
            (r#"eventType eq "x" severity"#, "E0000053", "'severity'"),
            ("eventType eq x", "E0000053", "'x'"),
        ] {
            let error = Filter::parse(filter).unwrap_err();
            assert_eq!(error.code, code, "{filter}");
            assert!(error.to_string().contains(text), "{error}");
        }
        assert!(Filter::parse(&"(".repeat(1000)).is_err());
        assert!(Filter::parse(&"not ".repeat(50_000)).is_err());
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(matches(
            r#"severity eq "INFO" or severity eq "X" and severity eq "Y""#
        ));
    }
}
