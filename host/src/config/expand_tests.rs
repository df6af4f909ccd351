//! Templates as they are typed, in one file and in several.

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::config::yaml;
use crate::config::{ConfigErrors, Loaded, SourcePlan};
use crate::secret::SecretRef;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn load(folder: &TempDir) -> Result<Loaded, ConfigErrors> {
    Loaded::load(&folder.path().join("logweir.yaml"))
}

fn loaded(files: &[(&str, &str)]) -> (TempDir, Loaded) {
    let folder = folder(files);
    let loaded = load(&folder).map_err(|errors| errors.render(false));
    (folder, loaded.unwrap())
}

/// What is wrong with some files, each with its place: `FILE:LINE message`.
fn wrong(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let errors = load(&folder).err().expect("this is expected to be refused");
    let line = |error: &crate::config::ConfigDiagnostic| {
        let line = format!("{} {error}", error.position().unwrap_or_default());
        line.replace(&format!("{}/", folder.path().display()), "")
    };
    errors
        .errors()
        .iter()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

fn source<'a>(loaded: &'a Loaded, name: &str) -> &'a SourcePlan {
    let mut sources = loaded.plan.sources.iter();
    sources.find(|source| &*source.name == name).unwrap()
}

fn secret(source: &SourcePlan, kind: &str) -> SecretRef {
    let mut credentials = source.credentials.iter();
    let (_, plan) = credentials.find(|(name, _)| name == kind).unwrap();
    plan.reference().clone()
}

const OUTPUT: &str =
    "outputs: { archive: { type: file, inputs: [all], path: \"logs/{source}\" } }\n";

