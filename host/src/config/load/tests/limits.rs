//! Values that are of the right kind and still not possible: beyond a limit, or not for this plugin.

use super::*;

#[test]
fn an_audit_looks_no_further_back_than_the_ledger_remembers() {
    let text = format!("ledger: {{ keep: 1d }}\naudit: {{ since: 2d }}\n{GOOD}");
    let folder = folder(&[("logweir.yaml", &text)]);
    let refused = load_in(&folder.path().join("logweir.yaml"), None)
        .map_err(|flawed| flawed.errors)
        .err();
    let said = refused.unwrap().render(false);
    assert!(
        said.contains("can't look back 2d when the ledger remembers 1d"),
        "{said}"
    );
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
