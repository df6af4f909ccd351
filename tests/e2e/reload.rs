//! A running program takes up another configuration: nothing is lost or repeated, and what did not change is not
//! disturbed.

use std::fs;
use std::process::Output;
use std::time::Duration;

use okta_sim::OrgConfig;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::house::{House, Running, text};
use crate::live::assert_each_once;
use crate::org::Org;
use crate::proof::{counted, delivered_once, wait_until};

mod triggers;

/// When it is told to, and not when its files change: so that a test knows when.
const MANUAL: &str = "reload: manual\n";

/// A source as it is written down.
fn source(name: &str, org: &Org, config: &str, token: &str) -> String {
    format!(
        "  {name}:\n    plugin: okta\n    config:\n      url: {}\n      poll: 200ms\n{config}    credentials:\n      \
         api_token: ${{file:{token}}}\n",
        org.url
    )
}

fn output(name: &str, inputs: &str, path: &str) -> String {
    format!("  {name}:\n    type: file\n    inputs: [{inputs}]\n    path: {path}\n")
}

fn configuration(sources: &[String], outputs: &[String]) -> String {
    format!(
        "{MANUAL}sources:\n{}outputs:\n{}",
        sources.concat(),
        outputs.concat()
    )
}

/// A house in which one source is read into `out.ndjson`.
fn started(org: &Org) -> (House, Running) {
    let house = House::new();
    let sources = [source("acme", org, "", "token")];
    let outputs = [output("archive", "acme", "out.ndjson")];
    house.write("logweir.yaml", &configuration(&sources, &outputs));
    let running = house.start(&["run"]);
    wait_until("it can be asked", || picture(&house)["running"] == true);
    (house, running)
}

