//! What is different between two plans, by what they mean. Pure: it looks at nothing else.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::config::{OutputEntry, Plan, SourcePlan};
use crate::output::OutputPlan;

/// What is different between two plans.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Between their sources.
    pub sources: Changes,
    /// Between their outputs.
    pub outputs: Changes,
}

/// What is different between the sources, or the outputs, of two plans.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Names that are in the new plan alone, in its order.
    pub added: Vec<Arc<str>>,
    /// Names that are in the old plan alone, in its order.
    pub removed: Vec<Arc<str>>,
    /// Names that mean something else in the new plan, and by which keys: `config/domain`.
    pub changed: Vec<(Arc<str>, Vec<String>)>,
    /// How many stay as they are.
    pub unchanged: usize,
}

/// The top-level keys whose values differ and can't change in a running process.
pub(super) fn fixed(old: &Plan, new: &Plan) -> Vec<&'static str> {
    let differ = [
        ("state", old.state != new.state),
        ("log", old.log != new.log),
        ("dead_letter", old.dead_letter != new.dead_letter),
        ("ledger", old.ledger != new.ledger),
        ("audit", old.audit != new.audit),
        ("listen", old.listen != new.listen),
        ("readers", old.readers != new.readers),
    ];
    let differing = differ.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(key, _)| key).collect()
}

impl Difference {
    /// What is different; `outdated` are the keys of a source that mean something else although nothing that was typed
    /// says so.
    pub(super) fn between(
        old: &Plan,
        new: &Plan,
        outdated: impl Fn(&SourcePlan) -> Vec<&'static str>,
    ) -> Self {
        Self {
            sources: changes(
                &old.sources,
                &new.sources,
                |source| &source.name,
                |old, new| {
                    let mut keys = of_source(old, new);
                    for key in outdated(new) {
                        if !keys.iter().any(|known| known == key) {
                            keys.push(key.to_owned());
                        }
                    }
                    keys
                },
            ),
            outputs: changes(&old.outputs, &new.outputs, |output| &output.name, of_output),
        }
    }

    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.outputs.is_empty()
    }

    /// Whether an output of the new plan needs another writer or queue than it has in the old one.
    pub(super) fn rewrites(&self, old: &Plan, new: &OutputEntry) -> bool {
        let old = old.outputs.iter().find(|old| old.name == new.name);
        old.is_none_or(|old| old.plan != new.plan || old.queue != new.queue)
    }
}

impl Changes {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    /// Whether this name is new or changed.
    pub(super) fn concerns(&self, name: &str) -> bool {
        let mut changed = self.changed.iter().map(|(name, _)| name);
        self.added.iter().any(|added| **added == *name) || changed.any(|changed| **changed == *name)
    }

    fn told(&self, noun: &str) -> Vec<String> {
        let added = self.added.iter().map(|name| format!("+ {noun}{name}"));
        let changed = self.changed.iter();
        let changed = changed.map(|(name, keys)| format!("~ {noun}{name} ({})", keys.join(", ")));
        let removed = self.removed.iter().map(|name| format!("- {noun}{name}"));
        added.chain(changed).chain(removed).collect()
    }
}

/// `+ acme, ~ beta (config/domain), - output old; 12 unchanged`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.sources.told("");
        told.extend(self.outputs.told("output "));
        let unchanged = self.sources.unchanged + self.outputs.unchanged;
        match told.is_empty() {
            true => f.write_str("nothing changed"),
            false => write!(f, "{}; {unchanged} unchanged", told.join(", ")),
        }
    }
}

fn changes<T>(
    old: &[T],
    new: &[T],
    name: impl Fn(&T) -> &Arc<str>,
    keys: impl Fn(&T, &T) -> Vec<String>,
) -> Changes {
    let before: HashMap<_, _> = old.iter().map(|entry| (name(entry), entry)).collect();
    let mut changes = Changes::default();
    for entry in new {
        match before.get(name(entry)).map(|before| keys(before, entry)) {
            None => changes.added.push(Arc::clone(name(entry))),
            Some(keys) if keys.is_empty() => changes.unchanged += 1,
            Some(keys) => changes.changed.push((Arc::clone(name(entry)), keys)),
        }
    }
    let after: HashMap<_, _> = new.iter().map(|entry| (name(entry), ())).collect();
    let removed = old.iter().filter(|entry| !after.contains_key(name(entry)));
    changes.removed = removed.map(|entry| Arc::clone(name(entry))).collect();
    changes
}

