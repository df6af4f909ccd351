//! Finds the files, reads them, and keeps them for whatever turns out to be wrong later.

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::de;
use super::diagnostic::{ConfigDiagnostic, ConfigErrors, render};
use super::document::Document;
use super::expand::{self, Expanded, Lists, Template};
use super::mistake::Mistake;
use super::node::{Entry, Node, NodeValue, Place};
use super::plan::Plan;
use super::raw::{RawFile, TEMPLATE_KEYS};
use super::resolve::{Found, Surroundings, TypedFile, resolve};
use super::yaml;
use crate::secret::is_below;

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
    templates: Vec<Template>,
}

/// A configuration with something wrong in it.
pub struct Flawed {
    /// What is wrong.
    pub errors: ConfigErrors,
    /// What the rest means, for whoever looks for more mistakes; nothing if that can't be said.
    pub rest: Option<Box<Loaded>>,
}

impl Loaded {
    /// Reads a configuration and the files of the folder `logweir.d` beside it. Offline: no secret is looked up, and
    /// nothing is connected to. Relative paths in any of the files start from the folder of the main one.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::load_or_rest(path).map_err(|flawed| flawed.errors)
    }

    /// The same, and of one with something wrong in it what the rest means.
    pub fn load_or_rest(path: &Path) -> Result<Self, Flawed> {
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

    /// The templates, and how many sources each of them makes.
    pub fn templates(&self) -> impl Iterator<Item = (&str, usize)> {
        let templates = self.templates.iter();
        templates.map(|template| (template.name.as_str(), template.sources.len()))
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

    /// Something wrong with a setting at the top level.
    pub fn setting_issue(&self, key: &str, message: &str) -> ConfigDiagnostic {
        let entry = self.roots.iter().find_map(|root| root.entry(key));
        let mistake = match entry {
            Some(entry) => Mistake::at(entry.key_place, message),
            None => Mistake::general(message),
        };
        ConfigDiagnostic::error(mistake, &self.documents)
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

/// A number that is another one after a file of a configuration was changed, added or removed. `read` are those that
/// were read of it when it was read last: the lists of templates may be anywhere. It reads no file, and takes one look at
/// each.
pub fn stamp(path: &Path, read: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut files = fragments(&path.with_file_name(FRAGMENTS)).unwrap_or_default();
    files.push(path.to_owned());
    files.extend_from_slice(read);
    files.sort();
    files.dedup();
    for file in files {
        let seen = std::fs::metadata(&file).ok().map(|seen| {
            let written = (seen.mtime(), seen.mtime_nsec());
            (seen.dev(), seen.ino(), seen.len(), written)
        });
        (file, seen).hash(&mut hasher);
    }
    hasher.finish()
}

fn place_in(entry: &Entry, pointer: &str) -> Place {
    entry.value.place_of_pointer(pointer)
}

fn load_in(path: &Path, state_directory: Option<&OsStr>) -> Result<Loaded, Flawed> {
    let mut found = Found::default();
    let texts = read_files(path, &mut found);
    let base = base_folder(path);
    // All but the main file are in that folder.
    let mut folders = vec![base.join(FRAGMENTS); texts.len().saturating_sub(1)];
    let (mut documents, roots) = parse_files(texts, &mut found);
    let mut lists = ListFiles {
        main: path,
        base: &base,
        documents: &mut documents,
        folders: &mut folders,
    };
    let expanded = expand::expand(roots.iter().flatten(), &mut lists, &mut found.mistakes);
    let around = Surroundings {
        base: &base,
        state_directory,
        templates: &expanded.templates,
        folders: &folders,
    };
    let plan = plan(&roots, &expanded, &around, &mut found);
    let Found { mistakes, warnings } = found;
    let is_flawed = plan.is_none() || !mistakes.is_empty();
    let errors = diagnostics(mistakes, |mistake| {
        ConfigDiagnostic::error(mistake, &documents)
    });
    let files = documents
        .iter()
        .map(|document| PathBuf::from(&document.name));
    let errors = ConfigErrors::new(errors).of(files.collect());
    let loaded = plan.map(|plan| Loaded {
        plan,
        warnings: diagnostics(warnings, |mistake| {
            ConfigDiagnostic::warning(mistake, &documents)
        }),
        documents,
        roots: roots.into_iter().flatten().chain(expanded.root).collect(),
        templates: expanded.templates,
    });
    match loaded {
        Some(loaded) if !is_flawed => Ok(loaded),
        rest => Err(Flawed {
            errors,
            rest: rest.map(Box::new),
        }),
    }
}

/// In the order of the files, each once: what an alias or a template stands for is looked at wherever it is put in.
fn diagnostics(
    mut mistakes: Vec<Mistake>,
    show: impl Fn(Mistake) -> ConfigDiagnostic,
) -> Vec<ConfigDiagnostic> {
    let offset = |mistake: &Mistake| mistake.place.map(|place| (place.file, place.offset));
    mistakes.sort_by_key(offset);
    let mut once: Vec<Mistake> = Vec::with_capacity(mistakes.len());
    for mistake in mistakes {
        let here = once.iter().rev();
        let mut here = here.take_while(|other| offset(other) == offset(&mistake));
        if !here.any(|other| *other == mistake) {
            once.push(mistake);
        }
    }
    once.into_iter().map(show).collect()
}

/// What the files mean together. A file that could not be parsed may hold what others refer to: then nothing can be
/// said about them together, but each is still looked at by itself.
fn plan(
    roots: &[Option<Node>],
    expanded: &Expanded,
    around: &Surroundings<'_>,
    found: &mut Found,
) -> Option<Plan> {
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
    files.extend(expanded.root.as_ref().map(|root| made_of(root, found)));
    is_whole.then(|| resolve(&mut files, around, found))
}

/// The sources of templates as a file. Each is typed by itself: what is wrong with a template is wrong with all of them,
/// and would leave no room for what is wrong with one.
fn made_of<'a>(root: &'a Node, found: &mut Found) -> TypedFile<'a> {
    let entries = root.get("sources").map_or(&[][..], Node::entries).iter();
    let typed = entries.filter_map(|entry| {
        let source = de::read_beside(&entry.value, &TEMPLATE_KEYS, &mut found.mistakes)?;
        Some((entry.key.clone(), source))
    });
    let raw = RawFile {
        sources: Some(typed.collect()),
        ..RawFile::default()
    };
    TypedFile {
        root,
        raw: Some(raw),
    }
}

/// The lists of templates, which are files too: their places are in errors like those of all others.
struct ListFiles<'a> {
    main: &'a Path,
    base: &'a Path,
    documents: &'a mut Vec<Document>,
    /// Of each file but the main one, the folder that its secrets and lists are below.
    folders: &'a mut Vec<PathBuf>,
}

