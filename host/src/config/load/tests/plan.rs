//! What is typed is in the plan, and what is not typed has its default.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::config::{CredentialPlan, LogFormat, LogLevel, PluginRef};
use crate::secret::SecretRef;
use crate::telemetry::silence::Silence;

#[test]
fn defaults_are_filled_in() {
    let (folder, loaded) = loaded(GOOD);
    let plan = &loaded.plan;
    let source = &plan.sources[0];
    assert_eq!(source.plugin, PluginRef::Builtin("audit".into()));
    assert_eq!(
        source.config,
        json!({"domain": "acme.example.com", "since": [1, 2.5, true]})
    );
    assert_eq!(
        source.credentials,
        [(
            "api_token".to_owned(),
            CredentialPlan::Secret(SecretRef::Env("TOKEN".into()))
        )]
    );
    assert_eq!(source.limits.memory, 256 << 20);
    assert_eq!(source.limits.call, Duration::from_secs(120));
    assert_eq!(plan.outputs[0].queue.bytes, 16 << 20);
    assert_eq!(plan.state, folder.path().join(".logweir"));
    assert_eq!(
        plan.dead_letter,
        folder.path().join(".logweir/dead-letter.ndjson")
    );
    assert_eq!(plan.ledger.keep, Duration::from_secs(14 * 86_400));
    assert_eq!(plan.audit, None);
    assert_eq!(plan.log.format, LogFormat::Text);
    assert_eq!(loaded.render_warnings(false), "");
}

