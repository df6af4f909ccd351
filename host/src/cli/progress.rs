//! What a person sees of a run: bars on a terminal, plain lines of log elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use logweir::gate::Gate;
use logweir::pipeline::{Phase, SourceStatus, Status};
use tokio::sync::watch;

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
pub(crate) struct Watched {
    pub(crate) name: Arc<str>,
    pub(crate) gate: Arc<Gate>,
}

/// Shows a run until it is over: the sender of `status` is gone.
pub(crate) async fn show(
    screen: Screen,
    sources: Vec<Watched>,
    mut status: watch::Receiver<Status>,
) {
    let every = match screen {
        Screen::Bars(_) => DRAW,
        Screen::Lines => LOG,
        Screen::Nothing => return,
    };
    let mut rows: Vec<_> = sources
        .into_iter()
        .map(|source| Row::new(source, &screen))
        .collect();
    loop {
        let over = tokio::select! {
            () = tokio::time::sleep(every) => false,
            () = ended(status.clone()) => true,
        };
        let now = status.borrow_and_update().clone();
        for row in &mut rows {
            if let Some(source) = now
                .sources
                .iter()
                .find(|source| source.name == row.source.name)
            {
                row.show(source);
            }
        }
        if over {
            return;
        }
    }
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
    shown: String,
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
            shown: String::new(),
        }
    }

    fn show(&mut self, status: &SourceStatus) {
        let rate = self.rate(status.records);
        let share = share(&status.phase);
        let text = self.describe(status, rate, share);
        match &self.bar {
            Some(bar) => {
                bar.set_position(share.map_or(1_000, |share| (share * 1_000.0) as u64));
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

    /// Records per second since the last look.
    fn rate(&mut self, records: u64) -> f64 {
        let now = Instant::now();
        let before = self.last.replace((now, records)).unwrap_or((self.began, 0));
        let seconds = now.duration_since(before.0).as_secs_f64().max(0.001);
        records.saturating_sub(before.1) as f64 / seconds
    }

    fn describe(&self, status: &SourceStatus, rate: f64, share: Option<f64>) -> String {
        let records = status.records;
        let phase = match &status.phase {
            Phase::Starting => "starting".to_owned(),
            Phase::Backfill { .. } => match share {
                Some(share) => format!("{:.0} % of the past, {}", share * 100.0, self.to_go(share)),
                None => "reading the past".to_owned(),
            },
            Phase::Live => "up to date".to_owned(),
            Phase::Waiting { reason, .. } => format!("waiting: {reason}"),
            Phase::Failing(failure) => format!("failing: {}", failure.why),
            Phase::Stopped { why } => format!("stopped: {why}"),
            Phase::Finished => "finished".to_owned(),
        };
        format!("{phase} · {records} events · {rate:.0}/s{}", self.budget())
    }

    fn to_go(&self, share: f64) -> String {
        let passed = self.began.elapsed().as_secs_f64();
        if share < 0.005 || passed < 1.0 {
            return "time to go unknown".to_owned();
        }
        let left = Duration::from_secs_f64((passed / share - passed).clamp(0.0, 1e7));
        match left.as_secs() {
            seconds @ 0..=99 => format!("{seconds} s to go"),
            seconds => format!("{} min to go", seconds.div_ceil(60)),
        }
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

/// How much of the time range of a first read is done, from 0 to 1.
fn share(phase: &Phase) -> Option<f64> {
    let Phase::Backfill {
        first: Some(first),
        reached,
        until: Some(until),
    } = phase
    else {
        return None;
    };
    let range = until.checked_sub(*first).filter(|range| *range > 0)?;
    let done = reached.unwrap_or(*first).saturating_sub(*first);
    Some((done as f64 / range as f64).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_a_backfill_is_of_its_time_range() {
        let backfill = |reached| Phase::Backfill {
            first: Some(100),
            reached,
            until: Some(300),
        };
        assert_eq!(share(&backfill(None)), Some(0.0));
        assert_eq!(share(&backfill(Some(150))), Some(0.25));
        assert_eq!(share(&backfill(Some(u64::MAX))), Some(1.0));
        assert_eq!(share(&Phase::Live), None);
    }
}
