//! Which schemas are believed to end.
//!
//! A plugin brings the JSON Schema of its configuration, and whoever validates with it does as much work as the schema is
//! large once every reference in it is written out. Three kilobytes can stand for more than any machine gets through: each
//! of thirty definitions refers to the next one twice. So the size is counted before anything else looks at a schema: in
//! steps that one value takes, references followed, down to a depth of the value that is checked. Counting is cheap: what
//! was counted once is known.
//!
//! Only a part of JSON Schema is counted and thereby allowed: references are `#` or a JSON pointer behind it. Names that a
//! schema gives itself (`$id`, `$anchor`) and references that depend on the way to them would need all of a validator's
//! care to be followed, and no configuration needs them.

use std::collections::HashMap;

use serde_json::Value;

/// Steps that one value may take. A schema as it is written by people has a few hundred.
const SIZE_MAX: u64 = 20_000;
/// References and schemas within each other: a validator calls itself for each.
const NESTING_MAX: u32 = 256;

/// Checks that validating a value that is `depth` levels deep with this schema ends soon, or says in a few words why not.
pub fn check_schema_size(schema: &Value, depth: usize) -> Result<(), String> {
    let mut count = Count {
        root: schema,
        known: HashMap::new(),
        nesting: 0,
    };
    let measured = count.schema(schema, depth)?;
    within(measured).map(drop)
}

/// What a schema comes to.
#[derive(Debug, Clone, Copy)]
struct Measure {
    size: u64,
    nesting: u32,
}

impl Measure {
    const ONE: Self = Self {
        size: 1,
        nesting: 0,
    };

    fn and(self, other: Self) -> Self {
        Self {
            size: self.size.saturating_add(other.size),
            nesting: self.nesting.max(other.nesting),
        }
    }
}

fn within(measured: Measure) -> Result<Measure, String> {
    if measured.size > SIZE_MAX {
        return Err(format!(
            "has more than {SIZE_MAX} parts when its references are written out"
        ));
    }
    if measured.nesting > NESTING_MAX {
        return Err(format!("is nested more than {NESTING_MAX} times"));
    }
    Ok(measured)
}

struct Count<'a> {
    root: &'a Value,
    /// By where a reference leads and how deep the value may go on: `None` while it is being counted.
    known: HashMap<(&'a str, usize), Option<Measure>>,
    nesting: u32,
}

impl<'a> Count<'a> {
    /// What a schema comes to for a value that goes on for `depth` levels.
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Result<Measure, String> {
        let Value::Object(keywords) = schema else {
            return self.parts(schema, depth);
        };
        self.nesting += 1;
        within(Measure {
            nesting: self.nesting,
            ..Measure::ONE
        })?;
        let mut whole = Measure::ONE;
        for (keyword, value) in keywords {
            whole = within(whole.and(self.keyword(keyword, value, depth)?))?;
        }
        self.nesting -= 1;
        within(Measure {
            nesting: whole.nesting + 1,
            ..whole
        })
    }

    fn keyword(
        &mut self,
        keyword: &str,
        value: &'a Value,
        depth: usize,
    ) -> Result<Measure, String> {
        let is_root = self.nesting == 1;
        match (keyword, value) {
            // Counted where a reference leads there, or plain values.
            ("$defs" | "definitions" | "const" | "enum" | "default" | "examples", _) => {
                Ok(Measure::ONE)
            }
            ("$ref", Value::String(reference)) => self.reference(reference, depth),
            ("$dynamicRef" | "$recursiveRef" | "$dynamicAnchor" | "$anchor", _) => {
                Err(format!("uses `{keyword}`, which is not understood here"))
            }
            ("$id" | "id", Value::String(_)) if !is_root => {
                Err(format!("uses `{keyword}` in a part of itself"))
            }
            ("properties" | "patternProperties", Value::Object(named)) => match depth {
                0 => Ok(Measure::ONE),
                _ => self.all(named.values(), depth - 1),
            },
            ("dependentSchemas" | "dependencies", Value::Object(named)) => {
                self.all(named.values(), depth)
            }
            (
                "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames"
                | "items"
                | "prefixItems"
                | "additionalItems"
                | "unevaluatedItems"
                | "contains"
                | "contentSchema",
                value,
            ) => match depth {
                0 => Ok(Measure::ONE),
                _ => self.parts(value, depth - 1),
            },
            (_, value) => self.parts(value, depth),
        }
    }

    /// A schema, a list of them, or a plain value.
    fn parts(&mut self, value: &'a Value, depth: usize) -> Result<Measure, String> {
        match value {
            Value::Object(_) => self.schema(value, depth),
            Value::Array(items) => self.all(items, depth),
            _ => Ok(Measure::ONE),
        }
    }

    fn all(
        &mut self,
        schemas: impl IntoIterator<Item = &'a Value>,
        depth: usize,
    ) -> Result<Measure, String> {
        let mut whole = Measure::ONE;
        for schema in schemas {
            whole = within(whole.and(self.parts(schema, depth)?))?;
        }
        Ok(whole)
    }

