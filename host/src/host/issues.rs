//! What plugins find wrong, at its place in the configuration.

use super::SourceIssue;
use crate::config::{ConfigErrors, Loaded};

/// What only plugins could know to be wrong, as errors of the configuration that it is in.
pub fn errors_of(loaded: &Loaded, issues: &[SourceIssue]) -> ConfigErrors {
    let diagnostics = issues.iter().map(|issue| {
        let pointer = format!("{}{}", issue.section.pointer(), issue.key);
        loaded.source_issue(
            &issue.source,
            &pointer,
            &message_at(&issue.key, &issue.message),
        )
    });
    ConfigErrors::new(diagnostics.collect())
}

/// Something wrong at a key (a JSON pointer). The message of a plugin may leave out what it is about.
pub fn message_at(pointer: &str, message: &str) -> String {
    match pointer.trim_start_matches('/') {
        "" => message.to_owned(),
        key if message.contains(&format!("`{key}`")) => message.to_owned(),
        key => format!("`{key}`: {message}"),
    }
}
