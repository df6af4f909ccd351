//! A picture of a running host for 80 columns, without colours.

use jiff::Timestamp;
use jiff::fmt::strtime;
use logweir::state::StoredSource;
use logweir::telemetry::escape;
use logweir::telemetry::health::{self, span};
use logweir::telemetry::overview::{
    OutputView, Overview, PhaseView, RequestsView, SourceView, StateView, Trouble,
};

const COLUMNS: usize = 80;
/// Where what is said about a thing begins; names that are longer have a line of their own.
const INDENT: usize = 16;

/// The page.
pub(super) fn render(overview: &Overview) -> String {
    let mut page = Page::default();
    head(&mut page, overview);
    for source in &overview.sources {
        page.text.push('\n');
        of_source(&mut page, source);
    }
    for output in &overview.outputs {
        page.text.push('\n');
        of_output(&mut page, output);
    }
    page.text
}

/// What is stored of a source that nobody reads.
pub(super) fn stored(name: &str, stored: &StoredSource) -> String {
    let mut page = Page::default();
    page.text.push('\n');
    page.name(&format!("source {name}"));
    page.say(&format!("{} settled", records(stored.settled)));
    if stored.dead > 0 {
        page.say(&format!(
            "{} of them in the dead letter",
            count(stored.dead)
        ));
    }
    page.say(&format!(
        "last stored {}",
        moment(stored.updated / 1_000_000_000)
    ));
    page.text
}

/// Lines of a name and what is said about it.
#[derive(Default)]
struct Page {
    text: String,
    /// The name that the next line begins with.
    pending: Option<String>,
}

impl Page {
    fn name(&mut self, name: &str) {
        let name = escape::line(name).into_owned();
        if name.chars().count() < INDENT {
            self.pending = Some(name);
        } else {
            self.text.push_str(&name);
            self.text.push('\n');
        }
    }

