//! The queue before an output: bounded in records and in the bytes that its batches pin.
//!
//! What is queued counts until the output has it, not until it was taken out: what is being written takes memory too.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::QueueLimits;
use super::budget::Share;
use crate::record::Batch;

/// Requests are cut where they reach either: enough to pay for one fsync, little enough to retry.
const REQUEST_BYTES: usize = 8 << 20;
const REQUEST_BATCHES: usize = 64;

/// A batch on its way to one output.
pub(crate) struct Queued {
    pub(crate) batch: Batch,
    /// Index of its source.
    pub(crate) source: usize,
    /// Its number among the batches of its source.
    pub(crate) number: u64,
    /// Its part of the process's budget, shared with its copies in other queues.
    pub(crate) _share: Arc<Share>,
}

/// A queued batch and the room it takes up.
pub(crate) struct Held {
    pub(crate) queued: Queued,
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

/// Makes a queue.
pub(crate) fn queue(limits: QueueLimits) -> (QueueSender, QueueReceiver) {
    let records = permits(limits.records);
    let bytes = permits(limits.bytes);
    // Each queued batch holds at least one record's permit, so the channel is never the narrower bound.
    let (sender, receiver) = mpsc::channel(records as usize);
    let shared = Arc::new(Shared {
        records: Arc::new(Semaphore::new(records as usize)),
        bytes: Arc::new(Semaphore::new(bytes as usize)),
        limits: (records, bytes),
        failure: OnceLock::new(),
    });
    let receiver = QueueReceiver {
        shared: Arc::clone(&shared),
        receiver,
    };
    (QueueSender { shared, sender }, receiver)
}

struct Shared {
    records: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    limits: (u32, u32),
    failure: OnceLock<String>,
}

/// The end that sources have.
#[derive(Clone)]
pub(crate) struct QueueSender {
    shared: Arc<Shared>,
    sender: mpsc::Sender<Held>,
}

/// The queue's output will never take anything again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

impl QueueSender {
    /// Waits for room, then queues.
    pub(crate) async fn send(&self, queued: Queued) -> Result<(), Closed> {
        let records = permits(queued.batch.len()).min(self.shared.limits.0);
        let bytes = permits(queued.batch.pinned_bytes()).min(self.shared.limits.1);
        let room = (
            acquire(&self.shared.records, records).await?,
            acquire(&self.shared.bytes, bytes).await?,
        );
        let held = Held {
            queued,
            _room: room,
        };
        self.sender.send(held).await.map_err(|_| Closed)
    }

    /// Waits until something may be queued. One that is closed takes nothing, and [`QueueSender::send`] says so.
    pub(crate) async fn room(&self) {
        drop(acquire(&self.shared.records, 1).await);
        drop(acquire(&self.shared.bytes, 1).await);
    }

    /// Whether the output will never take anything again, and why if that is its own fault.
    pub(crate) fn closed(&self) -> Option<Option<&str>> {
        let closed = self.sender.is_closed();
        closed.then(|| self.shared.failure.get().map(String::as_str))
    }
}

async fn acquire(semaphore: &Arc<Semaphore>, permits: u32) -> Result<OwnedSemaphorePermit, Closed> {
    let permit = Arc::clone(semaphore).acquire_many_owned(permits).await;
    permit.map_err(|_| Closed)
}

fn permits(amount: usize) -> u32 {
    // Less than what a channel or semaphore can hold on any platform, more than any sensible limit.
    u32::try_from(amount)
        .unwrap_or(u32::MAX)
        .clamp(1, u32::MAX >> 3)
}

/// The end that the delivery has. Dropping it closes the queue.
pub(crate) struct QueueReceiver {
    shared: Arc<Shared>,
    receiver: mpsc::Receiver<Held>,
}

impl QueueReceiver {
    /// Waits for a batch and takes as many as fit a request; none when no source is left.
    fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Vec<Held>> {
        let first = ready!(self.receiver.poll_recv(context));
        Poll::Ready(first.map_or_else(Vec::new, |first| self.request(first)))
    }

    /// Takes as many as fit a request; none when nothing is there.
    fn take_now(&mut self) -> Vec<Held> {
        let first = self.receiver.try_recv();
        first.map_or_else(|_| Vec::new(), |first| self.request(first))
    }

    fn request(&mut self, first: Held) -> Vec<Held> {
        let mut bytes = first.queued.batch.pinned_bytes();
        let mut taken = vec![first];
        while bytes < REQUEST_BYTES && taken.len() < REQUEST_BATCHES {
            let Ok(held) = self.receiver.try_recv() else {
                break;
            };
            bytes += held.queued.batch.pinned_bytes();
            taken.push(held);
        }
        taken
    }

