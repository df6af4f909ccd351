//! The door out. Everything a plugin sends goes through its source's [`Gate`], and nothing it was not granted does.
//!
//! A plugin describes its [`Need`]s. With a configuration, and the yes of whoever runs it, they become [`Grant`]s:
//! an origin, methods, paths, headers and at most one credential each. Every instance of the plugin gets a
//! [`Session`]; for each request the gate
//!
//! 1. parses the address once, decides on that value and sends that value; what a server could read differently than
//!    the gate did is refused (`request`);
//! 2. finds the grant it goes out under, and passes on only the headers that this names;
//! 3. holds it back while the peer's budget is used up (`budget`): both clocks in that sum are the peer's;
//! 4. signs it with a [`Credential`], which is in this process and in no plugin;
//! 5. sends it through the client of the source's network policy ([`crate::http`]), which judges addresses;
//! 6. shows the plugin those headers of the answer that the need names, and drains the body ahead of it, decompressed,
//!    bounded, and without the credential should the peer repeat it ([`GateBody`]).
//!
//! What is refused is said to the plugin in words, counted, and logged once ([`Gate::refusals`]).

mod body;
mod budget;
mod credential;
mod error;
mod grant;
mod need;
mod origin;
mod path;
mod refusal;
mod request;
mod session;
mod stats;
#[cfg(test)]
mod tests;
mod validate;
mod veil;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

pub use body::GateBody;
pub use budget::Budget;
pub use credential::{Credential, CredentialError};
pub use error::GateError;
pub use grant::{Grant, GrantError, Granted, Granting};
pub use need::{CredentialKind, Description, Need, OauthScheme, RateLimit, ResetFormat, Scheme};
pub use refusal::{Refusal, RefusalCount, RefusalReason};
pub use session::{Purpose, Session, Timeouts};
pub use stats::GateStats;
pub use validate::DescriptionError;

use crate::http::Client;
pub use crate::http::{CertificateProblem, Clients, HttpError, NetworkPolicy};
use budget::BudgetState;
use credential::Credentials;
use refusal::Refusals;
use request::{Admitted, Rules};
use stats::Counters;

/// What a gate is made of.
#[derive(Debug, Clone)]
pub struct GateConfig {
    /// The name of the source, for logs.
    pub source: Arc<str>,
    /// What may go out.
    pub grants: Vec<Grant>,
    /// What signs it.
    pub credentials: Vec<Credential>,
    /// How to reach the network.
    pub network: NetworkPolicy,
    /// How much of anything there may be.
    pub limits: GateLimits,
}

/// Limits of one gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateLimits {
    /// Bytes of an answer's body, decompressed.
    pub response_bytes: u64,
    /// Bytes of an answer's headers.
    pub header_bytes: usize,
    /// Bytes of a request's body.
    pub request_bytes: usize,
    /// Bytes of one body that are kept ahead of its reader.
    pub ahead_bytes: usize,
    /// How long a request is held back at a time, at most.
    pub hold: Duration,
}

impl Default for GateLimits {
    /// Pages of logs have a few megabytes: one or two fit ahead of the reader.
    fn default() -> Self {
        Self {
            response_bytes: 64 * 1024 * 1024,
            header_bytes: 64 * 1024,
            request_bytes: 1024 * 1024,
            ahead_bytes: 8 * 1024 * 1024,
            hold: Duration::from_secs(300),
        }
    }
}

/// The door of one source.
pub struct Gate {
    source: Arc<str>,
    grants: Vec<Grant>,
    /// One for each grant.
    clients: Vec<Client>,
    limits: GateLimits,
    credentials: Mutex<Arc<Credentials>>,
    /// One for each grant.
    budgets: Mutex<Vec<BudgetState>>,
    refusals: Mutex<Refusals>,
    counters: Mutex<Counters>,
    bytes: AtomicU64,
}

impl Gate {
    /// Makes a gate. Reads the certificates that its network policy names, if no gate of the same policy did.
    pub fn new(config: GateConfig, clients: &Clients) -> Result<Arc<Self>, GateError> {
        let client = |grant: &Grant| clients.get(&config.network, grant.reach());
        let clients = config.grants.iter().map(client);
        Ok(Arc::new(Self {
            source: config.source,
            clients: clients.collect::<Result<_, _>>()?,
            limits: config.limits,
            credentials: Mutex::new(Arc::new(Credentials::new(config.credentials))),
            budgets: Mutex::new(vec![BudgetState::default(); config.grants.len()]),
            grants: config.grants,
            refusals: Mutex::default(),
            counters: Mutex::default(),
            bytes: AtomicU64::new(0),
        }))
    }

    /// The door for one plugin instance.
    pub fn session(self: &Arc<Self>, purpose: Purpose) -> Session {
        Session::new(Arc::clone(self), purpose)
    }

