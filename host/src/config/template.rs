//! What `logweir connect` writes down, so that nobody has to begin with an empty file.
//!
//! The first source comes in a `logweir.yaml` with two outputs: a file that keeps everything, and the screen. Every
//! further one comes in a file of its own, `logweir.d/NAME.yaml`, since nobody's file is ever edited. Outputs name their
//! inputs, so a further source brings an output of its own too: the same sort of file, `NAME-archive`.
//!
//! Values are written as YAML scalars that can't be anything else, and secrets never pass through here: the text only
//! says in which file a secret is.

use serde_json::Value;

use crate::units::Period;

/// A source that is to be written down.
#[derive(Debug, Clone, Copy)]
pub struct NewSource<'a> {
    /// Its name.
    pub name: &'a str,
    /// The built-in plugin that reads it.
    pub plugin: &'a str,
    /// The keys of the plugin's own configuration, in order.
    pub config: &'a [(&'a str, &'a Value)],
    /// The keys of `network:`, in order.
    pub network: &'a [(&'a str, String)],
    /// The kind of credential.
    pub credential: &'a str,
    /// The client that gets tokens, if the credential is one.
    pub client: Option<NewClient<'a>>,
    /// The file that its secret or its private key is in.
    pub secret_file: &'a str,
}

/// A client that gets tokens.
#[derive(Debug, Clone, Copy)]
pub struct NewClient<'a> {
    /// Its id.
    pub client_id: &'a str,
    /// What is in the file: `private_key` or `client_secret`.
    pub proof: &'a str,
    /// What the peer knows the key by.
    pub key_id: Option<&'a str>,
}

/// The text of a main file with this source, a file for its records, and the screen.
pub fn main_file(source: &NewSource<'_>) -> String {
    let mut text = MAIN_HEAD.to_owned();
    push_source(&mut text, source);
    push_archive(&mut text, source, "archive");
    line(
        &mut text,
        2,
        "screen",
        None,
        Some("what comes in, while you watch"),
    );
    text.push_str("    type: console\n");
    push_inputs(&mut text, source);
    text
}

/// The text of `logweir.d/NAME.yaml` with this source and a file for its records.
pub fn fragment(source: &NewSource<'_>) -> String {
    let mut text = FRAGMENT_HEAD.to_owned();
    push_source(&mut text, source);
    push_archive(&mut text, source, &archive_of(source.name));
    text
}

const MAIN_HEAD: &str = "\
# `logweir validate` checks this file, `logweir check` tries what it says, `logweir run` runs it.
# More sources go into files of their own in the folder logweir.d: `logweir connect` writes them.
";

const FRAGMENT_HEAD: &str = "\
# Read together with ../logweir.yaml; relative paths start from the folder of that file.
";

/// Where comments begin, if there is room.
const COMMENT_COLUMN: usize = 40;

/// The name of a further source's output, within what a name may be long.
fn archive_of(name: &str) -> String {
    let kept: String = name.chars().take(55).collect();
    format!("{kept}-archive")
}

fn push_source(text: &mut String, source: &NewSource<'_>) {
    text.push_str("sources:\n");
    line(
        text,
        2,
        source.name,
        None,
        Some("the name in logs, metrics and file names"),
    );
    line(text, 4, "plugin", Some(&scalar(source.plugin)), None);
    line(text, 4, "config", None, None);
    for (key, value) in source.config {
        line(text, 6, key, Some(&yaml(value)), None);
    }
    if !source.network.is_empty() {
        line(text, 4, "network", None, None);
    }
    for (key, value) in source.network {
        line(text, 6, key, Some(&scalar(value)), None);
    }
    line(
        text,
        4,
        "credentials",
        None,
        Some("the plugin never sees these"),
    );
    let reference = format!("${{file:{}}}", source.secret_file);
    let reference = scalar(&reference);
    let Some(client) = source.client else {
        return line(text, 6, source.credential, Some(&reference), None);
    };
    line(text, 6, source.credential, None, None);
    line(text, 8, "client_id", Some(&scalar(client.client_id)), None);
    line(text, 8, client.proof, Some(&reference), None);
    if let Some(key_id) = client.key_id {
        line(text, 8, "key_id", Some(&scalar(key_id)), None);
    }
}

