//! Paths: which are granted, and which are not even looked at.

use std::fmt;

use url::Url;

/// An exact path, or everything below one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PathPattern {
    /// Without the `*`, so that a pattern that ends in `/` means what is below.
    prefix: String,
    below: bool,
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.below { "*" } else { "" };
        write!(f, "{}{star}", self.prefix)
    }
}

impl PathPattern {
    /// Reads what a need says; an error is the reason why not.
    pub(crate) fn parse(pattern: &str) -> Result<Self, String> {
        let below = pattern.ends_with("/*");
        let prefix = match pattern.strip_suffix('*') {
            Some(prefix) if below => prefix,
            _ => pattern,
        };
        let plain = Url::parse(&format!("https://host{prefix}"))
            .is_ok_and(|url| url.as_str().strip_prefix("https://host") == Some(prefix))
            && !prefix.contains(['*', '?', '#'])
            && ambiguity(prefix).is_none();
        if pattern.len() > 1024 || !prefix.starts_with('/') || !plain {
            return Err(format!("{pattern:?} is no path, nor one followed by /*"));
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            below,
        })
    }

    /// Whether a path is what the pattern says, by whole segments.
    pub(crate) fn admits(&self, path: &str) -> bool {
        match path.strip_prefix(&self.prefix) {
            Some(rest) => rest.is_empty() != self.below,
            None => false,
        }
    }

    /// Whether everything that `other` admits, this admits.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if other.below {
            self.below && other.prefix.starts_with(&self.prefix)
        } else {
            self.admits(&other.prefix)
        }
    }

    /// What both admit.
    pub(crate) fn common(ours: &[Self], theirs: &[Self]) -> Vec<Self> {
        let narrower = |a: &[Self], b: &[Self]| -> Vec<Self> {
            let covered = |path: &&Self| b.iter().any(|wide| wide.covers(path));
            a.iter().filter(covered).cloned().collect()
        };
        let mut common = narrower(ours, theirs);
        for path in narrower(theirs, ours) {
            if !common.contains(&path) {
                common.push(path);
            }
        }
        common
    }
}

/// What in a path is read differently by different servers, if anything is: a path that is one thing to the gate and
/// another to the peer would be granted as the first and served as the second.
pub(crate) fn ambiguity(path: &str) -> Option<&'static str> {
    const FORMS: [(&str, &str); 7] = [
        ("\\", "a backslash"),
        (";", "a semicolon"),
        ("//", "an empty segment"),
        ("%2e", "an encoded dot"),
        ("%2f", "an encoded slash"),
        ("%5c", "an encoded backslash"),
        ("%00", "an encoded NUL"),
    ];
    let path = path.to_ascii_lowercase();
    let found = FORMS.iter().find(|(form, _)| path.contains(form));
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn trust_07_paths_match_by_whole_segments() {
        let exact = pattern("/api/v1/logs");
        assert!(exact.admits("/api/v1/logs"));
        for other in [
            "/api/v1/logs/",
            "/api/v1/logs2",
            "/api/v1/log",
            "/api/v1/logs/x",
            "/",
        ] {
            assert!(!exact.admits(other), "{other}");
        }
        let below = pattern("/api/*");
        assert!(below.admits("/api/v1/logs"));
        for other in ["/api", "/api/", "/apiary/x", "/"] {
            assert!(!below.admits(other), "{other}");
        }
    }

    #[test]
    fn patterns_that_could_mean_more_than_they_say_are_refused() {
        let refused = [
            "", "logs", "/a/../b", "/a*", "/*/b", "/a//b", "/a;b", "/a%2fb", "/a?b", "/a#b",
            "/a b", "/a/**",
        ];
        for text in refused {
            assert!(PathPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_common_to_two_lists_is_the_narrower_of_each() {
        let ours = [pattern("/api/v1/logs"), pattern("/users/*")];
        let theirs = [pattern("/api/*"), pattern("/users/me"), pattern("/other")];
        let common = PathPattern::common(&ours, &theirs);
        assert_eq!(common, [pattern("/api/v1/logs"), pattern("/users/me")]);
    }
}
