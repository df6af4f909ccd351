//! What a plugin or an output finds wrong later is shown where it stands in the file.

use super::*;

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
