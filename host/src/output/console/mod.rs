//! Records on standard output, at least once: for people to look at, and for the next program in a pipe.
//!
//! On a terminal, nothing in a record can move the cursor or hide text (trust rule 20); into a pipe or file the bytes
//! stay as they came. Each call writes whole lines under one lock, so that a progress bar on standard error is never
//! torn by half a line.
//!
//! Behind a redirection into a file, a record counts when it is on the disk. What a failed write or a killed process
//! tore becomes a line of its own, so that every record is in a whole line.

mod render;
mod target;

use std::io::{self, ErrorKind, Write};

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use self::render::{Renderer, Shape};
use self::target::{Target, Torn};
use super::OptionError;
use crate::record::Batch;
use crate::stage::{CheckReport, CheckStatus, Finding, Output, StageError, Written};

/// What is written at a time.
const CHUNK_SIZE: usize = 64 << 10;

/// How records look on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsoleFormat {
    /// `line` on a terminal, `ndjson` into a pipe or file.
    #[default]
    Auto,
    /// The records as they came, one a line.
    Ndjson,
    /// One readable line a record.
    Line,
}

/// Records on standard output, at least once.
#[derive(Debug, Clone, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// How records look.
    #[serde(default)]
    pub format: ConsoleFormat,
}

/// What a console output is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsolePlan {
    /// How records look.
    pub format: ConsoleFormat,
}

impl ConsoleConfig {
    /// Decides what can be decided without touching anything.
    pub fn plan(&self) -> Result<ConsolePlan, OptionError> {
        Ok(ConsolePlan {
            format: self.format,
        })
    }
}

/// Opens the output.
pub fn open(plan: ConsolePlan) -> Result<Box<dyn Output>, StageError> {
    let target = Target::stdout().map_err(failed)?;
    let terminal = target.is_terminal();
    let shape = match (plan.format, terminal) {
        (ConsoleFormat::Ndjson, _) | (ConsoleFormat::Auto, false) => Shape::Ndjson,
        (ConsoleFormat::Line, _) | (ConsoleFormat::Auto, true) => Shape::Line,
    };
    let colour = terminal
        && may_colour(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    Ok(Box::new(ConsoleOutput {
        shape,
        lines: Some(Lines {
            renderer: Renderer::new(shape, terminal, colour),
            torn: target.torn(),
            target,
        }),
    }))
}

struct ConsoleOutput {
    shape: Shape,
    /// Nothing while a call is at work, and after one that nobody waited for.
    lines: Option<Lines>,
}

struct Lines {
    renderer: Renderer,
    target: Target,
    torn: Torn,
}

#[async_trait]
impl Output for ConsoleOutput {
    async fn check(&mut self) -> Result<CheckReport, StageError> {
        let finding = Finding {
            subject: "standard output".to_owned(),
            status: CheckStatus::Ok,
            detail: format!("records go there as {}", self.shape.as_str()),
            advice: None,
        };
        Ok(CheckReport {
            findings: vec![finding],
        })
    }

    /// Whoever reads a pipe may be slow, so this happens off the runtime's workers.
    async fn write(&mut self, batches: &[Batch]) -> Result<Written, StageError> {
        let batches = batches.to_vec();
        let Some(mut lines) = self.lines.take() else {
            return Err(StageError::Crashed("a write was interrupted".to_owned()));
        };
        let written = spawn_blocking(move || {
            let written = lines.write(&batches);
            (lines, written)
        });
        let written = written.await;
        let (lines, written) =
            written.map_err(|error| StageError::Crashed(format!("writing failed: {error}")))?;
        self.lines = Some(lines);
        written.map_err(failed)?;
        Ok(Written::default())
    }
}

impl Lines {
    fn write(&mut self, batches: &[Batch]) -> io::Result<()> {
        let mut locked = io::stdout().lock();
        locked.flush()?;
        self.renderer.set_width(width());
        write(
            &mut self.target,
            &mut self.torn,
            &mut self.renderer,
            batches,
        )?;
        self.target.settle()
    }
}

fn write(
    out: &mut impl Write,
    torn: &mut Torn,
    renderer: &mut Renderer,
    batches: &[Batch],
) -> io::Result<()> {
    let mut lines = Vec::new();
    for batch in batches {
        for record in batch.records() {
            renderer.push(&mut lines, batch.source(), record);
            if lines.len() >= CHUNK_SIZE {
                torn.write_all(out, &lines)?;
                lines.clear();
            }
        }
    }
    torn.write_all(out, &lines)
}

fn failed(error: io::Error) -> StageError {
    if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) {
        return StageError::Permanent(
            "standard output was closed: its terminal has gone".to_owned(),
        );
    }
    match error.kind() {
        ErrorKind::BrokenPipe => {
            StageError::Permanent("standard output was closed: whoever read it has gone".to_owned())
        }
        ErrorKind::StorageFull => {
            StageError::Transient("standard output can't be written: the disk is full".to_owned())
        }
        _ => StageError::Transient(format!("standard output can't be written: {error}")),
    }
}

