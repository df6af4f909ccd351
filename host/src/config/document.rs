//! A file as it is shown in an error: with its secrets and its control characters covered.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::node::{Node, Place};
use crate::telemetry::escape;

/// Keys that may hold a secret wherever they stand, also where they don't belong.
const SECRET_WORDS: [&str; 6] = [
    "token",
    "secret",
    "password",
    "passwd",
    "api_key",
    "private_key",
];

/// A file that was read.
#[derive(Clone)]
pub(super) struct Document {
    /// Its path, as it was given.
    pub(super) name: String,
    /// Its text, byte for byte as long as the file.
    pub(super) shown: Arc<str>,
}

impl Document {
    /// A file and what could be made of it. Where that is not all of it, nobody knows what its values are, and all that
    /// could be a secret is covered.
    pub(super) fn new(name: String, text: &str, root: Option<&Node>, is_whole: bool) -> Self {
        let mut covered = root.map(secrets).unwrap_or_default();
        if !is_whole {
            covered.extend(suspicions(text));
        }
        let covered = covered
            .into_iter()
            .flat_map(|range| beside_references(text, range));
        Self {
            name,
            shown: cover(text, covered.collect()),
        }
    }
}

/// The text with whatever might act on a terminal escaped.
pub(super) fn printable(text: &str) -> String {
    escape::line(text).into_owned()
}

/// Whether a character might act on a terminal: hide, move or turn around what is there.
fn acts(c: char) -> bool {
    matches!(escape::line(c.encode_utf8(&mut [0; 4])), Cow::Owned(_))
}

/// Everything that stands where a secret belongs, or under a key that sounds like one.
fn secrets(root: &Node) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut add = |place: Place| ranges.push(place.offset..place.offset + place.length);
    // Of sources, of templates, and of what differs in a list, which is a file of its own.
    root.visit_entries(&mut |entry| {
        if entry.key == "credentials" {
            let texts = &entry.value;
            texts.visit_texts("", &mut |_, _, place| add(place));
        }
    });
    root.visit_texts("", &mut |key, text, place| {
        if is_secret_key(key) || (text.contains("://") && text.contains('@')) {
            add(place);
        }
    });
    ranges
}

/// The same for a text that is not known to be YAML, by its lines.
fn suspicions(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut credentials_indent = None;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if credentials_indent.is_some_and(|outer| indent <= outer && !line.trim().is_empty()) {
            credentials_indent = None;
        }
        let word = suspicious_word(line);
        if let Some(start) = word.or(credentials_indent.map(|_| 0)) {
            let (before, after) = line.split_at_checked(start).unwrap_or(("", line));
            let value = after.find(':').map_or(0, |colon| before.len() + colon + 1);
            let blank = line
                .get(value..)
                .map_or(0, |value| value.len() - value.trim_start().len());
            let end = offset + line.trim_end().len();
            ranges.push((offset + value + blank).min(end)..end);
        }
        if line.trim_start().starts_with("credentials") {
            credentials_indent = Some(indent);
        }
        offset += line.len();
    }
    ranges
}

/// A range without the references in it: where a secret is may be shown, but what stands beside may be one itself.
fn beside_references(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut beside = Vec::new();
    let mut start = range.start;
    for (at, _) in text
        .match_indices("${")
        .filter(|(at, _)| range.contains(at))
    {
        let rest = text.get(at..range.end).unwrap_or_default();
        if let Some((reference, _)) = rest.split_once('}').filter(|(name, _)| names_a_place(name)) {
            beside.push(start..at);
            start = at + reference.len() + 1;
        }
    }
    beside.push(start..range.end);
    beside
}

