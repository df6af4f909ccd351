use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::config::{CredentialPlan, LogFormat, LogLevel, PluginRef};
use crate::secret::SecretRef;
use crate::telemetry::silence::Silence;

/// A folder with some files in it; the first is the main one.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(FRAGMENTS)).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn load(folder: &TempDir) -> Result<Loaded, ConfigErrors> {
    load_in(&folder.path().join("logweir.yaml"), None)
}

fn redacted(folder: &TempDir, page: &str) -> String {
    page.replace(&format!("{}/", folder.path().display()), "")
}

/// The error page of some files.
fn page_of(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    match load(&folder) {
        Ok(_) => panic!("this was expected to be refused"),
        Err(errors) => redacted(&folder, &errors.render(false)),
    }
}

fn page(text: &str) -> String {
    page_of(&[("logweir.yaml", text)])
}

fn loaded(text: &str) -> (TempDir, Loaded) {
    let folder = folder(&[("logweir.yaml", text)]);
    let loaded = load(&folder)
        .map_err(|errors| errors.render(false))
        .unwrap();
    (folder, loaded)
}

const GOOD: &str = "\
sources:
  acme:
    plugin: audit
    config:
      domain: acme.example.com
      since: [1, 2.5, true]
    credentials:
      api_token: ${env:TOKEN}
