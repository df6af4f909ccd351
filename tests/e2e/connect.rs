//! From nothing to a running configuration: what `connect` asks, tests and writes, and what it never leaves behind.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::cli::{code, left_behind, said};
use crate::house::{House, TOKEN, text};
use crate::org::Org;

/// Longer than anything takes; a test that waits in vain ends.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) mod terminal;

/// What `connect` needs to know to ask nothing.
fn unattended<'a>(setting: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let first = [
        "connect",
        "--set",
        setting,
        "--token-file",
        "token",
        "--yes",
    ];
    [&first[..], more].concat()
}

fn url_of(org: &Org) -> String {
    format!("url={}", org.url)
}

/// Files below a folder that hold this text.
fn files_with(folder: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path)
                .unwrap()
                .windows(needle.len())
                .any(|bytes| bytes == needle.as_bytes())
            {
                found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn mode(house: &House, name: &str) -> u32 {
    fs::metadata(house.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn from_nothing_to_all_events() {
    let org = Org::with_events(2_500);
    let house = House::new();
    let said = said(&house, &unattended(&url_of(&org), &["--name", "acme"]));
    let (_, wrote) = said.split_once("\n\n").unwrap();
    insta::assert_snapshot!(wrote, @r"
    wrote logweir.yaml  reads `acme` into logs/acme.ndjson, and shows them on the screen
    wrote acme.token    the credential; only you can read it

    The first run reads the last 60 days, then follows what is new.
    next: logweir run
    exit code 0
    ");
    insta::assert_snapshot!(fs::read_to_string(house.path("logweir.yaml")).unwrap().replace(&org.url, "URL"), @r#"
    # `logweir validate` checks this file, `logweir check` tries what it says, `logweir run` runs it.
    # More sources go into files of their own in the folder logweir.d: `logweir connect` writes them.
    sources:
      acme:                                 # the name in logs, metrics and file names
        plugin: okta
        config:
          url: "URL"
        credentials:                        # the plugin never sees these
          api_token: ${file:acme.token}
    outputs:
      archive:                              # every record as it came, exactly once
        type: file
        inputs: [acme]
        path: "logs/{source}.ndjson"
      screen:                               # what comes in, while you watch
        type: console
        inputs: [acme]
    "#);
    assert_eq!(mode(&house, "acme.token"), 0o600, "trust 19");
    assert_eq!(fs::read_to_string(house.path("acme.token")).unwrap(), TOKEN);
    assert_eq!(
        org.report().violations,
        [],
        "trust 4: the first request carries no token"
    );

    house.run_ok(&["validate"]);
    house.run_ok(&["check"]);
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("logs/acme.ndjson"), org.persisted());
}

#[test]
fn a_further_source_goes_into_a_file_of_its_own() {
    let (one, two) = (Org::with_events(10), Org::seeded(20, 7));
    let house = House::new();
    house.run_ok(&unattended(&url_of(&one), &[]));
    let main = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    let again = said(&house, &unattended(&url_of(&one), &[]));
    assert!(
        again.contains("`okta` reads this already") && again.ends_with("exit code 2"),
        "{again}"
    );

    house.run_ok(&unattended(&url_of(&two), &["--set", "limit=500"]));
    assert_eq!(
        fs::read_to_string(house.path("logweir.yaml")).unwrap(),
        main,
        "nobody's file is edited"
    );
    assert_eq!(left_behind(&house), ["logweir.d", "okta.token"]);
    assert!(
        house.path("logweir.d/okta-2.token").exists(),
        "trust 18: beside the file that names it"
    );
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("logs/okta.ndjson").len(), 10);
    assert_eq!(house.lines("logs/okta-2.ndjson").len(), 20);
}

#[test]
fn after_a_failed_test_nothing_is_left() {
    let org = Org::with_events(10);
    let house = House::new();
    house.write("token", "00WRONG");
    let refused = said(&house, &unattended(&url_of(&org), &[]));
    assert!(refused.contains("failed   credential"), "{refused}");
    assert!(
        refused.ends_with("the test failed: nothing was written\nexit code 1"),
        "{refused}"
    );
    assert_eq!(left_behind(&house), [""; 0]);
    assert!(!house.path("logweir.yaml").exists());

    let unreachable = said(&house, &unattended("url=http://127.0.0.1:9", &[]));
    assert!(unreachable.contains("failed   address"), "{unreachable}");
    assert_eq!(left_behind(&house), [""; 0]);
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let org = Org::with_events(10);
    let house = House::new();
    house.write("okta.token", "of an earlier try");
    insta::assert_snapshot!(said(&house, &unattended(&url_of(&org), &[])), @r"
    error: okta.token is there already, and is not overwritten: move it away, or choose another --name
    exit code 2
    ");
    assert_eq!(
        fs::read_to_string(house.path("okta.token")).unwrap(),
        "of an earlier try"
    );
    assert!(!house.path("logweir.yaml").exists());
    assert_eq!(org.report().requests, 0);
}

#[test]
fn an_invalid_configuration_is_told_before_anything_is_asked() {
    let house = House::new();
    house.write("logweir.yaml", "source: {}\n");
    insta::assert_snapshot!(said(&house, &["connect"]), @r"
    There is a configuration to add to, and it has to be put right first.

      × unknown key `source`
       ╭─[logweir.yaml:1:1]
     1 │ source: {}
       · ───┬──
       ·    ╰── not a key here
       ╰────
      help: did you mean `sources`?

    1 error in logweir.yaml
    exit code 2
    ");
}

#[test]
fn trust_04_a_stranger_gets_a_token_only_after_a_yes() {
    let org = Org::with_events(10);
    let house = House::new();
    let stranger = said(
        &house,
        &["connect", "--set", &url_of(&org), "--token-file", "token"],
    );
    insta::assert_snapshot!(stranger, @r"
    error: 127.0.0.1 is not a domain of Okta's: say --yes if it is your organisation's own
    exit code 2
    ");
    assert_eq!(org.report().requests, 0);
}

#[test]
fn a_wrong_setting_comes_back_at_once_with_what_to_write() {
    let house = House::new();
    let wrong = [
        &["--domain", "https://acme.okta.com/"][..],
        &["--domain", "acme-admin.okta.com"],
        &["--domain", "acme"],
        &["--set", "domian=acme.okta.com"],
        &["--domain", "acme.okta.com", "--set", "limit=5000"],
        &["--domain", "acme.okta.com", "--name", "Acme"],
        &["--domain", "acme.okta.com", "--token-file", "nowhere"],
        &["--domain", "acme.okta.com"],
        &[],
    ];
    let all = wrong.map(|arguments| said(&house, &[&["connect"], arguments].concat()));
    insta::assert_snapshot!(all.join("\n"), @r"
    error: `domain`: is an address; write its host name alone: `acme.okta.com`
    exit code 2
    error: `domain`: is the address of the Admin Console; write `acme.okta.com`
    exit code 2
    error: `domain`: is not complete; write all of it, like `acme.okta.com`
    exit code 2
    error: unknown key `domian`; did you mean `domain`?
    `domain` is missing: say which organisation with --domain acme.okta.com
    exit code 2
    error: `limit`: must be at most 1000
    exit code 2
    error: `Acme` can't be the name of a source: use lower-case letters, digits, `-` and `_`, a letter or digit first, at most 50 characters
    exit code 2
    error: can't read the secret file nowhere: No such file or directory (os error 2)
    exit code 2
    error: the api_token is missing: give a file that holds it with --token-file
    exit code 2
    error: `domain` is missing: say which organisation with --domain acme.okta.com
    exit code 2
    ");
    assert_eq!(code(&house, &["connect", "--set", "domain"]), 2);
    assert_eq!(left_behind(&house), [""; 0]);
}
