//! Many orgs in one process: sources from a list, bounded reads, everything once.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use okta_sim::{Org as Sim, OrgConfig, Running};
use tokio::net::TcpListener;

use crate::house::{House, TOKEN, lines_of, text};
use crate::org::Org;

/// Simulated orgs behind sockets of their own, all in one runtime.
struct Fleet {
    orgs: Vec<Running>,
    _runtime: tokio::runtime::Runtime,
}

impl Fleet {
    fn new(orgs: u64, events: usize) -> Self {
        let config = OrgConfig {
            events,
            ..OrgConfig::default()
        };
        Self::of(orgs, &config)
    }

    /// Orgs like this, each with a seed and a token of its own.
    fn of(orgs: u64, config: &OrgConfig) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let serve = |number| async move {
            let org = Sim::new(OrgConfig {
                seed: number + 1,
                token: token(number),
                ..config.clone()
            });
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            org.serve(listener).unwrap()
        };
        Self {
            orgs: (0..orgs)
                .map(|number| runtime.block_on(serve(number)))
                .collect(),
            _runtime: runtime,
        }
    }

    /// What each org has, in the order of persistence.
    fn persisted(&self, number: usize) -> Vec<Vec<u8>> {
        let blocks: Vec<_> = self.orgs[number].org().ndjson().collect();
        lines_of(&blocks.concat())
    }

    /// One more event in every org.
    fn persist_now(&self, number: usize) {
        for (org, running) in self.orgs.iter().enumerate() {
            let published = running.org().now();
            running.org().push_now(format!(
                r#"{{"uuid":"live-{org}-{number}","published":"{published:.3}","eventType":"user.session.start","severity":"INFO"}}"#
            ));
        }
    }
}

fn token(org: u64) -> String {
    format!("{TOKEN}-{org}")
}

fn name(org: usize) -> String {
    format!("org-{org:03}")
}

