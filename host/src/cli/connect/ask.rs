//! What `connect` asks a person about the plugin's settings, and what it takes instead where nobody is there.

use anyhow::bail;
use logweir::host::{Assembly, message_at};
use logweir::plugin::Plugin;
use logweir::stage::ConfigIssue;
use logweir::telemetry::escape;
use serde_json::{Map, Value};

use crate::cli::{Usage, prompt, tell};

/// The domains that Okta gives to organisations ("Okta domains" in Okta's documentation).
const OKTA_DOMAINS: &[&str] = &[
    "okta.com",
    "oktapreview.com",
    "okta-emea.com",
    "okta-gov.com",
    "okta.mil",
];

/// Completes the settings until the plugin has no objection. Each wrong answer is told at once, and asked for again.
pub(super) async fn settings(
    assembly: &Assembly,
    plugin: &Plugin,
    mut config: Map<String, Value>,
    ask: bool,
) -> anyhow::Result<Map<String, Value>> {
    let schema: Value = serde_json::from_str(&plugin.description().config_schema)?;
    loop {
        let value = Value::Object(config.clone());
        let objections = assembly.objections(plugin, &value).await;
        if objections.is_empty() {
            return Ok(config);
        }
        let missing = required(&schema, &config);
        let wrong: Vec<_> = objections
            .iter()
            .filter(|issue| !issue.key.is_empty())
            .collect();
        let complaints: Vec<_> = wrong.iter().map(|issue| told(issue)).collect();
        let can_answer = wrong.iter().all(|issue| is_text(&schema, key_of(issue)));
        let is_known = !(wrong.is_empty() && missing.is_empty());
        if !(ask && can_answer && is_known) {
            let missing = missing.iter().map(|key| how_to_give(key));
            let whole = objections.iter().filter(|_| !is_known).map(told);
            let all: Vec<_> = complaints.into_iter().chain(missing).chain(whole).collect();
            return Err(Usage(all.join("\n")).into());
        }
        complaints.iter().for_each(|text| tell(text));
        for issue in wrong {
            let key = key_of(issue);
            config.insert(key.to_owned(), prompt::text(&format!("{key}: "))?.into());
        }
        for key in missing {
            let answer = prompt::text(&question(&schema, &key))?;
            config.insert(key, answer.into());
        }
    }
}

fn key_of(issue: &ConfigIssue) -> &str {
    issue.key.trim_start_matches('/')
}

fn told(issue: &ConfigIssue) -> String {
    escape::line(&message_at(&issue.key, &issue.message)).into_owned()
}

fn how_to_give(key: &str) -> String {
    match key {
        "domain" => {
            "`domain` is missing: say which organisation with --domain acme.okta.com".to_owned()
        }
        key => format!("`{key}` is missing: give it with --set {key}=VALUE"),
    }
}

/// What the schema says about a setting, and an example.
fn question(schema: &Value, key: &str) -> String {
    let property = schema.pointer(&format!("/properties/{key}"));
    let about = property
        .and_then(|property| property.get("description")?.as_str())
        .unwrap_or_default();
    let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
    let example = property.and_then(|property| property.pointer("/examples/0")?.as_str());
    let example = example
        .map(|example| format!(" (like {example})"))
        .unwrap_or_default();
    format!("{}\n{key}{example}: ", escape::line(&about))
}

fn is_text(schema: &Value, key: &str) -> bool {
    schema
        .pointer(&format!("/properties/{key}/type"))
        .is_some_and(|kind| kind == "string")
}

/// The keys that a schema requires and nobody gave. Where it offers alternatives (`oneOf`, `anyOf`) and none was chosen,
/// the first.
fn required(schema: &Value, config: &Map<String, Value>) -> Vec<String> {
    let keys = |schema: &Value| -> Vec<String> {
        let list = schema.get("required").and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let is_given = |key: &String| config.contains_key(key);
    let mut all = keys(schema);
    let alternatives = ["oneOf", "anyOf"]
        .iter()
        .find_map(|key| schema.get(*key)?.as_array());
    if let Some(alternatives) = alternatives {
        let chosen = alternatives
            .iter()
            .any(|alternative| keys(alternative).iter().any(is_given));
        if !chosen && let Some(first) = alternatives.first() {
            all.extend(keys(first));
        }
    }
    all.retain(|key| !is_given(key));
    all
}

/// A custom domain is normal, and so is a typing error that would send a token to a stranger.
pub(super) fn confirm_host(
    plugin: &str,
    config: &Map<String, Value>,
    ask: bool,
    yes: bool,
) -> anyhow::Result<()> {
    let Some(host) = super::name::host(config) else {
        return Ok(());
    };
    let is_oktas = |domain: &&str| {
        host.strip_suffix(*domain)
            .is_some_and(|org| org.ends_with('.'))
    };
    if plugin != "okta" || yes || OKTA_DOMAINS.iter().any(is_oktas) {
        return Ok(());
    }
    let question = format!(
        "{host} is not a domain of Okta's. Is it your organisation's own, and may it get the token?"
    );
    if !ask {
        let message =
            format!("{host} is not a domain of Okta's: say --yes if it is your organisation's own");
        return Err(Usage(message).into());
    }
    if !prompt::yes(&question)? {
        bail!("nothing was sent and nothing was written");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(keys: &[&str]) -> Map<String, Value> {
        keys.iter()
            .map(|key| ((*key).to_owned(), Value::from("x")))
            .collect()
    }

    #[test]
    fn what_is_required_and_not_given_is_asked_for() {
        let schema = json!({"required": ["region"], "oneOf": [{"required": ["domain"]}, {"required": ["url"]}]});
        assert_eq!(required(&schema, &config(&[])), ["region", "domain"]);
        assert_eq!(required(&schema, &config(&["url"])), ["region"]);
        assert_eq!(required(&schema, &config(&["domain", "region"])), [""; 0]);
        assert_eq!(required(&json!({}), &config(&[])), [""; 0]);
    }

    #[test]
    fn trust_04_a_host_that_is_not_oktas_needs_a_yes() {
        let confirm = |key: &str, value: &str, yes| {
            let config = Map::from_iter([(key.to_owned(), Value::from(value))]);
            confirm_host("okta", &config, false, yes).is_ok()
        };
        assert!(confirm("domain", "acme.okta.com", false));
        assert!(confirm("domain", "acme.okta.com:8443", false));
        assert!(confirm("url", "https://acme.oktapreview.com", false));
        for stranger in [
            "login.acme.example",
            "acme.okta.com.evil.example",
            "acmeokta.com",
            "evil-okta.com",
        ] {
            assert!(!confirm("domain", stranger, false), "{stranger}");
            assert!(confirm("domain", stranger, true), "{stranger}");
        }
        assert!(!confirm("url", "http://127.0.0.1:8080", false));
    }
}
