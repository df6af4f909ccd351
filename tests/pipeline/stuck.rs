//! Pages that bring nothing, and say what fails or what is waited for.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use logweir::pipeline::{Phase, SourceEnd};
use logweir::stage::{Progress, StageError};

use crate::destination::Destination;
use crate::house::House;
use crate::system::{Step, System};

const WHY: &str = "a page is cut off";

fn fails() -> Step {
    Step::Nothing(Progress {
        failing: Some(WHY.to_owned()),
        ..Progress::default()
    })
}

fn waits() -> Step {
    Step::Nothing(Progress {
        waiting_for: Some("a report that is being made".to_owned()),
        ..Progress::default()
    })
}

/// Runs to an end, with no patience for what fails twice in a row.
async fn end_of(steps: impl IntoIterator<Item = Step>) -> (SourceEnd, usize) {
    let house = House::new()
        .once()
        .timing(|timing| timing.patience = Duration::ZERO);
    let system = Arc::new(System::new("acme", 35).scripted(steps));
    let archive = Arc::new(Destination::new("archive"));
    let report = house.start(&[&system], &[&archive]).report().await;
    let delivered = archive.lines();
    assert_eq!(delivered, system.lines(0..delivered.len() as u64));
    (report.sources[0].end.clone(), system.reads.load(SeqCst))
}

#[tokio::test]
async fn once_gives_up_on_pages_that_bring_nothing_and_say_what_fails() {
    let steps = [Step::Page].into_iter();
    let (end, reads) = end_of(steps.chain(vec![fails(); 100])).await;
    assert_eq!(end, SourceEnd::Stopped(WHY.to_owned()));
    assert!((3..100).contains(&reads), "{reads}");
}

#[tokio::test]
async fn once_gives_up_on_pages_that_bring_nothing_and_only_wait() {
    let (end, reads) = end_of(vec![waits(); 100]).await;
    let why = "it waits for a report that is being made";
    assert_eq!(end, SourceEnd::Stopped(why.to_owned()));
    assert!((2..100).contains(&reads), "{reads}");
}

#[tokio::test]
async fn once_has_patience_anew_after_each_page_that_brings_something() {
    let steps = [fails(), Step::Page, waits(), Step::Page, fails()];
    assert_eq!(end_of(steps).await, (SourceEnd::CaughtUp, 7));
}

#[tokio::test]
async fn once_does_not_give_up_on_pages_that_bring_something_whatever_fails() {
    let (end, reads) = end_of(vec![Step::Failing(WHY); 4]).await;
    assert_eq!((end, reads), (SourceEnd::CaughtUp, 4));
}

#[tokio::test]
async fn pages_that_say_what_fails_show_it_and_are_waited_out() {
    for (step, is_failure) in [(fails(), true), (waits(), false)] {
        let house = House::new().timing(|timing| timing.patience = Duration::ZERO);
        let steps = [Step::Page].into_iter().chain(vec![step; 100_000]);
        let system = Arc::new(System::new("acme", 35).scripted(steps));
        let archive = Arc::new(Destination::new("archive"));
        let mut running = house.start(&[&system], &[&archive]);
        let status = running
            .until_status(|status| match &status.sources[0].phase {
                Phase::Failing(failure) => is_failure && failure.why == WHY,
                Phase::Waiting { reason, .. } => !is_failure && reason.contains("a report"),
                _ => false,
            })
            .await;
        assert_eq!(status.sources[0].records, 10);
        system.script.lock().unwrap().clear();
        running.until_settled(35).await;
        running
            .until_status(|status| status.sources[0].phase == Phase::Live)
            .await;
        let report = running.stop().await;
        assert_eq!(report.sources[0].end, SourceEnd::ShutDown);
        assert_eq!(archive.lines(), system.lines(0..35));
    }
}

#[tokio::test]
async fn pages_that_only_wait_make_no_pause_after_a_failure_longer() {
    let house = House::new().timing(|timing| timing.retry_longest = Duration::from_secs(3600));
    let fault = StageError::Transient("no answer".to_owned());
    let steps = vec![waits(); 30].into_iter().chain([Step::Fail(fault)]);
    let system = Arc::new(System::new("acme", 35).scripted(steps));
    let archive = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&system], &[&archive]);
    running.until_settled(35).await;
    running.stop().await;
}
