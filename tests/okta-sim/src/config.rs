//! What kind of org it is.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::faults::Fault;
use crate::oauth::App;

/// So many requests in a window are as good as no limit.
const UNLIMITED: u64 = 100_000_000;

/// What an org begins with. The default is a quiet one: 10,000 events over 30 days, no limits, no faults.
#[derive(Debug, Clone)]
pub struct OrgConfig {
    /// Generated events.
    pub events: usize,
    /// How far back they reach; recorded events too.
    pub days: f64,
    /// The accepted API token.
    pub token: String,
    /// Decides the events, the cursors and what faults meet by chance.
    pub seed: u64,
    /// What the org calls now when it begins; without it the machine's time.
    pub now: Option<Timestamp>,
    /// By how much the org's clock is wrong.
    pub clock_skew_s: i64,
    /// This share of the events is persisted minutes to hours after it was published.
    pub late_percent: f64,
    /// New events while it runs.
    pub live_per_sec: f64,
    /// So many events are always there that nobody was served yet: an org that is busier than any reader.
    pub ahead: usize,
    /// Of new events and older ones, so many are kept at least, and hardly more. Without it all are.
    pub keep: Option<usize>,
    /// Recorded events, served byte for byte, whether they are JSON or not.
    pub replay: Vec<Bytes>,
    /// What `/.well-known/okta-organization` calls the org.
    pub org_id: String,
    /// Each answer takes this long.
    pub latency: Duration,
    /// Requests for logs that one token may make in a window; all tokens together twice that.
    pub rate_limit: u64,
    /// How long a window is. Okta's are a minute.
    pub rate_window: Duration,
    /// Another client of the same token uses this share of each window, evenly.
    pub neighbour_percent: f64,
    /// Whether a 429 has a `Retry-After`. Okta's have none.
    pub retry_after: bool,
    /// How the rate-limit headers are sent.
    pub rate_headers: RateHeaders,
    /// Compresses what may be compressed.
    pub gzip: bool,
    /// Links name the org's `-admin` host instead of the one that was asked.
    pub admin_links: bool,
    /// The status of the token's owner.
    pub owner_status: String,
    /// The administrator role of the token's owner.
    pub role: String,
    /// Apps that get tokens.
    pub apps: Vec<App>,
    /// How long their tokens hold. Okta's hold an hour.
    pub token_lifetime: Duration,
    /// How long a nonce for proofs is the right one. Okta's change once a day.
    pub nonce_lifetime: Duration,
    /// What goes wrong from the beginning.
    pub faults: Vec<Fault>,
}

/// How the rate-limit headers are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RateHeaders {
    /// Each once.
    #[default]
    Normal,
    /// None.
    Absent,
    /// Each twice, as behind an old proxy.
    Doubled,
}

impl Default for OrgConfig {
    fn default() -> Self {
        Self {
            events: 10_000,
            days: 30.0,
            token: "sim-token".to_owned(),
            seed: 1,
            now: None,
            clock_skew_s: 0,
            late_percent: 0.0,
            live_per_sec: 0.0,
            ahead: 0,
            keep: None,
            replay: Vec::new(),
            org_id: "00osimulated0org1d7".to_owned(),
            latency: Duration::ZERO,
            rate_limit: UNLIMITED,
            rate_window: Duration::from_secs(60),
            neighbour_percent: 0.0,
            retry_after: false,
            rate_headers: RateHeaders::Normal,
            gzip: false,
            admin_links: false,
            owner_status: "ACTIVE".to_owned(),
            role: "READ_ONLY_ADMIN".to_owned(),
            apps: Vec::new(),
            token_lifetime: Duration::from_secs(3600),
            nonce_lifetime: Duration::from_secs(24 * 3600),
            faults: Vec::new(),
        }
    }
}
