//! One pooled client per policy and reach.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Certificate, Identity, Proxy, redirect, retry};
use sha2::{Digest, Sha256};
use url::{Host, Url};

use super::address::AddressGuard;
use super::error::{ClientError, HttpError};
use super::policy::NetworkPolicy;
use super::resolve::{GuardedResolver, Lookup, SystemLookup};

/// How long name look-up, connection and TLS handshake may take together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection is kept that nobody uses. One that brought a large page keeps up to half a megabyte to read
/// the next one with: of a thousand sources that are polled each minute that is most of the memory and a thousand open
/// files, and a handshake a minute costs less. While a source reads on and on, its connection is never idle for long.
const IDLE_KEPT: Duration = Duration::from_secs(15);

/// How far a client reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Public addresses and what the policy names.
    Network,
    /// This machine too, never through the proxy: for origins that are configured as loopback.
    Loopback,
}

impl Reach {
    /// The reach that a configured origin asks for by being what it is.
    pub fn of(origin: &Url) -> Self {
        if is_loopback(origin) {
            Self::Loopback
        } else {
            Self::Network
        }
    }
}

fn is_loopback(origin: &Url) -> bool {
    match origin.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Sends requests. Cloning it shares its connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: reqwest::Client,
    literals: AddressGuard,
}

impl Client {
    /// Sends a request and waits for the head of the answer.
    pub async fn send(&self, request: reqwest::Request) -> Result<reqwest::Response, HttpError> {
        self.judge_literal(request.url())?;
        Ok(self.inner.execute(request).await?)
    }

    /// Connecting to a literal asks no resolver, so it is judged here.
    fn judge_literal(&self, url: &Url) -> Result<(), HttpError> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        self.literals
            .check(address)
            .map_err(|kind| HttpError::AddressRefused {
                host: url.host_str().unwrap_or_default().to_owned(),
                address,
                kind,
            })
    }
}

/// Makes clients, and keeps one for each policy and reach.
pub struct Clients {
    lookup: Arc<dyn Lookup>,
    made: Mutex<HashMap<(NetworkPolicy, Reach), Made>>,
}

struct Made {
    client: Client,
    /// What its files held.
    files: Stamp,
}

impl Default for Clients {
    fn default() -> Self {
        Self::new(Arc::new(SystemLookup))
    }
}

impl Clients {
    /// Clients that find addresses this way.
    pub fn new(lookup: Arc<dyn Lookup>) -> Self {
        Self {
            lookup,
            made: Mutex::default(),
        }
    }

    /// The client for a policy. The first call for each reads files: certificates and keys.
    pub fn get(&self, policy: &NetworkPolicy, reach: Reach) -> Result<Client, ClientError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (policy.clone(), reach);
        if let Some(made) = made.get(&key) {
            return Ok(made.client.clone());
        }
        let files = Stamp::of(policy);
        let client = self.make(policy, reach)?;
        let kept = client.clone();
        made.insert(key, Made { client, files });
        Ok(kept)
    }

    /// Forgets the clients whose files hold something else by now, so that they are made anew. Says whose they were.
    pub fn look_again(&self) -> Vec<NetworkPolicy> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let outdated = made.extract_if(|(policy, _), made| made.files != Stamp::of(policy));
        outdated.map(|((policy, _), _)| policy).collect()
    }

    fn make(&self, policy: &NetworkPolicy, reach: Reach) -> Result<Client, ClientError> {
        let authorities = match &policy.ca_file {
            Some(path) => read_authorities(path)?,
            None => Vec::new(),
        };
        let with_system = self
            .builder(policy, reach)?
            .tls_certs_merge(authorities.clone());
        let inner = match with_system.build() {
            Ok(client) => client,
            // A machine without any certificates may still talk to loopback, and to peers of its own authority.
            Err(error) => {
                let client = self
                    .builder(policy, reach)?
                    .tls_certs_only(authorities)
                    .build()
                    .map_err(|error| unusable(policy, HttpError::from(error)))?;
                let error = HttpError::from(error);
                tracing::warn!(%error, "no system certificates, only those of ca_file are trusted");
                client
            }
        };
        let literals = AddressGuard::new(policy.allow_private.clone());
        Ok(Client {
            inner,
            literals: match reach {
                Reach::Network => literals,
                Reach::Loopback => literals.with_loopback(),
            },
        })
    }

    fn builder(
        &self,
        policy: &NetworkPolicy,
        reach: Reach,
    ) -> Result<reqwest::ClientBuilder, ClientError> {
        let guard = AddressGuard::new(policy.allow_private.clone());
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("logweir/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            // What was signed goes out once: who signs it, signs it anew (trust rule 6).
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .pool_idle_timeout(IDLE_KEPT)
            .connect_timeout(CONNECT_TIMEOUT);
        let guard = match (&policy.proxy, reach) {
            (_, Reach::Loopback) => guard.with_loopback(),
            (None, Reach::Network) => guard,
            (Some(proxy), Reach::Network) => {
                let proxy = Proxy::all(proxy.clone())
                    .map_err(|error| ClientError::Proxy(error.without_url().to_string()))?;
                builder = builder.proxy(proxy);
                AddressGuard::anywhere()
            }
        };
        if let Some(path) = &policy.client_cert {
            builder = builder.identity(read_identity(path)?);
        }
        Ok(builder.dns_resolver(Arc::new(GuardedResolver {
            lookup: Arc::clone(&self.lookup),
            guard,
        })))
    }
}

/// Tells whether files hold what they held.
#[derive(PartialEq, Eq)]
struct Stamp([Option<[u8; 32]>; 2]);

impl Stamp {
    fn of(policy: &NetworkPolicy) -> Self {
        let files = [&policy.ca_file, &policy.client_cert];
        Self(files.map(|file| {
            let bytes = std::fs::read(file.as_ref()?).ok()?;
            Some(Sha256::digest(bytes).into())
        }))
    }
}

fn read_authorities(path: &Path) -> Result<Vec<Certificate>, ClientError> {
    let key = "ca_file";
    let pem = read(key, path)?;
    let authorities = Certificate::from_pem_bundle(&pem)
        .map_err(|error| bad_file(key, path, HttpError::from(error).to_string()))?;
    if authorities.is_empty() {
        return Err(bad_file(key, path, "holds no PEM certificate".to_owned()));
    }
    Ok(authorities)
}

fn read_identity(path: &Path) -> Result<Identity, ClientError> {
    let key = "client_cert";
    let pem = read(key, path)?;
    Identity::from_pem(&pem).map_err(|_| {
        let reason = "holds no PEM key with its certificates".to_owned();
        bad_file(key, path, reason)
    })
}

/// What reads as PEM may still be no certificate.
fn unusable(policy: &NetworkPolicy, error: HttpError) -> ClientError {
    match &policy.ca_file {
        Some(path) => bad_file("ca_file", path, error.to_string()),
        None => ClientError::Build(error.to_string()),
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, ClientError> {
    std::fs::read(path).map_err(|error| bad_file(key, path, format!("can't be read: {error}")))
}

fn bad_file(key: &'static str, path: &Path, reason: String) -> ClientError {
    ClientError::File {
        key,
        path: path.to_owned(),
        reason,
    }
}