#[test]
fn everything_that_is_typed_is_in_the_plan() {
    let (folder, loaded) = loaded(
        "\
state: /var/lib/logweir
log: { format: json, level: debug }
dead_letter: { path: dead.ndjson }
ledger: { keep: 30d }
audit: { every: 12h, fix: true }
sources:
  one:
    plugin: { path: p.wasm, sha256: 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f }
    network: { ca_file: ca.pem, proxy: \"http://proxy:3128\", client_cert: /c.pem, allow_private: [10.0.0.0/8, \"::1\"] }
    limits: { memory: 64MiB, call: 30s, cpu: 500ms, response: 1048576, batch: 8MiB, records: 10 }
    grants:
      - need: logs
        origin: https://{domain}
        methods: [GET]
        paths: [/logs]
        credential: token
        credential_header: x-token
outputs:
  screen: { type: console, format: line, inputs: [one], queue: { bytes: 1MiB, records: 5 } }
",
    );
    let plan = &loaded.plan;
    let source = &plan.sources[0];
    let sha256 = Some(std::array::from_fn(|index| u8::try_from(index).unwrap()));
    let path = folder.path().join("p.wasm");
    assert_eq!(source.plugin, PluginRef::File { path, sha256 });
    assert_eq!(source.network.ca_file, Some(folder.path().join("ca.pem")));
    assert_eq!(source.network.client_cert, Some("/c.pem".into()));
    assert_eq!(source.network.allow_private.len(), 2);
    assert_eq!(source.limits.cpu, Duration::from_millis(500));
    assert_eq!(source.limits.response, 1 << 20);
    assert_eq!(source.limits.records, 10);
    assert_eq!(
        source.grants[0].credential_header.as_deref(),
        Some("x-token")
    );
    assert_eq!(plan.outputs[0].queue.records, 5);
    assert_eq!(plan.log.level, LogLevel::Debug);
    assert_eq!(plan.state, Path::new("/var/lib/logweir"));
    assert_eq!(plan.dead_letter, folder.path().join("dead.ndjson"));
    assert_eq!(plan.ledger.keep, Duration::from_secs(30 * 86_400));
    let audit = plan.audit.unwrap();
    assert_eq!(audit.every, Duration::from_secs(12 * 3_600));
    assert_eq!(
        (audit.since, audit.fix),
        (Duration::from_secs(2 * 86_400), true)
    );
}

#[test]
fn the_state_folder_may_come_from_systemd() {
    let folder = folder(&[("logweir.yaml", GOOD)]);
    let main = folder.path().join("logweir.yaml");
    let state = |given: &str| {
        load_in(&main, Some(OsStr::new(given)))
            .map_err(|flawed| flawed.errors)
            .unwrap()
            .plan
            .state
    };
    assert_eq!(
        state("/var/lib/one:/var/lib/two"),
        Path::new("/var/lib/one")
    );
    assert_eq!(state(""), folder.path().join(".logweir"));
}

#[test]
fn plans_are_equal_when_only_the_text_moved() {
    let folder = folder(&[("logweir.yaml", GOOD)]);
    let before = load(&folder).unwrap().plan;
    std::fs::write(
        folder.path().join("logweir.yaml"),
        format!("# moved\n\n{GOOD}"),
    )
    .unwrap();
    assert_eq!(load(&folder).unwrap().plan, before);
    std::fs::write(folder.path().join("logweir.yaml"), GOOD.replace("2.5", "3")).unwrap();
    assert_ne!(load(&folder).unwrap().plan, before);
}

#[test]
fn fragments_are_read_in_the_order_of_their_names() {
    let folder = folder(&[
        ("logweir.yaml", GOOD),
        (
            "logweir.d/b.yaml",
            "sources: { b: { plugin: audit } }\noutputs: { ob: { type: console, inputs: [b, a] } }\n",
        ),
        ("logweir.d/a.yml", "sources: { a: { plugin: audit } }\n"),
        ("logweir.d/.hidden.yaml", "nonsense"),
        ("logweir.d/notes.txt", "nonsense"),
    ]);
    let loaded = load(&folder)
        .map_err(|errors| errors.render(false))
        .unwrap();
    let names: Vec<_> = loaded
        .plan
        .sources
        .iter()
        .map(|source| &*source.name)
        .collect();
    assert_eq!(names, ["acme", "a", "b"]);
    assert_eq!(loaded.files().count(), 3);
}

#[test]
fn a_port_alone_is_loopback_and_who_opens_more_is_warned() {
    let listen = |typed: &str| {
        let (_folder, loaded) = loaded(&format!("{GOOD}listen: {typed}\n"));
        let warnings = loaded.warnings().len();
        (loaded.plan.listen.unwrap().to_string(), warnings)
    };
    for typed in [
        "9600",
        "'9600'",
        "':9600'",
        "localhost:9600",
        "127.0.0.1:9600",
    ] {
        assert_eq!(listen(typed), ("127.0.0.1:9600".to_owned(), 0), "{typed}");
    }
    assert_eq!(listen("'[::1]:9600'"), ("[::1]:9600".to_owned(), 0));
    assert_eq!(listen("0.0.0.0:9600"), ("0.0.0.0:9600".to_owned(), 1));
    assert_eq!(listen("'[::]:9600'"), ("[::]:9600".to_owned(), 1));
    assert_eq!(loaded(GOOD).1.plan.listen, None);
    for typed in ["70000", "-1", "example.com:9600", "127.0.0.1", "true", "''"] {
        let page = page(&format!("{GOOD}listen: {typed}\n"));
        assert!(page.contains("[logweir.yaml:11:9]"), "{typed}: {page}");
    }
    let fragment = ("logweir.d/more.yaml", "listen: 9600\n");
    let page = page_of(&[("logweir.yaml", GOOD), fragment]);
    assert!(page.contains("belongs in the main file alone"), "{page}");
}

#[test]
fn how_long_nothing_may_come_is_learnt_unless_it_is_set() {
    let silence = |line: &str| {
        let text = GOOD.replace("    credentials:", &format!("{line}    credentials:"));
        loaded(&text).1.plan.sources[0].silence
    };
    assert_eq!(silence(""), Silence::Learn);
    assert_eq!(silence("    silence: learn\n"), Silence::Learn);
    assert_eq!(silence("    silence: never\n"), Silence::Never);
    let six_hours = Silence::After(Duration::from_secs(6 * 3600));
    assert_eq!(silence("    silence: 6h\n"), six_hours);
    for typed in ["500ms", "91d", "soon", "6", "[6h]"] {
        let line = format!("    silence: {typed}\n    credentials:");
        let page = page(&GOOD.replace("    credentials:", &line));
        assert!(page.contains("[logweir.yaml:7:"), "{typed}: {page}");
    }
}

#[test]
fn a_share_of_the_budget_is_a_source_s_own_or_everybody_s_or_nobody_s() {
    let share = |top: &str, own: &str| {
        let text = format!(
            "{top}{}",
            GOOD.replace("    plugin: audit\n", &format!("    plugin: audit\n{own}"))
        );
        loaded(&text).1.plan.sources[0].share
    };
    let percent = crate::gate::Share::percent;
    assert_eq!(share("", ""), None);
    assert_eq!(share("budget: { share: 30% }\n", ""), percent(30));
    assert_eq!(
        share("budget: { share: 30% }\n", "    budget: { share: 80% }\n"),
        percent(80)
    );
    let page = page(&format!("budget: {{ share: 0% }}\n{GOOD}"));
    assert!(
        page.contains("a share is written like `50%`, from `1%` to `100%`"),
        "{page}"
    );
}
