//! Everything that can be wrong with an org's answers, each in the middle of a backlog: in the end every event is there
//! once, nothing that is no event is, and no rule of the org was broken.

use std::fmt::Write;
use std::time::Duration;

use okta_sim::{Fault, FaultKind, OrgConfig, RateHeaders};

use crate::house::{House, text};
use crate::org::Org;
use crate::proof::{delivered_once, wait_until};

/// Ten full pages and a short one.
const EVENTS: usize = 210;
const LIMIT: usize = 20;
/// In the middle of the backlog, where the next page is asked for early.
const IN_THE_MIDDLE: u32 = 4;

/// A kind of trouble, and the org that has it.
struct Case {
    name: String,
    config: OrgConfig,
}

fn case(name: impl Into<String>, faults: Vec<Fault>) -> Case {
    with(
        name,
        OrgConfig {
            faults,
            ..OrgConfig::default()
        },
    )
}

fn with(name: impl Into<String>, config: OrgConfig) -> Case {
    Case {
        name: name.into(),
        config: OrgConfig {
            events: EVENTS,
            ..config
        },
    }
}

/// One fault in the middle, and one that the very first request meets.
fn each(kinds: impl IntoIterator<Item = FaultKind>) -> Vec<Case> {
    let twice = |kind: FaultKind| vec![Fault::new(kind), Fault::new(kind).after(IN_THE_MIDDLE)];
    kinds
        .into_iter()
        .map(|kind| case(kind.name(), twice(kind)))
        .collect()
}

