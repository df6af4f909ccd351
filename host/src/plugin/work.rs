//! How long a guest computes.
//!
//! What counts is the time in which a call is polled: the guest's own code and what the host does for it in between.
//! Waits don't count, however many pieces they come in. A guest that never waits is interrupted at every tick
//! ([`super::limits::TICK`]), which is when it is found to have computed for too long.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::limits::Exceeded;

/// Waits for a call, and gives it up when it has computed for longer than `limit` in all.
pub(crate) async fn limited<T>(
    limit: Duration,
    call: impl Future<Output = T>,
) -> Result<T, Exceeded> {
    let mut call = pin!(call);
    let mut spent = Duration::ZERO;
    poll_fn(|context| {
        let begin = Instant::now();
        let polled = call.as_mut().poll(context);
        spent += begin.elapsed();
        match polled {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if spent > limit => Poll::Ready(Err(Exceeded::Cpu(limit))),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn trust_15_waits_are_no_work_however_many_there_are() {
        let limit = Duration::from_millis(200);
        let waits = async {
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert_eq!(limited(limit, waits).await, Ok(()));
    }

    #[tokio::test]
    async fn trust_15_what_the_host_does_for_a_guest_is_its_work() {
        let limit = Duration::from_millis(20);
        let works = async {
            loop {
                std::thread::sleep(Duration::from_millis(5));
                tokio::task::yield_now().await;
            }
        };
        let ended: Result<(), _> = limited(limit, works).await;
        assert_eq!(ended, Err(Exceeded::Cpu(limit)));
    }
}
