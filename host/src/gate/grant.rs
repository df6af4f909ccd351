//! Grants: needs, filled in from a configuration, that the host has agreed to.

use std::collections::HashMap;
use std::sync::Arc;

use http::{HeaderName, Method};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Origin, Url};

use super::need::{CredentialKind, Description, Need, RateLimit, Scheme};
use super::origin::{OriginTemplate, TokenUrl};
use super::path::PathPattern;
use super::validate::parse_method;
use crate::http::Reach;

/// What a person grants a plugin that is not built in: one item of `grants:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The need this answers, by its name.
    pub need: String,
    /// Where to: what the need says, or what comes of it with this configuration.
    pub origin: String,
    /// The methods.
    pub methods: Vec<String>,
    /// The paths, or some of them.
    pub paths: Vec<String>,
    /// The credential that may be sent along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The header that the credential is put into, unless that is `authorization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_header: Option<String>,
    /// Whether it is for `check` alone. Where the need says so too, it need not be said here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub check_only: bool,
}

impl Granted {
    /// Everything that a need asks for, ready to be pasted.
    pub fn all_of(need: &Need, kinds: &[CredentialKind]) -> Self {
        Self {
            need: need.name.clone(),
            origin: need.origin.clone(),
            methods: need.methods.clone(),
            paths: need.paths.clone(),
            credential: need.credential.clone(),
            credential_header: shown_header(need, kinds),
            check_only: need.check_only,
        }
    }
}

/// Who decides what is granted.
#[derive(Debug, Clone, Copy)]
pub enum Granting<'a> {
    /// A built-in plugin is granted what it needs.
    BuiltIn,
    /// Any other plugin is granted what `grants:` names, and of that only what it needs.
    Listed(&'a [Granted]),
}

/// Why needs can't be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// A value of the configuration can't be put into an origin.
    #[error("{key}: {reason}")]
    Value {
        /// The top-level key of the plugin's configuration.
        key: String,
        /// What is wrong and what to write instead.
        reason: String,
    },
    /// A need is not what a description may hold.
    #[error("need {need:?}: {reason}")]
    Need {
        /// Its name.
        need: String,
        /// What is wrong.
        reason: String,
    },
    /// An item of `grants:` does not fit.
    #[error("grants, need {need:?}: {reason}")]
    Granted {
        /// The need it names.
        need: String,
        /// What is wrong.
        reason: String,
    },
    /// Two needs would send one credential to two places.
    #[error(
        "needs {first:?} and {second:?} name the credential {credential:?} but go to {first_origin} and \
         {second_origin}; a credential is sent to one origin alone"
    )]
    CredentialAtTwoOrigins {
        /// The credential.
        credential: String,
        /// One need.
        first: String,
        /// Where it goes.
        first_origin: String,
        /// The other need.
        second: String,
        /// Where that one goes.
        second_origin: String,
    },
}

impl GrantError {
    /// A JSON pointer to what is wrong in the plugin's configuration, if it is there.
    pub fn config_pointer(&self) -> Option<String> {
        match self {
            Self::Value { key, .. } => Some(format!("/{key}")),
            _ => None,
        }
    }
}

/// Access that was granted: the only requests that leave the gate are those that one of these admits.
#[derive(Debug, Clone)]
pub struct Grant {
    need: Arc<str>,
    origin: Url,
    reach: Reach,
    methods: Vec<Method>,
    paths: Vec<PathPattern>,
    request_headers: Vec<HeaderName>,
    response_headers: Vec<HeaderName>,
    credential: Option<String>,
    /// Where the host asks for the tokens that sign these requests.
    token_url: Option<Url>,
    rate_limit: Option<RateLimit>,
    check_only: bool,
}

