//! Bodies of answers, drained ahead of their reader.
//!
//! A plugin asks for the next page early and reads it late. wasi:http polls a body only when the plugin does, so
//! without this the page would wait at the peer; a task of the gate takes it in meanwhile, into memory, up to a limit
//! of bytes ahead of the reader. Small frames are joined, because every read of a plugin costs more than the copy.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use http_body::{Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Gate;
use super::error::GateError;
use super::veil::Veil;
use crate::http::HttpError;

/// Bytes that small frames are joined up to: some ten reads for a page of a few megabytes.
const PIECE: usize = 256 * 1024;

/// Frames of this size are handed on as they came: the read costs less than the copy.
const LARGE: usize = 32 * 1024;

/// The reader is woken for this much, or for less when nothing more is ready; so most pieces become no larger.
const WORTH_WAKING: usize = 64 * 1024;

/// The body of an answer. Dropping it ends the transfer.
#[derive(Debug)]
pub struct GateBody {
    shared: Arc<Shared>,
    _stop: DropGuard,
    _slot: OwnedSemaphorePermit,
}

impl GateBody {
    /// Begins to drain an answer. Ends with an error when `session` is cancelled.
    pub(crate) fn drain(
        response: reqwest::Response,
        gate: Arc<Gate>,
        between_bytes: Duration,
        session: &CancellationToken,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let stop = session.child_token();
        let drain = Drain {
            response,
            shared: Arc::clone(&shared),
            veil: Veil::new(gate.credentials()),
            gate,
            between_bytes,
        };
        let stopped = stop.clone();
        tokio::spawn(async move {
            let shared = Arc::clone(&drain.shared);
            let end = tokio::select! {
                () = stopped.cancelled() => Err(GateError::Closed),
                end = drain.run() => end,
            };
            shared.finish(end);
        });
        Self {
            shared,
            _stop: stop.drop_guard(),
            _slot: slot,
        }
    }
}

impl http_body::Body for GateBody {
    type Data = Bytes;
    type Error = GateError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, GateError>>> {
        let mut state = self.shared.lock();
        if let Some(piece) = state.pieces.pop_front() {
            let piece = piece.into_bytes();
            state.bytes -= piece.len();
            self.shared.room.notify_one();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut state.end {
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
            Some(Ok(())) => Poll::Ready(None),
            Some(end) => Poll::Ready(std::mem::replace(end, Ok(())).err().map(Err)),
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.shared.lock();
        state.pieces.is_empty() && matches!(state.end, Some(Ok(())))
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.shared.lock();
        let buffered = state.bytes as u64;
        match state.end {
            Some(Ok(())) => SizeHint::with_exact(buffered),
            _ => {
                let mut hint = SizeHint::new();
                hint.set_lower(buffered);
                hint
            }
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Piece>,
    /// Bytes of all pieces.
    bytes: usize,
    end: Option<Result<(), GateError>>,
    reader: Option<Waker>,
}

/// What is read at once.
#[derive(Debug)]
enum Piece {
    Whole(Bytes),
    Joined(BytesMut),
}

impl Piece {
    fn into_bytes(self) -> Bytes {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Joined(bytes) => bytes.freeze(),
        }
    }
}

impl State {
    fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len();
        if chunk.len() >= LARGE {
            self.pieces.push_back(Piece::Whole(chunk));
            return;
        }
        if let Some(Piece::Joined(last)) = self.pieces.back_mut()
            && last.len() + chunk.len() <= PIECE
        {
            last.extend_from_slice(&chunk);
            return;
        }
        let mut joined = BytesMut::with_capacity(WORTH_WAKING);
        joined.extend_from_slice(&chunk);
        self.pieces.push_back(Piece::Joined(joined));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until less than `most` bytes are ahead of the reader.
    async fn room(&self, most: usize) {
        loop {
            if self.lock().bytes < most {
                return;
            }
            self.room.notified().await;
        }
    }

    fn push(&self, chunk: Bytes) {
        let mut state = self.lock();
        state.push(chunk);
        if state.bytes >= WORTH_WAKING {
            wake(state);
        }
    }

    /// Shows the reader what there is, however little.
    fn show(&self) {
        let state = self.lock();
        if state.bytes > 0 {
            wake(state);
        }
    }

    fn finish(&self, end: Result<(), GateError>) {
        let mut state = self.lock();
        state.end = Some(end);
        wake(state);
    }
}

/// Wakes the reader after the lock is gone, so that it does not meet it.
fn wake(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// What the task of one body works on.
struct Drain {
    response: reqwest::Response,
    shared: Arc<Shared>,
    veil: Veil,
    gate: Arc<Gate>,
    between_bytes: Duration,
}

impl Drain {
    async fn run(mut self) -> Result<(), GateError> {
        let limits = self.gate.limits;
        let mut taken = 0_u64;
        loop {
            self.shared.room(limits.ahead_bytes).await;
            let Some(chunk) = self.next().await? else {
                let rest = self.veil.end();
                self.push(rest);
                self.note_covered();
                return Ok(());
            };
            taken += chunk.len() as u64;
            self.gate
                .bytes
                .fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if taken > limits.response_bytes {
                return Err(GateError::BodyTooLarge {
                    limit: limits.response_bytes,
                });
            }
            let chunk = self.veil.pass(chunk);
            self.push(chunk);
        }
    }

    fn push(&self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.shared.push(chunk);
        }
    }

    fn note_covered(&self) {
        if self.veil.covered() {
            tracing::warn!(source = %self.gate.source, "an answer repeated the credential; it was covered with asterisks");
        }
    }

    /// The next chunk. Only when it is not there yet is the reader told of what came before, so that a body which
    /// comes in many small pieces at once is read in few large ones.
    async fn next(&mut self) -> Result<Option<Bytes>, GateError> {
        let chunk = match self.response.chunk().now_or_never() {
            Some(chunk) => chunk,
            None => {
                self.shared.show();
                tokio::time::timeout(self.between_bytes, self.response.chunk())
                    .await
                    .map_err(|_| GateError::Stalled(self.between_bytes))?
            }
        };
        Ok(chunk.map_err(HttpError::from)?)
    }
}
