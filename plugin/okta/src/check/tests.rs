use super::*;
use crate::time::from_rfc3339;

const DATE: &str = "Sun, 01 Feb 2026 00:00:00 GMT";

fn config(more: &str) -> Config {
    Config::parse(&format!(r#"{{"domain":"acme.okta.com"{more}}}"#)).unwrap()
}

fn now() -> Now {
    Now {
        wall: from_rfc3339("2026-02-01T00:00:07Z").unwrap(),
        ..Now::default()
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Answer, HttpError> {
    let all = headers.iter().chain(&[("date", DATE)]).copied();
    Ok(Answer {
        head: Head {
            status,
            headers: all.collect(),
        },
        body: body.as_bytes().to_vec(),
    })
}

fn org() -> Result<Answer, HttpError> {
    answer(200, &[], r#"{"id":"00o1","pipeline":"idx","_links":{}}"#)
}

fn event(published: &str) -> Result<Answer, HttpError> {
    let budget = [
        ("x-rate-limit-limit", "60"),
        ("x-rate-limit-remaining", "57"),
    ];
    answer(
        200,
        &budget,
        &format!(r#"[{{"uuid":"1","published":"{published}"}}]"#),
    )
}

fn owner(status: &str) -> Result<Answer, HttpError> {
    let body =
        format!(r#"{{"id":"00u1","status":"{status}","profile":{{"login":"svc@example.com"}}}}"#);
    answer(200, &[], &body)
}

/// Paths asked, and subject, status and text of each finding.
fn run(
    answers: Vec<Result<Answer, HttpError>>,
) -> (Vec<String>, Vec<(String, CheckStatus, String)>) {
    let config = config("");
    let mut check = Check::new(&config, now());
    let mut asked = Vec::new();
    let mut answers = answers.into_iter();
    while let Some(request) = check.request() {
        asked.push(
            request
                .url
                .strip_prefix("https://acme.okta.com")
                .unwrap()
                .to_owned(),
        );
        check.on_answer(answers.next().expect("no more requests"), now());
    }
    assert_eq!(answers.next(), None, "fewer requests");
    let told = |finding: Finding| {
        let text = format!(
            "{}|{}",
            finding.detail,
            finding.advice.clone().unwrap_or_default()
        );
        if finding.status == CheckStatus::Failed {
            assert!(finding.advice.is_some(), "{text}");
        }
        (finding.subject, finding.status, text)
    };
    (
        asked,
        check.report().findings.into_iter().map(told).collect(),
    )
}

fn of<'a>(found: &'a [(String, CheckStatus, String)], subject: &str) -> (CheckStatus, &'a str) {
    let finding = found.iter().find(|finding| finding.0 == subject).unwrap();
    (finding.1, &finding.2)
}

#[test]
fn all_is_well() {
    let (asked, found) = run(vec![
        org(),
        event("2026-01-31T23:59:00Z"),
        event("2025-11-10T00:00:00Z"),
        owner("ACTIVE"),
        answer(403, &[], ""),
    ]);
    assert_eq!(
        asked,
        [
            "/.well-known/okta-organization",
            "/api/v1/logs?since=2026-01-25T00:00:00.000Z&until=2026-02-01T00:00:00.000Z&limit=1&sortOrder=DESCENDING",
            "/api/v1/logs?since=2025-11-03T00:00:00.000Z&limit=1&sortOrder=ASCENDING",
            "/api/v1/users/me",
            "/api/v1/iam/assignees/users?limit=1",
        ]
    );
    let subjects: Vec<_> = found.iter().map(|finding| finding.0.as_str()).collect();
    assert_eq!(
        subjects,
        [
            "address",
            "organization",
            "clock",
            "credential",
            "permission",
            "budget",
            "owner",
            "least privilege",
            "newest event",
            "history"
        ]
    );
    assert!(found.iter().all(|finding| finding.1 == CheckStatus::Ok));
    assert!(
        of(&found, "organization")
            .1
            .contains("00o1, Okta Identity Engine")
    );
    assert!(of(&found, "budget").1.contains("57 of 60"));
    assert!(of(&found, "newest event").1.contains("60 s old"));
    assert!(of(&found, "history").1.contains("83 days"));
    assert!(of(&found, "owner").1.contains("svc@example.com"));
}

#[test]
fn trust_04_no_token_is_sent_to_what_is_no_org() {
    let others = [
        answer(200, &[("content-type", "text/html")], "<html>"),
        answer(200, &[], r#"{"hello":1}"#),
        answer(404, &[], ""),
        answer(302, &[("location", "https://portal.example")], ""),
        answer(503, &[], ""),
        answer(429, &[], ""),
    ];
    for other in others {
        let (asked, found) = run(vec![other]);
        assert_eq!(asked, ["/.well-known/okta-organization"]);
        assert_eq!(of(&found, "organization").0, CheckStatus::Failed);
    }
}

#[test]
fn an_address_that_does_not_answer_is_told_apart() {
    let errors = [
        (HttpError::Dns("no such name".to_owned()), "spelling"),
        (HttpError::ConnectionRefused, "firewall"),
        (HttpError::Timeout("no connection".to_owned()), "firewall"),
        (HttpError::Tls("unknown issuer".to_owned()), "ca_file"),
        (HttpError::Denied("private".to_owned()), "network"),
        (HttpError::Other("reset".to_owned()), "try again"),
    ];
    for (error, says) in errors {
        let (_, found) = run(vec![Err(error)]);
        let (status, text) = of(&found, "address");
        assert_eq!(status, CheckStatus::Failed);
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn trap_28_a_wrong_token_fails_the_check() {
    let body = r#"{"errorCode":"E0000011","errorSummary":"Invalid token provided"}"#;
    let (asked, found) = run(vec![org(), answer(401, &[], body)]);
    assert_eq!(
        asked.len(),
        2,
        "a token that Okta refuses is not shown again"
    );
    let (status, text) = of(&found, "credential");
    assert_eq!(status, CheckStatus::Failed);
    assert!(
        text.contains("E0000011") && text.contains("create a new API token"),
        "{text}"
    );
}

#[test]
fn a_missing_permission_fails_the_check() {
    let body = r#"{"errorCode":"E0000006","errorSummary":"You do not have permission"}"#;
    let (_, found) = run(vec![
        org(),
        answer(403, &[], body),
        owner("ACTIVE"),
        answer(403, &[], ""),
    ]);
    assert_eq!(of(&found, "credential").0, CheckStatus::Ok);
    let (status, text) = of(&found, "permission");
    assert_eq!(status, CheckStatus::Failed);
    assert!(text.contains("Read-only Administrator"), "{text}");
}

#[test]
fn trap_32_owner_and_power_are_looked_at() {
    let past = || event("2026-01-31T23:59:00Z");
    let (_, found) = run(vec![
        org(),
        past(),
        past(),
        owner("DEPROVISIONED"),
        answer(200, &[], "{}"),
    ]);
    let (status, text) = of(&found, "owner");
    assert_eq!(status, CheckStatus::Warning);
    assert!(text.contains("DEPROVISIONED"), "{text}");
    let (status, text) = of(&found, "least privilege");
    assert_eq!(status, CheckStatus::Warning);
    assert!(text.contains("Read-only Administrator"), "{text}");
    // Not to be told is no fault.
    let (_, found) = run(vec![
        org(),
        past(),
        past(),
        answer(403, &[], ""),
        answer(404, &[], ""),
    ]);
    assert!(found.iter().all(|finding| finding.1 == CheckStatus::Ok));
}

#[test]
fn a_budget_that_is_used_up_is_told() {
    let headers = [
        ("x-rate-limit-limit", "60"),
        ("x-rate-limit-remaining", "0"),
        ("x-rate-limit-reset", "1769904030"),
    ];
    let (_, found) = run(vec![
        org(),
        answer(429, &headers, ""),
        owner("ACTIVE"),
        answer(403, &[], ""),
    ]);
    let (status, text) = of(&found, "budget");
    assert_eq!(status, CheckStatus::Failed);
    assert!(text.contains("31 s"), "{text}");
    let none_left = answer(200, &headers, "[]");
    let (_, found) = run(vec![
        org(),
        none_left,
        event("2026-01-01T00:00:00Z"),
        owner("ACTIVE"),
        answer(403, &[], ""),
    ]);
    assert_eq!(of(&found, "budget").0, CheckStatus::Warning);
    assert_eq!(of(&found, "newest event").0, CheckStatus::Warning);
}

#[test]
fn a_refused_filter_is_told() {
    let body = r#"{"errorCode":"E0000053","errorSummary":"Unrecognized attribute operator 'eqq'"}"#;
    let (_, found) = run(vec![
        org(),
        answer(400, &[], body),
        owner("ACTIVE"),
        answer(403, &[], ""),
    ]);
    let (status, text) = of(&found, "filter");
    assert_eq!(status, CheckStatus::Failed);
    assert!(text.contains("eqq"), "{text}");
}

#[test]
fn what_is_no_log_fails_the_check() {
    for other in [
        answer(200, &[], "<html>"),
        answer(500, &[], ""),
        Err(HttpError::ConnectionRefused),
    ] {
        let (_, found) = run(vec![org(), other, owner("ACTIVE"), answer(403, &[], "")]);
        assert_eq!(of(&found, "permission").0, CheckStatus::Failed);
    }
}

#[test]
fn trap_15_a_wrong_clock_is_told() {
    let config = config("");
    let ahead = Now {
        wall: from_rfc3339("2026-02-02T00:00:00Z").unwrap(),
        ..Now::default()
    };
    let mut check = Check::new(&config, ahead);
    check.on_answer(org(), ahead);
    let next = check.request().unwrap();
    assert!(
        next.url.contains("until=2026-02-01T00:00:00"),
        "Okta's clock counts: {}",
        next.url
    );
    let clock = check.report().findings.remove(2);
    assert_eq!(
        (clock.subject.as_str(), clock.status),
        ("clock", CheckStatus::Warning)
    );
    assert!(clock.detail.contains("24 h ahead"), "{}", clock.detail);
}
