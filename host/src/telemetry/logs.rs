//! The host's own log, as text or as JSON lines.

use std::fmt::{self, Debug};
use std::io::{self, IsTerminal, Write};

use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::escape;

/// What a line of log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What needs attention.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// How it happens.
    Debug,
    /// Every step.
    Trace,
}

/// Starts logging to `writer`. Libraries that see headers or bodies never log below info, whatever the level (trust rule 19).
pub fn start<W>(format: LogFormat, level: LogLevel, writer: W) -> Result<(), TryInitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    // Only our own crates follow the level; there is no way to turn the others up.
    let others = if level == "error" { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{others},logweir={level}"));
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let layer = tracing_subscriber::fmt::layer()
                // It would say so where nothing can be said any more, and panic.
                .log_internal_errors(false)
                .fmt_fields(debug_fn(write_field).delimited(" "))
                .with_writer(writer)
                .with_ansi(colour);
            registry.with(layer.with_target(false)).try_init()
        }
        LogFormat::Json => {
            let layer = tracing_subscriber::fmt::layer()
                // It would say so where nothing can be said any more, and panic.
                .log_internal_errors(false)
                .json()
                .with_writer(Escaping(writer));
            registry
                .with(layer.flatten_event(true).with_target(false))
                .try_init()
        }
    }
}

/// What others say ends up in fields: a peer's error, a plugin's. None of it may act on a terminal or look like another
/// line (trust rule 20).
fn write_field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let text = format!("{value:?}");
    let text = escape::line(&text);
    match field.name() {
        "message" => writer.write_str(&text),
        name => write!(writer, "{name}={text}"),
    }
}

/// Makes writers of [`EscapedJson`].
struct Escaping<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Escaping<W> {
    type Writer = EscapedJson<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        EscapedJson(self.0.make_writer())
    }
}

/// Escapes what JSON leaves as it is, and a terminal obeys. Each write is one whole line.
struct EscapedJson<W>(W);

impl<W: Write> Write for EscapedJson<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let safe = escape::json(text.trim_end());
        writeln!(self.0, "{safe}")?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn trust_20_json_lines_are_escaped_and_stay_the_same_value() {
        let mut kept = EscapedJson(Kept::default());
        let line = "{\"why\":\"\u{9b}2J \u{202e} é\"}\n";
        kept.write_all(line.as_bytes()).unwrap();
        let written = String::from_utf8(kept.0.0.lock().unwrap().clone()).unwrap();
        assert_eq!(written, "{\"why\":\"\\u009b2J \\u202e é\"}\n");
    }
}
