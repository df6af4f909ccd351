//! What must hold for any bytes that come from outside.
//!
//! Each target is an ordinary function of bytes that panics when something does not hold. Two run them: libFuzzer, for
//! as long as one likes (`fuzz/run`), and the test `any`, which replays the corpus and what is near it (`mutate`), the
//! same each time. What a fuzzer found becomes a file of the corpus, and from then on is part of the tests.
//!
//! | target | whose bytes they are |
//! |---|---|
//! | [`page`], [`link`], [`answers`] | the org's, or of whoever stands between |
//! | [`checkpoint`], [`tail`], [`config`] | those of a file that people can reach |
//! | [`batch`] | a plugin's |
//! | [`terminal`] | those of whoever causes an event |
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a target panics: that is how it tells what does not hold"
)]

mod answers;
mod batch;
mod checkpoint;
mod config;
mod handed;
mod link;
pub mod mutate;
mod page;
mod tail;
mod terminal;

pub use answers::answers;
pub use batch::batch;
pub use checkpoint::checkpoint;
pub use config::config;
pub use link::link;
pub use page::page;
pub use tail::tail;
pub use terminal::terminal;

use logweir_plugin::types::Span;

/// Whether a request goes to the log of the org that readers here are configured for, and nowhere else.
fn is_for_the_log(url: &str) -> bool {
    let rest = url.strip_prefix("https://acme.okta.com/api/v1/logs");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('?'))
}

/// A stretch of a page, which has to be one.
fn bytes(page: &[u8], span: Span) -> &[u8] {
    let range = span.offset as usize..span.end() as usize;
    page.get(range)
        .unwrap_or_else(|| panic!("{span:?} is outside of the page"))
}
