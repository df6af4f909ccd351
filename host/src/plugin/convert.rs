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
/// A JSON pointer into a configuration is cut here.
const KEY_BYTES_MAX: usize = 256;
/// Nobody corrects more at a time.
const ISSUES_MAX: usize = 32;
/// What a check finds, at most.
const FINDINGS_MAX: usize = 64;
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

pub(crate) fn refused(refused: types::Refused, gate: &Gate) -> Refused {
    Refused {
        bytes: refused.bytes,
        reason: text(&refused.reason, Some(gate)),
    }
}

pub(crate) fn pace(pace: types::Pace) -> Pace {
    match pace {
        types::Pace::Now => Pace::Now,
        types::Pace::After(wait_ms) => Pace::After(Duration::from_millis(wait_ms).min(WAIT_MAX)),
    }
}

pub(crate) fn progress(progress: types::Progress, gate: &Gate) -> Progress {
    let shown = |said: Option<String>| said.map(|said| text(&said, Some(gate)));
    Progress {
        caught_up: progress.caught_up,
        first: progress.first,
        reached: progress.reached,
        until: progress.until,
        waiting_for: shown(progress.waiting_for),
        failing: shown(progress.failing),
    }
}

pub(crate) fn start(start: Start) -> types::Start {
    match start {
        Start::First => types::Start::First,
        Start::Checkpoint(checkpoint) => types::Start::Checkpoint(checkpoint.to_string()),
        Start::At(time) => types::Start::At(time),
        Start::Window {
            since,
            until,
            checkpoint,
        } => types::Start::Window(types::Window {
            since,
            until,
            checkpoint: checkpoint.as_deref().map(str::to_owned),
        }),
    }
}

pub(crate) fn error(error: types::Error, gate: &Gate) -> StageError {
    let text = |said: String| text(&said, Some(gate));
    match error {
        types::Error::Config(issues) => StageError::Config(config_issues(issues, Some(gate))),
        types::Error::Unauthorized(why) => StageError::Unauthorized(text(why)),
        types::Error::Throttled(wait_ms) => {
            StageError::Throttled(Duration::from_millis(wait_ms).min(WAIT_MAX))
        }
        types::Error::Transient(why) => StageError::Transient(text(why)),
        types::Error::Permanent(why) => StageError::Permanent(text(why)),
    }
}

/// `gate` knows the secrets of a plugin that was told any.
pub(crate) fn config_issues(
    issues: Vec<types::ConfigIssue>,
    gate: Option<&Gate>,
) -> Vec<ConfigIssue> {
    let issue = |issue: types::ConfigIssue| ConfigIssue {
        key: scrubbed(&issue.key, gate, KEY_BYTES_MAX),
        message: text(&issue.message, gate),
    };
    issues.into_iter().take(ISSUES_MAX).map(issue).collect()
}

pub(crate) fn check_report(report: types::CheckReport, gate: &Gate) -> CheckReport {
    let text = |said: String| text(&said, Some(gate));
    let finding = |finding: types::Finding| Finding {
        subject: text(finding.subject),
        status: match finding.status {
            types::CheckStatus::Ok => stage::CheckStatus::Ok,
            types::CheckStatus::Warning => stage::CheckStatus::Warning,
            types::CheckStatus::Failed => stage::CheckStatus::Failed,
        },
        detail: text(finding.detail),
        advice: finding.advice.map(text),
    };
    let findings = report.findings.into_iter().take(FINDINGS_MAX);
    CheckReport {
        findings: findings.map(finding).collect(),
    }
}

pub(crate) fn description(description: guest::Description) -> gate::Description {
    gate::Description {
        name: description.name,
        version: description.version,
        summary: shorten(description.summary, TEXT_BYTES_MAX),
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
        summary: shorten(kind.summary, TEXT_BYTES_MAX),
        scheme,
    }
}

/// Text for people.
fn text(said: &str, gate: Option<&Gate>) -> String {
    scrubbed(said, gate, TEXT_BYTES_MAX)
}

/// Without secrets, and then no longer than `bytes_max`: the other way round, the first half of a secret might be left.
fn scrubbed(said: &str, gate: Option<&Gate>, bytes_max: usize) -> String {
    match gate {
        Some(gate) => shorten(gate.scrub(said).into_owned(), bytes_max),
        None => shorten(said.to_owned(), bytes_max),
    }
}

fn shorten(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::gate::{Credential, CredentialKind, GateConfig, GateLimits, Scheme};
    use crate::http::{Clients, NetworkPolicy};

    const SECRET: &str = "planted-secret-of-some-length";

    fn gate() -> std::sync::Arc<Gate> {
        let kind = CredentialKind {
            name: "token".into(),
            summary: String::new(),
            scheme: Scheme::Header {
                name: "authorization".into(),
                value: "{secret}".into(),
            },
        };
        let config = GateConfig {
            source: "acme".into(),
            grants: Vec::new(),
            credentials: vec![Credential::new(&kind, &SecretString::from(SECRET)).unwrap()],
            network: NetworkPolicy::default(),
            limits: GateLimits::default(),
            share: None,
            budgets: std::sync::Arc::default(),
        };
        Gate::new(config, &Clients::default()).unwrap()
    }

    fn config_error(count: usize, key: &str, message: &str) -> Vec<ConfigIssue> {
        let issue = types::ConfigIssue {
            key: key.to_owned(),
            message: message.to_owned(),
        };
        match error(types::Error::Config(vec![issue; count]), &gate()) {
            StageError::Config(issues) => issues,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn trust_10_issues_are_bounded_in_number_and_length_and_say_no_secret() {
        let long = format!("/{SECRET}{}", "k".repeat(1_000));
        let issues = config_error(1_000, &long, SECRET);
        assert_eq!(issues.len(), ISSUES_MAX);
        assert!(issues[0].key.len() <= KEY_BYTES_MAX + '…'.len_utf8());
        assert!(!issues[0].key.contains("planted"), "{}", issues[0].key);
        assert!(!issues[0].message.contains("planted"));
    }

    #[test]
    fn trust_10_a_secret_is_not_cut_in_half() {
        let cut_within = TEXT_BYTES_MAX - SECRET.len() / 2;
        let text = format!("{}{SECRET}", "a".repeat(cut_within));
        let issues = config_error(1, "", &text);
        assert!(!issues[0].message.contains("planted"));
    }

    #[test]
    fn what_a_check_finds_has_an_end() {
        let finding = types::Finding {
            subject: SECRET.to_owned(),
            status: types::CheckStatus::Ok,
            detail: "d".repeat(TEXT_BYTES_MAX * 2),
            advice: None,
        };
        let report = types::CheckReport {
            findings: vec![finding; 1_000],
        };
        let report = check_report(report, &gate());
        assert_eq!(report.findings.len(), FINDINGS_MAX);
        assert!(!report.findings[0].subject.contains("planted"));
        assert!(report.findings[0].detail.len() <= TEXT_BYTES_MAX + '…'.len_utf8());
    }
}
