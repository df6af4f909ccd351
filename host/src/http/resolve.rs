//! Names to addresses, judged before any connection is made.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::AddressGuard;
use super::error::HttpError;

/// A way to find the addresses of a name.
pub trait Lookup: Send + Sync {
    /// All addresses of `name`, in the order they should be tried.
    fn lookup(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The operating system's way: its hosts file, its DNS servers, in its order.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let name = name.to_owned();
        async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}

/// The resolver that a client connects by: the addresses it returns are the ones that are connected to.
pub(crate) struct GuardedResolver {
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) guard: AddressGuard,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let found = self.lookup.lookup(&name);
        let guard = self.guard.clone();
        async move {
            let unknown = |reason: String| HttpError::NameNotFound {
                name: name.clone(),
                reason,
            };
            let found = found.await.map_err(|error| unknown(error.to_string()))?;
            let Some(first) = found.first().copied() else {
                return Err(unknown("it has no address".to_owned()).into());
            };
            let passed: Vec<_> = found
                .into_iter()
                .filter(|address| guard.check(*address).is_ok())
                .collect();
            if passed.is_empty() {
                let kind = guard.check(first).err().unwrap_or_default();
                return Err(HttpError::AddressRefused {
                    host: name,
                    address: first,
                    kind,
                }
                .into());
            }
            let addresses: Addrs = Box::new(passed.into_iter().map(|ip| (ip, 0).into()));
            Ok(addresses)
        }
        .boxed()
    }
}
