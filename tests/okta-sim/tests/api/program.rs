//! The program itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::client::{LOGS, http};

/// Ends with the test.
struct Program {
    child: Child,
    /// Of its output, as many as were waited for.
    lines: Vec<String>,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        Self::start_orgs(1, arguments)
    }

    fn start_orgs(orgs: usize, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_okta-sim"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines = output.lines().take(orgs).map(Result::unwrap).collect();
        Self { child, lines }
    }

    fn url(&self) -> &str {
        self.url_of(0)
    }

    fn url_of(&self, org: usize) -> &str {
        self.lines[org].strip_prefix("listening on ").unwrap()
    }

    async fn get(&self, target: &str) -> String {
        ask(&format!("{}{target}", self.url()), "secret").await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

async fn ask(url: &str, token: &str) -> String {
    let request = http()
        .get(url)
        .header("authorization", format!("SSWS {token}"));
    request.send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn several_orgs_have_each_a_port_a_token_and_events_of_their_own() {
    let program = Program::start_orgs(3, &["--orgs", "3", "--events", "5", "--token", "secret"]);
    let mut logs = std::collections::HashSet::new();
    for org in 0..3 {
        let url = program.url_of(org);
        let token = format!("secret-{org}");
        logs.insert(ask(&format!("{url}/sim/served"), &token).await);
        assert!(ask(&format!("{url}{LOGS}"), &token).await.starts_with("[{"));
        let wrong = ask(&format!("{url}{LOGS}"), "secret-9").await;
        assert!(wrong.contains("Invalid token"), "{wrong}");
        let report: okta_sim::Report =
            serde_json::from_str(&ask(&format!("{url}/sim/report"), &token).await).unwrap();
        assert_eq!((report.requests, report.with_wrong_token), (2, 1));
    }
    assert_eq!(logs.len(), 3);
}

#[tokio::test]
async fn first_line_names_the_url() {
    let program = Program::start(&["--events", "20", "--token", "secret", "--org-id", "00o1"]);
    assert!(program.url().starts_with("http://127.0.0.1:"));
    let events: Vec<serde_json::Value> = serde_json::from_str(&program.get("/sim/report").await)
        .map(|report: serde_json::Value| vec![report["events"].clone()])
        .unwrap();
    assert_eq!(events, [20]);
    assert!(
        program
            .get(okta_sim::WELL_KNOWN_PATH)
            .await
            .contains("\"00o1\"")
    );
}

#[tokio::test]
async fn seed_and_time_decide_every_byte() {
    let arguments = [
        "--events",
        "500",
        "--late-percent",
        "5",
        "--now",
        "2026-03-01T10:00:00Z",
        "--token",
        "secret",
    ];
    let (one, two) = (Program::start(&arguments), Program::start(&arguments));
    assert_eq!(one.get("/sim/served").await, two.get("/sim/served").await);
    let other = Program::start(&[&arguments[..], &["--seed", "2"]].concat());
    assert_ne!(one.get("/sim/served").await, other.get("/sim/served").await);
}

#[tokio::test]
async fn files_faults_and_https() {
    let folder = std::env::temp_dir().join(format!("okta-sim-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (events, ca) = (folder.join("events.ndjson"), folder.join("ca.pem"));
    std::fs::write(&events, "{\"uuid\":\"a\"}\r\nnot json\n").unwrap();
    let program = Program::start(&[
        "--replay",
        events.to_str().unwrap(),
        "--token",
        "secret",
        "--days",
        "2",
        "--fault",
        "status,status=503",
        "--tls",
        "--ca-file",
        ca.to_str().unwrap(),
    ]);
    let pem = std::fs::read(&ca).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let authority = reqwest::Certificate::from_pem(&pem).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([authority])
        .no_proxy()
        .build()
        .unwrap();
    let ask = || {
        client
            .get(format!("{}{LOGS}", program.url()))
            .header("authorization", "SSWS secret")
    };
    assert_eq!(ask().send().await.unwrap().status(), 503);
    let body = ask().send().await.unwrap().text().await.unwrap();
    assert_eq!(body, "[{\"uuid\":\"a\"},not json]");
}

#[test]
fn help_teaches_and_mistakes_are_named() {
    let run = |argument: &str, value: &str| {
        Command::new(env!("CARGO_BIN_EXE_okta-sim"))
            .args([argument, value])
            .output()
            .unwrap()
    };
    let help = String::from_utf8(run("--help", "").stdout).unwrap();
    for word in ["Examples:", "--late-percent", "/sim/report", "cut_chunked"] {
        assert!(help.contains(word), "{word}");
    }
    let wrong = run("--fault", "explode");
    assert!(!wrong.status.success());
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("explode"));
}
