//! The credentials of one source: where secrets are, and which clients get tokens.

use super::{Found, Surroundings};
use crate::config::de;
use crate::config::mistake::Mistake;
use crate::config::node::{Entry, Node, NodeValue};
use crate::config::plan::{ClientPlan, CredentialPlan, ProofPlan};
use crate::config::raw::RawClient;
use crate::gate::is_scope;
use crate::secret::{SecretRef, SecretRefError};

const HOW: &str = "write `${env:NAME}` or `${file:PATH}`; a number needs quotes";

/// Decides what a source's credentials mean. What kind each of them must be, the plugin will say.
pub(super) fn resolve(
    source: &Node,
    around: &Surroundings<'_>,
    found: &mut Found,
) -> Vec<(String, CredentialPlan)> {
    let typed = source.get("credentials").map_or(&[][..], Node::entries);
    let plans = typed.iter().filter_map(|entry| {
        let plan = match entry.value.value {
            NodeValue::Map(_) => client(entry, around, found).map(CredentialPlan::Client),
            _ => secret(&entry.value, around, found).map(CredentialPlan::Secret),
        };
        Some((entry.key.clone(), plan?))
    });
    plans.collect()
}

fn secret(node: &Node, around: &Surroundings<'_>, found: &mut Found) -> Option<SecretRef> {
    let parsed = match &node.value {
        NodeValue::Text(text) => SecretRef::parse(text, around.base),
        NodeValue::File(path) => Ok(SecretRef::File(around.base.join(path))),
        _ => {
            let message = format!("expected text, found {}", node.describe());
            let mistake = Mistake::at(node.place, message).label("a secret goes here");
            found.mistakes.push(mistake.help(HOW));
            return None;
        }
    };
    match parsed.and_then(|secret| allowed(secret, node, around)) {
        Ok(secret) => {
            let warning = secret.warning();
            let warning = warning.map(|warning| Mistake::at(node.place, warning));
            found.warnings.extend(warning);
            Some(secret)
        }
        Err(error) => {
            let mistake = Mistake::at(node.place, error.to_string());
            found.mistakes.push(mistake);
            None
        }
    }
}

/// The main file may name all there is, others less (trust rule 18).
fn allowed(
    secret: SecretRef,
    node: &Node,
    around: &Surroundings<'_>,
) -> Result<SecretRef, SecretRefError> {
    match around.folder_of(node.place) {
        None => Ok(secret),
        Some(folder) => secret.included(folder),
    }
}

fn client(entry: &Entry, around: &Surroundings<'_>, found: &mut Found) -> Option<ClientPlan> {
    let node = &entry.value;
    let raw: RawClient = de::read_as(node, &mut found.mistakes)?;
    let before = found.mistakes.len();
    check_word(node, "client_id", Some(&raw.client_id), found);
    check_word(node, "key_id", raw.key_id.as_deref(), found);
    check_scopes(node, raw.scopes.as_deref(), found);
    let proof = match (node.entry("private_key"), node.entry("client_secret")) {
        (Some(key), None) => secret(&key.value, around, found).map(|key| ProofPlan::Key {
            key,
            key_id: raw.key_id,
        }),
        (None, Some(known)) => {
            if let Some(key_id) = node.entry("key_id") {
                let message = "`key_id` names a private key, and there is none";
                let mistake = Mistake::at(key_id.key_place, message);
                found.mistakes.push(mistake);
            }
            secret(&known.value, around, found).map(ProofPlan::Secret)
        }
        (Some(_), Some(known)) => {
            let message =
                "a client proves itself with `private_key` or with `client_secret`, not with both";
            let mistake = Mistake::at(known.key_place, message).label("one too many");
            found.mistakes.push(mistake);
            None
        }
        (None, None) => {
            let message = "there is nothing that the client could prove itself with";
            let mistake = Mistake::at(entry.key_place, message).label("lacks a key");
            let help = "add `private_key: ${file:PATH}`, or `client_secret: ${file:PATH}`";
            found.mistakes.push(mistake.help(help));
            None
        }
    };
    // What is left may be half of what was meant.
    (found.mistakes.len() == before).then_some(ClientPlan {
        client_id: raw.client_id,
        proof: proof?,
        scopes: raw.scopes,
    })
}

/// Ids go into requests as they are, and are no secrets.
fn check_word(node: &Node, key: &str, word: Option<&str>, found: &mut Found) {
    let Some(word) = word else { return };
    let place = node.place_of_pointer(&format!("/{key}"));
    if word.contains("${") {
        let message = format!("`{key}` is no secret: `${{…}}` is not looked up here");
        let mistake = Mistake::at(place, message).help("write it down as it is");
        found.mistakes.push(mistake);
    } else if word.is_empty() || word.len() > 256 || !word.bytes().all(|b| b.is_ascii_graphic()) {
        let message = format!("`{key}` is one word of letters, digits and signs");
        found.mistakes.push(Mistake::at(place, message));
    }
}

fn check_scopes(node: &Node, scopes: Option<&[String]>, found: &mut Found) {
    let Some(scopes) = scopes else { return };
    if scopes.is_empty() {
        let place = node.place_of_pointer("/scopes");
        let mistake = Mistake::at(place, "there is no scope in `scopes`");
        let help = "leave the key out for those that the plugin needs";
        found.mistakes.push(mistake.help(help));
    }
    for (at, scope) in scopes
        .iter()
        .enumerate()
        .filter(|(_, scope)| !is_scope(scope))
    {
        let place = node.place_of_pointer(&format!("/scopes/{at}"));
        let message = match scope.contains(' ') {
            true => "each scope is an item of its own: `[one, two]`",
            false => "this can't be a scope",
        };
        found.mistakes.push(Mistake::at(place, message));
    }
}
