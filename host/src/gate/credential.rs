//! Credentials: what the gate adds to requests and no plugin ever sees.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};

use super::need::{CredentialKind, Scheme};

/// Secrets shorter than this are not looked for in texts: they would be found everywhere, and each find would say
/// something about them.
const SHORTEST_SOUGHT: usize = 4;

/// What stands in a text where a secret was.
const REDACTED: &str = "***";

/// Why a secret can't be used. It never shows the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Nothing is left of it without white space.
    #[error("credential {0:?} is empty")]
    Empty(String),
    /// It would end the header, or is no ASCII.
    #[error(
        "credential {0:?} holds a character that can't stand in a header, such as a line break; was it copied whole and alone?"
    )]
    Unprintable(String),
    /// The kind's scheme can't be followed.
    #[error("credential {0:?} needs OAuth, which this version does not know yet")]
    Oauth(String),
    /// The kind's header can't be set.
    #[error("credential {name:?} can't be put into the header {header:?}")]
    Header {
        /// The kind's name.
        name: String,
        /// The header it asks for.
        header: String,
    },
}

/// One configured credential, ready to sign requests.
#[derive(Debug, Clone)]
pub struct Credential {
    kind: Arc<str>,
    header: HeaderName,
    value: HeaderValue,
    secret: SecretString,
}

impl Credential {
    /// Fills a secret into its kind's header. White space around it is cut off, as a file's last line break.
    pub fn new(kind: &CredentialKind, secret: &SecretString) -> Result<Self, CredentialError> {
        let name = || kind.name.clone();
        let Scheme::Header {
            name: header,
            value,
        } = &kind.scheme
        else {
            return Err(CredentialError::Oauth(name()));
        };
        let secret = secret.expose_secret().trim();
        if secret.is_empty() {
            return Err(CredentialError::Empty(name()));
        }
        let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if !secret.bytes().all(printable) {
            return Err(CredentialError::Unprintable(name()));
        }
        let rendered = SecretString::from(value.replace("{secret}", secret));
        let mut value = HeaderValue::from_str(rendered.expose_secret())
            .map_err(|_| CredentialError::Unprintable(name()))?;
        value.set_sensitive(true);
        let header_name =
            HeaderName::from_bytes(header.as_bytes()).map_err(|_| CredentialError::Header {
                name: name(),
                header: header.clone(),
            })?;
        Ok(Self {
            kind: kind.name.as_str().into(),
            header: header_name,
            value,
            secret: SecretString::from(secret),
        })
    }

    /// The name of its kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub(crate) fn header(&self) -> (&HeaderName, &HeaderValue) {
        (&self.header, &self.value)
    }

    fn sought(&self) -> Option<&str> {
        Some(self.secret.expose_secret()).filter(|secret| secret.len() >= SHORTEST_SOUGHT)
    }
}

/// The credentials of a gate: those in use, and those in use before, which may still turn up in what a peer says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    current: Vec<Credential>,
    previous: Vec<Credential>,
}

impl Credentials {
    pub(crate) fn new(current: Vec<Credential>) -> Self {
        Self {
            current,
            previous: Vec::new(),
        }
    }

    pub(crate) fn replaced_by(&self, current: Vec<Credential>) -> Self {
        Self {
            current,
            previous: self.current.clone(),
        }
    }

    /// The credential of this kind.
    pub(crate) fn get(&self, kind: &str) -> Option<&Credential> {
        self.current
            .iter()
            .find(|credential| credential.kind() == kind)
    }

    /// Whether any secret stands in these bytes.
    pub(crate) fn occur_in(&self, bytes: &[u8]) -> bool {
        self.secrets()
            .any(|secret| memmem::find(bytes, secret.as_bytes()).is_some())
    }

    /// Where secrets stand in these bytes.
    pub(crate) fn places_in(&self, bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
        self.secrets().flat_map(|secret| {
            memmem::find_iter(bytes, secret.as_bytes()).map(|at| at..at + secret.len())
        })
    }

    /// How many bytes at the end of these may be the beginning of a secret.
    pub(crate) fn begun_at_the_end_of(&self, bytes: &[u8]) -> usize {
        let begun = |secret: &str| {
            let beginnings = (1..secret.len()).filter_map(|length| secret.as_bytes().get(..length));
            let last = beginnings
                .rev()
                .find(|beginning| bytes.ends_with(beginning));
            last.map_or(0, <[u8]>::len)
        };
        self.secrets().map(begun).max().unwrap_or(0)
    }

    /// The text without secrets.
    pub(crate) fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in self.secrets() {
            if clean.contains(secret) {
                clean = Cow::Owned(clean.replace(secret, REDACTED));
            }
        }
        clean
    }

    fn secrets(&self) -> impl Iterator<Item = &str> {
        let all = self.current.iter().chain(&self.previous);
        all.filter_map(Credential::sought)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::description;
    use super::*;

    fn credential(secret: &str) -> Result<Credential, CredentialError> {
        Credential::new(&description().credentials[0], &SecretString::from(secret))
    }

    #[test]
    fn trap_29_a_line_break_around_a_secret_is_cut_off_and_one_within_is_refused_with_words() {
        let trimmed = credential(" 00abcDEF\r\n").unwrap();
        assert_eq!(trimmed.header().1, "SSWS 00abcDEF");
        for secret in ["00abc\nDEF", "00abc\r\nx: y", "00abc\0DEF", "00abcDÉF"] {
            let said = credential(secret).unwrap_err().to_string();
            assert!(said.contains("can't stand in a header"), "{said}");
            assert!(!said.contains("00abc"), "{said}");
        }
        let empty = credential(" \n").unwrap_err();
        assert_eq!(empty, CredentialError::Empty("token".into()));
    }

    #[test]
    fn trap_30_a_secret_is_in_no_debug_text() {
        let credential = credential("00abcDEF").unwrap();
        assert!(credential.header().1.is_sensitive());
        assert!(!format!("{credential:?}").contains("00abc"));
    }

    #[test]
    fn secrets_are_scrubbed_from_texts_also_after_they_were_replaced() {
        let first = Credentials::new(vec![credential("00first").unwrap()]);
        let second = first.replaced_by(vec![credential("00second").unwrap()]);
        let text = "tried 00first, then 00second";
        assert_eq!(second.scrub(text), "tried ***, then ***");
        assert_eq!(second.scrub("nothing"), "nothing");
        assert!(second.occur_in(b"SSWS 00first"));
        assert!(!second.occur_in(b"SSWS 00third"));
    }

    #[test]
    fn an_oauth_credential_is_refused_with_words() {
        let mut kind = description().credentials.remove(0);
        kind.scheme = Scheme::Oauth(super::super::OauthScheme {
            token_url: "https://{domain}/token".into(),
            scopes: Vec::new(),
            auth_methods: Vec::new(),
            dpop: false,
        });
        let error = Credential::new(&kind, &SecretString::from("key"));
        assert_eq!(error.unwrap_err(), CredentialError::Oauth("token".into()));
    }
}
