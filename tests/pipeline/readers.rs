//! Readers come and go; what was accepted stays accepted.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use logweir::pipeline::{Phase, QueueLimits, SourceEnd};
use logweir::stage::{Crash, StageError};

use crate::destination::Destination;
use crate::house::{House, until};
use crate::system::{Step, System};

const HOUR: Duration = Duration::from_secs(3600);

fn crash() -> Step {
    Step::Fail(StageError::Crashed("unreachable executed".to_owned()))
}

fn transient() -> Step {
    Step::Fail(StageError::Transient("connection reset".to_owned()))
}

fn unauthorized() -> Step {
    Step::Fail(StageError::Unauthorized("invalid token".to_owned()))
}

#[tokio::test]
async fn delivery_02_a_crash_goes_on_behind_the_newest_accepted_page() {
    let house = House::new();
    let steps = [Step::Page, Step::Page, Step::Page, crash()];
    let system = Arc::new(System::new("acme", 65).scripted(steps));
    let output = Arc::new(Destination::hanging("archive"));
    let mut running = house.start(&[&system], &[&output]);
    until(|| system.opened_at().len() == 2).await;
    assert_eq!(system.opened_at(), [None, Some(30)]);
    assert_eq!(house.stored(&system), None);
    output.release();
    let status = running.until_settled(65).await;
    assert_eq!(status.sources[0].restarts[&Crash::Page], 1);
    running.stop().await;
    assert_eq!(output.lines(), system.lines(0..65));
}

#[tokio::test]
async fn delivery_02_a_new_process_begins_at_the_stored_checkpoint() {
    let house = House::new().timing(|timing| timing.drain = Duration::from_millis(20));
    let system = Arc::new(System::new("acme", 25));
    let stuck = Arc::new(Destination::hanging("siem"));
    let running = house.start(&[&system], &[&stuck]);
    until(|| system.reads.load(SeqCst) > 5).await;
    let report = running.stop().await;
    assert_eq!((report.sources[0].read, report.sources[0].settled), (25, 0));
    let output = Arc::new(Destination::new("siem"));
    let mut running = house.start(&[&system], &[&output]);
    running.until_settled(25).await;
    running.stop().await;
    assert_eq!(output.lines(), system.lines(0..25));
    let mut running = house.start(&[&system], &[&output]);
    running
        .until_status(|status| status.sources[0].phase == Phase::Live)
        .await;
    running.stop().await;
    assert_eq!(output.lines(), system.lines(0..25));
    assert_eq!(system.opened_at().last(), Some(&Some(25)));
}

#[tokio::test]
async fn a_source_that_waits_holds_no_reader() {
    let house = House::new().timing(|timing| timing.idle_release = Duration::from_millis(2));
    let mut system = System::new("acme", 5);
    system.poll = Duration::from_millis(10);
    let system = Arc::new(system);
    let output = Arc::new(Destination::new("archive"));
    let running = house.start(&[&system], &[&output]);
    until(|| system.opened_at().len() > 2).await;
    system.total.fetch_add(3, SeqCst);
    until(|| output.lines().len() == 8).await;
    running.stop().await;
    assert_eq!(output.lines(), system.lines(0..8));
    assert_eq!(system.opened_at()[..2], [None, Some(5)]);
}

#[tokio::test]
async fn a_source_that_is_soon_due_keeps_its_reader() {
    let house = House::new();
    let system = Arc::new(System::new("acme", 5));
    let output = Arc::new(Destination::new("archive"));
    let running = house.start(&[&system], &[&output]);
    until(|| system.reads.load(SeqCst) > 5).await;
    running.stop().await;
    assert_eq!(system.opened_at(), [None]);
}

#[tokio::test]
async fn a_transient_failure_keeps_the_reader_and_shows() {
    let house = House::new().timing(|timing| timing.retry_longest = Duration::from_millis(400));
    let steps = std::iter::repeat_n(transient(), 8);
    let system = Arc::new(System::new("acme", 15).scripted(steps));
    let output = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&system], &[&output]);
    running
        .until_status(|status| {
            matches!(&status.sources[0].phase, Phase::Failing(failure) if failure.why == "connection reset")
        })
        .await;
    running.until_settled(15).await;
    running.stop().await;
    assert_eq!(output.lines(), system.lines(0..15));
    assert_eq!(system.opened_at(), [None]);
}

#[tokio::test]
async fn who_is_asked_to_wait_long_waits_without_a_reader() {
    let house = House::new();
    let steps = [Step::Page, Step::Fail(StageError::Throttled(HOUR))];
    let system = Arc::new(System::new("acme", 15).scripted(steps));
    let output = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&system], &[&output]);
    let waits = |phase: &Phase| matches!(phase, Phase::Waiting { until: Some(_), .. });
    running
        .until_status(|status| waits(&status.sources[0].phase))
        .await;
    until(|| system.readers.load(SeqCst) == 0).await;
    let report = running.stop().await;
    assert_eq!(report.sources[0].end, SourceEnd::ShutDown);
    assert_eq!(house.stored(&system), Some(10));
}

#[tokio::test]
async fn who_is_asked_to_wait_a_moment_keeps_its_reader() {
    let house = House::new().once();
    let steps = [Step::Fail(StageError::Throttled(Duration::from_millis(1)))];
    let system = Arc::new(System::new("acme", 15).scripted(steps));
    let output = Arc::new(Destination::new("archive"));
    let report = house.start(&[&system], &[&output]).report().await;
    assert!(!report.failed);
    assert_eq!(system.opened_at(), [None]);
    assert_eq!(output.lines(), system.lines(0..15));
}

