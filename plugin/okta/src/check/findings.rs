//! What answers say, in words for people.

use logweir_plugin::http::HttpError;
use serde_json::Value;

use super::Answer;
use crate::answer::OktaError;
use crate::batch::records;
use crate::scan::{PageFault, scan};
use crate::time::{DAY, SECOND};

/// What a finding is about, in the order of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Address,
    Organization,
    Clock,
    Credential,
    Permission,
    Query,
    Budget,
    Owner,
    Privilege,
    Newest,
    History,
}

impl Subject {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Organization => "organization",
            Self::Clock => "clock",
            Self::Credential => "credential",
            Self::Permission => "permission",
            Self::Query => "filter",
            Self::Budget => "budget",
            Self::Owner => "owner",
            Self::Privilege => "least privilege",
            Self::Newest => "newest event",
            Self::History => "history",
        }
    }
}

/// What to do when nothing answers.
pub(super) fn address_advice(error: &HttpError) -> &'static str {
    match error {
        HttpError::Dns(_) => "check the spelling of the org's name, and this machine's DNS",
        HttpError::ConnectionRefused | HttpError::Timeout(_) => {
            "check the address, and whether a firewall or a proxy is in the way (`network` in the configuration)"
        }
        HttpError::Tls(_) => {
            "if a proxy of yours looks into TLS, give its certificate (`network: ca_file`); else this is not your org"
        }
        HttpError::Denied(_) => {
            "the host's rules forbid it: see `grants` and `network` in the configuration"
        }
        _ => "check the address, and try again",
    }
}

/// Which org answered; else what is wrong, and what to do.
pub(super) fn organization(answer: &Answer) -> Result<String, (String, String)> {
    let head = &answer.head;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let id = body.get("id").and_then(Value::as_str);
    let advice = "write the host name of your org's sign-in page, like `acme.okta.com`";
    match (head.status, id) {
        (200, Some(id)) => {
            let engine = match body.get("pipeline").and_then(Value::as_str) {
                Some("idx") => ", Okta Identity Engine",
                Some("v1") => ", Okta Classic Engine",
                _ => "",
            };
            Ok(format!("Okta org {id}{engine}"))
        }
        (429 | 500.., _) => {
            let told = head.told(&OktaError::parse(&answer.body));
            Err((told, "try again in a minute".to_owned()))
        }
        (300..=399, _) => {
            let to = head.headers.get("location").unwrap_or("elsewhere");
            Err((
                format!("no Okta org: we are sent on to {to}"),
                advice.to_owned(),
            ))
        }
        (status, _) => Err((
            format!("no Okta org: it answers {status} when asked who it is"),
            advice.to_owned(),
        )),
    }
}

/// The time of the first event of a page, if it has one.
pub(super) fn first_published(answer: &Answer) -> Result<Option<u64>, PageFault> {
    let found = scan(&answer.body)?;
    Ok(records(answer.body.clone(), &found, 0).newest)
}

/// Name and status of a user.
pub(super) fn owner(answer: &Answer) -> Option<(String, String)> {
    if answer.head.status != 200 {
        return None;
    }
    let user: Value = serde_json::from_slice(&answer.body).ok()?;
    let login = user.get("profile").and_then(|profile| profile.get("login"));
    let name = login.or(user.get("id")).and_then(Value::as_str)?;
    let status = user.get("status").and_then(Value::as_str)?;
    Some((name.to_owned(), status.to_owned()))
}

/// A stretch of time, roughly.
pub(super) fn span_of(nanoseconds: u64) -> String {
    let (unit, name) = match nanoseconds / SECOND {
        0..120 => (SECOND, "s"),
        120..7200 => (60 * SECOND, "min"),
        7200..172_800 => (3600 * SECOND, "h"),
        _ => (DAY, "days"),
    };
    format!("{} {name}", nanoseconds / unit)
}
