//! What a plugin, a peer and other users of the machine can't make of the real program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use logweir::config::PluginRef;
use logweir::host::Assembly;
use logweir::plugin::{Cache, Plugins, Remembered};
use logweir_fixtures as fixtures;
use okta_sim::{Fault, FaultKind, OrgConfig};
use serde_json::{Value, json};

use crate::echo::{Echo, answer};
use crate::house::{House, text};
use crate::org::Org;
use crate::proof::delivered_once;

/// A house whose source is a plugin from a file.
fn foreign(url: &str, grants: Value) -> House {
    let request = json!({"url": format!("{url}/ok")});
    let config = json!({"mode": "request", "url": url, "request": request});
    foreign_with(&config, grants)
}

fn foreign_with(config: &Value, grants: Value) -> House {
    let house = House::new();
    let source = json!({
        "plugin": {"path": fixtures::hostile_path()},
        "config": config,
        "credentials": {"token": "${file:token}"},
        "grants": grants,
    });
    let output = json!({"type": "file", "inputs": ["acme"], "path": "out.ndjson"});
    let plan = json!({"sources": {"acme": source}, "outputs": {"archive": output}});
    house.write("logweir.yaml", &plan.to_string());
    house
}

#[test]
fn trust_02_a_plugin_from_a_file_gets_what_is_granted_and_without_grants_nothing() {
    let echo = Echo::new(vec![]);
    let grant = |path: &str| json!([{"need": "api", "origin": echo.url, "methods": ["GET"], "paths": [path], "credential": "token"}]);
    let checked = foreign(&echo.url, json!([])).run(&["check"]);
    assert!(text(&checked).contains("denied"), "{}", text(&checked));
    let checked = foreign(&echo.url, grant("/api/v1/logs")).run(&["check"]);
    assert!(text(&checked).contains("denied"), "{}", text(&checked));
    let checked = foreign(&echo.url, grant("/api/v1/users")).run(&["check"]);
    assert!(
        text(&checked).contains("denied"),
        "what it does not need: {}",
        text(&checked)
    );
    assert_eq!(echo.asked(), Vec::<String>::new());

    foreign(&echo.url, grant("/ok")).run_ok(&["check"]);
    assert_eq!(echo.asked().len(), 1);
}

/// Descriptions by digest, as the state keeps them.
#[derive(Default)]
struct Memory(Mutex<Vec<(String, String)>>);

impl Remembered for Memory {
    fn compiled(&self, _: &str) -> Option<[u8; 32]> {
        None
    }

    fn remember_compiled(&self, _: &str, _: &[u8; 32]) {}

    fn description(&self, digest: &str) -> Option<String> {
        let known = self.0.lock().unwrap();
        let known = known.iter().find(|(of, _)| of == digest);
        known.map(|(_, json)| json.clone())
    }

    fn remember_description(&self, digest: &str, json: &str) {
        self.0
            .lock()
            .unwrap()
            .push((digest.to_owned(), json.to_owned()));
    }
}

#[tokio::test]
async fn trust_03_what_a_plugin_once_said_it_is_counts_and_it_is_not_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Arc::new(Memory::default());
    let load = async || {
        let cache = Cache::new(
            folder.path().join("compiled"),
            Arc::clone(&memory) as Arc<dyn Remembered>,
        );
        let plugins = Arc::new(Plugins::new(Some(cache)).unwrap());
        plugins
            .load("hostile", fixtures::hostile().into(), None)
            .await
            .unwrap()
    };
    let said = load().await.description().summary.clone();
    for (_, json) in memory.0.lock().unwrap().iter_mut() {
        *json = json.replace(&said, "As it said the first time.");
    }
    assert_eq!(
        load().await.description().summary,
        "As it said the first time."
    );
    assert_eq!(memory.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn trust_03_a_pin_holds_although_the_file_was_loaded_without_one() {
    let path = fixtures::hostile_path().to_owned();
    let file = |sha256| PluginRef::File {
        path: path.clone(),
        sha256,
    };
    let mut assembly = Assembly::uncached().unwrap();
    let plugin = assembly.plugin(&file(None)).await.unwrap();
    let Err(refused) = assembly.plugin(&file(Some([7; 32]))).await else {
        panic!("another file is pinned");
    };
    assert!(refused.contains(plugin.digest()), "{refused}");
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&plugin.digest()[at * 2..at * 2 + 2], 16).unwrap();
    }
    assert!(assembly.plugin(&file(Some(digest))).await.is_ok());
}

#[tokio::test]
async fn trust_02_a_file_with_the_name_of_a_built_in_plugin_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("okta");
    fs::copy(fixtures::hostile_path(), &path).unwrap();
    let name = path.display().to_string();
    let mut assembly = Assembly::uncached().unwrap();
    let file = PluginRef::File { path, sha256: None };
    assert_eq!(
        assembly.plugin(&file).await.unwrap().description().name,
        "hostile"
    );
    let Err(refused) = assembly.plugin(&PluginRef::Builtin(name)).await else {
        panic!("a file was taken for a built-in plugin");
    };
    assert!(refused.contains("no built-in plugin"), "{refused}");
}

