//! No secret and no event is in what a host says of itself.

use super::*;
use crate::echo::{Echo, answer};
use crate::house::TOKEN;

#[test]
fn trust_21_no_field_of_any_log_line_holds_a_secret_or_an_event() {
    let org = Org::with_events(300);
    let house = served(&org.url, "");
    let config = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    house.write(
        "logweir.yaml",
        &format!("{config}log: {{ format: json }}\n"),
    );
    let host = Host::start_with(house, &["run", "-vv"]);
    wait_until("it reads", || host.source()["settled"] == 300);
    host.running.signal("-HUP");
    wait_until("the act is in the log", || {
        host.log().contains("files-reopened")
    });
    let told = [host.get("/metrics").1, host.get("/readyz").1, host.log()];
    let house = host.stop();
    let log = fs::read_to_string(house.path("log")).unwrap();
    assert!(log.lines().count() > 5, "{log}");
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(
            line["level"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
    }
    let events = house.lines("out.ndjson");
    assert_eq!(events.len(), 300);
    for event in events {
        let event: Value = serde_json::from_slice(&event).unwrap();
        let id = event["uuid"].as_str().unwrap();
        assert!(!log.contains(id), "an event is in the log");
        assert!(told.iter().all(|text| !text.contains(id)));
    }
    assert!(!log.contains(TOKEN) && told.iter().all(|text| !text.contains(TOKEN)));
    let forgot = text(&house.run_ok(&["state", "forget", "acme", "--yes"]));
    assert!(forgot.contains(r#""act":"state-forgotten""#), "{forgot}");
}

#[test]
fn trust_21_what_a_peer_repeats_of_the_secret_is_in_no_answer() {
    let refusal =
        format!(r#"{{"errorCode":"E0000011","errorSummary":"SSWS {TOKEN} is no token"}}"#);
    let echo = Echo::new(vec![answer("401 Unauthorized", "", &refusal)]);
    let host = Host::start(served(&echo.url, ""));
    wait_until("it fails", || !host.ready().0);
    let shown = text(&host.house.run_ok(&["status"]));
    assert!(shown.contains("FAILING: "), "{shown}");
    let all = [
        shown,
        picture(&host.house).to_string(),
        host.get("/readyz").1,
        host.get("/metrics").1,
    ];
    for told in all {
        assert!(!told.contains(TOKEN), "{told}");
    }
    host.stop();
}
