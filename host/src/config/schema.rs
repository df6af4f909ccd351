//! The JSON Schema of a configuration, for editors.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::raw::{RawFile, RawOutput, RawTemplate};
use crate::output::{ConsoleConfig, FileConfig};

/// The JSON Schema (2020-12) of a configuration. `builtin` are the built-in plugins and the schemas of their own
/// configurations, so that an editor helps with these too.
pub fn schema(builtin: &[(&str, &str)]) -> Result<Value, serde_json::Error> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let output = outputs_schema(&mut generator);
    let template = object::<RawTemplate>(&mut generator);
    let mut root = generator.into_root_schema_for::<RawFile>().to_value();
    set(&mut root, "/title", json!("Logweir"));
    set(
        &mut root,
        "/properties/outputs/additionalProperties",
        output,
    );
    add_templates(&mut root, template);
    let mut hooks = Vec::with_capacity(builtin.len());
    for (name, config) in builtin {
        hooks.push(plugin_hook(name, &mut root, serde_json::from_str(config)?));
    }
    if !hooks.is_empty() {
        set(&mut root, "/$defs/Source/allOf", Value::from(hooks));
    }
    Ok(root)
}

/// An output is what all of them have, and what its type has.
fn outputs_schema(generator: &mut SchemaGenerator) -> Value {
    let common = object::<RawOutput>(generator);
    let types = [
        ("file", object::<FileConfig>(generator)),
        ("console", object::<ConsoleConfig>(generator)),
    ];
    let alternatives: Vec<_> = types
        .into_iter()
        .map(|(name, own)| one_output(name, &common, own))
        .collect();
    json!({"oneOf": alternatives})
}

/// A template has its own keys and those of a source, which its sources have too. What is missing in one may be in the
/// other, so nothing is required of either.
fn add_templates(root: &mut Value, own: Value) {
    let source = root.pointer("/$defs/Source").cloned().unwrap_or_default();
    let mut differing = source;
    if let Value::Object(differing) = &mut differing {
        differing.remove("required");
    }
    let description = "What differs from the template.";
    set(&mut differing, "/description", json!(description));
    let mut properties = properties_of(&differing);
    properties.extend(properties_of(&own));
    let mut template = own;
    set(&mut template, "/properties", Value::Object(properties));
    let one = json!({"anyOf": [{"$ref": "#/$defs/Difference"}, {"type": ["string", "number", "boolean", "null"]}]});
    let list = json!([{"type": "string"}, {"type": "object", "additionalProperties": one}]);
    let told = template.pointer("/properties/sources/description");
    let sources = json!({"description": told, "anyOf": list});
    set(&mut template, "/properties/sources", sources);
    set(&mut template, "/required", json!(["sources"]));
    set(root, "/$defs/Difference", differing);
    set(root, "/$defs/Template", template);
    let place = "/properties/templates/additionalProperties";
    set(root, place, json!({"$ref": "#/$defs/Template"}));
}

fn object<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).to_value()
}

fn one_output(name: &str, common: &Value, mut own: Value) -> Value {
    let mut properties = properties_of(common);
    properties.insert(
        "type".to_owned(),
        json!({"const": name, "description": "What sort of destination it is."}),
    );
    properties.extend(properties_of(&own));
    let required = [common, &own]
        .into_iter()
        .filter_map(|schema| schema.get("required"));
    let required: Vec<Value> = required
        .filter_map(Value::as_array)
        .flatten()
        .cloned()
        .collect();
    set(&mut own, "/properties", Value::Object(properties));
    set(&mut own, "/required", Value::from(required));
    own
}

fn properties_of(schema: &Value) -> Map<String, Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.cloned().unwrap_or_default()
}

/// "If the plugin is this one, then its configuration is like that." The plugin's schema moves into our definitions.
fn plugin_hook(name: &str, root: &mut Value, config: Value) -> Value {
    let definition = format!("plugin-{name}");
    let place = format!("#/$defs/{definition}");
    let mut config = rebase(config, &place);
    if let Value::Object(config) = &mut config {
        config.remove("$schema");
        config.remove("$id");
    }
    set(root, &format!("/$defs/{definition}"), config);
    json!({
        "if": {"properties": {"plugin": {"const": name}}, "required": ["plugin"]},
        "then": {"properties": {"config": {"$ref": place}}},
    })
}

