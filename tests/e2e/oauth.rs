//! Apps that get tokens, against the simulated org, which verifies all that they sign.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use okta_sim::{App, Fault, FaultKind, OrgConfig};
use serde_json::{Value, json};

use crate::house::{House, text};
use crate::org::Org;
use crate::proof::{delivered_once, wait_until};

const CLIENT: &str = "0oaReaderOfLogs1d7";

/// What tokens begin with, and what we sign: `{"kid":` and `{"typ":` in base64.
const BEGINNINGS: [&str; 2] = ["eyJraWQiOi", "eyJ0eXAiOi"];

/// A key pair: PEM of the private half, JSON Web Key of the public one, and a part of the private key's text that would
/// give it away.
struct Keys {
    pem: String,
    public: Value,
}

impl Keys {
    fn rsa() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        // Two lengths, the modulus of 256 bytes, and the exponent, which is always this one.
        let modulus = &pair.public_key().as_ref()[9..265];
        let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        let (n, e) = (text(modulus), "AQAB");
        Self {
            pem: pem(der.as_ref()),
            public: json!({"kty": "RSA", "kid": "one", "n": n, "e": e}),
        }
    }

    fn ec() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
        let public = json!({
            "kty": "EC", "kid": "one", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]),
        });
        Self {
            pem: pem(pair.to_pkcs8v1().unwrap().as_ref()),
            public,
        }
    }

    fn part(&self) -> &str {
        self.pem.lines().nth(2).unwrap()
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        lines.join("\n")
    )
}

fn app(keys: &Keys, dpop: bool) -> App {
    App {
        client_id: CLIENT.to_owned(),
        keys: vec![keys.public.clone()],
        scopes: vec!["okta.logs.read".to_owned()],
        dpop,
        ..App::default()
    }
}

fn org(app: App, config: OrgConfig) -> Org {
    Org::new(OrgConfig {
        apps: vec![app],
        ..config
    })
}

fn private(house: &House, name: &str, text: &str) {
    house.write(name, text);
    fs::set_permissions(house.path(name), fs::Permissions::from_mode(0o600)).unwrap();
}

/// A house whose source reads as an app, proving itself as `proof` says.
fn house(url: &str, proof: &str) -> House {
    let house = House::new();
    house.write(
        "logweir.yaml",
        &format!(
            "sources:\n  acme:\n    plugin: okta\n    config: {{ url: \"{url}\", poll: 200ms }}\n    credentials:\n      \
             oauth:\n        client_id: {CLIENT}\n{proof}outputs:\n  archive: {{ type: file, inputs: [acme], path: \
             out.ndjson }}\n"
        ),
    );
    house
}

fn house_with_key(url: &str, keys: &Keys) -> House {
    let house = house(
        url,
        "        private_key: ${file:app.key}\n        key_id: one\n",
    );
    private(&house, "app.key", &keys.pem);
    house
}

/// No file but the key's, and nothing that was said, has a part of the key or of a token.
fn assert_untold(house: &House, said: &str, keys: &Keys) {
    let mut texts = vec![("what was said".to_owned(), said.as_bytes().to_vec())];
    let mut folders = vec![house.root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.ends_with("app.key") => {}
                false => texts.push((path.display().to_string(), fs::read(&path).unwrap())),
            }
        }
    }
    assert!(texts.len() > 3);
    for (name, bytes) in texts {
        let text = String::from_utf8_lossy(&bytes);
        for beginning in BEGINNINGS {
            assert!(!text.contains(beginning), "{beginning}… is in {name}");
        }
        assert!(!text.contains(keys.part()), "the key is in {name}");
    }
}

#[test]
fn twenty_thousand_events_arrive_once_with_an_apps_token() {
    for keys in [Keys::rsa(), Keys::ec()] {
        let org = org(
            app(&keys, false),
            OrgConfig {
                events: 20_000,
                ..OrgConfig::default()
            },
        );
        let house = house_with_key(&org.url, &keys);
        let output = house.run_ok(&["run", "--once", "-vv"]);
        delivered_once(&house, "out.ndjson", &org).unwrap();
        let report = org.report();
        assert_eq!(report.violations, []);
        assert_eq!(
            report.by_path["/oauth2/v1/token"], 1,
            "one token for all of it"
        );
        assert_eq!(report.polling, 21);
        assert_untold(&house, &text(&output), &keys);
    }
}

