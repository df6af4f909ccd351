//! One picture of a running host: what `status`, metrics and health are made of.
//!
//! It is plain data that can be sent to another process. Moments are whole seconds since 1970 (`…_at`), lengths of time
//! are seconds (`…_seconds`), sizes are bytes. What is not known is absent. Texts in it may hold words of a peer or a
//! plugin (an error, what is waited for): they are for people, go through [`super::escape`] wherever they are shown, and
//! are never a label.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A text that others had a hand in is cut after so many bytes: a picture of a thousand sources stays small.
const TEXT_BYTES_MAX: usize = 1 << 10;

/// A running host at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Overview {
    /// The program itself.
    pub process: Process,
    /// What survives a restart.
    pub state: StateView,
    /// The sources, in the order of the configuration.
    pub sources: Vec<SourceView>,
    /// The outputs, in the order of the configuration.
    pub outputs: Vec<OutputView>,
    /// The newest reload of the configuration, if there was one.
    #[serde(default)]
    pub reload: Option<ReloadView>,
}

/// A reload of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReloadView {
    /// When it ended.
    pub ended_at: u64,
    /// Whether the configuration is what the host does; else nothing changed.
    pub applied: bool,
    /// What changed, or why nothing did, in a sentence for people.
    pub told: String,
}

/// The program itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Process {
    /// The program's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: u64,
    /// For how long it has been running.
    pub uptime_seconds: f64,
    /// Where health and metrics are served, if they are.
    pub listen: Option<String>,
    /// How old the newest snapshot of the pipeline is; absent before the first.
    pub heartbeat_seconds: Option<f64>,
    /// What it takes of the machine.
    pub usage: super::process::Usage,
}

/// What survives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StateView {
    /// The folder.
    pub folder: String,
    /// Why it can't be written, if it can't. Nothing is read meanwhile.
    pub failing: Option<Trouble>,
}

/// Something that does not work.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trouble {
    /// Why, in a sentence for people.
    pub why: String,
    /// Since when.
    pub since_at: u64,
}

/// What a source or output is doing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum PhaseView {
    /// It has not done anything yet.
    #[default]
    Starting,
    /// It reads what is past.
    Backfill {
        /// How much of the stretch of time is done, from 0 to 1.
        share: Option<f64>,
        /// How long the rest will take at the speed so far.
        to_go_seconds: Option<u64>,
    },
    /// It works, and is up to date.
    Live,
    /// It waits for somebody else, who may have good reasons.
    Waiting {
        /// Until when, if that is known.
        until_at: Option<u64>,
        /// For what.
        reason: String,
    },
    /// It does not work, and is tried again.
    Failing(Trouble),
    /// It can't go on.
    Stopped {
        /// Why, in a sentence for people.
        why: String,
    },
    /// It has done what it was to do.
    Finished,
}

impl PhaseView {
    /// Every name that [`PhaseView::name`] may return.
    pub const NAMES: [&'static str; 7] = [
        "starting", "backfill", "live", "waiting", "failing", "stopped", "finished",
    ];

    /// What it is called in metrics and in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Backfill { .. } => "backfill",
            Self::Live => "live",
            Self::Waiting { .. } => "waiting",
            Self::Failing(_) => "failing",
            Self::Stopped { .. } => "stopped",
            Self::Finished => "finished",
        }
    }
}

/// A source.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SourceView {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: PhaseView,
    /// Records read since the program started, those included that could not be records.
    pub records: u64,
    /// Bytes of these records.
    pub bytes: u64,
    /// Records read that could not be records.
    pub refused: u64,
    /// Records that are settled and behind the stored checkpoint.
    pub settled: u64,
    /// Of the settled ones, records that went to the dead letter.
    pub dead_letters: u64,
    /// Records on their way.
    pub unsettled: u64,
    /// Records that came a second time and were not delivered again.
    pub repeated: u64,
    /// Records that came a second time with other bytes.
    pub differing: u64,
    /// What is remembered of delivered records.
    #[serde(default)]
    pub ledger: LedgerView,
    /// Records read a minute, over the last seconds.
    pub records_per_minute: u64,
    /// When the newest record read happened.
    pub reached_at: Option<u64>,
    /// Up to when everything is settled.
    pub settled_at: Option<u64>,
    /// How long ago that is.
    pub lag_seconds: Option<u64>,
    /// Whether nothing came for too long.
    pub silence: SilenceView,
    /// How long the system that is read keeps what is not settled yet.
    pub retention: Option<RetentionView>,
    /// How often its plugin crashed, by [`crate::stage::Crash`].
    pub restarts: BTreeMap<String, u64>,
    /// What went over the network.
    pub requests: RequestsView,
    /// What the system that is read still allows, of the budget that is nearest to its end.
    pub budget: Option<BudgetView>,
    /// How long requests are being held back from now on, if they are.
    pub held_seconds: Option<f64>,
    /// What its plugin takes.
    pub plugin: PluginView,
}

