//! What is normal for a source: as it was configured, and as its plugin knows the system that it reads.

use std::time::Duration;

use serde_json::Value;

use crate::config::SourcePlan;
use crate::pipeline::Expectations;
use crate::plugin::Plugin;
use crate::units::Period;

/// The keyword by which a plugin's configuration schema tells for how long the system that is read keeps a record, like
/// `"x-retention": "90d"`. A fact about the system, not about one configuration of it, and for the host alone.
const RETENTION: &str = "x-retention";

/// The keyword by which that schema tells which of its keys is how far back a first read goes: a period such as `60d`.
const BACKFILL: &str = "x-backfill";

/// What is normal for this source.
pub(crate) fn expectations(plan: &SourcePlan, plugin: &Plugin) -> Expectations {
    Expectations {
        silence: plan.silence,
        retention: retention(&plugin.description().config_schema).map(|period| period.0),
        backfill: backfill(&plugin.description().config_schema, &plan.config),
    }
}

/// A plugin that says nothing of it, or nothing that can be understood, has no warning to offer.
fn retention(schema: &str) -> Option<Period> {
    let schema: serde_json::Value = serde_json::from_str(schema).ok()?;
    schema.get(RETENTION)?.as_str()?.parse().ok()
}

fn backfill(schema: &str, config: &Value) -> Option<Duration> {
    let schema: Value = serde_json::from_str(schema).ok()?;
    let properties = schema.get("properties")?.as_object()?;
    let marked =
        |(_, property): &(&String, &Value)| property.get(BACKFILL) == Some(&Value::Bool(true));
    let (key, property) = properties.iter().find(marked)?;
    let configured = config.get(key).or_else(|| property.get("default"))?;
    let period: Period = configured.as_str()?.parse().ok()?;
    Some(period.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn delivery_15_a_plugin_says_which_key_is_how_far_back_a_first_read_goes() {
        let schema = r#"{"properties": {"past": {"default": "60d", "x-backfill": true}, "poll": {"default": "1s"}}}"#;
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        assert_eq!(backfill(schema, &json!({})), days(60));
        assert_eq!(
            backfill(schema, &json!({"past": "90d", "poll": "5s"})),
            days(90)
        );
        assert_eq!(backfill(schema, &json!({"past": 7})), None);
        assert_eq!(backfill("{}", &json!({"past": "90d"})), None);
    }

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
