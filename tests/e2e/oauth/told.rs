//! What is said of an app: what it may, why it gets no token, and where its configuration is wrong.

use std::process::Output;

use super::*;
use crate::echo::{Echo, answer};
use crate::proof::wait_until;

#[test]
fn check_tells_what_an_app_may() {
    let keys = Keys::ec();
    let org = org_of(app(&keys, true), 100);
    let house = house_with_key(&org.url, &keys);
    let said = flat(&house.run_ok(&["check"]));
    assert!(said.contains("the token may read the System Log"), "{said}");
    assert!(said.contains("an app's belongs to nobody"), "{said}");
    assert!(said.contains("not a Super Administrator's"), "{said}");
    assert_eq!(org.report().violations, []);
}

/// What `check` and `run --once` say about an app that the org knows as `app` and the house as it is.
fn said_of(house: &House) -> String {
    let checked = house.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked));
    let run = house.run(&["run", "--once"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
    let said = flat(&checked);
    assert!(said.contains("failed"), "{said}");
    format!("{said} {}", flat(&run))
}

/// Everything that was said in one line, without the frames around it.
fn flat(output: &Output) -> String {
    let plain = text(output).replace(['│', '·', '╰', '─'], " ");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How the app differs from what the house has, how the house proves itself, and what must be said.
type Case<'a> = (fn(&mut App), &'a str, [&'a str; 2]);

#[test]
fn each_way_to_get_no_token_is_told_with_what_to_do() {
    let keys = Keys::ec();
    let app = app(&keys, false);
    let wrong = |change: fn(&mut App), proof: &str| {
        let mut app = app.clone();
        change(&mut app);
        let org = org_of(app, 10);
        let house = house(&org.url, proof);
        private(&house, "app.key", &keys.pem);
        let said = said_of(&house);
        assert!(
            !BEGINNINGS.iter().any(|beginning| said.contains(beginning)),
            "{said}"
        );
        said
    };
    let by_key = "        private_key: ${file:app.key}\n        key_id: one\n";
    let cases: [Case<'_>; 7] = [
        (
            |app| app.client_id = "0oaOther".into(),
            by_key,
            ["invalid_client", "correct `client_id`"],
        ),
        (
            |app| app.keys[0]["kid"] = "two".into(),
            by_key,
            ["kid is invalid", "set `key_id`"],
        ),
        (
            |app| app.keys = vec![Keys::ec().public],
            by_key,
            ["signature is invalid", "does not belong to the public key"],
        ),
        (
            |app| app.keys.clear(),
            by_key,
            ["JWKSet", "register the public key"],
        ),
        (
            |app| app.scopes.clear(),
            by_key,
            ["invalid_scope", "grant the scope to the client"],
        ),
        (
            |app| app.is_outside = true,
            by_key,
            ["network zones", "this machine is not in"],
        ),
        (
            |_| {},
            "        client_secret: abcdef\n",
            [
                "token_endpoint_auth_method",
                "`private_key` instead of `client_secret`",
            ],
        ),
    ];
    for (change, proof, parts) in cases {
        let said = wrong(change, proof);
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn a_scope_that_is_not_asked_for_is_named() {
    let keys = Keys::ec();
    let mut app = app(&keys, false);
    app.scopes = vec!["okta.users.read".to_owned()];
    let org = org_of(app, 10);
    let proof = "        private_key: ${file:app.key}\n        scopes: [okta.users.read]\n";
    let house = house(&org.url, proof);
    private(&house, "app.key", &keys.pem);
    let said = said_of(&house);
    assert!(
        said.contains("grant the scope okta.logs.read to the app"),
        "{said}"
    );
}

#[test]
fn each_wrong_key_file_is_told_with_its_name() {
    let keys = Keys::ec();
    let org = org_of(app(&keys, false), 10);
    let public = keys.public.to_string();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (content, part) in [
        ("00t0ken", "neither a private key in PEM"),
        (&*public, "it is a public key"),
        (encrypted, "openssl pkey"),
        ("\n", "is empty"),
    ] {
        let house = house_with_key(&org.url, &keys);
        private(&house, "app.key", content);
        let said = said_of(&house);
        assert!(said.contains(part), "{part}: {said}");
        assert!(said.contains("app.key"), "{said}");
    }
    let house = house_with_key(&org.url, &keys);
    fs::remove_file(house.path("app.key")).unwrap();
    let said = said_of(&house);
    assert!(
        said.contains("No such file") && said.contains("app.key"),
        "{said}"
    );
    assert_eq!(org.report().by_path.get("/oauth2/v1/token"), None);
}

#[test]
fn trust_18_validate_runs_no_command_and_an_included_file_may_name_none() {
    let house = house(
        "http://127.0.0.1:1",
        "        client_secret: ${exec:touch ran}\n",
    );
    house.run_ok(&["validate"]);
    assert!(!house.path("ran").exists());
    fs::create_dir(house.path("logweir.d")).unwrap();
    for (reference, part) in [
        ("${exec:touch ran}", "may not run commands"),
        ("${file:app.key}", "below that folder alone"),
        ("${file:logweir.d/../app.key}", "below that folder alone"),
    ] {
        house.write(
            "logweir.d/more.yaml",
            &format!(
                "sources:\n  beta:\n    plugin: okta\n    config: {{ url: \"http://127.0.0.1:1\" }}\n    credentials:\n      \
                 api_token: {reference}\noutputs:\n  more: {{ type: console, inputs: [beta] }}\n"
            ),
        );
        let output = house.run(&["run", "--once"]);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        let said = flat(&output);
        assert!(
            said.contains(part) && said.contains("more.yaml:6"),
            "{said}"
        );
    }
    assert!(!house.path("ran").exists());
}

#[test]
fn credentials_that_do_not_fit_the_plugin_are_told_where_they_stand() {
    let house = House::new();
    for (credentials, part) in [
        (
            "oauth: \"${file:key}\"",
            "`oauth` is a client: write `oauth: { client_id: …",
        ),
        (
            "api_token: { client_id: a, client_secret: \"${file:key}\" }",
            "`api_token` is one secret",
        ),
        ("oauth: { client_id: a }", "could prove itself with"),
        (
            "oauth: { private_key: \"${file:key}\" }",
            "the key `client_id` is missing",
        ),
        (
            "oauth: { client_id: a, privat_key: \"${file:key}\" }",
            "did you mean `private_key`?",
        ),
        (
            "oauth: { client_id: a, private_key: \"${file:k}\", client_secret: \"${file:k}\" }",
            "not with both",
        ),
        (
            "oauth: { client_id: \"${env:ID}\", private_key: \"${file:k}\" }",
            "`client_id` is no secret",
        ),
        (
            "oauth: { client_id: a, client_secret: \"${file:k}\", key_id: b }",
            "`key_id` names a private key",
        ),
        (
            "oauth: { client_id: a, private_key: \"${file:k}\", scopes: [\"a b\"] }",
            "each scope is an item of its own",
        ),
        (
            "oauth: { client_id: a, private_key: \"${file:k}\", scopes: [] }",
            "there is no scope",
        ),
        (
            "oauth: { client_id: a, private_key: \"${file:k}\" }, api_token: \"${file:k}\"",
            "`oauth` is never used",
        ),
    ] {
        house.write(
            "logweir.yaml",
            &format!(
                "sources:\n  acme:\n    plugin: okta\n    config: {{ domain: acme.okta.com }}\n    credentials: {{ \
                 {credentials} }}\noutputs:\n  screen: {{ type: console, inputs: [acme] }}\n"
            ),
        );
        let output = house.run(&["validate"]);
        let said = flat(&output);
        assert_eq!(output.status.code(), Some(2), "{credentials}: {said}");
        assert!(said.contains(part), "{part}: {said}");
        assert!(said.contains("logweir.yaml:5"), "{said}");
    }
}

/// A secret that a form and `Basic` write in other letters.
const ODD_SECRET: &str = "00PLANTED+s3cret/of the client&co";

/// The forms in which it is sent, or could be repeated.
fn forms() -> [String; 3] {
    let encoded = "00PLANTED%2Bs3cret%2Fof+the+client%26co";
    let pair = STANDARD.encode(format!("{CLIENT}:{encoded}"));
    [ODD_SECRET.to_owned(), encoded.to_owned(), pair]
}

#[test]
fn a_client_s_secret_that_is_repeated_in_its_forms_gets_into_no_log_no_status_and_no_file() {
    let [secret, encoded, pair] = forms();
    let words = json!({
        "error": "invalid_client",
        "error_description": format!("no {secret} nor {CLIENT}:{encoded} nor Basic {pair} is right"),
    });
    let refused = answer("401 Unauthorized", "", &words.to_string());
    let echo = Echo::new(vec![refused; 1_000]);
    let house = house(&echo.url, "        client_secret: ${file:app.secret}\n");
    private(&house, "app.secret", ODD_SECRET);
    let mut running = house.start(&["run", "-vv"]);
    let covered = format!("no *** nor {CLIENT}:*** nor Basic *** is right");
    let shown = || {
        let status = flat(&house.run(&["status"]));
        let told = status.replace(' ', "").contains(&covered.replace(' ', ""));
        told.then_some(status)
    };
    wait_until("it is in the status", || shown().is_some());
    let mut said = vec![shown().unwrap()];
    for arguments in [&["status", "--json"][..], &["check", "-vv"]] {
        said.push(text(&house.run(arguments)));
    }
    running.signal("-TERM");
    assert!(running.wait().success());
    assert!(echo.asked()[0].contains(&format!("authorization: Basic {pair}\r\n")));
    let log = fs::read_to_string(house.path("log")).unwrap();
    assert!(log.contains(&covered), "{log}");
    said.push(log);
    for name in ["state.db", "state.db-wal"] {
        let stored = fs::read(house.path(".logweir").join(name)).unwrap_or_default();
        said.push(String::from_utf8_lossy(&stored).into_owned());
    }
    for form in forms() {
        assert!(!said.iter().any(|said| said.contains(&form)), "{form}");
    }
}
