//! The command line as a person meets it: what it says, what its exit code is, and what it leaves behind.

use std::fs;
use std::process::Output;

use logweir::state::{Commit, Digest, LedgerRow, Owner, SourceCommit, State};

use crate::house::{House, text};

mod configuration;
mod documents;
mod help;
mod plugin;
mod state;

/// A run in a terminal that is 100 columns wide.
fn run(house: &House, arguments: &[&str]) -> Output {
    house
        .command(arguments)
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

/// What a run says, with its exit code; the house's own path is `HOUSE`.
pub(crate) fn said(house: &House, arguments: &[&str]) -> String {
    let output = run(house, arguments);
    let root = house.root().canonicalize().unwrap();
    let said = text(&output).replace(root.to_str().unwrap(), "HOUSE");
    let lines: Vec<_> = said.lines().map(str::trim_end).collect();
    format!(
        "{}\nexit code {}",
        lines.join("\n").trim_end(),
        output.status.code().unwrap()
    )
}

pub(crate) fn code(house: &House, arguments: &[&str]) -> i32 {
    run(house, arguments).status.code().unwrap()
}

/// A house whose configuration names an org that nobody asks.
pub(crate) fn configured() -> House {
    House::with_one_source("http://127.0.0.1:9")
}

/// What is in the house, apart from what [`House::new`] put there.
pub(crate) fn left_behind(house: &House) -> Vec<String> {
    let entries = fs::read_dir(house.root()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !["token", "logweir.yaml"].contains(&name.as_str()));
    names.sort();
    names
}

/// A house with a source that has been read.
pub(crate) fn with_state() -> House {
    let house = configured();
    let state = State::open(&house.path(".logweir")).unwrap();
    let digest = |number| Digest {
        id: number,
        bytes: number,
    };
    let row = LedgerRow {
        digests: (0..1_000).map(digest).collect(),
        oldest: 1_699_000_000_000_000_000,
        newest: 1_700_000_000_000_000_000,
        early: false,
    };
    let source = SourceCommit {
        name: "acme".into(),
        owner: Owner {
            plugin: "okta".to_owned(),
            origin: "http://127.0.0.1:9".to_owned(),
        },
        checkpoint: Some(r#"{"v":1,"who":"\u009b2J"}"#.replace("\\u009b", "\u{9b}").into()),
        began: Some(1_695_000_000_000_000_000),
        settled: 1_000,
        dead: 2,
        rows: vec![row.into()],
    };
    let positions = vec![("archive".to_owned(), r#"{"v":1}"#.to_owned())];
    state
        .commit(&Commit {
            at: 1_700_000_000_000_000_000,
            keep: std::time::Duration::from_secs(1_209_600),
            sources: vec![source],
            positions,
        })
        .unwrap();
    house
}
