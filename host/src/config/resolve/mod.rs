//! From what was typed to what it means: defaults, ranges, and everything that one part says about another.

mod credentials;
mod inputs;
mod ledger;
mod output;
mod source;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::inputs::Inputs;
use self::output::ResolvedOutput;
pub(super) use self::output::canonical;
use super::expand::Template;
use super::mistake::Mistake;
use super::node::{Entry, Node, Place};
use super::plan::{LogPlan, OutputEntry, Plan, SourcePlan};
use super::raw::{RawFile, RawSource, ReloadMode};
use crate::gate::Share;

/// Longest name of a source or output: it becomes part of file names.
const NAME_LENGTH_MAX: usize = 63;

/// Nobody has the memory for more sources that are read at the same time.
const READERS_MAX: u32 = 10_000;

/// Keys that only the main file may have.
const MAIN_FILE_KEYS: [&str; 9] = [
    "state",
    "log",
    "budget",
    "readers",
    "dead_letter",
    "ledger",
    "audit",
    "listen",
    "reload",
];

/// Keys whose time has not come.
const LATER_KEYS: [(&str, &str); 1] = [(
    "transforms",
    "there are no transforms yet; outputs take records as their sources send them",
)];

/// One file: its tree, and what could be typed of it.
pub(super) struct TypedFile<'a> {
    pub(super) root: &'a Node,
    pub(super) raw: Option<RawFile>,
}

/// What the surroundings say.
pub(super) struct Surroundings<'a> {
    /// Where relative paths start, in all files.
    pub(super) base: &'a Path,
    /// `$STATE_DIRECTORY`, which systemd sets.
    pub(super) state_directory: Option<&'a OsStr>,
    /// What templates made, which is among the files already.
    pub(super) templates: &'a [Template],
    /// Of each file but the main one, the folder that its secrets are below.
    pub(super) folders: &'a [PathBuf],
}

impl Surroundings<'_> {
    /// The folder that secrets named at this place are below; none for the main file, the first.
    fn folder_of(&self, place: Place) -> Option<&Path> {
        let before = place.file.checked_sub(1)?;
        // What is not known is below no folder.
        Some(
            self.folders
                .get(before)
                .map_or(Path::new(""), PathBuf::as_path),
        )
    }
}

/// What was found wrong, and what somebody should look at.
#[derive(Default)]
pub(super) struct Found {
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Mistake>,
}

