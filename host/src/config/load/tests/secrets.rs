//! References to secrets where they belong, and secrets that are written down.

use super::*;

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
