//! A plugin's configuration against the JSON Schema that the plugin brought.

use std::collections::BTreeSet;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::Value;

use super::mistake::suggestion;
use crate::gate::check_schema_size;

/// Nobody corrects more at a time, and the plugin may have written a schema that finds one everywhere.
const ISSUES_MAX: usize = 64;
/// No schema is followed deeper into a configuration.
const DEPTH_MAX: usize = 64;

/// Everything that is wrong with a plugin's configuration: JSON pointers into it, and what is wrong there. A value that
/// was typed is never repeated: it may be a secret in the wrong place.
pub fn check_against_schema(schema: &str, config: &Value) -> Vec<(String, String)> {
    let schema: Value = match serde_json::from_str(schema) {
        Ok(schema) => schema,
        Err(error) => return vec![unusable(&error.to_string())],
    };
    if let Err(why) = check_schema_size(&schema, depth(config, DEPTH_MAX)) {
        return vec![unusable(&format!("it {why}"))];
    }
    // Without a retriever: a schema of somebody else's may not make us fetch anything.
    let validator = match jsonschema::validator_for(&schema) {
        Ok(validator) => validator,
        Err(error) => return vec![unusable(&error.to_string())],
    };
    issues(&validator, &schema, config)
}

fn unusable(why: &str) -> (String, String) {
    (
        String::new(),
        format!("the plugin's own schema can't be used: {why}"),
    )
}

fn issues(validator: &Validator, schema: &Value, config: &Value) -> Vec<(String, String)> {
    let mut issues = BTreeSet::new();
    for error in validator.iter_errors(config).take(ISSUES_MAX) {
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let known = known_keys(schema, error.schema_path().as_str());
                let pointer = error.instance_path().as_str();
                issues.extend(
                    unexpected
                        .iter()
                        .take(ISSUES_MAX)
                        .map(|key| unknown_key(pointer, key, &known)),
                );
            }
            ValidationErrorKind::OneOfNotValid { context }
            | ValidationErrorKind::AnyOf { context } => {
                issues.insert(alternatives(&error, context));
            }
            ValidationErrorKind::OneOfMultipleValid { context } => {
                issues.insert(too_many(schema, &error, context));
            }
            _ => {
                issues.insert((pointer_of(&error), message(&error)));
            }
        }
    }
    issues.into_iter().take(ISSUES_MAX).collect()
}

/// How many levels a value has below itself, `max` at most.
fn depth(value: &Value, max: usize) -> usize {
    if max == 0 {
        return 0;
    }
    let below = |inner: &Value| 1 + depth(inner, max - 1);
    match value {
        Value::Object(keys) => keys.values().map(below).max().unwrap_or(0),
        Value::Array(items) => items.iter().map(below).max().unwrap_or(0),
        _ => 0,
    }
}

fn pointer_of(error: &ValidationError<'_>) -> String {
    error.instance_path().as_str().to_owned()
}

fn unknown_key(pointer: &str, key: &str, known: &[&str]) -> (String, String) {
    let token = token(key);
    let message = match suggestion(key, known, "the keys here are") {
        Some(suggestion) => format!("unknown key `{key}`; {suggestion}"),
        None => format!("unknown key `{key}`"),
    };
    (format!("{pointer}/{token}"), message)
}

/// The keys that the object has in which the keyword at this path refused one.
fn known_keys<'a>(schema: &'a Value, keyword_path: &str) -> Vec<&'a str> {
    let object = keyword_path
        .rsplit_once('/')
        .map_or("", |(object, _)| object);
    let properties = schema
        .pointer(object)
        .and_then(|object| object.get("properties"));
    let keys = properties
        .and_then(Value::as_object)
        .map(|keys| keys.keys());
    keys.into_iter().flatten().map(String::as_str).collect()
}

fn message(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    let found = describe(error.instance());
    match error.kind() {
        Kind::Required { property } => format!("the key `{}` is missing", text_of(property)),
        Kind::Type { kind } => format!("expected {}, found {found}", expected_type(kind)),
        Kind::Enum { options } => format!("must be one of: {}", list(options)),
        Kind::Constant { expected_value } => {
            format!("only `{}` is possible", text_of(expected_value))
        }
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::UniqueItems => "has an item twice".to_owned(),
        Kind::Pattern { pattern } => format!("is not written as it should be (`{pattern}`)"),
        Kind::Format { format } => format!("is not a valid {format}"),
        Kind::OneOfNotValid { .. } | Kind::AnyOf { .. } => {
            "fits none of the alternatives".to_owned()
        }
        Kind::OneOfMultipleValid { .. } => {
            "more than one of several alternatives is given; keep one".to_owned()
        }
        Kind::Not { .. } | Kind::FalseSchema => "is not possible here".to_owned(),
        _ => error.masked().to_string(),
    }
}