    /// Takes nothing any more, for this reason.
    fn fail(self, why: &str) {
        // The first reason stays.
        drop(self.shared.failure.set(why.to_owned()));
    }

    /// How many records and bytes are queued or being written.
    pub(crate) fn depth(&self) -> QueueDepth {
        QueueDepth(Arc::clone(&self.shared))
    }
}

/// The queues of one output, one behind the other: a reload gives it another one while pages are on their way along
/// the old routes.
///
/// **Order.** A source that has sent a page along a new route has sent those before along the old one. So what is in an
/// old queue when something is taken from a newer one goes first, and no queue waits until another one is closed: a page
/// that is stuck on its way to another output may keep an old queue open for hours.
pub(crate) struct Queues {
    /// The oldest first; never empty.
    queues: VecDeque<QueueReceiver>,
    /// Taken, and not given away yet.
    taken: VecDeque<Vec<Held>>,
}

impl Queues {
    pub(crate) fn new(queue: QueueReceiver) -> Self {
        Self {
            queues: [queue].into(),
            taken: VecDeque::new(),
        }
    }

    /// One more, behind the others.
    pub(crate) fn push(&mut self, queue: QueueReceiver) {
        self.queues.push_back(queue);
    }

    /// Waits for a batch and takes as many as fit a request; none when no source is left. Safe to drop while waiting.
    pub(crate) async fn take(&mut self) -> Vec<Held> {
        poll_fn(|context| self.poll_take(context)).await
    }

    fn poll_take(&mut self, context: &mut Context<'_>) -> Poll<Vec<Held>> {
        if let Some(taken) = self.taken.pop_front() {
            return Poll::Ready(taken);
        }
        let mut number = 0;
        while let Some(queue) = self.queues.get_mut(number) {
            match queue.poll_take(context) {
                Poll::Pending => number += 1,
                Poll::Ready(held) if !held.is_empty() => {
                    self.take_older(number);
                    self.taken.push_back(held);
                    return self.taken.pop_front().map_or(Poll::Pending, Poll::Ready);
                }
                Poll::Ready(_) if self.queues.len() == 1 => return Poll::Ready(Vec::new()),
                Poll::Ready(_) => drop(self.queues.remove(number)),
            }
        }
        Poll::Pending
    }

    /// Takes everything out of the first queues.
    fn take_older(&mut self, number: usize) {
        for queue in self.queues.iter_mut().take(number) {
            loop {
                let held = queue.take_now();
                if held.is_empty() {
                    break;
                }
                self.taken.push_back(held);
            }
        }
    }

    /// Nothing is taken any more, for this reason.
    pub(crate) fn fail(self, why: &str) {
        self.queues.into_iter().for_each(|queue| queue.fail(why));
    }
}

impl Drop for QueueReceiver {
    fn drop(&mut self) {
        self.receiver.close();
        self.shared.records.close();
        self.shared.bytes.close();
    }
}

/// A look at a queue from outside.
#[derive(Clone)]
pub(crate) struct QueueDepth(Arc<Shared>);

impl QueueDepth {
    pub(crate) fn records(&self) -> usize {
        (self.0.limits.0 as usize).saturating_sub(self.0.records.available_permits())
    }

