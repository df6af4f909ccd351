//! Reading with an app's tokens: they end, are revoked, refused, and nothing is lost or repeated.

use std::time::{Duration, Instant};

use okta_sim::{Fault, FaultKind};

use super::*;
use crate::proof::{delivered_once, wait_until};

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
        let org = org_of(app(&keys, false), 20_000);
        let house = house_with_key(&org.url, &keys);
        let begun = Instant::now();
        let output = house.run_ok(&["run", "--once", "-vv"]);
        let seconds = begun.elapsed().as_secs();
        delivered_once(&house, "out.ndjson", &org).unwrap();
        let report = org.report();
        assert_eq!(report.violations, []);
        assert_eq!(
            report.by_path["/oauth2/v1/token"], 1,
            "one token for all of it"
        );
        // What is live is asked for beside a read of more than two seconds, at most once a second.
        assert!(
            (21..=21 + seconds).contains(&report.polling),
            "⌈N/1000⌉ + 1, not {}",
            report.polling
        );
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
    let org = org_of(app(&keys, true), 5_000);
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
    let org = org_of(app(&keys, true), 2_000);
    let house = house_with_key(&org.url, &keys);
    let running = house.start(&["run"]);
    house.until_lines("out.ndjson", 2_000);
    org.revoke_access_tokens();
    org.persist_now(5);
    house.until_lines("out.ndjson", 2_005);
    running.stop();
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
    let org = org_of(
        App {
            client_id: CLIENT.to_owned(),
            secret: Some(secret.to_owned()),
            scopes: vec!["okta.logs.read".to_owned()],
            ..App::default()
        },
        1_000,
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
fn a_key_that_is_replaced_is_taken_up_without_a_restart() {
    let (old, new) = (Keys::ec(), Keys::ec());
    let org = org_of(app(&new, true), 500);
    let house = house_with_key(&org.url, &old);
    let running = house.start(&["run"]);
    wait_until("it is refused", || {
        let log = fs::read_to_string(house.path("log")).unwrap_or_default();
        log.contains("does not belong to the public key")
    });
    private(&house, "app.key", &new.pem);
    house.until_lines("out.ndjson", 500);
    running.stop();
    delivered_once(&house, "out.ndjson", &org).unwrap();
}
