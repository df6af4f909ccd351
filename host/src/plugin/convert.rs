//! From the generated types to the host's own. Text that people will read is scrubbed of secrets and shortened here.

use std::time::Duration;

use super::bindings::exports::logweir::pipeline::source as guest;
use super::bindings::logweir::pipeline::types;
use crate::gate::{self, Gate};
use crate::record::{Entry, Severity, Span};
use crate::stage::{
    self, CheckReport, ConfigIssue, Finding, Pace, Progress, Refused, StageError, Start,
};

pub(crate) use super::bindings::logweir::pipeline::types::Page as GuestPage;

/// Text for people is cut here: a plugin can't fill a log or a screen.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// A source may ask for at most this wait (delivery rule 8).
const WAIT_MAX: Duration = Duration::from_secs(3_600);

pub(crate) fn entry(entry: types::Entry) -> Entry {
    Entry {
        text: span(entry.text),
        id: span(entry.id),
        kind: span(entry.kind),
        time: entry.time,
        severity: match entry.severity {
            types::Severity::Debug => Severity::Debug,
            types::Severity::Info => Severity::Info,
            types::Severity::Warn => Severity::Warn,
            types::Severity::Error => Severity::Error,
        },
    }
}

fn span(span: types::Span) -> Span {
    Span {
        offset: span.offset,
        length: span.length,
    }
}

pub(crate) fn refused(refused: types::Refused) -> Refused {
    Refused {
        bytes: refused.bytes,
        reason: shorten(refused.reason),
    }
}

pub(crate) fn pace(pace: types::Pace) -> Pace {
    match pace {
        types::Pace::Now => Pace::Now,
        types::Pace::After(wait_ms) => Pace::After(Duration::from_millis(wait_ms).min(WAIT_MAX)),
    }
}

pub(crate) fn progress(progress: types::Progress) -> Progress {
    Progress {
        caught_up: progress.caught_up,
        first: progress.first,
        reached: progress.reached,
        until: progress.until,
        waiting_for: progress.waiting_for.map(shorten),
    }
}

pub(crate) fn start(start: Start) -> types::Start {
    match start {
        Start::First => types::Start::First,
        Start::Checkpoint(checkpoint) => types::Start::Checkpoint(checkpoint.to_string()),
    }
}

pub(crate) fn error(error: types::Error, gate: &Gate) -> StageError {
    let text = |text: String| gate.scrub(&shorten(text)).into_owned();
    match error {
        types::Error::Config(issues) => {
            let issue = |issue: ConfigIssue| ConfigIssue {
                message: text(issue.message),
                ..issue
            };
            StageError::Config(config_issues(issues).into_iter().map(issue).collect())
        }
        types::Error::Unauthorized(why) => StageError::Unauthorized(text(why)),
        types::Error::Throttled(wait_ms) => {
            StageError::Throttled(Duration::from_millis(wait_ms).min(WAIT_MAX))
        }
        types::Error::Transient(why) => StageError::Transient(text(why)),
        types::Error::Permanent(why) => StageError::Permanent(text(why)),
    }
}

pub(crate) fn config_issues(issues: Vec<types::ConfigIssue>) -> Vec<ConfigIssue> {
    let issue = |issue: types::ConfigIssue| ConfigIssue {
        key: issue.key,
        message: shorten(issue.message),
    };
    issues.into_iter().map(issue).collect()
}

pub(crate) fn check_report(report: types::CheckReport, gate: &Gate) -> CheckReport {
    let text = |text: String| gate.scrub(&shorten(text)).into_owned();
    let findings = report.findings.into_iter().map(|finding| Finding {
        subject: text(finding.subject),
        status: match finding.status {
            types::CheckStatus::Ok => stage::CheckStatus::Ok,
            types::CheckStatus::Warning => stage::CheckStatus::Warning,
            types::CheckStatus::Failed => stage::CheckStatus::Failed,
        },
        detail: text(finding.detail),
        advice: finding.advice.map(text),
    });
    CheckReport {
        findings: findings.collect(),
    }
}

pub(crate) fn description(description: guest::Description) -> gate::Description {
    gate::Description {
        name: description.name,
        version: description.version,
        summary: shorten(description.summary),
        config_schema: description.config_schema,
        needs: description.needs.into_iter().map(need).collect(),
        credentials: description
            .credentials
            .into_iter()
            .map(credential_kind)
            .collect(),
    }
}

fn need(need: types::HttpNeed) -> gate::Need {
    gate::Need {
        name: need.name,
        origin: need.origin,
        methods: need.methods,
        paths: need.paths,
        request_headers: need.request_headers,
        response_headers: need.response_headers,
        credential: need.credential,
        rate_limit: need.rate_limit.map(|limit| gate::RateLimit {
            limit: limit.limit,
            remaining: limit.remaining,
            reset: limit.reset,
            reset_is: match limit.reset_is {
                types::ResetFormat::EpochSeconds => gate::ResetFormat::EpochSeconds,
                types::ResetFormat::DeltaSeconds => gate::ResetFormat::DeltaSeconds,
            },
        }),
        check_only: need.check_only,
    }
}

fn credential_kind(kind: types::CredentialKind) -> gate::CredentialKind {
    let scheme = match kind.scheme {
        types::CredentialScheme::Header(header) => gate::Scheme::Header {
            name: header.name,
            value: header.value,
        },
        types::CredentialScheme::Oauth2ClientCredentials(oauth) => {
            gate::Scheme::Oauth(gate::OauthScheme {
                token_url: oauth.token_url,
                scopes: oauth.scopes,
                auth_methods: oauth.auth_methods,
                dpop: oauth.dpop,
            })
        }
    };
    gate::CredentialKind {
        name: kind.name,
        summary: shorten(kind.summary),
        scheme,
    }
}

fn shorten(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push('…');
    }
    text
}
