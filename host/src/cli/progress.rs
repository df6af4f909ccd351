//! What a person sees of a run: bars on a terminal, plain lines of log elsewhere.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use logweir::gate::Gate;
use logweir::host::Roster;
use logweir::pipeline::{Phase, SourceStatus, Status};
use logweir::telemetry::escape;
use tokio::sync::watch;

use super::tally::{EACH_MAX, Tally};

/// How often bars are drawn.
const DRAW: Duration = Duration::from_millis(500);
/// How often a line is logged instead.
const LOG: Duration = Duration::from_secs(10);

/// Where progress goes.
#[derive(Clone)]
pub(crate) enum Screen {
    /// Bars on standard error.
    Bars(MultiProgress),
    /// Lines of log.
    Lines,
    /// Nowhere.
    Nothing,
}

impl Screen {
    /// Bars when standard error is a terminal that nobody else writes records to.
    pub(crate) fn choose(quiet: bool, records_on_terminal: bool) -> Self {
        if quiet {
            Self::Nothing
        } else if std::io::stderr().is_terminal() && !records_on_terminal {
            Self::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()))
        } else {
            Self::Lines
        }
    }

    /// Takes the bars away for good.
    pub(crate) fn clear(&self) {
        if let Self::Bars(bars) = self {
            // A terminal that is gone shows no bars either.
            bars.clear().unwrap_or_default();
            bars.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Standard error for the log, which must not tear the bars.
    pub(crate) fn log_writer(&self) -> impl Fn() -> LogWriter + Send + Sync + use<> {
        let bars = match self {
            Self::Bars(bars) => Some(bars.clone()),
            Self::Lines | Self::Nothing => None,
        };
        move || LogWriter(bars.clone())
    }
}

/// See [`Screen::log_writer`].
pub(crate) struct LogWriter(Option<MultiProgress>);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &self.0 {
            Some(bars) => bars.suspend(|| std::io::stderr().write(bytes)),
            None => std::io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// One source and the gate that knows its budget.
struct Watched {
    name: Arc<str>,
    gate: Arc<Gate>,
}

/// Shows a run until it is over: the sender of `status` is gone.
pub(crate) async fn show(screen: Screen, roster: Roster, mut status: watch::Receiver<Status>) {
    let every = match screen {
        Screen::Bars(_) => DRAW,
        Screen::Lines => LOG,
        Screen::Nothing => return,
    };
    let mut rows = HashMap::new();
    let mut all = None;
    loop {
        let over = tokio::select! {
            () = tokio::time::sleep(every) => false,
            () = ended(status.clone()) => true,
        };
        let now = status.borrow_and_update().clone();
        if now.sources.len() > EACH_MAX {
            all.get_or_insert_with(|| Tally::new(&screen)).show(&now);
        } else {
            all = None;
        }
        rows = rows_of(rows, &now, &roster, &screen, all.is_none());
        for source in &now.sources {
            if let Some(row) = rows.get_mut(&source.name) {
                row.show(source);
            }
        }
        if over {
            return;
        }
    }
}

/// Rows by the names of their sources.
type Rows = HashMap<Arc<str>, Row>;

/// A row for each source that is read, which a reload may have changed; none if not each of them is shown.
fn rows_of(mut before: Rows, now: &Status, roster: &Roster, screen: &Screen, each: bool) -> Rows {
    let mut rows = HashMap::new();
    for source in now.sources.iter().filter(|_| each) {
        let name = Arc::clone(&source.name);
        let Some(read) = roster.get(&name) else {
            continue;
        };
        let watched = Watched {
            name: Arc::clone(&name),
            gate: Arc::clone(read.gate()),
        };
        let row = match before.remove(&name) {
            Some(row) => Row {
                source: watched,
                ..row
            },
            None => Row::new(watched, screen),
        };
        rows.insert(name, row);
    }
    for bar in before.into_values().filter_map(|gone| gone.bar) {
        bar.finish_and_clear();
    }
    rows
}

/// Waits until nobody changes the status any more.
async fn ended(mut status: watch::Receiver<Status>) {
    while status.changed().await.is_ok() {}
}

struct Row {
    source: Watched,
    bar: Option<ProgressBar>,
    last: Option<(Instant, u64)>,
    began: Instant,
    past: Option<Past>,
    shown: String,
}

/// The first read, as far as it was seen: a run may begin in the midst of one.
#[derive(Debug, Clone, Copy)]
struct Past {
    began: Instant,
    share_then: f64,
    share: f64,
}

impl Past {
    fn seen(before: Option<Self>, share: f64) -> Self {
        match before {
            Some(past) => Self { share, ..past },
            None => Self {
                began: Instant::now(),
                share_then: share,
                share,
            },
        }
    }

    /// How long the rest takes, if it goes on as it went so far.
    fn to_go(self, passed: Duration) -> Option<Duration> {
        let (done, left) = (self.share - self.share_then, 1.0 - self.share);
        if done < 0.005 || passed < Duration::from_secs(1) {
            return None;
        }
        let seconds = passed.as_secs_f64() * left / done;
        Some(Duration::from_secs_f64(seconds.clamp(0.0, 1e7)))
    }
}

impl Row {
    fn new(source: Watched, screen: &Screen) -> Self {
        let bar = match screen {
            Screen::Bars(bars) => {
                let bar = bars.add(ProgressBar::new(1_000));
                let name = source.name.to_string();
                let style = ProgressStyle::with_template("{prefix:>12} {bar:24} {msg}");
                Some(
                    bar.with_prefix(name)
                        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())),
                )
            }
            Screen::Lines | Screen::Nothing => None,
        };
        Self {
            source,
            bar,
            last: None,
            began: Instant::now(),
            past: None,
            shown: String::new(),
        }
    }

    fn show(&mut self, status: &SourceStatus) {
        let rate = self.rate(status.records);
        if let Some(share) = status.phase.share() {
            self.past = Some(Past::seen(self.past, share));
        }
        let text = self.describe(status, rate);
        match &self.bar {
            Some(bar) => {
                bar.set_position((self.filled(&status.phase) * 1_000.0) as u64);
                bar.set_message(text);
            }
            // A source that does nothing new says so once.
            None if text != self.shown => {
                tracing::info!(source = %self.source.name, "{text}");
                self.shown = text;
            }
            None => {}
        }
    }

    /// Records per second since the last look; a first one comes early, and is no measure of less than a second.
    fn rate(&mut self, records: u64) -> f64 {
        let now = Instant::now();
        let before = self.last.replace((now, records)).unwrap_or((self.began, 0));
        let seconds = now.duration_since(before.0).as_secs_f64().max(1.0);
        records.saturating_sub(before.1) as f64 / seconds
    }

    /// How much of the bar is filled. Who waits or fails is as far as before.
    fn filled(&self, phase: &Phase) -> f64 {
        match (phase, self.past) {
            (Phase::Live, _) | (Phase::Finished, None) => 1.0,
            (_, past) => past.map_or(0.0, |past| past.share),
        }
    }

    /// Says words of others too, which must not move a terminal's cursor.
    fn describe(&self, status: &SourceStatus, rate: f64) -> String {
        let records = status.records;
        let phase = match &status.phase {
            Phase::Starting => "starting".to_owned(),
            Phase::Backfill { first: None, .. } => "catching up".to_owned(),
            Phase::Backfill { .. } => match self.past {
                Some(past) => format!("{:.0} % of the past, {}", past.share * 100.0, to_go(past)),
                None => "reading the past".to_owned(),
            },
            Phase::Live => "up to date".to_owned(),
            Phase::Waiting { reason, .. } => format!("waiting: {reason}"),
            Phase::Failing(failure) => format!("failing: {}", failure.why),
            Phase::Stopped { why } => format!("stopped: {why}"),
            Phase::Finished => "ended".to_owned(),
        };
        let text = format!("{phase} · {records} events · {rate:.0}/s{}", self.budget());
        escape::line(&text).into_owned()
    }

    /// What the API still allows, of the need that is nearest to its end.
    fn budget(&self) -> String {
        let stats = self.source.gate.stats();
        let least = stats
            .budgets
            .iter()
            .map(|(_, budget)| budget)
            .min_by_key(|budget| budget.remaining);
        least
            .map(|budget| format!(" · {} requests left", budget.remaining))
            .unwrap_or_default()
    }
}

