//! A simulated Okta org: the System Log API over HTTP and HTTPS, with faults on demand and a report of what clients did.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use okta_sim::{Fault, FaultKind, Org, OrgConfig};
//!
//! let org = Org::new(OrgConfig { events: 20_000, ..OrgConfig::default() });
//! org.fault(Fault::new(FaultKind::Status).status(503).times(2));
//! let running = org.serve(tokio::net::TcpListener::bind("127.0.0.1:0").await?)?;
//! // … point a client at `running.url()` …
//! assert!(running.report().violations.is_empty());
//! running.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! The modules, in the order a request meets them:
//!
//! - `server`: connections, TLS in `tls`.
//! - `control`: `/sim/…`, for tests in other processes.
//! - `routes`: who may ask (`call`), how often (`limits`), and which endpoint it is.
//! - `oauth`: the authorization server: tokens for apps, and what comes with them.
//! - `faults`: what goes wrong and when; `faulty`: how that shows.
//! - `logs`: `GET /api/v1/logs`: the question (`query`, `filter`), the position (`cursor`), the events (`page`, `store`).
//! - `respond`: headers and body (`answer`, `body`, `compress`, `error`).
//! - `report`: what clients did, and which rules they broke; `under_way`: how many at a time.
//! - `org`, `config`, `clock`: what all of them ask; `generate`: the events of a fictional company.

mod answer;
mod body;
mod call;
mod clock;
mod compress;
mod config;
mod control;
mod cursor;
mod error;
mod faults;
mod faulty;
mod filter;
mod generate;
mod limits;
mod logs;
mod oauth;
mod org;
mod page;
mod query;
mod report;
mod respond;
mod routes;
mod server;
mod store;
mod tls;
mod under_way;

pub use config::{OrgConfig, RateHeaders};
pub use faults::{Fault, FaultError, FaultKind};
pub use oauth::App;
pub use org::Org;
pub use report::{Report, Rule, Violation, WindowUse};
pub use server::Running;
pub use tls::{Tls, TlsError};

/// Where the log is.
pub const LOGS_PATH: &str = "/api/v1/logs";
/// Where apps get tokens.
pub const TOKEN_PATH: &str = "/oauth2/v1/token";
/// What an org says about itself to everybody.
pub const WELL_KNOWN_PATH: &str = "/.well-known/okta-organization";
