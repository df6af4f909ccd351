//! From files to plans or to a page of errors.

use tempfile::TempDir;

use super::*;

mod keys;
mod limits;
mod places;
mod plan;
mod routes;
mod secrets;
mod text;

/// A folder with some files in it; the first is the main one.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(FRAGMENTS)).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn load(folder: &TempDir) -> Result<Loaded, ConfigErrors> {
    load_in(&folder.path().join("logweir.yaml"), None).map_err(|flawed| flawed.errors)
}

fn redacted(folder: &TempDir, page: &str) -> String {
    page.replace(&format!("{}/", folder.path().display()), "")
}

/// The error page of some files.
fn page_of(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    match load(&folder) {
        Ok(_) => panic!("this was expected to be refused"),
        Err(errors) => redacted(&folder, &errors.render(false)),
    }
}

fn page(text: &str) -> String {
    page_of(&[("logweir.yaml", text)])
}

fn loaded(text: &str) -> (TempDir, Loaded) {
    let folder = folder(&[("logweir.yaml", text)]);
    let loaded = load(&folder)
        .map_err(|errors| errors.render(false))
        .unwrap();
    (folder, loaded)
}

const GOOD: &str = "\
sources:
  acme:
    plugin: audit
    config:
      domain: acme.example.com
      since: [1, 2.5, true]
    credentials:
      api_token: ${env:TOKEN}
outputs:
  archive: { type: file, inputs: [acme], path: \"logs/{source}.ndjson\" }
";