#[tokio::test]
async fn a_refused_credential_is_tried_again_when_it_changed() {
    let house = House::new();
    let system = Arc::new(System::new("acme", 15).scripted([Step::Page, unauthorized()]));
    let output = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&system], &[&output]);
    let fails = |phase: &Phase| matches!(phase, Phase::Failing(_));
    running
        .until_status(|status| fails(&status.sources[0].phase))
        .await;
    until(|| system.readers.load(SeqCst) == 0).await;
    assert_eq!(system.opened_at(), [None]);
    system.stamp.store(1, SeqCst);
    running.until_settled(15).await;
    assert_eq!(system.opened_at(), [None, Some(10)]);
    running.stop().await;
    assert_eq!(output.lines(), system.lines(0..15));
}

#[tokio::test]
async fn a_refused_credential_is_tried_again_after_a_while() {
    let house = House::new().timing(|timing| timing.unauthorized = Duration::from_millis(5));
    let system = Arc::new(System::new("acme", 15).scripted([unauthorized(), unauthorized()]));
    let output = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&system], &[&output]);
    running.until_settled(15).await;
    running.stop().await;
    assert_eq!(system.opened_at(), [None, None, None]);
}

#[tokio::test]
async fn delivery_19_a_blocked_source_gives_its_reader_back() {
    let house = House::new().timing(|timing| timing.blocked_release = Duration::from_millis(10));
    let system = Arc::new(System::new("acme", 95));
    let mut output = Destination::hanging("siem");
    output.queue = QueueLimits {
        bytes: 1 << 20,
        records: 25,
    };
    let output = Arc::new(output);
    let mut running = house.start(&[&system], &[&output]);
    until(|| system.readers.load(SeqCst) == 0 && system.reads.load(SeqCst) > 0).await;
    let status = running
        .until_status(|status| matches!(status.sources[0].phase, Phase::Waiting { .. }))
        .await;
    assert_eq!(status.outputs[0].queued_records, 25, "it is full");
    assert_eq!(system.reads.load(SeqCst), 3);
    output.release();
    running.until_settled(95).await;
    running.stop().await;
    assert_eq!(output.lines(), system.lines(0..95));
    assert_eq!(system.opened_at()[..2], [None, Some(30)]);
}

#[tokio::test]
async fn delivery_19_one_budget_holds_for_all_sources() {
    let mut house = House::new().timing(|timing| timing.blocked_release = Duration::from_millis(5));
    house.options.budget = 1 << 10;
    let names = ["a", "b", "c", "d"];
    let systems: Vec<_> = names
        .iter()
        .map(|name| Arc::new(System::new(name, 35)))
        .collect();
    let output = Arc::new(Destination::hanging("siem"));
    let mut running = house.start(&systems.iter().collect::<Vec<_>>(), &[&output]);
    let waiting = |phase: &Phase| matches!(phase, Phase::Waiting { .. });
    running
        .until_status(|status| status.sources.iter().all(|source| waiting(&source.phase)))
        .await;
    let reads: usize = systems.iter().map(|system| system.reads.load(SeqCst)).sum();
    assert!(reads <= 2, "{reads} pages are in memory");
    output.release();
    running
        .until_status(|status| status.sources.iter().all(|source| source.settled == 35))
        .await;
    running.stop().await;
    assert_eq!(output.lines().len(), 4 * 35);
}

#[tokio::test]
async fn a_source_that_waits_after_a_failure_holds_no_memory() {
    let mut house = House::new().timing(|timing| {
        timing.retry_first = HOUR;
        timing.retry_longest = 4 * HOUR;
    });
    // One page at a time.
    house.options.budget = 1;
    let fails = Arc::new(System::new("fails", 5).scripted([transient()]));
    let works = Arc::new(System::new("works", 35));
    let archive = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&fails, &works], &[&archive]);
    until(|| fails.reads.load(SeqCst) == 1).await;
    works.total.fetch_add(10, SeqCst);
    running
        .until_status(|status| status.sources[1].settled == 45)
        .await;
    running.stop().await;
}

#[tokio::test]
async fn an_impossible_checkpoint_is_a_crash() {
    let house = House::new().once();
    let steps = [
        Step::Page,
        Step::Checkpoint(String::new()),
        Step::Checkpoint("1".repeat((64 << 10) + 1)),
    ];
    let system = Arc::new(System::new("acme", 25).scripted(steps));
    let output = Arc::new(Destination::new("archive"));
    let report = house.start(&[&system], &[&output]).report().await;
    assert!(!report.failed);
    assert_eq!(system.opened_at(), [None, Some(10), Some(10)]);
    assert_eq!(output.lines(), system.lines(0..25));
}

#[tokio::test]
async fn a_state_that_can_not_be_written_shows_and_loses_nothing() {
    let house = House::new();
    let mut system = System::new("acme", 0);
    system.growth = 1;
    let system = Arc::new(system);
    let output = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&system], &[&output]);
    until(|| house.stored(&system) > Some(0)).await;
    let database = rusqlite::Connection::open(house.state.folder().join("state.db")).unwrap();
    database
        .execute_batch("ALTER TABLE source RENAME TO away")
        .unwrap();
    running.until_status(|status| status.state.is_some()).await;
    database
        .execute_batch("ALTER TABLE away RENAME TO source")
        .unwrap();
    let stored = house.stored(&system);
    running.until_status(|status| status.state.is_none()).await;
    until(|| house.stored(&system) > stored).await;
    let report = running.stop().await;
    assert!(!report.failed);
    assert_eq!(report.sources[0].read, report.sources[0].settled);
    assert_eq!(house.stored(&system), Some(report.sources[0].read));
    assert_eq!(output.lines(), system.lines(0..report.sources[0].read));
}
