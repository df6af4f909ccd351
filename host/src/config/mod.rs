//! From what was typed to what it means.
//!
//! A configuration goes one way: text → a tree in which everything knows its place, and in which templates have become
//! the sources that they stand for (`expand`) → what was typed (types with all the optional keys, from which the
//! editors' schema is made too) → a [`Plan`], which has no choices left in it. Nothing is looked up, connected to or
//! written meanwhile, and references to secrets stay references: so a value can never become structure, and `validate`
//! runs anywhere.
//!
//! All mistakes in all files come at once, each with file, line and caret ([`ConfigErrors`]). What the plugins find wrong
//! with their own part later is put into the same form by [`Loaded::issue`].

mod check;
#[cfg(test)]
mod check_tests;
mod de;
mod diagnostic;
mod document;
mod expand;
mod load;
mod mistake;
mod node;
mod plan;
mod raw;
mod resolve;
mod schema;
pub mod template;
mod yaml;

pub use check::check_against_schema;
pub use diagnostic::{ConfigDiagnostic, ConfigErrors};
pub use load::{Flawed, Loaded, stamp};
pub use mistake::suggestion;
pub use plan::{
    AuditPlan, ClientPlan, CredentialPlan, LedgerPlan, Limits, LogFormat, LogLevel, LogPlan,
    OutputEntry, Plan, PluginRef, ProofPlan, QueuePlan, ReloadMode, SourcePlan,
};
pub use schema::schema;
