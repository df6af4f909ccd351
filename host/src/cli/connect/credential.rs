//! What a source will sign with: which kind of credential, and from where it comes.
//!
//! A secret, be it a token or a client's, is copied into a file of Logweir's own. A private key stays where it is: the
//! configuration names its file, and no second copy of it comes to be.

use std::path::{Path, PathBuf};

use logweir::config::{ClientPlan, CredentialPlan, ProofPlan, suggestion};
use logweir::gate::{AuthMethod, CredentialKind, OauthScheme, Scheme};
use logweir::plugin::Plugin;
use logweir::secret::SecretRef;
use logweir::telemetry::escape;
use secrecy::SecretString;

use crate::cli::{Usage, prompt, tell};

/// What was given of it on the command line.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct CredentialArgs {
    /// How the source signs in (`logweir plugin inspect` shows what there is); the plugin's first kind, or what
    /// the other options fit.
    #[arg(long, value_name = "KIND")]
    credential: Option<String>,
    /// A file that holds the token, or a client's secret; it is copied into a file of Logweir's own.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A client that gets tokens (OAuth 2.0): its id.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// The client's private key, in PEM or as a JSON Web Key; it stays where it is.
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    key_file: Option<PathBuf>,
    /// What the organisation knows the client's public key by.
    #[arg(long, value_name = "KID", requires = "key_file")]
    key_id: Option<String>,
}

/// A credential, complete.
pub(super) enum Given {
    /// A secret that is sent as it is.
    Secret(SecretString),
    /// A client that gets tokens.
    Client {
        /// Its id.
        client_id: String,
        /// What it proves itself with.
        proof: Proof,
    },
}

/// What a client proves itself with.
pub(super) enum Proof {
    /// A private key.
    Key {
        /// Its file, as a whole path.
        file: PathBuf,
        /// What the peer knows it by.
        key_id: Option<String>,
    },
    /// A secret.
    Secret(SecretString),
}

impl Given {
    /// How it is configured, for a test before anything is written down.
    pub(super) fn plan(&self) -> CredentialPlan {
        let literal = |secret: &SecretString| SecretRef::Literal(secret.clone());
        let (client_id, proof) = match self {
            Self::Secret(secret) => return CredentialPlan::Secret(literal(secret)),
            Self::Client { client_id, proof } => (client_id.clone(), proof),
        };
        let proof = match proof {
            Proof::Key { file, key_id } => ProofPlan::Key {
                key: SecretRef::File(file.clone()),
                key_id: key_id.clone(),
            },
            Proof::Secret(secret) => ProofPlan::Secret(literal(secret)),
        };
        CredentialPlan::Client(ClientPlan {
            client_id,
            proof,
            scopes: None,
        })
    }

    /// What has to be put into a file, if it is not in one that stays.
    pub(super) fn secret(&self) -> Result<&SecretString, &Path> {
        match self {
            Self::Secret(secret) => Ok(secret),
            Self::Client { proof, .. } => match proof {
                Proof::Secret(secret) => Ok(secret),
                Proof::Key { file, .. } => Err(file),
            },
        }
    }
}

impl CredentialArgs {
    /// Whether everything about it was typed by a person: something else may be typed then.
    pub(super) fn is_asked_for(&self) -> bool {
        self.token_file.is_none() && self.key_file.is_none()
    }

