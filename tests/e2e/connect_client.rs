//! `connect` with a client that gets tokens, against the simulated org, which verifies all that it signs.

use std::fs;

use okta_sim::{App, OrgConfig};

use crate::cli::{left_behind, said};
use crate::connect::terminal::Terminal;
use crate::house::{House, text};
use crate::oauth::{CLIENT, Keys, app, org, private};
use crate::org::Org;

fn with_events(app: App) -> Org {
    org(
        app,
        OrgConfig {
            events: 1_200,
            ..OrgConfig::default()
        },
    )
}

/// A house with the key of an app, and no token.
fn house(keys: &Keys) -> House {
    let house = House::new();
    fs::remove_file(house.path("token")).unwrap();
    fs::create_dir(house.path("keys")).unwrap();
    private(&house, "keys/app.pem", &keys.pem);
    house
}

/// Files that hold a part of the key.
fn copies(house: &House, keys: &Keys) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![house.root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            if String::from_utf8_lossy(&bytes).contains(keys.part()) {
                found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn trust_19_an_app_is_connected_with_its_key_which_stays_where_it_is() {
    let keys = Keys::ec();
    let org = with_events(app(&keys, true));
    let house = house(&keys);
    let url = format!("url={}", org.url);
    let arguments = [
        "connect",
        "--set",
        &url,
        "--name",
        "acme",
        "--client-id",
        CLIENT,
        "--key-file",
        "keys/app.pem",
        "--key-id",
        "one",
        "--yes",
    ];
    let said = said(&house, &arguments);
    let (_, wrote) = said.split_once("\n\n").unwrap();
    insta::assert_snapshot!(wrote, @r"
    wrote logweir.yaml  reads `acme` into logs/acme.ndjson, and shows them on the screen
    named keys/app.pem  the private key; it stays where it is

    The first run reads the last 60 days, then follows what is new.
    next: logweir run
    exit code 0
    ");
    let written = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    let credential = format!(
        "      oauth:\n        client_id: \"{CLIENT}\"\n        private_key: ${{file:keys/app.pem}}\n        key_id: one\n"
    );
    assert!(written.contains(&credential), "{written}");
    assert_eq!(copies(&house, &keys), ["app.pem"]);
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("logs/acme.ndjson"), org.persisted());
    assert_eq!(org.report().violations, []);
    assert_eq!(copies(&house, &keys), ["app.pem"]);
}

#[test]
fn trust_18_a_further_source_may_name_a_key_of_its_own_folder_alone() {
    let keys = Keys::ec();
    let (one, two) = (
        with_events(app(&keys, false)),
        with_events(app(&keys, false)),
    );
    let house = house(&keys);
    let connect = |org: &Org, name: &str, key: &str| {
        let url = format!("url={}", org.url);
        let client = ["--client-id", CLIENT, "--key-file", key, "--yes"];
        said(
            &house,
            &[&["connect", "--set", &url, "--name", name][..], &client].concat(),
        )
    };
    assert!(connect(&one, "one", "keys/app.pem").ends_with("exit code 0"));
    let asked = two.report().requests;
    let refused = connect(&two, "two", "keys/app.pem");
    assert!(
        refused.contains("give --key-file logweir.d/app.pem"),
        "{refused}"
    );
    assert!(refused.ends_with("exit code 2"), "{refused}");
    assert_eq!(
        two.report().requests,
        asked,
        "told before anything is tested"
    );
    fs::create_dir(house.path("logweir.d")).unwrap();
    private(&house, "logweir.d/app.pem", &keys.pem);
    assert!(connect(&two, "two", "logweir.d/app.pem").ends_with("exit code 0"));
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("logs/two.ndjson").len(), 1_200);
}

#[test]
fn a_client_with_a_secret_is_connected_and_the_secret_is_kept_as_a_token_is() {
    let secret = "s3cretOfTheIntegration";
    let org = with_events(App {
        client_id: CLIENT.to_owned(),
        secret: Some(secret.to_owned()),
        scopes: vec!["okta.logs.read".to_owned()],
        ..App::default()
    });
    let house = House::new();
    house.write("token", secret);
    let url = format!("url={}", org.url);
    let arguments = [
        "connect",
        "--set",
        &url,
        "--client-id",
        CLIENT,
        "--token-file",
        "token",
        "--yes",
    ];
    let said = said(&house, &arguments);
    assert!(said.ends_with("exit code 0"), "{said}");
    assert!(!said.contains(secret), "{said}");
    let written = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    assert!(
        written.contains("        client_secret: ${file:okta.token}\n"),
        "{written}"
    );
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("logs/okta.ndjson").len(), 1_200);
}

