//! Templates: many sources that differ in little.
//!
//! A template has the settings of a source and a list of sources; each entry of the list says what differs, and is laid
//! over the template: maps key by key, everything else replaced. What comes out is a source like any other, and whatever
//! is wrong with it is shown where it was typed, in the template or in the list.
//!
//! This happens to trees, before anything in them means something: no text is put together, so nothing that stands in a
//! list can become structure, and a reference to a secret stays the whole value that it was. Where the secrets of a
//! template are files of one folder ([`RawTemplate::credential_files`]), the path of each is a value of its own
//! ([`NodeValue::File`]) and is never written down as text.
//!
//! Whoever writes a list decides where the template's credentials are sent, as `domain` is what differs. It has no other
//! power than a file of `logweir.d`: no commands, and secret files below its own folder alone (trust rule 18).

use std::collections::HashMap;
use std::path::Path;

use super::de;
use super::mistake::Mistake;
use super::node::{Entry, Node, NodeValue, Place};
use super::raw::{RawTemplate, TEMPLATE_KEYS};

/// The templates of a configuration, and the sources that they make.
#[derive(Default)]
pub(super) struct Expanded {
    /// A tree like that of a file, with the sources of all templates.
    pub(super) root: Option<Node>,
    /// The names of each template's sources.
    pub(super) templates: Vec<Template>,
}

/// A template by what it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) sources: Vec<String>,
}

/// Where lists come from.
pub(super) trait Lists {
    /// Reads and parses the list that is named at this place, or says at that place why it can't.
    fn read(&mut self, path: &Path, named_at: Place, mistakes: &mut Vec<Mistake>) -> Option<Node>;
}

/// Makes the sources of all templates.
pub(super) fn expand<'a>(
    roots: impl Iterator<Item = &'a Node>,
    lists: &mut impl Lists,
    mistakes: &mut Vec<Mistake>,
) -> Expanded {
    let mut expanded = Expanded::default();
    let mut sources = Vec::new();
    let mut place = None;
    for entry in roots
        .filter_map(|root| root.get("templates"))
        .flat_map(Node::entries)
    {
        place = place.or(Some(entry.key_place));
        let made = one(entry, lists, mistakes).unwrap_or_default();
        expanded.templates.push(Template {
            name: entry.key.clone(),
            place: entry.key_place,
            sources: made.iter().map(|source| source.key.clone()).collect(),
        });
        sources.extend(made);
    }
    expanded.root = place.map(|place| {
        let section = Entry {
            key: "sources".to_owned(),
            key_place: place,
            value: map(sources, place),
        };
        map(vec![section], place)
    });
    expanded
}

/// The sources of one template.
fn one(
    template: &Entry,
    lists: &mut impl Lists,
    mistakes: &mut Vec<Mistake>,
) -> Option<Vec<Entry>> {
    let node = &template.value;
    if !matches!(node.value, NodeValue::Map(_)) {
        let message = format!("expected a map of keys, found {}", node.describe());
        mistakes.push(Mistake::at(node.place, message));
        return None;
    }
    let own = node.filtered(|key| TEMPLATE_KEYS.contains(&key));
    let raw: RawTemplate = de::read_as(&own, mistakes)?;
    if raw.each.is_none() && own.entry("each").is_some() {
        return None;
    }
    let Some(listed) = node.entry("sources") else {
        let mistake = Mistake::at(
            template.key_place,
            format!("the template `{}` has no `sources`", template.key),
        );
        let help = "`sources:` is a map from each name to what differs, or a file with such a map";
        mistakes.push(mistake.label("belongs in here").help(help));
        return None;
    };
    let read;
    let list = match listed.value.text() {
        Some(path) => {
            read = lists.read(Path::new(path), listed.value.place, mistakes)?;
            &read
        }
        None => &listed.value,
    };
    if !matches!(&list.value, NodeValue::Map(entries) if !entries.is_empty()) {
        let message = match &list.value {
            NodeValue::Map(_) | NodeValue::Null => "there is no source in this list".to_owned(),
            _ => format!("expected a map of sources, found {}", list.describe()),
        };
        let mistake = Mistake::at(listed.key_place, message);
        mistakes.push(mistake.help("write a line for each: `name: { config: { … } }`"));
        return None;
    }
    let common = Common {
        settings: node.filtered(|key| !TEMPLATE_KEYS.contains(&key)),
        each: node.entry("each").zip(raw.each.as_deref()),
        folders: folders(node.get("credential_files"), &raw),
    };
    let sources = list.entries().iter();
    Some(
        sources
            .filter_map(|entry| common.source(entry, mistakes))
            .collect(),
    )
}

