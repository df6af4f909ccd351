//! Something wrong with a configuration, before it is put on a page.

use super::node::Place;

/// One thing that is wrong, where it is, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) place: Option<Place>,
    /// What stands beside the caret.
    pub(super) label: &'static str,
    pub(super) help: Option<String>,
    /// Another place that belongs to it, perhaps in another file.
    pub(super) elsewhere: Option<(Place, &'static str)>,
}

impl Mistake {
    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: Some(place),
            label: "here",
            help: None,
            elsewhere: None,
        }
    }

    /// About the configuration as a whole.
    pub(super) fn general(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            label: "",
            help: None,
            elsewhere: None,
        }
    }

    pub(super) fn label(self, label: &'static str) -> Self {
        Self { label, ..self }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        let help = Some(help.into());
        Self { help, ..self }
    }

    pub(super) fn maybe_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    pub(super) fn elsewhere(self, place: Place, label: &'static str) -> Self {
        let elsewhere = Some((place, label));
        Self { elsewhere, ..self }
    }
}

/// The candidate that somebody who typed `word` most likely meant.
pub(super) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    const ALIKE: f64 = 0.8;
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (two, _)| one.total_cmp(two))
        .map(|(_, candidate)| candidate)
}

/// "did you mean …?", or what may be written.
pub fn suggestion(word: &str, candidates: &[&str], of_which: &str) -> Option<String> {
    match closest(word, candidates.iter().copied()) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None if candidates.is_empty() => None,
        None => Some(format!("{of_which}: {}", candidates.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_word_is_found() {
        let words = ["sources", "outputs", "state"];
        assert_eq!(closest("source", words), Some("sources"));
        assert_eq!(closest("ouptuts", words), Some("outputs"));
        assert_eq!(closest("xyz", words), None);
        assert_eq!(
            suggestion("xyz", &words, "keys").as_deref(),
            Some("keys: sources, outputs, state")
        );
        assert_eq!(suggestion("xyz", &[], "keys"), None);
    }
}