/// A house with a template, a list of URLs, and a folder with a token for each.
fn house(urls: &[String], tokens: impl Fn(u64) -> String, more: &str) -> House {
    let house = House::new();
    let folder = house.path("tokens");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let mut list = String::new();
    for (number, url) in urls.iter().enumerate() {
        let file = folder.join(name(number));
        fs::write(&file, tokens(number as u64)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        list += &format!("{}: {url}\n", name(number));
    }
    house.write("orgs.yaml", &list);
    house.write(
        "logweir.yaml",
        &format!(
            "\
templates:
  okta:
    plugin: okta
    config: {{ poll: 1s }}
    each: url
    credential_files: {{ api_token: tokens }}
    sources: orgs.yaml
outputs:
  archive: {{ type: file, inputs: [okta], path: all.ndjson }}
  each: {{ type: file, inputs: [okta], path: \"each/{{source}}.ndjson\" }}
{more}"
        ),
    );
    house
}

fn sorted(mut lines: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    lines.sort();
    lines
}

/// Every event of every org is in both outputs once; those of one org in their order.
fn assert_delivered(house: &House, fleet: &Fleet) {
    let mut all = Vec::new();
    for org in 0..fleet.orgs.len() {
        let persisted = fleet.persisted(org);
        let file = format!("each/{}.ndjson", name(org));
        assert!(
            house.lines(&file) == persisted,
            "{file} is not what the org has"
        );
        all.extend(persisted);
        let report = fleet.orgs[org].report();
        assert!(report.violations.is_empty(), "{:?}", report.violations);
        assert_eq!(report.with_wrong_token, 0);
    }
    let all = sorted(all);
    assert_eq!(house.lines("all.ndjson").len(), all.len());
    assert!(sorted(house.lines("all.ndjson")) == all);
}

#[test]
fn fifty_orgs_from_a_list_are_delivered_once_each() {
    let fleet = Fleet::new(50, 30);
    let urls: Vec<_> = fleet.orgs.iter().map(Running::url).collect();
    let house = house(&urls, token, "");
    let valid = text(&house.run_ok(&["validate"]));
    assert!(valid.contains("okta makes 50 sources\n"), "{valid}");
    assert!(valid.contains("50 sources (org-000, org-001, "), "{valid}");
    assert!(valid.contains("org-009, and 40 more)"), "{valid}");
    house.run_ok(&["run", "--once"]);
    assert_delivered(&house, &fleet);
    // And once more, from the checkpoints.
    fleet.persist_now(0);
    house.run_ok(&["run", "--once"]);
    assert_delivered(&house, &fleet);
    let leaked = fs::read_to_string(house.path("logweir.yaml")).unwrap() + &valid;
    assert!(!leaked.contains(TOKEN));
}

#[test]
fn two_hundred_orgs_are_followed_in_one_process_and_every_event_comes_once() {
    const ORGS: u64 = 200;
    let fleet = Fleet::new(ORGS, 20);
    let urls: Vec<_> = fleet.orgs.iter().map(Running::url).collect();
    let house = house(&urls, token, "readers: 16\n");
    let mut running = house.start(&["run"]);
    let wait_for = |events: usize| {
        while house.lines_so_far("all.ndjson") < events * urls.len() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    wait_for(20);
    for number in 0..5 {
        fleet.persist_now(number);
    }
    wait_for(25);
    running.signal("-TERM");
    assert!(running.wait().success());
    assert_delivered(&house, &fleet);
    let log = fs::read_to_string(house.path("log")).unwrap();
    assert!(!log.contains("can't be read"), "{log}");
}

/// All sources read one org, each with a token of its own, so that the org sees how many are under way at a time.
#[test]
fn delivery_19_no_more_sources_are_read_at_a_time_than_are_allowed_and_each_gets_its_turn() {
    const SOURCES: usize = 40;
    let org = Org::new(OrgConfig {
        events: 20,
        latency: std::time::Duration::from_millis(50),
        ..OrgConfig::default()
    });
    org.accept_tokens((0..SOURCES as u64).map(token));
    let urls = vec![org.url.clone(); SOURCES];
    let house = house(&urls, token, "readers: 4\n");
    house.run_ok(&["run", "--once"]);
    let report = org.report();
    assert!(
        (2..=4).contains(&report.peak_concurrency),
        "{} at a time",
        report.peak_concurrency
    );
    for source in 0..SOURCES {
        let file = format!("each/{}.ndjson", name(source));
        assert!(house.lines(&file) == org.persisted(), "{file}");
    }
}

/// Orgs that let nobody ask fast: who is held back sits on no seat, and what was asked for is not asked for again.
#[test]
fn trust_13_many_orgs_with_little_budget_are_read_within_it() {
    let config = OrgConfig {
        events: 2_500,
        rate_limit: 10,
        rate_window: std::time::Duration::from_secs(3),
        ..OrgConfig::default()
    };
    let fleet = Fleet::of(12, &config);
    let urls: Vec<_> = fleet.orgs.iter().map(Running::url).collect();
    let house = house(&urls, token, "readers: 2\n");
    house.run_ok(&["run", "--once"]);
    assert_delivered(&house, &fleet);
    for org in &fleet.orgs {
        let report = org.report();
        assert_eq!(report.throttled, 0);
        // ⌈2500/1000⌉ + 1, what follows while the past is read, and one asked for in vain at each change of turn.
        assert!(report.requests <= 10, "{} requests", report.requests);
    }
}

#[test]
fn a_template_that_is_wrong_says_so_where_it_is_and_runs_nothing() {
    let house = house(&["http://127.0.0.1:1".to_owned()], token, "");
    house.write(
        "orgs.yaml",
        "org-000: 127.0.0.1\norg-001: { config: { domain: x.okta.com, url: y } }\n",
    );
    let output = house.run(&["run"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output);
    assert!(said.contains("orgs.yaml:1:10"), "{said}");
    assert!(said.contains("orgs.yaml:2:"), "{said}");
}
