//! What the plugin says about itself: the network access it asks for, and how its credential is applied.
//!
//! Even with a Super Administrator's token the plugin can do no more than these four GETs, of which running uses one.
//! Each need is there twice, for an org named by `domain` and for one named by `url`; the host drops the one whose
//! option is not set. Those with a credential are there twice again, for an API token and for an app that gets access
//! tokens; the host takes the one that is configured.

use logweir_plugin::types::{
    CredentialKind, CredentialScheme, Description, HeaderScheme, HttpNeed, OauthScheme, RateLimit,
    ResetFormat,
};

use crate::link::LOGS;
use crate::throttle::{LIMIT, REMAINING, RESET};
use crate::{check, config};

/// The name of an API token in a configuration.
pub const API_TOKEN: &str = "api_token";
/// The name of an app in a configuration.
pub const OAUTH: &str = "oauth";
/// Where the org's own authorization server gives tokens; those of others are not taken by its API.
const TOKENS: &str = "/oauth2/v1/token";

/// The plugin's description.
pub fn describe() -> Description {
    let needs = [("", "https://{domain}"), ("_by_url", "{url}")];
    Description {
        name: "okta".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        summary: "Reads the System Log of an Okta org.".to_owned(),
        config_schema: config::schema(),
        needs: needs
            .into_iter()
            .flat_map(|(suffix, origin)| needs_at(suffix, origin))
            .collect(),
        credentials: vec![api_token(), oauth()],
    }
}

fn api_token() -> CredentialKind {
    CredentialKind {
        name: API_TOKEN.to_owned(),
        summary: "An API token of an administrator who may view the System Log; Read-only Administrator is enough \
                  (Admin Console: Security > API > Tokens)."
            .to_owned(),
        scheme: CredentialScheme::Header(HeaderScheme {
            name: "authorization".to_owned(),
            value: "SSWS {secret}".to_owned(),
        }),
    }
}

fn oauth() -> CredentialKind {
    CredentialKind {
        name: OAUTH.to_owned(),
        summary: "An app of the type API Services with a public key, the scope okta.logs.read and the role Read-only \
                  Administrator (Admin Console: Applications > Create App Integration); its `client_id` and \
                  `private_key`, or the `client_secret` of an API service integration."
            .to_owned(),
        scheme: CredentialScheme::Oauth2ClientCredentials(OauthScheme {
            token_url: TOKENS.to_owned(),
            scopes: owned(&["okta.logs.read"]),
            auth_methods: owned(&["private_key_jwt", "client_secret_basic"]),
            dpop: true,
        }),
    }
}

fn needs_at(suffix: &str, origin: &str) -> Vec<HttpNeed> {
    let need = |name: String, path: &str| HttpNeed {
        paths: vec![path.to_owned()],
        response_headers: owned(&["location", "x-okta-request-id"]),
        ..HttpNeed::get(format!("{name}{suffix}"), origin)
    };
    let check_only = |need| HttpNeed {
        check_only: true,
        ..need
    };
    let mut needs = vec![check_only(need(
        "organization".to_owned(),
        check::ORGANIZATION,
    ))];
    for (kind, by) in [(API_TOKEN, ""), (OAUTH, "_by_app")] {
        let signed = |name: &str, path: &str| signed(kind, need(format!("{name}{by}"), path));
        needs.extend([
            signed("logs", LOGS),
            check_only(signed("token_owner", check::TOKEN_OWNER)),
            check_only(signed("administrators", check::ADMINISTRATORS)),
        ]);
    }
    needs
}

/// The need, with this credential and what there is to see then.
fn signed(credential: &str, need: HttpNeed) -> HttpNeed {
    HttpNeed {
        response_headers: owned(&[
            "link",
            "location",
            "retry-after",
            "www-authenticate",
            "x-okta-request-id",
            LIMIT,
            REMAINING,
            RESET,
        ]),
        credential: Some(credential.to_owned()),
        rate_limit: Some(RateLimit {
            limit: LIMIT.to_owned(),
            remaining: REMAINING.to_owned(),
            reset: RESET.to_owned(),
            reset_is: ResetFormat::EpochSeconds,
        }),
        ..need
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn only_one_request_is_made_outside_of_check() {
        let description = describe();
        let running: Vec<_> = description
            .needs
            .iter()
            .filter(|need| !need.check_only)
            .collect();
        assert_eq!(running.len(), 4);
        for need in running {
            assert_eq!(
                (need.methods.as_slice(), need.paths.as_slice()),
                (&["GET".to_owned()][..], &[LOGS.to_owned()][..])
            );
        }
        assert!(description.needs.iter().all(|need| need.methods == ["GET"]));
        let names: HashSet<_> = description.needs.iter().map(|need| &need.name).collect();
        assert_eq!(names.len(), description.needs.len());
    }

    #[test]
    fn trust_04_who_is_there_is_asked_without_a_token() {
        let description = describe();
        let open: Vec<_> = description
            .needs
            .iter()
            .filter(|need| need.credential.is_none())
            .collect();
        assert!(
            open.iter()
                .all(|need| need.check_only && need.paths == [check::ORGANIZATION])
        );
        assert_eq!(open.len(), 2);
    }
}
