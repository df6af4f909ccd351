//! What a running host says about itself, to machines and to people: over HTTP, over the control socket, in its log.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use okta_sim::{Fault, FaultKind, OrgConfig};
use serde_json::Value;

use crate::echo::{Echo, answer};
use crate::house::{House, Running, TOKEN, text};
use crate::org::Org;
use crate::proof::{delivered_once, wait_until};

/// A house with one source and `more` lines for it, which serves health and metrics at a free port.
fn served(url: &str, more: &str) -> House {
    let house = House::with_one_source(url);
    let config = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    let config = config.replace("    credentials:", &format!("{more}    credentials:"));
    house.write("logweir.yaml", &format!("{config}listen: 0\n"));
    house
}

/// A running host that can be asked.
struct Host {
    house: House,
    running: Running,
    address: String,
}

impl Host {
    fn start(house: House) -> Self {
        Self::start_with(house, &["run"])
    }

    fn start_with(house: House, arguments: &[&str]) -> Self {
        let running = house.start(arguments);
        wait_until("the host can be asked", || {
            picture(&house)["running"] == true
        });
        let address = picture(&house)["host"]["process"]["listen"].clone();
        Self {
            house,
            running,
            address: address.as_str().unwrap().to_owned(),
        }
    }

    fn source(&self) -> Value {
        picture(&self.house)["host"]["sources"][0].clone()
    }

    fn output(&self) -> Value {
        picture(&self.house)["host"]["outputs"][0].clone()
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.get_as(&self.address, path)
    }

    fn get_as(&self, host: &str, path: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// The value of a series, exactly as it is named.
    fn metric(&self, series: &str) -> Option<f64> {
        let (status, page) = self.get("/metrics");
        assert_eq!(status, 200, "{page}");
        let mut lines = page.lines();
        let line = lines.find_map(|line| line.strip_prefix(&format!("{series} ")));
        line.map(|value| value.parse().unwrap())
    }

    fn counter(&self, name: &str) -> u64 {
        self.metric(&format!("logweir_{name}")).unwrap() as u64
    }

    /// Whether it is ready, and what is wrong if not, as `name state`.
    fn ready(&self) -> (bool, Vec<String>) {
        let (status, body) = self.get("/readyz");
        let readiness: Value = serde_json::from_str(&body).unwrap();
        let ready = readiness["ready"].as_bool().unwrap();
        assert_eq!(status, if ready { 200 } else { 503 }, "{body}");
        let problems = readiness["problems"].as_array().unwrap().iter();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let told = problems
            .map(|problem| format!("{} {}", word(&problem["name"]), word(&problem["state"])));
        (ready, told.collect())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.house.path("log")).unwrap_or_default()
    }

    fn stop(mut self) -> House {
        self.running.signal("-TERM");
        assert!(self.running.wait().success(), "{}", self.log());
        self.house
    }
}

/// What `status --json` prints, whether anything runs or not.
fn picture(house: &House) -> Value {
    let output = house.run(&["status", "--json"]);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output)))
}

#[test]
fn trap_33_counters_agree_with_the_org_and_the_file_while_a_backfill_runs_and_after_it() {
    let errors = Fault::new(FaultKind::Status).status(500).times(2);
    let org = Org::new(OrgConfig {
        events: 8_000,
        latency: Duration::from_millis(100),
        faults: vec![errors.after(3)],
        ..OrgConfig::default()
    });
    let host = Host::start(served(&org.url, ""));
    let records = "source_records_total{source=\"acme\"}";
    let (mut before, mut seen) = (0, Vec::new());
    while before < 8_000 {
        let now = host.counter(records);
        assert!(now >= before, "a counter went back from {before} to {now}");
        assert!(
            now <= org.report().events_served,
            "read before it was served"
        );
        before = now;
        seen.push(now);
        assert_eq!(host.get("/livez").0, 200);
    }
    assert!(
        seen.iter().any(|now| (1..8_000).contains(now)),
        "none in mid-way: {seen:?}"
    );
    wait_until("everything is settled", || {
        host.counter("source_settled_records_total{source=\"acme\"}") == 8_000
    });
    let bytes: usize = org.persisted().iter().map(Vec::len).sum();
    for (name, expected) in [
        (records, 8_000),
        ("source_bytes_total{source=\"acme\"}", bytes as u64),
        ("source_refused_records_total{source=\"acme\"}", 0),
        ("source_repeated_records_total{source=\"acme\"}", 0),
        ("source_differing_records_total{source=\"acme\"}", 0),
        ("source_dead_letter_records_total{source=\"acme\"}", 0),
        ("output_records_total{output=\"archive\"}", 8_000),
        ("output_bytes_total{output=\"archive\"}", bytes as u64),
        ("output_queue_records{output=\"archive\"}", 0),
        ("source_requests_total{source=\"acme\",status=\"500\"}", 2),
    ] {
        assert_eq!(host.counter(name), expected, "{name}");
    }
    wait_until("requests are what the org counted", || {
        let answered = org.report().by_status["200"];
        host.counter("source_requests_total{source=\"acme\",status=\"200\"}") == answered
            && org.report().by_status["200"] == answered
    });
    let live = "logweir_source_phase{source=\"acme\",phase=\"live\"}";
    wait_until("it is live", || host.metric(live) == Some(1.0));
    assert!(host.metric("logweir_plugin_memory_peak_bytes{source=\"acme\"}") > Some(100_000.0));
    assert!(host.metric("logweir_plugin_busy_seconds_total{source=\"acme\"}") > Some(0.0));
    let house = host.stop();
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    assert_eq!(org.report().violations, []);
}

