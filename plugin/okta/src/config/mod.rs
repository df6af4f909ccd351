//! What a person writes about an org, and what it means.

mod duration;
mod host;

use std::time::Duration;

use logweir_plugin::types::{ConfigIssue, Error};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use crate::digest::digest;
use host::Org;

/// Okta keeps events for 90 days; an older `since` brings no more, and one over 180 days is an error.
pub const RETENTION: Duration = Duration::from_secs(90 * 86_400);

const DEFAULT_BACKFILL: Duration = Duration::from_secs(60 * 86_400);
const DEFAULT_POLL: Duration = Duration::from_secs(60);
const SHORTEST_POLL: Duration = Duration::from_millis(100);
const LONGEST_POLL: Duration = Duration::from_secs(3600);

/// The most events that Okta puts into a page.
const MAX_LIMIT: u64 = 1000;

/// What Okta takes for `q`.
const MAX_KEYWORDS: usize = 10;
const MAX_KEYWORD_CHARS: usize = 40;

/// Where the System Log of an Okta org is, and what of it to read. Give either `domain` or `url`.
#[derive(Debug, Default, JsonSchema)]
#[schemars(
    title = "Okta System Log",
    deny_unknown_fields,
    transform = without_null,
    extend("oneOf" = [{"required": ["domain"]}, {"required": ["url"]}]),
    extend("x-retention" = format!("{}d", RETENTION.as_secs() / 86_400))
)]
struct Options {
    /// The org's host name, as in the address of its sign-in page; a custom domain will do. Not the address of the
    /// Admin Console (`-admin`).
    #[schemars(extend("examples" = ["acme.okta.com", "acme.oktapreview.com", "login.example.com"]))]
    domain: Option<String>,
    /// In place of `domain`: the org's origin. `http://` is for a simulated org on this machine.
    #[schemars(extend("examples" = ["https://acme.okta.com", "http://127.0.0.1:8080"]))]
    url: Option<String>,
    /// How far back the first read goes: a number and one of `s`, `m`, `h`, `d`. Okta keeps 90 days; `0s` begins with
    /// what happens from now on.
    #[schemars(extend("default" = "60d", "examples" = ["60d", "90d", "12h", "0s"], "x-backfill" = true))]
    backfill: Option<String>,
    /// How long to wait, when everything has been read, before asking again: from `100ms` to `1h`.
    #[schemars(extend("default" = "60s", "examples" = ["60s", "5m"]))]
    poll: Option<String>,
    /// How many events to ask for at a time. Fewer cost more requests.
    #[schemars(range(min = 1, max = 1000), extend("default" = 1000))]
    limit: Option<u16>,
    /// Read only what matches: a SCIM filter, as in Okta's System Log API.
    #[schemars(extend("examples" = [r#"eventType sw "user.session""#, r#"severity eq "WARN""#]))]
    filter: Option<String>,
    /// Read only what holds all of these words: at most 10, of at most 40 characters each.
    #[schemars(extend("examples" = ["suspicious"]))]
    q: Option<String>,
}

/// A configuration that can be worked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where requests go: `https://acme.okta.com`.
    pub origin: String,
    /// How far back the first read goes.
    pub backfill: Duration,
    /// How long to wait when everything has been read.
    pub poll: Duration,
    /// How many events to ask for at a time.
    pub limit: u16,
    /// What matches.
    pub filter: Option<String>,
    /// What words it holds.
    pub q: Option<String>,
}

/// The JSON Schema (2020-12) of the configuration.
pub fn schema() -> String {
    schemars::schema_for!(Options).as_value().to_string()
}

/// An absent option is absent: there is no null.
fn without_null(schema: &mut Schema) {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Map::values_mut) {
        let kinds = property.get("type").and_then(Value::as_array);
        if let Some(kind) = kinds.and_then(|kinds| kinds.first()).cloned() {
            property["type"] = kind;
        }
    }
}

impl Config {
    /// Reads a configuration. All that is wrong with it is told at once.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let whole = |message: String| Error::config("", message);
        let value: Value = serde_json::from_str(text)
            .map_err(|error| whole(format!("the configuration is no JSON: {error}")))?;
        let Value::Object(members) = value else {
            return Err(whole("the configuration is no object".to_owned()));
        };
        let mut issues = Vec::new();
        let options = Options::read(&members, &mut issues);
        let config = options.mean(&mut issues);
        match config {
            Some(config) if issues.is_empty() => Ok(config),
            _ => Err(Error::Config(issues)),
        }
    }

    /// Names what is asked for besides the place: `filter` and `q`.
    pub fn query_digest(&self) -> String {
        digest(
            Value::from(vec![self.filter.clone(), self.q.clone()])
                .to_string()
                .as_bytes(),
        )
    }

    /// Host and port.
    pub fn authority(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, rest)| rest)
    }
}

