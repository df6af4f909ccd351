//! The parts of a plan in the words of those who act on them.

use crate::config::Limits as PlannedLimits;
use crate::gate::GateLimits;
use crate::plugin::Limits;

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
