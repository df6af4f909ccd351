//! Headers of an answer.

/// Headers, in the order they came. Names match whatever their case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// The first value under a name. One that is not UTF-8 is none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// All values under a name, in order. Those that are not UTF-8 are none.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}

impl<N: Into<String>, V: Into<Vec<u8>>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(headers: I) -> Self {
        let own = |(name, value): (N, V)| (name.into(), value.into());
        Self(headers.into_iter().map(own).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_whatever_their_case_and_values_keep_their_order() {
        let headers: Headers = [("Link", "<a>"), ("date", "now"), ("link", "<b>")]
            .into_iter()
            .collect();
        assert_eq!(headers.get("DATE"), Some("now"));
        assert_eq!(headers.get_all("link").collect::<Vec<_>>(), ["<a>", "<b>"]);
        assert_eq!(headers.get("x-test"), None);
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_none() {
        let headers: Headers = [("x-test", vec![0xff]), ("x-test", b"ok".to_vec())]
            .into_iter()
            .collect();
        assert_eq!(headers.get("x-test"), Some("ok"));
        assert_eq!(headers.iter().count(), 2);
    }
}