impl Options {
    fn read(members: &Map<String, Value>, issues: &mut Vec<ConfigIssue>) -> Self {
        let mut options = Self::default();
        for (key, value) in members {
            match key.as_str() {
                "domain" => options.domain = text(key, value, issues),
                "url" => options.url = text(key, value, issues),
                "backfill" => options.backfill = text(key, value, issues),
                "poll" => options.poll = text(key, value, issues),
                "limit" => options.limit = limit(value, issues),
                "filter" => options.filter = text(key, value, issues),
                "q" => options.q = text(key, value, issues),
                _ => issues.push(ConfigIssue::new(
                    format!("/{}", key.replace('~', "~0").replace('/', "~1")),
                    "there is no such option; there are domain, url, backfill, poll, limit, filter and q",
                )),
            }
        }
        match (&options.domain, &options.url) {
            (None, None) if !members.contains_key("domain") && !members.contains_key("url") => {
                issues.push(ConfigIssue::new(
                    "",
                    "which org? write its host name, like `domain: acme.okta.com`",
                ));
            }
            (Some(_), Some(_)) => issues.push(ConfigIssue::new(
                "/url",
                "`domain` and `url` both say where the org is; give one of them",
            )),
            _ => {}
        }
        options
    }

    /// `None` when there is no place to read from; other options that are wrong are told and stand at their default.
    fn mean(self, issues: &mut Vec<ConfigIssue>) -> Option<Config> {
        let domain = self
            .domain
            .as_deref()
            .map(|text| ("/domain", Org::from_domain(text)));
        let url = self
            .url
            .as_deref()
            .map(|text| ("/url", Org::from_url(text)));
        let org = domain.or(url).and_then(|(key, org)| told(key, org, issues));
        let backfill = period(
            "/backfill",
            self.backfill.as_deref(),
            DEFAULT_BACKFILL,
            issues,
        );
        if backfill > RETENTION {
            issues.push(ConfigIssue::new(
                "/backfill",
                "Okta keeps events for 90 days; write `90d` at most",
            ));
        }
        let poll = period("/poll", self.poll.as_deref(), DEFAULT_POLL, issues);
        if !(SHORTEST_POLL..=LONGEST_POLL).contains(&poll) {
            issues.push(ConfigIssue::new(
                "/poll",
                "must be between `100ms` and `1h`",
            ));
        }
        words(
            "/filter",
            self.filter.as_deref(),
            usize::MAX,
            usize::MAX,
            issues,
        );
        words(
            "/q",
            self.q.as_deref(),
            MAX_KEYWORDS,
            MAX_KEYWORD_CHARS,
            issues,
        );
        Some(Config {
            origin: org?.origin,
            backfill,
            poll,
            limit: self.limit.unwrap_or(MAX_LIMIT as u16),
            filter: self.filter,
            q: self.q,
        })
    }
}

fn text(key: &str, value: &Value, issues: &mut Vec<ConfigIssue>) -> Option<String> {
    let text = value.as_str().map(str::to_owned);
    if text.is_none() {
        let message = format!("must be a text, not {}", kind(value));
        issues.push(ConfigIssue::new(format!("/{key}"), message));
    }
    text
}

fn limit(value: &Value, issues: &mut Vec<ConfigIssue>) -> Option<u16> {
    let limit = value
        .as_u64()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit));
    if limit.is_none() {
        issues.push(ConfigIssue::new(
            "/limit",
            "must be a number from 1 to 1000",
        ));
    }
    limit.and_then(|limit| u16::try_from(limit).ok())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "yes or no",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a group of options",
    }
}

fn told<T>(key: &str, result: Result<T, String>, issues: &mut Vec<ConfigIssue>) -> Option<T> {
    result
        .map_err(|message| issues.push(ConfigIssue::new(key, message)))
        .ok()
}

fn period(
    key: &str,
    text: Option<&str>,
    default: Duration,
    issues: &mut Vec<ConfigIssue>,
) -> Duration {
    text.and_then(|text| told(key, duration::parse(text), issues))
        .unwrap_or(default)
}

fn words(
    key: &str,
    text: Option<&str>,
    most: usize,
    longest: usize,
    issues: &mut Vec<ConfigIssue>,
) {
    let Some(text) = text else { return };
    let words: Vec<_> = text.split_whitespace().collect();
    if words.is_empty() {
        issues.push(ConfigIssue::new(
            key,
            "is empty; leave it out to read everything",
        ));
    }
    if words.len() > most {
        let message = format!("has {} words, and Okta takes {most}", words.len());
        issues.push(ConfigIssue::new(key, message));
    }
    for word in words.iter().filter(|word| word.chars().count() > longest) {
        let message = format!("`{word}` is longer than the {longest} characters that Okta takes");
        issues.push(ConfigIssue::new(key, message));
    }
}

#[cfg(test)]
mod tests;
