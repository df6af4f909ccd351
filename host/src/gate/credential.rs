//! Credentials: what the gate adds to requests and no plugin ever sees.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::need::{AuthMethod, CredentialKind, Scheme};
use super::oauth::{KeyError, OauthClient, OauthIdentity, OauthProof, SigningKey};

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
    /// The kind is an OAuth client, and a secret alone is none.
    #[error("credential {0:?} is an OAuth client: it has a `client_id` and a key or a secret")]
    NotASecret(String),
    /// The kind is one header, and no OAuth client.
    #[error("credential {0:?} is a secret, and no OAuth client")]
    NotAClient(String),
    /// The kind's clients do not prove themselves in this way.
    #[error("credential {name:?} takes no `{given}`; write `{taken}` instead")]
    Proof {
        /// The kind's name.
        name: String,
        /// What the configuration has.
        given: &'static str,
        /// What the kind takes.
        taken: &'static str,
    },
    /// The client's key can't be used.
    #[error("the key of credential {name:?} can't be used: {reason}")]
    Key {
        /// The kind's name.
        name: String,
        /// What is wrong with it.
        reason: KeyError,
    },
    /// The kind's header can't be set.
    #[error("credential {name:?} can't be put into the header {header:?}")]
    Header {
        /// The kind's name.
        name: String,
        /// The header it asks for.
        header: String,
    },
}

/// Tokens that may still turn up in what a peer says: the one in use and those before it.
const TOKENS_SOUGHT: usize = 3;

/// One configured credential, ready to sign requests.
#[derive(Debug, Clone)]
pub struct Credential {
    kind: Arc<str>,
    means: Means,
}

/// What a credential signs with.
#[derive(Debug, Clone)]
pub(crate) enum Means {
    /// A header that is always the same.
    Header {
        /// Its name.
        name: HeaderName,
        /// Its value, with the secret in it.
        value: HeaderValue,
        /// The secret alone, to be looked for.
        secret: SecretString,
    },
    /// Tokens that are asked for.
    Oauth(Arc<OauthClient>),
}

/// A client as it is configured, for a kind of credential that asks for tokens.
#[derive(Debug)]
pub struct ClientSecrets<'a> {
    /// The client's id.
    pub client_id: &'a str,
    /// What it proves itself with.
    pub proof: ProofSecret<'a>,
    /// What it asks for; `None` is what the kind says.
    pub scopes: Option<&'a [String]>,
}

/// What a client proves itself with.
#[derive(Debug)]
pub enum ProofSecret<'a> {
    /// A private key: PEM or a JSON Web Key.
    Key {
        /// Its text.
        text: &'a SecretString,
        /// What the peer knows it by.
        key_id: Option<&'a str>,
    },
    /// A secret.
    Secret(&'a SecretString),
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
            return Err(CredentialError::NotASecret(name()));
        };
        let secret = printable(&kind.name, secret)?;
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
            means: Means::Header {
                name: header_name,
                value,
                secret: SecretString::from(secret),
            },
        })
    }

    /// A client that asks for tokens as its kind says. Its key is read here; no token is asked for before the first
    /// request.
    pub fn client(
        kind: &CredentialKind,
        secrets: &ClientSecrets<'_>,
    ) -> Result<Self, CredentialError> {
        let name = || kind.name.clone();
        let Scheme::Oauth(scheme) = &kind.scheme else {
            return Err(CredentialError::NotAClient(name()));
        };
        let (method, given) = match secrets.proof {
            ProofSecret::Key { .. } => (AuthMethod::PrivateKeyJwt, "private_key"),
            ProofSecret::Secret(_) => (AuthMethod::ClientSecretBasic, "client_secret"),
        };
        if !scheme.takes(method) {
            let taken = match method {
                AuthMethod::PrivateKeyJwt => "client_secret",
                AuthMethod::ClientSecretBasic => "private_key",
            };
            return Err(CredentialError::Proof {
                name: name(),
                given,
                taken,
            });
        }
        let proof = match secrets.proof {
            ProofSecret::Key { text, key_id } => {
                let key = SigningKey::parse(text.expose_secret(), key_id);
                OauthProof::Key(key.map_err(|reason| CredentialError::Key {
                    name: name(),
                    reason,
                })?)
            }
            ProofSecret::Secret(secret) => {
                OauthProof::Secret(printable(&kind.name, secret)?.into())
            }
        };
        let scopes = secrets.scopes.unwrap_or(&scheme.scopes);
        let identity = OauthIdentity {
            client_id: secrets.client_id.to_owned(),
            proof,
            scopes: scopes.to_vec(),
            dpop: scheme.dpop,
        };
        Ok(Self {
            kind: kind.name.as_str().into(),
            means: Means::Oauth(Arc::new(OauthClient::new(identity))),
        })
    }

    /// The name of its kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Tells whom a peer counts requests for: the same wherever the same secret or client is used, and nothing of the
    /// secret.
    pub(crate) fn digest(&self) -> [u8; 32] {
        match &self.means {
            Means::Header { secret, .. } => Sha256::digest(secret.expose_secret()).into(),
            // Its tokens come and go; what the peer counts for is the client.
            Means::Oauth(client) => Sha256::digest(format!("client {}", client.id())).into(),
        }
    }

    pub(crate) fn means(&self) -> &Means {
        &self.means
    }

    /// What of it goes to the peer as it stands here.
    fn sent(&self) -> Option<&SecretString> {
        match &self.means {
            Means::Header { secret, .. } => Some(secret),
            Means::Oauth(client) => client.sent_secret(),
        }
    }
}

