//! What the person who runs it sees and does: wrong tokens, two programs at once, changed configurations, a full disk.

use std::fs;

use okta_sim::OrgConfig;

use crate::house::{House, TOKEN, text};
use crate::org::Org;
use crate::proof::{counted, delivered_once, wait_until};

fn log_says(house: &House, words: &str) -> bool {
    fs::read_to_string(house.path("log"))
        .unwrap_or_default()
        .contains(words)
}

#[test]
fn trap_28_a_wrong_token_fails_at_once_and_says_what_to_do() {
    let org = Org::with_events(10);
    let house = House::with_one_source(&org.url);
    house.write("token", "00a-token-of-somebody-who-left");
    let output = house.run(&["run", "--once"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["acme", "401", "E0000011", "create a new API token"] {
        assert!(said.contains(part), "it does not say {part}:\n{said}");
    }
    assert_eq!(
        org.report().with_wrong_token,
        1,
        "each attempt may count against somebody's account"
    );
    assert!(
        house.lines("out.ndjson").is_empty(),
        "trap 22: an error is no event"
    );
    let checked = house.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1), "{}", text(&checked));
}

#[test]
fn trap_28_a_replaced_token_is_taken_up_while_it_runs_without_losing_the_place() {
    let org = Org::with_events(100);
    let house = House::with_one_source(&org.url);
    let running = house.start(&["run"]);
    house.until_lines("out.ndjson", 100);
    org.accept_token("00the-next-token");
    wait_until("the refusal is in the log", || log_says(&house, "E0000011"));
    org.persist_now(5);
    house.write("token", "00the-next-token\n");
    house.until_lines("out.ndjson", 105);
    running.stop();
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    let report = org.report();
    assert_eq!(report.events_served, 105, "nothing was read again");
    assert_eq!(report.violations, []);
}

#[test]
fn trap_29_a_token_with_a_line_break_is_trimmed_or_refused_with_words() {
    let org = Org::with_events(10);
    let house = House::with_one_source(&org.url);
    let (one, two) = TOKEN.split_at(10);
    house.write("token", &format!("{one}\n{two}\n"));
    let output = house.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("line break"), "{}", text(&output));
    assert_eq!(org.report().requests, 0);
    house.write("token", &format!("{TOKEN}\r\n"));
    house.run_ok(&["run", "--once"]);
    assert_eq!(house.lines("out.ndjson").len(), 10);
}

#[test]
fn trap_32_check_names_a_token_with_more_power_than_is_needed_and_an_owner_who_left() {
    let check = |config: OrgConfig| {
        let org = Org::new(OrgConfig {
            events: 5,
            ..config
        });
        let house = House::with_one_source(&org.url);
        let said = text(&house.run(&["check"]));
        let report = org.report();
        assert_eq!(
            report.violations,
            [],
            "no token goes to the well-known address"
        );
        assert!(!house.path("out.ndjson").exists(), "a check writes nothing");
        said
    };
    let fine = check(OrgConfig::default());
    assert!(fine.contains("ok       owner"), "{fine}");
    assert!(fine.contains("ok       least privilege"), "{fine}");
    let powerful = check(OrgConfig {
        role: "SUPER_ADMIN".to_owned(),
        ..OrgConfig::default()
    });
    assert!(powerful.contains("warning  least privilege"), "{powerful}");
    let gone = check(OrgConfig {
        owner_status: "DEPROVISIONED".to_owned(),
        ..OrgConfig::default()
    });
    assert!(gone.contains("warning  owner"), "{gone}");
}

