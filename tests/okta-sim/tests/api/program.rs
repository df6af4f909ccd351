//! The program itself.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::client::{LOGS, http};

/// Ends with the test.
struct Program {
    child: Child,
    first_line: String,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_okta-sim"))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first_line)
            .unwrap();
        Self { child, first_line }
    }

    fn url(&self) -> &str {
        self.first_line
            .strip_prefix("listening on ")
            .unwrap()
            .trim_end()
    }

    async fn get(&self, target: &str) -> String {
        let request = http().get(format!("{}{target}", self.url()));
        let request = request.header("authorization", "SSWS secret");
        request.send().await.unwrap().text().await.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
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
