//! What the program is told, and what it means.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use okta_sim::{App, Fault, OrgConfig, RateHeaders, Tls};

const EXAMPLES: &str = r#"Examples:
  A quiet org with the default token, sim-token:
      okta-sim
      curl -s -H 'Authorization: SSWS sim-token' 'http://127.0.0.1:8765/api/v1/logs?limit=2'

  A busy org on any free port, whose events arrive late now and then; the port is in the first line of its output:
      okta-sim --listen 127.0.0.1:0 --events 200000 --days 59 --late-percent 2 --live-per-sec 50

  Exactly these events, over HTTPS:
      okta-sim --events 0 --replay events.ndjson --tls --ca-file ca.pem

  A thousand orgs in one process, each on a port of its own; the first lines of the output say which:
      okta-sim --orgs 1000 --listen 127.0.0.1:0 --events 100

  The second request fails twice, and 1 % of all answers break off in the middle:
      okta-sim --fault status,status=503,count=2,after_requests=1 --fault cut_chunked,percent=1

While it runs:
  GET  /sim/report   what clients did, and which of Okta's rules they broke
  GET  /sim/served   every persisted event, a line each, in the order of persistence
  POST /sim/faults   {"kind":"stall","ms":5000,"count":1}, or an array; DELETE forgets them
  POST /sim/events   a line each; ?published=TIME&persisted=TIME
  POST /sim/token    {"tokens":["new"]}: accepts these and no others
  DELETE /sim/token  the access tokens of apps hold no more
  POST /sim/live     {"per_sec":10}: so many new events a second from now on

Kinds of faults (for one request, unless count, percent or after_requests say otherwise; path=* for all paths):
  instead of an answer   reset, slow_start (ms)
  another answer         status (status), html_error (status), unauthorized_html, forbidden, insufficient_scope,
                         rate_limited (ms), rate_limited_bare, concurrency, redirect (value)
  a broken body          cut_length, cut_chunked, truncated, stall (ms), html200, invalid_json,
                         invalid_element (value), not_array, huge_page (bytes), gzip
  a wrong page           empty_page, duplicate_page, invalidate_cursors, late_event (ms)
  odd links              foreign_next (value), admin_next, self_next, no_next, next_first, links_joined
  odd headers            header (name, value), double_rate_headers, no_rate_headers"#;

/// A simulated Okta org: its System Log API, with faults on demand and a report of what clients did.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8765")]
    listen: String,
    /// How many orgs there are. Of several each has the next port, or any free one, the next seed, and the token
    /// `TOKEN-NUMBER`, counted from 0.
    #[arg(long, value_name = "N", default_value_t = 1)]
    orgs: u16,
    /// How many events the log begins with [default: 10000, or 0 with --replay].
    #[arg(long, value_name = "N")]
    events: Option<usize>,
    /// How many days back they reach.
    #[arg(long, value_name = "DAYS", default_value_t = 30.0)]
    days: f64,
    /// The API token that is accepted.
    #[arg(long, default_value = "sim-token")]
    token: String,
    /// The same seed makes the same events.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// New events while it runs.
    #[arg(long, value_name = "RATE", default_value_t = 0.0)]
    live_per_sec: f64,
    /// So many events are always there that nobody was served yet: an org that is busier than any reader.
    #[arg(long, value_name = "N", default_value_t = 0)]
    ahead: usize,
    /// Forgets the oldest events of which there are more than so many.
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// This share of the events reaches the log minutes to hours after it was published.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    late_percent: f64,
    /// Serves the lines of this file as events, byte for byte, spread over the days.
    #[arg(long, value_name = "FILE")]
    replay: Vec<PathBuf>,
    /// How many requests for logs the token may make in a minute [default: no limit].
    #[arg(long, value_name = "N")]
    rate_limit: Option<u64>,
    /// How long that minute is, for tests that cannot wait.
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    rate_window_ms: u64,
    /// Another client of the token uses this share of each window, evenly.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    neighbour_percent: f64,
    /// Adds Retry-After to a 429.
    #[arg(long)]
    retry_after: bool,
    /// How rate-limit headers are sent.
    #[arg(long, value_enum, default_value_t = Headers::Normal)]
    rate_headers: Headers,
    /// How long each answer takes.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency_ms: u64,
    /// By how many seconds the org's clock is wrong.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    clock_skew_s: i64,
    /// Compresses answers for clients that accept it.
    #[arg(long)]
    gzip: bool,
    /// Links name the org's -admin host.
    #[arg(long)]
    admin_links: bool,
    /// The org's id.
    #[arg(long, value_name = "ID")]
    org_id: Option<String>,
    /// The status of the token's owner.
    #[arg(long, value_name = "STATUS", default_value = "ACTIVE")]
    owner_status: String,
    /// The administrator role of the token's owner.
    #[arg(long, default_value = "READ_ONLY_ADMIN")]
    role: String,
    /// An app that gets tokens, in a JSON file: client_id, keys (public JSON Web Keys) or secret, scopes, dpop.
    #[arg(long, value_name = "FILE")]
    app: Vec<PathBuf>,
    /// How long an app's token holds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    token_lifetime_s: u64,
    /// How long a nonce for proofs of possession is the right one.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    nonce_lifetime_s: u64,
    /// What goes wrong: kind,key=value,… or JSON. See below.
    #[arg(long, value_name = "SPEC")]
    fault: Vec<Fault>,
    /// Answers over HTTPS, with a certificate made for the occasion.
    #[arg(long)]
    tls: bool,
    /// Where to write the certificate a client must trust.
    #[arg(long, value_name = "PATH", requires = "tls")]
    ca_file: Option<PathBuf>,
    /// Other names the certificate is for, besides localhost and its addresses.
    #[arg(long, value_name = "NAME", requires = "tls")]
    tls_name: Vec<String>,
    /// What the org calls now when it begins.
    #[arg(long, value_name = "TIME", hide = true)]
    now: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Headers {
    Normal,
    Absent,
    Doubled,
}

