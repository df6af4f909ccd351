//! What goes wrong on demand.
//!
//! A fault waits for requests to a path (the log's, unless it says otherwise), lets the first few pass, and then takes
//! place a number of times or at random. One request meets one fault at most: the first that is due, in the order in
//! which they were added.

use std::str::FromStr;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A fault, and when it takes place. As JSON: `{"kind":"status","status":503,"count":2}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// How often; without it once, or for ever if there is a `percent`.
    #[serde(default)]
    pub count: Option<u32>,
    /// To this share of the requests, by chance; without it to each.
    #[serde(default)]
    pub percent: Option<f64>,
    /// Lets so many requests pass first.
    #[serde(default)]
    pub after_requests: u32,
    /// Of which path; `*` for all. Without it the log's.
    #[serde(default)]
    pub path: Option<String>,
    /// `status`, `html_error`: which one.
    #[serde(default)]
    pub status: Option<u16>,
    /// `stall`, `slow_start`: how long; without it for ever. `rate_limited`: until the reset. `late_event`: how late.
    #[serde(default)]
    pub ms: Option<u64>,
    /// `huge_page`: of how many bytes.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// `header`: which one.
    #[serde(default)]
    pub name: Option<String>,
    /// `header`: its value, without it the header is taken away. `foreign_next`, `redirect`: the origin.
    /// `invalid_element`: the element.
    #[serde(default)]
    pub value: Option<String>,
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// An error with Okta's body for this `status` (500).
    Status,
    /// An error with a proxy's HTML page and this `status` (502).
    HtmlError,
    /// 200, a `next`, and an HTML page.
    Html200,
    /// 401 with an HTML page.
    UnauthorizedHtml,
    /// 403 as for a missing permission.
    Forbidden,
    /// 403 as for an access token without the scope.
    InsufficientScope,
    /// 429 with the three headers and a reset in `ms` (1,000).
    RateLimited,
    /// 429 without any rate-limit header.
    RateLimitedBare,
    /// 429 as for too many requests at a time: limit and remaining are 0.
    Concurrency,
    /// To another origin (`value`).
    Redirect,
    /// The connection is reset without an answer.
    Reset,
    /// No answer for `ms`.
    SlowStart,
    /// The body stops in the middle for `ms`.
    Stall,
    /// The connection ends in the middle of a body with a `Content-Length`.
    CutLength,
    /// The connection ends in the middle of a chunked body.
    CutChunked,
    /// A body that ends properly, but in the middle of the page.
    Truncated,
    /// A body that ends like a page, but breaks in the middle.
    InvalidJson,
    /// A first element that is none (`value`), in an array that is sound.
    InvalidElement,
    /// An object around the array.
    NotArray,
    /// An empty page although there are events; `next` asks again.
    EmptyPage,
    /// The page before, with its `next`.
    DuplicatePage,
    /// A page of so many `bytes`, by spaces at its end.
    HugePage,
    /// Compressed, whatever was asked for.
    Gzip,
    /// All cursors given so far become unknown.
    InvalidateCursors,
    /// `next` on another origin (`value`).
    ForeignNext,
    /// `next` on the org's `-admin` host.
    AdminNext,
    /// `next` is what was asked for.
    SelfNext,
    /// No `next`.
    NoNext,
    /// `next` before `self`.
    NextFirst,
    /// Both links in one header line.
    LinksJoined,
    /// A header (`name`) with another `value`, or without one, not at all.
    Header,
    /// Each rate-limit header twice.
    DoubleRateHeaders,
    /// No rate-limit headers.
    NoRateHeaders,
    /// An event is persisted that was published `ms` ago (600,000).
    LateEvent,
}

/// A fault that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{text}: {source}; write kind,key=value,… or JSON")]
pub struct FaultError {
    text: String,
    source: serde_json::Error,
}

impl Fault {
    /// To the next request for logs.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            count: None,
            percent: None,
            after_requests: 0,
            path: None,
            status: None,
            ms: None,
            bytes: None,
            name: None,
            value: None,
        }
    }

    /// To the next `count` requests.
    pub fn times(self, count: u32) -> Self {
        Self {
            count: Some(count),
            ..self
        }
    }

    /// To this share of all requests.
    pub fn percent(self, percent: f64) -> Self {
        Self {
            percent: Some(percent),
            ..self
        }
    }

    /// After so many requests.
    pub fn after(self, requests: u32) -> Self {
        Self {
            after_requests: requests,
            ..self
        }
    }

    /// To requests for another path.
    pub fn on(self, path: &str) -> Self {
        Self {
            path: Some(path.to_owned()),
            ..self
        }
    }

    /// With this status.
    pub fn status(self, status: u16) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }

    /// For so long.
    pub fn ms(self, ms: u64) -> Self {
        Self {
            ms: Some(ms),
            ..self
        }
    }

    /// So large.
    pub fn bytes(self, bytes: u64) -> Self {
        Self {
            bytes: Some(bytes),
            ..self
        }
    }

    /// With this value.
    pub fn value(self, value: &str) -> Self {
        Self {
            value: Some(value.to_owned()),
            ..self
        }
    }

    /// A header with another value.
    pub fn header(name: &str, value: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..Self::new(FaultKind::Header)
        }
        .value(value)
    }

    /// An answer without this header.
    pub fn without_header(name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            ..Self::new(FaultKind::Header)
        }
    }

    fn concerns(&self, path: &str) -> bool {
        match self.path.as_deref() {
            None => path == crate::LOGS_PATH,
            Some("*") => true,
            Some(wanted) => wanted == path,
        }
    }
}

impl FaultKind {
    /// As in JSON.
    pub fn name(self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.as_str().unwrap_or_default().to_owned()
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    /// Reads `kind,key=value,…` or JSON.
    fn from_str(text: &str) -> Result<Self, FaultError> {
        let parsed = if text.starts_with('{') {
            serde_json::from_str(text)
        } else {
            serde_json::from_value(Value::Object(members(text)))
        };
        parsed.map_err(|source| FaultError {
            text: text.to_owned(),
            source,
        })
    }
}

fn members(text: &str) -> Map<String, Value> {
    let mut parts = text.split(',');
    let kind = parts.next().unwrap_or_default();
    let pairs = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
    pairs
        .map(|(key, value)| {
            let text = matches!(key, "path" | "name" | "value");
            let number = if text {
                None
            } else {
                serde_json::from_str(value).ok()
            };
            (key.to_owned(), number.unwrap_or_else(|| value.into()))
        })
        .chain([("kind".to_owned(), kind.into())])
        .collect()
}

struct Waiting {
    fault: Fault,
    to_pass: u32,
    /// None: for ever.
    left: Option<u32>,
}

/// The faults that wait.
pub(crate) struct Faults {
    waiting: Vec<Waiting>,
    rng: StdRng,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            waiting: Vec::new(),
            rng: StdRng::seed_from_u64(seed),
        }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        let once = if fault.percent.is_none() {
            Some(1)
        } else {
            None
        };
        self.waiting.push(Waiting {
            to_pass: fault.after_requests,
            left: fault.count.or(once),
            fault,
        });
    }

    /// Forgets all that wait.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The fault that a request for this path meets.
    pub(crate) fn meet(&mut self, path: &str) -> Option<Fault> {
        let mut met = None;
        for waiting in &mut self.waiting {
            if !waiting.fault.concerns(path) {
                continue;
            }
            if waiting.to_pass > 0 {
                waiting.to_pass -= 1;
                continue;
            }
            if met.is_some() {
                continue;
            }
            let share = waiting.fault.percent.unwrap_or(100.0) / 100.0;
            if self.rng.random::<f64>() < share {
                waiting.left = waiting.left.map(|left| left.saturating_sub(1));
                met = Some(waiting.fault.clone());
            }
        }
        self.waiting.retain(|waiting| waiting.left != Some(0));
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGS: &str = crate::LOGS_PATH;

    fn kinds(faults: &mut Faults, requests: usize) -> Vec<Option<FaultKind>> {
        (0..requests)
            .map(|_| faults.meet(LOGS).map(|fault| fault.kind))
            .collect()
    }

    #[test]
    fn faults_take_turns_and_count() {
        let mut faults = Faults::new(1);
        faults.add(Fault::new(FaultKind::Reset).times(2));
        faults.add(Fault::new(FaultKind::Gzip).after(3));
        let (reset, gzip) = (Some(FaultKind::Reset), Some(FaultKind::Gzip));
        assert_eq!(kinds(&mut faults, 5), [reset, reset, None, gzip, None]);
    }

    #[test]
    fn other_paths_are_not_concerned() {
        let mut faults = Faults::new(1);
        faults.add(Fault::new(FaultKind::Reset).on("/api/v1/users/me"));
        assert_eq!(faults.meet(LOGS), None);
        assert!(faults.meet("/api/v1/users/me").is_some());
    }

    #[test]
    fn percent_is_about_that_share_and_repeats_with_its_seed() {
        let run = || {
            let mut faults = Faults::new(7);
            faults.add(Fault::new(FaultKind::Status).percent(10.0));
            kinds(&mut faults, 2000)
        };
        let met = run().iter().flatten().count();
        assert!((140..260).contains(&met), "{met}");
        assert_eq!(run(), run());
    }

    #[test]
    fn short_form_and_json_say_the_same() {
        let short: Fault = "status,status=503,count=2,percent=1.5,path=*"
            .parse()
            .unwrap();
        let json = r#"{"kind":"status","status":503,"count":2,"percent":1.5,"path":"*"}"#;
        assert_eq!(short, json.parse().unwrap());
        let header: Fault = "header,name=x-rate-limit-reset,value=9".parse().unwrap();
        assert_eq!(header.value.as_deref(), Some("9"));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, named) in [("stauts", "stauts"), ("status,code=1", "code")] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
