//! `plugin`: what plugins are, and what files are none.

use logweir_fixtures as fixtures;

use super::*;

#[test]
fn the_built_in_plugins_are_listed() {
    insta::assert_snapshot!(said(&House::new(), &["plugin", "list"]), @r"
    okta 0.1.0  Reads the System Log of an Okta org.

    `logweir plugin inspect NAME` shows one; plugins in files are named by `plugin: { path: … }`.
    exit code 0
    ");
}

/// The digest and the size are another one with every compiler.
fn inspected(file: &str) -> String {
    let said = said(&House::new(), &["plugin", "inspect", file]);
    let redact = |line: &str| match line.split_whitespace().next() {
        Some(word @ ("sha256" | "size")) => format!("{word} …"),
        _ => line.to_owned(),
    };
    said.lines().map(redact).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_plugin_says_what_it_is_and_what_to_grant_it() {
    insta::assert_snapshot!(inspected(fixtures::hostile_path().to_str().unwrap()), @r#"
    hostile 0.1.0
      Misbehaves as its configuration says.

    sha256 …
    size …

    imports, all of them standard or the contract's own
      logweir:pipeline@0.1.0  types
      wasi:cli@0.2.12  environment, exit, stderr, stdin, stdout, terminal-input, terminal-output, terminal-stderr, terminal-stdin, terminal-stdout
      wasi:clocks@0.2.12  monotonic-clock, wall-clock
      wasi:filesystem@0.2.12  preopens, types
      wasi:http@0.2.12  outgoing-handler, types
      wasi:io@0.2.12  error, poll, streams
      wasi:random@0.2.12  insecure-seed

    credentials, which the host adds and the plugin never sees
      token  sent as authorization: Bearer {secret}
        Any text.

    needs; {name} stands for what its configuration says under that name
      api  GET {url}/ok, {url}/api/v1/logs, {url}/files/*
             with token

    It reaches nothing unless its source grants it; all of the above is:

        grants:
          - {"need":"api","origin":"{url}","methods":["GET"],"paths":["/ok","/api/v1/logs","/files/*"],"credential":"token"}
    exit code 0
    "#);
}

#[test]
fn a_built_in_plugin_is_inspected_by_its_name() {
    let said = inspected("okta");
    assert!(said.contains("GET https://{domain}/api/v1/logs"), "{said}");
    assert!(
        said.contains("It is built in, and granted what it needs."),
        "{said}"
    );
    assert!(!said.contains("grants:"), "{said}");
}

#[test]
fn the_grants_that_inspect_prints_can_be_pasted() {
    let house = House::new();
    let hostile = fixtures::hostile_path().to_str().unwrap();
    let said = said(&house, &["plugin", "inspect", hostile]);
    let grants = &said[said.find("    grants:").unwrap()..said.find("\nexit code").unwrap()];
    house.write(
        "logweir.yaml",
        &format!(
            "\
sources:
  own:
    plugin: {{ path: {hostile} }}
    config: {{ mode: ok, url: \"http://127.0.0.1:9\" }}
    credentials: {{ token: \"${{file:token}}\" }}
{grants}
outputs:
  archive: {{ type: file, inputs: [own], path: out.ndjson }}
"
        ),
    );
    let checked = text(&house.run(&["check", "own"]));
    assert!(
        checked.starts_with("source own reads http://127.0.0.1:9\n"),
        "{checked}"
    );
}

#[test]
fn a_file_that_is_no_plugin_says_what_it_is() {
    let house = House::new();
    fs::write(house.path("core.wasm"), fixtures::core_module()).unwrap();
    fs::write(house.path("script.wasm"), fixtures::not_wasm()).unwrap();
    fs::write(house.path("newer.wasm"), fixtures::unknown_version()).unwrap();
    fs::write(house.path("transform.wasm"), fixtures::transform()).unwrap();
    fs::write(house.path("native.wasm"), b"\x7fELF\x02\x01\x01\0\0\0").unwrap();
    fs::write(house.path("empty.wasm"), b"").unwrap();
    let files = [
        "core",
        "script",
        "newer",
        "transform",
        "native",
        "empty",
        "missing",
    ];
    let all = files.map(|file| said(&house, &["plugin", "inspect", &format!("{file}.wasm")]));
    insta::assert_snapshot!(all.join("\n"), @r"
    error: core.wasm can't be used: it is a core WebAssembly module, not a component: build it with `--target wasm32-wasip2`
    exit code 1
    error: script.wasm can't be used: it is not a WebAssembly component
    exit code 1
    error: newer.wasm can't be used: it implements version 9.1.0 of the source interface, and this host understands 0.1.0: rebuild it with a matching SDK, or use a matching host
    exit code 1
    error: transform.wasm can't be used: it is a plugin for `transform`, not a source
    exit code 1
    error: native.wasm can't be used: it is precompiled code, which can't be verified: give the component (.wasm) itself
    exit code 1
    error: empty.wasm can't be used: it is not a WebAssembly component
    exit code 1
    error: there is no file missing.wasm; the built-in plugins are: okta
    exit code 2
    ");
}

#[test]
fn trust_20_what_a_file_is_called_moves_no_cursor() {
    let said = said(&House::new(), &["plugin", "inspect", "\u{1b}[2J\u{9b}31mx"]);
    assert!(!said.contains(['\u{1b}', '\u{9b}']), "{said:?}");
}
