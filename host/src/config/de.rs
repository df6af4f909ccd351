//! From the tree to types, through serde, with all mistakes at once.
//!
//! serde stops at the first mistake. So a mistake is noted with its place, what it is about is left out, and the same
//! is read again, until nothing is left to complain about. What is only missing because it was left out is no mistake.

use std::collections::HashSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::mistake::{Mistake, suggestion};
use super::node::{Entry, Node, NodeValue, Place};

/// Nobody reads more than this many at once, and each costs another pass.
const MISTAKES_MAX: usize = 100;

/// Reads a value. What it returns lacks whatever there were mistakes in.
pub(super) fn read_as<'a, T: Deserialize<'a>>(
    node: &'a Node,
    mistakes: &mut Vec<Mistake>,
) -> Option<T> {
    read_beside(node, &[], mistakes)
}

/// The same, where `also` are keys that were taken out before, for suggestions.
pub(super) fn read_beside<'a, T: Deserialize<'a>>(
    node: &'a Node,
    also: &[&str],
    mistakes: &mut Vec<Mistake>,
) -> Option<T> {
    let mut left_out = HashSet::new();
    for _ in 0..MISTAKES_MAX {
        let reader = NodeReader {
            node,
            left_out: &left_out,
        };
        let fault = match T::deserialize(reader) {
            Ok(value) => return Some(value),
            Err(fault) => fault,
        };
        let about = fault.about.unwrap_or_else(|| identity(node));
        if !fault.is_consequence {
            mistakes.push(fault.into_mistake(node.place, also));
        }
        if about == identity(node) || !left_out.insert(about) {
            return None;
        }
    }
    None
}

/// Which node it is, as long as the tree is not moved.
fn identity(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

/// Why serde gave up.
#[derive(Debug)]
pub(super) struct Fault {
    kind: FaultKind,
    place: Option<Place>,
    about: Option<usize>,
    is_consequence: bool,
}

#[derive(Debug)]
enum FaultKind {
    Other(String),
    WrongType {
        expected: String,
        found: &'static str,
    },
    UnknownKey {
        key: String,
        known: &'static [&'static str],
    },
    UnknownWord {
        word: String,
        known: &'static [&'static str],
    },
    MissingKey(&'static str),
}

impl Fault {
    fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            place: None,
            about: None,
            is_consequence: false,
        }
    }

    /// Notes where it happened, unless something further in has.
    fn or_at(mut self, place: Place, node: &Node, left_out: &HashSet<usize>) -> Self {
        if self.about.is_some() {
            return self;
        }
        self.place = Some(place);
        self.about = Some(identity(node));
        match &mut self.kind {
            FaultKind::WrongType { found, .. } => *found = node.describe(),
            FaultKind::MissingKey(key) => {
                let entry = node.entry(key);
                self.is_consequence =
                    entry.is_some_and(|entry| left_out.contains(&identity(&entry.value)));
            }
            _ => {}
        }
        self
    }

    fn into_mistake(self, around: Place, also: &[&str]) -> Mistake {
        let place = self.place.unwrap_or(around);
        match self.kind {
            FaultKind::Other(message) => Mistake::at(place, message),
            FaultKind::WrongType { expected, found } => {
                let mistake = Mistake::at(place, format!("expected {expected}, found {found}"));
                let is_scalar = found.contains("number") || found == "true or false";
                let quotable = expected == "text" && is_scalar;
                mistake
                    .maybe_help(quotable.then(|| "write it in quotes to make it text".to_owned()))
            }
            FaultKind::UnknownKey { key, known } => {
                let known: Vec<_> = known.iter().chain(also).copied().collect();
                let mistake =
                    Mistake::at(place, format!("unknown key `{key}`")).label("not a key here");
                mistake.maybe_help(suggestion(&key, &known, "the keys here are"))
            }
            FaultKind::UnknownWord { word, known } => {
                let mistake = Mistake::at(place, format!("`{word}` is not possible here"));
                mistake.maybe_help(suggestion(&word, known, "one of"))
            }
            FaultKind::MissingKey(key) => Mistake::at(place, format!("the key `{key}` is missing"))
                .label("belongs in here")
                .maybe_help(example(key).map(str::to_owned)),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(FaultKind::Other(message.to_string()))
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(FaultKind::WrongType {
            expected: for_people(&expected.to_string()),
            found: "something else",
        })
    }

    fn invalid_value(unexpected: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(FaultKind::UnknownKey {
            key: field.to_owned(),
            known: expected,
        })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(FaultKind::UnknownWord {
            word: variant.to_owned(),
            known: expected,
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(FaultKind::MissingKey(field))
    }
}

/// What to write for a key that is missing, where its name alone does not say it.
fn example(key: &str) -> Option<&'static str> {
    match key {
        "inputs" => Some("name the sources whose records it gets: `inputs: [acme]`"),
        "plugin" => Some("name what reads it: `logweir plugin list` shows what is built in"),
        _ => None,
    }
}

/// serde's names of types, in the words of somebody who writes YAML.
fn for_people(expected: &str) -> String {
    let words = match expected {
        "a string" | "path string" | "a borrowed string" => "text",
        "a sequence" => "a list",
        "a map" => "a map of keys",
        "a boolean" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number",
        "f64" => "a number",
        _ if expected.starts_with("struct ") => "a map of keys",
        _ if expected.starts_with("enum ") => "a word",
        other => other,
    };
    words.to_owned()
}

#[derive(Clone, Copy)]
struct NodeReader<'a, 's> {
    node: &'a Node,
    left_out: &'s HashSet<usize>,
}

impl<'a> NodeReader<'a, '_> {
    fn visit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            // Files are read where secrets are, and nowhere else.
            NodeValue::Null | NodeValue::File(_) => visitor.visit_unit(),
            NodeValue::Bool(value) => visitor.visit_bool(*value),
            NodeValue::Unsigned(value) => visitor.visit_u64(*value),
            NodeValue::Signed(value) => visitor.visit_i64(*value),
            NodeValue::Float(value) => visitor.visit_f64(*value),
            NodeValue::Text(value) => visitor.visit_borrowed_str(value),
            NodeValue::List(items) => visitor.visit_seq(Items {
                items: items.iter(),
                left_out: self.left_out,
            }),
            NodeValue::Map(entries) => visitor.visit_map(Entries {
                entries: entries.iter(),
                current: None,
                left_out: self.left_out,
            }),
        }
    }

    fn located<T>(self, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|fault| fault.or_at(self.node.place, self.node, self.left_out))
    }
}

