//! One source.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{Found, Surroundings, credentials, within};
use crate::config::mistake::Mistake;
use crate::config::node::{Entry, Node, Place};
use crate::config::plan::{Limits, PluginRef, SourcePlan};
use crate::config::raw::{RawLimits, RawNetwork, RawPlugin, RawSilence, RawSource};
use crate::gate::Granted;
use crate::http::NetworkPolicy;
use crate::telemetry::silence::Silence;
use crate::units::{ByteSize, Period};

/// The times that may be set for silence. Who wants it longer wants it never.
const SILENCE_SHORTEST: Period = Period(Duration::from_secs(1));
const SILENCE_LONGEST: Period = Period(Duration::from_secs(90 * 86_400));

/// Decides what a source means.
pub(super) fn resolve(
    entry: &Entry,
    raw: RawSource,
    around: &Surroundings<'_>,
    found: &mut Found,
) -> SourcePlan {
    let base = around.base;
    refuse_references(&entry.value, found);
    refuse_useless_grants(&entry.value, &raw, found);
    let grants = raw.grants.unwrap_or_default();
    check_grants(&entry.value, &grants, found);
    SourcePlan {
        name: entry.key.as_str().into(),
        plugin: plugin(raw.plugin, base),
        config: Value::Object(raw.config.unwrap_or_default()),
        credentials: credentials::resolve(&entry.value, around, found),
        network: network(&entry.value, raw.network.unwrap_or_default(), base, found),
        share: raw
            .budget
            .and_then(|budget| budget.share)
            .map(|share| share.0),
        limits: limits(&entry.value, &raw.limits.unwrap_or_default(), found),
        silence: silence(&entry.value, raw.silence, found),
        grants,
    }
}

fn plugin(raw: RawPlugin, base: &Path) -> PluginRef {
    match raw {
        RawPlugin::Builtin(name) => PluginRef::Builtin(name),
        RawPlugin::File(file) => PluginRef::File {
            path: base.join(file.path),
            sha256: file.sha256.map(|digest| digest.0),
        },
    }
}

/// A plugin sees its configuration, so no secret may ever get in there (trust rule 18).
fn refuse_references(source: &Node, found: &mut Found) {
    let Some(config) = source.get("config") else {
        return;
    };
    config.visit_texts("", &mut |_, text, place| {
        if text.contains("${") {
            let mistake = Mistake::at(place, "`${…}` is not looked up in a plugin's configuration");
            found.mistakes.push(mistake.label("stays as it is").help(
                "plugins never see secrets: a secret goes under `credentials:`, beside `config:`",
            ));
        }
    });
}

fn refuse_useless_grants(source: &Node, raw: &RawSource, found: &mut Found) {
    if let (RawPlugin::Builtin(name), Some(entry)) = (&raw.plugin, source.entry("grants")) {
        let message = format!(
            "`{name}` is built in and has what it needs: `grants` are for plugins in files"
        );
        found.mistakes.push(Mistake::at(entry.key_place, message));
    }
}

fn network(source: &Node, raw: RawNetwork, base: &Path, found: &mut Found) -> NetworkPolicy {
    let proxy = raw.proxy.map(|proxy| proxy.0);
    if proxy
        .as_ref()
        .is_some_and(|proxy| proxy.password().is_some())
    {
        let place = place_of(source, "/network/proxy");
        let warning =
            "the proxy's password is written down in the configuration: keep this file private";
        found.warnings.push(Mistake::at(place, warning));
    }
    NetworkPolicy {
        ca_file: raw.ca_file.map(|path| base.join(path)),
        proxy,
        client_cert: raw.client_cert.map(|path| base.join(path)),
        allow_private: raw
            .allow_private
            .unwrap_or_default()
            .into_iter()
            .map(|net| net.0)
            .collect(),
    }
}

fn limits(source: &Node, raw: &RawLimits, found: &mut Found) -> Limits {
    let default = Limits::default();
    let mut size = |key: &str, typed, default, smallest, biggest| {
        let place = place_of(source, &format!("/limits/{key}"));
        let range = ByteSize(smallest)..=ByteSize(biggest);
        within(typed, ByteSize(default), range, place, found).0
    };
    let memory = size("memory", raw.memory, default.memory, 64 << 10, 4 << 30);
    let response = size("response", raw.response, default.response, 1 << 10, 1 << 30);
    let batch = size("batch", raw.batch, default.batch, 1 << 10, 1 << 30);
    let mut time = |key: &str, typed, default| {
        let place = place_of(source, &format!("/limits/{key}"));
        let range = Period(std::time::Duration::from_millis(10))
            ..=Period(std::time::Duration::from_secs(3600));
        within(typed, Period(default), range, place, found).0
    };
    let call = time("call", raw.call, default.call);
    let cpu = time("cpu", raw.cpu, default.cpu);
    let place = place_of(source, "/limits/records");
    Limits {
        memory,
        call,
        cpu,
        response,
        batch,
        records: within(raw.records, default.records, 1..=10_000_000, place, found),
    }
}

fn silence(source: &Node, typed: Option<RawSilence>, found: &mut Found) -> Silence {
    let silence = typed.map(|typed| typed.0).unwrap_or_default();
    if let Silence::After(limit) = silence {
        let range = SILENCE_SHORTEST..=SILENCE_LONGEST;
        let place = place_of(source, "/silence");
        within(Some(Period(limit)), SILENCE_LONGEST, range, place, found);
    }
    silence
}

/// What is plainly impossible. Whether a grant fits its need is the gate's to judge.
fn check_grants(source: &Node, grants: &[Granted], found: &mut Found) {
    for (index, grant) in grants.iter().enumerate() {
        let mut refuse = |key: &str, message: String| {
            let place = place_of(source, &format!("/grants/{index}/{key}"));
            found.mistakes.push(Mistake::at(place, message));
        };
        if grants
            .iter()
            .take(index)
            .any(|other| other.need == grant.need)
        {
            refuse(
                "need",
                format!("there are two grants for the need `{}`", grant.need),
            );
        }
        let is_origin = ["https://", "http://", "{"]
            .iter()
            .any(|start| grant.origin.starts_with(start));
        if !is_origin {
            refuse(
                "origin",
                "an origin is written like `https://api.example.com`".to_owned(),
            );
        }
        for (position, method) in grant.methods.iter().enumerate() {
            if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
                refuse(
                    &format!("methods/{position}"),
                    "a method is written in upper case: `GET`".to_owned(),
                );
            }
        }
        for (position, path) in grant.paths.iter().enumerate() {
            if !path.starts_with('/') {
                refuse(
                    &format!("paths/{position}"),
                    "a path begins with `/`".to_owned(),
                );
            }
        }
    }
}

fn place_of(source: &Node, pointer: &str) -> Place {
    source.place_of_pointer(pointer)
}
