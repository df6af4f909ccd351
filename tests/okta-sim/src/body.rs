//! The body of an answer: bytes as they lie in the log, pauses, and ends that come too early.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::under_way::UnderWay;

/// A piece of a body.
pub(crate) enum Step {
    Data(Bytes),
    Pause(Duration),
    /// Nothing more, and no end.
    Forever,
    /// The connection ends.
    Cut,
    /// As much as there is.
    Stream(Box<dyn FnMut() -> Option<Bytes> + Send>),
}

/// A body whose length nobody knows: it is sent in chunks, as Okta sends it.
pub(crate) struct StepBody {
    steps: VecDeque<Step>,
    sleeping: Option<Pin<Box<Sleep>>>,
    /// Done when the last step is taken: what the client does next comes after.
    under_way: Option<UnderWay>,
}

impl StepBody {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            sleeping: None,
            under_way: None,
        }
    }

    /// The body of the answer to this request.
    pub(crate) fn of(mut self, request: UnderWay) -> Self {
        self.under_way = Some(request);
        self
    }

    fn done(&mut self) {
        if let Some(request) = self.under_way.take() {
            request.done();
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        let Some(Step::Stream(read)) = self.steps.front_mut() else {
            return match self.steps.pop_front() {
                Some(Step::Data(data)) => Some(data),
                _ => None,
            };
        };
        let read = read();
        if read.is_none() {
            self.steps.pop_front();
        }
        read
    }
}

impl Body for StepBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(sleeping) = &mut self.sleeping {
                std::task::ready!(sleeping.as_mut().poll(context));
                self.sleeping = None;
            }
            match self.steps.front() {
                None => {
                    self.done();
                    return Poll::Ready(None);
                }
                Some(Step::Pause(time)) => {
                    self.sleeping = Some(Box::pin(sleep(*time)));
                    self.steps.pop_front();
                }
                Some(Step::Forever) => return Poll::Pending,
                Some(Step::Cut) => {
                    self.steps.clear();
                    self.done();
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
                Some(Step::Data(_) | Step::Stream(_)) => {
                    let data = self.next();
                    if self.steps.is_empty() {
                        self.done();
                    }
                    if let Some(data) = data.filter(|data| !data.is_empty()) {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.sleeping.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// Cuts pieces in two halves.
pub(crate) fn halves(pieces: Vec<Bytes>) -> (Vec<Bytes>, Vec<Bytes>) {
    let total: usize = pieces.iter().map(Bytes::len).sum();
    let mut left = total / 2;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for mut piece in pieces {
        let head = piece.split_to(left.min(piece.len()));
        left -= head.len();
        first.push(head);
        second.push(piece);
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_keep_every_byte() {
        let pieces = ["abc", "", "defg", "h"].map(Bytes::from).to_vec();
        let (first, second) = halves(pieces);
        assert_eq!(first.concat(), b"abcd");
        assert_eq!(second.concat(), b"efgh");
    }
}
