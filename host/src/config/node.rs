//! What was typed, as a tree in which every key and value knows its place.

use std::path::PathBuf;

#[cfg(test)]
use serde_json::Value;

/// A stretch of one of the files that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Which file, in the order they were read.
    pub(super) file: usize,
    /// First byte.
    pub(super) offset: usize,
    /// Number of bytes.
    pub(super) length: usize,
}

impl Place {
    /// From the beginning of this place to the end of a later one in the same file.
    pub(super) fn to(self, end: Self) -> Self {
        let length = (end.offset + end.length).saturating_sub(self.offset);
        Self { length, ..self }
    }
}

/// One value. It has no `Debug`, since it may be a secret.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: NodeValue,
    /// Of a map, a list or nothing: the key in front of it.
    pub(super) place: Place,
}

/// What a value is.
#[derive(Clone)]
pub(super) enum NodeValue {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// The path of a file that holds a secret: nobody can type this, a template makes it (see [`super::expand`]).
    File(PathBuf),
}

/// A key and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) value: Node,
}

impl Entry {
    /// Both key and value.
    pub(super) fn place(&self) -> Place {
        let (key, value) = (self.key_place, self.value.place);
        if value.offset >= key.offset {
            key.to(value)
        } else {
            key
        }
    }
}

impl Node {
    /// The entries of a map; of anything else none.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            NodeValue::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry with this key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value with this key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The place of what a JSON pointer (RFC 6901) leads to, or of the closest thing around it that was typed.
    pub(super) fn place_of_pointer(&self, pointer: &str) -> Place {
        let mut place = self.place;
        let mut node = self;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            let found = match &node.value {
                NodeValue::Map(_) => node
                    .entry(&token)
                    .map(|entry| (entry.place(), &entry.value)),
                NodeValue::List(items) => token
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index))
                    .map(|item| (item.place, item)),
                _ => None,
            };
            let Some((next_place, next)) = found else {
                break;
            };
            (place, node) = (next_place, next);
        }
        place
    }

    /// Calls `visit` with every entry of every map below.
    pub(super) fn visit_entries<'a>(&'a self, visit: &mut dyn FnMut(&'a Entry)) {
        match &self.value {
            NodeValue::List(items) => items.iter().for_each(|item| item.visit_entries(visit)),
            NodeValue::Map(entries) => {
                for entry in entries {
                    visit(entry);
                    entry.value.visit_entries(visit);
                }
            }
            _ => {}
        }
    }

    /// Calls `visit` with every text below and the key in front of it, in order.
    pub(super) fn visit_texts<'a>(
        &'a self,
        key: &'a str,
        visit: &mut dyn FnMut(&'a str, &'a str, Place),
    ) {
        match &self.value {
            NodeValue::Text(text) => visit(key, text, self.place),
            NodeValue::List(items) => items.iter().for_each(|item| item.visit_texts(key, visit)),
            NodeValue::Map(entries) => entries
                .iter()
                .for_each(|entry| entry.value.visit_texts(&entry.key, visit)),
            _ => {}
        }
    }

    /// The same as JSON.
    #[cfg(test)]
    pub(super) fn to_json(&self) -> Value {
        match &self.value {
            NodeValue::Null | NodeValue::File(_) => Value::Null,
            NodeValue::Bool(value) => Value::from(*value),
            NodeValue::Unsigned(value) => Value::from(*value),
            NodeValue::Signed(value) => Value::from(*value),
            NodeValue::Float(value) => Value::from(*value),
            NodeValue::Text(value) => Value::from(value.as_str()),
            NodeValue::List(items) => items.iter().map(Self::to_json).collect(),
            NodeValue::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect(),
        }
    }

    /// A map of only those entries whose key passes.
    pub(super) fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        let entries = self.entries().iter();
        let kept = entries.filter(|entry| keep(&entry.key)).cloned().collect();
        Self {
            value: NodeValue::Map(kept),
            place: self.place,
        }
    }

    /// What this is, for people. Never the value itself: it may be a secret in the wrong place.
    pub(super) fn describe(&self) -> &'static str {
        match &self.value {
            NodeValue::Null => "nothing",
            NodeValue::Bool(_) => "true or false",
            NodeValue::Unsigned(_) => "a number",
            NodeValue::Signed(_) => "a negative number",
            NodeValue::Float(_) => "a number with a fraction",
            NodeValue::Text(_) => "text",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a map of keys",
            NodeValue::File(_) => "a file",
        }
    }
}
