//! The budgets of a process: one for each origin, credential and set of paths.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{Account, Lease, Share};
use crate::gate::grant::Grant;
use crate::gate::path::PathPattern;

/// Makes budgets, and finds again those that are in use. Gates that share one of these share their budgets.
#[derive(Debug, Default)]
pub struct Budgets {
    known: Mutex<HashMap<Key, Weak<Account>>>,
}

/// What a peer counts apart (trust rule 13).
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    origin: String,
    /// A digest, so that no secret is kept here. None for requests that are not signed.
    credential: Option<[u8; 32]>,
    paths: Vec<PathPattern>,
}

impl Budgets {
    /// The budget that a grant's requests count against when they are signed with this credential. None where the peer
    /// tells nothing of a limit, and while the credential is not there: then nothing is sent.
    pub(crate) fn lease(
        &self,
        grant: &Grant,
        credential: Option<[u8; 32]>,
        share: Option<Share>,
    ) -> Option<Lease> {
        grant.rate_limit()?;
        if credential.is_none() && grant.credential().is_some() {
            return None;
        }
        let mut paths = grant.paths().to_vec();
        paths.sort();
        let key = Key {
            origin: grant.origin().ascii_serialization(),
            credential,
            paths,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = known.get(&key).and_then(Weak::upgrade) {
            return Some(account.lease(share));
        }
        if known.len() == known.capacity() {
            known.retain(|_, account| account.strong_count() > 0);
        }
        let account = Arc::new(Account::new());
        known.insert(key, Arc::downgrade(&account));
        Some(account.lease(share))
    }
}