fn picture(house: &House) -> Value {
    let output = house.run(&["status", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// Reloads, and returns what it says it changed.
fn reloaded(house: &House) -> String {
    let output = house.run_ok(&["reload"]);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn refused(house: &House, code: i32) -> String {
    let output: Output = house.run(&["reload"]);
    assert_eq!(output.status.code(), Some(code), "{}", text(&output));
    text(&output)
}

fn log(house: &House) -> String {
    fs::read_to_string(house.path("log")).unwrap_or_default()
}

fn has_lines(house: &House, file: &str, lines: usize) {
    wait_until(&format!("{file} has {lines} lines"), || {
        house.lines_so_far(file) == lines
    });
}

fn stop(mut running: Running, house: &House) {
    running.signal("-TERM");
    assert!(running.wait().success(), "{}", log(house));
}

#[test]
fn delivery_23_an_org_is_added_by_a_file_while_another_one_is_at_its_past() {
    let acme = Org::new(OrgConfig {
        events: 1_500,
        latency: Duration::from_millis(40),
        ..OrgConfig::default()
    });
    let beta = Org::seeded(300, 2);
    let house = House::new();
    let sources = [source("acme", &acme, "      limit: 10\n", "token")];
    let outputs = [output("archive", "acme", "out.ndjson")];
    // By itself, as is the default.
    let text = configuration(&sources, &outputs).replace(MANUAL, "");
    house.write("logweir.yaml", &text);
    let running = house.start(&["run"]);
    wait_until("the past is being read", || {
        house.lines_so_far("out.ndjson") > 50
    });
    fs::create_dir(house.path("logweir.d")).unwrap();
    fs::copy(house.path("token"), house.path("logweir.d/token")).unwrap();
    let beta_file = format!(
        "sources:\n{}outputs:\n{}",
        source("beta", &beta, "", "logweir.d/token"),
        output("second", "beta", "beta.ndjson")
    );
    // Somebody writes it in two pieces.
    let (half, _) = beta_file.split_at(beta_file.len() / 2);
    house.write("logweir.d/beta.yaml", half);
    std::thread::sleep(Duration::from_millis(300));
    house.write("logweir.d/beta.yaml", &beta_file);
    has_lines(&house, "beta.ndjson", 300);
    let then = house.lines_so_far("out.ndjson");
    assert!(then < 1_400, "the other one is still at its past: {then}");
    assert!(
        log(&house).contains("+ beta, + output second; 2 unchanged"),
        "{}",
        log(&house)
    );
    has_lines(&house, "out.ndjson", 1_500);
    stop(running, &house);
    assert_each_once(&house, &acme);
    assert_eq!(delivered_once(&house, "beta.ndjson", &beta), Ok(()));
    for (org, events) in [(&acme, 1_500), (&beta, 300)] {
        let report = org.report();
        assert_eq!(report.events_served, events, "nothing was read twice");
        assert_eq!(report.violations, []);
    }
}

#[test]
fn delivery_23_sources_come_change_and_go_by_command() {
    let (acme, beta) = (Org::with_events(500), Org::seeded(200, 2));
    let (house, running) = started(&acme);
    has_lines(&house, "out.ndjson", 500);
    assert_eq!(reloaded(&house), "nothing changed");
    let write = |acme_config: &str, with_beta: bool| {
        let mut sources = vec![source("acme", &acme, acme_config, "token")];
        sources.extend(with_beta.then(|| source("beta", &beta, "", "token")));
        let inputs = if with_beta { "acme, beta" } else { "acme" };
        let outputs = [output("archive", inputs, "out.ndjson")];
        let text = format!("# {with_beta}\n{}", configuration(&sources, &outputs));
        house.write("logweir.yaml", &text);
    };
    write("", true);
    assert_eq!(
        reloaded(&house),
        "+ beta, ~ output archive (inputs); 1 unchanged"
    );
    has_lines(&house, "out.ndjson", 700);
    let served = acme.report().events_served;
    assert_eq!(served, 500, "the other source was not read again");

    write(
        "      limit: 50\n      filter: 'severity eq \"INFO\"'\n",
        true,
    );
    assert_eq!(
        reloaded(&house),
        "~ acme (config/filter, config/limit); 2 unchanged"
    );
    acme.persist_now(4);
    beta.persist_now(3);
    has_lines(&house, "out.ndjson", 707);

    write(
        "      limit: 50\n      filter: 'severity eq \"INFO\"'\n",
        false,
    );
    assert_eq!(
        reloaded(&house),
        "- beta, ~ output archive (inputs); 1 unchanged"
    );
    let status = picture(&house);
    assert_eq!(status["host"]["sources"].as_array().unwrap().len(), 1);
    assert_eq!(status["host"]["reload"]["applied"], true);
    let requests = beta.report().requests;
    acme.persist_now(2);
    has_lines(&house, "out.ndjson", 709);
    assert_eq!(beta.report().requests, requests, "it is read no more");
    let shown = text(&house.run_ok(&["status"]));
    assert!(shown.contains("reloaded 20"), "{shown}");
    let stored = text(&house.run_ok(&["state", "list"]));
    assert!(stored.contains("beta"), "its place stays: {stored}");

    write("", true);
    reloaded(&house);
    beta.persist_now(1);
    has_lines(&house, "out.ndjson", 710);
    stop(running, &house);
    let expected = counted(acme.persisted().into_iter().chain(beta.persisted()));
    assert!(counted(house.lines("out.ndjson")) == expected);
    for org in [acme, beta] {
        assert_eq!(org.report().violations, []);
    }
}

#[test]
fn delivery_23_a_line_more_in_a_list_is_a_source_more() {
    let (one, two) = (Org::seeded(40, 6), Org::seeded(30, 7));
    let house = House::new();
    fs::create_dir(house.path("tokens")).unwrap();
    for name in ["one", "two"] {
        fs::copy(house.path("token"), house.path(&format!("tokens/{name}"))).unwrap();
    }
    house.write("orgs.yaml", &format!("one: {}\n", one.url));
    house.write(
        "logweir.yaml",
        "\
templates:
  okta:
    plugin: okta
    config: { poll: 200ms }
    each: url
    credential_files: { api_token: tokens }
    sources: orgs.yaml
outputs:
  each: { type: file, inputs: [okta], path: \"each/{source}.ndjson\" }
",
    );
    let running = house.start(&["run"]);
    has_lines(&house, "each/one.ndjson", 40);
    let broken = format!("one: {}\ntwo: [\n", one.url);
    house.write("orgs.yaml", &broken);
    wait_until("the mistake is in the log", || {
        log(&house).contains("orgs.yaml:")
    });
    let list = format!("one: {}\ntwo: {}\n", one.url, two.url);
    house.write("orgs.yaml", &list);
    has_lines(&house, "each/two.ndjson", 30);
    stop(running, &house);
    for (org, file, events) in [(&one, "each/one.ndjson", 40), (&two, "each/two.ndjson", 30)] {
        assert_eq!(delivered_once(&house, file, org), Ok(()));
        let report = org.report();
        assert_eq!((report.events_served, report.violations), (events, vec![]));
    }
}

#[test]
fn a_token_is_rotated_by_its_reference() {
    let org = Org::with_events(100);
    let (house, running) = started(&org);
    has_lines(&house, "out.ndjson", 100);
    house.write("next-token", "00the-next-token");
    let configure = |token: &str| {
        let sources = [source("acme", &org, "", token)];
        let outputs = [output("archive", "acme", "out.ndjson")];
        house.write("logweir.yaml", &configuration(&sources, &outputs));
    };
    configure("no-such-token");
    let said = refused(&house, 2);
    assert!(said.contains("no-such-token"), "{said}");
    org.accept_token("00the-next-token");
    configure("next-token");
    assert_eq!(
        reloaded(&house),
        "~ acme (credentials/api_token); 1 unchanged"
    );
    org.persist_now(5);
    has_lines(&house, "out.ndjson", 105);
    stop(running, &house);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    assert_eq!(org.report().events_served, 105);
    assert!(!log(&house).contains("00the-next-token"));
}

#[test]
fn delivery_23_an_output_goes_to_another_file_and_another_one_comes_and_goes() {
    let org = Org::with_events(300);
    let (house, running) = started(&org);
    has_lines(&house, "out.ndjson", 300);
    let configure = |outputs: &[String]| {
        let sources = [source("acme", &org, "", "token")];
        house.write("logweir.yaml", &configuration(&sources, outputs));
    };
    configure(&[output("archive", "acme", "moved/{source}.ndjson")]);
    assert_eq!(reloaded(&house), "~ output archive (path); 1 unchanged");
    org.persist_now(7);
    has_lines(&house, "moved/acme.ndjson", 7);
    let both = [
        output("archive", "acme", "moved/{source}.ndjson"),
        output("second", "acme", "second.ndjson"),
    ];
    configure(&both);
    assert_eq!(reloaded(&house), "+ output second; 2 unchanged");
    org.persist_now(5);
    has_lines(&house, "second.ndjson", 5);
    has_lines(&house, "moved/acme.ndjson", 12);

    // Its file is written until what waits for it is delivered.
    configure(&[output("third", "acme", "moved/acme.ndjson")]);
    let said = refused(&house, 2);
    for part in [
        "moved/acme.ndjson",
        "`archive`",
        "`third`",
        "logweir.yaml:14",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    configure(&both[..1]);
    assert_eq!(reloaded(&house), "- output second; 2 unchanged");
    wait_until("it is gone", || {
        picture(&house)["host"]["outputs"].as_array().unwrap().len() == 1
    });
    org.persist_now(2);
    has_lines(&house, "moved/acme.ndjson", 14);
    assert_eq!(house.lines_so_far("second.ndjson"), 5);
    stop(running, &house);
    let events = org.persisted();
    assert_eq!(house.lines("out.ndjson"), events[..300]);
    assert_eq!(house.lines("moved/acme.ndjson"), events[300..]);
    assert_eq!(house.lines("second.ndjson"), events[307..312]);
    assert_eq!(org.report().events_served, 314, "no source noticed");
}