/// The keys of a source that mean something else. Every field of a plan is looked at, by the compiler's own word.
fn of_source(old: &SourcePlan, new: &SourcePlan) -> Vec<String> {
    let SourcePlan {
        name: _,
        plugin,
        config,
        credentials,
        network,
        limits,
        share,
        silence,
        grants,
    } = old;
    let mut keys = Vec::new();
    let mut differs = |differs: bool, key: &str| {
        if differs {
            keys.push(key.to_owned());
        }
    };
    differs(*plugin != new.plugin, "plugin");
    for key in of_config(config, &new.config) {
        differs(true, &key);
    }
    for (kind, _) in credentials.iter().chain(&new.credentials) {
        let of = |plans: &[(String, _)]| {
            let found = plans.iter().find(|(other, _)| other == kind);
            found.map(|(_, plan): &(String, crate::config::CredentialPlan)| plan.clone())
        };
        let key = format!("credentials/{kind}");
        differs(of(credentials) != of(&new.credentials), &key);
    }
    differs(*network != new.network, "network");
    differs(*limits != new.limits, "limits");
    differs(*share != new.share, "budget");
    differs(*silence != new.silence, "silence");
    differs(*grants != new.grants, "grants");
    keys.dedup();
    keys
}

/// The keys of a plugin's configuration whose values differ.
fn of_config(old: &Value, new: &Value) -> Vec<String> {
    let (Value::Object(old_keys), Value::Object(new_keys)) = (old, new) else {
        return (old != new)
            .then(|| "config".to_owned())
            .into_iter()
            .collect();
    };
    let mut keys: Vec<_> = old_keys.keys().chain(new_keys.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let differing = keys
        .into_iter()
        .filter(|key| old_keys.get(*key) != new_keys.get(*key));
    differing.map(|key| format!("config/{key}")).collect()
}

fn of_output(old: &OutputEntry, new: &OutputEntry) -> Vec<String> {
    let OutputEntry {
        name: _,
        inputs,
        queue,
        plan,
    } = old;
    let sorted = |inputs: &[Arc<str>]| {
        let mut inputs = inputs.to_vec();
        inputs.sort_unstable();
        inputs
    };
    let mut keys = Vec::new();
    if *plan != new.plan {
        keys.push(match (plan, &new.plan) {
            (OutputPlan::File(_), OutputPlan::File(_)) => "path",
            (OutputPlan::Console(_), OutputPlan::Console(_)) => "format",
            _ => "type",
        });
    }
    if sorted(inputs) != sorted(&new.inputs) {
        keys.push("inputs");
    }
    if *queue != new.queue {
        keys.push("queue");
    }
    keys.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Loaded, ReloadMode};

    fn plan(text: &str) -> Plan {
        let folder = tempfile::tempdir().unwrap();
        // The same folder in all plans, as relative paths are a part of what is meant.
        let config = folder.path().join("logweir.yaml");
        std::fs::write(&config, text).unwrap();
        let loaded =
            Loaded::load(&config).unwrap_or_else(|errors| panic!("{}", errors.render(false)));
        let mut plan = loaded.plan;
        plan.state = Path::new("/state").to_owned();
        plan.dead_letter = Path::new("/dead").to_owned();
        plan
    }

    const BASE: &str = "
sources:
  acme:
    plugin: okta
    config: { domain: acme.okta.com, poll: 60s }
    credentials: { api_token: '${file:/run/acme}' }
  beta:
    plugin: okta
    config: { domain: beta.okta.com }
    credentials: { api_token: '${env:BETA}' }
outputs:
  archive: { type: file, inputs: [acme, beta], path: '/logs/{source}.ndjson' }
";

    fn between(old: &Plan, new: &Plan) -> Difference {
        Difference::between(old, new, |_| Vec::new())
    }

    fn told(new: &str) -> String {
        between(&plan(BASE), &plan(new)).to_string()
    }

    #[test]
    fn delivery_23_comments_order_and_defaults_that_are_written_down_are_no_difference() {
        let same = "
# A comment.
outputs:
  archive:
    path: '/logs/../logs/{source}.ndjson'
    queue: { bytes: 16MiB }
    inputs: [beta, acme]
    type: file
sources:
  beta:
    credentials: { api_token: '${env:BETA}' }
    config: { 'domain': \"beta.okta.com\" }
    plugin: okta
  acme:
    plugin: okta
    silence: learn
    config:
      poll: 60s
      domain: acme.okta.com
    credentials:
      api_token: ${file:/run/acme}
";
        let same = same.replace("/logs/../logs/", "/logs/");
        assert_eq!(told(&same), "nothing changed");
        assert!(between(&plan(BASE), &plan(&same)).is_empty());
    }

    #[test]
    fn delivery_23_what_means_something_else_is_named_by_its_keys() {
        let cases = [
            (
                "poll: 60s",
                "poll: 30s",
                "~ acme (config/poll); 2 unchanged",
            ),
            (", poll: 60s", "", "~ acme (config/poll); 2 unchanged"),
            (
                "file:/run/acme",
                "file:/run/other",
                "~ acme (credentials/api_token); 2 unchanged",
            ),
            (
                "'${env:BETA}'",
                "a-secret-right-here",
                "~ beta (credentials/api_token); 2 unchanged",
            ),
            (
                "/logs/{source}",
                "/logs/all-{source}",
                "~ output archive (path); 2 unchanged",
            ),
            (
                "type: file, inputs: [acme, beta], path: '/logs/{source}.ndjson'",
                "type: console, inputs: [acme, beta]",
                "~ output archive (type); 2 unchanged",
            ),
            (
                "type: file,",
                "type: file, queue: { records: 5 },",
                "~ output archive (queue); 2 unchanged",
            ),
            (
                "outputs:",
                "  new: { plugin: okta, config: { domain: new.okta.com } }\noutputs:\n  screen: { type: console, inputs: [new, acme] }",
                "+ new, + output screen; 3 unchanged",
            ),
            (
                "outputs:",
                "budget: { share: 20% }\noutputs:",
                "~ acme (budget), ~ beta (budget); 1 unchanged",
            ),
            (
                "plugin: okta\n    config: { domain: acme",
                "plugin: okta\n    silence: 6h\n    network: { proxy: 'http://p:1' }\n    limits: { call: 9s }\n    config: { domain: acme",
                "~ acme (network, limits, silence); 2 unchanged",
            ),
            (
                "plugin: okta\n    config: { domain: acme",
                "plugin: { path: /p.wasm }\n    grants: [{ need: a, origin: 'https://x', methods: [GET], paths: [/a] }]\n    config: { domain: acme",
                "~ acme (plugin, grants); 2 unchanged",
            ),
        ];
        for (from, to, expected) in cases {
            assert!(BASE.contains(from), "{from}");
            assert_eq!(told(&BASE.replacen(from, to, 1)), expected, "{from} → {to}");
        }
        let without = BASE.replace("acme, beta]", "acme]");
        let beta = without.find("  beta:").unwrap()..without.find("outputs:").unwrap();
        let without = without.replace(without.get(beta).unwrap(), "");
        assert_eq!(
            told(&without),
            "~ output archive (inputs), - beta; 1 unchanged".replace(
                "~ output archive (inputs), - beta",
                "- beta, ~ output archive (inputs)"
            )
        );
    }

    #[test]
    fn a_secret_that_is_written_down_is_compared_and_never_told() {
        let text = |secret: &str| BASE.replace("'${env:BETA}'", secret);
        let (one, other) = (plan(&text("first-secret")), plan(&text("other-secret")));
        let difference = between(&one, &other);
        assert_eq!(
            difference.to_string(),
            "~ beta (credentials/api_token); 2 unchanged"
        );
        assert!(!format!("{difference:?}").contains("secret"));
    }

    #[test]
    fn what_is_in_the_files_that_are_named_counts_too() {
        let outdated = |source: &SourcePlan| match &*source.name {
            "acme" => vec!["network"],
            _ => vec!["plugin", "network"],
        };
        let changed = BASE.replace("poll: 60s", "poll: 30s");
        let difference = Difference::between(&plan(BASE), &plan(&changed), outdated);
        assert_eq!(
            difference.to_string(),
            "~ acme (config/poll, network), ~ beta (plugin, network); 1 unchanged"
        );
    }

    #[test]
    fn when_to_reload_can_change_while_it_runs() {
        let (auto, manual) = (plan(BASE), plan(&format!("{BASE}reload: manual\n")));
        assert_eq!(
            (auto.reload, manual.reload),
            (ReloadMode::Auto, ReloadMode::Manual)
        );
        assert_eq!(fixed(&auto, &manual), [""; 0]);
        assert!(between(&auto, &manual).is_empty());
    }

    #[test]
    fn what_can_not_change_in_a_running_process_is_named() {
        let with = |more: &str| fixed(&plan(BASE), &plan(&format!("{BASE}{more}\n")));
        assert_eq!(with(""), [""; 0]);
        assert_eq!(with("listen: 9600"), ["listen"]);
        assert_eq!(
            with("log: { level: debug }\nledger: { keep: 3d }"),
            ["log", "ledger"]
        );
        assert_eq!(with("audit: { every: 1d }"), ["audit"]);
        assert_eq!(with("readers: 3"), ["readers"]);
        let mut moved = plan(BASE);
        moved.state = Path::new("/elsewhere").to_owned();
        moved.dead_letter = Path::new("/elsewhere/dead").to_owned();
        assert_eq!(fixed(&plan(BASE), &moved), ["state", "dead_letter"]);
    }
}
