//! What the `network:` of a source or an output says.

use std::fmt;
use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;

/// How to reach the network. The default is the usual: system certificates, no proxy, public addresses alone.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct NetworkPolicy {
    /// A PEM file of certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Where all requests go through, loopback alone excepted. Its own address is not judged.
    pub proxy: Option<Url>,
    /// A PEM file of a key and its certificates, to identify with.
    pub client_cert: Option<PathBuf>,
    /// Addresses that may be connected to although they are not public.
    pub allow_private: Vec<IpNet>,
}

impl fmt::Debug for NetworkPolicy {
    /// Leaves out the proxy's user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = self.proxy.as_ref().map(|proxy| proxy.host_str());
        f.debug_struct("NetworkPolicy")
            .field("ca_file", &self.ca_file)
            .field("proxy", &proxy)
            .field("client_cert", &self.client_cert)
            .field("allow_private", &self.allow_private)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_proxy_is_not_shown() {
        let policy = NetworkPolicy {
            proxy: Some(Url::parse("http://me:hunter2@proxy.example:3128").unwrap()),
            ..NetworkPolicy::default()
        };
        let shown = format!("{policy:?}");
        assert!(shown.contains("proxy.example"));
        assert!(!shown.contains("hunter2"));
    }
}
