//! `state`: what is stored is shown, and forgotten only on request.

use super::*;

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
