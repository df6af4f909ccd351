//! How `connect` reaches the network: what is behind a company's proxy can't even be tested without it.

use std::path::Path;

use logweir::http::NetworkPolicy;
use url::Url;

use crate::cli::Usage;

/// What was given on the command line, as it acts and as it is written down.
#[derive(Default)]
pub(super) struct Network {
    pub(super) policy: NetworkPolicy,
    /// The keys of `network:`.
    pub(super) keys: Vec<(&'static str, String)>,
}

impl Network {
    pub(super) fn given(proxy: Option<&str>, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let mut network = Self::default();
        if let Some(proxy) = proxy {
            let url = Url::parse(proxy).ok();
            let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let url = url.ok_or_else(|| {
                Usage("--proxy is written like http://proxy.example.com:3128".to_owned())
            })?;
            network.policy.proxy = Some(url);
            network.keys.push(("proxy", proxy.to_owned()));
        }
        if let Some(file) = ca_file {
            // The configuration may be in another folder than this one.
            let whole = file.canonicalize().map_err(|error| {
                Usage(format!(
                    "--ca-file {} can't be read: {error}",
                    file.display()
                ))
            })?;
            network.keys.push(("ca_file", whole.display().to_string()));
            network.policy.ca_file = Some(whole);
        }
        Ok(network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_is_refused_with_words() {
        for proxy in ["proxy.example.com", "ftp://proxy.example.com", "http://"] {
            let said = Network::given(Some(proxy), None).err().unwrap().to_string();
            assert!(said.contains("--proxy"), "{said}");
        }
        let said = Network::given(None, Some(Path::new("/nowhere.pem")))
            .err()
            .unwrap()
            .to_string();
        assert!(said.contains("/nowhere.pem"), "{said}");
        let given = Network::given(Some("http://proxy.example.com:3128"), None).unwrap();
        assert_eq!(given.keys.len(), 1);
    }
}
