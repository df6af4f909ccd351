//! What a person sees of many sources: nobody reads a thousand bars, or a thousand lines every ten seconds.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use logweir::pipeline::{Phase, Status};

use super::progress::Screen;

/// So many sources have a bar or a line each.
pub(crate) const EACH_MAX: usize = 24;

/// All sources in one bar or line. Which of them fail, and why, the log says.
pub(crate) struct Tally {
    bar: Option<ProgressBar>,
    last: (Instant, u64),
    shown: String,
}

/// How many sources do what.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    sources: usize,
    live: usize,
    past: usize,
    waiting: usize,
    failing: usize,
    stopped: usize,
    events: u64,
}

impl Tally {
    pub(crate) fn new(screen: &Screen) -> Self {
        let bar = match screen {
            Screen::Bars(bars) => {
                let style = ProgressStyle::with_template("{bar:24} {msg}");
                let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
                Some(bars.add(ProgressBar::new(1)).with_style(style))
            }
            Screen::Lines | Screen::Nothing => None,
        };
        Self {
            bar,
            last: (Instant::now(), 0),
            shown: String::new(),
        }
    }

    pub(crate) fn show(&mut self, status: &Status) {
        let counts = Counts::of(status);
        let now = Instant::now();
        let (before, events) = std::mem::replace(&mut self.last, (now, counts.events));
        let text = counts.describe(events, now - before);
        match &self.bar {
            Some(bar) => {
                bar.set_length(counts.sources as u64);
                bar.set_position(counts.live as u64);
                bar.set_message(text);
            }
            None if text != self.shown => {
                tracing::info!("{text}");
                self.shown = text;
            }
            None => {}
        }
    }
}

impl Counts {
    fn of(status: &Status) -> Self {
        let mut counts = Self {
            sources: status.sources.len(),
            ..Self::default()
        };
        for source in &status.sources {
            counts.events += source.records;
            let counter = match &source.phase {
                Phase::Live | Phase::Finished => &mut counts.live,
                Phase::Backfill { .. } => &mut counts.past,
                Phase::Starting | Phase::Waiting { .. } => &mut counts.waiting,
                Phase::Failing(_) => &mut counts.failing,
                Phase::Stopped { .. } => &mut counts.stopped,
            };
            *counter += 1;
        }
        counts
    }

    fn describe(&self, events_before: u64, passed: Duration) -> String {
        let parts = [
            (self.live, "up to date"),
            (self.past, "catching up"),
            (self.waiting, "waiting"),
            (self.failing, "failing"),
            (self.stopped, "stopped"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let new = self.events.saturating_sub(events_before) as f64;
        let rate = new / passed.as_secs_f64().max(0.001);
        format!(
            "{} sources: {} · {} events · {rate:.0}/s",
            self.sources,
            parts.join(", "),
            self.events
        )
    }
}

#[cfg(test)]
mod tests {
    use logweir::pipeline::{Failure, SourceStatus};

    use super::*;

    #[test]
    fn many_sources_are_one_line() {
        let failing = Phase::Failing(Failure {
            why: "refused".to_owned(),
            since: 0,
        });
        let source = |phase: &Phase| SourceStatus {
            phase: phase.clone(),
            records: 10,
            ..SourceStatus::default()
        };
        let mut sources = vec![source(&Phase::Live); 30];
        sources.push(source(&failing));
        let status = Status {
            sources,
            ..Status::default()
        };
        assert_eq!(
            Counts::of(&status).describe(110, Duration::from_secs(10)),
            "31 sources: 30 up to date, 1 failing · 310 events · 20/s"
        );
    }
}
