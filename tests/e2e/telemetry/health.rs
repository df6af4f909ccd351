//! Whether it is well: readiness, silence, a disk that is full.

use super::*;
use crate::echo::{Echo, answer};
use crate::proof::delivered_once;

#[test]
fn trap_28_readiness_turns_when_the_token_is_revoked_and_back_when_it_is_replaced() {
    let org = Org::with_events(10);
    let host = Host::start(served(&org.url, ""));
    wait_until("it reads", || host.source()["records"] == 10);
    assert_eq!(host.ready(), (true, vec![]));
    org.accept_token("00the-next-token");
    wait_until("it is not ready", || !host.ready().0);
    assert_eq!(host.ready().1, ["acme failing"]);
    assert!(host.get("/readyz").1.contains("create a new API token"));
    assert_eq!(host.metric("logweir_ready"), Some(0.0));
    assert_eq!(host.get("/livez").0, 200, "a restart would not help");
    let shown = text(&host.house.run_ok(&["status"]));
    assert!(shown.contains("FAILING: "), "{shown}");
    host.house.write("token", "00the-next-token");
    wait_until("it is ready again", || host.ready().0);
    wait_until("the act is in the log", || {
        host.log().contains("act=secret-read")
    });
    assert_eq!(host.metric("logweir_ready"), Some(1.0));
    host.stop();
}

#[test]
fn trap_28_silence_begins_and_ends_once() {
    let org = Org::with_events(5);
    let host = Host::start(served(&org.url, "    silence: 1s\n"));
    wait_until("it reads", || host.source()["records"] == 5);
    wait_until("it is silent", || host.ready().1 == ["acme silent"]);
    let silent = "logweir_source_silent{source=\"acme\"}";
    assert_eq!(host.metric(silent), Some(1.0));
    assert_eq!(host.source()["state"]["phase"], "live", "reading works");
    let shown = text(&host.house.run_ok(&["status", "acme"]));
    assert!(shown.contains("SILENT: nothing came for "), "{shown}");
    org.persist_now(1);
    wait_until("it is heard again", || {
        host.log().contains("records come again")
    });
    let log = host.log();
    let said = |words: &str| log.matches(words).count();
    assert!(said("nothing came for too long") >= 1, "{log}");
    assert!(
        said("nothing came for too long") <= said("records come again") + 1,
        "{log}"
    );
    let calm = Host::start(served(&org.url, "    silence: never\n"));
    wait_until("it reads", || calm.source()["records"] == 6);
    assert_eq!(calm.source()["silence"]["limit_seconds"], Value::Null);
    host.stop();
    calm.stop();
}

#[test]
fn a_disk_that_is_full_is_in_the_status_until_there_is_room() {
    let org = Org::with_events(2_000);
    let house = served(&org.url, "");
    // Compiles the plugin, whose code is larger than the files that are allowed then.
    house.run_ok(&["check"]);
    let running = house.start_limited(1 << 20);

    wait_until("the host can be asked", || {
        picture(&house)["running"] == true
    });
    let output = || picture(&house)["host"]["outputs"][0].clone();
    wait_until("the output fails", || {
        output()["state"]["phase"] == "failing"
    });
    let failing = output();
    assert!(
        failing["state"]["why"]
            .as_str()
            .unwrap()
            .contains("too large"),
        "{failing}"
    );
    assert!(failing["queued_records"].as_u64().unwrap() > 0, "{failing}");
    let shown = text(&house.run_ok(&["status"]));
    assert!(
        shown.contains("FAILING: ") && shown.contains(" queued, "),
        "{shown}"
    );
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );

    running.make_room();
    house.until_lines("out.ndjson", 2_000);
    wait_until("it is well", || output()["state"]["phase"] == "live");
    assert!(
        output()["last_error"]["why"]
            .as_str()
            .unwrap()
            .contains("too large")
    );
    running.stop();
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
}

#[test]
fn a_page_that_can_not_be_taken_apart_is_shown_as_failing_while_it_is_asked_for_again() {
    let next = |number: u32| {
        format!("link: <http://127.0.0.1:1/api/v1/logs?after={number}>; rel=\"next\"\r\n")
    };
    let page = |number, body| answer("200 OK", &next(number), body);
    let sound = page(
        1,
        r#"[{"uuid":"0","published":"2026-03-01T10:00:00.000Z"}]"#,
    );
    let broken = page(2, r#"[{"uuid":"1"},{"uuid":"2","a":"x},{"uuid":"3"}]"#);
    let script = [vec![sound, page(2, "[]")], vec![broken; 100]].concat();
    let echo = Echo::new(script);
    let host = Host::start(served(&echo.url, ""));
    wait_until("the page came twice", || {
        host.log().matches("a page can't be taken apart").count() >= 2
    });
    wait_until("it fails", || host.source()["state"]["phase"] == "failing");
    let why = host.source()["state"]["why"].clone();
    let reason = "Okta's answer is no page, and another one is asked for: ";
    assert!(why.as_str().unwrap().starts_with(reason), "{why}");
    assert_eq!(host.ready(), (false, vec!["acme failing".to_owned()]));
    let shown = text(&host.house.run_ok(&["status"]));
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains(&format!("FAILING: {reason}")), "{shown}");
    assert_eq!(host.source()["records"], 1, "nothing of it was taken");

    // It is counted in the checkpoint, which an error would not leave behind.
    let stuck = || {
        let stored = text(&host.house.run_ok(&["state", "show", "acme"]));
        stored.contains("stuck")
    };
    wait_until("it is remembered", stuck);
    host.stop();
}
