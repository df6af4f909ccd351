//! YAML to a tree of places, once per file.
//!
//! Typing every value happens later and elsewhere (see [`super::de`]), so that one wrong value does not hide the next.
//! What is refused here is what makes a tree impossible or ambiguous: bad syntax, a key given twice, tags, numbers that
//! JSON can't hold, and aliases that expand beyond all measure.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, Spanned};

use super::mistake::Mistake;
use super::node::{Entry, Node, NodeValue, Place};

/// Reads one file. What is given twice is reported and left out, so that the rest can be looked at.
pub(super) fn read(text: &str, file: usize, mistakes: &mut Vec<Mistake>) -> Option<Node> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
        reject_unsupported_tags: true,
        // Somebody's number of 007 is a name, and 1_000 is not everybody's thousand.
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    match serde_saphyr::from_str_with_options::<Typed>(text, options) {
        Ok(typed) => Some(Builder { file, mistakes }.node(typed)),
        Err(error) => {
            mistakes.push(syntax_mistake(&error, text, file));
            None
        }
    }
}

/// A value as the parser hands it over.
struct Typed(Spanned<TypedValue>);

enum TypedValue {
    Scalar(NodeValue),
    List(Vec<Typed>),
    Map(Vec<(Spanned<String>, Typed)>),
}

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for TypedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = TypedValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<TypedValue, E> {
        Ok(TypedValue::Scalar(NodeValue::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<TypedValue, E> {
        self.visit_unit()
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<TypedValue, E> {
        Ok(TypedValue::Scalar(NodeValue::Bool(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<TypedValue, E> {
        let unsigned = u64::try_from(value).map(NodeValue::Unsigned);
        Ok(TypedValue::Scalar(
            unsigned.unwrap_or(NodeValue::Signed(value)),
        ))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<TypedValue, E> {
        Ok(TypedValue::Scalar(NodeValue::Unsigned(value)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<TypedValue, E> {
        if value.is_finite() {
            Ok(TypedValue::Scalar(NodeValue::Float(value)))
        } else {
            Err(E::custom("infinity and NaN are not numbers here"))
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<TypedValue, E> {
        Ok(TypedValue::Scalar(NodeValue::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<TypedValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(TypedValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<TypedValue, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(TypedValue::Map(map))
    }
}

/// Turns what the parser handed over into our tree.
struct Builder<'a> {
    file: usize,
    mistakes: &'a mut Vec<Mistake>,
}

impl Builder<'_> {
    fn node(&mut self, Typed(typed): Typed) -> Node {
        // Where an alias stands for something, a mistake in it is where it was typed.
        let place = self.place(&typed.defined);
        let value = match typed.value {
            TypedValue::Scalar(value) => value,
            TypedValue::List(items) => {
                NodeValue::List(items.into_iter().map(|item| self.node(item)).collect())
            }
            TypedValue::Map(entries) => NodeValue::Map(self.entries(entries)),
        };
        Node { value, place }
    }

    fn entries(&mut self, typed: Vec<(Spanned<String>, Typed)>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(typed.len());
        let mut seen = std::collections::HashMap::new();
        for (key, value) in typed {
            let key_place = self.place(&key.defined);
            if let Some(first) = seen.insert(key.value.clone(), key_place) {
                let message = format!("the key `{}` is given twice", key.value);
                let mistake = Mistake::at(key_place, message).label("again here");
                self.mistakes.push(mistake.elsewhere(first, "first here"));
                continue;
            }
            let mut value = self.node(value);
            if matches!(
                value.value,
                NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_)
            ) {
                value.place = key_place;
            }
            entries.push(Entry {
                key: key.value,
                key_place,
                value,
            });
        }
        entries
    }

    fn place(&self, location: &Location) -> Place {
        let span = location.span();
        Place {
            file: self.file,
            offset: to_usize(span.byte_offset().unwrap_or(0)),
            length: to_usize(span.byte_len().unwrap_or(0)),
        }
    }
}

fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn syntax_mistake(error: &Error, text: &str, file: usize) -> Mistake {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let place = place_in_text(&location, text, file);
    let said = error.without_snippet().to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let message = if said.starts_with("budget breached") {
        "this nests too deep, or grows beyond all measure when its aliases are put in"
    } else if said.starts_with("multiple YAML documents") {
        "there is more than one document in this file"
    } else {
        said
    };
    let help = syntax_help(message, line_of(text, place.offset));
    Mistake::at(place, format!("not valid YAML: {message}")).maybe_help(help)
}

/// Errors of the scanner have offsets in characters alone.
fn place_in_text(location: &Location, text: &str, file: usize) -> Place {
    let span = location.span();
    let offset = span.byte_offset().map(to_usize).unwrap_or_else(|| {
        let mut characters = text.char_indices().map(|(offset, _)| offset);
        characters
            .nth(to_usize(span.offset()))
            .unwrap_or(text.len())
    });
    Place {
        file,
        offset: offset.min(text.len()),
        length: 0,
    }
}

fn line_of(text: &str, offset: usize) -> &str {
    let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end = after
        .find('\n')
        .map_or(text.len(), |newline| offset + newline);
    text.get(start..end).unwrap_or_default()
}

fn syntax_help(message: &str, line: &str) -> Option<String> {
    let help = if message.contains("tabs") {
        "indent with spaces"
    } else if line.contains("${") && line.contains("{ ") {
        "inside `{ }` a reference must be quoted: \"${env:NAME}\""
    } else if message.contains("mapping values are not allowed") {
        "text with `: ` in it must be quoted"
    } else if message.contains("unexpected character: `@'")
        || message.contains("unexpected character: ``'")
    {
        "text that begins with `@` or a backtick must be quoted"
    } else if message.contains("more than one document") {
        "remove the `---`; more files go into the folder `logweir.d`"
    } else {
        return None;
    };
    Some(help.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_ok(text: &str) -> Node {
        let mut mistakes = Vec::new();
        let node = read(text, 0, &mut mistakes).unwrap();
        assert_eq!(mistakes, []);
        node
    }

    fn refused(text: &str) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let _node = read(text, 0, &mut mistakes);
        mistakes
    }

    #[test]
    fn scalars_mean_what_yaml_1_2_says() {
        let node = read_ok(
            "a: yes\nb: true\nc: 012\nd: 1.5\ne: ~\nf: '7'\ng: 60d\nh: -3\ni: [1, {j: k}]\n",
        );
        assert_eq!(
            node.to_json(),
            json!({"a": "yes", "b": true, "c": "012", "d": 1.5, "e": null, "f": "7", "g": "60d", "h": -3, "i": [1, {"j": "k"}]})
        );
    }

    #[test]
    fn places_are_bytes_of_the_text() {
        let text = "ä: ö\nmap:\n  list: [x, \"y\"]\n";
        let node = read_ok(text);
        let shown = |place: Place| text.get(place.offset..place.offset + place.length).unwrap();
        assert_eq!(shown(node.get("ä").unwrap().place), "ö");
        assert_eq!(shown(node.get("map").unwrap().place), "map");
        assert_eq!(shown(node.place_of_pointer("/map/list/1")), "\"y\"");
        assert_eq!(shown(node.place_of_pointer("/map/list/9")), "list");
        assert_eq!(shown(node.place_of_pointer("/map/other/deep")), "map");
        assert_eq!(shown(node.place_of_pointer("/ä")), "ä: ö");
    }

    #[test]
    fn aliases_and_merges_are_put_in() {
        let node = read_ok("a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\n");
        assert_eq!(node.get("b").unwrap().to_json(), json!({"x": 1, "y": 2}));
        assert_eq!(node.get("c").unwrap().get("y").unwrap().to_json(), json!(3));
        assert_eq!(node.get("c").unwrap().get("x").unwrap().to_json(), json!(1));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", vec![before; 10].join(", "));
        }
        let mistakes = refused(&text);
        assert_eq!(mistakes.len(), 1);
        assert!(
            mistakes[0].message.contains("beyond all measure"),
            "{mistakes:?}"
        );
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        for text in [
            "a: .inf",
            "a: .nan",
            "a: !foo x",
            "? [a]\n: b",
            &"[".repeat(10_000),
        ] {
            assert_eq!(refused(text).len(), 1, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*|[a-c:\\-\\[\\]{}&*!|>'\"%@ \n\t#,?]{0,60}") {
            let mut mistakes = Vec::new();
            let node = read(&text, 0, &mut mistakes);
            assert_eq!(node.is_none(), mistakes.iter().any(|mistake| mistake.message.starts_with("not valid YAML")));
        }
    }
}