fn push_archive(text: &mut String, source: &NewSource<'_>, name: &str) {
    text.push_str("outputs:\n");
    line(
        text,
        2,
        name,
        None,
        Some("every record as it came, exactly once"),
    );
    text.push_str("    type: file\n");
    push_inputs(text, source);
    text.push_str("    path: \"logs/{source}.ndjson\"\n");
}

fn push_inputs(text: &mut String, source: &NewSource<'_>) {
    text.push_str("    inputs: [");
    text.push_str(&scalar(source.name));
    text.push_str("]\n");
}

/// `value` is YAML already.
fn line(text: &mut String, indent: usize, key: &str, value: Option<&str>, comment: Option<&str>) {
    let value = value.map(|value| format!(" {value}")).unwrap_or_default();
    let mut line = format!("{:indent$}{}:{value}", "", scalar(key));
    if let Some(comment) = comment {
        let gap = COMMENT_COLUMN.saturating_sub(line.len()).max(1);
        line.push_str(&" ".repeat(gap));
        line.push_str("# ");
        line.push_str(comment);
    }
    text.push_str(&line);
    text.push('\n');
}

/// A value as YAML. What is no text is JSON, which is YAML.
fn yaml(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text as a YAML scalar: bare where it can't be taken for anything else, else quoted.
fn scalar(text: &str) -> String {
    let is_word = text
        .bytes()
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    let means_something =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text);
    let is_reference =
        text.starts_with("${") && !text.contains(['"', '#', '\'', '\\', ' ', '\n', '\t']);
    let is_duration = text.parse::<Period>().is_ok();
    if (is_word && !means_something) || is_reference || is_duration {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Between double quotes, with everything escaped that YAML or an editor might treat in its own way.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' ' | '!'..='~' => quoted.push(c),
            _ if c.is_alphanumeric() => quoted.push(c),
            _ => quoted.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::config::{ClientPlan, CredentialPlan, Loaded, PluginRef, ProofPlan};
    use crate::secret::SecretRef;

    fn config() -> [(&'static str, &'static Value); 2] {
        static DOMAIN: LazyLock<Value> = LazyLock::new(|| "acme.example.com".into());
        static BACKFILL: LazyLock<Value> = LazyLock::new(|| "60d".into());
        [("domain", &DOMAIN), ("backfill", &BACKFILL)]
    }

    fn source<'a>(name: &'a str, config: &'a [(&'a str, &'a Value)]) -> NewSource<'a> {
        NewSource {
            name,
            plugin: "audit",
            config,
            network: &[],
            credential: "api_token",
            client: None,
            secret_file: "secrets/acme",
        }
    }

    /// A file of the folder may name secrets of that folder alone.
    fn further<'a>(name: &'a str, config: &'a [(&'a str, &'a Value)]) -> NewSource<'a> {
        NewSource {
            secret_file: "logweir.d/beta.token",
            ..source(name, config)
        }
    }

    #[test]
    fn the_text_is_readable() {
        insta::assert_snapshot!(main_file(&source("acme", &config())), @r#"
        # `logweir validate` checks this file, `logweir check` tries what it says, `logweir run` runs it.
        # More sources go into files of their own in the folder logweir.d: `logweir connect` writes them.
        sources:
          acme:                                 # the name in logs, metrics and file names
            plugin: audit
            config:
              domain: acme.example.com
              backfill: 60d
            credentials:                        # the plugin never sees these
              api_token: ${file:secrets/acme}
        outputs:
          archive:                              # every record as it came, exactly once
            type: file
            inputs: [acme]
            path: "logs/{source}.ndjson"
          screen:                               # what comes in, while you watch
            type: console
            inputs: [acme]
        "#);
        insta::assert_snapshot!(fragment(&further("beta", &config())), @r#"
        # Read together with ../logweir.yaml; relative paths start from the folder of that file.
        sources:
          beta:                                 # the name in logs, metrics and file names
            plugin: audit
            config:
              domain: acme.example.com
              backfill: 60d
            credentials:                        # the plugin never sees these
              api_token: ${file:logweir.d/beta.token}
        outputs:
          beta-archive:                         # every record as it came, exactly once
            type: file
            inputs: [beta]
            path: "logs/{source}.ndjson"
        "#);
    }

    #[test]
    fn how_the_network_is_reached_is_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("logweir.yaml");
        let network = [
            ("proxy", "http://proxy.example.com:3128".to_owned()),
            ("ca_file", "/etc/acme/ca \"1\".pem".to_owned()),
        ];
        let config = config();
        let source = NewSource {
            network: &network,
            ..source("acme", &config)
        };
        std::fs::write(&main, main_file(&source)).unwrap();
        let loaded = Loaded::load(&main)
            .map_err(|errors| errors.render(false))
            .unwrap();
        let policy = &loaded.plan.sources[0].network;
        let proxy = policy.proxy.as_ref().map(url::Url::as_str);
        assert_eq!(proxy, Some("http://proxy.example.com:3128/"));
        let ca_file = policy.ca_file.as_deref();
        assert_eq!(
            ca_file,
            Some(std::path::Path::new("/etc/acme/ca \"1\".pem"))
        );
    }

    #[test]
    fn a_client_is_written_down_with_where_its_key_is() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("logweir.yaml");
        let config = config();
        let client = NewClient {
            client_id: "0oa1d7",
            proof: "private_key",
            key_id: Some("1"),
        };
        let source = NewSource {
            credential: "oauth",
            client: Some(client),
            secret_file: "/etc/acme/my \"key\".pem",
            ..source("acme", &config)
        };
        std::fs::write(&main, main_file(&source)).unwrap();
        let loaded = Loaded::load(&main)
            .map_err(|errors| errors.render(false))
            .unwrap();
        let key = SecretRef::File("/etc/acme/my \"key\".pem".into());
        let proof = ProofPlan::Key {
            key,
            key_id: Some("1".to_owned()),
        };
        let client = ClientPlan {
            client_id: "0oa1d7".to_owned(),
            proof,
            scopes: None,
        };
        let planned = &loaded.plan.sources[0].credentials;
        assert_eq!(
            *planned,
            [("oauth".to_owned(), CredentialPlan::Client(client))]
        );
    }

    #[test]
    fn what_was_written_can_be_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("logweir.yaml");
        std::fs::write(&main, main_file(&source("acme", &config()))).unwrap();
        std::fs::create_dir(folder.path().join("logweir.d")).unwrap();
        for name in ["beta", "null", &"x".repeat(63)] {
            std::fs::write(
                folder.path().join(format!("logweir.d/{name}.yaml")),
                fragment(&further(name, &config())),
            )
            .unwrap();
        }
        let loaded = Loaded::load(&main)
            .map_err(|errors| errors.render(false))
            .unwrap();
        let source = &loaded.plan.sources[0];
        assert_eq!(source.plugin, PluginRef::Builtin("audit".into()));
        assert_eq!(
            source.config,
            serde_json::json!({"domain": "acme.example.com", "backfill": "60d"})
        );
        let token = SecretRef::File(folder.path().join("secrets/acme"));
        let token = CredentialPlan::Secret(token);
        assert_eq!(source.credentials, [("api_token".to_owned(), token)]);
        assert_eq!(loaded.plan.sources.len(), 4);
        assert_eq!(loaded.plan.outputs.len(), 5);
    }

    fn read_back(value: &Value) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("logweir.yaml");
        std::fs::write(&main, main_file(&source("acme", &[("key", value)]))).unwrap();
        let loaded = Loaded::load(&main)
            .map_err(|errors| errors.render(false))
            .unwrap();
        loaded.plan.sources[0].config["key"].clone()
    }

    #[test]
    fn a_value_that_looks_like_something_else_stays_a_text() {
        for value in [
            "",
            "true",
            "No",
            "~",
            "12",
            "1e3",
            "0x1f",
            ".inf",
            "- a",
            "a: b",
            "#a",
            "{",
            "@",
            "60d",
            "2024-01-01",
        ] {
            assert_eq!(read_back(&value.into()), value);
        }
        let strange = " \"\\\t\n\r\u{7f}\u{85}\u{2028}\u{feff}\u{fffe}\u{10ffff}é漢'";
        assert_eq!(read_back(&strange.into()), strange);
    }

    #[test]
    fn a_number_stays_a_number() {
        for value in [Value::from(500), Value::from(true), Value::from(1.5)] {
            assert_eq!(read_back(&value), value);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_value_stays_a_text(value in "[^$]*") {
            assert_eq!(read_back(&value.as_str().into()), value);
        }
    }
}