#[test]
fn trust_14_a_flood_of_log_lines_does_not_stop_the_host() {
    let house = foreign_with(&json!({"mode": "spam-log", "count": 500}), json!([]));
    let said = text(&house.run_ok(&["run", "--once", "-vv"]));
    let passed_on = said
        .lines()
        .filter(|line| line.contains("plugin says"))
        .count();
    assert!(
        (5..1_000).contains(&passed_on),
        "{passed_on} of 3,000 lines"
    );
    assert!(said.contains("lines were left out"), "{said}");
    let acts = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{202e}');
    assert!(!said.contains(acts), "{said:?}");
    let longest = said.lines().map(str::len).max().unwrap();
    assert!((4_000..5_000).contains(&longest), "{longest}");
    assert_eq!(
        house.lines("out.ndjson").len(),
        1,
        "it goes on as if nothing was"
    );
}

#[test]
fn trust_12_trap_11_no_answer_leads_the_program_to_another_host() {
    let elsewhere = Org::with_events(10);
    let lures = [
        FaultKind::Redirect,
        FaultKind::ForeignNext,
        FaultKind::ForeignNext,
    ];
    let faults = lures
        .iter()
        .zip([0, 1, 3])
        .map(|(kind, after)| Fault::new(*kind).value(&elsewhere.url).after(after));
    let org = Org::new(OrgConfig {
        events: 60,
        faults: faults.collect(),
        ..OrgConfig::default()
    });
    let house = House::new();
    house.configure(
        &[("acme", &org.url)],
        &[("archive", "out.ndjson")],
        "      limit: 10\n",
    );
    let said = text(&house.run_ok(&["run", "--once"]));
    assert_eq!(delivered_once(&house, "out.ndjson", &org), Ok(()));
    assert_eq!(elsewhere.report().requests, 0);
    let host = elsewhere.url.trim_start_matches("http://");
    assert!(said.contains(host), "somebody should know: {said}");
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                [files_under(&path), vec![path]].concat()
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn trust_17_compiled_code_that_somebody_changed_is_compiled_anew() {
    let org = Org::with_events(5);
    let house = House::with_one_source(&org.url);
    let compiled = |said: &str| said.contains("compiled the plugin");
    assert!(compiled(&text(&house.run_cold(&["run", "--once"]))));
    assert!(
        !compiled(&text(&house.run_ok(&["run", "--once"]))),
        "the second time it is there"
    );
    for path in files_under(&house.path(".logweir/compiled")) {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    assert!(compiled(&text(&house.run_ok(&["run", "--once"]))));
}

#[test]
fn trust_19_state_dead_letter_and_outputs_are_private_whatever_the_umask() {
    let org = Org::new(OrgConfig {
        events: 5,
        replay: vec!["{\"uuid\":nul}".into()],
        ..OrgConfig::default()
    });
    let house = House::with_one_source(&org.url);
    let program = house.command(&["run", "--once"]);
    let mut open = Command::new("sh");
    open.args(["-c", "umask 000; exec \"$@\"", "sh"])
        .arg(program.get_program())
        .args(program.get_args());
    assert!(
        open.current_dir(house.root())
            .output()
            .unwrap()
            .status
            .success()
    );
    let made = [
        files_under(&house.path(".logweir")),
        vec![house.path("out.ndjson"), house.path(".logweir")],
    ]
    .concat();
    assert!(
        made.iter().any(|path| path.ends_with("dead-letter.ndjson")),
        "{made:?}"
    );
    for path in made {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let private = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, private, "{} has {mode:o}", path.display());
    }
}

#[test]
fn trust_20_what_a_peer_says_does_not_act_on_a_terminal() {
    let body =
        r#"{"errorCode":"E0000009","errorSummary":"\u001b[2J\u009b2J\u202eliame\u2028 done\r\n"}"#;
    let refusal = answer(
        "500 Internal Server Error",
        "x-okta-request-id: a\u{9b}b\r\n",
        body,
    );
    for format in ["text", "json"] {
        let echo = Echo::new(vec![refusal.clone()]);
        let house = House::with_one_source(&echo.url);
        let plan = fs::read_to_string(house.path("logweir.yaml")).unwrap();
        house.write(
            "logweir.yaml",
            &format!("{plan}log: {{ format: {format} }}\n"),
        );
        let said = text(&house.run_ok(&["run", "--once", "-vv"]));
        assert!(said.contains("E0000009"), "{said}");
        let acts = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{2028}' | '\u{202e}');
        assert!(!said.contains(acts), "{said:?}");
        let lines = said.lines().filter(|line| line.contains("done"));
        assert_eq!(lines.count(), 1, "no line is forged: {said}");
    }
}