fn to_go(past: Past) -> String {
    match past.to_go(past.began.elapsed()).map(|left| left.as_secs()) {
        None => "time to go unknown".to_owned(),
        Some(seconds @ 0..=99) => format!("{seconds} s to go"),
        Some(seconds) => format!("{} min to go", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_to_go_counts_from_where_this_run_began() {
        let past = |share| Past {
            began: Instant::now(),
            share_then: 0.5,
            share,
        };
        let seconds = Duration::from_secs;
        assert_eq!(past(0.6).to_go(seconds(10)), Some(seconds(40)));
        assert_eq!(past(1.0).to_go(seconds(10)), Some(seconds(0)));
        assert_eq!(past(0.5).to_go(seconds(10)), None);
        let seen = Past::seen(Some(past(0.6)), 0.7);
        assert_eq!((seen.share_then, seen.share), (0.5, 0.7));
    }

    fn row() -> Row {
        let gate = Gate::new(
            logweir::gate::GateConfig {
                source: "acme".into(),
                grants: Vec::new(),
                credentials: Vec::new(),
                network: logweir::gate::NetworkPolicy::default(),
                limits: logweir::gate::GateLimits::default(),
                share: None,
                budgets: Arc::default(),
            },
            &logweir::gate::Clients::default(),
        );
        let source = Watched {
            name: "acme".into(),
            gate: gate.unwrap(),
        };
        Row::new(source, &Screen::Lines)
    }

    #[test]
    fn trust_20_what_a_peer_says_moves_no_cursor_on_the_progress_screen() {
        let status = SourceStatus {
            phase: Phase::Waiting {
                until: None,
                reason: "\u{1b}]52;c;eA==\u{7}\u{1b}[2J\u{9b}2J".to_owned(),
            },
            ..SourceStatus::default()
        };
        let text = row().describe(&status, 0.0);
        assert!(
            text.starts_with("waiting: ") && !text.chars().any(char::is_control),
            "{text:?}"
        );
    }

    #[test]
    fn who_waits_is_as_far_as_before() {
        let mut row = row();
        assert_eq!(row.filled(&Phase::Starting), 0.0);
        row.past = Some(Past::seen(None, 0.25));
        let waiting = Phase::Waiting {
            until: None,
            reason: String::new(),
        };
        assert_eq!(row.filled(&waiting), 0.25);
        assert_eq!(row.filled(&Phase::Live), 1.0);
    }
}