    /// A sentence, on as many lines as it needs.
    fn say(&mut self, sentence: &str) {
        let sentence = escape::line(sentence);
        let mut line = String::new();
        for word in sentence.split(' ') {
            let length = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && INDENT + length > COLUMNS {
                self.line(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&line);
    }

    fn line(&mut self, line: &str) {
        let name = self.pending.take().unwrap_or_default();
        self.text.push_str(&format!("{name:<INDENT$}{line}\n"));
    }

    /// Facts that are there, with commas between them.
    fn facts(&mut self, facts: impl IntoIterator<Item = Option<String>>) {
        let facts: Vec<_> = facts.into_iter().flatten().collect();
        if !facts.is_empty() {
            self.say(&facts.join(", "));
        }
    }
}

fn head(page: &mut Page, overview: &Overview) {
    let process = &overview.process;
    page.name(&format!("logweir {}", process.version));
    page.facts([
        Some(format!("process {}", process.pid)),
        Some(format!("up {}", span(process.uptime_seconds as u64))),
        process.usage.resident_bytes.map(size),
        process
            .usage
            .cpu_seconds
            .map(|cpu| format!("{cpu:.1} s CPU")),
        process
            .usage
            .open_files
            .map(|files| format!("{files} open files")),
    ]);
    let StateView { folder, failing } = &overview.state;
    page.say(&format!("state in {folder}"));
    if let Some(trouble) = failing {
        page.say(&format!(
            "THE STATE CAN'T BE WRITTEN, so nothing is read: {}",
            told(trouble)
        ));
    }
    if let Some(listen) = &process.listen {
        page.say(&format!("metrics at http://{listen}/metrics"));
    }
    if let Some(reload) = &overview.reload {
        let at = moment(reload.ended_at);
        page.say(&match reload.applied {
            true => format!("reloaded {at}: {}", reload.told),
            false => format!("RELOAD REFUSED {at}: {}", reload.told),
        });
    }
    if !health::is_alive(overview) {
        page.say("THE PIPELINE HAS LOST ITS PULSE: restart it");
    }
}

fn of_source(page: &mut Page, source: &SourceView) {
    page.name(&format!("source {}", source.name));
    page.say(&doing(&source.state, "reads what is new as it comes"));
    if let Some(seconds) = source.silence.silent_seconds {
        page.say(&format!(
            "SILENT: nothing came for {}, too long is {}",
            span(seconds),
            source.silence.limit_seconds.map(span).unwrap_or_default()
        ));
    }
    if let Some(expiry) = health::expiry(source) {
        page.say(&format!("EXPIRING: {expiry}"));
    }
    page.facts([
        Some(format!("{} read", records(source.records))),
        speed(source.records_per_minute),
        Some(format!("{} settled", count(source.settled))),
        some(source.unsettled, "on their way"),
        some(source.dead_letters, "in the dead letter"),
        some(source.repeated, "repeated"),
        some(source.differing, "differing"),
    ]);
    page.facts([
        source
            .settled_at
            .map(|at| format!("everything settled up to {}", moment(at))),
        source.lag_seconds.map(|lag| format!("{} ago", span(lag))),
    ]);
    let ledger = &source.ledger;
    if ledger.records > 0 {
        page.facts([
            Some(format!("remembers {}", records(ledger.records))),
            Some(size(ledger.bytes)),
            ledger
                .complete_since_at
                .map(|at| format!("since {}", moment(at))),
        ]);
    }
    page.facts(requests(source));
    let restarts: u64 = source.restarts.values().sum();
    let plugin = &source.plugin;
    page.facts([
        Some(match plugin.instances {
            0 => "plugin at rest".to_owned(),
            _ => format!("plugin with {}", size(plugin.memory_bytes)),
        }),
        Some(format!("{:.1} s of work", plugin.busy_seconds)),
        some(restarts, "restarts"),
    ]);
}

fn requests(source: &SourceView) -> Vec<Option<String>> {
    let RequestsView {
        by_status,
        unanswered,
        refused,
        ..
    } = &source.requests;
    let all = by_status.values().sum::<u64>() + unanswered;
    let others = by_status.iter().filter(|(status, _)| **status != 200);
    let others = others.map(|(status, times)| Some(format!("{} × {status}", count(*times))));
    let budget = source.budget.as_ref().map(|budget| {
        let until = budget
            .resets_in_seconds
            .map(|left| format!(" for {}", span(left.ceil() as u64)));
        format!(
            "{} of {} left{}",
            budget.remaining,
            budget.limit,
            until.unwrap_or_default()
        )
    });
    let held = source
        .held_seconds
        .map(|held| format!("held back for {}", span(held.ceil() as u64)));
    let plural = if all == 1 { "" } else { "s" };
    let mut facts = vec![Some(format!("{} request{plural}", count(all)))];
    facts.extend(others);
    facts.extend([
        some(*unanswered, "without an answer"),
        some(*refused, "not permitted"),
        budget,
        held,
    ]);
    facts
}

fn of_output(page: &mut Page, output: &OutputView) {
    page.name(&format!("output {}", output.name));
    page.say(&doing(&output.state, "delivers what comes, as it comes"));
    page.facts([
        Some(format!("{} delivered", records(output.records))),
        speed(output.records_per_minute),
        Some(size(output.bytes)),
        some(output.refused, "refused"),
    ]);
    if output.queued_records > 0 {
        let queued = output.queued_records;
        page.say(&format!(
            "{} queued, {}",
            count(queued),
            size(output.queued_bytes)
        ));
    }
    let is_failing = matches!(output.state, PhaseView::Failing(_));
    if let Some(error) = output.last_error.as_ref().filter(|_| !is_failing) {
        page.say(&format!("newest error, over by now: {}", told(error)));
    }
}

fn doing(phase: &PhaseView, live: &str) -> String {
    match phase {
        PhaseView::Starting => "starting".to_owned(),
        PhaseView::Backfill {
            share,
            to_go_seconds,
        } => {
            let share = share.map(|share| format!(", {:.0} % done", share * 100.0));
            let to_go = to_go_seconds.map(|to_go| format!(", {} to go", span(to_go)));
            let (share, to_go) = (share.unwrap_or_default(), to_go.unwrap_or_default());
            format!("reads the past{share}{to_go}")
        }
        PhaseView::Live => live.to_owned(),
        PhaseView::Waiting { until_at, reason } => match until_at {
            Some(until) => format!("waits until {} for {reason}", moment(*until)),
            None => format!("waits for {reason}"),
        },
        PhaseView::Failing(trouble) => format!("FAILING: {}", told(trouble)),
        PhaseView::Stopped { why } => format!("STOPPED: {why}"),
        PhaseView::Finished => "finished".to_owned(),
    }
}

fn told(trouble: &Trouble) -> String {
    format!("{} (since {})", trouble.why, moment(trouble.since_at))
}

fn moment(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(seconds).ok();
    let text = time.and_then(|time| strtime::format("%Y-%m-%d %H:%M:%SZ", time).ok());
    text.unwrap_or_else(|| "an unknown time".to_owned())
}

fn some(number: u64, what: &str) -> Option<String> {
    (number > 0).then(|| format!("{} {what}", count(number)))
}

fn records(number: u64) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} record{plural}", count(number))
}

fn speed(per_minute: u64) -> Option<String> {
    match per_minute {
        0 => None,
        1..600 => Some(format!("{per_minute}/min")),
        _ => Some(format!("{}/s", count(per_minute / 60))),
    }
}