#[test]
fn delivery_18_a_checkpoint_of_another_org_is_refused_with_the_way_out() {
    let (acme, other) = (Org::seeded(20, 1), Org::seeded(30, 2));
    let house = House::with_one_source(&acme.url);
    house.run_ok(&["run", "--once"]);
    house.configure(&[("acme", &other.url)], &[("archive", "out.ndjson")], "");
    let output = house.run(&["run", "--once"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("logweir state forget acme"), "{said}");
    assert!(
        said.contains(&acme.url) && said.contains(&other.url),
        "{said}"
    );
    assert_eq!(other.report().requests, 0);
    assert_eq!(delivered_once(&house, "out.ndjson", &acme), Ok(()));

    house.run_ok(&["state", "forget", "acme", "--yes"]);
    house.run_ok(&["run", "--once"]);
    let both = counted(acme.persisted().into_iter().chain(other.persisted()));
    assert!(counted(house.lines("out.ndjson")) == both);
}

#[test]
fn delivery_18_an_organisation_that_was_renamed_goes_on_where_it_was() {
    let org = Org::seeded(2_500, 3);
    let house = House::with_one_source(&org.url);
    house.run_ok(&["run", "--once"]);
    let read = org.report();
    // The same server by another name: to whoever reads it, another origin.
    let renamed = org.url.replace("127.0.0.1", "localhost");
    house.configure(&[("acme", &renamed)], &[("archive", "out.ndjson")], "");
    let refused = house.run(&["run", "--once"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("`logweir state adopt acme`"));

    let told = text(&house.run_ok(&["state", "adopt", "acme", "--dry-run"]));
    assert!(told.contains(&org.url) && told.contains(&renamed), "{told}");
    let unasked = house.run(&["state", "adopt", "acme"]);
    assert_eq!(unasked.status.code(), Some(2), "{}", text(&unasked));
    assert_eq!(house.run(&["run", "--once"]).status.code(), Some(1));

    let told = text(&house.run_ok(&["state", "adopt", "acme", "--yes"]));
    assert!(told.contains("act=state-adopted"), "{told}");
    org.persist_now(7);
    house.run_ok(&["run", "--once"]);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    let report = org.report();
    assert_eq!(report.events_served, read.events_served + 7, "read again");
    assert_eq!(report.violations, []);
    let again = text(&house.run_ok(&["state", "adopt", "acme", "--yes"]));
    assert!(again.contains("nothing was changed"), "{again}");
}

#[test]
fn delivery_18_what_starts_in_mid_stream_and_what_is_left_over_is_named() {
    let org = Org::with_events(10);
    let house = House::with_one_source(&org.url);
    house.run_ok(&["run", "--once"]);
    let files = [("archive", "out.ndjson"), ("second", "second.ndjson")];
    house.configure(&[("acme", &org.url)], &files, "");
    let said = text(&house.run_ok(&["run", "--once"]));
    assert!(
        said.contains("mid-stream") && said.contains("second"),
        "{said}"
    );
    house.configure(
        &[("renamed", &org.url)],
        &[("archive", "renamed.ndjson")],
        "",
    );
    let said = text(&house.run_ok(&["run", "--once"]));
    assert!(said.contains("logweir state forget acme"), "{said}");
}

#[test]
fn the_second_of_two_programs_says_that_there_is_another_and_changes_nothing() {
    let org = Org::with_events(50);
    let house = House::with_one_source(&org.url);
    let running = house.start(&["run"]);
    house.until_lines("out.ndjson", 50);
    let second = house.run(&["run", "--once"]);
    assert_eq!(second.status.code(), Some(1), "{}", text(&second));
    assert!(
        text(&second).contains("in use by process"),
        "{}",
        text(&second)
    );
    org.persist_now(1);
    house.until_lines("out.ndjson", 51);
    running.stop();
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
}

#[test]
fn delivery_17_two_outputs_with_one_file_are_refused_however_it_is_written() {
    let org = Org::with_events(5);
    let house = House::new();
    for (one, two) in [
        ("out.ndjson", "./a/../out.ndjson"),
        ("{source}.ndjson", "acme.ndjson"),
    ] {
        let (one, two) = (format!("\"{one}\""), format!("\"{two}\""));
        house.configure(&[("acme", &org.url)], &[("one", &one), ("two", &two)], "");
        for command in [&["validate"][..], &["run", "--once"]] {
            let output = house.run(command);
            assert_eq!(output.status.code(), Some(2), "{}", text(&output));
            assert!(
                text(&output).contains("write into one file"),
                "{}",
                text(&output)
            );
        }
    }
    assert_eq!(org.report().requests, 0);
}

#[test]
fn delivery_16_a_disk_that_fills_up_makes_it_wait_and_it_goes_on_when_there_is_room() {
    let org = Org::with_events(2_000);
    let house = House::with_one_source(&org.url);
    // Compiles the plugin, whose code is larger than the files that are allowed then.
    house.run_ok(&["check"]);
    let limit = 1 << 20;
    let running = house.start_limited(limit);
    wait_until("the trouble is in the log", || {
        log_says(&house, "can't be written")
    });
    let stuck = fs::read(house.path("out.ndjson")).unwrap();
    assert!(stuck.len() as u64 <= limit, "{}", stuck.len());
    running.make_room();
    house.until_lines("out.ndjson", 2_000);
    running.stop();
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    assert!(
        fs::read(house.path("out.ndjson"))
            .unwrap()
            .starts_with(&stuck),
        "what was there stays"
    );
    assert!(log_says(&house, "delivering again"));
}