    fn reference(&mut self, reference: &'a str, depth: usize) -> Result<Measure, String> {
        let unknown = || format!("refers to {reference:?}, which is no place in itself");
        let is_plain = !reference.contains('%');
        let pointer = reference.strip_prefix('#').filter(|_| is_plain);
        let pointer = pointer.ok_or_else(unknown)?;
        match self.known.get(&(pointer, depth)) {
            Some(Some(measured)) => return Ok(*measured),
            Some(None) => {
                return Err(format!("leads back to {reference:?} without an end"));
            }
            None => {}
        }
        let target = self.root.pointer(pointer).ok_or_else(unknown)?;
        self.known.insert((pointer, depth), None);
        let measured = self.schema(target, depth)?;
        self.known.insert((pointer, depth), Some(measured));
        Ok(measured)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Definitions, each of which refers to the next one this often.
    fn doubling(definitions: usize, times: usize) -> Value {
        let mut all = serde_json::Map::new();
        for number in 0..definitions {
            let next = json!({ "$ref": format!("#/$defs/d{}", number + 1) });
            all.insert(format!("d{number}"), json!({ "allOf": vec![next; times] }));
        }
        all.insert(format!("d{definitions}"), json!({ "type": "object" }));
        json!({ "$ref": "#/$defs/d0", "$defs": all })
    }

    fn refused(schema: &Value) -> String {
        check_schema_size(schema, 4).unwrap_err()
    }

    #[test]
    fn trust_15_a_schema_is_as_large_as_it_is_written_out() {
        assert_eq!(check_schema_size(&doubling(10, 2), 4), Ok(()));
        assert!(refused(&doubling(20, 2)).contains("more than 20000 parts"));
        let bomb = doubling(60, 2);
        assert!(bomb.to_string().len() < 5_000);
        assert!(refused(&bomb).contains("more than 20000 parts"));
        assert!(refused(&doubling(70, 1_000)).contains("more than 20000 parts"));
    }

    #[test]
    fn trust_15_a_chain_of_references_is_no_deeper_than_a_stack() {
        assert_eq!(check_schema_size(&doubling(100, 1), 4), Ok(()));
        assert!(refused(&doubling(2_000, 1)).contains("nested more than 256 times"));
        // What is known already is as deep as it was.
        let mut known = doubling(135, 1);
        known.as_object_mut().unwrap().remove("$ref");
        known["allOf"] = json!([{ "$ref": "#/$defs/d68" }, { "$ref": "#/$defs/d0" }]);
        assert!(refused(&known).contains("nested more than 256 times"));
    }

    #[test]
    fn a_schema_that_goes_down_with_the_value_is_as_large_as_the_value_is_deep() {
        let filter = json!({
            "properties": { "all": { "items": { "$ref": "#" } }, "any": { "items": { "$ref": "#" } } }
        });
        assert_eq!(check_schema_size(&filter, 6), Ok(()));
        assert!(check_schema_size(&filter, 64).is_err());
        let wide =
            json!({ "additionalProperties": { "anyOf": vec![json!({ "$ref": "#" }); 300] } });
        assert_eq!(check_schema_size(&wide, 1), Ok(()));
        assert!(check_schema_size(&wide, 3).is_err());
    }

    #[test]
    fn a_schema_that_leads_back_to_itself_at_the_same_place_is_refused() {
        for schema in [
            json!({ "$ref": "#" }),
            json!({ "allOf": [{ "$ref": "#" }, { "$ref": "#" }] }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "not": { "$ref": "#/$defs/a" } } } }),
        ] {
            assert!(refused(&schema).contains("without an end"), "{schema}");
        }
    }

    #[test]
    fn what_could_hide_a_reference_is_refused() {
        for schema in [
            json!({ "$ref": "https://json-schema.org/draft/2020-12/schema" }),
            json!({ "$ref": "#name" }),
            json!({ "$ref": "#/$defs/%61", "$defs": { "a": {} } }),
            json!({ "$ref": "#/nowhere" }),
            json!({ "$dynamicRef": "#a" }),
            json!({ "allOf": [{ "$recursiveRef": "#" }] }),
            json!({ "properties": { "a": { "$id": "https://x.example/a" } } }),
        ] {
            assert!(check_schema_size(&schema, 4).is_err(), "{schema}");
        }
    }

    #[test]
    fn keys_of_a_configuration_may_have_any_name() {
        let keys = ["$ref", "id", "$anchor", "definitions", "enum", "const"];
        let properties: serde_json::Map<_, _> = keys
            .iter()
            .map(|key| ((*key).to_owned(), json!({ "type": "string" })))
            .collect();
        assert_eq!(
            check_schema_size(&json!({ "properties": properties }), 4),
            Ok(())
        );
        let bomb = doubling(60, 2);
        let hidden =
            json!({ "properties": { "enum": bomb["$defs"]["d0"] }, "$defs": bomb["$defs"] });
        assert!(refused(&hidden).contains("more than 20000 parts"));
    }
}
