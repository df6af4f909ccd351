//! One output: what all of them have, and what its type has.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use super::inputs::Inputs;
use super::{Found, within};
use crate::config::de::{read_as, read_beside};
use crate::config::mistake::Mistake;
use crate::config::node::{Entry, Node, NodeValue, Place};
use crate::config::plan::QueuePlan;
use crate::config::raw::{OUTPUT_KEYS, OutputType, RawOutput, RawQueue};
use crate::output::{ConsoleConfig, FileConfig, OptionError, OutputPlan};
use crate::units::ByteSize;

/// What could be decided about an output.
pub(super) struct ResolvedOutput<'a> {
    pub(super) entry: &'a Entry,
    /// The names of sources, and where they stand; nothing if they could not be read.
    pub(super) inputs: Option<Vec<(&'a str, Place)>>,
    pub(super) queue: QueuePlan,
    pub(super) plan: Option<OutputPlan>,
    /// The files it writes to, and where they are named.
    files: Option<(Place, Vec<PathBuf>)>,
}

impl<'a> ResolvedOutput<'a> {
    pub(super) fn name(&self) -> &'a str {
        &self.entry.key
    }

    pub(super) fn inputs(&self) -> impl Iterator<Item = (&'a str, Place)> {
        self.inputs.iter().flatten().copied()
    }

    /// The files it writes to, and where they are named.
    pub(super) fn files(&self) -> Option<(Place, &[PathBuf])> {
        let (place, files) = self.files.as_ref()?;
        Some((*place, files))
    }
}

/// Decides what an output means, apart from whether its inputs exist.
pub(super) fn resolve<'a>(
    entry: &'a Entry,
    known: &Inputs<'a>,
    base: &Path,
    found: &mut Found,
) -> ResolvedOutput<'a> {
    let mut resolved = ResolvedOutput {
        entry,
        inputs: None,
        queue: QueuePlan::default(),
        plan: None,
        files: None,
    };
    if !matches!(entry.value.value, NodeValue::Map(_)) {
        let message = format!("expected a map of keys, found {}", entry.value.describe());
        found.mistakes.push(Mistake::at(entry.value.place, message));
        return resolved;
    }
    let common = entry.value.filtered(|key| OUTPUT_KEYS.contains(&key));
    let raw: Option<RawOutput> = read_as(&common, &mut found.mistakes);
    refuse_conditions(&entry.value, found);
    resolved.inputs = inputs(entry, known, found);
    let typed = raw
        .as_ref()
        .map(|raw| raw.r#type)
        .or_else(|| type_of(&entry.value));
    let raw_queue = raw.and_then(|raw| raw.queue).unwrap_or_default();
    resolved.queue = queue(&entry.value, &raw_queue, found);
    let own = entry.value.filtered(|key| !OUTPUT_KEYS.contains(&key));
    match typed {
        Some(OutputType::File) => resolve_file(&mut resolved, &own, base, found),
        Some(OutputType::Console) => {
            let config: Option<ConsoleConfig> =
                read_beside(&own, &OUTPUT_KEYS, &mut found.mistakes);
            let plan = config.map(|config| config.plan());
            resolved.plan = plan
                .and_then(|plan| planned(plan, &own, found))
                .map(OutputPlan::Console);
        }
        None => {}
    }
    resolved
}

/// The type alone, for an output that something else of what all have is wrong with.
fn type_of(output: &Node) -> Option<OutputType> {
    read_as(output.get("type")?, &mut Vec::new())
}

fn resolve_file(resolved: &mut ResolvedOutput<'_>, own: &Node, base: &Path, found: &mut Found) {
    let config: Option<FileConfig> = read_beside(own, &OUTPUT_KEYS, &mut found.mistakes);
    let Some(config) = config else { return };
    let files = files_of(&config.path, resolved.inputs(), base);
    resolved.files = Some((own.place_of_pointer("/path"), files));
    resolved.plan = planned(config.plan(base), own, found).map(OutputPlan::File);
}

fn planned<T>(plan: Result<T, OptionError>, own: &Node, found: &mut Found) -> Option<T> {
    plan.map_err(|error| {
        let place = own.place_of_pointer(&format!("/{}", error.key));
        found.mistakes.push(Mistake::at(place, error.message));
    })
    .ok()
}

fn refuse_conditions(output: &Node, found: &mut Found) {
    if let Some(entry) = output.entry("when") {
        let message = "there are no conditions yet; an output takes all records of its inputs";
        let mistake = Mistake::at(entry.key_place, message);
        found.mistakes.push(mistake.label("not supported yet"));
    }
}

/// The inputs, unless something among them is no text, which is said elsewhere. A template stands for its sources.
fn inputs<'a>(
    entry: &'a Entry,
    known: &Inputs<'a>,
    found: &mut Found,
) -> Option<Vec<(&'a str, Place)>> {
    let typed = entry.value.entry("inputs")?;
    let NodeValue::List(items) = &typed.value.value else {
        return None;
    };
    if items.is_empty() {
        let mistake = Mistake::at(typed.key_place, format!("`{}` has no inputs", entry.key));
        found
            .mistakes
            .push(mistake.help("name the sources whose records go here"));
    }
    let mut seen = HashSet::new();
    let mut inputs = Vec::with_capacity(items.len());
    for item in items {
        for name in known.meant_by(item.text()?) {
            if seen.insert(name) {
                inputs.push((name, item.place));
            } else {
                found
                    .mistakes
                    .push(Mistake::at(item.place, format!("`{name}` is named twice")));
            }
        }
    }
    Some(inputs)
}

fn queue(output: &Node, raw: &RawQueue, found: &mut Found) -> QueuePlan {
    let default = QueuePlan::default();
    let place = |key: &str| output.place_of_pointer(&format!("/queue/{key}"));
    let sizes = ByteSize(64 << 10)..=ByteSize(1 << 40);
    QueuePlan {
        bytes: within(
            raw.bytes,
            ByteSize(default.bytes),
            sizes,
            place("bytes"),
            found,
        )
        .0,
        records: within(
            raw.records,
            default.records,
            1..=1_000_000_000,
            place("records"),
            found,
        ),
    }
}

fn files_of<'a>(
    path: &str,
    inputs: impl Iterator<Item = (&'a str, Place)>,
    base: &Path,
) -> Vec<PathBuf> {
    let mut files: Vec<_> = inputs
        .map(|(source, _)| canonical(&base.join(path.replace("{source}", source))))
        .collect();
    files.dedup();
    files
}

/// The one name of a file, also of one that is not there yet: links that exist are followed.
pub(in crate::config) fn canonical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    let real = clean.ancestors().find_map(|existing| {
        let real = existing.canonicalize().ok()?;
        let rest = clean.strip_prefix(existing).ok()?;
        // Joined with nothing it would get a slash behind it.
        Some(match rest.as_os_str().is_empty() {
            true => real,
            false => real.join(rest),
        })
    });
    real.unwrap_or(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_17_a_file_has_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("logs")).unwrap();
        std::os::unix::fs::symlink("logs", real.join("link")).unwrap();
        for name in [
            "logs/a.ndjson",
            "link/a.ndjson",
            "./logs/../logs//a.ndjson",
            "none/../link/a.ndjson",
        ] {
            assert_eq!(
                canonical(&real.join(name)),
                real.join("logs/a.ndjson"),
                "{name}"
            );
        }
        assert_eq!(canonical(&real.join("x/../y/b")), real.join("y/b"));
    }
}
