//! What the instances of one source's plugin take, for people and metrics.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counters that all instances of a source share. Reading them disturbs nobody.
#[derive(Debug, Default)]
pub struct Meter {
    instances: AtomicU64,
    memory: AtomicU64,
    memory_peak: AtomicU64,
    busy_nanos: AtomicU64,
}

impl Meter {
    /// Instances that are alive.
    pub fn instances(&self) -> u64 {
        self.instances.load(Ordering::Relaxed)
    }

    /// Bytes of their memory.
    pub fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// The most bytes there ever were.
    pub fn memory_peak(&self) -> u64 {
        self.memory_peak.load(Ordering::Relaxed)
    }

    /// Time spent in calls, what the host did for the guest meanwhile included, waits left out.
    pub fn busy(&self) -> Duration {
        Duration::from_nanos(self.busy_nanos.load(Ordering::Relaxed))
    }

    pub(crate) fn began(&self) {
        self.instances.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn grew(&self, bytes: usize) {
        let bytes = bytes as u64;
        let now = self.memory.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.memory_peak.fetch_max(now, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self, bytes: usize) {
        self.memory.fetch_sub(bytes as u64, Ordering::Relaxed);
        self.instances.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts the time that a call runs, and not what it waits for.
    pub(crate) async fn timed<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        std::future::poll_fn(|context| {
            let begin = Instant::now();
            let polled = call.as_mut().poll(context);
            let nanos = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.busy_nanos.fetch_add(nanos, Ordering::Relaxed);
            polled
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_are_left_out() {
        let meter = Meter::default();
        let wait = Duration::from_millis(200);
        let began = Instant::now();
        meter.timed(tokio::time::sleep(wait)).await;
        assert!(meter.busy() + wait <= began.elapsed() + Duration::from_millis(2));
        let before = meter.busy();
        meter
            .timed(async { std::thread::sleep(Duration::from_millis(5)) })
            .await;
        assert!(meter.busy() >= before + Duration::from_millis(5));
    }
}
