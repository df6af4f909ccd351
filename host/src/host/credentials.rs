//! Whether the credentials of a source are those that its plugin needs: all that can be said without looking at them.

use crate::config::{ClientPlan, CredentialPlan, ProofPlan, SourcePlan};
use crate::gate::{AuthMethod, CredentialKind, Grant, OauthScheme, Scheme};

/// What is wrong with credentials, each with its kind.
pub(super) fn wrong(plan: &SourcePlan, kinds: &[CredentialKind]) -> Vec<(String, String)> {
    let wrong = plan.credentials.iter().filter_map(|(name, given)| {
        let reason = match kinds.iter().find(|kind| kind.name == *name) {
            Some(kind) => mismatch(kind, given)?,
            None => unknown(kinds),
        };
        Some((name.clone(), reason))
    });
    wrong.collect()
}

fn unknown(kinds: &[CredentialKind]) -> String {
    let known: Vec<_> = kinds.iter().map(|kind| kind.name.as_str()).collect();
    let understood = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    format!("the plugin does not understand this credential; it understands {understood}")
}

fn mismatch(kind: &CredentialKind, given: &CredentialPlan) -> Option<String> {
    match (&kind.scheme, given) {
        (Scheme::Header { .. }, CredentialPlan::Secret(_)) => None,
        (Scheme::Header { .. }, CredentialPlan::Client(_)) => Some(format!(
            "`{0}` is one secret, and not a client: write `{0}: ${{file:…}}`",
            kind.name
        )),
        (Scheme::Oauth(scheme), CredentialPlan::Secret(_)) => Some(format!(
            "`{}` is a client: write `{}`",
            kind.name,
            how(kind, scheme)
        )),
        (Scheme::Oauth(scheme), CredentialPlan::Client(client)) => {
            let method = method(client);
            (!scheme.takes(method)).then(|| {
                format!(
                    "a client of the plugin does not prove itself by this: write `{}`",
                    how(kind, scheme)
                )
            })
        }
    }
}

fn method(client: &ClientPlan) -> AuthMethod {
    match client.proof {
        ProofPlan::Key { .. } => AuthMethod::PrivateKeyJwt,
        ProofPlan::Secret(_) => AuthMethod::ClientSecretBasic,
    }
}

/// How a kind is written.
fn how(kind: &CredentialKind, scheme: &OauthScheme) -> String {
    let proof = match scheme.takes(AuthMethod::PrivateKeyJwt) {
        true => "private_key",
        false => "client_secret",
    };
    format!("{}: {{ client_id: …, {proof}: ${{file:…}} }}", kind.name)
}

/// A need that is signed with a credential that is not there would only fail later, unless another need with a
/// credential that is there admits the same.
pub(super) fn missing(
    plan: &SourcePlan,
    grants: &[Grant],
    kinds: &[CredentialKind],
) -> Option<String> {
    let given = |grant: &Grant| {
        let kind = grant.credential();
        kind.is_none_or(|kind| plan.credentials.iter().any(|(given, _)| given == kind))
    };
    let served = |grant: &Grant| {
        grants
            .iter()
            .any(|other| other.credential().is_some() && given(other) && other.covers(grant))
    };
    let lacking = grants
        .iter()
        .find(|grant| !given(grant) && !served(grant))?;
    let missing = lacking.credential()?;
    let mut advice = format!("add `credentials: {{ {} }}`", written(missing, kinds));
    // Whatever else would do.
    let others = grants.iter().filter(|other| other.covers(lacking));
    let mut named = vec![missing];
    for other in others.filter_map(Grant::credential) {
        if !named.contains(&other) {
            named.push(other);
            advice.push_str(&format!(
                " or `credentials: {{ {} }}`",
                written(other, kinds)
            ));
        }
    }
    Some(format!("the credential `{missing}` is missing: {advice}"))
}

fn written(name: &str, kinds: &[CredentialKind]) -> String {
    let kind = kinds.iter().find(|kind| kind.name == name);
    match kind.map(|kind| (kind, &kind.scheme)) {
        Some((kind, Scheme::Oauth(scheme))) => how(kind, scheme),
        _ => format!("{name}: ${{file:…}}"),
    }
}

/// A credential that no request is ever signed with, since another one comes first, and the one that does.
pub(super) fn unused(plan: &SourcePlan, grants: &[Grant]) -> Option<(String, String)> {
    let given = |grant: &&Grant| {
        let kind = grant.credential();
        kind.is_some_and(|kind| plan.credentials.iter().any(|(given, _)| given == kind))
    };
    let signing: Vec<_> = grants.iter().filter(given).collect();
    let before = |at: usize, grant: &Grant| {
        let earlier = signing.iter().take(at);
        let other = earlier.filter(|other| other.credential() != grant.credential());
        other.copied().find(|other| other.covers(grant))
    };
    plan.credentials.iter().find_map(|(name, _)| {
        let mut own = signing
            .iter()
            .enumerate()
            .filter(|(_, grant)| grant.credential() == Some(name))
            .peekable();
        own.peek()?;
        let first = own
            .map(|(at, grant)| before(at, grant))
            .collect::<Option<Vec<_>>>()?;
        let used = first.first()?.credential()?;
        Some((
            name.clone(),
            format!("`{name}` is never used, since `{used}` is there too: leave out one of them"),
        ))
    })
}
