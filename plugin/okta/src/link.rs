//! Where the next page is: `Link` headers (RFC 8288).
//!
//! Each relation may stand in a header of its own or behind a comma in one; names are of any case; an address may hold
//! commas and semicolons. The address is not to be touched: it is asked for byte for byte.

/// The path that events are read from.
pub const LOGS: &str = "/api/v1/logs";

/// The longest address that is kept. A checkpoint has 64 KiB, for two of them with each byte escaped, and more.
const MAX_BYTES: usize = 8 * 1024;

/// A link to the next page, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The host and port it names, if it names one. Nothing is ever sent there for that.
    pub authority: Option<String>,
    /// Path and query, as they came.
    pub path: String,
}

/// Why a link to the next page can't be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It leads elsewhere.
    #[error("its link to the next page leads to {0}, not to {LOGS}")]
    Elsewhere(String),
    /// It has bytes that no address has.
    #[error("its link to the next page is no address")]
    NoAddress,
    /// It says nothing of where the next page begins: asked for like this, the API would begin anew.
    #[error("its link to the next page has no cursor")]
    NoCursor,
    /// It does not fit into a checkpoint.
    #[error("its link to the next page has {0} bytes")]
    TooLong(usize),
}

/// The address of the link whose relation is `next`, among all `Link` headers of an answer.
pub fn next<'a>(headers: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    headers
        .flat_map(Links)
        .find_map(|(address, params)| is_next(params).then_some(address))
}

impl Next {
    /// Takes an address apart, and judges it.
    pub fn parse(address: &str) -> Result<Self, LinkError> {
        if address.len() > MAX_BYTES {
            return Err(LinkError::TooLong(address.len()));
        }
        if !address
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        {
            return Err(LinkError::NoAddress);
        }
        let (authority, path) = match address.split_once("://") {
            Some((_, rest)) if !address.starts_with('/') => {
                let at = rest.find(['/', '?']).ok_or(LinkError::NoAddress)?;
                let (authority, path) = rest.split_at_checked(at).ok_or(LinkError::NoAddress)?;
                (Some(authority.to_owned()), path)
            }
            _ => (None, address),
        };
        let (resource, query) = path.split_once('?').unwrap_or((path, ""));
        if resource != LOGS {
            let shown = resource.chars().take(100).collect();
            return Err(LinkError::Elsewhere(shown));
        }
        if query.is_empty() {
            return Err(LinkError::NoCursor);
        }
        Ok(Self {
            authority,
            path: path.to_owned(),
        })
    }

    /// Whether a link from `authority` may name the host it names: the same, or its twin of the Admin Console.
    pub fn is_of(&self, authority: &str) -> bool {
        let twin = authority
            .split_once('.')
            .map(|(org, domain)| format!("{org}-admin.{domain}"));
        self.authority.as_deref().is_none_or(|named| {
            named.eq_ignore_ascii_case(authority) || Some(named.to_ascii_lowercase()) == twin
        })
    }
}

/// A parameter of a path's query, as it stands there.
pub fn parameter<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The links of one header: address and parameters of each.
struct Links<'a>(&'a str);

impl<'a> Iterator for Links<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (_, from_address) = self.0.split_once('<')?;
        let (address, rest) = from_address.split_once('>')?;
        let (params, behind) = rest.split_at_checked(unquoted(rest, b','))?;
        self.0 = behind;
        Some((address, params))
    }
}

/// Where the first `end` is outside of quotes; the length of the text if there is none.
fn unquoted(text: &str, end: u8) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == end && !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