#[test]
fn trap_28_readiness_turns_when_the_token_is_revoked_and_back_when_it_is_replaced() {
    let org = Org::with_events(10);
    let host = Host::start(served(&org.url, ""));
    wait_until("it reads", || host.source()["records"] == 10);
    assert_eq!(host.ready(), (true, vec![]));
    org.accept_token("00the-next-token");
    wait_until("it is not ready", || !host.ready().0);
    assert_eq!(host.ready().1, ["acme failing"]);
    assert!(host.get("/readyz").1.contains("create a new API token"));
    assert_eq!(host.metric("logweir_ready"), Some(0.0));
    assert_eq!(host.get("/livez").0, 200, "a restart would not help");
    let shown = text(&host.house.run_ok(&["status"]));
    assert!(shown.contains("FAILING: "), "{shown}");
    host.house.write("token", "00the-next-token");
    wait_until("it is ready again", || host.ready().0);
    wait_until("the act is in the log", || {
        host.log().contains("act=secret-read")
    });
    assert_eq!(host.metric("logweir_ready"), Some(1.0));
    host.stop();
}

#[test]
fn trap_28_silence_begins_and_ends_once() {
    let org = Org::with_events(5);
    let host = Host::start(served(&org.url, "    silence: 1s\n"));
    wait_until("it reads", || host.source()["records"] == 5);
    wait_until("it is silent", || host.ready().1 == ["acme silent"]);
    let silent = "logweir_source_silent{source=\"acme\"}";
    assert_eq!(host.metric(silent), Some(1.0));
    assert_eq!(host.source()["state"]["phase"], "live", "reading works");
    let shown = text(&host.house.run_ok(&["status", "acme"]));
    assert!(shown.contains("SILENT: nothing came for "), "{shown}");
    org.persist_now(1);
    wait_until("it is heard again", || {
        host.log().contains("records come again")
    });
    let log = host.log();
    let said = |words: &str| log.matches(words).count();
    assert!(said("nothing came for too long") >= 1, "{log}");
    assert!(
        said("nothing came for too long") <= said("records come again") + 1,
        "{log}"
    );
    let calm = Host::start(served(&org.url, "    silence: never\n"));
    wait_until("it reads", || calm.source()["records"] == 6);
    assert_eq!(calm.source()["silence"]["limit_seconds"], Value::Null);
    host.stop();
    calm.stop();
}

#[test]
fn trust_21_the_control_socket_is_for_its_own_user_alone() {
    let org = Org::with_events(5);
    let host = Host::start(served(&org.url, ""));
    let socket = host.house.path(".logweir/control.sock");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(socket.clone()), 0o600);
    assert_eq!(mode(host.house.path(".logweir")), 0o700);
    if fs::metadata(host.house.root())
        .unwrap()
        .permissions()
        .mode()
        & 0o777
        == 0o700
        && is_root()
    {
        // Doors that keep others out are opened, so that the host itself has to.
        let open =
            |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        open(host.house.root().to_owned(), 0o755);
        open(host.house.path(".logweir"), 0o755);
        open(socket.clone(), 0o666);
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        // Where it was built may be closed to others.
        let program = host.house.path("logweir");
        fs::copy(env!("CARGO_BIN_EXE_logweir"), &program).unwrap();
        command.arg(program).arg("status");
        let output = command.current_dir(host.house.root()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(
            text(&output).contains("belongs to another user"),
            "{}",
            text(&output)
        );
        wait_until("it is in the log", || host.log().contains("uid=65534"));
    }
    let mut stranger = UnixStream::connect(&socket).unwrap();
    stranger.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    let mut said = [0; 200];
    let length = stranger.read(&mut said).unwrap();
    let said = String::from_utf8_lossy(&said[..length]).into_owned();
    assert!(said.contains("one line of JSON"), "{said}");
    let house = host.stop();
    assert!(!house.path(".logweir/control.sock").exists());
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}

