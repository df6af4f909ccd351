//! The parts of a plan in the words of those who act on them.

use crate::config::Limits as PlannedLimits;
use crate::gate::{GateLimits, Grant};
use crate::plugin::{Limits, Plugin};
use crate::state::Owner;

pub(crate) fn gate_limits(plan: &PlannedLimits) -> GateLimits {
    GateLimits {
        response_bytes: plan.response,
        ..GateLimits::default()
    }
}

pub(crate) fn plugin_limits(plan: &PlannedLimits) -> Limits {
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    Limits {
        memory: bytes(plan.memory),
        call: plan.call,
        cpu: plan.cpu,
        batch_bytes: bytes(plan.batch),
        batch_records: plan.records as usize,
        ..Limits::default()
    }
}

/// Who the checkpoint of a source belongs to.
pub(crate) fn owner(plugin: &Plugin, grants: &[Grant]) -> Owner {
    Owner {
        plugin: plugin.description().name.clone(),
        origin: origin_of(grants),
    }
}

/// What a source reads: the origin that gets the credential, else the first one.
fn origin_of(grants: &[Grant]) -> String {
    let signed = grants
        .iter()
        .find(|grant| grant.credential().is_some() && !grant.is_check_only());
    let grant = signed.or_else(|| grants.iter().find(|grant| !grant.is_check_only()));
    grant
        .map(|grant| grant.origin().ascii_serialization())
        .unwrap_or_default()
}
