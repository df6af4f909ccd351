//! Between the contract's ABI and this crate's types; what the export macros expand to. No plugin names it.
//!
//! Most types of [`crate::types`] have the very shape that the generated code expects, and are handed to it as they
//! are; [`types`] says which are not.

#[cfg(feature = "adapter")]
pub(crate) mod inner;
pub mod output;
pub mod source;
pub mod transform;
pub mod types;
