//! Rules about the code itself that no compiler knows: who may use whom, what is absent on purpose, how long a file
//! may be, and that the contract parses.
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test that fails is told apart by where"
)]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Whether a file holds nothing but tests, or what tests alone use.
fn is_test_code(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let in_tests_folder = path
        .parent()
        .is_some_and(|folder| folder.ends_with("tests"));
    in_tests_folder || ["tests", "testing"].contains(&name) || name.ends_with("_tests")
}

/// A file's code without its unit tests, which stand last.
fn code(path: &Path) -> String {
    if is_test_code(path) {
        return String::new();
    }
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
    text[..end].to_owned()
}

/// What each module of the host may use (ARCHITECTURE.md, "Who may use whom"). `record`, `secret`, `units` and
/// `telemetry` use nothing of ours, and everybody may use them.
const MAY_USE: &[(&str, &[&str])] = &[
    ("record", &[]),
    ("secret", &[]),
    ("units", &[]),
    ("telemetry", &[]),
    ("stage", &[]),
    ("http", &[]),
    ("state", &[]),
    ("gate", &["http"]),
    ("control", &["state"]),
    ("plugin", &["stage", "gate"]),
    ("output", &["stage", "http"]),
    ("pipeline", &["stage", "state"]),
    ("config", &["output", "gate", "http"]),
];
const FREE: &[&str] = &["record", "secret", "units", "telemetry"];
/// Crates that a module must not see.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("pipeline", &["wasmtime", "reqwest", "clap"]),
    ("config", &["wasmtime", "tokio", "reqwest"]),
    ("gate", &["wasmtime"]),
];

fn module_of(path: &Path, source: &Path) -> String {
    let first = path
        .strip_prefix(source)
        .unwrap()
        .components()
        .next()
        .unwrap();
    first
        .as_os_str()
        .to_str()
        .unwrap()
        .trim_end_matches(".rs")
        .to_owned()
}

