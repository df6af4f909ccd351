//! What went wrong, told apart by what the caller should do next.

use std::time::Duration;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigIssue {
    /// A JSON pointer (RFC 6901) into the plugin's configuration, `""` for all of it. The host turns it into file,
    /// line and caret.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl ConfigIssue {
    /// What is wrong at `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }
}

/// What went wrong. After [`Error::Throttled`] and [`Error::Transient`] the stage lives on and is asked again; after
/// the others it is dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Stop: a person must change something.
    #[error("{}", join(.0))]
    Config(Vec<ConfigIssue>),
    /// Credential or permission. Tried again when the secret changes, and every 5 minutes.
    #[error("{0}")]
    Unauthorized(String),
    /// Come again after this long. The contract counts milliseconds: what is shorter counts as one.
    #[error("asked to wait for {} s", .0.as_secs_f64())]
    Throttled(Duration),
    /// Try again, with back-off.
    #[error("{0}")]
    Transient(String),
    /// Stop: a bug, or a peer that breaks its own rules for good.
    #[error("{0}")]
    Permanent(String),
}

impl Error {
    /// One thing that is wrong with the configuration.
    pub fn config(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Config(vec![ConfigIssue::new(key, message)])
    }
}

fn join(issues: &[ConfigIssue]) -> String {
    let lines: Vec<_> = issues.iter().map(line).collect();
    lines.join("; ")
}

fn line(issue: &ConfigIssue) -> String {
    match issue.key.as_str() {
        "" => issue.message.clone(),
        key => format!("{key}: {}", issue.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_issues_are_told_at_once() {
        let error = Error::Config(vec![
            ConfigIssue::new("/domain", "is no host name"),
            ConfigIssue::new("", "needs a domain"),
        ]);
        assert_eq!(
            error.to_string(),
            "/domain: is no host name; needs a domain"
        );
    }
}
