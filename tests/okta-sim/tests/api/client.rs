//! A client that follows Okta's rules, and breaks them when a test says so.

use okta_sim::{Org, OrgConfig, Running};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;
use tokio::net::TcpListener;

pub(crate) const LOGS: &str = okta_sim::LOGS_PATH;

/// One org and one client of it.
pub(crate) struct Pair {
    pub(crate) running: Running,
    pub(crate) http: reqwest::Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

pub(crate) async fn pair(config: OrgConfig) -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Pair {
        running: Org::new(config).serve(listener).unwrap(),
        http: http(),
    }
}

/// An org with so many events of the last five days.
pub(crate) async fn with_events(events: usize) -> Pair {
    let config = OrgConfig {
        events,
        days: 5.0,
        ..OrgConfig::default()
    };
    pair(config).await
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .user_agent("okta-sim-tests/1")
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .no_gzip()
        .build()
        .unwrap()
}

impl Pair {
    pub(crate) fn org(&self) -> &Org {
        self.running.org()
    }

    /// The URL of a path and query, or a URL as it is.
    pub(crate) fn url(&self, target: &str) -> String {
        match target.starts_with("http") {
            true => target.to_owned(),
            false => format!("{}{target}", self.running.url()),
        }
    }

    pub(crate) fn request(&self, method: Method, target: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(target))
    }

    /// With the token.
    pub(crate) async fn try_get(&self, target: &str) -> reqwest::Result<Got> {
        let request = self.request(Method::GET, target);
        let request = request.header("authorization", "SSWS sim-token");
        Got::read(request.send().await?).await
    }

    pub(crate) async fn get(&self, target: &str) -> Got {
        self.try_get(target).await.unwrap()
    }

    /// With a query.
    pub(crate) async fn logs(&self, query: &str) -> Got {
        self.get(&format!("{LOGS}?{query}")).await
    }

    /// Follows `next` until a page is short.
    pub(crate) async fn drain(&self, query: &str, limit: usize) -> Vec<Value> {
        let mut all = Vec::new();
        let mut page = self.logs(&format!("{query}&limit={limit}")).await;
        loop {
            let events = page.events();
            let short = events.len() < limit;
            all.extend(events);
            match page.next() {
                Some(next) if !short => page = self.get(&next).await,
                _ => return all,
            }
        }
    }

    pub(crate) async fn post(&self, target: &str, body: impl Into<reqwest::Body>) -> u16 {
        let request = self.request(Method::POST, target).body(body);
        request.send().await.unwrap().status().as_u16()
    }
}

impl Got {
    pub(crate) async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        Ok(Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json().as_array().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Status and error code.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let code = self.json()["errorCode"].as_str().unwrap().to_owned();
        (self.status, code)
    }

    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let name: HeaderName = name.parse().unwrap();
        let values = self.headers.get_all(name).into_iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    /// A header that must be a number.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.all(name)[0].parse().unwrap()
    }

    pub(crate) fn link(&self, relation: &str) -> Option<String> {
        let end = format!(">; rel=\"{relation}\"");
        let lines = self.all("link").into_iter();
        let urls = lines.flat_map(|line| line.split(", "));
        let mut found = urls.filter_map(|link| link.strip_suffix(&end)?.strip_prefix('<'));
        found.next().map(str::to_owned)
    }

    pub(crate) fn next(&self) -> Option<String> {
        self.link("next")
    }
}

pub(crate) fn uuids(events: &[Value]) -> Vec<String> {
    let uuid = |event: &Value| event["uuid"].as_str().unwrap().to_owned();
    events.iter().map(uuid).collect()
}

/// The lines of `/sim/served` as events.
pub(crate) async fn persisted(pair: &Pair) -> Vec<Value> {
    let got = pair.get("/sim/served").await;
    let text = got.text();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
