//! What a new source is called.

use std::net::IpAddr;

use logweir::config::{Loaded, Plan, PluginRef};
use logweir::plugin::Plugin;
use serde_json::{Map, Value};

use crate::cli::Usage;

/// Room for `-2` and, in an output's name, for `-archive`: a name has at most 63 characters.
const LENGTH_MAX: usize = 50;

/// Labels that say nothing about whose organisation it is.
const COMMON_LABELS: &[&str] = &[
    "login", "id", "identity", "sso", "auth", "signin", "okta", "www",
];

/// The name that was given, if it will do; else one made from the host, which no other source has.
pub(super) fn choose(
    given: Option<&str>,
    plugin: &Plugin,
    config: &Map<String, Value>,
    loaded: Option<&Loaded>,
) -> anyhow::Result<String> {
    let plan = loaded.map(|loaded| &loaded.plan);
    let plugin = &plugin.description().name;
    if let Some(name) = given {
        return usable(name, plan).map_err(|message| Usage(message).into());
    }
    if let Some(same) = plan.and_then(|plan| already_read(plan, plugin, config)) {
        let message = format!(
            "the source `{same}` reads this already; for another credential write it into the file that `{same}` \
             names, and to read it twice say --name"
        );
        return Err(Usage(message).into());
    }
    let name = host(config)
        .and_then(from_host)
        .unwrap_or_else(|| plugin.clone());
    let free = |name: &String| plan.is_none_or(|plan| !is_taken(plan, name));
    let mut candidates =
        std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}-{number}")));
    Ok(candidates.find(free).unwrap_or(name))
}

fn usable(name: &str, plan: Option<&Plan>) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| plain(byte) || matches!(byte, b'-' | b'_');
    if !name.bytes().next().is_some_and(plain)
        || !name.bytes().all(inner)
        || name.len() > LENGTH_MAX
    {
        return Err(format!(
            "`{name}` can't be the name of a source: use lower-case letters, digits, `-` and `_`, a letter or digit \
             first, at most {LENGTH_MAX} characters"
        ));
    }
    match plan {
        Some(plan) if is_taken(plan, name) => Err(format!(
            "there is a source `{name}` already: choose another --name"
        )),
        _ => Ok(name.to_owned()),
    }
}

fn is_taken(plan: &Plan, name: &str) -> bool {
    let archive = format!("{name}-archive");
    plan.sources.iter().any(|source| &*source.name == name)
        || plan.outputs.iter().any(|output| *output.name == *archive)
}

fn already_read<'a>(plan: &'a Plan, plugin: &str, config: &Map<String, Value>) -> Option<&'a str> {
    let plugin = PluginRef::Builtin(plugin.to_owned());
    let same_place = |value: &Value| {
        let other = value.as_object().and_then(authority);
        other.is_some() && other == authority(config)
    };
    let same = plan
        .sources
        .iter()
        .find(|source| source.plugin == plugin && same_place(&source.config))?;
    Some(&same.name)
}

/// Host and port that a configuration names by `domain` or `url`.
fn authority(config: &Map<String, Value>) -> Option<&str> {
    let text = config
        .get("domain")
        .or_else(|| config.get("url"))?
        .as_str()?;
    Some(text.split_once("://").map_or(text, |(_, rest)| rest))
}

/// The host alone.
pub(super) fn host(config: &Map<String, Value>) -> Option<&str> {
    authority(config)?.split(':').next()
}

/// `acme` of `acme.okta.com` and of `login.acme.example`; nothing of an address.
fn from_host(host: &str) -> Option<String> {
    if host.parse::<IpAddr>().is_ok() || host == "localhost" {
        return None;
    }
    let label = host
        .split('.')
        .find(|label| !COMMON_LABELS.contains(label))?
        .to_lowercase();
    let plain = label
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-');
    let name: String = plain.skip_while(|c| *c == '-').take(LENGTH_MAX).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_the_host() {
        let name = |host: &str| from_host(host).unwrap_or_default();
        assert_eq!(name("acme.okta.com"), "acme");
        assert_eq!(name("dev-123456.okta.com"), "dev-123456");
        assert_eq!(name("login.acme.example"), "acme");
        assert_eq!(name("127.0.0.1"), "");
        assert_eq!(name("localhost"), "");
        assert_eq!(
            name(&format!("{}.okta.com", "x".repeat(63))).len(),
            LENGTH_MAX
        );
        for host in ["acme.okta.com", "-a.b", "0.example"] {
            assert_eq!(usable(&name(host), None), Ok(name(host)));
        }
    }

    #[test]
    fn a_name_that_no_source_can_have_is_refused() {
        for name in [
            "",
            "-a",
            "_a",
            "A",
            "a b",
            "a/b",
            "a.b",
            "é",
            &"x".repeat(LENGTH_MAX + 1),
        ] {
            assert!(usable(name, None).is_err(), "{name}");
        }
    }
}
