//! What is remembered of what was delivered, and what is compared with it.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{Found, TypedFile, within};
use crate::config::mistake::Mistake;
use crate::config::plan::{AuditPlan, LedgerPlan};
use crate::units::Period;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// The ledger, and the audits that are made without being asked for, if any are.
pub(super) fn resolve(
    files: &mut [TypedFile<'_>],
    found: &mut Found,
) -> (LedgerPlan, Option<AuditPlan>) {
    let Some(main) = files.first_mut() else {
        return (LedgerPlan::default(), None);
    };
    let root = main.root;
    let Some(raw) = main.raw.as_mut() else {
        return (LedgerPlan::default(), None);
    };
    let period = |typed: Option<Period>, default, range, place, found: &mut Found| {
        let range: RangeInclusive<Duration> = range;
        let range = Period(*range.start())..=Period(*range.end());
        within(typed, Period(default), range, place, found).0
    };
    let default = LedgerPlan::default();
    let typed = raw.ledger.take().and_then(|ledger| ledger.keep);
    let place = root.place_of_pointer("/ledger/keep");
    let keep = period(typed, default.keep, 60 * MINUTE..=3_650 * DAY, place, found);
    let Some(typed) = raw.audit.take() else {
        return (LedgerPlan { keep }, None);
    };
    let default = AuditPlan::default();
    let place = root.place_of_pointer("/audit/every");
    let every = period(typed.every, default.every, MINUTE..=365 * DAY, place, found);
    let place = root.place_of_pointer("/audit/since");
    let since = period(
        typed.since,
        default.since,
        MINUTE..=3_650 * DAY,
        place,
        found,
    );
    if since > keep {
        let message = format!(
            "an audit can't look back {} when the ledger remembers {}",
            Period(since),
            Period(keep)
        );
        let mistake = Mistake::at(place, message);
        found
            .mistakes
            .push(mistake.help("raise `ledger: { keep: … }`, or lower this"));
    }
    let audit = AuditPlan {
        every,
        since,
        fix: typed.fix.unwrap_or(default.fix),
    };
    (LedgerPlan { keep }, Some(audit))
}