#[test]
fn an_app_is_asked_for_on_a_terminal() {
    let keys = Keys::ec();
    let org = with_events(app(&keys, false));
    let house = house(&keys);
    let mut terminal = Terminal::start(
        &house,
        &[
            "connect",
            "--set",
            &format!("url={}", org.url),
            "--name",
            "acme",
            "--credential",
            "oauth",
        ],
    );
    terminal.wait_for("may it get the token? [y/N]");
    terminal.type_in("y\n");
    terminal.wait_for("It will ask for: okta.logs.read");
    terminal.wait_for("client_id: ");
    terminal.type_in("0oaOther\n");
    terminal.wait_for("private_key (its file, which stays where it is): ");
    terminal.type_in("nowhere.pem\n");
    terminal.wait_for("nowhere.pem can't be read: No such file");
    terminal.wait_for("private_key (its file");
    terminal.type_in("keys/app.pem\n");
    terminal.wait_for("key_id (Enter if there is one key alone): ");
    terminal.type_in("one\n");
    terminal.wait_for("correct `client_id`");
    terminal.wait_for("Try again with another credential? [y/N]");
    terminal.type_in("y\n");
    terminal.wait_for("client_id: ");
    terminal.type_in(&format!("{CLIENT}\n"));
    terminal.wait_for("private_key (its file");
    terminal.type_in("keys/app.pem\n");
    terminal.wait_for("key_id");
    terminal.type_in("\n");
    terminal.wait_for("Start now?");
    terminal.type_in("n\n");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("logs/acme.ndjson"), org.persisted());
    assert_eq!(copies(&house, &keys), ["app.pem"]);
}

#[test]
fn a_client_that_is_half_given_is_told_what_is_missing() {
    let house = house(&Keys::ec());
    let connect = |more: &[&str]| {
        said(
            &house,
            &[&["connect", "--domain", "acme.okta.com"][..], more].concat(),
        )
    };
    for (arguments, says) in [
        (
            &["--credential", "oauth"][..],
            "give its id with --client-id",
        ),
        (&["--client-id", CLIENT], "name its file with --key-file"),
        (
            &["--key-file", "keys/app.pem"],
            "give its id with --client-id",
        ),
        (&["--client-id", CLIENT, "--key-file", "keys"], "is no file"),
        (
            &["--client-id", CLIENT, "--key-file", "gone"],
            "No such file",
        ),
        (
            &["--credential", "api_token", "--client-id", CLIENT],
            "is one secret, and no client",
        ),
        (&["--credential", "oath"], "did you mean `oauth`?"),
        (&["--key-id", "one"], "--key-file"),
        (
            &["--key-file", "keys/app.pem", "--token-file", "keys/app.pem"],
            "cannot be used with",
        ),
    ] {
        let said = connect(arguments);
        assert!(
            said.contains(says) && said.ends_with("exit code 2"),
            "{says}: {said}"
        );
    }
    assert_eq!(left_behind(&house), ["keys"]);
}

#[test]
fn each_way_in_which_an_app_may_not_read_is_told_by_connect_and_nothing_is_written() {
    let keys = Keys::ec();
    let mut ungranted = app(&keys, false);
    ungranted.scopes.clear();
    let mut renamed = app(&keys, false);
    renamed.keys[0]["kid"] = "two".into();
    for (app, says) in [(ungranted, "grant the scope"), (renamed, "set `key_id`")] {
        let org = with_events(app);
        let house = house(&keys);
        let url = format!("url={}", org.url);
        let arguments = [
            "connect",
            "--set",
            &url,
            "--client-id",
            CLIENT,
            "--key-file",
            "keys/app.pem",
            "--key-id",
            "one",
            "--yes",
        ];
        let output = house.run(&arguments);
        let flat = text(&output)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(flat.contains(says), "{says}: {flat}");
        assert!(
            flat.contains("the test failed: nothing was written"),
            "{flat}"
        );
        assert_eq!(left_behind(&house), ["keys"]);
    }
}
