//! Records and batches: one buffer of text and, per record, an entry of numbers that says where things are in it.
//!
//! Nothing here copies or parses a record. A [`Batch`] is made once, from what a source returned, and only if every
//! span holds (see [`Batch::new`]); after that, whoever has a batch can slice it without looking again.

mod batch;
mod entry;

pub use batch::{Batch, BatchError, MAX_TEXT_OF_ENTRY, RecordRef, Records};
pub use entry::{Entry, Severity, Span};
