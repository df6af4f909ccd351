//! What is normal for a source: as it was configured, and as its plugin knows the system that it reads.

use crate::config::SourcePlan;
use crate::pipeline::Expectations;
use crate::plugin::Plugin;
use crate::units::Period;

/// The keyword by which a plugin's configuration schema tells for how long the system that is read keeps a record, like
/// `"x-retention": "90d"`. A fact about the system, not about one configuration of it, and for the host alone.
const RETENTION: &str = "x-retention";

/// What is normal for this source.
pub(crate) fn expectations(plan: &SourcePlan, plugin: &Plugin) -> Expectations {
    Expectations {
        silence: plan.silence,
        retention: retention(&plugin.description().config_schema).map(|period| period.0),
    }
}

/// A plugin that says nothing of it, or nothing that can be understood, has no warning to offer.
fn retention(schema: &str) -> Option<Period> {
    let schema: serde_json::Value = serde_json::from_str(schema).ok()?;
    schema.get(RETENTION)?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn delivery_25_a_plugin_says_how_long_the_system_keeps_records() {
        let said = retention(r#"{"type": "object", "x-retention": "90d"}"#);
        assert_eq!(said, Some(Period(Duration::from_secs(90 * 86_400))));
        for schema in [
            "{}",
            "",
            r#"{"x-retention": 90}"#,
            r#"{"x-retention": "long"}"#,
        ] {
            assert_eq!(retention(schema), None, "{schema}");
        }
    }
}
