//! What the author of a Logweir plugin needs: traits, export macros, an HTTP client over `wasi:http`, logging.
//!
//! A plugin is one type that implements [`Source`], [`Transform`] or [`Output`], and one line that exports it. The
//! crate is a `cdylib` (and an `rlib`, for its tests), built for `wasm32-wasip2`. Natively the traits and all types
//! are there as well, so that a plugin's logic is tested like any Rust; what sends requests is for wasm alone.
//!
//! A plugin has clocks, randomness, a log ([`log`]) and the network access that it asked for in its
//! [`types::Description`] and was granted; nothing else. It never sees a secret: the host adds credentials to
//! requests. It never sleeps: it says when it wants to be called again. It keeps nothing that it can't do without:
//! the host may drop it after any call.
//!
//! # A source
//!
//! ```
//! use logweir_plugin::Source;
//! use logweir_plugin::types::{
//!     Batch, CheckReport, CheckStatus, Description, Entry, Error, Finding, Pace, Page, Severity, Span, Start,
//! };
//!
//! /// Counts.
//! struct Counter {
//!     next: u64,
//! }
//!
//! impl Source for Counter {
//!     fn describe() -> Description {
//!         Description {
//!             name: "counter".to_owned(),
//!             version: "0.1.0".to_owned(),
//!             summary: "Counts, one record per number.".to_owned(),
//!             config_schema: r#"{"type": "object"}"#.to_owned(),
//!             ..Description::default()
//!         }
//!     }
//!
//!     fn open(_config: &str, start: Start) -> Result<Self, Error> {
//!         let next = match start {
//!             Start::Checkpoint(number) => number
//!                 .parse()
//!                 .map_err(|_| Error::Permanent(format!("{number} is no checkpoint of this plugin")))?,
//!             _ => 1,
//!         };
//!         Ok(Self { next })
//!     }
//!
//!     fn check(&mut self) -> Result<CheckReport, Error> {
//!         let finding = Finding::new("numbers", CheckStatus::Ok, "there are enough");
//!         Ok(CheckReport { findings: vec![finding] })
//!     }
//!
//!     fn read(&mut self) -> Result<Page, Error> {
//!         let mut batch = Batch::default();
//!         let text = batch.append(&format!(r#"{{"number": {}}}"#, self.next));
//!         let id = batch.append(&self.next.to_string());
//!         let time = logweir_plugin::time::now();
//!         batch.entries.push(Entry { text, id, kind: Span::NONE, time, severity: Severity::Info });
//!         self.next += 1;
//!         Ok(Page::new(batch, self.next.to_string(), Pace::Now))
//!     }
//! }
//!
//! logweir_plugin::export_source!(Counter);
//!
//! let mut counter = Counter::open("{}", Start::Checkpoint("7".to_owned())).unwrap();
//! let page = counter.read().unwrap();
//! let texts: Vec<_> = page.batch.records().filter_map(|(text, _)| text).collect();
//! assert_eq!(texts, [r#"{"number": 7}"#]);
//! assert_eq!(page.checkpoint, "8");
//! ```
//!
//! # A transform
//!
//! ```
//! use logweir_plugin::Transform;
//! use logweir_plugin::types::{Batch, Description, Error, Outcome, Severity};
//!
//! /// Drops what is there for debugging.
//! struct Quieter;
//!
//! impl Transform for Quieter {
//!     fn describe() -> Description {
//!         Description {
//!             name: "quieter".to_owned(),
//!             version: "0.1.0".to_owned(),
//!             summary: "Drops debug records.".to_owned(),
//!             config_schema: r#"{"type": "object"}"#.to_owned(),
//!             ..Description::default()
//!         }
//!     }
//!
//!     fn open(_config: &str) -> Result<Self, Error> {
//!         Ok(Self)
//!     }
//!
//!     fn process(&mut self, mut batch: Batch) -> Result<Outcome, Error> {
//!         batch.entries.retain(|entry| entry.severity > Severity::Debug);
//!         Ok(Outcome::main(batch))
//!     }
//! }
//!
//! logweir_plugin::export_transform!(Quieter);
//!
//! let outcome = Quieter.process(Batch::default()).unwrap();
//! assert_eq!(outcome, Outcome::main(Batch::default()));
//! ```
//!
//! # An output
//!
//! ```
//! use logweir_plugin::Output;
//! use logweir_plugin::types::{Batch, CheckReport, Description, Error, Rejected, Written};
//!
//! /// Counts records, and takes none that is longer than 1 MiB.
//! struct Tally {
//!     records: u64,
//! }
//!
//! impl Output for Tally {
//!     fn describe() -> Description {
//!         Description {
//!             name: "tally".to_owned(),
//!             version: "0.1.0".to_owned(),
//!             summary: "Counts records.".to_owned(),
//!             config_schema: r#"{"type": "object"}"#.to_owned(),
//!             ..Description::default()
//!         }
//!     }
//!
//!     fn open(_config: &str, position: Option<&str>) -> Result<Self, Error> {
//!         let records = position.unwrap_or("0").parse();
//!         let records = records.map_err(|_| Error::Permanent("the position is no number".to_owned()))?;
//!         Ok(Self { records })
//!     }
//!
//!     fn check(&mut self) -> Result<CheckReport, Error> {
//!         Ok(CheckReport::default())
//!     }
//!
//!     fn write(&mut self, batch: Batch) -> Result<Written, Error> {
//!         let mut rejected = Vec::new();
//!         for (index, entry) in (0..).zip(&batch.entries) {
//!             if entry.text.length > 1024 * 1024 {
//!                 rejected.push(Rejected { index, reason: "longer than 1 MiB".to_owned() });
//!             } else {
//!                 self.records += 1;
//!             }
//!         }
//!         Ok(Written { rejected, position: Some(self.records.to_string()) })
//!     }
//! }
//!
//! logweir_plugin::export_output!(Tally);
//!
//! let mut tally = Tally::open("{}", Some("41")).unwrap();
//! assert_eq!(tally.write(Batch::default()).unwrap().position.as_deref(), Some("41"));
//! ```
//!
//! # A source that wraps another one
//!
//! Written over any [`Source`], so that it can be tested over one made up for the test; exported over `Inner`, the
//! source that `wac plug` composes it with. `Inner` comes with the feature `adapter`, which makes every source built
//! with it import another one.
//!
//! ```
//! use logweir_plugin::Source;
//! use logweir_plugin::types::{CheckReport, Description, Error, Page, Start};
//!
//! /// Says that everything may have been delivered before.
//! struct Doubtful<S>(S);
//!
//! impl<S: Source> Source for Doubtful<S> {
//!     fn describe() -> Description {
//!         S::describe()
//!     }
//!
//!     fn open(config: &str, start: Start) -> Result<Self, Error> {
//!         S::open(config, start).map(Self)
//!     }
//!
//!     fn check(&mut self) -> Result<CheckReport, Error> {
//!         self.0.check()
//!     }
//!
//!     fn read(&mut self) -> Result<Page, Error> {
//!         let page = self.0.read()?;
//!         Ok(Page { overlap: true, ..page })
//!     }
//! }
//!
//! #[cfg(target_family = "wasm")]
//! logweir_plugin::export_source!(Doubtful<logweir_plugin::Inner>);
//! ```

mod export;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod glue;
pub mod http;
pub mod log;
mod stage;
pub mod time;
pub mod types;

#[cfg(all(target_family = "wasm", feature = "adapter"))]
pub use glue::inner::Inner;
pub use stage::{Output, Source, Transform};