/// With a comma before each three digits.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = UNITS.iter().find(|(_, size)| bytes >= *size);
    match unit {
        Some((unit, size)) => format!("{:.1} {unit}", bytes as f64 / *size as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use logweir::telemetry::overview::{BudgetView, LedgerView, RetentionView, SilenceView};
    use logweir::telemetry::process::Usage;

    use super::*;

    fn picture() -> Overview {
        let mut overview = Overview::default();
        overview.process.version = "0.1.0".to_owned();
        overview.process.pid = 4242;
        overview.process.uptime_seconds = 11_525.0;
        overview.process.listen = Some("127.0.0.1:9600".to_owned());
        overview.process.usage = Usage {
            resident_bytes: Some(31 << 20),
            cpu_seconds: Some(12.34),
            open_files: Some(27),
        };
        overview.state.folder = "/var/lib/logweir".to_owned();
        overview.sources = vec![reading(), failing()];
        overview.outputs = vec![OutputView {
            name: "archive".to_owned(),
            state: PhaseView::Live,
            records: 70_111,
            bytes: 102_880_000,
            records_per_minute: 480_000,
            queued_records: 1_123,
            queued_bytes: 1_650_000,
            last_error: Some(Trouble {
                why: "no space left on device".to_owned(),
                since_at: 1_789_990_000,
            }),
            ..OutputView::default()
        }];
        overview
    }

    fn reading() -> SourceView {
        let mut acme = SourceView {
            name: "acme".to_owned(),
            state: PhaseView::Backfill {
                share: Some(0.432),
                to_go_seconds: Some(185),
            },
            records: 71_234,
            settled: 70_111,
            unsettled: 1_123,
            records_per_minute: 487_300,
            settled_at: Some(1_790_000_000),
            lag_seconds: Some(5_022_000),
            ledger: LedgerView {
                records: 70_111,
                bytes: 1_121_776,
                complete_since_at: Some(1_788_000_000),
            },
            budget: Some(BudgetView {
                limit: 60,
                remaining: 34,
                resets_in_seconds: Some(24.2),
            }),
            ..SourceView::default()
        };
        acme.requests.by_status = [(200, 72), (429, 1)].into();
        acme.plugin.instances = 1;
        acme.plugin.memory_bytes = 12_345_678;
        acme.plugin.busy_seconds = 4.56;
        acme
    }

    fn failing() -> SourceView {
        SourceView {
            name: "a-source-with-a-long-name".to_owned(),
            state: PhaseView::Failing(Trouble {
                why: "the org refuses the token (401 E0000011 Invalid token provided): create a new API token \u{9b}2J".to_owned(),
                since_at: 1_790_000_000,
            }),
            silence: SilenceView {
                last_record_at: Some(1_789_000_000),
                limit_seconds: Some(21_600),
                silent_seconds: Some(30_000),
            },
            retention: Some(RetentionView {
                keeps_seconds: 90 * 86_400,
                left_seconds: Some(3 * 86_400),
                passes_in_seconds: Some(3 * 86_400),
            }),
            ..SourceView::default()
        }
    }

    #[test]
    fn the_page_has_80_columns_and_moves_no_cursor() {
        let page = render(&picture());
        insta::assert_snapshot!(page, @r"
        logweir 0.1.0   process 4242, up 3 h 12 min, 31.0 MiB, 12.3 s CPU, 27 open files
                        state in /var/lib/logweir
                        metrics at http://127.0.0.1:9600/metrics

        source acme     reads the past, 43 % done, 3 min 5 s to go
                        71,234 records read, 8,121/s, 70,111 settled, 1,123 on their way
                        everything settled up to 2026-09-21 14:13:20Z, 58 d 3 h ago
                        remembers 70,111 records, 1.1 MiB, since 2026-08-29 10:40:00Z
                        73 requests, 1 × 429, 34 of 60 left for 25 s
                        plugin with 11.8 MiB, 4.6 s of work

        source a-source-with-a-long-name
                        FAILING: the org refuses the token (401 E0000011 Invalid token
                        provided): create a new API token \u{9b}2J (since 2026-09-21
                        14:13:20Z)
                        SILENT: nothing came for 8 h 20 min, too long is 6 h
                        EXPIRING: what it reads is kept for 90 d, which passes its
                        position in 3 d
                        0 records read, 0 settled
                        0 requests
                        plugin at rest, 0.0 s of work

        output archive  delivers what comes, as it comes
                        70,111 records delivered, 8,000/s, 98.1 MiB
                        1,123 queued, 1.6 MiB
                        newest error, over by now: no space left on device (since
                        2026-09-21 11:26:40Z)
        ");
        assert!(page.lines().all(|line| line.chars().count() <= COLUMNS));
        assert!(!page.contains('\u{9b}'));
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0, 1_023, 1_536, 3 << 30].map(size),
            ["0 B", "1023 B", "1.5 KiB", "3.0 GiB"]
        );
        assert_eq!(speed(59).as_deref(), Some("59/min"));
        assert_eq!(speed(60_000).as_deref(), Some("1,000/s"));
    }
}