#[test]
fn trap_17_tokens_end_and_nonces_change_in_mid_read_with_429s_and_every_event_arrives_once() {
    let keys = Keys::rsa();
    let org = org(
        app(&keys, true),
        OrgConfig {
            events: 20_000,
            token_lifetime: Duration::from_secs(2),
            nonce_lifetime: Duration::from_secs(1),
            latency: Duration::from_millis(100),
            rate_limit: 12,
            rate_window: Duration::from_secs(2),
            ..OrgConfig::default()
        },
    );
    let house = house_with_key(&org.url, &keys);
    let output = house.run_ok(&["run", "--once", "-vv"]);
    delivered_once(&house, "out.ndjson", &org).unwrap();
    let report = org.report();
    assert_eq!(report.violations, []);
    assert!(
        report.by_path["/oauth2/v1/token"] > 3,
        "without proof, without nonce, and more than one token: {report:?}"
    );
    let refused = |status: &str| report.by_status.get(status).copied().unwrap_or(0);
    assert!(refused("401") > 0, "a nonce was of yesterday: {report:?}");
    assert_untold(&house, &text(&output), &keys);
}

#[test]
fn a_429_in_mid_read_is_waited_for_and_signed_anew() {
    let keys = Keys::ec();
    let org = org(
        app(&keys, true),
        OrgConfig {
            events: 5_000,
            ..OrgConfig::default()
        },
    );
    org.fault(Fault::new(FaultKind::RateLimited).times(3));
    let house = house_with_key(&org.url, &keys);
    house.run_ok(&["run", "--once"]);
    delivered_once(&house, "out.ndjson", &org).unwrap();
    assert_eq!(org.report().violations, []);
    assert_eq!(org.report().by_status["429"], 3);
}

#[test]
fn tokens_that_are_revoked_are_replaced_and_nothing_is_repeated() {
    let keys = Keys::ec();
    let org = org(
        app(&keys, true),
        OrgConfig {
            events: 2_000,
            ..OrgConfig::default()
        },
    );
    let house = house_with_key(&org.url, &keys);
    let mut running = house.start(&["run"]);
    wait_until("the past is read", || {
        house.lines_so_far("out.ndjson") == 2_000
    });
    org.revoke_access_tokens();
    org.persist_now(5);
    wait_until("what is new is read", || {
        house.lines_so_far("out.ndjson") == 2_005
    });
    running.signal("-TERM");
    assert!(running.wait().success());
    delivered_once(&house, "out.ndjson", &org).unwrap();
    assert_eq!(org.report().violations, []);
}

#[test]
fn a_clock_that_is_two_hours_wrong_is_corrected_by_the_orgs() {
    for skew in [-7200, 7200] {
        let keys = Keys::ec();
        let org = org(
            app(&keys, true),
            OrgConfig {
                events: 1_000,
                clock_skew_s: skew,
                ..OrgConfig::default()
            },
        );
        let house = house_with_key(&org.url, &keys);
        house.run_ok(&["run", "--once"]);
        delivered_once(&house, "out.ndjson", &org).unwrap();
        assert_eq!(org.report().violations, []);
    }
}

#[test]
fn an_integration_proves_itself_by_its_secret() {
    let secret = "s3cretOfTheIntegration";
    let org = org(
        App {
            client_id: CLIENT.to_owned(),
            secret: Some(secret.to_owned()),
            scopes: vec!["okta.logs.read".to_owned()],
            ..App::default()
        },
        OrgConfig {
            events: 1_000,
            ..OrgConfig::default()
        },
    );
    let house = house(&org.url, "        client_secret: ${exec:cat secret file}\n");
    house.write("secret", secret);
    house.write("file", "\n");
    let output = house.run_ok(&["run", "--once", "-vv"]);
    delivered_once(&house, "out.ndjson", &org).unwrap();
    assert_eq!(org.report().violations, []);
    assert!(!text(&output).contains(secret));
}

#[test]
fn check_tells_what_an_app_may() {
    let keys = Keys::ec();
    let org = org(
        app(&keys, true),
        OrgConfig {
            events: 100,
            ..OrgConfig::default()
        },
    );
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
        let org = org(
            app,
            OrgConfig {
                events: 10,
                ..OrgConfig::default()
            },
        );
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
    let org = org(
        app,
        OrgConfig {
            events: 10,
            ..OrgConfig::default()
        },
    );
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
    let org = org(
        app(&keys, false),
        OrgConfig {
            events: 10,
            ..OrgConfig::default()
        },
    );
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
fn a_key_that_is_replaced_is_taken_up_without_a_restart() {
    let (old, new) = (Keys::ec(), Keys::ec());
    let org = org(
        app(&new, true),
        OrgConfig {
            events: 500,
            ..OrgConfig::default()
        },
    );
    let house = house_with_key(&org.url, &old);
    let mut running = house.start(&["run"]);
    wait_until("it is refused", || {
        let log = fs::read_to_string(house.path("log")).unwrap_or_default();
        log.contains("does not belong to the public key")
    });
    private(&house, "app.key", &new.pem);
    wait_until("it reads", || house.lines_so_far("out.ndjson") == 500);
    running.signal("-TERM");
    assert!(running.wait().success());
    delivered_once(&house, "out.ndjson", &org).unwrap();
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
