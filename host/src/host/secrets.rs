//! Credentials, from where the configuration says they are to the gate that signs with them.

use crate::gate::{Credential, CredentialKind};
use crate::plugin::Credentials;
use crate::secret::SecretRef;

/// The credentials of one source, read from where the configuration says.
pub(crate) struct Secrets {
    pub(crate) references: Vec<(String, SecretRef)>,
    pub(crate) kinds: Vec<CredentialKind>,
}

impl Credentials for Secrets {
    fn stamp(&self) -> u64 {
        self.references.iter().fold(0, |sum: u64, (_, reference)| {
            sum.rotate_left(7) ^ reference.stamp()
        })
    }

    fn resolve(&self) -> Result<Vec<Credential>, String> {
        let resolve = |(kind, reference): &(String, SecretRef)| {
            let known = self.kinds.iter().find(|known| known.name == *kind);
            let known =
                known.ok_or_else(|| format!("the plugin does not know the credential {kind}"))?;
            let secret = reference
                .resolve()
                .map_err(|error| format!("credential {kind}: {error}"))?;
            Credential::new(known, &secret).map_err(|error| error.to_string())
        };
        self.references.iter().map(resolve).collect()
    }
}