impl Grant {
    /// Grants all of a need, or nothing if the configuration does not set what the need's origin stands on.
    pub fn resolve(need: &Need, plugin_config: &Value) -> Result<Option<Self>, GrantError> {
        let refused = |reason: String| GrantError::Need {
            need: need.name.clone(),
            reason,
        };
        let template = OriginTemplate::parse(&need.origin).map_err(refused)?;
        let filled = template
            .fill(plugin_config)
            .map_err(|error| match error.key {
                Some(key) => GrantError::Value {
                    key,
                    reason: error.reason,
                },
                None => refused(error.reason),
            })?;
        let Some((origin, reach)) = filled else {
            return Ok(None);
        };
        let methods = need
            .methods
            .iter()
            .filter_map(|method| parse_method(method));
        let paths = need.paths.iter().map(|path| PathPattern::parse(path));
        Ok(Some(Self {
            need: need.name.as_str().into(),
            origin,
            reach,
            methods: methods.collect(),
            paths: paths.collect::<Result<_, _>>().map_err(refused)?,
            request_headers: header_names(&need.request_headers),
            response_headers: header_names(&need.response_headers),
            credential: need.credential.clone(),
            token_url: None,
            rate_limit: need.rate_limit.clone(),
            check_only: need.check_only,
        }))
    }

    /// Grants what a description needs, as far as `granting` allows, and refuses what would send one credential to
    /// two origins.
    pub fn resolve_all(
        description: &Description,
        plugin_config: &Value,
        granting: Granting<'_>,
    ) -> Result<Vec<Self>, GrantError> {
        if let Granting::Listed(list) = granting {
            check_known(list, &description.needs)?;
        }
        let mut grants = Vec::new();
        for need in &description.needs {
            let Some(mut grant) = Self::resolve(need, plugin_config)? else {
                continue;
            };
            grant.token_url = grant.find_token_url(&description.credentials, plugin_config)?;
            match granting {
                Granting::BuiltIn => grants.push(grant),
                Granting::Listed(list) => {
                    let items = list.iter().filter(|item| item.need == need.name);
                    for item in items {
                        grants.push(grant.clone().narrow(need, item, &description.credentials)?);
                    }
                }
            }
        }
        check_credentials(&grants)?;
        Ok(grants)
    }

    /// Whether a request may go out under this grant. `url` is what will be sent.
    pub fn admits(&self, url: &Url, method: &Method) -> bool {
        self.origin.origin() == url.origin()
            && self.methods.contains(method)
            && self.paths.iter().any(|path| path.admits(url.path()))
    }

    /// What it admits, in a line for people: the same as long as it admits the same.
    pub fn told(&self) -> String {
        let words = |list: Vec<String>| list.join(" ");
        let methods = words(self.methods.iter().map(Method::to_string).collect());
        let paths = words(self.paths.iter().map(PathPattern::to_string).collect());
        let origin = self.origin.origin().ascii_serialization();
        let credential = self.credential.as_ref();
        let with = credential
            .map(|name| format!(" with {name}"))
            .unwrap_or_default();
        let when = if self.check_only {
            ", in checks alone"
        } else {
            ""
        };
        format!("{methods} {origin} {paths}{with}{when}")
    }

    /// The name of the need.
    pub fn need(&self) -> &Arc<str> {
        &self.need
    }

    /// Where requests go.
    pub fn origin(&self) -> Origin {
        self.origin.origin()
    }

    /// How far a client must reach to go there.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// The credential that is added, by its name.
    pub fn credential(&self) -> Option<&str> {
        self.credential.as_deref()
    }

    /// Whether every request that the other admits is one that this admits too, at the same times.
    pub fn covers(&self, other: &Self) -> bool {
        let within = |path: &PathPattern| self.paths.iter().any(|mine| mine.covers(path));
        self.origin.origin() == other.origin.origin()
            && (other.check_only || !self.check_only)
            && other
                .methods
                .iter()
                .all(|method| self.methods.contains(method))
            && other.paths.iter().all(within)
    }

    /// Where the host asks for the tokens that sign these requests.
    pub(crate) fn token_url(&self) -> Option<&Url> {
        self.token_url.as_ref()
    }

    /// Whether it is for `check` alone.
    pub fn is_check_only(&self) -> bool {
        self.check_only
    }

    pub(crate) fn request_headers(&self) -> &[HeaderName] {
        &self.request_headers
    }

    pub(crate) fn response_headers(&self) -> &[HeaderName] {
        &self.response_headers
    }

