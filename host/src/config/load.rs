//! Finds the files, reads them, and keeps them for whatever turns out to be wrong later.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::de;
use super::diagnostic::{ConfigDiagnostic, ConfigErrors, render};
use super::document::Document;
use super::mistake::Mistake;
use super::node::{Entry, Node, NodeValue, Place};
use super::plan::Plan;
use super::resolve::{Found, Surroundings, TypedFile, resolve};
use super::yaml;

/// The folder beside the main file whose files are read too.
pub(super) const FRAGMENTS: &str = "logweir.d";

/// Nobody writes more than this; whatever is bigger is another file.
const FILE_BYTES_MAX: usize = 16 << 20;

/// A configuration that was read and makes sense.
pub struct Loaded {
    /// What it means.
    pub plan: Plan,
    warnings: Vec<ConfigDiagnostic>,
    documents: Vec<Document>,
    roots: Vec<Node>,
}

impl Loaded {
    /// Reads a configuration and the files of the folder `logweir.d` beside it. Offline: no secret is looked up, and
    /// nothing is connected to. Relative paths in any of the files start from the folder of the main one.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let state_directory = std::env::var_os("STATE_DIRECTORY");
        load_in(path, state_directory.as_deref())
    }

    /// What somebody should look at, although it works.
    pub fn warnings(&self) -> &[ConfigDiagnostic] {
        &self.warnings
    }

    /// A page with the warnings; empty when there is none.
    pub fn render_warnings(&self, color: bool) -> String {
        if self.warnings.is_empty() {
            return String::new();
        }
        render(&self.warnings, "warning", color)
    }

    /// The files that were read, as they are called in errors.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.documents.iter().map(|document| document.name.as_str())
    }

    /// Something that a plugin or its schema finds wrong. `pointer` is a JSON pointer (RFC 6901) into the source's
    /// `config`; where it leads to nothing that was typed, the closest thing around it is shown.
    pub fn issue(&self, source: &str, pointer: &str, message: &str) -> ConfigDiagnostic {
        self.issue_at("sources", source, &format!("/config{pointer}"), message)
    }

    /// Something wrong elsewhere in a source. `pointer` starts at the source: `/credentials/api_token`.
    pub fn source_issue(&self, source: &str, pointer: &str, message: &str) -> ConfigDiagnostic {
        self.issue_at("sources", source, pointer, message)
    }

    /// Something wrong in an output. `pointer` starts at the output: `/path`.
    pub fn output_issue(&self, output: &str, pointer: &str, message: &str) -> ConfigDiagnostic {
        self.issue_at("outputs", output, pointer, message)
    }

    fn issue_at(
        &self,
        section: &str,
        name: &str,
        pointer: &str,
        message: &str,
    ) -> ConfigDiagnostic {
        let mut sections = self.roots.iter().filter_map(|root| root.get(section));
        let mistake = match sections.find_map(|section| section.entry(name)) {
            Some(entry) => Mistake::at(place_in(entry, pointer), message),
            None => Mistake::general(format!("{name}: {message}")),
        };
        ConfigDiagnostic::error(mistake, &self.documents)
    }
}

fn place_in(entry: &Entry, pointer: &str) -> Place {
    entry.value.place_of_pointer(pointer)
}

fn load_in(path: &Path, state_directory: Option<&OsStr>) -> Result<Loaded, ConfigErrors> {
    let mut found = Found::default();
    let texts = read_files(path, &mut found);
    let (documents, roots) = parse_files(texts, &mut found);
    let base = base_folder(path);
    let around = Surroundings {
        base: &base,
        state_directory,
    };
    let plan = plan(&roots, &around, &mut found);
    let Found { mistakes, warnings } = found;
    match plan {
        Some(plan) if mistakes.is_empty() => Ok(Loaded {
            plan,
            warnings: diagnostics(warnings, |mistake| {
                ConfigDiagnostic::warning(mistake, &documents)
            }),
            documents,
            roots: roots.into_iter().flatten().collect(),
        }),
        _ => Err(ConfigErrors::new(diagnostics(mistakes, |mistake| {
            ConfigDiagnostic::error(mistake, &documents)
        }))),
    }
}