/// Decides what a configuration means. Where there are mistakes, the plan lacks what they are about.
pub(super) fn resolve(
    files: &mut [TypedFile<'_>],
    around: &Surroundings<'_>,
    found: &mut Found,
) -> Plan {
    refuse_misplaced_keys(files, found);
    let state = state_folder(files, around);
    let dead_letter = dead_letter_file(files, around, &state);
    let log = log_plan(files);
    let share = default_share(files);
    let (ledger, audit) = ledger::resolve(files, found);
    let listen = listen_address(files, found);
    let readers = readers(files, found);
    let reload = reload_mode(files);

    let source_entries = named_entries(files, "sources", "source", found);
    let mut raw_sources = take_raw_sources(files);
    let sources: Vec<SourcePlan> = source_entries
        .iter()
        .filter_map(|entry| {
            let raw = raw_sources.remove(&entry.key)?;
            let source = source::resolve(entry, raw, around, found);
            Some(SourcePlan {
                share: source.share.or(share),
                ..source
            })
        })
        .collect();

    let template_entries = named_entries(files, "templates", "template", found);
    inputs::check_names(&template_entries, &source_entries, found);
    let inputs = Inputs::of(&source_entries, around.templates);
    let output_entries = named_entries(files, "outputs", "output", found);
    let outputs: Vec<_> = output_entries
        .iter()
        .map(|entry| output::resolve(entry, &inputs, around.base, found))
        .collect();

    inputs::check(&source_entries, &inputs, &outputs, found);
    check_writers(&outputs, &dead_letter, found);
    check_presence(files, &source_entries, &output_entries, found);
    Plan {
        sources,
        outputs: outputs
            .into_iter()
            .filter_map(ResolvedOutput::into_entry)
            .collect(),
        state,
        log,
        dead_letter,
        ledger,
        audit,
        listen,
        readers,
        reload,
    }
}

/// The value, if it is in the range. Else a mistake, and the default.
fn within<T: PartialOrd + Copy + fmt::Display>(
    typed: Option<T>,
    default: T,
    range: RangeInclusive<T>,
    place: Place,
    found: &mut Found,
) -> T {
    let value = typed.unwrap_or(default);
    if range.contains(&value) {
        return value;
    }
    let message = format!(
        "{value} is not between {} and {}",
        range.start(),
        range.end()
    );
    found.mistakes.push(Mistake::at(place, message));
    default
}

fn refuse_misplaced_keys(files: &[TypedFile<'_>], found: &mut Found) {
    for (index, file) in files.iter().enumerate() {
        for (key, why) in LATER_KEYS {
            if let Some(entry) = file.root.entry(key) {
                let mistake = Mistake::at(entry.key_place, why).label("not supported yet");
                found.mistakes.push(mistake);
            }
        }
        let misplaced = MAIN_FILE_KEYS.iter().filter_map(|key| file.root.entry(key));
        for entry in misplaced.filter(|_| index > 0) {
            let message = format!("`{}` belongs in the main file alone", entry.key);
            let mistake = Mistake::at(entry.key_place, message);
            found
                .mistakes
                .push(mistake.help("files in `logweir.d` add sources and outputs"));
        }
    }
}

fn state_folder(files: &mut [TypedFile<'_>], around: &Surroundings<'_>) -> PathBuf {
    let main = files.first_mut().and_then(|file| file.raw.as_mut());
    if let Some(typed) = main.and_then(|raw| raw.state.take()) {
        return around.base.join(typed);
    }
    // systemd separates several folders by colons; the first is the unit's own.
    let given = around.state_directory.map(Path::new).and_then(Path::to_str);
    match given.and_then(|folders| folders.split(':').next()) {
        Some(folder) if !folder.is_empty() => around.base.join(folder),
        _ => around.base.join(".logweir"),
    }
}

fn dead_letter_file(
    files: &mut [TypedFile<'_>],
    around: &Surroundings<'_>,
    state: &Path,
) -> PathBuf {
    let main = files.first_mut().and_then(|file| file.raw.as_mut());
    let typed = main
        .and_then(|raw| raw.dead_letter.take())
        .and_then(|raw| raw.path);
    typed.map_or_else(
        || state.join("dead-letter.ndjson"),
        |path| around.base.join(path),
    )
}

fn log_plan(files: &mut [TypedFile<'_>]) -> LogPlan {
    let main = files.first_mut().and_then(|file| file.raw.as_mut());
    let raw = main.and_then(|raw| raw.log.take()).unwrap_or_default();
    LogPlan {
        format: raw.format.unwrap_or_default(),
        level: raw.level.unwrap_or_default(),
    }
}

/// The share of limits on requests for sources that say none.
fn default_share(files: &mut [TypedFile<'_>]) -> Option<Share> {
    let main = files.first_mut()?.raw.as_mut()?;
    Some(main.budget.take()?.share?.0)
}

fn reload_mode(files: &mut [TypedFile<'_>]) -> ReloadMode {
    let main = files.first_mut().and_then(|file| file.raw.as_mut());
    let typed = main.and_then(|raw| raw.reload.take());
    typed.unwrap_or_default()
}

fn listen_address(files: &mut [TypedFile<'_>], found: &mut Found) -> Option<SocketAddr> {
    let main = files.first_mut()?;
    let address = main.raw.as_mut()?.listen.take()?.0;
    if !address.ip().is_loopback() {
        let place = main.root.entry("listen").map(|entry| entry.value.place);
        let message =
            "whoever reaches this address can read health and metrics: names, counts, errors";
        let warning = place.map(|place| Mistake::at(place, message));
        found.warnings.extend(warning);
    }
    Some(address)
}

/// How many sources are read at the same time.
fn readers(files: &mut [TypedFile<'_>], found: &mut Found) -> Option<usize> {
    let main = files.first_mut()?;
    let typed = main.raw.as_mut()?.readers.take()?;
    let place = main.root.place_of_pointer("/readers");
    let readers = within(Some(typed), 1, 1..=READERS_MAX, place, found);
    usize::try_from(readers).ok()
}

/// The entries under a key of all files, each name once.
fn named_entries<'a>(
    files: &[TypedFile<'a>],
    key: &str,
    noun: &str,
    found: &mut Found,
) -> Vec<&'a Entry> {
    let mut seen: HashMap<&str, Place> = HashMap::new();
    let mut entries = Vec::new();
    for file in files {
        for entry in file.root.get(key).map_or(&[][..], Node::entries) {
            if !is_name(&entry.key) {
                let mistake = Mistake::at(
                    entry.key_place,
                    format!("`{}` can't be the name of a {noun}", entry.key),
                );
                found.mistakes.push(mistake.help(
                    "a name is made of lower-case letters, digits, `-` and `_`, does not begin with `-` or `_`, and has at most 63 characters",
                ));
            }
            if let Some(first) = seen.get(entry.key.as_str()) {
                let message = format!("there are two {noun}s with the name `{}`", entry.key);
                let mistake = Mistake::at(entry.key_place, message).label("again here");
                found
                    .mistakes
                    .push(mistake.elsewhere(*first, "the first one"));
            } else {
                seen.insert(&entry.key, entry.key_place);
                entries.push(entry);
            }
        }
    }
    entries
}

fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_LENGTH_MAX
        && name.bytes().next().is_some_and(letter)
        && name
            .bytes()
            .all(|byte| letter(byte) || matches!(byte, b'-' | b'_'))
}

/// What could be typed of all sources. Of two with one name the first counts.
fn take_raw_sources(files: &mut [TypedFile<'_>]) -> BTreeMap<String, RawSource> {
    let raws = files.iter_mut().rev().filter_map(|file| file.raw.as_mut());
    raws.filter_map(|raw| raw.sources.take())
        .flatten()
        .collect()
}

/// One writer per file (two would tear each other's lines).
fn check_writers(outputs: &[ResolvedOutput<'_>], dead_letter: &Path, found: &mut Found) {
    let dead_letter = output::canonical(dead_letter);
    let mut writers: HashMap<&Path, (&str, Place)> = HashMap::new();
    for output in outputs {
        let Some((place, files)) = output.files() else {
            continue;
        };
        if files.contains(&dead_letter) {
            let message = format!(
                "`{}` writes into the file of records that can't be delivered",
                output.name()
            );
            found.mistakes.push(Mistake::at(place, message));
        }
        for file in files {
            let other = *writers.entry(file).or_insert((output.name(), place));
            if other.1 != place {
                let message = format!(
                    "`{}` and `{}` write into one file: {}",
                    other.0,
                    output.name(),
                    file.display()
                );
                let mistake = Mistake::at(place, message).label("also here");
                found
                    .mistakes
                    .push(mistake.elsewhere(other.1, "the other one"));
                break;
            }
        }
    }
}

/// Something must be read, and go somewhere.
fn check_presence(
    files: &[TypedFile<'_>],
    sources: &[&Entry],
    outputs: &[&Entry],
    found: &mut Found,
) {
    let has = |key| files.iter().any(|file| file.root.entry(key).is_some());
    let help = "`logweir connect` asks what is needed and writes it down";
    if !has("sources") && !has("outputs") && found.mistakes.is_empty() {
        let mistake = Mistake::general("nothing is configured: there is no source and no output");
        found.mistakes.push(mistake.help(help));
        return;
    }
    // A mistyped key is reported as such; that nothing stands under the right one is its consequence.
    let is_clear = found.mistakes.is_empty();
    if sources.is_empty() && is_clear {
        found
            .mistakes
            .push(Mistake::general("there is no source").help(help));
    }
    if outputs.is_empty() && is_clear {
        let mistake = Mistake::general("there is no output: records would go nowhere");
        found.mistakes.push(
            mistake.help(
                "the smallest one is `outputs: { screen: { type: console, inputs: [NAME] } }`",
            ),
        );
    }
}

impl ResolvedOutput<'_> {
    fn into_entry(self) -> Option<OutputEntry> {
        let inputs = self.inputs.into_iter().flatten();
        let inputs = inputs.map(|(name, _)| Arc::from(name)).collect();
        self.plan.map(|plan| OutputEntry {
            name: self.entry.key.as_str().into(),
            inputs,
            queue: self.queue,
            plan,
        })
    }
}