impl<'de> Deserializer<'de> for NodeReader<'de, '_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.located(self.visit(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            NodeValue::Null => visitor.visit_none(),
            _ => self.located(visitor.visit_some(self)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.located(visitor.visit_newtype_struct(self))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Some(word) = self.node.text() else {
            return self.deserialize_any(visitor);
        };
        let word: StrDeserializer<'_, Fault> = word.into_deserializer();
        self.located(visitor.visit_enum(word))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

struct Items<'a, 's> {
    items: std::slice::Iter<'a, Node>,
    left_out: &'s HashSet<usize>,
}

impl<'a> SeqAccess<'a> for Items<'a, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let left_out = self.left_out;
        let next = self.items.find(|item| !left_out.contains(&identity(item)));
        next.map(|node| seed.deserialize(NodeReader { node, left_out }))
            .transpose()
    }
}

struct Entries<'a, 's> {
    entries: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
    left_out: &'s HashSet<usize>,
}

impl<'a> MapAccess<'a> for Entries<'a, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let left_out = self.left_out;
        self.current = self
            .entries
            .find(|entry| !left_out.contains(&identity(&entry.value)));
        let Some(entry) = self.current else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, Fault> = entry.key.as_str().into_deserializer();
        let key = seed.deserialize(key);
        key.map(Some)
            .map_err(|fault| fault.or_at(entry.key_place, &entry.value, left_out))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let entry = self.current.take();
        let entry = entry.ok_or_else(|| de::Error::custom("a value without its key"))?;
        seed.deserialize(NodeReader {
            node: &entry.value,
            left_out: self.left_out,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::config::yaml;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Colour {
        #[default]
        Red,
        Green,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Thing {
        name: String,
        count: Option<u32>,
        #[serde(default)]
        colour: Colour,
        #[serde(default)]
        tags: Vec<String>,
    }

    fn read(text: &str) -> (Option<BTreeMap<String, Thing>>, Vec<String>) {
        let mut mistakes = Vec::new();
        let node = yaml::read(text, 0, &mut mistakes).unwrap();
        let things = read_as(&node, &mut mistakes);
        let told = mistakes.into_iter().map(|mistake| {
            let place = mistake.place.unwrap();
            let at = text.get(place.offset..place.offset + place.length).unwrap();
            format!(
                "{at} | {} | {}",
                mistake.message,
                mistake.help.unwrap_or_default()
            )
        });
        (things, told.collect())
    }

    #[test]
    fn a_good_value_is_read_in_one_go() {
        let (things, mistakes) =
            read("a: {name: x, count: 3, colour: green, tags: [p]}\nb: {name: y, count: ~}\n");
        assert_eq!(mistakes, [""; 0]);
        let things = things.unwrap();
        assert_eq!(things["a"].colour, Colour::Green);
        assert_eq!(things["b"].count, None);
    }

    #[test]
    fn all_mistakes_come_at_once_each_with_its_place() {
        let (things, mistakes) = read(
            "a: {name: 7, cuont: 3, colour: gren, tags: [p, [q], r]}\nb: text\nc: {count: -1}\nd: {name: fine}\n",
        );
        insta::assert_snapshot!(mistakes.join("\n"), @r"
        7 | expected text, found a number | write it in quotes to make it text
        cuont | unknown key `cuont` | did you mean `count`?
        gren | `gren` is not possible here | did you mean `green`?
        [ | expected text, found a list | 
        text | expected a map of keys, found text | 
        -1 | expected a whole number, found a negative number | 
        c | the key `name` is missing |
        ");
        assert_eq!(things.unwrap().into_keys().collect::<Vec<_>>(), ["d"]);
    }
}
