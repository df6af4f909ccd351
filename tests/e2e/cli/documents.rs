//! What stands in the repository is what the program does: schema, examples, README, completions.

use std::path::{Path, PathBuf};

use super::*;

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_schema_in_the_repository_is_the_programs() {
    let printed = String::from_utf8(House::new().run_ok(&["schema"]).stdout).unwrap();
    let checked_in = fs::read_to_string(root().join("logweir.schema.json")).unwrap_or_default();
    assert!(
        printed == checked_in,
        "logweir.schema.json is stale; renew it: cargo run --release -- schema > logweir.schema.json"
    );
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script =
            String::from_utf8(House::new().run_ok(&["completions", shell]).stdout).unwrap();
        for command in [
            "connect", "run", "check", "validate", "inspect", "forget", "schema",
        ] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    assert_eq!(code(&House::new(), &["completions", "tcsh"]), 2);
}

fn assert_valid(house: &House, name: &str, yaml: &str) {
    house.write("logweir.yaml", yaml);
    let output = house.run(&["validate"]);
    assert!(output.status.success(), "{name}:\n{}", text(&output));
}

#[test]
fn every_example_is_valid() {
    let house = House::new();
    let files: Vec<_> = fs::read_dir(root().join("examples/configs"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        assert_valid(
            &house,
            &file.display().to_string(),
            &fs::read_to_string(&file).unwrap(),
        );
    }
}

/// The blocks of a Markdown text in this language.
fn blocks<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    let after = markdown.split(start.as_str()).skip(1);
    after
        .map(|rest| rest.split_once("\n```").unwrap().0)
        .collect()
}

#[test]
fn every_configuration_of_the_readme_is_valid() {
    let house = House::new();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let whole = |block: &&str| block.contains("sources:") && block.contains("outputs:");
    let configurations: Vec<_> = blocks(&readme, "yaml").into_iter().filter(whole).collect();
    assert!(!configurations.is_empty());
    for configuration in configurations {
        assert_valid(&house, configuration, configuration);
    }
}

#[test]
fn every_command_of_the_readme_exists() {
    let house = House::new();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let called = readme
        .split("`logweir ")
        .skip(1)
        .filter_map(|rest| rest.split(['`', ' ', ',']).next());
    let commands: Vec<_> = called
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
        .collect();
    assert!(commands.len() >= 6, "{commands:?}");
    for command in commands {
        assert_eq!(code(&house, &[command, "--help"]), 0, "`logweir {command}`");
    }
}