#[test]
fn trust_21_a_foreign_host_is_refused_and_who_says_nothing_keeps_nobody_out() {
    let org = Org::with_events(5);
    let host = Host::start(served(&org.url, ""));
    let port = host.address.rsplit(':').next().unwrap();
    for fine in [
        format!("127.0.0.1:{port}"),
        "localhost".to_owned(),
        "[::1]".to_owned(),
    ] {
        assert_eq!(host.get_as(&fine, "/metrics").0, 200, "{fine}");
    }
    for foreign in ["rebound.example", "127.0.0.1.rebound.example", ""] {
        let (status, body) = host.get_as(foreign, "/metrics");
        assert_eq!(status, 421, "{foreign}");
        assert!(!body.contains("logweir_"), "{body}");
    }
    assert_eq!(host.get("/status").0, 404);
    let silent: Vec<_> = (0..64).map(|_| TcpStream::connect(&host.address)).collect();
    assert_eq!(host.get("/livez").0, 200);
    drop(silent);
    host.stop();
}

#[test]
fn status_without_a_run_says_what_is_stored_and_a_killed_run_leaves_nothing_in_the_way() {
    let org = Org::with_events(7);
    let house = served(&org.url, "");
    let nothing = house.run(&["status"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        text(&nothing).contains("no Logweir runs"),
        "{}",
        text(&nothing)
    );
    assert!(!house.path(".logweir").exists(), "looking makes nothing");
    let mut host = Host::start(house);
    wait_until("it is settled", || host.source()["settled"] == 7);
    host.running.signal("-KILL");
    host.running.wait();
    let house = host.house;
    assert!(
        house.path(".logweir/control.sock").exists(),
        "it stays behind"
    );
    let dead = house.run(&["status"]);
    assert_eq!(dead.status.code(), Some(1));
    assert!(text(&dead).contains("7 records settled"), "{}", text(&dead));
    let unknown = house.run(&["status", "acmee"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        text(&unknown).contains("did you mean `acme`"),
        "{}",
        text(&unknown)
    );
    Host::start(house).stop();
}

#[test]
fn an_address_that_is_taken_is_said_before_anything_is_read() {
    let org = Org::with_events(5);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let house = served(&org.url, "");
    let config = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    house.write(
        "logweir.yaml",
        &config.replace("listen: 0", &format!("listen: {address}")),
    );
    let output = house.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains(&address), "{}", text(&output));
    assert_eq!(org.report().requests, 0);
}

#[test]
fn a_disk_that_is_full_is_in_the_status_until_there_is_room() {
    let org = Org::with_events(2_000);
    let house = served(&org.url, "");
    // Compiles the plugin, whose code is larger than the files that are allowed then.
    house.run_ok(&["check"]);
    let program = house.command(&["run"]);
    let mut limited = Command::new("sh");
    // A signal would end it before it can see the error.
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 2048; exec \"$@\"", "sh"]);
    limited.arg(program.get_program()).args(program.get_args());
    limited
        .current_dir(house.root())
        .stdin(std::process::Stdio::null());
    limited
        .stdout(std::process::Stdio::null())
        .stderr(fs::File::create(house.path("log")).unwrap());
    let mut child = limited.spawn().unwrap();
    let pid = child.id().to_string();

    wait_until("the host can be asked", || {
        picture(&house)["running"] == true
    });
    let output = || picture(&house)["host"]["outputs"][0].clone();
    wait_until("the output fails", || {
        output()["state"]["phase"] == "failing"
    });
    let failing = output();
    assert!(
        failing["state"]["why"]
            .as_str()
            .unwrap()
            .contains("too large"),
        "{failing}"
    );
    assert!(failing["queued_records"].as_u64().unwrap() > 0, "{failing}");
    let shown = text(&house.run_ok(&["status"]));
    assert!(
        shown.contains("FAILING: ") && shown.contains(" queued, "),
        "{shown}"
    );
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );

    let raised = Command::new("prlimit")
        .args(["--fsize=unlimited:", "--pid", &pid])
        .status();
    assert!(raised.unwrap().success());
    wait_until("the rest is there", || {
        house.lines_so_far("out.ndjson") == 2_000
    });
    wait_until("it is well", || output()["state"]["phase"] == "live");
    assert!(
        output()["last_error"]["why"]
            .as_str()
            .unwrap()
            .contains("too large")
    );
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
}

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
    assert!(forgot.contains("act=state-forgotten"), "{forgot}");
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

#[test]
fn a_source_that_waits_has_no_plugin_in_memory() {
    let org = Org::with_events(50);
    let house = served(&org.url, "");
    let config = fs::read_to_string(house.path("logweir.yaml")).unwrap();
    house.write("logweir.yaml", &config.replace("poll: 200ms", "poll: 1h"));
    let host = Host::start(house);
    wait_until("it reads", || host.source()["settled"] == 50);
    wait_until("it is at rest", || {
        host.source()["plugin"]["instances"] == 0
    });
    let plugin = host.source()["plugin"].clone();
    assert_eq!(plugin["memory_bytes"], 0);
    assert!(
        plugin["memory_peak_bytes"].as_u64() > Some(100_000),
        "{plugin}"
    );
    assert_eq!(host.output()["records"], 50);
    assert_eq!(host.source()["retention"]["keeps_seconds"], 90 * 86_400);
    host.stop();
}
