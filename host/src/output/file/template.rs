//! Where a source's records go: a path with `{source}` in it, or without.
//!
//! What stands before `{source}` is confined to something literal, so that no name of a source can choose the folder.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::FileError;

const PLACEHOLDER: &str = "{source}";

/// The longest name of a source.
const NAME_MAX: usize = 63;

/// A path, cut at each `{source}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathTemplate {
    pieces: Vec<OsString>,
}

impl PathTemplate {
    /// Reads a path as it was typed; the error says what is wrong and what to write instead.
    pub(super) fn parse(typed: &str, base: &Path) -> Result<Self, String> {
        if typed.is_empty() || typed.contains('\0') {
            return Err("name the file to write to".to_owned());
        }
        if matches!(typed.rsplit('/').next(), Some("" | "." | "..")) {
            return Err(format!("`{typed}` is a folder; name a file in it"));
        }
        let mut pieces = typed.split(PLACEHOLDER);
        let first = pieces.next().unwrap_or_default();
        let rest: Vec<_> = pieces.map(OsString::from).collect();
        if typed.replace(PLACEHOLDER, "").contains(['{', '}']) {
            return Err(format!(
                "`{typed}`: `{PLACEHOLDER}` is all that braces may hold"
            ));
        }
        if !rest.is_empty()
            && first
                .chars()
                .all(|character| matches!(character, '/' | '.'))
        {
            return Err(format!(
                "`{typed}`: the name of a folder or the beginning of a name must come before `{PLACEHOLDER}`, as in \
                 `logs/{PLACEHOLDER}.ndjson`"
            ));
        }
        let mut pieces = vec![base.join(first).into_os_string()];
        pieces.extend(rest);
        Ok(Self { pieces })
    }

    /// The file for a source.
    pub(super) fn path(&self, source: &str) -> Result<PathBuf, FileError> {
        if !is_name(source.as_bytes()) {
            return Err(FileError::Name(source.to_owned()));
        }
        Ok(self.pieces.join(OsStr::new(source)).into())
    }

    /// Whether the records of two sources go to one file.
    pub(super) fn is_shared(&self, one: &str, other: &str) -> bool {
        self.pieces.len() == 1 || one == other
    }

    /// The part that is the same for all sources: the file, or the folder that holds what `{source}` stands in.
    pub(super) fn literal(&self) -> &Path {
        let first = self.pieces.first().map_or(Path::new(""), Path::new);
        match self.pieces.len() {
            0 | 1 => first,
            _ if first.as_os_str().as_bytes().ends_with(b"/") => first.components().as_path(),
            _ => first.parent().unwrap_or(first),
        }
    }

    /// Whether there is one file for each source.
    pub(super) fn is_per_source(&self) -> bool {
        self.pieces.len() > 1
    }
}

fn is_name(name: &[u8]) -> bool {
    let fine = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    !name.is_empty() && name.len() <= NAME_MAX && name.iter().all(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Result<PathTemplate, String> {
        PathTemplate::parse(typed, Path::new("/base"))
    }

    #[test]
    fn a_path_starts_from_the_folder_of_the_configuration() {
        let cases = [
            ("archive.ndjson", "/base/archive.ndjson"),
            ("/var/log/all.ndjson", "/var/log/all.ndjson"),
            ("/var/log/{source}.ndjson", "/var/log/acme-1.ndjson"),
            (
                "logs/{source}/{source}.ndjson",
                "/base/logs/acme-1/acme-1.ndjson",
            ),
            ("okta-{source}", "/base/okta-acme-1"),
        ];
        for (typed, path) in cases {
            assert_eq!(
                parse(typed).unwrap().path("acme-1").unwrap(),
                Path::new(path)
            );
        }
        let braces = PathTemplate::parse("logs/{source}", Path::new("/odd{source}")).unwrap();
        assert_eq!(braces.path("a").unwrap(), Path::new("/odd{source}/logs/a"));
    }

    #[test]
    fn a_path_that_a_source_could_choose_is_refused() {
        let cases = [
            ("{source}/x", "must come before"),
            ("/{source}.ndjson", "must come before"),
            ("./../{source}.ndjson", "must come before"),
            ("logs/{date}.ndjson", "all that braces may hold"),
            ("logs/{source", "all that braces may hold"),
            ("logs/", "is a folder"),
            ("..", "is a folder"),
            ("", "name the file"),
        ];
        for (typed, says) in cases {
            let message = parse(typed).unwrap_err();
            assert!(message.contains(says), "{typed}: {message}");
        }
        let template = parse("logs/{source}").unwrap();
        for source in ["", "..", "a/b", "A", "a.b", &"x".repeat(64)] {
            assert!(template.path(source).is_err(), "{source}");
        }
    }
}
