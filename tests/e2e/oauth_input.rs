//! Bad input of an app, case by case: what is said names what to do. The rest is in `oauth.rs`.

use std::fs;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use okta_sim::{App, OrgConfig};

use crate::house::{House, text};
use crate::oauth::{CLIENT, Keys, app, org, pem, private};
use crate::org::Org;
use crate::proof::delivered_once;

fn with_events(app: App) -> Org {
    org(
        app,
        OrgConfig {
            events: 10,
            ..OrgConfig::default()
        },
    )
}

fn house(org: &Org, proof: &str) -> House {
    let house = House::new();
    let url = &org.url;
    house.write(
        "logweir.yaml",
        &format!(
            "sources:\n  acme:\n    plugin: okta\n    config: {{ url: \"{url}\" }}\n    credentials:\n      oauth:\n        \
             client_id: {CLIENT}\n        {proof}\noutputs:\n  archive: {{ type: file, inputs: [acme], path: out.ndjson }}\n"
        ),
    );
    house
}

/// What `check` says, in one line, when it fails.
fn failed(house: &House) -> String {
    let output = house.run(&["check"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    text(&output)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_key_of_a_sort_that_no_org_takes_is_told_with_the_sorts_that_it_takes() {
    let org = with_events(app(&Keys::ec(), false));
    let house = house(&org, "private_key: ${file:app.key}");
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    private(&house, "app.key", &pem(key.as_ref()));
    let said = failed(&house);
    assert!(said.contains("RSA") && said.contains("app.key"), "{said}");
    assert_eq!(org.report().by_path.get("/oauth2/v1/token"), None);
}

#[test]
fn a_key_file_that_can_not_be_read_is_named_with_the_reason() {
    let org = with_events(app(&Keys::ec(), false));
    let house = house(&org, "private_key: ${file:app.key}");
    fs::create_dir(house.path("app.key")).unwrap();
    let said = failed(&house);
    assert!(
        said.contains("app.key") && said.contains("is not a regular file"),
        "{said}"
    );
    assert_eq!(org.report().by_path.get("/oauth2/v1/token"), None);
}

#[test]
fn proofs_that_an_org_requires_are_made_without_being_configured_and_the_key_needs_no_id() {
    let keys = Keys::ec();
    let org = with_events(app(&keys, true));
    let house = house(&org, "private_key: ${file:app.key}");
    private(&house, "app.key", &keys.pem);
    house.run_ok(&["run", "--once"]);
    delivered_once(&house, "out.ndjson", &org).unwrap();
    assert_eq!(org.report().violations, []);
}
