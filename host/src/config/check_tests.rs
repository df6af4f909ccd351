//! What is said when alternatives are given that exclude each other.

use serde_json::{Value, json};

use super::check_against_schema;

fn check(schema: &Value, config: &Value) -> Vec<(String, String)> {
    check_against_schema(&schema.to_string(), config)
}

fn one(key: &str, message: &str) -> Vec<(String, String)> {
    vec![(key.to_owned(), message.to_owned())]
}

#[test]
fn keys_that_exclude_each_other_are_named_at_the_second() {
    let schema = json!({"oneOf": [{"required": ["domain"]}, {"required": ["url"]}]});
    let both = json!({"url": "https://acme.example", "domain": "acme.example"});
    let expected = one("/url", "give either `domain` or `url`, not both");
    assert_eq!(check(&schema, &both), expected);
    assert_eq!(check(&schema, &json!({"url": "https://acme.example"})), []);
    let neither = one("", "the key `domain` is missing");
    assert_eq!(check(&schema, &json!({})), neither);
}

#[test]
fn only_alternatives_that_are_given_and_keys_that_tell_them_apart_are_named() {
    let schema = json!({"properties": {"at": {"$ref": "#/$defs/place"}}, "$defs": {"place": {"oneOf": [
        {"required": ["name", "host", "port"]}, {"required": ["name", "a/b"]}, {"required": ["name", "socket"]},
    ]}}});
    let two = json!({"at": {"name": 1, "host": 1, "port": 1, "a/b": 1}});
    let expected = one(
        "/at/a~1b",
        "give either `host` with `port` or `a/b`, not both",
    );
    assert_eq!(check(&schema, &two), expected);
    let three = json!({"at": {"name": 1, "host": 1, "port": 1, "a/b": 1, "socket": 1}});
    let expected = one(
        "/at/a~1b",
        "give only one of `host` with `port`, `a/b`, `socket`",
    );
    assert_eq!(check(&schema, &three), expected);
}

#[test]
fn alternatives_that_keys_do_not_tell_apart_are_said_to_be_several() {
    let plain = "more than one of several alternatives is given; keep one";
    for alternatives in [
        json!([{"required": ["a"]}, {"properties": {"b": {"type": "integer"}}}]),
        json!([{"required": ["a"]}, {"required": ["a", "b"]}]),
        json!([{"minimum": 1}, {"maximum": 9}]),
        json!([{"required": ["a"]}, true]),
    ] {
        let schema = json!({"oneOf": alternatives});
        assert_eq!(
            check(&schema, &json!({"a": 1, "b": 2})),
            one("", plain),
            "{schema}"
        );
    }
}
