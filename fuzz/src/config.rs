//! A configuration, whatever is in its files: it is understood, or each issue has its place.

use std::fs;

use logweir::config::{ConfigDiagnostic, Loaded};
use miette::Diagnostic;
use tempfile::TempDir;

/// What ends the main file and begins one of `logweir.d`.
const NEXT_FILE: u8 = 0;

/// Loads what is written, and looks at all that is said about it.
pub fn config(written: &[u8]) {
    thread_local! {
        static FOLDER: TempDir = {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("logweir.d")).unwrap();
            folder
        };
    }
    FOLDER.with(|folder| {
        let mut files = written.splitn(2, |byte| *byte == NEXT_FILE);
        let path = folder.path().join("logweir.yaml");
        fs::write(&path, files.next().unwrap_or_default()).unwrap();
        let fragment = folder.path().join("logweir.d/more.yaml");
        fs::write(fragment, files.next().unwrap_or_default()).unwrap();
        match Loaded::load(&path) {
            Ok(loaded) => is_understood(&loaded),
            Err(errors) => {
                assert!(!errors.errors().is_empty(), "refused without a word");
                errors.errors().iter().for_each(has_its_place);
                let page = errors.render(false);
                assert!(is_safe(&page), "{page:?}");
            }
        }
    });
}

fn is_understood(loaded: &Loaded) {
    loaded.warnings().iter().for_each(has_its_place);
    assert!(is_safe(&loaded.render_warnings(false)));
    for source in &loaded.plan.sources {
        for pointer in ["", "/a", "/a/0", "/~0~1", "//"] {
            let issue = loaded.issue(&source.name, pointer, "wrong");
            assert!(issue.position().is_some(), "{pointer}");
            has_its_place(&issue);
        }
    }
}

/// What is marked is in the file, and is text. A mark between two characters has its position and no text.
fn has_its_place(issue: &ConfigDiagnostic) {
    for label in issue.labels().into_iter().flatten() {
        assert!(issue.position().is_some());
        if label.is_empty() {
            continue;
        }
        let source = issue.source_code().unwrap();
        let marked = source.read_span(label.inner(), 0, 0).unwrap();
        std::str::from_utf8(marked.data()).unwrap();
    }
}

/// Nothing in it acts on a terminal.
fn is_safe(page: &str) -> bool {
    page.lines().all(|line| !line.contains(char::is_control))
}
