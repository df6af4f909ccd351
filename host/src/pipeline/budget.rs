//! One budget of memory for all pages that are not settled yet (delivery rule 19).
//!
//! A source holds a share before it reads, guessed from its last page, so that a thousand sources can't each have a
//! page in hand that nobody counted. Who waits, waits in turn, and holds nothing meanwhile.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits are counted in this many bytes, since a semaphore hands out at most `u32::MAX` at a time.
const GRAIN: usize = 1024;

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

    /// Makes a share as big as it turned out to have to be. To grow it is given back first: whoever waits while
    /// holding a part could wait for somebody who does the same.
    pub(crate) async fn fit(&self, mut share: Share, bytes: usize) -> Share {
        let wanted = grains(bytes).min(self.grains) as usize;
        let Some(permit) = &mut share.permit else {
            return share;
        };
        let held = permit.num_permits();
        if held < wanted {
            drop(share);
            return self.share(bytes).await;
        }
        drop(permit.split(held - wanted));
        share
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
        let first = budget.share(3 * GRAIN).await;
        assert!(budget.share(2 * GRAIN).now_or_never().is_none());
        let first = budget.fit(first, GRAIN).await;
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
    async fn delivery_19_who_needs_more_holds_nothing_while_waiting() {
        let budget = Budget::new(4 * GRAIN);
        let (one, other) = (budget.share(2 * GRAIN).await, budget.share(2 * GRAIN).await);
        let (grown, shrunk) = futures::join!(budget.fit(one, 4 * GRAIN), async {
            let other = budget.fit(other, 4 * GRAIN);
            futures::pin_mut!(other);
            assert!(other.as_mut().now_or_never().is_none());
        });
        assert_eq!(grown.permit.map(|permit| permit.num_permits()), Some(4));
        let () = shrunk;
    }
}
