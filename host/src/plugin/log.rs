//! A plugin's standard error is its log: by line, limited, escaped, named after the source (trust rule 14).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::gate::Gate;
use crate::telemetry::escape;

/// A line is cut here: a plugin can't fill a log with one.
const LINE_BYTES_MAX: usize = 4 << 10;
/// What a guest may write in one piece.
const WRITE_BYTES_MAX: usize = 64 << 10;
/// How many lines are kept for when the guest traps. A panic of Rust's has two: where, and why.
const LAST_LINES: usize = 2;
/// What Rust says after every panic, and what helps nobody here.
const PANIC_NOTE: &[u8] = b"note: run with `RUST_BACKTRACE";

/// Takes what a guest writes to standard error and logs it by line.
#[derive(Clone)]
pub(crate) struct GuestLog(Arc<Mutex<Lines>>);

struct Lines {
    source: Arc<str>,
    gate: Option<Arc<Gate>>,
    pending: Vec<u8>,
    /// The newest lines, oldest first, as the guest wrote them.
    last: VecDeque<Vec<u8>>,
    allowed: u32,
    window: Instant,
    in_window: u32,
    left_out: u64,
}

impl GuestLog {
    /// `gate` knows the secrets that must not appear.
    pub(crate) fn new(source: Arc<str>, gate: Option<Arc<Gate>>, lines_per_second: u32) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            source,
            gate,
            pending: Vec::new(),
            last: VecDeque::new(),
            allowed: lines_per_second,
            window: Instant::now(),
            in_window: 0,
            left_out: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last lines the guest wrote, as one: a panic's message, when it trapped.
    pub(crate) fn last_words(&self) -> String {
        let mut lines = self.lock();
        lines.end_line();
        let words: Vec<_> = lines
            .last
            .iter()
            .map(|line| lines.printable(line))
            .collect();
        words.join(" ")
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let room = LINE_BYTES_MAX
                .saturating_sub(self.pending.len())
                .min(text.len());
            self.pending
                .extend_from_slice(text.get(..room).unwrap_or_default());
            if ends {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let line = std::mem::take(&mut self.pending);
        // A flood must cost the guest, not the host: what is left out is not even looked at.
        if self.admit() {
            self.pass_on(&self.printable(&line));
        }
        if line.starts_with(PANIC_NOTE) {
            return;
        }
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Without secrets, and without what moves a terminal's cursor.
    fn printable(&self, line: &[u8]) -> String {
        let text = String::from_utf8_lossy(line);
        let text = match &self.gate {
            Some(gate) => gate.scrub(&text),
            None => text,
        };
        escape::line(&text).into_owned()
    }

    /// Whether this second still has room.
    fn admit(&mut self) -> bool {
        if self.window.elapsed() >= Duration::from_secs(1) {
            self.window = Instant::now();
            self.in_window = 0;
            self.tell_left_out();
        }
        self.in_window += 1;
        let admitted = self.in_window <= self.allowed;
        if !admitted {
            self.left_out += 1;
        }
        admitted
    }

    fn tell_left_out(&mut self) {
        let lines = std::mem::take(&mut self.left_out);
        if lines > 0 {
            tracing::warn!(source = %self.source, lines, "plugin logs too much, lines were left out");
        }
    }

    fn pass_on(&self, line: &str) {
        let source = &self.source;
        match line.split_once(": ") {
            Some(("error", text)) => tracing::error!(%source, plugin = %text, "plugin says"),
            Some(("warn", text)) => tracing::warn!(%source, plugin = %text, "plugin says"),
            Some(("debug", text)) => tracing::debug!(%source, plugin = %text, "plugin says"),
            Some(("info", text)) => tracing::info!(%source, plugin = %text, "plugin says"),
            _ => tracing::info!(%source, plugin = %line, "plugin says"),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.tell_left_out();
    }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

/// Takes what is written at once: it needs no task and no buffer, costs the guest's time, and tells it nothing of ours.
impl OutputStream for GuestLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.lock().take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[async_trait]
impl Pollable for GuestLog {
    async fn ready(&mut self) {}
}

impl AsyncWrite for GuestLog {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.lock().take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// The lines of the host's log that come of what a guest writes.
    fn logged(lines_per_second: u32, write: impl FnOnce(&mut GuestLog)) -> Vec<String> {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(kept.clone())
            .without_time()
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut log = GuestLog::new("acme".into(), None, lines_per_second);
            write(&mut log);
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn write(log: &mut GuestLog, text: &str) {
        log.write(Bytes::copy_from_slice(text.as_bytes())).unwrap();
    }

    #[test]
    fn trust_14_a_plugin_logs_by_line_at_its_level_in_the_name_of_its_source() {
        let said = logged(20, |log| {
            write(log, "warn: one\nerr");
            write(log, "or: two\nthree\n\nno end");
        });
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("WARN") && said[0].contains("source=acme plugin=one"));
        assert!(said[1].contains("ERROR") && said[1].contains("plugin=two"));
        assert!(said[2].contains("INFO") && said[2].contains("plugin=three"));
    }

    #[test]
    fn trust_14_lines_beyond_the_rate_are_counted_and_not_passed_on() {
        let said = logged(3, |log| {
            for line in 0..10 {
                write(log, &format!("line {line}\n"));
            }
            log.lock().window -= Duration::from_secs(2);
            write(log, "afterwards\n");
        });
        assert_eq!(said.len(), 5, "{said:?}");
        assert!(said[2].contains("line 2"), "{said:?}");
        assert!(said[3].contains("lines were left out") && said[3].contains("lines=7"));
        assert!(said[4].contains("afterwards"), "{said:?}");
    }

    #[test]
    fn trust_14_what_was_left_out_at_the_end_is_told_too() {
        let said = logged(1, |log| write(log, "one\ntwo\nthree\n"));
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[1].contains("lines were left out") && said[1].contains("lines=2"));
    }

    #[test]
    fn trust_14_a_line_without_an_end_is_cut_and_takes_no_memory() {
        let said = logged(20, |log| {
            for _ in 0..100 {
                write(log, &"a".repeat(1_000));
            }
            assert_eq!(log.lock().pending.len(), LINE_BYTES_MAX);
            write(log, "\nnext\n");
        });
        assert_eq!(said.len(), 2, "{said:?}");
        let cut = format!("plugin={}", "a".repeat(LINE_BYTES_MAX));
        assert!(said[0].ends_with(&cut), "{said:?}");
        assert!(said[1].contains("next"), "{said:?}");
    }

    #[test]
    fn trust_14_trust_20_what_acts_on_a_terminal_is_escaped() {
        let said = logged(20, |log| {
            write(
                log,
                "error: \u{1b}[2J\u{9b}31m\u{202e}x\u{2028}y\rinfo: forged\n",
            );
            log.write(Bytes::from_static(b"\xff\xfe\n")).unwrap();
        });
        assert_eq!(said.len(), 2, "{said:?}");
        let acts = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}');
        assert!(!said.concat().contains(acts), "{said:?}");
        assert!(said[0].contains("x\\u{2028}y\\rinfo: forged"), "{said:?}");
    }

    #[test]
    fn the_last_words_are_a_panic_s_two_lines_without_its_note() {
        let mut log = GuestLog::new("acme".into(), None, 0);
        write(
            &mut log,
            "info: long ago\nthread panicked at x.rs:1:\nbecause\n",
        );
        write(&mut log, "note: run with `RUST_BACKTRACE=1`\n");
        assert_eq!(log.last_words(), "thread panicked at x.rs:1: because");
    }
}