/// Whether this begins a reference as it should be; everything else between braces could be part of a secret.
fn names_a_place(reference: &str) -> bool {
    let schemes = ["${env:", "${file:", "${exec:"];
    let place = schemes
        .iter()
        .find_map(|scheme| reference.strip_prefix(scheme));
    let is_variable = |name: &str| {
        let first = name.starts_with(|c: char| c.is_ascii_uppercase());
        first
            && name
                .chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    match place {
        Some(place) => !place.contains(['$', '{']),
        // As in a shell, which is told apart from ours by words.
        None => reference.strip_prefix("${").is_some_and(is_variable),
    }
}

fn suspicious_word(line: &str) -> Option<usize> {
    let line = line.to_ascii_lowercase();
    let words = SECRET_WORDS.iter().copied().chain(["credentials", "://"]);
    words.filter_map(|word| line.find(word)).min()
}

fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

fn cover(text: &str, secrets: Vec<Range<usize>>) -> Arc<str> {
    let mut is_secret = vec![false; text.len()];
    for range in secrets {
        is_secret
            .get_mut(range)
            .into_iter()
            .flatten()
            .for_each(|byte| *byte = true);
    }
    let mut shown = String::with_capacity(text.len());
    for (offset, c) in text.char_indices() {
        // A carriage return by itself leads a terminal back over what it has shown of the line.
        let ends_line = c == '\r' && text.as_bytes().get(offset + 1) == Some(&b'\n');
        let cover = if matches!(c, '\n' | '\t') || ends_line {
            None
        } else if is_secret.get(offset) == Some(&true) {
            Some("*")
        } else {
            acts(c).then_some("?")
        };
        match cover {
            None => shown.push(c),
            Some(with) => shown.push_str(&with.repeat(c.len_utf8())),
        }
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    fn shown(text: &str) -> String {
        let mut mistakes = Vec::new();
        let root = yaml::read(text, 0, &mut mistakes);
        let document = Document::new("f".into(), text, root.as_ref(), mistakes.is_empty());
        assert_eq!(document.shown.len(), text.len());
        document.shown.to_string()
    }

    #[test]
    fn trust_20_a_carriage_return_is_shown_at_the_end_of_a_line_alone() {
        assert_eq!(shown("a: 1\r\nb: x\ry\r\n"), "a: 1\r\nb: x?y\r\n");
        assert_eq!(shown("token: x\ry\n"), "token: ***\n");
        assert_eq!(shown("a: 1\r"), "a: 1?");
    }

    #[test]
    fn trust_19_secrets_are_covered_in_what_is_shown() {
        let text = "\
sources:
  acme:
    config: {domain: acme.example.com, token: hünter2}
    credentials:
      api_token: hunter2
      other: ${env:OTHER}
    network: {proxy: \"http://me:hunter2@proxy\"}
";
        insta::assert_snapshot!(shown(text), @r"
        sources:
          acme:
            config: {domain: acme.example.com, token: ********}
            credentials:
              api_token: *******
              other: ${env:OTHER}
            network: {proxy: *************************}
        ");
    }

    #[test]
    fn trust_19_secrets_are_covered_in_a_file_that_is_not_yaml() {
        let text = "\
sources:
  acme:
    credentials:
      api_token: \"hunter2
      one: ${env:OTHER}
    config:
      domain: acme
      password: hunter2
";
        insta::assert_snapshot!(shown(text), @r"
        sources:
          acme:
            credentials:
              api_token: ********
              one: ${env:OTHER}
            config:
              domain: acme
              password: *******
        ");
        for beside in [
            "api_token: SSWS hunter2${env:X}",
            "api_token: ${env:X}hunter2}",
            "api_token: ${hunter2}",
            "api_token: ${env:X${hunter2}",
            "api_token: ${env:X}hunter2${env:X}\n[",
        ] {
            assert!(!shown(beside).contains("hunter2"), "{beside}");
        }
        assert!(!shown("a: { credentials: { api_token: hunter2 }").contains("hunter2"));
        assert!(!shown("credentials: {t: hunter2}\ncredentials: {t: hunter2}").contains("hunter2"));
    }

    #[test]
    fn trust_20_nothing_shown_acts_on_a_terminal() {
        assert_eq!(shown("a: \u{202e}b"), "a: ???b");
        assert_eq!(shown("a: [\u{1b}"), "a: [?");
        assert_eq!(shown("a: \u{ad}\u{600}\u{180e}b"), "a: ???????b");
        assert_eq!(printable("a\u{1b}[2J\u{9b}b"), "a\\u{1b}[2J\\u{9b}b");
    }
}