/// A secret without white space around it, if it can stand in a header.
fn printable<'a>(kind: &str, secret: &'a SecretString) -> Result<&'a str, CredentialError> {
    let secret = secret.expose_secret().trim();
    if secret.is_empty() {
        return Err(CredentialError::Empty(kind.to_owned()));
    }
    let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if !secret.bytes().all(printable) {
        return Err(CredentialError::Unprintable(kind.to_owned()));
    }
    Ok(secret)
}

/// The credentials of a gate: those in use, and those in use before, which may still turn up in what a peer says. The
/// same for tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    current: Vec<Credential>,
    previous: Vec<Credential>,
    /// The newest last.
    tokens: Vec<SecretString>,
}

impl Credentials {
    pub(crate) fn new(current: Vec<Credential>) -> Self {
        Self {
            current,
            previous: Vec::new(),
            tokens: Vec::new(),
        }
    }

    pub(crate) fn replaced_by(&self, current: Vec<Credential>) -> Self {
        Self {
            current,
            previous: self.current.clone(),
            tokens: self.tokens.clone(),
        }
    }

    /// The same, and a token that was just given.
    pub(crate) fn with_token(&self, token: SecretString) -> Self {
        let mut more = self.clone();
        let surplus = (more.tokens.len() + 1).saturating_sub(TOKENS_SOUGHT);
        more.tokens.drain(..surplus);
        more.tokens.push(token);
        more
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
        let Some(last) = bytes.last() else { return 0 };
        let begun = |secret: &str| {
            let secret = secret.as_bytes();
            // A beginning that ends these bytes ends as they do: of a long token few come into question.
            let all_but_whole = secret.split_last().map_or(&[][..], |(_, rest)| rest);
            let ends = memchr::memrchr_iter(*last, all_but_whole);
            let mut beginnings = ends.filter_map(|end| secret.get(..=end));
            let longest = beginnings.find(|beginning| bytes.ends_with(beginning));
            longest.map_or(0, <[u8]>::len)
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
        let given = self.current.iter().chain(&self.previous);
        let sent = given.filter_map(Credential::sent).chain(&self.tokens);
        let texts = sent.map(ExposeSecret::expose_secret);
        texts.filter(|secret| secret.len() >= SHORTEST_SOUGHT)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::description;
    use super::*;

    fn credential(secret: &str) -> Result<Credential, CredentialError> {
        Credential::new(&description().credentials[0], &SecretString::from(secret))
    }

    fn header(credential: &Credential) -> &HeaderValue {
        match credential.means() {
            Means::Header { value, .. } => value,
            Means::Oauth(_) => panic!("{credential:?}"),
        }
    }

    #[test]
    fn trap_29_a_line_break_around_a_secret_is_cut_off_and_one_within_is_refused_with_words() {
        let trimmed = credential(" 00abcDEF\r\n").unwrap();
        assert_eq!(header(&trimmed), "SSWS 00abcDEF");
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
        assert!(header(&credential).is_sensitive());
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
    fn tokens_are_sought_and_the_oldest_are_forgotten() {
        let mut credentials = Credentials::default();
        for token in ["token1", "token2", "token3", "token4"] {
            credentials = credentials.with_token(token.into());
        }
        let clean = credentials
            .scrub("token1 token2 token3 token4")
            .into_owned();
        assert_eq!(clean, "token1 *** *** ***");
    }

    #[test]
    fn a_kind_takes_what_it_is_made_for() {
        let mut kind = description().credentials.remove(0);
        let secret = SecretString::from("s3cret");
        let client = ClientSecrets {
            client_id: "0oa",
            proof: ProofSecret::Secret(&secret),
            scopes: None,
        };
        let error = Credential::client(&kind, &client).unwrap_err();
        assert_eq!(error, CredentialError::NotAClient("token".into()));
        kind.scheme = Scheme::Oauth(super::super::OauthScheme {
            token_url: "/token".into(),
            scopes: Vec::new(),
            auth_methods: vec!["private_key_jwt".into()],
            dpop: false,
        });
        let error = Credential::new(&kind, &secret).unwrap_err();
        assert_eq!(error, CredentialError::NotASecret("token".into()));
        let error = Credential::client(&kind, &client).unwrap_err();
        assert!(error.to_string().contains("write `private_key`"), "{error}");
    }
}