/// Which types were possible, if that was the matter; else what the alternative that came closest says.
fn alternatives(
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
) -> (String, String) {
    let wrong_type = |inner: &ValidationError<'_>| match inner.kind() {
        ValidationErrorKind::Type { kind } if inner.instance_path() == error.instance_path() => {
            Some(expected_type(kind))
        }
        _ => None,
    };
    let types: Option<Vec<_>> = context
        .iter()
        .map(|errors| errors.iter().find_map(wrong_type))
        .collect();
    if let Some(types) = types.filter(|types| !types.is_empty()) {
        let found = describe(error.instance());
        return (
            pointer_of(error),
            format!("expected {}, found {found}", types.join(" or ")),
        );
    }
    let of_this_type = context
        .iter()
        .filter(|errors| errors.iter().all(|inner| wrong_type(inner).is_none()));
    let closest = of_this_type
        .min_by_key(|errors| errors.len())
        .and_then(|errors| errors.first());
    let closest = closest.unwrap_or(error);
    (pointer_of(closest), message(closest))
}

/// Which keys exclude each other, if that is what tells the alternatives apart. It is the second one's that is too much.
fn too_many(
    schema: &Value,
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
) -> (String, String) {
    let alternatives = schema.pointer(error.schema_path().as_str());
    let alternatives = alternatives.and_then(Value::as_array).into_iter().flatten();
    let given = alternatives.zip(context);
    let given = given.filter(|(_, errors)| errors.is_empty());
    let required: Vec<_> = given
        .map(|(alternative, _)| required(alternative))
        .collect();
    let shared = |key: &str| required.iter().all(|keys| keys.contains(&key));
    let own = required.iter().map(|keys| {
        let own = keys.iter().copied().filter(|key| !shared(key));
        own.collect::<Vec<_>>()
    });
    let own: Vec<_> = own.collect();
    let (Some(second), false) = (
        own.get(1).and_then(|keys| keys.first()),
        own.iter().any(Vec::is_empty),
    ) else {
        return (pointer_of(error), message(error));
    };
    let quoted = |keys: &Vec<&str>| {
        let keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
        keys.join(" with ")
    };
    let named: Vec<_> = own.iter().map(quoted).collect();
    let message = match named.as_slice() {
        [one, other] => format!("give either {one} or {other}, not both"),
        several => format!("give only one of {}", several.join(", ")),
    };
    let pointer = format!("{}/{}", pointer_of(error), token(second));
    (pointer, message)
}

/// The keys that a schema requires.
fn required(schema: &Value) -> Vec<&str> {
    let keys = schema.get("required").and_then(Value::as_array);
    let keys = keys.into_iter().flatten();
    keys.filter_map(Value::as_str).take(ISSUES_MAX).collect()
}

/// A key as a part of a JSON pointer.
fn token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn expected_type(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(single) => type_name(*single).to_owned(),
        TypeKind::Multiple(several) => {
            let names: Vec<_> = several.iter().map(type_name).collect();
            names.join(" or ")
        }
    }
}

fn type_name(json: JsonType) -> &'static str {
    match json {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "nothing",
        JsonType::Number => "a number",
        JsonType::Object => "a map of keys",
        JsonType::String => "text",
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map of keys",
    }
}

