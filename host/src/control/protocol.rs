//! What is said over the socket.

use serde::{Deserialize, Serialize};

use crate::telemetry::audit::{AuditProgress, AuditReport};
use crate::telemetry::backfill::{BackfillProgress, BackfillReport};
use crate::telemetry::overview::Overview;

/// The version of the conversation. Another number means that words changed their meaning; new requests and new fields
/// do not change it.
pub const VERSION: u32 = 1;

/// Bytes of one request.
pub(super) const REQUEST_BYTES_MAX: u64 = 64 << 10;
/// Bytes of one answer: a picture of ten thousand sources has room.
pub(super) const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What a host says to a request that is none to it, be it older or newer than who asks.
pub(super) const UNKNOWN: &str = "this host does not know the request";

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// What is everything doing?
    Status,
    /// Take up what changed in the configuration.
    Reload,
    /// What does a source have that was never delivered? What the host finds meanwhile is told; who hangs up interrupts it.
    Audit {
        /// Name of the source.
        source: String,
        /// The first moment to look at, nanoseconds since 1970.
        since: u64,
        /// Whether what is missing is delivered.
        fix: bool,
    },
    /// Read more of the past than the first read did. As with an audit, what is done meanwhile is told.
    Backfill {
        /// Name of the source.
        source: String,
        /// The first moment wanted, nanoseconds since 1970.
        since: u64,
    },
}

/// What the host says to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Overview>),
    /// To [`Request::Reload`]: what changed, in one line.
    Reloaded(String),
    /// To [`Request::Reload`]: nothing changed.
    NotReloaded {
        /// Whether the configuration is wrong; else something else prevents it.
        configuration: bool,
        /// Why, for people; of a configuration a page, in which nothing moves a terminal's cursor.
        why: String,
    },
    /// How far [`Request::Audit`] is: more follows, at least each few seconds.
    AuditProgress(AuditProgress),
    /// To [`Request::Audit`], when it has ended.
    Audit(Box<AuditReport>),
    /// How far [`Request::Backfill`] is: more follows, at least each few seconds.
    BackfillProgress(BackfillProgress),
    /// To [`Request::Backfill`], when it has ended.
    Backfill(BackfillReport),
    /// It won't, for this reason.
    Refused(String),
}

/// A request as a line.
#[derive(Debug, Serialize, Deserialize)]
struct RequestLine {
    version: u32,
    request: Request,
}

/// An answer as a line.
#[derive(Debug, Serialize, Deserialize)]
struct AnswerLine {
    version: u32,
    answer: Answer,
}

/// What every line has, whatever its version.
#[derive(Debug, Deserialize)]
struct AnyLine {
    version: u32,
}

impl Request {
    /// The line to send.
    pub(super) fn to_line(&self) -> Result<Vec<u8>, serde_json::Error> {
        line(&RequestLine {
            version: VERSION,
            request: self.clone(),
        })
    }

    /// What a line asks; else why that can't be told, in words for who sent it.
    pub(super) fn from_line(line: &[u8]) -> Result<Self, String> {
        let any: AnyLine = serde_json::from_slice(line)
            .map_err(|error| format!("a request is one line of JSON with a version: {error}"))?;
        if any.version != VERSION {
            let asked = any.version;
            return Err(format!(
                "this host speaks version {VERSION}, and was asked in version {asked}"
            ));
        }
        let line: RequestLine =
            serde_json::from_slice(line).map_err(|error| format!("{UNKNOWN}: {error}"))?;
        Ok(line.request)
    }
}

impl Answer {
    /// Whether the answer proper is still to come.
    pub fn is_news(&self) -> bool {
        matches!(self, Self::AuditProgress(_) | Self::BackfillProgress(_))
    }

    /// The line to send.
    pub(super) fn to_line(&self) -> Result<Vec<u8>, serde_json::Error> {
        line(&AnswerLine {
            version: VERSION,
            answer: self.clone(),
        })
    }

    /// What a line says.
    pub(super) fn from_line(line: &[u8]) -> Result<Self, serde_json::Error> {
        let line: AnswerLine = serde_json::from_slice(line)?;
        Ok(line.answer)
    }
}

fn line(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_documentation_says() {
        let line = Request::Status.to_line().unwrap();
        assert_eq!(line, b"{\"version\":1,\"request\":\"status\"}\n");
        assert_eq!(Request::from_line(&line), Ok(Request::Status));
        let audit = Request::Audit {
            source: "acme".to_owned(),
            since: 7,
            fix: false,
        };
        let line = audit.to_line().unwrap();
        let expected =
            r#"{"version":1,"request":{"audit":{"source":"acme","since":7,"fix":false}}}"#;
        assert_eq!(
            String::from_utf8(line.clone()).unwrap().trim_end(),
            expected
        );
        assert_eq!(Request::from_line(&line), Ok(audit));
    }

    #[test]
    fn another_version_and_an_unknown_request_are_refused_with_words() {
        let refused = |line: &str| Request::from_line(line.as_bytes()).unwrap_err();
        assert!(refused(r#"{"version":2,"request":"status"}"#).contains("version 1"));
        assert!(refused(r#"{"version":2,"shape":"new"}"#).contains("version 2"));
        assert!(refused(r#"{"version":1,"request":"explode"}"#).contains("explode"));
        assert!(refused("GET / HTTP/1.1").contains("JSON"));
        assert!(refused("{}").contains("version"));
    }

    #[test]
    fn answers_are_lines() {
        for answer in [
            Answer::Refused("not\nyou".to_owned()),
            Answer::Status(Box::default()),
            Answer::Reloaded("+ acme; 2 unchanged".to_owned()),
            Answer::NotReloaded {
                configuration: true,
                why: "two\nlines".to_owned(),
            },
            Answer::AuditProgress(AuditProgress::default()),
            Answer::Audit(Box::default()),
            Answer::BackfillProgress(BackfillProgress::default()),
            Answer::Backfill(BackfillReport::default()),
        ] {
            let line = answer.to_line().unwrap();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(Answer::from_line(&line).unwrap(), answer);
        }
    }
}