/// What is remembered of delivered records, to tell when they come again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LedgerView {
    /// Records remembered.
    pub records: u64,
    /// What that takes on the disk.
    pub bytes: u64,
    /// Everything delivered that happened since then is remembered.
    pub complete_since_at: Option<u64>,
}

/// Whether nothing came for too long.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SilenceView {
    /// When the newest record came, since the program started.
    pub last_record_at: Option<u64>,
    /// How long is too long; absent when nobody knows yet or wants to.
    pub limit_seconds: Option<u64>,
    /// For how long nothing came, if that is too long.
    pub silent_seconds: Option<u64>,
}

/// How long the system that is read keeps what is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RetentionView {
    /// For how long it keeps a record.
    pub keeps_seconds: u64,
    /// Until it forgets the oldest record that is not settled.
    pub left_seconds: Option<u64>,
    /// When reading and delivering don't keep up with that: how long until records are lost.
    pub passes_in_seconds: Option<u64>,
}

/// Requests of a source since the program started. Each attempt counts, whatever came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RequestsView {
    /// Answers by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests that went out and got no answer.
    pub unanswered: u64,
    /// Requests that did not go out: the plugin may not send them.
    pub refused: u64,
    /// Bytes of bodies, decompressed.
    pub bytes: u64,
}

/// What the system that is read still allows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BudgetView {
    /// Requests that a window allows.
    pub limit: u64,
    /// Requests left in this window.
    pub remaining: u64,
    /// How long this window still lasts.
    pub resets_in_seconds: Option<f64>,
}

/// What a source's plugin takes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PluginView {
    /// Instances that are alive: none while the source waits.
    pub instances: u64,
    /// Bytes of their memory.
    pub memory_bytes: u64,
    /// The most bytes there ever were.
    pub memory_peak_bytes: u64,
    /// Time spent in the plugin, what the host did for it meanwhile included, waits left out.
    pub busy_seconds: f64,
}

/// An output.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OutputView {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: PhaseView,
    /// Records handed over since the program started, those included that it refused.
    pub records: u64,
    /// Bytes of these records.
    pub bytes: u64,
    /// Records that it refused.
    pub refused: u64,
    /// Records handed over a minute, over the last seconds.
    pub records_per_minute: u64,
    /// Records that wait for it or are being written.
    pub queued_records: u64,
    /// Bytes of memory that these take.
    pub queued_bytes: u64,
    /// The newest error, even if it is over.
    pub last_error: Option<Trouble>,
}

/// A text that others had a hand in, cut where it gets too long for a picture.
pub fn bounded(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_of_others_are_cut_between_characters() {
        let long = "é".repeat(TEXT_BYTES_MAX);
        let cut = bounded(&long);
        assert!(cut.len() <= TEXT_BYTES_MAX + '…'.len_utf8());
        assert!(cut.ends_with("é…"));
        assert_eq!(bounded("short"), "short");
    }

    #[test]
    fn a_picture_survives_the_way_to_another_process() {
        let mut overview = Overview::default();
        overview.sources.push(SourceView {
            name: "acme".to_owned(),
            state: PhaseView::Failing(Trouble {
                why: "401".to_owned(),
                since_at: 7,
            }),
            requests: RequestsView {
                by_status: [(200, 3), (429, 1)].into(),
                ..RequestsView::default()
            },
            ..SourceView::default()
        });
        let text = serde_json::to_string(&overview).unwrap();
        assert!(text.contains(r#""state":{"phase":"failing","why":"401","since_at":7}"#));
        assert_eq!(serde_json::from_str::<Overview>(&text).unwrap(), overview);
    }
}