fn list(options: &Value) -> String {
    let options: Vec<_> = options
        .as_array()
        .into_iter()
        .flatten()
        .map(text_of)
        .collect();
    options.join(", ")
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SCHEMA: &str = r##"{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "required": ["domain"],
        "properties": {
            "domain": {"type": "string", "minLength": 1},
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
            "order": {"enum": ["up", "down"]},
            "poll": {"type": ["string", "null"], "pattern": "^[0-9]+s$"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "deep": {"$ref": "#/$defs/deep"},
            "either": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/deep"}]}
        },
        "$defs": {"deep": {"type": "object", "additionalProperties": false, "properties": {"colour": {"type": "boolean"}}}}
    }"##;

    fn check(config: &Value) -> String {
        let issues = check_against_schema(SCHEMA, config);
        let lines: Vec<_> = issues
            .iter()
            .map(|(pointer, message)| format!("{pointer} | {message}"))
            .collect();
        lines.join("\n")
    }

    #[test]
    fn a_good_configuration_has_no_issues() {
        assert_eq!(
            check(
                &json!({"domain": "a", "limit": 5, "poll": null, "deep": {"colour": true}, "either": "x"})
            ),
            ""
        );
    }

    #[test]
    fn all_issues_come_at_once_in_words() {
        let config = json!({
            "domian": "acme", "limit": 5000, "order": "left", "poll": "soon", "tags": ["a", 2],
            "deep": {"color": true, "a/b": 1}, "either": 7,
        });
        insta::assert_snapshot!(check(&config), @r"
         | the key `domain` is missing
        /deep/a~1b | unknown key `a/b`; the keys here are: colour
        /deep/color | unknown key `color`; did you mean `colour`?
        /domian | unknown key `domian`; did you mean `domain`?
        /either | expected text or a map of keys, found a number
        /limit | must be at most 1000
        /order | must be one of: up, down
        /poll | is not written as it should be (`^[0-9]+s$`)
        /tags/1 | expected text, found a number
        ");
        insta::assert_snapshot!(check(&json!({"domain": "", "limit": "7", "either": {"colour": 1}})), @r"
        /domain | must not be empty
        /either/colour | expected true or false, found a number
        /limit | expected a whole number, found text
        ");
        insta::assert_snapshot!(check(&json!([])), @" | expected a map of keys, found a list");
    }

    #[test]
    fn trap_30_a_value_is_never_repeated() {
        let config = json!({"domain": {"a": "hunter2"}, "limit": "hunter2", "order": "hunter2", "poll": "hunter2", "either": ["hunter2"]});
        assert!(!check(&config).contains("hunter2"), "{}", check(&config));
    }

    #[test]
    fn a_schema_that_leads_back_to_itself_ends() {
        for schema in [
            r##"{"$ref": "#"}"##,
            r##"{"allOf": [{"$ref": "#"}]}"##,
            r##"{"properties": {"a": {"$ref": "#"}}}"##,
        ] {
            assert!(
                check_against_schema(schema, &json!({"a": {"a": {}}})).len() < 2,
                "{schema}"
            );
        }
    }

    #[test]
    fn trust_15_a_schema_is_measured_for_the_configuration_that_it_checks() {
        let reference = json!({ "$ref": "#" });
        let wide = json!({ "additionalProperties": { "anyOf": vec![reference; 300] } });
        let schema = wide.to_string();
        assert!(check_against_schema(&schema, &json!({ "a": {} })).is_empty());
        let deep = json!({ "a": { "a": { "a": { "a": {} } } } });
        let issues = check_against_schema(&schema, &deep);
        assert!(issues[0].1.contains("more than 20000 parts"), "{issues:?}");
    }

    #[test]
    fn trust_15_a_long_chain_of_references_is_read() {
        let mut all = serde_json::Map::new();
        for number in 0..4_000 {
            let next = json!({ "$ref": format!("#/$defs/d{}", number + 1) });
            all.insert(format!("d{number}"), json!({ "properties": { "a": next } }));
        }
        all.insert("d4000".into(), json!({}));
        let schema = json!({ "$ref": "#/$defs/d0", "$defs": all }).to_string();
        assert!(check_against_schema(&schema, &json!({ "a": { "a": 1 } })).is_empty());
    }

    #[test]
    fn issues_have_an_end() {
        let keys = (0..200).map(|number| (format!("k{number}"), json!(1)));
        let config = Value::Object(keys.collect());
        assert_eq!(check_against_schema(SCHEMA, &config).len(), ISSUES_MAX);
        let schema = r#"{"additionalProperties": {"type": "string"}}"#;
        assert_eq!(check_against_schema(schema, &config).len(), ISSUES_MAX);
    }

    #[test]
    fn a_schema_that_is_none_is_said_to_be_so() {
        for schema in [
            "",
            "{",
            r#"{"type": 7}"#,
            r#"{"$ref": "https://example.com/schema"}"#,
        ] {
            let issues = check_against_schema(schema, &json!({}));
            assert!(
                issues[0]
                    .1
                    .starts_with("the plugin's own schema can't be used"),
                "{schema}: {issues:?}"
            );
        }
    }
}
