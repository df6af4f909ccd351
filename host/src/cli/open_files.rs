//! As many open files as many sources need.
//!
//! Most systems start a process with a limit of 1,024, which the process may raise by itself up to a hard one. A
//! connection stays open for a while after a poll, or from one to the next where polls are frequent, so a thousand sources
//! are beyond it. The limit is raised to what is needed and no further: programs that we start inherit it, and some of them
//! close every file that there could be.

use logweir::config::Plan;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A source that reads has the page in hand and the next one under way.
const PER_SOURCE: usize = 2;
/// The files that a file output has open at a time.
const PER_OUTPUT: usize = 256;
/// State, sockets, logs, and what the runtime has.
const OTHERS: usize = 128;

/// Raises the limit as far as this plan needs it, and warns when that is further than it may be raised.
pub(super) fn allow(plan: &Plan) {
    let needed = needed(plan.sources.len(), plan.outputs.len());
    let limit = getrlimit(Resource::Nofile);
    let Some(raised) = raised(limit, needed) else {
        return;
    };
    let done = setrlimit(Resource::Nofile, raised);
    let current = match done {
        Ok(()) => raised.current,
        Err(_) => limit.current,
    };
    if let Some(current) = current.filter(|current| *current < needed) {
        tracing::warn!(
            needed,
            limit = current,
            "this many sources may need more open files than the system allows; `ulimit -Hn {needed}`, or systemd's \
             `LimitNOFILE={needed}`, allows them"
        );
    }
}

fn needed(sources: usize, outputs: usize) -> u64 {
    let needed = sources
        .saturating_mul(PER_SOURCE)
        .saturating_add(outputs.saturating_mul(PER_OUTPUT))
        .saturating_add(OTHERS);
    u64::try_from(needed).unwrap_or(u64::MAX)
}

/// The limit to set, if it is too low as it is. No limit is written as none.
fn raised(limit: Rlimit, needed: u64) -> Option<Rlimit> {
    let current = limit.current.filter(|current| *current < needed)?;
    let allowed = limit.maximum.unwrap_or(needed).min(needed);
    Some(Rlimit {
        current: Some(allowed.max(current)),
        maximum: limit.maximum,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn current(current: Option<u64>, maximum: Option<u64>, needed: u64) -> Option<Option<u64>> {
        raised(Rlimit { current, maximum }, needed).map(|raised| raised.current)
    }

    #[test]
    fn the_limit_is_raised_to_what_is_needed_and_no_further() {
        assert_eq!(current(Some(1024), Some(1 << 20), 3_000), Some(Some(3_000)));
        assert_eq!(current(Some(1024), None, 3_000), Some(Some(3_000)));
        assert_eq!(current(Some(1024), Some(2_048), 3_000), Some(Some(2_048)));
        assert_eq!(current(Some(1024), Some(1_024), 3_000), Some(Some(1_024)));
        assert_eq!(current(Some(4_096), Some(1 << 20), 3_000), None);
        assert_eq!(current(None, None, 3_000), None);
    }

    #[test]
    fn few_sources_need_no_more_than_they_get() {
        assert!(needed(10, 2) < 1_024);
        assert!(needed(1_000, 1) > 2_000);
    }
}
