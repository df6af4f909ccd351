//! The token is in its file and in the gate, and nowhere else: whatever a peer repeats, whatever goes wrong, however
//! much is logged.

use std::fs;
use std::path::Path;
use std::process::Output;

use logweir_fixtures as fixtures;
use serde_json::json;

use crate::echo::{Echo, answer};
use crate::house::{House, TOKEN, text};
use crate::proof::wait_until;

/// As much of the token as would still give it away, or prove that somebody saw it.
const PART: &str = "PLANTED-token";

/// An error of Okta's, with the token in every place where there is room for it.
fn repeated(status: &str, more: &str) -> String {
    let headers = format!(
        "x-okta-request-id: {TOKEN}\r\nwww-authenticate: Bearer realm=\"{TOKEN}\", error=\"insufficient_scope\", \
         scope=\"{TOKEN}\"\r\nlocation: http://127.0.0.1:1/{TOKEN}\r\ncontent-type: application/json; note={TOKEN}\r\n\
         link: <http://{TOKEN}.example/api/v1/logs?after={TOKEN}>; rel=\"next\"\r\n{more}"
    );
    let body = format!(
        r#"{{"errorCode":"E0000011","errorSummary":"SSWS {TOKEN} is no token","errorCauses":[{{"errorSummary":"{TOKEN}"}}]}}"#
    );
    answer(status, &headers, &body)
}

/// A page whose first event repeats the token, and whose second is no JSON and does so too.
fn page(url: &str) -> String {
    let events = format!(
        r#"[{{"uuid":"1","published":"2026-03-01T10:00:00.000Z","text":"it was {TOKEN}"}},{{"uuid":"2","text":"{TOKEN}",nul}}]"#
    );
    answer(
        "200 OK",
        &format!("link: <{url}/api/v1/logs?after=2>; rel=\"next\"\r\n"),
        &events,
    )
}

/// Looks into every file of a folder but those that are to hold the token.
fn assert_nowhere(folder: &Path, known: &[&str]) {
    let mut seen = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if known.iter().any(|known| path.ends_with(known)) {
                continue;
            }
            seen += 1;
            let bytes = fs::read(&path).unwrap();
            let found = bytes
                .windows(PART.len())
                .any(|window| window == PART.as_bytes());
            assert!(!found, "the token is in {}", path.display());
        }
    }
    assert!(seen > 3, "there were files to look into: {seen}");
}

fn assert_untold(output: &Output) {
    let text = text(output);
    assert!(!text.contains(PART), "the token was said:\n{text}");
}

#[test]
fn trust_10_a_peer_that_repeats_the_token_gets_it_into_no_log_no_file_and_no_record() {
    let other_origin = "http://127.0.0.1:1";
    let echo = Echo::new(vec![
        repeated("500 Internal Server Error", ""),
        repeated("302 Found", ""),
        repeated("429 Too Many Requests", "retry-after: 1\r\n"),
        repeated("200 OK", ""),
        page(other_origin),
    ]);
    let house = House::with_one_source(&echo.url);
    let output = house.run_ok(&["run", "--once", "-vv"]);
    assert!(
        echo.asked().iter().all(|request| request.contains(TOKEN)),
        "each request was signed with it"
    );
    assert_untold(&output);
    assert!(
        text(&output).contains("repeated the credential"),
        "somebody should know: {}",
        text(&output)
    );
    assert_nowhere(house.root(), &["token"]);
    let covered = "*".repeat(TOKEN.len());
    let line = String::from_utf8(house.lines("out.ndjson").concat()).unwrap();
    assert!(line.contains(&format!("it was {covered}")), "{line}");
    assert_eq!(house.lines(".logweir/dead-letter.ndjson").len(), 1);
}

/// What a plugin was told has the token covered by as many asterisks; only that shows that it never had it, since the
/// host looks once more through all that a plugin says.
#[test]
fn trust_10_refusals_that_end_a_run_do_not_say_the_token_either() {
    let covered = format!("SSWS {} is no token", "*".repeat(TOKEN.len()));
    for status in [
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "400 Bad Request",
    ] {
        let echo = Echo::new(vec![repeated(status, ""); 2]);
        let house = House::with_one_source(&echo.url);
        let output = house.run(&["run", "--once", "-vv"]);
        assert_eq!(output.status.code(), Some(1), "{status}: {}", text(&output));
        assert_untold(&output);
        assert!(
            text(&output).contains(&covered),
            "{status}: {}",
            text(&output)
        );
        let checked = house.run(&["check", "-vv"]);
        assert_untold(&checked);
        assert_untold(&house.run(&["state", "list"]));
        assert_nowhere(house.root(), &["token"]);
    }
}