/// Reads all these orgs with one program, and says what is wrong with any of them.
fn survive(cases: Vec<Case>) {
    let orgs: Vec<_> = cases
        .into_iter()
        .map(|case| (case.name, Org::new(case.config)))
        .collect();
    let house = House::new();
    let mut config = "sources:\n".to_owned();
    for (name, org) in &orgs {
        write!(
            config,
            "  {name}:\n    plugin: okta\n    config: {{ url: \"{}\", poll: 200ms, limit: {LIMIT} }}\n    \
             credentials: {{ api_token: \"${{file:token}}\" }}\n",
            org.url
        )
        .unwrap();
    }
    let inputs: Vec<_> = orgs.iter().map(|(name, _)| name.as_str()).collect();
    let inputs = inputs.join(", ");
    write!(config, "outputs:\n  each:\n    type: file\n    inputs: [{inputs}]\n    path: \"each/{{source}}.ndjson\"\n").unwrap();
    house.write("logweir.yaml", &config);
    let output = house.run_ok(&["run", "--once"]);

    let mut wrong = String::new();
    for (name, org) in &orgs {
        let report = org.report();
        if let Err(what) = delivered_once(&house, &format!("each/{name}.ndjson"), org) {
            writeln!(wrong, "{name}: {what}").unwrap();
        }
        if !report.violations.is_empty() || report.bounded > 0 || report.with_wrong_token > 0 {
            writeln!(wrong, "{name}: a rule was broken: {report:?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n{}", text(&output));
    assert!(
        !house.path(".logweir/dead-letter.ndjson").exists(),
        "an answer that is no page became a record"
    );
}

#[test]
fn trap_22_errors_of_the_org_are_waited_out_and_are_no_events() {
    let mut cases: Vec<_> = [500, 502, 503, 504, 408]
        .map(|status| {
            let fault = Fault::new(FaultKind::Status).status(status);
            case(
                format!("status-{status}"),
                vec![fault.clone(), fault.after(IN_THE_MIDDLE)],
            )
        })
        .into();
    cases.extend(each([
        FaultKind::HtmlError,
        FaultKind::Reset,
        FaultKind::Redirect,
    ]));
    cases.push(case(
        "three-in-a-row",
        vec![Fault::new(FaultKind::Status).times(3).after(IN_THE_MIDDLE)],
    ));
    survive(cases);
}

#[test]
fn trap_01_trap_23_what_is_no_page_does_not_move_the_cursor() {
    let mut cases = each([
        FaultKind::Html200,
        FaultKind::InvalidJson,
        FaultKind::NotArray,
        FaultKind::Truncated,
        FaultKind::CutLength,
        FaultKind::CutChunked,
        FaultKind::SelfNext,
        FaultKind::NoNext,
    ]);
    // The page before the first one does not exist.
    cases.push(case(
        "duplicate_page",
        vec![
            Fault::new(FaultKind::DuplicatePage)
                .after(IN_THE_MIDDLE)
                .times(2),
        ],
    ));
    survive(cases);
}

#[test]
fn trap_10_trap_11_links_in_every_form_lead_on_and_never_away() {
    let mut cases = each([
        FaultKind::LinksJoined,
        FaultKind::NextFirst,
        FaultKind::ForeignNext,
        FaultKind::AdminNext,
    ]);
    cases.push(with(
        "admin-links",
        OrgConfig {
            admin_links: true,
            ..OrgConfig::default()
        },
    ));
    survive(cases);
}

#[test]
fn trap_18_trap_20_slow_answers_are_waited_for() {
    let slow = |kind: FaultKind| {
        vec![
            Fault::new(kind).ms(700),
            Fault::new(kind).ms(700).after(IN_THE_MIDDLE),
        ]
    };
    let latency = OrgConfig {
        latency: Duration::from_millis(300),
        ..OrgConfig::default()
    };
    survive(vec![
        case("slow-start", slow(FaultKind::SlowStart)),
        case("stall", slow(FaultKind::Stall)),
        with("slower-than-the-poll", latency),
        case("gzip", vec![Fault::new(FaultKind::Gzip).times(4)]),
        case(
            "huge-page",
            vec![
                Fault::new(FaultKind::HugePage)
                    .bytes(8 << 20)
                    .after(IN_THE_MIDDLE),
            ],
        ),
    ]);
}

#[test]
fn trap_14_trap_15_trap_16_after_a_429_the_org_is_left_alone_for_as_long_as_it_says() {
    let limited = |config: OrgConfig| OrgConfig {
        rate_limit: 4,
        rate_window: Duration::from_secs(2),
        ..config
    };
    let skewed = |clock_skew_s: i64| {
        limited(OrgConfig {
            clock_skew_s,
            ..OrgConfig::default()
        })
    };
    let mut cases = each([
        FaultKind::RateLimited,
        FaultKind::RateLimitedBare,
        FaultKind::Concurrency,
    ]);
    cases.extend([
        // A reset in the year 2286.
        case(
            "absurd-reset",
            vec![Fault::new(FaultKind::RateLimited).ms(8_200_000_000_000)],
        ),
        case(
            "absurd-reset-on-a-page",
            vec![Fault::header("x-rate-limit-reset", "9999999999").times(20)],
        ),
        with(
            "used-up-and-long-ago",
            OrgConfig {
                // As long as it says that nothing is left, it is believed.
                rate_window: Duration::from_secs(2),
                faults: vec![
                    Fault::header("x-rate-limit-remaining", "0"),
                    Fault::header("x-rate-limit-reset", "1").after(1),
                ],
                ..OrgConfig::default()
            },
        ),
        with("limit", limited(OrgConfig::default())),
        with("limit-and-clock-ahead", skewed(3 * 86_400)),
        with("limit-and-clock-behind", skewed(-7_200)),
        with(
            "limit-and-retry-after",
            limited(OrgConfig {
                retry_after: true,
                ..OrgConfig::default()
            }),
        ),
        with(
            "limit-said-twice",
            limited(OrgConfig {
                rate_headers: RateHeaders::Doubled,
                ..OrgConfig::default()
            }),
        ),
        with(
            "no-limit-said",
            OrgConfig {
                rate_headers: RateHeaders::Absent,
                ..OrgConfig::default()
            },
        ),
    ]);
    survive(cases);
}

#[test]
fn trap_01_in_a_storm_of_faults_nothing_is_lost_and_nothing_comes_twice() {
    let kinds = [
        FaultKind::Status,
        FaultKind::HtmlError,
        FaultKind::Html200,
        FaultKind::InvalidJson,
        FaultKind::CutChunked,
        FaultKind::Truncated,
        FaultKind::DuplicatePage,
        FaultKind::SelfNext,
        FaultKind::Reset,
        FaultKind::RateLimitedBare,
    ];
    let org = |seed| OrgConfig {
        events: EVENTS,
        seed,
        faults: kinds.map(|kind| Fault::new(kind).percent(1.5)).into(),
        ..OrgConfig::default()
    };
    survive(
        (1..=6)
            .map(|seed| with(format!("storm-{seed}"), org(seed)))
            .collect(),
    );
}

#[test]
fn trap_06_an_empty_page_in_a_backlog_is_only_a_pause() {
    let faults = vec![
        Fault::new(FaultKind::EmptyPage),
        Fault::new(FaultKind::EmptyPage)
            .after(IN_THE_MIDDLE)
            .times(3),
    ];
    let org = Org::new(OrgConfig {
        events: EVENTS,
        faults,
        ..OrgConfig::default()
    });
    let house = House::new();
    house.configure(
        &[("acme", &org.url)],
        &[("archive", "out.ndjson")],
        "      limit: 20\n",
    );
    let mut running = house.start(&["run"]);
    wait_until("all events are there", || {
        house.lines_so_far("out.ndjson") == EVENTS
    });
    running.signal("-TERM");
    running.wait();
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    assert_eq!(org.report().faults["empty_page"], 4);
    assert_eq!(org.report().violations, []);
}

#[test]
fn a_body_that_stalls_for_ever_is_given_up_and_asked_for_again() {
    let org = Org::new(OrgConfig {
        events: 50,
        faults: vec![Fault::new(FaultKind::Stall).after(1)],
        ..OrgConfig::default()
    });
    let house = House::new();
    house.configure(
        &[("acme", &org.url)],
        &[("archive", "out.ndjson")],
        "      limit: 20\n",
    );
    house.run_ok(&["run", "--once"]);
    assert_eq!(org.report().faults["stall"], 1);
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
}