    pub(crate) fn bytes(&self) -> usize {
        (self.0.limits.1 as usize).saturating_sub(self.0.bytes.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};
    use std::task::{Wake, Waker};

    use futures::FutureExt;

    use super::super::budget::Budget;
    use super::*;
    use crate::record::{Entry, Span};

    async fn queued(records: u32) -> Queued {
        let text = |index| Span {
            offset: index,
            length: 1,
        };
        let entries = (0..records).map(|index| Entry {
            text: text(index),
            ..Entry::default()
        });
        let body = "1".repeat(records as usize);
        Queued {
            batch: Batch::new("acme".into(), body, entries.collect()).unwrap(),
            source: 0,
            number: 0,
            _share: Arc::new(Budget::new(1).share(1).await),
        }
    }

    #[tokio::test]
    async fn a_full_queue_makes_the_source_wait_until_the_output_has_the_batch() {
        let limits = QueueLimits {
            bytes: 1 << 20,
            records: 3,
        };
        let (sender, receiver) = queue(limits);
        let depth = receiver.depth();
        let mut queues = Queues::new(receiver);
        sender.send(queued(2).await).await.unwrap();
        assert!(sender.send(queued(2).await).now_or_never().is_none());
        let taken = queues.take().await;
        assert!(sender.send(queued(2).await).now_or_never().is_none());
        assert_eq!(depth.records(), 2);
        assert_eq!(sender.room().now_or_never(), Some(()));
        drop(taken);
        assert_eq!(sender.send(queued(2).await).now_or_never(), Some(Ok(())));
        sender.send(queued(1).await).await.unwrap();
        assert_eq!(sender.room().now_or_never(), None);
    }

    #[tokio::test]
    async fn delivery_23_what_is_in_an_old_queue_goes_first_and_keeps_no_newer_one_waiting() {
        let limits = QueueLimits {
            bytes: 32 << 20,
            records: 1_000,
        };
        let ((old, receiver), (new, newer)) = (queue(limits), queue(limits));
        let mut queues = Queues::new(receiver);
        queues.push(newer);
        let numbered = async |number| Queued {
            number,
            ..queued(1).await
        };
        let numbers =
            |held: Vec<Held>| -> Vec<_> { held.iter().map(|held| held.queued.number).collect() };
        assert!(queues.take().now_or_never().is_none());
        // The old one is open all the time: a page is on its way to it.
        new.send(numbered(1).await).await.unwrap();
        assert_eq!(numbers(queues.take().await), [1]);
        for number in 2..70 {
            old.send(numbered(number).await).await.unwrap();
        }
        new.send(numbered(70).await).await.unwrap();
        let mut taken = Vec::new();
        while let Some(held) = queues.take().now_or_never() {
            taken.extend(numbers(held));
        }
        assert_eq!(taken, (2..=70).collect::<Vec<_>>());
        // As if it came between the looks at the one and at the other.
        new.send(numbered(72).await).await.unwrap();
        old.send(numbered(71).await).await.unwrap();
        queues.take_older(1);
        assert_eq!(numbers(queues.take().await), [71]);
        drop(old);
        assert_eq!(numbers(queues.take().await), [72]);
        drop(new);
        assert!(queues.take().await.is_empty());
    }

    /// Fills queues when it is dropped: when the last queue that knew it gets to know somebody else, which is when that
    /// queue was seen to be empty and is about to be looked at again.
    struct Fills(Mutex<Vec<(QueueSender, Queued)>>);

    impl Wake for Fills {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Fills {
        fn drop(&mut self) {
            let queued = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
            for (sender, queued) in queued.drain(..) {
                assert_eq!(sender.send(queued).now_or_never(), Some(Ok(())));
            }
        }
    }

    #[tokio::test]
    async fn what_comes_between_the_looks_at_two_queues_keeps_its_order() {
        let ((old, receiver), (new, newer)) =
            (queue(QueueLimits::default()), queue(QueueLimits::default()));
        let mut queues = Queues::new(receiver);
        queues.push(newer);
        let numbered = async |number| Queued {
            number,
            ..queued(1).await
        };
        let fills = vec![(old, numbered(1).await), (new, numbered(2).await)];
        let waker = Waker::from(Arc::new(Fills(Mutex::new(fills))));
        let waits = queues.poll_take(&mut Context::from_waker(&waker));
        assert!(waits.is_pending());
        drop(waker);
        let mut taken = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(held) = queues.poll_take(&mut context)
            && !held.is_empty()
        {
            taken.extend(held.iter().map(|held| held.queued.number));
        }
        assert_eq!(taken, [1, 2]);
    }

    #[tokio::test]
    async fn a_batch_bigger_than_the_queue_passes_alone() {
        let (sender, receiver) = queue(QueueLimits {
            bytes: 16,
            records: 2,
        });
        let mut queues = Queues::new(receiver);
        sender.send(queued(1000).await).await.unwrap();
        assert!(sender.send(queued(1).await).now_or_never().is_none());
        assert_eq!(queues.take().await.len(), 1);
        assert_eq!(sender.send(queued(1).await).now_or_never(), Some(Ok(())));
    }

    #[tokio::test]
    async fn who_waits_for_room_learns_that_the_output_failed() {
        let (sender, receiver) = queue(QueueLimits {
            bytes: 1 << 20,
            records: 1,
        });
        sender.send(queued(1).await).await.unwrap();
        let waiting = sender.send(queued(1).await);
        let (sent, ()) = futures::join!(waiting, async { receiver.fail("broken pipe") });
        assert_eq!(sent, Err(Closed));
        assert_eq!(sender.closed(), Some(Some("broken pipe")));
    }
}
