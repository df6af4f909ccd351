//! A configuration that is missing, right or wrong, as `validate` and `check` tell it.

use logweir_fixtures as fixtures;

use super::*;

#[test]
fn without_a_configuration_the_way_to_one_is_shown() {
    let house = House::new();
    insta::assert_snapshot!(said(&house, &["run"]), @r"
      × there is no logweir.yaml
      help: `logweir connect` makes one; `--config FILE` names another

    1 error
    exit code 2
    ");
    for command in ["check", "validate"] {
        assert_eq!(said(&house, &[command]), said(&house, &["run"]));
    }
    assert_eq!(said(&house, &["state", "list"]), said(&house, &["run"]));
}

#[test]
fn a_valid_configuration_is_summed_up() {
    insta::assert_snapshot!(said(&configured(), &["validate"]), @r"
    logweir.yaml is valid: 1 source (acme), 1 output (archive)
      silence   learnt
      budget    50% of each limit
      ledger    remembers 14d
      audits    when asked for: there is no `audit:`
      listen    nowhere: there is no `listen:`
    exit code 0
    ");
}

#[test]
fn what_plugins_find_wrong_comes_with_all_else_that_is_wrong() {
    let house = House::new();
    house.write(
        "logweir.yaml",
        "sources:\n  acme: { plugin: okta, config: { domain: acme.okta.com, backfil: 7d }, credentials: { api_token: \
         '${env:T}' } }\noutputs:\n  a: { type: fil, inputs: [amce], path: x }\nliste: 9600\n",
    );
    let said = said(&house, &["validate"]);
    for mistake in ["`fil`", "`amce`", "`liste`", "`backfil`"] {
        assert!(said.contains(mistake), "{mistake} is not in\n{said}");
    }
}

#[test]
fn all_errors_of_a_configuration_come_at_once() {
    let house = House::new();
    house.write(
        "logweir.yaml",
        "\
sources:
  acme:
    plugin: okta
    config:
      domain: acme.okta.com
      token: ${env:OKTA_TOKEN}
    credentials:
      api_token: ${env:OKTA TOKEN}
outputs:
  archive:
    type: file
    inputs: [acne]
    paht: logs/{source}.ndjson
",
    );
    insta::assert_snapshot!(said(&house, &["validate"]), @r"
      × no output takes the records of `acme`
       ╭─[logweir.yaml:2:3]
     1 │ sources:
     2 │   acme:
       ·   ──┬─
       ·     ╰── here
     3 │     plugin: okta
       ╰────
      help: add `acme` to the `inputs` of an output

      × `${…}` is not looked up in a plugin's configuration
       ╭─[logweir.yaml:6:14]
     5 │       domain: acme.okta.com
     6 │       token: ${env:OKTA_TOKEN}
       ·              ────────┬────────
       ·                      ╰── stays as it is
     7 │     credentials:
       ╰────
      help: plugins never see secrets: a secret goes under `credentials:`, beside `config:`

      × the name of an environment variable is letters, digits and `_`, and does not begin with a
      │ digit
       ╭─[logweir.yaml:8:18]
     7 │     credentials:
     8 │       api_token: ${env:OKTA TOKEN}
       ·                  ────────┬────────
       ·                          ╰── here
     9 │ outputs:
       ╰────

      × the key `path` is missing
        ╭─[logweir.yaml:10:3]
      9 │ outputs:
     10 │   archive:
        ·   ───┬───
        ·      ╰── belongs in here
     11 │     type: file
        ╰────

      × there is no source `acne`
        ╭─[logweir.yaml:12:14]
     11 │     type: file
     12 │     inputs: [acne]
        ·              ──┬─
        ·                ╰── here
     13 │     paht: logs/{source}.ndjson
        ╰────
      help: did you mean `acme`?

      × unknown key `paht`
        ╭─[logweir.yaml:13:5]
     12 │     inputs: [acne]
     13 │     paht: logs/{source}.ndjson
        ·     ──┬─
        ·       ╰── not a key here
        ╰────
      help: did you mean `path`?

      × unknown key `token`; the keys here are: domain, url, backfill, poll, limit, filter, q
       ╭─[logweir.yaml:6:7]
     5 │       domain: acme.okta.com
     6 │       token: ${env:OKTA_TOKEN}
       ·       ────────────┬───────────
       ·                   ╰── here
     7 │     credentials:
       ╰────

    7 errors in logweir.yaml
    exit code 2
    ");
    assert_eq!(said(&house, &["run"]), said(&house, &["validate"]));
}

#[test]
fn what_only_the_plugin_knows_to_be_wrong_is_shown_at_its_place() {
    let house = House::new();
    house.write(
        "logweir.yaml",
        "\
sources:
  acme:
    plugin: okta
    config:
      domain: https://acme.okta.com/
      backfill: 100d
    credentials:
      token: ${file:token}
  beta:
    plugin: okta
    config:
      domian: beta.okta.com
      limit: 5000
    credentials:
      api_token: ${file:token}
outputs:
  archive:
    type: file
    inputs: [acme, beta]
    path: logs/{source}.ndjson
",
    );
    insta::assert_snapshot!(said(&house, &["validate"]), @r"
      × `domain`: is an address; write its host name alone: `acme.okta.com`
       ╭─[logweir.yaml:5:7]
     4 │     config:
     5 │       domain: https://acme.okta.com/
       ·       ───────────────┬──────────────
       ·                      ╰── here
     6 │       backfill: 100d
       ╰────

      × `backfill`: Okta keeps events for 90 days; write `90d` at most
       ╭─[logweir.yaml:6:7]
     5 │       domain: https://acme.okta.com/
     6 │       backfill: 100d
       ·       ───────┬──────
       ·              ╰── here
     7 │     credentials:
       ╰────

      × `token`: the plugin does not understand this credential; it understands api_token, oauth
       ╭─[logweir.yaml:8:7]
     7 │     credentials:
     8 │       token: ${file:token}
       ·       ──────────┬─────────
       ·                 ╰── here
     9 │   beta:
       ╰────

      × the key `domain` is missing
        ╭─[logweir.yaml:11:5]
     10 │     plugin: okta
     11 │     config:
        ·     ───┬──
        ·        ╰── here
     12 │       domian: beta.okta.com
        ╰────

      × unknown key `domian`; did you mean `domain`?
        ╭─[logweir.yaml:12:7]
     11 │     config:
     12 │       domian: beta.okta.com
        ·       ──────────┬──────────
        ·                 ╰── here
     13 │       limit: 5000
        ╰────

      × `limit`: must be at most 1000
        ╭─[logweir.yaml:13:7]
     12 │       domian: beta.okta.com
     13 │       limit: 5000
        ·       ─────┬─────
        ·            ╰── here
     14 │     credentials:
        ╰────

    6 errors in logweir.yaml
    exit code 2
    ");
    assert_eq!(said(&house, &["check"]), said(&house, &["validate"]));
    assert_eq!(code(&house, &["run", "--once"]), 2);
}

#[test]
fn an_org_that_does_not_answer_fails_the_check_with_what_to_do() {
    insta::assert_snapshot!(said(&configured(), &["check"]), @r"
    source acme reads http://127.0.0.1:9
      failed   address  127.0.0.1:9: the connection was refused
                        → check the address, and whether a firewall or a proxy is in the way (`network` in the configuration)

    output archive
      ok       file  HOUSE/out.ndjson can be written

    failed: source acme
    exit code 1
    ");
    insta::assert_snapshot!(said(&configured(), &["check", "archive"]), @r"
    output archive
      ok       file  HOUSE/out.ndjson can be written

    everything works
    exit code 0
    ");
}

#[test]
fn looking_leaves_nothing_behind() {
    let house = House::new();
    let hostile = fixtures::hostile_path().to_str().unwrap();
    for arguments in [
        &["plugin", "list"][..],
        &["plugin", "inspect", hostile],
        &["schema"],
    ] {
        house.run_ok(arguments);
        assert_eq!(
            left_behind(&house),
            [""; 0],
            "{arguments:?} without a configuration"
        );
    }
    let house = configured();
    house.run_ok(&["validate"]);
    house.run_ok(&["state", "list"]);
    house.run_ok(&["plugin", "list"]);
    house.run(&["check"]);
    assert_eq!(left_behind(&house), [""; 0]);
}