/// A schema whose references to itself still hold after it was moved. (An `$id` would do by the standard, but not in
/// the editors.)
fn rebase(schema: Value, place: &str) -> Value {
    match schema {
        Value::Object(map) => map
            .into_iter()
            .map(
                |(key, value)| match value.as_str().and_then(|text| text.strip_prefix('#')) {
                    Some(rest) if key == "$ref" => (key, Value::from(format!("{place}{rest}"))),
                    _ => (key, rebase(value, place)),
                },
            )
            .collect(),
        Value::Array(items) => items.into_iter().map(|item| rebase(item, place)).collect(),
        other => other,
    }
}

/// Sets the value at a pointer; the object around it must be there.
fn set(root: &mut Value, pointer: &str, value: Value) {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        return;
    };
    if let Some(Value::Object(parent)) = root.pointer_mut(parent) {
        parent.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLUGIN: &str = r##"{
        "type": "object", "required": ["domain"], "additionalProperties": false,
        "properties": {"domain": {"$ref": "#/$defs/name"}}, "$defs": {"name": {"type": "string"}}
    }"##;

    fn accepts(config: &Value) -> bool {
        let schema = schema(&[("audit", PLUGIN)]).unwrap();
        jsonschema::validator_for(&schema).unwrap().is_valid(config)
    }

    fn with_source(source: Value) -> Value {
        json!({"sources": {"acme": source}, "outputs": {"o": {"type": "file", "inputs": ["acme"], "path": "a"}}})
    }

    #[test]
    fn what_can_be_loaded_is_accepted() {
        assert!(accepts(&with_source(
            json!({"plugin": "audit", "config": {"domain": "d"}})
        )));
        assert!(accepts(&with_source(
            json!({"plugin": {"path": "a.wasm"}, "config": {"anything": 1}})
        )));
        assert!(accepts(
            &json!({"outputs": {"o": {"type": "console", "inputs": ["a"], "queue": {"bytes": "1MiB"}}}})
        ));
    }

    #[test]
    fn templates_have_the_keys_of_sources_and_what_differs_has_them_too() {
        let with_template = |template: Value| accepts(&json!({"templates": {"all": template}}));
        let list = json!({"acme": {"config": {"domain": "d"}, "silence": "1h"}, "beta": "b", "gamma": null});
        assert!(with_template(json!({"plugin": "audit", "sources": list})));
        assert!(with_template(
            json!({"each": "domain", "credential_files": {"token": "tokens"}, "sources": "orgs.yaml"})
        ));
        assert!(!with_template(json!({"plugin": "audit"})));
        assert!(!with_template(json!({"sources": {}, "plugni": "audit"})));
        assert!(!with_template(
            json!({"sources": {"acme": {"plugni": "audit"}}})
        ));
    }

    #[test]
    fn our_own_names_of_types_are_not_shown() {
        assert!(
            !schema(&[("audit", PLUGIN)])
                .unwrap()
                .to_string()
                .contains("Raw")
        );
    }

    #[test]
    fn what_cannot_be_loaded_is_refused() {
        assert!(!accepts(&json!({"source": {}})));
        assert!(!accepts(&json!({"transforms": {}})));
        assert!(!accepts(&with_source(
            json!({"plugin": "audit", "config": {"domain": 7}})
        )));
        assert!(!accepts(&with_source(
            json!({"plugin": "audit", "config": {"domian": "d"}})
        )));
        assert!(!accepts(&with_source(
            json!({"plugin": "audit", "limits": {"memory": "64MB"}})
        )));
        assert!(!accepts(
            &json!({"outputs": {"o": {"type": "console", "inputs": ["a"], "path": "p"}}})
        ));
        assert!(!accepts(
            &json!({"outputs": {"o": {"type": "splunk", "inputs": ["a"]}}})
        ));
    }

    #[test]
    fn every_key_is_documented() {
        let schema = schema(&[]).unwrap();
        let mut bare = Vec::new();
        collect_bare_keys(&schema, "", &mut bare);
        assert_eq!(bare, [""; 0]);
    }

    fn collect_bare_keys(schema: &Value, path: &str, bare: &mut Vec<String>) {
        let Some(map) = schema.as_object() else {
            return;
        };
        for (key, value) in map {
            let path = format!("{path}/{key}");
            if key == "properties" {
                let keys = value.as_object().unwrap();
                bare.extend(
                    keys.iter()
                        .filter(|(_, v)| v.get("description").is_none())
                        .map(|(k, _)| format!("{path}/{k}")),
                );
            }
            value
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|item| collect_bare_keys(item, &path, bare));
            collect_bare_keys(value, &path, bare);
        }
    }
}