    /// The kind that was chosen, or that fits what was given; else the first. Nobody is asked, as who expects to be asked
    /// for a secret would answer with it.
    pub(super) fn kind<'a>(&self, plugin: &'a Plugin) -> anyhow::Result<&'a CredentialKind> {
        let kinds = &plugin.description().credentials;
        let nothing = || {
            Usage(
                "the plugin understands no credential, so there is nothing to connect with"
                    .to_owned(),
            )
        };
        let first = kinds.first().ok_or_else(nothing)?;
        let kind = match &self.credential {
            Some(name) => named(kinds, name)?,
            None if self.client_id.is_some() || self.key_file.is_some() => {
                let client = kinds.iter().find(|kind| scheme(kind).is_some());
                client.ok_or_else(|| no_client(first))?
            }
            None => first,
        };
        let is_client = scheme(kind).is_some();
        match !is_client && (self.client_id.is_some() || self.key_file.is_some()) {
            true => Err(no_client(kind).into()),
            false => Ok(kind),
        }
    }

    /// The credential, from what was given, else from whoever is there.
    pub(super) fn complete(
        &self,
        kinds: &[CredentialKind],
        kind: &CredentialKind,
        ask: bool,
    ) -> anyhow::Result<Given> {
        if ask && self.is_asked_for() {
            tell(&format!("\n{}", escape::line(&kind.summary)));
            let others = kinds.iter().filter(|other| other.name != kind.name);
            for other in others.filter(|_| self.credential.is_none()) {
                let (name, summary) = (escape::line(&other.name), escape::line(&other.summary));
                tell(&format!("(with `--credential {name}`: {summary})"));
            }
        }
        match scheme(kind) {
            None => self.secret(&kind.name, ask).map(Given::Secret),
            Some(scheme) => self.client(kind, scheme, ask),
        }
    }

    fn client(
        &self,
        kind: &CredentialKind,
        scheme: &OauthScheme,
        ask: bool,
    ) -> anyhow::Result<Given> {
        let by_key = match (&self.key_file, &self.token_file) {
            (Some(_), _) => true,
            (None, Some(_)) => false,
            (None, None) => scheme.takes(AuthMethod::PrivateKeyJwt),
        };
        if ask && self.is_asked_for() && !scheme.scopes.is_empty() {
            let scopes = scheme.scopes.join(" ");
            tell(&format!("It will ask for: {}", escape::line(&scopes)));
        }
        let client_id = self.client_id(kind, ask)?;
        let proof = match by_key {
            true => self.key(kind, ask)?,
            false => Proof::Secret(self.secret("client_secret", ask)?),
        };
        Ok(Given::Client { client_id, proof })
    }

    fn client_id(&self, kind: &CredentialKind, ask: bool) -> anyhow::Result<String> {
        if let Some(client_id) = &self.client_id {
            return Ok(client_id.clone());
        }
        if !ask {
            let message = format!(
                "the client of {} is missing: give its id with --client-id",
                kind.name
            );
            return Err(Usage(message).into());
        }
        loop {
            let typed = prompt::text("client_id: ")?;
            if !typed.is_empty() {
                return Ok(typed);
            }
        }
    }

    fn key(&self, kind: &CredentialKind, ask: bool) -> anyhow::Result<Proof> {
        if let Some(file) = &self.key_file {
            return Ok(Proof::Key {
                file: whole(file).map_err(Usage)?,
                key_id: self.key_id.clone(),
            });
        }
        if !ask {
            let message = format!(
                "the private key of {} is missing: name its file with --key-file, or a file with the client's secret with \
                 --token-file",
                kind.name
            );
            return Err(Usage(message).into());
        }
        let file = loop {
            let typed = prompt::text("private_key (its file, which stays where it is): ")?;
            match whole(Path::new(&typed)) {
                Ok(file) => break file,
                Err(why) => tell(&why),
            }
        };
        let key_id = prompt::text("key_id (Enter if there is one key alone): ")?;
        Ok(Proof::Key {
            file,
            key_id: Some(key_id).filter(|key_id| !key_id.is_empty()),
        })
    }

    fn secret(&self, name: &str, ask: bool) -> anyhow::Result<SecretString> {
        if let Some(file) = &self.token_file {
            return Ok(SecretRef::File(file.clone())
                .resolve()
                .map_err(|error| Usage(error.to_string()))?);
        }
        if !ask {
            let message =
                format!("the {name} is missing: give a file that holds it with --token-file");
            return Err(Usage(message).into());
        }
        loop {
            let typed = prompt::secret(&format!("{name} (not shown): "))?;
            match SecretRef::Literal(typed).resolve() {
                Ok(secret) => return Ok(secret),
                Err(error) => tell(&error.to_string()),
            }
        }
    }
}

fn scheme(kind: &CredentialKind) -> Option<&OauthScheme> {
    match &kind.scheme {
        Scheme::Oauth(scheme) => Some(scheme),
        Scheme::Header { .. } => None,
    }
}

fn named<'a>(kinds: &'a [CredentialKind], name: &str) -> Result<&'a CredentialKind, Usage> {
    let known: Vec<_> = kinds.iter().map(|kind| kind.name.as_str()).collect();
    kinds.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let advice = suggestion(name, &known, "it understands").unwrap_or_default();
        let name = escape::line(name);
        Usage(format!(
            "the plugin does not understand the credential `{name}`; {advice}"
        ))
    })
}

fn no_client(kind: &CredentialKind) -> Usage {
    Usage(format!(
        "`{}` is one secret, and no client: --client-id, --key-file and --key-id are for clients",
        kind.name
    ))
}

/// The whole path of a file that can be read: the configuration may be in another folder than this one.
fn whole(file: &Path) -> Result<PathBuf, String> {
    let cannot = |error: std::io::Error| format!("{} can't be read: {error}", file.display());
    let path = file.canonicalize().map_err(cannot)?;
    let is_file = std::fs::File::open(&path)
        .and_then(|opened| opened.metadata())
        .map_err(cannot)?;
    match is_file.is_file() {
        true => Ok(path),
        false => Err(format!("{} is no file", file.display())),
    }
}
