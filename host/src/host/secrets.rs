//! Credentials, from where the configuration says they are to the gate that signs with them.

use crate::config::{ClientPlan, CredentialPlan, ProofPlan};
use crate::gate::{ClientSecrets, Credential, CredentialKind, ProofSecret};
use crate::plugin::Credentials;
use crate::secret::SecretError;

/// The credentials of one source, read from where the configuration says.
pub(crate) struct Secrets {
    pub(crate) plans: Vec<(String, CredentialPlan)>,
    pub(crate) kinds: Vec<CredentialKind>,
}

impl Credentials for Secrets {
    fn stamp(&self) -> u64 {
        self.plans.iter().fold(0, |sum: u64, (_, plan)| {
            sum.rotate_left(7) ^ plan.reference().stamp()
        })
    }

    fn resolve(&self) -> Result<Vec<Credential>, String> {
        let resolve = |(name, plan): &(String, CredentialPlan)| {
            let known = self.kinds.iter().find(|known| known.name == *name);
            let kind =
                known.ok_or_else(|| format!("the plugin does not know the credential {name}"))?;
            match plan {
                CredentialPlan::Secret(reference) => {
                    let secret = reference.resolve().map_err(|error| unread(name, &error))?;
                    Credential::new(kind, &secret).map_err(|error| error.to_string())
                }
                CredentialPlan::Client(client) => resolve_client(kind, client),
            }
        };
        self.plans.iter().map(resolve).collect()
    }
}

fn resolve_client(kind: &CredentialKind, client: &ClientPlan) -> Result<Credential, String> {
    let found = match &client.proof {
        ProofPlan::Key { key, .. } => key.resolve_document(),
        ProofPlan::Secret(reference) => reference.resolve(),
    };
    let found = found.map_err(|error| unread(&kind.name, &error))?;
    let proof = match &client.proof {
        ProofPlan::Key { key_id, .. } => ProofSecret::Key {
            text: &found,
            key_id: key_id.as_deref(),
        },
        ProofPlan::Secret(_) => ProofSecret::Secret(&found),
    };
    let secrets = ClientSecrets {
        client_id: &client.client_id,
        proof,
        scopes: client.scopes.as_deref(),
    };
    Credential::client(kind, &secrets).map_err(|error| match &client.proof {
        // The person has to know which file it is.
        ProofPlan::Key { key, .. } => format!("{error} ({key})"),
        ProofPlan::Secret(_) => error.to_string(),
    })
}

fn unread(name: &str, error: &SecretError) -> String {
    format!("credential {name}: {error}")
}
