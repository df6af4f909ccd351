//! The door out. Everything a plugin sends goes through its source's [`Gate`], and nothing it was not granted does.
//!
//! A plugin describes its [`Need`]s. With a configuration, and the yes of whoever runs it, they become [`Grant`]s:
//! an origin, methods, paths, headers and at most one credential each. Every instance of the plugin gets a
//! [`Session`]; for each request the gate
//!
//! 1. parses the address once, decides on that value and sends that value; what a server could read differently than
//!    the gate did is refused (`request`);
//! 2. finds the grant it goes out under, and passes on only the headers that this names;
//! 3. holds it back while our share of the peer's budget is used up, or not due yet (`budget`);
//! 4. signs it with a [`Credential`], which is in this process and in no plugin; where that is a client that gets tokens,
//!    it asks for them itself (`oauth`);
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
mod oauth;
mod origin;
mod path;
mod refusal;
mod request;
mod schema;
mod session;
mod stats;
#[cfg(test)]
mod tests;
mod validate;
mod veil;

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;

pub use body::GateBody;
pub use budget::{Budget, Budgets, Hold, HoldReason, Priority, Share, ShareError, Throttle};
pub use credential::{ClientSecrets, Credential, CredentialError, ProofSecret};
pub use error::GateError;
pub use grant::{Grant, GrantError, Granted, Granting};
pub use need::{
    AuthMethod, CredentialKind, Description, Need, OauthScheme, RateLimit, ResetFormat, Scheme,
};
pub use oauth::{KeyError, OauthIdentity, OauthProof, SigningKey, TokenRefusal, TokenRefusalCause};
pub use refusal::{Refusal, RefusalCount, RefusalReason};
pub use schema::check_schema_size;
pub use session::{Purpose, Session, Timeouts};
pub use stats::{GateStats, Throttles};
pub use validate::{DescriptionError, is_scope};

use crate::http::Client;
pub use crate::http::{CertificateProblem, Clients, HttpError, NetworkPolicy};
use budget::{Lease, Turn};
use credential::{Credentials, Means};
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
    /// The share of each budget that may be used; without it what others who share the budget say, else the default.
    pub share: Option<Share>,
    /// Where gates find the budgets that they share with others.
    pub budgets: Arc<Budgets>,
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
    /// Whether the peer has refused what the present credentials signed.
    credentials_refused: AtomicBool,
    share: Option<Share>,
    budgets: Arc<Budgets>,
    /// One for each grant whose peer tells a limit.
    leases: Mutex<Arc<[Option<Lease>]>>,
    refusals: Mutex<Refusals>,
    counters: Mutex<Counters>,
    bytes: AtomicU64,
}

impl Gate {
    /// Makes a gate. Reads the certificates that its network policy names, if no gate of the same policy did.
    pub fn new(config: GateConfig, clients: &Clients) -> Result<Arc<Self>, GateError> {
        let client = |grant: &Grant| clients.get(&config.network, grant.reach());
        let clients = config.grants.iter().map(client);
        let gate = Self {
            source: config.source,
            clients: clients.collect::<Result<_, _>>()?,
            limits: config.limits,
            credentials: Mutex::new(Arc::new(Credentials::new(config.credentials))),
            credentials_refused: AtomicBool::new(false),
            share: config.share,
            budgets: config.budgets,
            leases: Mutex::new(Arc::default()),
            grants: config.grants,
            refusals: Mutex::default(),
            counters: Mutex::default(),
            bytes: AtomicU64::new(0),
        };
        gate.take_leases();
        Ok(Arc::new(gate))
    }

    /// The door for one plugin instance.
    pub fn session(self: &Arc<Self>, purpose: Purpose) -> Session {
        Session::new(Arc::clone(self), purpose)
    }

    /// How long a request is held back at a time, at most.
    pub fn hold_limit(&self) -> Duration {
        self.limits.hold
    }