impl Args {
    /// The orgs that were asked for, and where each of them is to listen.
    pub(crate) fn orgs(&self) -> anyhow::Result<Vec<(String, OrgConfig)>> {
        let first = self.org()?;
        let (host, port) = self
            .listen
            .rsplit_once(':')
            .with_context(|| format!("{} is no address with a port", self.listen))?;
        let port: u16 = port
            .parse()
            .with_context(|| format!("{} has no port", self.listen))?;
        let numbered = |number: u16| {
            let port = match port {
                0 => 0,
                first => first
                    .checked_add(number)
                    .with_context(|| format!("there is no port {number} behind {first}"))?,
            };
            let config = OrgConfig {
                seed: first.seed.wrapping_add(number.into()),
                token: match self.orgs {
                    0 | 1 => first.token.clone(),
                    _ => format!("{}-{number}", first.token),
                },
                ..first.clone()
            };
            Ok((format!("{host}:{port}"), config))
        };
        (0..self.orgs.max(1)).map(numbered).collect()
    }

    /// The org that was asked for.
    fn org(&self) -> anyhow::Result<OrgConfig> {
        let default = OrgConfig::default();
        let events = if self.replay.is_empty() {
            default.events
        } else {
            0
        };
        Ok(OrgConfig {
            events: self.events.unwrap_or(events),
            days: self.days,
            token: self.token.clone(),
            seed: self.seed,
            now: self.now,
            clock_skew_s: self.clock_skew_s,
            late_percent: self.late_percent,
            live_per_sec: self.live_per_sec,
            ahead: self.ahead,
            keep: self.keep,
            replay: self.recorded()?,
            org_id: self.org_id.clone().unwrap_or(default.org_id),
            latency: Duration::from_millis(self.latency_ms),
            rate_limit: self.rate_limit.unwrap_or(default.rate_limit),
            rate_window: Duration::from_millis(self.rate_window_ms),
            neighbour_percent: self.neighbour_percent,
            retry_after: self.retry_after,
            rate_headers: match self.rate_headers {
                Headers::Normal => RateHeaders::Normal,
                Headers::Absent => RateHeaders::Absent,
                Headers::Doubled => RateHeaders::Doubled,
            },
            gzip: self.gzip,
            admin_links: self.admin_links,
            owner_status: self.owner_status.clone(),
            role: self.role.clone(),
            apps: self.apps()?,
            token_lifetime: Duration::from_secs(self.token_lifetime_s),
            nonce_lifetime: Duration::from_secs(self.nonce_lifetime_s),
            faults: self.fault.clone(),
        })
    }

    /// The certificate, if one was asked for; writes the authority's.
    pub(crate) fn tls(&self) -> anyhow::Result<Option<Tls>> {
        if !self.tls {
            return Ok(None);
        }
        let own = ["localhost", "127.0.0.1", "::1"];
        let names: Vec<_> = own
            .into_iter()
            .chain(self.tls_name.iter().map(String::as_str))
            .collect();
        let tls = Tls::new(&names)?;
        if let Some(path) = &self.ca_file {
            fs::write(path, tls.ca_pem())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Some(tls))
    }

    fn apps(&self) -> anyhow::Result<Vec<App>> {
        let apps = self.app.iter().map(|path| {
            let read = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_slice(&read)
                .with_context(|| format!("{} describes no app", path.display()))
        });
        apps.collect()
    }

    fn recorded(&self) -> anyhow::Result<Vec<Bytes>> {
        let mut lines = Vec::new();
        for path in &self.replay {
            let read = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let file = Bytes::from(read);
            let line = |line: &[u8]| file.slice_ref(line.strip_suffix(b"\r").unwrap_or(line));
            lines.extend(
                file.split(|byte| *byte == b'\n')
                    .map(line)
                    .filter(|line| !line.is_empty()),
            );
        }
        Ok(lines)
    }
}
