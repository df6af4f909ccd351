//! What the gate refused: said to the plugin, counted, and logged once.

use std::fmt;
use std::sync::Arc;

/// Why a request was refused, in kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalReason {
    /// The address is not one that can be judged: no `https`, a user in it, a rewritten path.
    Url,
    /// No grant admits it.
    NotGranted,
    /// It carries a header that the plugin may not set.
    Header,
    /// Its body is too large, or its method takes none.
    Body,
    /// The grant's credential is not configured.
    NoCredential,
    /// It goes to an address that is not public.
    Address,
    /// Too many requests are under way.
    TooMany,
}

impl RefusalReason {
    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::NotGranted => "not_granted",
            Self::Header => "header",
            Self::Body => "body",
            Self::NoCredential => "no_credential",
            Self::Address => "address",
            Self::TooMany => "too_many",
        }
    }
}

/// A request that did not leave the gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The need it would have gone out under, where one was found.
    pub need: Option<Arc<str>>,
    /// The kind of reason.
    pub reason: RefusalReason,
    /// What is wrong, in words.
    pub detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.need {
            Some(need) => write!(f, "refused under need {need:?}: {}", self.detail),
            None => write!(f, "refused: {}", self.detail),
        }
    }
}

/// How often something was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalCount {
    /// The first of its sort. Its detail is plain ASCII.
    pub first: Refusal,
    /// How many there were.
    pub count: u64,
}

/// Details told apart. What comes when there are more is counted, not told.
const MAX_TOLD: usize = 64;

/// All refusals of one gate.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    counts: Vec<RefusalCount>,
}

impl Refusals {
    /// Counts one, and says whether it is the first of its sort, which somebody should hear about.
    ///
    /// Details hold what a plugin wrote, so there may be any number of them: beyond [`MAX_TOLD`] they count with the
    /// first of the same need and reason, else with the first of all.
    pub(crate) fn count(&mut self, refusal: &Refusal) -> bool {
        let full = self.counts.len() >= MAX_TOLD;
        let like = |known: &Refusal| known.need == refusal.need && known.reason == refusal.reason;
        let at = (self.counts.iter().position(|known| known.first == *refusal))
            .or_else(|| {
                full.then(|| self.counts.iter().position(|known| like(&known.first)))
                    .flatten()
            })
            .or(full.then_some(0));
        if let Some(known) = at.and_then(|at| self.counts.get_mut(at)) {
            known.count += 1;
            return false;
        }
        self.counts.push(RefusalCount {
            first: refusal.clone(),
            count: 1,
        });
        true
    }

    pub(crate) fn list(&self) -> Vec<RefusalCount> {
        self.counts.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(reason: RefusalReason, detail: &str) -> Refusal {
        Refusal {
            need: None,
            reason,
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn trust_19_refusals_are_counted_by_what_was_refused() {
        let mut refusals = Refusals::default();
        assert!(refusals.count(&refusal(RefusalReason::NotGranted, "a")));
        assert!(!refusals.count(&refusal(RefusalReason::NotGranted, "a")));
        assert!(refusals.count(&refusal(RefusalReason::NotGranted, "b")));
        let counts: Vec<_> = refusals.list().iter().map(|entry| entry.count).collect();
        assert_eq!(counts, [2, 1]);
    }

    #[test]
    fn however_many_things_are_refused_the_list_is_bounded_and_counts_all() {
        let mut refusals = Refusals::default();
        for i in 0..1000 {
            refusals.count(&refusal(RefusalReason::NotGranted, &i.to_string()));
        }
        refusals.count(&refusal(RefusalReason::Header, "other"));
        let list = refusals.list();
        assert_eq!(list.len(), MAX_TOLD);
        assert_eq!(list.iter().map(|entry| entry.count).sum::<u64>(), 1001);
    }
}