outputs:
  archive: { type: file, inputs: [acme], path: \"logs/{source}.ndjson\" }
";

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
    assert_eq!(plan.outputs[0].queue.bytes, 64 << 20);
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
fn an_audit_looks_no_further_back_than_the_ledger_remembers() {
    let text = format!("ledger: {{ keep: 1d }}\naudit: {{ since: 2d }}\n{GOOD}");
    let folder = folder(&[("logweir.yaml", &text)]);
    let refused = load_in(&folder.path().join("logweir.yaml"), None).err();
    let said = refused.unwrap().render(false);
    assert!(
        said.contains("can't look back 2d when the ledger remembers 1d"),
        "{said}"
    );
}

#[test]
fn the_state_folder_may_come_from_systemd() {
    let folder = folder(&[("logweir.yaml", GOOD)]);
    let main = folder.path().join("logweir.yaml");
    let state = |given: &str| load_in(&main, Some(OsStr::new(given))).unwrap().plan.state;
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
fn a_missing_file_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let errors = load(&folder).err().unwrap();
    insta::assert_snapshot!(redacted(&folder, &errors.render(false)), @r"
      × there is no logweir.yaml
      help: `logweir connect` makes one; `--config FILE` names another

    1 error
    ");
}

#[test]
fn an_empty_file_says_how_to_go_on() {
    insta::assert_snapshot!(page("# nothing\n"), @r"
      × nothing is configured: there is no source and no output
      help: `logweir connect` asks what is needed and writes it down

    1 error
    ");
    insta::assert_snapshot!(page("hello\n"), @r"
      × expected a map of keys, found text
       ╭─[logweir.yaml:1:1]
     1 │ hello
       · ──┬──
       ·   ╰── here
       ╰────

    1 error in logweir.yaml
    ");
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    insta::assert_snapshot!(page(&GOOD.replace("credentials", "credentails").replace("inputs", "input")), @r#"
      × unknown key `credentails`
       ╭─[logweir.yaml:7:5]
     6 │       since: [1, 2.5, true]
     7 │     credentails:
       ·     ─────┬─────
       ·          ╰── not a key here
     8 │       api_token: ${env:TOKEN}
       ╰────
      help: did you mean `credentials`?

      × the key `inputs` is missing
        ╭─[logweir.yaml:10:3]
      9 │ outputs:
     10 │   archive: { type: file, input: [acme], path: "logs/{source}.ndjson" }
        ·   ───┬───
        ·      ╰── belongs in here
        ╰────

      × unknown key `input`
        ╭─[logweir.yaml:10:26]
      9 │ outputs:
     10 │   archive: { type: file, input: [acme], path: "logs/{source}.ndjson" }
        ·                          ──┬──
        ·                            ╰── not a key here
        ╰────
      help: did you mean `inputs`?

    3 errors in logweir.yaml
    "#);
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "the page that it compares with is long"
)]
fn all_errors_of_all_files_come_at_once() {
    let main = "\
sorces: {}
sources:
  Acme:
    plugin: my.wasm
    limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
    network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
  acme:
    config: [1]
outputs:
  archive: { type: flie, inputs: acme }
  screen: { type: console, format: pretty, inputs: [] }
";
    let fragment = "sources:\n  beta: { plugin: { path: p.wasm, sha256: abc } }\nstate: /x\n";
    insta::assert_snapshot!(page_of(&[("logweir.yaml", main), ("logweir.d/beta.yaml", fragment)]), @r"
      × unknown key `sorces`
       ╭─[logweir.yaml:1:1]
     1 │ sorces: {}
       · ───┬──
       ·    ╰── not a key here
     2 │ sources:
       ╰────
      help: did you mean `sources`?

      × `Acme` can't be the name of a source
       ╭─[logweir.yaml:3:3]
     2 │ sources:
     3 │   Acme:
       ·   ──┬─
       ·     ╰── here
     4 │     plugin: my.wasm
       ╰────
      help: a name is made of lower-case letters, digits, `-` and `_`, does not begin with `-` or `_`,
            and has at most 63 characters

      × a plugin in a file is written as `{ path: my.wasm }`
       ╭─[logweir.yaml:4:13]
     3 │   Acme:
     4 │     plugin: my.wasm
       ·             ───┬───
       ·                ╰── here
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
       ╰────

      × `MB` is not a unit here; the units are B, KiB, MiB, GiB and TiB
       ╭─[logweir.yaml:5:23]
     4 │     plugin: my.wasm
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
       ·                       ──┬─
       ·                         ╰── here
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
       ╰────

      × `90` has no unit; write `90s`, `90m`, `90h` or `90d`
       ╭─[logweir.yaml:5:35]
     4 │     plugin: my.wasm
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
       ·                                   ─┬
       ·                                    ╰── here
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
       ╰────

      × expected a whole number, found text
       ╭─[logweir.yaml:5:57]
     4 │     plugin: my.wasm
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
       ·                                                         ──┬─
       ·                                                           ╰── here
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
       ╰────

      × a proxy is written like `http://proxy.example.com:3128`
       ╭─[logweir.yaml:6:23]
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
       ·                       ───┬───
       ·                          ╰── here
     7 │   acme:
       ╰────

      × a range of addresses is written like `10.0.0.0/8`, a single one like `10.1.2.3`
       ╭─[logweir.yaml:6:32]
     5 │     limits: { memory: 64MB, call: 90, cpu: 2d, records: many }
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
       ·                                ──────┬──────
       ·                                      ╰── here
     7 │   acme:
       ╰────

      × the key `plugin` is missing
       ╭─[logweir.yaml:7:3]
     6 │     network: { proxy: nowhere, allow_private: [10.0.0.0/99] }
     7 │   acme:
       ·   ──┬─
       ·     ╰── belongs in here
     8 │     config: [1]
       ╰────

      × expected a map of keys, found a list
       ╭─[logweir.yaml:8:5]
     7 │   acme:
     8 │     config: [1]
       ·     ───┬──
       ·        ╰── here
     9 │ outputs:
       ╰────

      × `flie` is not possible here
        ╭─[logweir.yaml:10:20]
      9 │ outputs:
     10 │   archive: { type: flie, inputs: acme }
        ·                    ──┬─
        ·                      ╰── here
     11 │   screen: { type: console, format: pretty, inputs: [] }
        ╰────
      help: did you mean `file`?

      × expected a list, found text
        ╭─[logweir.yaml:10:34]
      9 │ outputs:
     10 │   archive: { type: flie, inputs: acme }
        ·                                  ──┬─
        ·                                    ╰── here
     11 │   screen: { type: console, format: pretty, inputs: [] }
        ╰────

      × `pretty` is not possible here
        ╭─[logweir.yaml:11:36]
     10 │   archive: { type: flie, inputs: acme }
     11 │   screen: { type: console, format: pretty, inputs: [] }
        ·                                    ───┬──
        ·                                       ╰── here
        ╰────
      help: one of: auto, ndjson, line

      × `screen` has no inputs
        ╭─[logweir.yaml:11:44]
     10 │   archive: { type: flie, inputs: acme }
     11 │   screen: { type: console, format: pretty, inputs: [] }
        ·                                            ───┬──
        ·                                               ╰── here
        ╰────
      help: name the sources whose records go here

      × a SHA-256 is 64 hexadecimal digits
       ╭─[logweir.d/beta.yaml:2:43]
     1 │ sources:
     2 │   beta: { plugin: { path: p.wasm, sha256: abc } }
       ·                                           ─┬─
       ·                                            ╰── here
     3 │ state: /x
       ╰────

      × `state` belongs in the main file alone
       ╭─[logweir.d/beta.yaml:3:1]
     2 │   beta: { plugin: { path: p.wasm, sha256: abc } }
     3 │ state: /x
       · ──┬──
       ·   ╰── here
       ╰────
      help: files in `logweir.d` add sources and outputs

    16 errors in 2 files
    ");
}

#[test]
fn a_name_given_twice_is_refused_naming_both_places() {
    let fragment = "sources:\n  acme: { plugin: audit }\n";
    insta::assert_snapshot!(page_of(&[("logweir.yaml", GOOD), ("logweir.d/a.yaml", fragment)]), @r"
      × there are two sources with the name `acme`
       ╭─[logweir.d/a.yaml:2:3]
     1 │ sources:
     2 │   acme: { plugin: audit }
       ·   ──┬─
       ·     ╰── again here
       ╰────

    Advice: 
      ☞ the first one
       ╭─[logweir.yaml:2:3]
     1 │ sources:
     2 │   acme:
       ·   ──┬─
       ·     ╰── here
     3 │     plugin: audit
       ╰────

    1 error in logweir.d/a.yaml
    ");
    insta::assert_snapshot!(page(&GOOD.replace("outputs:", "  acme: { plugin: other }\noutputs:")), @r"
      × the key `acme` is given twice
        ╭─[logweir.yaml:9:3]
      8 │       api_token: ${env:TOKEN}
      9 │   acme: { plugin: other }
        ·   ──┬─
        ·     ╰── again here
     10 │ outputs:
        ╰────

    Advice: 
      ☞ first here
       ╭─[logweir.yaml:2:3]
     1 │ sources:
     2 │   acme:
       ·   ──┬─
       ·     ╰── here
     3 │     plugin: audit
       ╰────

    1 error in logweir.yaml
    ");
}

#[test]
fn trust_18_a_reference_in_a_plugins_configuration_points_to_credentials() {
    insta::assert_snapshot!(page(&GOOD.replace("acme.example.com", "${env:DOMAIN}")), @r"
      × `${…}` is not looked up in a plugin's configuration
       ╭─[logweir.yaml:5:15]
     4 │     config:
     5 │       domain: ${env:DOMAIN}
       ·               ──────┬──────
       ·                     ╰── stays as it is
     6 │       since: [1, 2.5, true]
       ╰────
      help: plugins never see secrets: a secret goes under `credentials:`, beside `config:`

    1 error in logweir.yaml
    ");
}

#[test]
fn trust_18_references_are_judged_where_they_stand() {
    let text = GOOD.replace(
        "${env:TOKEN}",
        "SSWS ${env:TOKEN}\n      b: ${exec:}\n      c: 123\n      d: ${TOKEN}",
    );
    insta::assert_snapshot!(page(&text), @r"
      × a reference must be the whole value: nothing before `${` or after `}`
       ╭─[logweir.yaml:8:18]
     7 │     credentials:
     8 │       api_token: *****${env:TOKEN}
       ·                  ────────┬────────
       ·                          ╰── here
     9 │       b: ${exec:}
       ╰────

      × `${exec:}` names no command
        ╭─[logweir.yaml:9:10]
      8 │       api_token: *****${env:TOKEN}
      9 │       b: ${exec:}
        ·          ────┬───
        ·              ╰── here
     10 │       c: 123
        ╰────

      × expected text, found a number
        ╭─[logweir.yaml:10:10]
      9 │       b: ${exec:}
     10 │       c: 123
        ·          ─┬─
        ·           ╰── a secret goes here
     11 │       d: ${TOKEN}
        ╰────
      help: write `${env:NAME}` or `${file:PATH}`; a number needs quotes

      × a reference says where to look: write `${env:NAME}` or `${file:PATH}`
        ╭─[logweir.yaml:11:10]
     10 │       c: 123
     11 │       d: ${TOKEN}
        ·          ────┬───
        ·              ╰── here
     12 │ outputs:
        ╰────

    4 errors in logweir.yaml
    ");
}

#[test]
fn trust_19_a_literal_secret_is_a_warning_that_does_not_show_it() {
    let (folder, loaded) = loaded(&GOOD.replace("${env:TOKEN}", "hunter2"));
    let page = redacted(&folder, &loaded.render_warnings(false));
    insta::assert_snapshot!(page, @r"
      ⚠ this secret is written down in the configuration; `${file:PATH}` or `${env:NAME}` keep it
      │ apart
       ╭─[logweir.yaml:8:18]
     7 │     credentials:
     8 │       api_token: *******
       ·                  ───┬───
       ·                     ╰── here
     9 │ outputs:
       ╰────

    1 warning in logweir.yaml
    ");
    assert!(!format!("{:?}", loaded.plan).contains("hunter2"));
}

#[test]
fn trust_19_no_error_page_shows_a_literal_secret() {
    let text = GOOD.replace("${env:TOKEN}", "hunter2");
    for wrong in [
        "    limit: {}\noutputs:",
        "    credentials: {x: hunter2}\noutputs:",
        "\toutputs:",
        "  - \"outputs:",
    ] {
        let page = page(&text.replace("outputs:", wrong));
        assert!(!page.contains("hunter2"), "{page}");
    }
}

#[test]
fn inputs_must_exist_and_sources_must_be_read() {
    let text = GOOD.replace("inputs: [acme]", "inputs: [acmee, xyz, xyz]");
    insta::assert_snapshot!(page(&text), @r#"
      × no output takes the records of `acme`
       ╭─[logweir.yaml:2:3]
     1 │ sources:
     2 │   acme:
       ·   ──┬─
       ·     ╰── here
     3 │     plugin: audit
       ╰────
      help: add `acme` to the `inputs` of an output

      × there is no source `acmee`
        ╭─[logweir.yaml:10:35]
      9 │ outputs:
     10 │   archive: { type: file, inputs: [acmee, xyz, xyz], path: "logs/{source}.ndjson" }
        ·                                   ──┬──
        ·                                     ╰── here
        ╰────
      help: did you mean `acme`?

      × there is no source `xyz`
        ╭─[logweir.yaml:10:42]
      9 │ outputs:
     10 │   archive: { type: file, inputs: [acmee, xyz, xyz], path: "logs/{source}.ndjson" }
        ·                                          ─┬─
        ·                                           ╰── here
        ╰────
      help: the sources are: acme

      × `xyz` is named twice
        ╭─[logweir.yaml:10:47]
      9 │ outputs:
     10 │   archive: { type: file, inputs: [acmee, xyz, xyz], path: "logs/{source}.ndjson" }
        ·                                               ─┬─
        ·                                                ╰── here
        ╰────

    4 errors in logweir.yaml
    "#);
}

#[test]
fn what_does_not_exist_yet_is_refused_with_a_word() {
    let text = GOOD.replace("inputs:", "when: '.a == 1', inputs:") + "transforms: { a: 1 }\n";
    insta::assert_snapshot!(page(&text), @r#"
      × there are no conditions yet; an output takes all records of its inputs
        ╭─[logweir.yaml:10:26]
      9 │ outputs:
     10 │   archive: { type: file, when: '.a == 1', inputs: [acme], path: "logs/{source}.ndjson" }
        ·                          ──┬─
        ·                            ╰── not supported yet
     11 │ transforms: { a: 1 }
        ╰────

      × there are no transforms yet; outputs take records as their sources send them
        ╭─[logweir.yaml:11:1]
     10 │   archive: { type: file, when: '.a == 1', inputs: [acme], path: "logs/{source}.ndjson" }
     11 │ transforms: { a: 1 }
        · ─────┬────
        ·      ╰── not supported yet
        ╰────

    2 errors in logweir.yaml
    "#);
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
fn delivery_17_two_outputs_with_one_file_are_refused() {
    let text = GOOD.to_owned()
        + "  other: { type: file, inputs: [acme], path: ./x/../logs/acme.ndjson }\n";
    insta::assert_snapshot!(page(&text), @r#"
      × `archive` and `other` write into one file: logs/acme.ndjson
        ╭─[logweir.yaml:11:40]
     10 │   archive: { type: file, inputs: [acme], path: "logs/{source}.ndjson" }
     11 │   other: { type: file, inputs: [acme], path: ./x/../logs/acme.ndjson }
        ·                                        ──────────────┬──────────────
        ·                                                      ╰── also here
        ╰────

    Advice: 
      ☞ the other one
        ╭─[logweir.yaml:10:42]
      9 │ outputs:
     10 │   archive: { type: file, inputs: [acme], path: "logs/{source}.ndjson" }
        ·                                          ──────────────┬─────────────
        ·                                                        ╰── here
     11 │   other: { type: file, inputs: [acme], path: ./x/../logs/acme.ndjson }
        ╰────

    1 error in logweir.yaml
    "#);
    let text = GOOD.to_owned()
        + "  other: { type: file, inputs: [acme], path: .logweir/dead-letter.ndjson }\n";
    assert!(page(&text).contains("can't be delivered"));
}

#[test]
fn something_must_be_read_and_go_somewhere() {
    insta::assert_snapshot!(page("sources: { a: { plugin: audit } }\n"), @r"
      × there is no output: records would go nowhere
      help: the smallest one is `outputs: { screen: { type: console, inputs: [NAME] } }`

    1 error
    ");
    insta::assert_snapshot!(page("outputs: {}\n"), @r"
      × there is no source
      help: `logweir connect` asks what is needed and writes it down

      × there is no output: records would go nowhere
      help: the smallest one is `outputs: { screen: { type: console, inputs: [NAME] } }`

    2 errors
    ");
}

#[test]
fn bad_yaml_is_shown_with_line_and_caret() {
    insta::assert_snapshot!(page("sources:\n\tacme: 1\n"), @r"
      × not valid YAML: tabs disallowed within this context (block indentation)
       ╭─[logweir.yaml:2:2]
     1 │ sources:
     2 │     acme: 1
       ·     ▲
       ·     ╰── here
       ╰────
      help: indent with spaces

    1 error in logweir.yaml
    ");
    insta::assert_snapshot!(page("sources:\n  acme: [1, 2\noutputs: {}\n"), @r"
      × not valid YAML: illegal placement of ':' indicator
       ╭─[logweir.yaml:3:8]
     2 │   acme: [1, 2
     3 │ outputs: {}
       ·        ▲
       ·        ╰── here
       ╰────

    1 error in logweir.yaml
    ");
    insta::assert_snapshot!(page("sources: { a: { credentials: { t: ${env:X} } } }\n"), @r#"
      × not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'
       ╭─[logweir.yaml:1:36]
     1 │ sources: { a: { credentials: *****${env:X}******
       ·                                    ▲
       ·                                    ╰── here
       ╰────
      help: inside `{ }` a reference must be quoted: "${env:NAME}"

    1 error in logweir.yaml
    "#);
    insta::assert_snapshot!(page("a: 1\n---\nb: 2\n"), @r"
      × not valid YAML: there is more than one document in this file
       ╭─[logweir.yaml:3:1]
     2 │ ---
     3 │ b: 2
       · ▲
       · ╰── here
       ╰────
      help: remove the `---`; more files go into the folder `logweir.d`

    1 error in logweir.yaml
    ");
}

#[test]
fn limits_have_limits() {
    let limits = "limits: { memory: 1KiB, cpu: 2h, records: 0 }";
    let text = GOOD.replace("plugin: audit", &format!("plugin: audit\n    {limits}"));
    let text = text.replace(
        "type: file,",
        "type: file, queue: { bytes: 1, records: 0 },",
    );
    insta::assert_snapshot!(page(&text), @r#"
      × 1KiB is not between 64KiB and 4GiB
       ╭─[logweir.yaml:4:15]
     3 │     plugin: audit
     4 │     limits: { memory: 1KiB, cpu: 2h, records: 0 }
       ·               ──────┬─────
       ·                     ╰── here
     5 │     config:
       ╰────

      × 2h is not between 10ms and 1h
       ╭─[logweir.yaml:4:29]
     3 │     plugin: audit
     4 │     limits: { memory: 1KiB, cpu: 2h, records: 0 }
       ·                             ───┬───
       ·                                ╰── here
     5 │     config:
       ╰────

      × 0 is not between 1 and 10000000
       ╭─[logweir.yaml:4:38]
     3 │     plugin: audit
     4 │     limits: { memory: 1KiB, cpu: 2h, records: 0 }
       ·                                      ─────┬────
       ·                                           ╰── here
     5 │     config:
       ╰────

      × 1B is not between 64KiB and 1TiB
        ╭─[logweir.yaml:11:35]
     10 │ outputs:
     11 │   archive: { type: file, queue: { bytes: 1, records: 0 }, inputs: [acme], path: "logs/{source}.ndjson" }
        ·                                   ────┬───
        ·                                       ╰── here
        ╰────

      × 0 is not between 1 and 1000000000
        ╭─[logweir.yaml:11:45]
     10 │ outputs:
     11 │   archive: { type: file, queue: { bytes: 1, records: 0 }, inputs: [acme], path: "logs/{source}.ndjson" }
        ·                                             ─────┬────
        ·                                                  ╰── here
        ╰────

    5 errors in logweir.yaml
    "#);
}

#[test]
fn grants_are_for_plugins_in_files() {
    let text = GOOD.replace("    config:", "    grants: []\n    config:");
    insta::assert_snapshot!(page(&text), @r"
      × `audit` is built in and has what it needs: `grants` are for plugins in files
       ╭─[logweir.yaml:4:5]
     3 │     plugin: audit
     4 │     grants: []
       ·     ───┬──
       ·        ╰── here
     5 │     config:
       ╰────

    1 error in logweir.yaml
    ");
    let grants = "grants: [{need: a, origin: ftp://x, methods: [get], paths: [x]}, {need: a, origin: \"https://x\", methods: [], paths: []}]";
    let text = GOOD.replace(
        "plugin: audit",
        &format!("plugin: {{path: p.wasm}}\n    {grants}"),
    );
    insta::assert_snapshot!(page(&text), @r#"
      × an origin is written like `https://api.example.com`
       ╭─[logweir.yaml:4:24]
     3 │     plugin: {path: p.wasm}
     4 │     grants: [{need: a, origin: ftp://x, methods: [get], paths: [x]}, {need: a, origin: "https://x", methods: [], paths: []}]
       ·                        ───────┬───────
       ·                               ╰── here
     5 │     config:
       ╰────

      × a method is written in upper case: `GET`
       ╭─[logweir.yaml:4:51]
     3 │     plugin: {path: p.wasm}
     4 │     grants: [{need: a, origin: ftp://x, methods: [get], paths: [x]}, {need: a, origin: "https://x", methods: [], paths: []}]
       ·                                                   ─┬─
       ·                                                    ╰── here
     5 │     config:
       ╰────

      × a path begins with `/`
       ╭─[logweir.yaml:4:65]
     3 │     plugin: {path: p.wasm}
     4 │     grants: [{need: a, origin: ftp://x, methods: [get], paths: [x]}, {need: a, origin: "https://x", methods: [], paths: []}]
       ·                                                                 ┬
       ·                                                                 ╰── here
     5 │     config:
       ╰────

      × there are two grants for the need `a`
       ╭─[logweir.yaml:4:71]
     3 │     plugin: {path: p.wasm}
     4 │     grants: [{need: a, origin: ftp://x, methods: [get], paths: [x]}, {need: a, origin: "https://x", methods: [], paths: []}]
       ·                                                                       ───┬───
       ·                                                                          ╰── here
     5 │     config:
       ╰────

    4 errors in logweir.yaml
    "#);
}

#[test]
fn an_issue_of_a_plugin_has_its_place() {
    let (folder, loaded) = loaded(GOOD);
    let issues = vec![
        loaded.issue("acme", "/domain", "no such host"),
        loaded.issue("acme", "/since/1", "not whole"),
        loaded.issue("acme", "/missing/deep", "the key `deep` is missing"),
        loaded.issue("acme", "", "all wrong"),
        loaded.source_issue(
            "acme",
            "/credentials/api_token",
            "not a kind of this plugin",
        ),
        loaded.output_issue("archive", "/path", "no such folder"),
        loaded.issue("nobody", "", "no such source"),
    ];
    assert!(issues[0].position().unwrap().ends_with("logweir.yaml:5"));
    insta::assert_snapshot!(redacted(&folder, &ConfigErrors::new(issues).render(false)), @r#"
      × no such host
       ╭─[logweir.yaml:5:7]
     4 │     config:
     5 │       domain: acme.example.com
       ·       ────────────┬───────────
       ·                   ╰── here
     6 │       since: [1, 2.5, true]
       ╰────

      × not whole
       ╭─[logweir.yaml:6:18]
     5 │       domain: acme.example.com
     6 │       since: [1, 2.5, true]
       ·                  ─┬─
       ·                   ╰── here
     7 │     credentials:
       ╰────

      × the key `deep` is missing
       ╭─[logweir.yaml:4:5]
     3 │     plugin: audit
     4 │     config:
       ·     ───┬──
       ·        ╰── here
     5 │       domain: acme.example.com
       ╰────

      × all wrong
       ╭─[logweir.yaml:4:5]
     3 │     plugin: audit
     4 │     config:
       ·     ───┬──
       ·        ╰── here
     5 │       domain: acme.example.com
       ╰────

      × not a kind of this plugin
       ╭─[logweir.yaml:8:7]
     7 │     credentials:
     8 │       api_token: ${env:TOKEN}
       ·       ───────────┬───────────
       ·                  ╰── here
     9 │ outputs:
       ╰────

      × no such folder
        ╭─[logweir.yaml:10:42]
      9 │ outputs:
     10 │   archive: { type: file, inputs: [acme], path: "logs/{source}.ndjson" }
        ·                                          ──────────────┬─────────────
        ·                                                        ╰── here
        ╰────

      × nobody: no such source

    7 errors in logweir.yaml
    "#);
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let folder = folder(&[]);
    std::fs::write(folder.path().join("logweir.yaml"), b"a: \xff").unwrap();
    let errors = load(&folder).err().unwrap();
    insta::assert_snapshot!(redacted(&folder, &errors.render(false)), @r"
      × logweir.yaml is not UTF-8 text (at byte 3)

    1 error
    ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_panics(text in "\\PC*", cut in 0..GOOD.len(), put in "[ \t\n:{}\\[\\],'\"&*!|>%@`#$-]{0,3}") {
        let mut damaged = GOOD.to_owned();
        damaged.replace_range(cut..(cut + 2).min(GOOD.len()), &put);
        for text in [text, damaged] {
            let folder = folder(&[("logweir.yaml", &text)]);
            if let Err(errors) = load(&folder) {
                prop_assert!(!errors.errors().is_empty());
                prop_assert!(errors.render(true).contains("error"));
            }
        }
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
