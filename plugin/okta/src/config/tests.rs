use super::*;

fn issues(text: &str) -> Vec<(String, String)> {
    match Config::parse(text) {
        Err(Error::Config(issues)) => issues.into_iter().map(|it| (it.key, it.message)).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_domain_is_enough() {
    let config = Config::parse(r#"{"domain":"acme.okta.com"}"#).unwrap();
    assert_eq!(config.origin, "https://acme.okta.com");
    assert_eq!(config.authority(), "acme.okta.com");
    assert_eq!(config.backfill, Duration::from_secs(60 * 86_400));
    assert_eq!(config.poll, Duration::from_secs(60));
    assert_eq!((config.limit, config.filter, config.q), (1000, None, None));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = r#"{"domain":"https://acme.okta.com/","url":"http://acme.okta.com","backfill":"91d","poll":"2h",
        "limit":0,"filter":" ","q":"1 2 3 4 5 6 7 8 9 10 11","a/b~c":1}"#;
    let found = issues(text);
    let keys: Vec<_> = found.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "/limit",
            "/a~1b~0c",
            "/url",
            "/domain",
            "/backfill",
            "/poll",
            "/filter",
            "/q"
        ]
    );
}

#[test]
fn what_is_missing_or_of_another_kind_is_named() {
    assert!(issues("{}")[0].1.contains("domain: acme.okta.com"));
    assert!(issues("[]")[0].1.contains("no object"));
    assert!(issues("{")[0].1.contains("no JSON"));
    let (key, message) = issues(r#"{"domain":null}"#).remove(0);
    assert_eq!(
        (key.as_str(), message.as_str()),
        ("/domain", "must be a text, not nothing")
    );
    let (key, message) = issues(r#"{"domain":"acme.okta.com","poll":60}"#).remove(0);
    assert_eq!(
        (key.as_str(), message.as_str()),
        ("/poll", "must be a text, not a number")
    );
    let long = "x".repeat(41);
    let found = issues(&format!(r#"{{"domain":"acme.okta.com","q":"{long}"}}"#));
    assert!(found[0].1.contains("40 characters"));
}

#[test]
fn the_schema_knows_every_option_and_no_other() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["additionalProperties"], false);
    let first = &schema["oneOf"][0]["required"];
    assert_eq!(first[0], "domain", "what to ask for comes first");
    let properties = schema["properties"].as_object().unwrap();
    let names: Vec<_> = properties.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["domain", "url", "backfill", "poll", "limit", "filter", "q"]
    );
    for (name, property) in properties {
        assert!(property["type"].is_string(), "{name} is not null");
        assert!(
            property["description"].as_str().unwrap().len() > 20,
            "{name}"
        );
        let mut with = serde_json::json!({"domain": "acme.okta.com"});
        if let Some(default) = property.get("default") {
            with[name.as_str()] = default.clone();
            let config = Config::parse(&with.to_string()).unwrap();
            assert_eq!(
                config,
                Config::parse(r#"{"domain":"acme.okta.com"}"#).unwrap()
            );
        }
    }
}

#[test]
fn the_digest_names_filter_and_q() {
    let of = |rest: &str| {
        let text = format!(r#"{{"domain":"acme.okta.com"{rest}}}"#);
        Config::parse(&text).unwrap().query_digest()
    };
    assert_eq!(of(""), of(r#","limit":7"#));
    assert_ne!(of(r#","filter":"a""#), of(r#","q":"a""#));
}