    /// For how long a request to read that is this urgent would be held back if it were sent now.
    pub fn holds_for(&self, priority: Priority) -> Duration {
        let leases = self.leases();
        let to_read = self.grants.iter().zip(leases.iter());
        let to_read = to_read.filter(|(grant, _)| !grant.is_check_only());
        let accounts = to_read.filter_map(|(_, lease)| Some(&lease.as_ref()?.account));
        let holds = accounts.map(|account| account.holds_for(priority));
        holds.max().unwrap_or_default()
    }

    /// What was granted.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Signs with these from now on.
    pub fn set_credentials(&self, credentials: Vec<Credential>) {
        let mut current = lock(&self.credentials);
        *current = Arc::new(current.replaced_by(credentials));
        drop(current);
        self.credentials_refused.store(false, Ordering::Relaxed);
        self.take_leases();
    }

    /// Whether the peer has refused the present credentials, so that it is worth looking where they came from.
    pub fn credentials_refused(&self) -> bool {
        self.credentials_refused.load(Ordering::Relaxed)
    }

    /// Takes part in the budgets that belong to the credentials as they are now.
    fn take_leases(&self) {
        let credentials = self.credentials();
        let lease = |grant: &Grant| {
            let credential = grant.credential().and_then(|kind| credentials.get(kind));
            let digest = credential.map(Credential::digest);
            self.budgets.lease(grant, digest, self.share)
        };
        let leases = self.grants.iter().map(lease).collect();
        let before = std::mem::replace(&mut *lock(&self.leases), leases);
        // Only now: a budget that is taken again must not be given up between.
        drop(before);
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
        let leases = self.leases();
        let known = self.grants.iter().zip(leases.iter());
        let budgets = known.filter_map(|(grant, lease)| {
            let budget = lease.as_ref()?.account.budget()?;
            Some((Arc::clone(grant.need()), budget))
        });
        let accounts = leases.iter().flatten().map(|lease| &lease.account);
        let holds = accounts.clone().filter_map(|account| account.hold());
        let counters = lock(&self.counters);
        GateStats {
            answers: counters.answers.clone(),
            failed: counters.failed,
            refused: counters.refused,
            bytes: self.bytes.load(Ordering::Relaxed),
            absurd: counters.absurd,
            throttles: counters.throttles,
            budgets: budgets.collect(),
            hold: holds.max_by_key(|hold| hold.lasts),
            waiting: accounts.map(|account| account.waiting()).sum(),
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

    /// What a grant's requests are signed with as it is now, which may be after a hold.
    fn means(&self, grant: usize) -> Result<Option<Means>, GateError> {
        let Some(kind) = self.grants.get(grant).and_then(Grant::credential) else {
            return Ok(None);
        };
        match self.credentials().get(kind) {
            Some(credential) => Ok(Some(credential.means().clone())),
            None => Err(self.refuse(Refusal {
                need: self.need(grant),
                reason: RefusalReason::NoCredential,
                detail: format!("no credential {kind:?} is configured"),
            })),
        }
    }

    /// Looks for a new token in what the peer says from now on.
    fn hide(&self, token: SecretString) {
        let mut current = lock(&self.credentials);
        *current = Arc::new(current.with_token(token));
    }

    /// Notes whether the peer takes what was signed.
    fn judge_credential(&self, status: Option<http::StatusCode>) {
        let refused = status.is_none_or(|status| status == http::StatusCode::UNAUTHORIZED);
        self.credentials_refused.store(refused, Ordering::Relaxed);
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

    fn leases(&self) -> Arc<[Option<Lease>]> {
        Arc::clone(&lock(&self.leases))
    }

    /// Takes in what an answer says about the budget that its request counted against.
    fn learn(&self, grant: usize, turn: Option<Turn>, response: &reqwest::Response) {
        let names = self.grants.get(grant).and_then(Grant::rate_limit);
        let Some((turn, names)) = turn.zip(names) else {
            return;
        };
        let lesson = turn.answered(names, response.status(), response.headers());
        if lesson != budget::Lesson::default() {
            lock(&self.counters).learn(lesson);
        }
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