/// A terminal can be resized at any time.
fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// <https://no-color.org>
fn may_colour(is_set: impl Fn(&str) -> bool) -> bool {
    !is_set("NO_COLOR") && is_set("TERM")
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::record::{Entry, Span};

    fn batch(records: usize) -> Batch {
        let entry = |index: usize| Entry {
            text: Span {
                offset: u32::try_from(index * 7).unwrap(),
                length: 7,
            },
            ..Entry::default()
        };
        Batch::new(
            "acme".into(),
            "{\"a\":1}".repeat(records),
            (0..records).map(entry).collect(),
        )
        .unwrap()
    }

    #[test]
    fn every_record_is_one_line_however_many_there_are() {
        let mut out = Vec::new();
        let mut renderer = Renderer::new(Shape::Ndjson, false, false);
        write(
            &mut out,
            &mut Torn::default(),
            &mut renderer,
            &[batch(20_000), batch(0), batch(3)],
        )
        .unwrap();
        assert_eq!(out, b"{\"a\":1}\n".repeat(20_003));
    }

    #[test]
    fn a_reader_that_has_gone_ends_the_output_for_good() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        let mut renderer = Renderer::new(Shape::Ndjson, false, false);
        let error = failed(
            write(
                &mut writer,
                &mut Torn::default(),
                &mut renderer,
                &[batch(1)],
            )
            .unwrap_err(),
        );
        assert!(
            matches!(&error, StageError::Permanent(text) if text.contains("was closed")),
            "{error:?}"
        );
    }

    #[test]
    fn a_full_disk_behind_a_redirection_is_tried_again() {
        let mut full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut renderer = Renderer::new(Shape::Ndjson, false, false);
        let error =
            failed(write(&mut full, &mut Torn::default(), &mut renderer, &[batch(1)]).unwrap_err());
        assert!(
            matches!(&error, StageError::Transient(text) if text.contains("the disk is full")),
            "{error:?}"
        );
    }

    /// A pipe takes what is written and can't be synced, as a file on a failing disk.
    #[test]
    fn what_is_redirected_into_a_file_counts_when_it_is_synced() {
        let (reader, writer) = io::pipe().unwrap();
        let mut lines = Lines {
            renderer: Renderer::new(Shape::Ndjson, false, false),
            target: Target::of(OwnedFd::from(writer).into(), true),
            torn: Torn::default(),
        };
        lines.write(&[batch(1)]).unwrap_err();
        drop(lines);
        assert_eq!(io::read_to_string(reader).unwrap(), "{\"a\":1}\n");
    }

    #[test]
    fn no_colour_for_those_who_say_so() {
        let environment = |set: &'static [&str]| move |name: &str| set.contains(&name);
        assert!(may_colour(environment(&["TERM"])));
        assert!(!may_colour(environment(&["TERM", "NO_COLOR"])));
        assert!(!may_colour(environment(&[])));
    }

    #[tokio::test]
    async fn a_check_says_how_records_will_look() {
        let config: ConsoleConfig = serde_json::from_str(r#"{"format":"line"}"#).unwrap();
        let mut output = open(config.plan().unwrap()).unwrap();
        let report = output.check().await.unwrap();
        assert_eq!(
            report.findings[0].detail,
            "records go there as lines for people"
        );
        assert_eq!(output.position(), None);
    }
}
