//! The short form of the fuzzers: the corpus, and texts near it, the same each time.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails is told apart by where"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use logweir_fuzz::mutate::Mutator;

/// Every machine tries the same texts.
const SEED: u64 = 0x10c5_7e12;

/// The files of a target's corpus, by name, so that their order is the same everywhere.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Replays a corpus, and then tries so many texts near it.
fn any(target: &str, body: fn(&[u8]), texts: usize) {
    let corpus = corpus(target);
    assert!(corpus.len() >= 3, "{target} has seeds");
    let mut near = Mutator::new(&corpus, SEED);
    let near = (0..texts).map(|_| near.text());
    for text in corpus.iter().cloned().chain(near) {
        let held = catch_unwind(AssertUnwindSafe(|| body(&text)));
        assert!(
            held.is_ok(),
            "it does not hold for this text, which belongs into fuzz/corpus/{target}: b\"{}\"",
            text.escape_ascii()
        );
    }
}

#[test]
fn delivery_03_trap_24_any_page() {
    any("page", logweir_fuzz::page, 40_000);
}

#[test]
fn trap_10_trap_11_any_links() {
    any("link", logweir_fuzz::link, 60_000);
}

#[test]
fn trap_01_trap_23_any_answers() {
    any("answers", logweir_fuzz::answers, 20_000);
}

#[test]
fn delivery_02_any_checkpoint() {
    any("checkpoint", logweir_fuzz::checkpoint, 60_000);
}

#[test]
fn trust_16_any_batch_of_a_plugin() {
    any("batch", logweir_fuzz::batch, 100_000);
}

#[test]
fn any_configuration_is_understood_or_each_issue_has_its_place() {
    any("config", logweir_fuzz::config, 3_000);
}

#[test]
fn delivery_16_any_tail_of_a_file() {
    any("tail", logweir_fuzz::tail, 3_000);
}

#[test]
fn trust_20_any_text_on_a_terminal() {
    any("terminal", logweir_fuzz::terminal, 60_000);
}

#[test]
fn the_corpora_are_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let targets: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let files: Vec<_> = targets
        .iter()
        .flat_map(|target| corpus(target.to_str().unwrap()))
        .collect();
    assert!(files.iter().all(|file| file.len() <= 4 << 10));
    assert!(files.iter().map(Vec::len).sum::<usize>() <= 200 << 10);
}
