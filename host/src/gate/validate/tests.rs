use super::super::tests::description;
use super::*;

fn refused(change: impl Fn(&mut Description)) -> String {
    let mut description = description();
    change(&mut description);
    description.validate().unwrap_err().to_string()
}

#[test]
fn a_description_in_order_passes() {
    assert_eq!(description().validate(), Ok(()));
}

#[test]
fn trust_04_needs_of_check_alone_get_and_head() {
    let said = refused(|description| {
        description.needs[1].check_only = true;
        description.needs[1].methods = vec!["POST".into()];
    });
    assert_eq!(said, r#"need "me": is for check alone, which may not POST"#);
}

#[test]
fn trust_05_a_secret_goes_into_no_header_that_means_something_else() {
    let headers = [
        "user-agent",
        "host",
        "cookie",
        "accept",
        "content-type",
        "x-forwarded-for",
        "proxy-authorization",
        "Authorization",
        "x y",
    ];
    for header in headers {
        let said = refused(|description| {
            description.credentials[0].scheme = Scheme::Header {
                name: header.into(),
                value: "{secret}".into(),
            };
        });
        assert!(said.starts_with(r#"credential "token""#), "{said}");
    }
}

#[test]
fn trust_06_a_client_asks_for_tokens_at_a_path_and_in_a_known_way() {
    let oauth = |change: fn(&mut OauthScheme)| {
        let mut scheme = OauthScheme {
            token_url: "/token".into(),
            scopes: vec!["logs.read".into()],
            auth_methods: vec!["private_key_jwt".into()],
            dpop: true,
        };
        change(&mut scheme);
        let mut description = description();
        description.credentials[0].scheme = Scheme::Oauth(scheme);
        description.validate().map_err(|error| error.to_string())
    };
    assert_eq!(oauth(|_| {}), Ok(()));
    let wrong: [fn(&mut OauthScheme); 5] = [
        |scheme| scheme.token_url = "http://acme.example/token".into(),
        |scheme| scheme.token_url = "/token?x=y".into(),
        |scheme| scheme.scopes = vec!["logs.read users.read".into()],
        |scheme| scheme.auth_methods = vec!["none".into()],
        |scheme| scheme.auth_methods.clear(),
    ];
    for change in wrong {
        let said = oauth(change).unwrap_err();
        assert!(said.starts_with(r#"credential "token""#), "{said}");
    }
}

#[test]
fn a_scheme_holds_its_secret_once() {
    for value in ["SSWS", "{secret}{secret}", "{secret}\r\nx: y"] {
        refused(|description| {
            description.credentials[0].scheme = Scheme::Header {
                name: "authorization".into(),
                value: value.into(),
            };
        });
    }
}

#[test]
fn trust_09_no_need_may_name_a_header_of_ours() {
    let headers = [
        "Authorization",
        "DPoP",
        "cookie",
        "host",
        "user-agent",
        "x-http-method-override",
        "X-Forwarded-For",
        "forwarded",
        "transfer-encoding",
        "accept-encoding",
    ];
    for header in headers {
        let said = refused(|description| {
            description.needs[0].request_headers = vec![header.into()];
        });
        assert!(said.contains("may not set the header"), "{said}");
    }
}

#[test]
fn trust_09_no_need_may_name_the_header_it_is_signed_with() {
    let said = refused(|description| {
        description.credentials[0].scheme = Scheme::Header {
            name: "x-api-key".into(),
            value: "{secret}".into(),
        };
        description.needs[0].request_headers = vec!["X-API-Key".into()];
    });
    assert_eq!(said, r#"need "logs": may not set the header "x-api-key""#);
}

#[test]
fn trust_10_no_need_may_see_cookies_and_nonces() {
    for header in ["Set-Cookie", "dpop-nonce"] {
        let said = refused(|description| {
            description.needs[0].response_headers = vec![header.into()];
        });
        assert!(said.contains("may not see the header"), "{said}");
    }
}

#[test]
fn descriptions_are_bounded_and_consistent() {
    refused(|description| description.needs[1].name = "logs".into());
    refused(|description| description.needs[0].name = "Logs\n".into());
    refused(|description| description.needs[0].credential = Some("other".into()));
    refused(|description| description.needs[0].methods = vec!["get".into()]);
    refused(|description| description.needs[0].methods = vec!["CONNECT".into()]);
    refused(|description| description.needs[0].methods = Vec::new());
    refused(|description| description.needs[0].paths = vec!["/a".into(); 65]);
    refused(|description| description.summary = "\u{1b}[2J".into());
    refused(|description| description.config_schema = "[]".into());
    refused(|description| description.config_schema = "{".into());
}

/// Text that is longer than any may be.
fn long() -> String {
    "x".repeat(MAX_TEXT + 1)
}

fn kind(number: usize) -> CredentialKind {
    CredentialKind {
        name: format!("kind{number}"),
        ..description().credentials.remove(0)
    }
}

fn named(name: &str) -> CredentialKind {
    CredentialKind {
        name: name.to_owned(),
        ..kind(0)
    }
}

fn oauth(scheme: OauthScheme) -> impl Fn(&mut Description) {
    move |description| description.credentials[0].scheme = Scheme::Oauth(scheme.clone())
}

fn scheme() -> OauthScheme {
    OauthScheme {
        token_url: "/token".into(),
        scopes: vec!["logs.read".into()],
        auth_methods: vec!["private_key_jwt".into()],
        dpop: true,
    }
}

/// A value of the header that the secret goes into.
fn value(value: String) -> impl Fn(&mut Description) {
    move |description| {
        description.credentials[0].scheme = Scheme::Header {
            name: "authorization".into(),
            value: value.clone(),
        };
    }
}

#[test]
fn names_and_texts_are_checked_wherever_they_stand() {
    for name in [String::new(), "x".repeat(65), "a b".into()] {
        let said = refused(|description| description.name.clone_from(&name));
        assert!(
            said.starts_with("plugin: its name is not 1 to 64"),
            "{said}"
        );
    }
    let said = refused(|description| description.credentials.push(named("Kind")));
    assert!(said.starts_with("credential: its name"), "{said}");
    let said = refused(|description| description.credentials.push(named("token")));
    assert_eq!(said, r#"credential "token": is described twice"#);
    for text in [long(), "\u{1b}[2J".into()] {
        let version = refused(|description| description.version.clone_from(&text));
        let summary = refused(|description| description.summary.clone_from(&text));
        let of_kind = refused(|description| description.credentials[0].summary.clone_from(&text));
        let said = [version, summary, of_kind];
        let told = said.each_ref().map(|said| said.split(": ").next().unwrap());
        assert_eq!(told, ["version", "summary", r#"credential "token""#]);
    }
    // A tab may stand in a header, and not in a description.
    for text in [format!("{{secret}}{}", long()), "{secret}\t".into()] {
        let said = refused(value(text));
        assert!(said.contains("control characters or of over"), "{said}");
    }
    let said = refused(oauth(OauthScheme {
        token_url: format!("/{}", long()),
        ..scheme()
    }));
    assert!(said.contains("control characters or of over"), "{said}");
}

#[test]
fn each_list_has_its_end() {
    let too_many = |said: String, what: &str, count: usize| {
        let told = format!("{what}: {count} are too many, {} is the most", count - 1);
        assert_eq!(said, told);
    };
    let needs = refused(|description| {
        let need = |number| Need {
            name: format!("need{number}"),
            ..description.needs[1].clone()
        };
        description.needs = (0..=MAX_ENTRIES).map(need).collect();
    });
    too_many(needs, "needs", 33);
    let kinds = refused(|description| {
        let more = (0..MAX_ENTRIES).map(kind);
        description.credentials.extend(more);
    });
    too_many(kinds, "credentials", 33);
    let schema = refused(|description| {
        description.config_schema = format!("{{}}{}", " ".repeat(MAX_SCHEMA - 1));
    });
    too_many(schema, "config schema", MAX_SCHEMA + 1);
    let subject = r#"credential "token""#;
    let scopes = (0..=MAX_LIST).map(|number| format!("scope{number}"));
    let said = refused(oauth(OauthScheme {
        scopes: scopes.collect(),
        ..scheme()
    }));
    too_many(said, subject, 65);
    let said = refused(oauth(OauthScheme {
        auth_methods: vec!["private_key_jwt".into(); MAX_LIST + 1],
        ..scheme()
    }));
    too_many(said, subject, 65);
    let said = refused(oauth(OauthScheme {
        scopes: vec!["x".repeat(257)],
        ..scheme()
    }));
    assert!(said.ends_with("is no scope"), "{said}");
}

#[test]
fn a_need_says_where_and_what_in_words_that_mean_something() {
    type Change = fn(&mut Need);
    let cases: [(Change, &str); 5] = [
        (|need| need.origin = "ftp://acme.example".into(), ""),
        (|need| need.paths = vec!["no-path".into()], ""),
        (|need| need.paths.clear(), "names no method or no path"),
        (
            |need| need.rate_limit.as_mut().unwrap().remaining = "x y".into(),
            "names a header that can't be",
        ),
        // Nothing signs it, and it must not sign itself.
        (
            |need| {
                need.credential = None;
                need.request_headers = vec!["Authorization".into()];
            },
            r#"may not set the header "authorization""#,
        ),
    ];
    for (change, says) in cases {
        let said = refused(|description| change(&mut description.needs[0]));
        assert!(said.starts_with(r#"need "logs": "#), "{said}");
        assert!(said.ends_with(says), "{said}");
    }
}

#[test]
fn trust_15_a_schema_that_leads_on_without_an_end_is_refused() {
    let said = refused(|description| {
        description.config_schema = r##"{"allOf": [{"$ref": "#"}, {"$ref": "#"}]}"##.into();
    });
    assert_eq!(said, r##"config schema: leads back to "#" without an end"##);
}

#[test]
fn a_description_survives_being_stored() {
    let stored = serde_json::to_string(&description()).unwrap();
    let read: Description = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, description());
}
