//! A plugin's standard error is its log: by line, limited, escaped, named after the source (trust rule 14).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use crate::gate::Gate;
use crate::telemetry::escape;

/// A line is cut here: a plugin can't fill a log with one.
const LINE_BYTES_MAX: usize = 4 << 10;
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

    /// The last lines the guest wrote, as one: a panic's message, when it trapped.
    pub(crate) fn last_words(&self) -> String {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
            if self.left_out > 0 {
                tracing::warn!(source = %self.source, lines = self.left_out, "plugin logs too much, lines were left out");
                self.left_out = 0;
            }
        }
        self.in_window += 1;
        let admitted = self.in_window <= self.allowed;
        if !admitted {
            self.left_out += 1;
        }
        admitted
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

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
