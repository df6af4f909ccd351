//! What sources, transforms and outputs say to each other and to the host: `wit/types.wit` in ordinary Rust.

mod batch;
mod check;
mod description;
mod error;
mod page;

pub use batch::{Batch, Entry, Outcome, PortBatch, Refused, Rejected, Severity, Span, Written};
pub use check::{CheckReport, CheckStatus, Finding};
pub use description::{
    CredentialKind, CredentialScheme, Description, HeaderScheme, HttpNeed, OauthScheme, RateLimit,
    ResetFormat,
};
pub use error::{ConfigIssue, Error};
#[cfg(target_family = "wasm")]
pub(crate) use page::milliseconds;
pub use page::{Pace, Page, Progress, Start, Window};