impl Lists for ListFiles<'_> {
    fn read(&mut self, path: &Path, named_at: Place, mistakes: &mut Vec<Mistake>) -> Option<Node> {
        let absolute = self.base.join(path);
        let before = named_at.file.checked_sub(1);
        let allowed = before.and_then(|before| self.folders.get(before));
        if allowed.is_some_and(|folder| !is_below(&absolute, folder)) {
            let message = "a file of `logweir.d` names lists below that folder only";
            mistakes.push(Mistake::at(named_at, message));
            return None;
        }
        let shown = self.main.with_file_name("").join(path);
        let (name, text) = match read_file(&shown) {
            Ok(read) => read,
            Err(mistake) => {
                mistakes.push(Mistake {
                    place: Some(named_at),
                    label: "named here",
                    help: None,
                    ..*mistake
                });
                return None;
            }
        };
        let file = self.documents.len();
        let before = mistakes.len();
        let root = yaml::read(&text, file, mistakes);
        let is_whole = mistakes.len() == before;
        self.documents
            .push(Document::new(name, &text, root.as_ref(), is_whole));
        let folder = absolute.parent().map(Path::to_owned);
        self.folders.push(folder.unwrap_or(absolute));
        root
    }
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
    let mut texts = Vec::new();
    let mut read = |path: &Path, found: &mut Found| match read_file(path) {
        Ok(text) => texts.push(text),
        Err(mistake) => found.mistakes.push(*mistake),
    };
    read(path, found);
    if !found.mistakes.is_empty() {
        return texts;
    }
    let folder = path.with_file_name(FRAGMENTS);
    match fragments(&folder) {
        Ok(paths) => paths.iter().for_each(|path| read(path, found)),
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

/// The name of a file and its text.
fn read_file(path: &Path) -> Result<(String, String), Box<Mistake>> {
    let name = path.display().to_string();
    let mistake = match std::fs::read(path) {
        Ok(bytes) if bytes.len() > FILE_BYTES_MAX => Mistake::general(format!(
            "{name} is bigger than 16 MiB: it can't be a configuration"
        )),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Ok((name, text)),
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
    Err(Box::new(mistake))
}

#[cfg(test)]
mod tests;