/// What the sources of one template have in common.
struct Common<'a> {
    settings: Node,
    /// The key of `config` that a plain value stands for.
    each: Option<(&'a Entry, &'a str)>,
    /// By kind of credential, the folder with a file for each source, and where that was typed.
    folders: Vec<(&'a str, &'a Path, Place)>,
}

impl Common<'_> {
    /// A source that differs like this.
    fn source(&self, differs: &Entry, mistakes: &mut Vec<Mistake>) -> Option<Entry> {
        let mut source = self.settings.clone();
        for (kind, folder, place) in &self.folders {
            let file = Node {
                value: NodeValue::File(folder.join(&differs.key)),
                place: *place,
            };
            let credential = map(vec![entry(kind, *place, file)], *place);
            source = laid_over(
                &source,
                &map(vec![entry("credentials", *place, credential)], *place),
            );
        }
        let value = &differs.value;
        let over = match (&value.value, self.each) {
            (NodeValue::Map(_), _) => value.clone(),
            (NodeValue::Null, _) => map(Vec::new(), value.place),
            (NodeValue::List(_), _) | (_, None) => {
                let message = format!("expected a map of keys, found {}", value.describe());
                let help = "`each: KEY` in the template says which key of `config` a plain value stands for";
                mistakes.push(Mistake::at(value.place, message).help(help));
                return None;
            }
            (_, Some((_, key))) => {
                let config = map(vec![entry(key, value.place, value.clone())], value.place);
                map(vec![entry("config", value.place, config)], value.place)
            }
        };
        Some(Entry {
            key: differs.key.clone(),
            key_place: differs.key_place,
            value: laid_over(&source, &over),
        })
    }
}

fn folders<'a>(typed: Option<&Node>, raw: &'a RawTemplate) -> Vec<(&'a str, &'a Path, Place)> {
    let folders = raw.credential_files.iter().flatten();
    let placed = folders.filter_map(|(kind, folder)| {
        let place = typed?.get(kind)?.place;
        Some((kind.as_str(), folder.as_path(), place))
    });
    placed.collect()
}

/// One tree over another: of two maps the keys of both, else the upper one. What is taken from either keeps its place.
fn laid_over(lower: &Node, upper: &Node) -> Node {
    let (NodeValue::Map(below), NodeValue::Map(above)) = (&lower.value, &upper.value) else {
        return upper.clone();
    };
    let mut upper_entries: HashMap<&str, &Entry> = HashMap::with_capacity(above.len());
    upper_entries.extend(above.iter().map(|entry| (entry.key.as_str(), entry)));
    let mut entries = Vec::with_capacity(below.len() + above.len());
    for entry in below {
        entries.push(match upper_entries.remove(entry.key.as_str()) {
            Some(over) => Entry {
                value: laid_over(&entry.value, &over.value),
                ..over.clone()
            },
            None => entry.clone(),
        });
    }
    let rest = above.iter();
    let rest = rest.filter(|entry| upper_entries.contains_key(entry.key.as_str()));
    entries.extend(rest.cloned());
    map(entries, upper.place)
}

fn map(entries: Vec<Entry>, place: Place) -> Node {
    Node {
        value: NodeValue::Map(entries),
        place,
    }
}

fn entry(key: &str, place: Place, value: Node) -> Entry {
    Entry {
        key: key.to_owned(),
        key_place: place,
        value,
    }
}

#[cfg(test)]
#[path = "expand_tests.rs"]
mod tests;
