//! One budget of memory for all pages that are not settled yet (delivery rule 19).
//!
//! A source holds a share before it reads, guessed from its last page, so that a thousand sources can't each have a
//! page in hand that nobody counted. A page that turns out to be larger stays only if the rest can be had at once.
//! Else it is given up, and read again when there is room for what it is now known to take. So whoever waits, waits in
//! turn and holds nothing meanwhile: neither a share that others wait for, nor a page that is not counted.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits are counted in this many bytes, since a semaphore hands out at most `u32::MAX` at a time.
const GRAIN: usize = 1024;

/// What a page may take before the first one has been seen.
const FIRST_GUESS: usize = 1 << 20;
/// No page is guessed to be smaller.
const SMALLEST_GUESS: usize = 64 << 10;

/// The budget. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Budget {
    semaphore: Arc<Semaphore>,
    grains: u32,
}

/// A share of the budget, given back when dropped.
pub(crate) struct Share {
    permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let grains = grains(bytes);
        Self {
            semaphore: Arc::new(Semaphore::new(grains as usize)),
            grains,
        }
    }

    /// Waits for a share of this size; of the whole budget if it is smaller, so that a big page passes alone.
    pub(crate) async fn share(&self, bytes: usize) -> Share {
        let wanted = grains(bytes).min(self.grains);
        let semaphore = Arc::clone(&self.semaphore);
        // Nobody closes the semaphore.
        let permit = semaphore.acquire_many_owned(wanted).await.ok();
        Share { permit }
    }

    /// Makes a share as big as it turned out to have to be. False if more is needed than there is at this moment, or
    /// others wait for it: whoever waited here with a page in hand would hold what nobody counts.
    pub(crate) fn fit(&self, share: &mut Share, bytes: usize) -> bool {
        let wanted = grains(bytes).min(self.grains);
        let held = share.grains();
        if wanted <= held {
            share.shrink(bytes);
            return true;
        }
        let semaphore = Arc::clone(&self.semaphore);
        let Ok(more) = semaphore.try_acquire_many_owned(wanted - held) else {
            return false;
        };
        match &mut share.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        true
    }
}

impl Share {
    /// Gives back what is not needed. One that is smaller already stays as it is.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let unneeded = self.grains().saturating_sub(grains(bytes));
        let permit = self.permit.as_mut();
        drop(permit.and_then(|permit| permit.split(unneeded as usize)));
    }

    fn grains(&self) -> u32 {
        let held = self
            .permit
            .as_ref()
            .map_or(0, |permit| permit.num_permits());
        // A share was asked for in a number of this size.
        u32::try_from(held).unwrap_or(u32::MAX)
    }
}

/// How much memory the next page of a reader may take, as far as the pages before it tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guess(usize);

impl Guess {
    pub(crate) fn new() -> Self {
        Self(FIRST_GUESS)
    }

    /// Bytes to have a share of before the next page is read.
    pub(crate) fn bytes(self) -> usize {
        self.0
    }

    /// A page of this size was taken: the next one is probably like it.
    pub(crate) fn held(&mut self, bytes: usize) {
        self.0 = bytes.max(SMALLEST_GUESS);
    }

    /// A page of this size was given up for want of room. It is read again, and may have grown by then: by at least
    /// doubling, the guess comes to what is enough, or to the whole budget, with which every page stays.
    pub(crate) fn burst(&mut self, bytes: usize) {
        self.0 = self.0.saturating_mul(2).max(bytes);
    }
}

fn grains(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(GRAIN))
        .unwrap_or(u32::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn delivery_19_a_share_is_there_again_when_it_is_dropped() {
        let budget = Budget::new(4 * GRAIN);
        let mut first = budget.share(3 * GRAIN).await;
        assert!(budget.share(2 * GRAIN).now_or_never().is_none());
        assert!(budget.fit(&mut first, GRAIN));
        let second = budget.share(2 * GRAIN).now_or_never();
        assert!(second.is_some());
        drop((first, second));
        assert!(budget.share(4 * GRAIN).now_or_never().is_some());
    }

    #[tokio::test]
    async fn delivery_19_more_than_the_budget_passes_alone() {
        let budget = Budget::new(4 * GRAIN);
        let whole = budget.share(100 * GRAIN).now_or_never();
        assert!(whole.is_some());
        assert!(budget.share(1).now_or_never().is_none());
    }

    #[tokio::test]
    async fn delivery_19_a_share_grows_at_once_or_not_at_all() {
        let budget = Budget::new(4 * GRAIN);
        let (mut one, other) = (budget.share(2 * GRAIN).await, budget.share(GRAIN).await);
        assert!(!budget.fit(&mut one, 4 * GRAIN));
        assert_eq!((one.grains(), budget.semaphore.available_permits()), (2, 1));
        assert!(budget.fit(&mut one, 3 * GRAIN));
        assert_eq!(budget.semaphore.available_permits(), 0);
        drop(other);
        assert!(budget.fit(&mut one, 100 * GRAIN), "all there is, alone");
        drop(one);
        assert_eq!(budget.semaphore.available_permits(), 4);
    }

    #[tokio::test]
    async fn delivery_19_who_waits_for_room_goes_before_who_wants_more() {
        let budget = Budget::new(4 * GRAIN);
        let (mut one, other) = (budget.share(GRAIN).await, budget.share(GRAIN).await);
        let mut waiting = std::pin::pin!(budget.share(3 * GRAIN));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(!budget.fit(&mut one, 2 * GRAIN));
        drop(other);
        assert_eq!(waiting.await.grains(), 3);
    }

    #[test]
    fn delivery_19_a_page_that_grows_each_time_is_read_a_bounded_number_of_times() {
        let budget = 256 << 20;
        let (mut guess, mut page, mut reads) = (Guess::new(), 4 << 20, 1);
        guess.held(0);
        while guess.bytes() < page && guess.bytes() < budget {
            guess.burst(page);
            page += page / 2;
            reads += 1;
        }
        assert!(reads <= 13, "{reads} reads");
        guess.held(page);
        assert_eq!(guess.bytes(), page);
    }
}