/// Whether the first `rel` among a link's parameters has `next` among its values.
fn is_next(params: &str) -> bool {
    let mut rest = params;
    while let Some((param, behind)) = rest.split_at_checked(unquoted(rest, b';')) {
        match param.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("rel") => {
                let values = value.trim().trim_matches('"');
                return values
                    .split_ascii_whitespace()
                    .any(|value| value.eq_ignore_ascii_case("next"));
            }
            _ if behind.is_empty() => break,
            _ => rest = behind.trim_start_matches(';'),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found<'a>(headers: &[&'a str]) -> Option<&'a str> {
        next(headers.iter().copied())
    }

    #[test]
    fn trap_10_link_taken_by_position() {
        let next = "https://acme.okta.com/api/v1/logs?after=1,2;3&limit=1000";
        let itself = r#"<https://acme.okta.com/api/v1/logs>; rel="self""#;
        let quoted = format!("<{next}>; rel=\"next\"");
        let ways: [&[&str]; 9] = [
            &[itself, &quoted],
            &[&quoted, itself],
            &[&format!("{itself}, {quoted}")],
            &[&format!("{quoted},{itself}")],
            &[&format!("<{next}>;rel=next")],
            &[&format!("<{next}>; REL=\"Next\"")],
            &[&format!(
                "<{next}>; title=\"a, b; rel=\\\"self\\\"\"; rel=\"next\", {itself}"
            )],
            &[&format!("<{next}>; type=\"x\" ; rel = \"prev next\"")],
            &["garbage", &format!(", ,{quoted}")],
        ];
        for way in ways {
            assert_eq!(found(way), Some(next), "{way:?}");
        }
        for none in [
            "",
            itself,
            "<https://a",
            "next",
            "<x>; rel=\"nextish\"",
            "<x>",
            "<x>; rel",
        ] {
            assert_eq!(found(&[none]), None, "{none}");
        }
    }

    #[test]
    fn trap_11_a_link_names_a_path_and_not_where_the_token_goes() {
        let next = Next::parse("https://evil.example/api/v1/logs?after=%2F+1&limit=5").unwrap();
        assert_eq!(next.path, "/api/v1/logs?after=%2F+1&limit=5");
        assert!(!next.is_of("acme.okta.com"));
        let twin = Next::parse("https://acme-admin.okta.com/api/v1/logs?after=1").unwrap();
        assert!(twin.is_of("acme.okta.com"));
        assert!(!twin.is_of("other.okta.com"));
        assert!(
            Next::parse("/api/v1/logs?after=1")
                .unwrap()
                .is_of("acme.okta.com")
        );
        for elsewhere in [
            "https://acme.okta.com/api/v1/users?after=1",
            "https://acme.okta.com/api/v1/logs/../users",
            "/api/v1/logs/",
            "//evil.example/api/v1/logs",
            "?after=1",
        ] {
            assert!(
                matches!(Next::parse(elsewhere), Err(LinkError::Elsewhere(_))),
                "{elsewhere}"
            );
        }
        for none in [
            "https://acme.okta.com",
            "/api/v1/logs?a b",
            "/api/v1/logs?é",
            "/api/v1/logs#x",
            "/api/v1/logs?\r\n",
        ] {
            assert_eq!(Next::parse(none), Err(LinkError::NoAddress), "{none}");
        }
        for anew in ["https://acme.okta.com/api/v1/logs", "/api/v1/logs?"] {
            assert_eq!(Next::parse(anew), Err(LinkError::NoCursor), "{anew}");
        }
        let long = format!("/api/v1/logs?after={}", "x".repeat(MAX_BYTES));
        assert!(matches!(Next::parse(&long), Err(LinkError::TooLong(_))));
    }

    #[test]
    fn a_parameter_is_found_by_its_whole_name() {
        let path = "/api/v1/logs?xlimit=1&limit=500&after=a=b";
        assert_eq!(parameter(path, "limit"), Some("500"));
        assert_eq!(parameter(path, "after"), Some("a=b"));
        assert_eq!(parameter(path, "since"), None);
    }

    proptest! {
        #[test]
        fn any_header_is_survived(header in ".{0,60}", with in "[<>;,\"\\\\= a-z]{0,40}") {
            let both = [header.as_str(), with.as_str()];
            if let Some(address) = found(&both) {
                prop_assert!(both.iter().any(|header| header.contains(address)));
            }
        }

        #[test]
        fn an_address_comes_back_as_it_was(query in "[!-;=?-~]{1,60}") {
            prop_assume!(!query.contains('#'));
            let header = format!("<https://a.example/api/v1/logs?{query}>; rel=\"next\"");
            let next = Next::parse(found(&[&header]).unwrap()).unwrap();
            prop_assert_eq!(next.path, format!("/api/v1/logs?{query}"));
        }
    }
}