/// A house whose source is the hostile plugin, granted what it needs.
fn hostile(url: &str, config: &serde_json::Value) -> House {
    let house = House::new();
    let plugin = fixtures::hostile_path().display().to_string();
    let source = json!({
        "plugin": {"path": plugin},
        "config": config,
        "credentials": {"token": "${file:token}"},
        "grants": [{"need": "api", "origin": url, "methods": ["GET"], "paths": ["/ok"], "credential": "token"}],
    });
    let output = json!({"type": "file", "inputs": ["acme"], "path": "out.ndjson"});
    house.write(
        "logweir.yaml",
        &json!({"sources": {"acme": source}, "outputs": {"archive": output}}).to_string(),
    );
    house
}

#[test]
fn no_plugin_has_the_token_in_its_memory_whatever_a_peer_repeats() {
    let echo = Echo::new(vec![repeated(
        "401 Unauthorized",
        &format!("x-test: {TOKEN}\r\n"),
    )]);
    let backwards: String = PART.chars().rev().collect();
    let config = json!({
        "mode": "dump-memory",
        "url": echo.url,
        "needle_backwards": backwards,
        "request": {"url": format!("{}/ok", echo.url)},
    });
    let house = hostile(&echo.url, &config);
    let mut running = house.start(&["run", "-vv"]);
    wait_until("what was found is told", || {
        house.lines_so_far("out.ndjson") > 0
    });
    running.signal("-TERM");
    running.wait();

    let asked = echo.asked();
    assert!(
        asked[0].contains(&format!("authorization: Bearer {TOKEN}\r\n")),
        "{asked:?}"
    );
    let found = house.lines("out.ndjson");
    assert_eq!(
        found.len(),
        1,
        "all that is told is the world around it: {found:?}"
    );
    assert_nowhere(house.root(), &["token"]);
}

#[test]
fn a_plugin_that_panics_with_what_it_was_told_says_no_token() {
    let echo = Echo::new(vec![repeated(
        "401 Unauthorized",
        &format!("x-test: {TOKEN}\r\n"),
    )]);
    let request = json!({"url": format!("{}/ok", echo.url)});
    let house = hostile(
        &echo.url,
        &json!({"mode": "trap", "url": echo.url, "request": request}),
    );
    let log = || fs::read_to_string(house.path("log")).unwrap_or_default();
    let mut running = house.start(&["run", "-vv"]);
    wait_until("the trap is in the log", || log().contains("trapped"));
    running.signal("-TERM");
    running.wait();
    assert!(
        echo.asked()[0].contains(&format!("authorization: Bearer {TOKEN}\r\n")),
        "it was told something"
    );
    assert!(
        log().contains(&format!("SSWS {} is no token", "*".repeat(TOKEN.len()))),
        "it says what it was told: {}",
        log()
    );
    assert_nowhere(house.root(), &["token"]);
}

#[test]
fn trust_19_no_mistake_in_a_configuration_shows_the_token_that_is_in_it() {
    let house = House::new();
    let mistakes = [
        format!(
            "sources:\n  acme:\n    plugin: okta\n    credentials:\n      api_token: \"{TOKEN}\n"
        ),
        format!(
            "sources:\n  acme:\n    plugin: okta\n    credentials: {{ api_tokn: {TOKEN} }}\noutputs: {{}}\n"
        ),
        format!(
            "sources:\n  acme:\n    plugin: okta\n    config: {{ url: \"http://127.0.0.1:1\", token: {TOKEN} }}\n"
        ),
        format!("sources:\n  acme:\n    plugin: okta\n    credentials: {TOKEN}\n"),
        format!(
            "sources:\n  acme:\n    plugin: okta\n    credentials:\n      api_token: [{TOKEN}]\n"
        ),
        format!(
            "sources:\n  acme:\n    plugin: okta\n    credentials:\n      api_token: SSWS {TOKEN}${{env:X}}\n"
        ),
    ];
    for (number, mistake) in mistakes.iter().enumerate() {
        house.write("logweir.yaml", mistake);
        for command in ["validate", "check", "run"] {
            let output = house.run(&[command]);
            assert!(!output.status.success(), "{mistake}");
            let said = text(&output);
            assert!(!said.contains(PART), "{number}, {command}:\n{said}");
        }
    }
}