const INLINE: &str = "\
templates:
  all:
    plugin: audit
    config: { backfill: 60d, deep: { a: 1, b: 2 } }
    credentials: { api_token: \"${env:TOKEN}\" }
    silence: 6h
    sources:
      acme: { config: { domain: acme.example.com } }
      beta:
        config: { domain: beta.example.com, deep: { b: 3 } }
        credentials: { api_token: \"${file:beta.token}\" }
        silence: never
";

#[test]
fn what_differs_is_laid_over_the_template() {
    let text = format!("{INLINE}{OUTPUT}");
    let (folder, loaded) = loaded(&[("logweir.yaml", &text)]);
    let (acme, beta) = (source(&loaded, "acme"), source(&loaded, "beta"));
    assert_eq!(
        acme.config,
        json!({"backfill": "60d", "deep": {"a": 1, "b": 2}, "domain": "acme.example.com"})
    );
    assert_eq!(
        beta.config,
        json!({"backfill": "60d", "deep": {"a": 1, "b": 3}, "domain": "beta.example.com"})
    );
    assert_eq!(secret(acme, "api_token"), SecretRef::Env("TOKEN".into()));
    let file = folder.path().join("beta.token");
    assert_eq!(secret(beta, "api_token"), SecretRef::File(file));
    assert_ne!(acme.silence, beta.silence);
    assert_eq!(loaded.templates().collect::<Vec<_>>(), [("all", 2)]);
    let inputs: Vec<_> = loaded.plan.outputs[0]
        .inputs
        .iter()
        .map(|name| &**name)
        .collect();
    assert_eq!(inputs, ["acme", "beta"]);
}

#[test]
fn a_template_makes_what_could_be_written_by_hand() {
    let by_hand = "\
sources:
  acme:
    plugin: audit
    config: { backfill: 60d, deep: { a: 1, b: 2 }, domain: acme.example.com }
    credentials: { api_token: \"${env:TOKEN}\" }
    silence: 6h
  beta:
    plugin: audit
    config: { backfill: 60d, deep: { a: 1, b: 3 }, domain: beta.example.com }
    credentials: { api_token: \"${file:beta.token}\" }
    silence: never
outputs: { archive: { type: file, inputs: [acme, beta], path: \"logs/{source}\" } }
";
    let folder = folder(&[("logweir.yaml", by_hand)]);
    let written = load(&folder)
        .map_err(|errors| errors.render(false))
        .unwrap();
    std::fs::write(
        folder.path().join("logweir.yaml"),
        format!("{INLINE}{OUTPUT}"),
    )
    .unwrap();
    let made = load(&folder)
        .map_err(|errors| errors.render(false))
        .unwrap();
    assert!(written.plan == made.plan);
}

#[test]
fn a_list_of_domains_and_a_folder_of_tokens_is_enough() {
    let main = format!(
        "templates: {{ all: {{ plugin: audit, each: domain, credential_files: {{ api_token: tokens }}, sources: orgs.yaml }} }}\n{OUTPUT}"
    );
    let list = "acme: acme.example.com\nbeta: { config: { domain: b, limit: 5 }, credentials: { api_token: \"${file:b}\" } }\n";
    let (folder, loaded) = loaded(&[("logweir.yaml", &main), ("orgs.yaml", list)]);
    let (acme, beta) = (source(&loaded, "acme"), source(&loaded, "beta"));
    assert_eq!(acme.config, json!({"domain": "acme.example.com"}));
    assert_eq!(beta.config, json!({"domain": "b", "limit": 5}));
    let below = |path: &str| folder.path().join(path);
    assert_eq!(
        secret(acme, "api_token"),
        SecretRef::File(below("tokens/acme"))
    );
    let of_list = SecretRef::FileBelow {
        folder: folder.path().to_owned(),
        path: below("b"),
    };
    assert_eq!(secret(beta, "api_token"), of_list);
    let files: Vec<_> = loaded.files().map(PathBuf::from).collect();
    assert_eq!(files, [below("logweir.yaml"), below("orgs.yaml")]);
}

#[test]
fn mistakes_are_where_they_were_typed_and_said_once() {
    let main = format!(
        "templates:
  all:
    plugin: audit
    limits: {{ memory: 1, cpu: soon }}
    slience: 6h
    sources: orgs.yaml
{OUTPUT}"
    );
    let list = "acme: {}\nbeta:\n  config: 7\n  limits: { call: 0s }\ngamma: g\nOMEGA: {}\n";
    insta::assert_snapshot!(wrong(&[("logweir.yaml", &main), ("orgs.yaml", list)]), @r"
    logweir.yaml:4 1B is not between 64KiB and 4GiB
    logweir.yaml:4 `soon` does not begin with a number; write it like `60s`
    logweir.yaml:5 unknown key `slience`
    orgs.yaml:3 expected a map of keys, found a number
    orgs.yaml:4 0s is not between 10ms and 1h
    orgs.yaml:5 expected a map of keys, found text
    orgs.yaml:6 `OMEGA` can't be the name of a source
    ");
}

#[test]
fn what_makes_no_source_is_refused_at_its_place() {
    let refused = |template: &str| {
        let main = format!("templates:\n  all: {template}\n{OUTPUT}");
        wrong(&[
            ("logweir.yaml", &main),
            ("broken.yaml", "a: [\n"),
            ("list.yaml", "- a\n"),
            ("empty.yaml", ""),
        ])
    };
    let all = [
        "7",
        "{ plugin: audit }",
        "{ plugin: audit, sources: {} }",
        "{ plugin: audit, sources: [acme] }",
        "{ plugin: audit, sources: none.yaml }",
        "{ plugin: audit, sources: broken.yaml }",
        "{ plugin: audit, sources: list.yaml }",
        "{ plugin: audit, sources: empty.yaml }",
        "{ plugin: audit, each: [domain], sources: { acme: 7 } }",
        "{ plugin: audit, credential_files: tokens, sources: { acme: {} } }",
        "{ sources: { acme: {} } }",
    ];
    let all =
        all.map(|template| format!("{template}\n  {}", refused(template).replace('\n', "\n  ")));
    insta::assert_snapshot!(all.join("\n"), @r"
    7
      logweir.yaml:2 expected a map of keys, found a number
    { plugin: audit }
      logweir.yaml:2 the template `all` has no `sources`
    { plugin: audit, sources: {} }
      logweir.yaml:2 there is no source in this list
    { plugin: audit, sources: [acme] }
      logweir.yaml:2 expected a map of sources, found a list
    { plugin: audit, sources: none.yaml }
      logweir.yaml:2 there is no none.yaml
    { plugin: audit, sources: broken.yaml }
      broken.yaml:1 not valid YAML: unclosed bracket '['
    { plugin: audit, sources: list.yaml }
      logweir.yaml:2 expected a map of sources, found a list
    { plugin: audit, sources: empty.yaml }
      logweir.yaml:2 there is no source in this list
    { plugin: audit, each: [domain], sources: { acme: 7 } }
      logweir.yaml:2 expected text, found a list
    { plugin: audit, credential_files: tokens, sources: { acme: {} } }
      logweir.yaml:2 expected a map of keys, found text
    { sources: { acme: {} } }
      logweir.yaml:2 the key `plugin` is missing
    ");
}

#[test]
fn a_name_is_given_once_wherever_it_comes_from() {
    let main = format!(
        "{INLINE}  more: {{ plugin: audit, sources: {{ beta: {{}}, gamma: {{}} }} }}
sources:
  gamma: {{ plugin: audit }}
  more: {{ plugin: audit }}
outputs: {{ archive: {{ type: file, inputs: [all, more, acme, dleta], path: \"logs/{{source}}\" }} }}
"
    );
    insta::assert_snapshot!(wrong(&[("logweir.yaml", &main)]), @r"
    logweir.yaml:13 `more` is the name of a source too
    logweir.yaml:13 there are two sources with the name `beta`
    logweir.yaml:13 there are two sources with the name `gamma`
    logweir.yaml:15 no output takes the records of `gamma`
    logweir.yaml:17 `acme` is named twice
    logweir.yaml:17 there is no source `dleta`
    ");
}

#[test]
fn trust_18_a_list_names_files_below_its_folder_and_no_commands() {
    let main =
        format!("templates: {{ all: {{ plugin: audit, sources: orgs/list.yaml }} }}\n{OUTPUT}");
    let list = "\
acme: { credentials: { api_token: \"${file:orgs/acme.token}\" } }
beta: { credentials: { api_token: \"${file:beta.token}\" } }
gamma: { credentials: { api_token: \"${exec:cat secret}\" } }
delta: { credentials: { api_token: \"${file:orgs/../../delta}\" } }
";
    insta::assert_snapshot!(wrong(&[("logweir.yaml", &main), ("orgs/list.yaml", list)]), @r"
    orgs/list.yaml:2 a file in `logweir.d` may name secret files below that folder alone, and a template's list those below its own; move the secret there
    orgs/list.yaml:3 a file in `logweir.d`, or a template's list, may not run commands; write `${exec:…}` in the main file
    orgs/list.yaml:4 a file in `logweir.d` may name secret files below that folder alone, and a template's list those below its own; move the secret there
    ");
}

#[test]
fn trust_18_a_template_of_an_included_file_names_lists_and_secrets_below_its_folder() {
    let included = |template: &str| {
        let fragment = format!("templates: {{ all: {template} }}\n{OUTPUT}");
        let sources =
            "sources: { own: { plugin: audit } }\noutputs: { o: { type: console, inputs: [own] } }";
        wrong(&[
            ("logweir.yaml", sources),
            ("logweir.d/all.yaml", &fragment),
            ("orgs.yaml", "acme: {}\n"),
        ])
    };
    let list = included("{ plugin: audit, sources: orgs.yaml }");
    assert!(
        list.starts_with("logweir.d/all.yaml:1 a file of `logweir.d` names lists below"),
        "{list}"
    );
    let out = included("{ plugin: audit, sources: logweir.d/../orgs.yaml }");
    assert!(out.contains("names lists below"), "{out}");
    let secrets = included(
        "{ plugin: audit, credential_files: { api_token: tokens }, sources: { acme: {} } }",
    );
    assert!(secrets.starts_with("logweir.d/all.yaml:1 "), "{secrets}");
    assert!(secrets.contains("below"), "{secrets}");
}

#[test]
fn trust_19_what_a_list_has_for_a_secret_is_covered() {
    let main = format!("templates: {{ all: {{ plugin: audit, sources: orgs.yaml }} }}\n{OUTPUT}");
    let list = "acme: { credentials: { oauth: hunter2 }, nonsense: 1 }\n";
    let folder = folder(&[("logweir.yaml", &main), ("orgs.yaml", list)]);
    let page = load(&folder).err().unwrap().render(false);
    assert!(
        page.contains("nonsense") && !page.contains("hunter2"),
        "{page}"
    );
}

#[test]
fn how_many_are_read_at_a_time_is_for_the_main_file_to_say() {
    let readers = |typed: &str| {
        let text = format!("{INLINE}{OUTPUT}{typed}");
        let (_folder, loaded) = loaded(&[("logweir.yaml", &text)]);
        loaded.plan.readers
    };
    assert_eq!(readers(""), None);
    assert_eq!(readers("readers: 7\n"), Some(7));
    let text = format!("{INLINE}{OUTPUT}readers: 0\n");
    let said = wrong(&[
        ("logweir.yaml", &text),
        ("logweir.d/a.yaml", "readers: 9\n"),
    ]);
    assert!(said.contains("0 is not between 1 and 10000"), "{said}");
    assert!(said.contains("belongs in the main file alone"), "{said}");
}

/// Trees as they can be typed.
fn tree() -> impl Strategy<Value = String> {
    let leaf = prop_oneof!["[a-c]{1,3}", Just("7".to_owned()), Just("~".to_owned())];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let keys = proptest::collection::btree_map("[k-n]", inner.clone(), 0..4);
        let map = keys.prop_map(|map| {
            let entries = map.iter().map(|(key, value)| format!("{key}: {value}"));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        });
        prop_oneof![
            map,
            proptest::collection::vec(inner, 0..3)
                .prop_map(|list| format!("[{}]", list.join(", ")))
        ]
    })
}

fn merged(lower: &serde_json::Value, upper: &serde_json::Value) -> serde_json::Value {
    let (Some(lower), Some(above)) = (lower.as_object(), upper.as_object()) else {
        return upper.clone();
    };
    let mut both = lower.clone();
    for (key, value) in above {
        let merged = match lower.get(key) {
            Some(lower) => merged(lower, value),
            None => value.clone(),
        };
        both.insert(key.clone(), merged);
    }
    both.into()
}

proptest! {
    /// Laying over is what it is for plain JSON, and everything that comes out knows the file that it is from.
    #[test]
    fn a_tree_over_a_tree(lower in tree(), upper in tree()) {
        let mut mistakes = Vec::new();
        let below = yaml::read(&lower, 0, &mut mistakes).unwrap();
        let above = yaml::read(&upper, 1, &mut mistakes).unwrap();
        let both = laid_over(&below, &above);
        prop_assert_eq!(both.to_json(), merged(&below.to_json(), &above.to_json()));
        let mut found = Vec::new();
        both.visit_entries(&mut |entry| found.push((entry.key_place, entry.key.clone())));
        for (place, key) in found {
            let text = [&lower, &upper][place.file];
            let typed = text.get(place.offset..place.offset + place.length);
            prop_assert_eq!(typed, Some(key.as_str()));
        }
    }
}