    pub(crate) fn paths(&self) -> &[PathPattern] {
        &self.paths
    }

    pub(crate) fn rate_limit(&self) -> Option<&RateLimit> {
        self.rate_limit.as_ref()
    }

    /// Where tokens for this grant's credential are asked for, if that is such a credential. It is where the requests
    /// go, so it is as well encrypted as they are (trust rule 6).
    fn find_token_url(
        &self,
        kinds: &[CredentialKind],
        config: &Value,
    ) -> Result<Option<Url>, GrantError> {
        let kind = kinds
            .iter()
            .find(|kind| Some(&kind.name) == self.credential.as_ref());
        let Some(Scheme::Oauth(scheme)) = kind.map(|kind| &kind.scheme) else {
            return Ok(None);
        };
        let refused = |reason: String| GrantError::Need {
            need: self.need.to_string(),
            reason,
        };
        let template = TokenUrl::parse(&scheme.token_url).map_err(refused)?;
        template
            .fill(&self.origin, config)
            .map(Some)
            .map_err(refused)
    }

    /// Leaves of the grant what a person has agreed to.
    fn narrow(
        mut self,
        need: &Need,
        item: &Granted,
        kinds: &[CredentialKind],
    ) -> Result<Self, GrantError> {
        let refused = |reason: String| GrantError::Granted {
            need: need.name.clone(),
            reason,
        };
        let same = |url: Url| url.origin() == self.origin.origin() && url.path() == "/";
        if item.origin != need.origin && !Url::parse(&item.origin).is_ok_and(same) {
            let reason = format!("{} is granted, {} is needed", item.origin, need.origin);
            return Err(refused(reason));
        }
        self.methods.retain(|method| {
            item.methods
                .iter()
                .any(|granted| granted == method.as_str())
        });
        let granted = item.paths.iter().map(|path| PathPattern::parse(path));
        let granted: Vec<_> = granted.collect::<Result<_, _>>().map_err(refused)?;
        self.paths = PathPattern::common(&self.paths, &granted);
        if item.credential.is_some() && item.credential != need.credential {
            return Err(refused("its credential is another one".to_owned()));
        }
        if item.credential.is_some() && item.credential_header != shown_header(need, kinds) {
            let header = shown_header(need, kinds).unwrap_or_else(|| "authorization".to_owned());
            let reason = format!("the credential is put into {header:?}: say so, or not at all");
            return Err(refused(reason));
        }
        self.credential.clone_from(&item.credential);
        self.check_only |= item.check_only;
        Ok(self)
    }
}

fn header_names(names: &[String]) -> Vec<HeaderName> {
    names
        .iter()
        .filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok())
        .collect()
}

/// The header that a grant must show: where a secret goes is of no surprise only for `authorization`.
fn shown_header(need: &Need, kinds: &[CredentialKind]) -> Option<String> {
    let name = need.credential.as_ref()?;
    let kind = kinds.iter().find(|kind| kind.name == *name)?;
    kind.header()
        .filter(|header| *header != "authorization")
        .map(str::to_owned)
}

fn check_known(granted: &[Granted], needs: &[Need]) -> Result<(), GrantError> {
    let unknown = |item: &&Granted| !needs.iter().any(|need| need.name == item.need);
    match granted.iter().find(unknown) {
        Some(item) => Err(GrantError::Granted {
            need: item.need.clone(),
            reason: "the plugin has no need of this name".to_owned(),
        }),
        None => Ok(()),
    }
}

fn check_credentials(grants: &[Grant]) -> Result<(), GrantError> {
    let mut homes: HashMap<&str, &Grant> = HashMap::new();
    for grant in grants {
        let Some(credential) = grant.credential() else {
            continue;
        };
        let home = homes.entry(credential).or_insert(grant);
        if home.origin() != grant.origin() {
            return Err(GrantError::CredentialAtTwoOrigins {
                credential: credential.to_owned(),
                first: home.need.to_string(),
                first_origin: home.origin().ascii_serialization(),
                second: grant.need.to_string(),
                second_origin: grant.origin().ascii_serialization(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