fn used_modules(code: &str) -> Vec<String> {
    let code_lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code: String = code_lines.collect::<Vec<_>>().join("\n");
    let mut used = Vec::new();
    for (position, _) in code.match_indices("crate::") {
        let before = code[..position].chars().next_back();
        if before.is_some_and(|before| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let rest = &code[position + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let list = &list[..list.find('}').unwrap_or(list.len())];
            used.extend(list.split(',').map(|item| {
                item.trim()
                    .split("::")
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            }));
        } else {
            used.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    used
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let source = root().join("host/src");
    let mut broken = Vec::new();
    for path in rust_files(&source) {
        let module = module_of(&path, &source);
        let code = code(&path);
        if let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) {
            for used in used_modules(&code) {
                let fine = used == module
                    || allowed.contains(&used.as_str())
                    || FREE.contains(&used.as_str());
                if !fine {
                    broken.push(format!("{}: {module} uses {used}", path.display()));
                }
            }
        } else if !["lib", "host", "cli", "main"].contains(&module.as_str()) {
            broken.push(format!("{}: {module} is not in the table", path.display()));
        }
        for (name, crates) in FORBIDDEN {
            for forbidden in crates.iter().filter(|_| *name == module) {
                if code.contains(&format!("{forbidden}::")) {
                    broken.push(format!(
                        "{}: {module} uses the crate {forbidden}",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Where the host may say "okta": the plugin it embeds, the demo, help texts and the test of `connect`.
const MAY_NAME_OKTA: &[&str] = &["cli/", "plugin/builtin.rs", "main.rs"];

#[test]
fn the_host_knows_nothing_about_okta() {
    let source = root().join("host/src");
    let mut broken = Vec::new();
    for path in rust_files(&source) {
        let name = path
            .strip_prefix(&source)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        if MAY_NAME_OKTA
            .iter()
            .any(|allowed| name.starts_with(allowed))
        {
            continue;
        }
        for (number, line) in code(&path).lines().enumerate() {
            let comment = line.trim_start().starts_with("//");
            let names_it = ["okta", "ssws", "/api/v1/logs", "eventtype"]
                .iter()
                .any(|word| line.to_lowercase().contains(word));
            if names_it && !comment {
                broken.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn what_is_absent_on_purpose_is_absent() {
    let source = root().join("host/src");
    let mut broken = Vec::new();
    for path in rust_files(&source) {
        let name = path
            .strip_prefix(&source)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let code = code(&path);
        let code: Vec<_> = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        let code = code.join("\n");
        if code.contains("unbounded_channel") || code.contains("mpsc::channel()") {
            broken.push(format!("{name}: an unbounded channel"));
        }
        let may_spawn = ["pipeline/supervisor.rs", "gate/", "cli/"]
            .iter()
            .any(|allowed| name.starts_with(allowed));
        if code.contains("tokio::spawn(") && !may_spawn {
            broken.push(format!(
                "{name}: a task outside the supervisor and the gate's drain"
            ));
        }
        if code.contains("static mut ") || code.contains("lazy_static") {
            broken.push(format!("{name}: global mutable state"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_can_be_held_in_the_head() {
    const LINES_MAX: usize = 400;
    let mut long = Vec::new();
    for folder in [
        "host/src",
        "plugin",
        "tests/okta-sim/src",
        "tests/baseline",
        "tests/fixtures",
        "fuzz",
        "examples",
    ] {
        for path in rust_files(&root().join(folder)) {
            let lines = code(&path).lines().count();
            if lines > LINES_MAX {
                long.push(format!("{}: {lines} lines without tests", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Tests are read more often than code: by whoever broke one. Set-up that several files share is a module of its own.
#[test]
fn files_of_tests_can_be_held_in_the_head() {
    const LINES_MAX: usize = 450;
    let unit = ["host/src", "plugin"].map(|folder| rust_files(&root().join(folder)));
    let unit = unit.iter().flatten().filter(|path| is_test_code(path));
    let whole = [
        "tests/e2e",
        "tests/pipeline",
        "tests/okta-sim/tests",
        "fuzz/tests",
    ];
    let whole = whole.map(|folder| rust_files(&root().join(folder)));
    let (mut files, mut long) = (0, Vec::new());
    for path in unit.chain(whole.iter().flatten()) {
        files += 1;
        let lines = fs::read_to_string(path).unwrap().lines().count();
        if lines > LINES_MAX {
            long.push(format!("{}: {lines} lines", path.display()));
        }
    }
    assert!(files > 50, "only {files} files of tests are looked at");
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_contract_parses_and_every_item_is_documented() {
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).unwrap();
    let package = &resolve.packages[package];
    assert_eq!(package.name.to_string(), "logweir:pipeline@0.1.0");
    let worlds: Vec<_> = package.worlds.keys().map(String::as_str).collect();
    assert_eq!(
        worlds,
        [
            "source-plugin",
            "transform-plugin",
            "output-plugin",
            "source-adapter"
        ]
    );
    let mut undocumented = Vec::new();
    for (name, id) in &package.interfaces {
        let interface = &resolve.interfaces[*id];
        for (item, id) in &interface.types {
            let item_type = &resolve.types[*id];
            let borrowed = matches!(
                item_type.kind,
                wit_parser::TypeDefKind::Type(wit_parser::Type::Id(_))
            );
            if item_type.docs.contents.is_none() && !borrowed {
                undocumented.push(format!("{name}.{item}"));
            }
            if let wit_parser::TypeDefKind::Record(record) = &item_type.kind {
                let fields = record
                    .fields
                    .iter()
                    .filter(|field| field.docs.contents.is_none());
                undocumented.extend(fields.map(|field| format!("{name}.{item}.{}", field.name)));
            }
        }
        let functions = interface
            .functions
            .iter()
            .filter(|(_, function)| function.docs.contents.is_none());
        undocumented.extend(functions.map(|(function, _)| format!("{name}.{function}")));
    }
    assert!(undocumented.is_empty(), "{undocumented:?}");
}
