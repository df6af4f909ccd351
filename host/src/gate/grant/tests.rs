use serde_json::json;

use super::super::tests::description;
use super::*;

fn admitted(grants: &[Grant], method: Method, url: &str) -> Vec<String> {
    let url = Url::parse(url).unwrap();
    let admitting = grants.iter().filter(|grant| grant.admits(&url, &method));
    admitting.map(|grant| grant.need().to_string()).collect()
}

fn listed(items: &[Granted]) -> Result<Vec<Grant>, GrantError> {
    let config = json!({ "url": "https://acme.example" });
    Grant::resolve_all(&description(), &config, Granting::Listed(items))
}

fn logs() -> Granted {
    let description = description();
    Granted::all_of(&description.needs[0], &description.credentials)
}

#[test]
fn a_grant_admits_its_origin_methods_and_paths_alone() {
    let config = json!({ "url": "https://acme.example" });
    let grants = Grant::resolve_all(&description(), &config, Granting::BuiltIn).unwrap();
    let admitted = |method, url| admitted(&grants, method, url);
    assert_eq!(
        admitted(Method::GET, "https://acme.example/logs?a=b"),
        ["logs"]
    );
    assert_eq!(admitted(Method::GET, "https://acme.example:443/me"), ["me"]);
    let none: [String; 0] = [];
    assert_eq!(admitted(Method::POST, "https://acme.example/logs"), none);
    assert_eq!(admitted(Method::GET, "https://acme.example/users"), none);
    assert_eq!(
        admitted(Method::GET, "https://acme.example:8443/logs"),
        none
    );
    assert_eq!(admitted(Method::GET, "http://acme.example/logs"), none);
    assert_eq!(
        admitted(Method::GET, "https://acme.example.evil.example/logs"),
        none
    );
}

#[test]
fn trust_01_one_credential_goes_to_one_origin() {
    let mut description = description();
    description.needs[1].origin = "https://evil.example".into();
    description.needs[1].credential = Some("token".into());
    let config = json!({ "url": "https://acme.example" });
    let error = Grant::resolve_all(&description, &config, Granting::BuiltIn).unwrap_err();
    assert!(
        matches!(error, GrantError::CredentialAtTwoOrigins { .. }),
        "{error}"
    );
    let said = error.to_string();
    assert!(
        said.contains("https://acme.example and https://evil.example"),
        "{said}"
    );
}

#[test]
fn a_need_whose_key_is_not_set_falls_away() {
    let grants = Grant::resolve_all(&description(), &json!({}), Granting::BuiltIn);
    assert!(grants.unwrap().is_empty());
}

#[test]
fn trust_02_a_plugin_that_is_not_built_in_gets_what_is_listed() {
    assert!(listed(&[]).unwrap().is_empty());
    let grants = listed(&[logs()]).unwrap();
    assert_eq!(
        admitted(&grants, Method::GET, "https://acme.example/logs"),
        ["logs"]
    );
    assert_eq!(grants[0].credential(), Some("token"));
    assert!(admitted(&grants, Method::GET, "https://acme.example/me").is_empty());
}

#[test]
fn trust_02_a_list_grants_no_more_than_is_needed() {
    let wide = Granted {
        origin: "https://acme.example".into(),
        methods: vec!["GET".into(), "DELETE".into()],
        paths: vec!["/*".into()],
        credential: None,
        ..logs()
    };
    let grants = listed(&[wide]).unwrap();
    assert_eq!(
        admitted(&grants, Method::GET, "https://acme.example/logs"),
        ["logs"]
    );
    assert!(admitted(&grants, Method::DELETE, "https://acme.example/logs").is_empty());
    assert!(admitted(&grants, Method::GET, "https://acme.example/users").is_empty());
    assert_eq!(grants[0].credential(), None);
}

#[test]
fn trust_02_a_list_that_does_not_fit_is_refused() {
    let other = |change: fn(&mut Granted)| {
        let mut granted = logs();
        change(&mut granted);
        listed(&[granted]).unwrap_err().to_string()
    };
    other(|granted| granted.need = "users".into());
    other(|granted| granted.origin = "https://other.example".into());
    other(|granted| granted.origin = "https://acme.example/logs".into());
    other(|granted| granted.credential = Some("other".into()));
    other(|granted| granted.credential_header = Some("x-api-key".into()));
    other(|granted| granted.paths = vec!["/a/../b".into()]);
}

#[test]
fn trust_04_what_was_granted_for_check_alone_stays_so_whatever_the_need_says_later() {
    let mut description = description();
    description.needs[0].check_only = true;
    let shown = Granted::all_of(&description.needs[0], &description.credentials);
    let pasted = serde_json::to_value(&shown).unwrap();
    assert_eq!(pasted["check_only"], json!(true));
    assert_eq!(
        serde_json::to_value(logs()).unwrap().get("check_only"),
        None
    );

    description.needs[0].check_only = false;
    let config = json!({ "url": "https://acme.example" });
    let resolve =
        |item: Granted| Grant::resolve_all(&description, &config, Granting::Listed(&[item]));
    assert!(resolve(shown).unwrap()[0].is_check_only());
    assert!(!resolve(logs()).unwrap()[0].is_check_only());

    description.needs[0].check_only = true;
    let grants = Grant::resolve_all(&description, &config, Granting::Listed(&[logs()]));
    assert!(grants.unwrap()[0].is_check_only());
}

#[test]
fn trust_05_a_header_other_than_authorization_is_shown_by_the_grant() {
    let mut description = description();
    description.credentials[0].scheme = super::super::Scheme::Header {
        name: "x-api-key".into(),
        value: "{secret}".into(),
    };
    let config = json!({ "url": "https://acme.example" });
    let shown = Granted::all_of(&description.needs[0], &description.credentials);
    assert_eq!(shown.credential_header.as_deref(), Some("x-api-key"));
    let hidden = Granted {
        credential_header: None,
        ..shown.clone()
    };
    let resolve =
        |item: Granted| Grant::resolve_all(&description, &config, Granting::Listed(&[item]));
    assert!(resolve(shown).is_ok());
    assert!(
        resolve(hidden)
            .unwrap_err()
            .to_string()
            .contains("x-api-key")
    );
}
