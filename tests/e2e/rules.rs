//! The table of rules in ARCHITECTURE.md is true only as long as the tests exist that it names.

use std::fs;
use std::path::Path;

fn sources(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_architecture_names_for_a_rule_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let (_, rules) = architecture.split_once("## Rules and their tests").unwrap();
    let rows = rules
        .lines()
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with("| "));
    let names: Vec<_> = rows
        .flat_map(|row| row.split('|').nth(3).unwrap().split('`').skip(1).step_by(2))
        .collect();
    assert!(names.len() > 100, "the table is read: {}", names.len());

    let mut code = String::new();
    for folder in ["host/src", "plugin", "tests", "fuzz"] {
        sources(&root.join(folder), &mut code);
    }
    let missing: Vec<_> = names
        .into_iter()
        .filter(|name| !code.contains(&format!("fn {name}(")))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:#?}");
}