/// In the order of the files, each once: what an alias stands for is looked at wherever it is put in.
fn diagnostics(
    mut mistakes: Vec<Mistake>,
    show: impl Fn(Mistake) -> ConfigDiagnostic,
) -> Vec<ConfigDiagnostic> {
    mistakes.sort_by_key(|mistake| mistake.place.map(|place| (place.file, place.offset)));
    mistakes.dedup();
    mistakes.into_iter().map(show).collect()
}

/// What the files mean together. A file that could not be parsed may hold what others refer to: then nothing can be
/// said about them together, but each is still looked at by itself.
fn plan(roots: &[Option<Node>], around: &Surroundings<'_>, found: &mut Found) -> Option<Plan> {
    let mut files = Vec::with_capacity(roots.len());
    for root in roots.iter().flatten() {
        let is_empty = matches!(root.value, NodeValue::Null);
        let raw = if is_empty {
            None
        } else {
            de::read_as(root, &mut found.mistakes)
        };
        files.push(TypedFile { root, raw });
    }
    let is_whole = !roots.is_empty() && files.len() == roots.len();
    is_whole.then(|| resolve(&mut files, around, found))
}

fn parse_files(
    texts: Vec<(String, String)>,
    found: &mut Found,
) -> (Vec<Document>, Vec<Option<Node>>) {
    let mut documents = Vec::with_capacity(texts.len());
    let mut roots = Vec::with_capacity(texts.len());
    for (file, (name, text)) in texts.into_iter().enumerate() {
        let mistakes_before = found.mistakes.len();
        let root = yaml::read(&text, file, &mut found.mistakes);
        let is_whole = found.mistakes.len() == mistakes_before;
        documents.push(Document::new(name, &text, root.as_ref(), is_whole));
        roots.push(root);
    }
    (documents, roots)
}

/// Where relative paths start: the folder of the main file.
fn base_folder(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.parent().map_or(absolute.clone(), Path::to_owned)
}

/// The names and texts of the main file and of its fragments, in the order of their names.
fn read_files(path: &Path, found: &mut Found) -> Vec<(String, String)> {
    let Some(main) = read_file(path, found) else {
        return Vec::new();
    };
    let mut texts = vec![main];
    let folder = path.with_file_name(FRAGMENTS);
    match fragments(&folder) {
        Ok(paths) => texts.extend(paths.iter().filter_map(|path| read_file(path, found))),
        Err(error) => {
            let message = format!("can't list the folder {}: {error}", folder.display());
            found.mistakes.push(Mistake::general(message));
        }
    }
    texts
}

fn fragments(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !folder.try_exists()? {
        return Ok(Vec::new());
    }
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder)?.collect();
    let mut paths: Vec<_> = entries?.iter().map(std::fs::DirEntry::path).collect();
    paths.retain(|path| {
        let extension = path.extension().and_then(OsStr::to_str);
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        // Editors leave their hidden copies.
        matches!(extension, Some("yaml" | "yml")) && !name.starts_with('.')
    });
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path, found: &mut Found) -> Option<(String, String)> {
    let name = path.display().to_string();
    let mistake = match std::fs::read(path) {
        Ok(bytes) if bytes.len() > FILE_BYTES_MAX => Mistake::general(format!(
            "{name} is bigger than 16 MiB: it can't be a configuration"
        )),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Some((name, text)),
            Err(error) => {
                let offset = error.utf8_error().valid_up_to();
                Mistake::general(format!("{name} is not UTF-8 text (at byte {offset})"))
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Mistake::general(format!("there is no {name}"))
                .help("`logweir connect` makes one; `--config FILE` names another")
        }
        Err(error) => Mistake::general(format!("can't read {name}: {error}")),
    };
    found.mistakes.push(mistake);
    None
}

#[cfg(test)]
mod tests;
