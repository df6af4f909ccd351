//! What outputs may name as their inputs, and that all of it is there.

use std::collections::{HashMap, HashSet};

use super::Found;
use super::output::ResolvedOutput;
use crate::config::expand::Template;
use crate::config::mistake::{Mistake, closest};
use crate::config::node::Entry;

/// So many names are read by a person who looks for one.
const NAMES_LISTED_MAX: usize = 20;

/// What an output may name as its inputs: sources, and templates for all of theirs.
pub(super) struct Inputs<'a> {
    /// In the order in which they were typed.
    sources: Vec<&'a str>,
    /// What each name stands for.
    by_name: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> Inputs<'a> {
    pub(super) fn of(sources: &[&'a Entry], templates: &'a [Template]) -> Self {
        let of_template = |template: &'a Template| {
            let sources = template.sources.iter().map(String::as_str);
            (template.name.as_str(), sources.collect())
        };
        let sources: Vec<_> = sources.iter().map(|source| source.key.as_str()).collect();
        let mut by_name: HashMap<_, _> = templates.iter().map(of_template).collect();
        by_name.extend(sources.iter().map(|name| (*name, vec![*name])));
        Self { sources, by_name }
    }

    /// The sources that a name stands for; the name itself, if it stands for nothing.
    pub(super) fn meant_by(&self, name: &'a str) -> Vec<&'a str> {
        let known = self.by_name.get(name);
        known.cloned().unwrap_or_else(|| vec![name])
    }

    /// Whether a name stands for anything.
    pub(super) fn are_there(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Everything that may be named.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.by_name.keys().copied()
    }

    /// The sources, as far as anybody would read.
    pub(super) fn listed(&self) -> String {
        let beyond = self.sources.len().saturating_sub(NAMES_LISTED_MAX);
        let shown: Vec<_> = self
            .sources
            .iter()
            .copied()
            .take(NAMES_LISTED_MAX)
            .collect();
        match beyond {
            0 => shown.join(", "),
            _ => format!("{}, and {beyond} more", shown.join(", ")),
        }
    }
}

/// Outputs name both, so a name is that of one of them.
pub(super) fn check_names(templates: &[&Entry], sources: &[&Entry], found: &mut Found) {
    let names = sources.iter();
    let names = names.map(|source| (source.key.as_str(), source.key_place));
    let sources: HashMap<_, _> = names.collect();
    for template in templates {
        let Some(place) = sources.get(template.key.as_str()) else {
            continue;
        };
        let message = format!("`{}` is the name of a source too", template.key);
        let mistake = Mistake::at(template.key_place, message);
        let mistake = mistake.elsewhere(*place, "the source");
        let help = "outputs name both as their inputs: call one of them something else";
        found.mistakes.push(mistake.help(help));
    }
}

/// Every input is a source, and every source is read.
pub(super) fn check(
    sources: &[&Entry],
    inputs: &Inputs<'_>,
    outputs: &[ResolvedOutput<'_>],
    found: &mut Found,
) {
    for (input, place) in outputs.iter().flat_map(ResolvedOutput::inputs) {
        if inputs.are_there(input) {
            continue;
        }
        let help = match closest(input, inputs.names()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the sources are: {}", inputs.listed()),
        };
        found
            .mistakes
            .push(Mistake::at(place, format!("there is no source `{input}`")).help(help));
    }
    // What was meant by a mistake may be any of them.
    if outputs.is_empty() || outputs.iter().any(|output| output.inputs.is_none()) {
        return;
    }
    let read: HashSet<_> = outputs
        .iter()
        .flat_map(ResolvedOutput::inputs)
        .map(|(name, _)| name)
        .collect();
    for source in sources
        .iter()
        .filter(|source| !read.contains(source.key.as_str()))
    {
        let mistake = Mistake::at(
            source.key_place,
            format!("no output takes the records of `{}`", source.key),
        );
        found
            .mistakes
            .push(mistake.help(format!("add `{}` to the `inputs` of an output", source.key)));
    }
}
