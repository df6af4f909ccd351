//! The command line as a person meets it: what it says, what its exit code is, and what it leaves behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use logweir::state::{Commit, Digest, LedgerRow, Owner, SourceCommit, State};
use logweir_fixtures as fixtures;

use crate::house::{House, text};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A run in a terminal that is 100 columns wide.
fn run(house: &House, arguments: &[&str]) -> Output {
    house
        .command(arguments)
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

/// What a run says, with its exit code; the house's own path is `HOUSE`.
pub(crate) fn said(house: &House, arguments: &[&str]) -> String {
    let output = run(house, arguments);
    let root = house.root().canonicalize().unwrap();
    let said = text(&output).replace(root.to_str().unwrap(), "HOUSE");
    let lines: Vec<_> = said.lines().map(str::trim_end).collect();
    format!(
        "{}\nexit code {}",
        lines.join("\n").trim_end(),
        output.status.code().unwrap()
    )
}

pub(crate) fn code(house: &House, arguments: &[&str]) -> i32 {
    run(house, arguments).status.code().unwrap()
}

/// What a command's help says of itself; the options that all have are shown by the program's own help.
fn help(arguments: &[&str]) -> String {
    let help = text(&run(&House::new(), &[arguments, &["--help"]].concat()));
    let (own, rest) = help.split_once("Global options:").unwrap();
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    format!("{}\n\n{}", own.trim_end(), after.trim_end())
        .trim_end()
        .to_owned()
}

/// A house whose configuration names an org that nobody asks.
pub(crate) fn configured() -> House {
    House::with_one_source("http://127.0.0.1:9")
}

/// What is in the house, apart from what [`House::new`] put there.
pub(crate) fn left_behind(house: &House) -> Vec<String> {
    let entries = fs::read_dir(house.root()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !["token", "logweir.yaml"].contains(&name.as_str()));
    names.sort();
    names
}

#[test]
fn the_help_says_where_to_start() {
    insta::assert_snapshot!(text(&run(&House::new(), &["--help"])), @r"
    Reads logs from APIs through untrusted plugins, and delivers every record once

    Usage: logweir [OPTIONS] <COMMAND>

    Commands:
      connect      Connect an organisation: ask for domain and token, test them, write the configuration
      run          Read every source and deliver to every output, until stopped
      audit        Find out what a source has that was never delivered, and deliver it
      status       Show how a running Logweir is doing
      check        Test the connection of sources and outputs; writes nothing
      validate     Check the configuration, offline
      demo         Show Logweir at work on a simulated organisation
      plugin       Look into plugins: what they are, need, and are granted
      state        Look into what is stored of sources, rewind it, or forget it
      schema       Print the JSON Schema of the configuration, for editors
      completions  Print a completion script for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Global options:
      -c, --config <FILE>  The configuration; the files of the folder `logweir.d` beside it are read too
                           [env: LOGWEIR_CONFIG] [default: logweir.yaml]
      -v, --verbose...     Log more; twice for traces
      -q, --quiet          Log only warnings and errors, and show no progress

    Start here:
      logweir demo       see it work: no account, no configuration
      logweir connect    connect your Okta organisation: asks for domain and token, tests them
      logweir run        read the last 60 days, then follow what is new

    `logweir COMMAND --help` has examples. Data goes to standard output, all else to standard error.
    Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong.
    ");
    assert_eq!(code(&House::new(), &[]), 2);
}

#[test]
fn the_help_of_every_command_teaches_it() {
    insta::assert_snapshot!(help(&["connect"]), @r"
    Connect an organisation: ask for domain and token, test them, write the configuration

    Usage: logweir connect [OPTIONS] [PLUGIN]

    Arguments:
      [PLUGIN]  The built-in plugin that reads the system (`logweir plugin list`) [default: okta]

    Options:
          --domain <DOMAIN>    The organisation's domain; short for `--set domain=DOMAIN`
          --set <KEY=VALUE>    A setting of the plugin; may be given several times
          --token-file <FILE>  A file that holds the credential; it is copied into a file of Logweir's
                               own
          --proxy <URL>        A proxy that all requests go through
          --ca-file <FILE>     A PEM file of certificates to trust beside the system's
          --name <NAME>        Name of the source; made from the domain unless given
          --yes                Ask nothing: take what was given, and write the configuration if the test
                               succeeds
      -h, --help               Print help

    Examples:
      logweir connect
          asks for everything, tests the connection, and writes logweir.yaml
      logweir connect okta --domain acme.okta.com
          asks for the token; what you type is not shown
      logweir connect okta --domain acme.okta.com --token-file token.txt --yes
          asks nothing: for scripts
      logweir connect okta --domain acme.okta.com --set backfill=7d
          reads the last 7 days instead of 60
      logweir connect okta --domain acme.oktapreview.com --name preview
          one more organisation: goes into logweir.d/preview.yaml
      logweir connect okta --domain acme.okta.com --proxy http://proxy:3128 --ca-file ca.pem
          through a proxy that looks into TLS

    Nothing is written unless the test succeeds. The credential goes into a file that only you can read.
    ");
    insta::assert_snapshot!(help(&["run"]), @r"
    Read every source and deliver to every output, until stopped

    Usage: logweir run [OPTIONS]

    Options:
          --once  Read until caught up, deliver, and exit: 0, or 1 when something failed
      -h, --help  Print help

    Examples:
      logweir run            read the past, then follow what is new; Ctrl-C stops and loses nothing
      logweir run --once     read everything up to now, deliver it, exit: for cron
      logweir status         from another terminal: how it is doing
      kill -HUP PID          open output files anew, after a log rotation
    ");
    insta::assert_snapshot!(help(&["check"]), @r"
    Test the connection of sources and outputs; writes nothing

    Usage: logweir check [OPTIONS] [NAMES]...

    Arguments:
      [NAMES]...  Only these sources and outputs; all of them when none is named

    Options:
      -h, --help  Print help

    Examples:
      logweir check           every source and output
      logweir check acme      this one alone

    It delivers nothing and writes nothing. Exit code 1: something does not work; warnings don't count.
    ");
    insta::assert_snapshot!(help(&["validate"]), @r"
    Check the configuration, offline

    Usage: logweir validate [OPTIONS]

    Options:
      -h, --help  Print help

    Examples:
      logweir validate                        logweir.yaml, and the files of logweir.d beside it
      logweir validate -c /etc/logweir.yaml   another one

    Nothing is connected to, no secret is read, and the files that it names need not be there.
    `logweir check` tries it.
    ");
    insta::assert_snapshot!(help(&["demo"]), @r"
    Show Logweir at work on a simulated organisation

    Usage: logweir demo [OPTIONS]

    Options:
          --for <TIME>                   End by itself after this time, for example `10s`; else Ctrl-C
                                         ends it
          --events <EVENTS>              Events of the past 60 days [default: 50000]
          --live-per-sec <LIVE_PER_SEC>  New events per second [default: 2]
      -h, --help                         Print help
    ");
    insta::assert_snapshot!(help(&["plugin"]), @r"
    Look into plugins: what they are, need, and are granted

    Usage: logweir plugin [OPTIONS] <COMMAND>

    Commands:
      inspect  Show what a plugin is, what it needs, and what to grant it
      list     List the built-in plugins
      help     Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help

    Examples:
      logweir plugin list
      logweir plugin inspect okta
      logweir plugin inspect ./weather.wasm            what it is, needs, and what to grant it
      logweir plugin inspect ./weather.wasm --schema   the JSON Schema of its configuration
    ");
    insta::assert_snapshot!(help(&["plugin", "inspect"]), @r"
    Show what a plugin is, what it needs, and what to grant it

    Usage: logweir plugin inspect [OPTIONS] <FILE>

    Arguments:
      <FILE>  A component (.wasm), or the name of a built-in plugin

    Options:
          --schema  Print the JSON Schema of its configuration, and nothing else
      -h, --help    Print help
    ");
    insta::assert_snapshot!(help(&["plugin", "list"]), @r"
    List the built-in plugins

    Usage: logweir plugin list [OPTIONS]

    Options:
      -h, --help  Print help
    ");
    insta::assert_snapshot!(help(&["state"]), @r"
    Look into what is stored of sources, rewind it, or forget it

    Usage: logweir state [OPTIONS] <COMMAND>

    Commands:
      list    List what is stored: how far every source and every output is
      show    Show what is stored of one source
      rewind  Have a source begin again at a time: its next run reads from there
      forget  Forget how far a source is: its next run reads from the beginning again
      help    Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help

    Examples:
      logweir state list
      logweir state show acme
      logweir state rewind acme --to 7d --dry-run    what would come again
      logweir state forget acme     its next run reads from the beginning again
    ");
    insta::assert_snapshot!(help(&["state", "list"]), @r"
    List what is stored: how far every source and every output is

    Usage: logweir state list [OPTIONS]

    Options:
      -h, --help  Print help
    ");
    insta::assert_snapshot!(help(&["state", "rewind"]), @r"
    Have a source begin again at a time: its next run reads from there

    Usage: logweir state rewind [OPTIONS] --to <TIME> <SOURCE>

    Arguments:
      <SOURCE>  Name of the source, as `state list` shows it

    Options:
          --to <TIME>  Where to begin: a time like 2026-11-27T08:00:00Z, or how long ago, like 7d
          --dry-run    Say what would come again, and change nothing
          --yes        Don't ask
      -h, --help       Print help
    ");
    insta::assert_snapshot!(help(&["audit"]), @r"
    Find out what a source has that was never delivered, and deliver it

    Usage: logweir audit [OPTIONS] <SOURCE>

    Arguments:
      <SOURCE>  Name of the source

    Options:
          --since <TIME>  Where to begin: a time, or how long ago, as for `state rewind` [default: 7d]
          --fix           Deliver what is missing
          --json          Print what was found as JSON
      -h, --help          Print help

    Examples:
      logweir audit acme                compare the last 7 days with what was delivered
      logweir audit acme --since 1d     less of it
      logweir audit acme --fix          deliver what is missing
      logweir audit acme --json         for programs

    What is new is followed meanwhile. A running host audits by itself: `audit: { every: 1d }`.
    Exit codes: 0 everything is delivered, 1 something is missing or the audit failed.
    ");
    insta::assert_snapshot!(help(&["state", "forget"]), @r"
    Forget how far a source is: its next run reads from the beginning again

    Usage: logweir state forget [OPTIONS] <SOURCE>

    Arguments:
      <SOURCE>  Name of the source, as `state list` shows it

    Options:
          --yes   Don't ask
      -h, --help  Print help
    ");
    insta::assert_snapshot!(help(&["schema"]), @r"
    Print the JSON Schema of the configuration, for editors

    Usage: logweir schema [OPTIONS]

    Options:
      -h, --help  Print help

    Example:
      logweir schema > logweir.schema.json

    Then an editor with a YAML language server completes and checks a configuration that begins with
      # yaml-language-server: $schema=logweir.schema.json
    ");
    insta::assert_snapshot!(help(&["completions"]), @r"
    Print a completion script for a shell

    Usage: logweir completions [OPTIONS] <SHELL>

    Arguments:
      <SHELL>  The shell to complete for [possible values: bash, elvish, fish, powershell, zsh]

    Options:
      -h, --help  Print help

    Examples:
      logweir completions bash > ~/.local/share/bash-completion/completions/logweir
      logweir completions zsh  > ~/.zfunc/_logweir        with `fpath+=~/.zfunc` in .zshrc
      logweir completions fish > ~/.config/fish/completions/logweir.fish
    ");
}

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
fn a_word_that_is_nearly_right_is_suggested() {
    insta::assert_snapshot!(said(&House::new(), &["connekt"]), @r"
    error: unrecognized subcommand 'connekt'

      tip: a similar subcommand exists: 'connect'

    Usage: logweir [OPTIONS] <COMMAND>

    For more information, try '--help'.
    exit code 2
    ");
    insta::assert_snapshot!(said(&configured(), &["check", "acm"]), @r"
    error: there is no source or output `acm`; did you mean `acme`?
    exit code 2
    ");
    insta::assert_snapshot!(said(&House::new(), &["plugin", "inspect", "okat"]), @r"
    error: there is no file okat; did you mean `okta`?
    exit code 2
    ");
    insta::assert_snapshot!(said(&House::new(), &["connect", "okat"]), @r"
    error: there is no built-in plugin `okat`; did you mean `okta`?
    exit code 2
    ");
}

#[test]
fn a_valid_configuration_is_summed_up() {
    insta::assert_snapshot!(said(&configured(), &["validate"]), @r"
    logweir.yaml is valid: 1 source (acme), 1 output (archive)
    exit code 0
    ");
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

    6 errors in logweir.yaml
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

/// A house with a source that has been read.
pub(crate) fn with_state() -> House {
    let house = configured();
    let state = State::open(&house.path(".logweir")).unwrap();
    let digest = |number| Digest {
        id: number,
        bytes: number,
    };
    let row = LedgerRow {
        digests: (0..1_000).map(digest).collect(),
        newest: 1_700_000_000_000_000_000,
    };
    let source = SourceCommit {
        name: "acme".into(),
        owner: Owner {
            plugin: "okta".to_owned(),
            origin: "http://127.0.0.1:9".to_owned(),
        },
        checkpoint: Some(r#"{"v":1,"who":"\u009b2J"}"#.replace("\\u009b", "\u{9b}").into()),
        began: Some(1_695_000_000_000_000_000),
        settled: 1_000,
        dead: 2,
        rows: vec![row.into()],
    };
    let positions = vec![("archive".to_owned(), r#"{"v":1}"#.to_owned())];
    state
        .commit(&Commit {
            at: 1_700_000_000_000_000_000,
            keep: std::time::Duration::from_secs(1_209_600),
            sources: vec![source],
            positions,
        })
        .unwrap();
    house
}

/// When it was updated, left out.
fn without_times(said: &str) -> String {
    let lines = said.lines().map(|line| {
        if line.starts_with("  updated") {
            "  updated …"
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_stored_is_listed_and_moves_no_cursor() {
    insta::assert_snapshot!(said(&configured(), &["state", "list"]), @r"
    nothing is stored yet: no run has made HOUSE/.logweir
    exit code 0
    ");
    insta::assert_snapshot!(without_times(&said(&with_state(), &["state", "list"])), @r#"
    state in HOUSE/.logweir

    source acme
      reads       http://127.0.0.1:9 through plugin okta
      settled     1000 records, 2 of them in the dead letter
      updated …
      ledger      1000 records in 16000 bytes, complete since 2023-09-18T01:20:00Z
      checkpoint  {"v":1,"who":"\u{9b}2J"}

    output archive
      position    {"v":1}
    exit code 0
    "#);
}

#[test]
fn forgetting_is_refused_where_nobody_can_be_asked() {
    let house = with_state();
    insta::assert_snapshot!(without_times(&said(&house, &["state", "forget", "acme"])), @r#"
    source acme
      reads       http://127.0.0.1:9 through plugin okta
      settled     1000 records, 2 of them in the dead letter
      updated …
      ledger      1000 records in 16000 bytes, complete since 2023-09-18T01:20:00Z
      checkpoint  {"v":1,"who":"\u{9b}2J"}

    The next run reads from the beginning again, as the configuration says. What is there already comes once more.
    error: nothing was changed: say --yes to forget without being asked
    exit code 2
    "#);
    assert!(
        State::open(&house.path(".logweir"))
            .unwrap()
            .source("acme")
            .unwrap()
            .is_some()
    );
}

#[test]
fn what_is_forgotten_is_gone() {
    let house = with_state();
    insta::assert_snapshot!(said(&house, &["state", "forget", "acm"]), @r"
    error: nothing is stored of `acm`; did you mean `acme`?
    exit code 2
    ");
    let forgotten = said(&house, &["state", "forget", "acme", "--yes"]);
    assert!(
        forgotten.ends_with("starts from the beginning at its next run\nexit code 0"),
        "{forgotten}"
    );
    insta::assert_snapshot!(said(&house, &["state", "forget", "acme", "--yes"]), @r"
    error: nothing is stored of `acme`; no source has been read yet
    exit code 2
    ");
    insta::assert_snapshot!(said(&configured(), &["state", "forget", "acme", "--yes"]), @r"
    error: nothing is stored of `acme`; no source has been read yet
    exit code 2
    ");
}

#[test]
fn nothing_is_forgotten_under_a_running_host() {
    let house = with_state();
    let state = State::open(&house.path(".logweir")).unwrap();
    let _lock = state.lock().unwrap();
    let said = said(&house, &["state", "forget", "acme", "--yes"]);
    assert!(
        said.contains("is in use by process") && said.ends_with("exit code 1"),
        "{said}"
    );
    assert!(state.source("acme").unwrap().is_some());
}

#[test]
fn the_schema_in_the_repository_is_the_programs() {
    let printed = String::from_utf8(House::new().run_ok(&["schema"]).stdout).unwrap();
    let checked_in = fs::read_to_string(root().join("logweir.schema.json")).unwrap_or_default();
    assert!(
        printed == checked_in,
        "logweir.schema.json is stale; renew it: cargo run --release -- schema > logweir.schema.json"
    );
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script =
            String::from_utf8(House::new().run_ok(&["completions", shell]).stdout).unwrap();
        for command in [
            "connect", "run", "check", "validate", "inspect", "forget", "schema",
        ] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    assert_eq!(code(&House::new(), &["completions", "tcsh"]), 2);
}

fn assert_valid(house: &House, name: &str, yaml: &str) {
    house.write("logweir.yaml", yaml);
    let output = house.run(&["validate"]);
    assert!(output.status.success(), "{name}:\n{}", text(&output));
}

#[test]
fn every_example_is_valid() {
    let house = House::new();
    let files: Vec<_> = fs::read_dir(root().join("examples/configs"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        assert_valid(
            &house,
            &file.display().to_string(),
            &fs::read_to_string(&file).unwrap(),
        );
    }
}

/// The blocks of a Markdown text in this language.
fn blocks<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    let after = markdown.split(start.as_str()).skip(1);
    after
        .map(|rest| rest.split_once("\n```").unwrap().0)
        .collect()
}

#[test]
fn every_configuration_of_the_readme_is_valid() {
    let house = House::new();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let whole = |block: &&str| block.contains("sources:") && block.contains("outputs:");
    let configurations: Vec<_> = blocks(&readme, "yaml").into_iter().filter(whole).collect();
    assert!(!configurations.is_empty());
    for configuration in configurations {
        assert_valid(&house, configuration, configuration);
    }
}

#[test]
fn every_command_of_the_readme_exists() {
    let house = House::new();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let called = readme
        .split("`logweir ")
        .skip(1)
        .filter_map(|rest| rest.split(['`', ' ', ',']).next());
    let commands: Vec<_> = called
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
        .collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        assert_eq!(code(&house, &[command, "--help"]), 0, "`logweir {command}`");
    }
}