    /// What was granted.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Signs with these from now on.
    pub fn set_credentials(&self, credentials: Vec<Credential>) {
        let mut current = lock(&self.credentials);
        *current = Arc::new(current.replaced_by(credentials));
    }

    /// The text with `***` where a secret of this gate stands in it.
    pub fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.credentials().scrub(text)
    }

    /// What was refused, and how often.
    pub fn refusals(&self) -> Vec<RefusalCount> {
        lock(&self.refusals).list()
    }

    /// The counters as they are now.
    pub fn stats(&self) -> GateStats {
        let now = Instant::now();
        let budgets = lock(&self.budgets).clone();
        let held_until = budgets.iter().filter_map(|state| state.hold_until(now));
        let held_for = held_until.max().map(|until| until - now);
        let known = self.grants.iter().zip(&budgets);
        let known = known.filter_map(|(grant, state)| {
            let budget = state.budget(now)?;
            Some((Arc::clone(grant.need()), budget))
        });
        let counters = lock(&self.counters);
        GateStats {
            answers: counters.answers.clone(),
            failed: counters.failed,
            refused: counters.refused,
            bytes: self.bytes.load(Ordering::Relaxed),
            absurd_resets: budgets.iter().map(|state| state.absurd).sum(),
            budgets: known.collect(),
            held_for,
        }
    }

    fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&lock(&self.credentials))
    }

    fn need(&self, grant: usize) -> Option<Arc<str>> {
        self.grants.get(grant).map(|grant| Arc::clone(grant.need()))
    }

    fn admit(
        &self,
        request: http::Request<Bytes>,
        purpose: Purpose,
    ) -> Result<Admitted, GateError> {
        let rules = Rules {
            grants: &self.grants,
            credentials: &self.credentials(),
            purpose,
            request_bytes: self.limits.request_bytes,
        };
        rules.admit(request).map_err(|refusal| self.refuse(refusal))
    }

    /// Adds the credential of the request's grant as it is now, which may be after a hold.
    fn sign(&self, admitted: &mut Admitted) -> Result<(), GateError> {
        let Some(kind) = self.grants.get(admitted.grant).and_then(Grant::credential) else {
            return Ok(());
        };
        let credentials = self.credentials();
        let Some(credential) = credentials.get(kind) else {
            return Err(self.refuse(Refusal {
                need: self.need(admitted.grant),
                reason: RefusalReason::NoCredential,
                detail: format!("no credential {kind:?} is configured"),
            }));
        };
        let (name, value) = credential.header();
        admitted.request.headers_mut().insert(name, value.clone());
        Ok(())
    }

    fn refuse(&self, refusal: Refusal) -> GateError {
        lock(&self.counters).refused += 1;
        if lock(&self.refusals).count(&refusal) {
            tracing::warn!(
                source = %self.source,
                need = refusal.need.as_deref().unwrap_or("none"),
                reason = refusal.reason.as_str(),
                detail = refusal.detail,
                "the plugin asked for something it may not have"
            );
        }
        refusal.into()
    }

    fn failed(&self, grant: usize, error: HttpError) -> GateError {
        if let HttpError::AddressRefused { .. } = error {
            return self.refuse(Refusal {
                need: self.need(grant),
                reason: RefusalReason::Address,
                detail: error.to_string(),
            });
        }
        lock(&self.counters).failed += 1;
        error.into()
    }

    fn hold_until(&self, grant: usize) -> Option<Instant> {
        let budgets = lock(&self.budgets);
        budgets.get(grant)?.hold_until(Instant::now())
    }

    /// Takes in the head of an answer, and leaves of it what the plugin may see.
    fn receive(
        &self,
        grant: usize,
        response: &reqwest::Response,
    ) -> Result<http::Response<()>, GateError> {
        let (status, headers) = (response.status(), response.headers());
        *(lock(&self.counters).answers)
            .entry(status.as_u16())
            .or_default() += 1;
        let limit = self.limits.header_bytes;
        let size = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len()
        };
        if headers.iter().map(size).sum::<usize>() > limit {
            return Err(GateError::HeadersTooLarge { limit });
        }
        let mut head = http::Response::new(());
        *head.status_mut() = status;
        if let Some(grant_of) = self.grants.get(grant) {
            let credentials = self.credentials();
            let hides = |value: &[u8]| credentials.occur_in(value);
            *head.headers_mut() = session::shown(headers, grant_of.response_headers(), hides);
            if let Some(names) = grant_of.rate_limit()
                && let Some(state) = lock(&self.budgets).get_mut(grant)
            {
                state.learn(names, status, headers, Instant::now());
            }
        }
        Ok(head)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
