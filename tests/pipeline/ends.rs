//! When and how a run ends.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use logweir::pipeline::{OutputEnd, Phase, PipelineError, PipelineSpec, SourceEnd};
use logweir::stage::{ConfigIssue, StageError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::destination::{Destination, output};
use crate::house::{House, until};
use crate::system::{Step, System, source};

fn fails(error: fn(String) -> StageError, why: &str) -> Step {
    Step::Fail(error(why.to_owned()))
}

#[tokio::test]
async fn delivery_07_once_ends_when_every_source_is_caught_up() {
    let house = House::new().once();
    let (small, big) = (
        Arc::new(System::new("small", 0)),
        Arc::new(System::new("big", 1234)),
    );
    let output = Arc::new(Destination::new("archive"));
    let running = house.start(&[&small, &big], &[&output]);
    let mut status = running.status.clone();
    let report = running.report().await;
    assert!(!report.failed);
    assert_eq!(report.sources[1].end, SourceEnd::CaughtUp);
    assert_eq!(
        (report.sources[1].read, report.sources[1].settled),
        (1234, 1234)
    );
    assert_eq!(
        (report.outputs[0].written, &report.outputs[0].end),
        (1234, &OutputEnd::Drained)
    );
    assert_eq!(output.lines(), big.lines(0..1234));
    assert_eq!(
        (house.stored(&small), house.stored(&big)),
        (Some(0), Some(1234))
    );
    let last = status.borrow_and_update().clone();
    assert_eq!(last.sources[1].phase, Phase::Finished);
    assert_eq!(
        (last.sources[1].unsettled, last.outputs[0].queued_bytes),
        (0, 0)
    );
}

#[tokio::test]
async fn delivery_07_once_ends_where_a_busy_source_was_when_it_began() {
    let house = House::new().once();
    let mut system = System::new("acme", 500);
    system.growth = 1000;
    system.until = Some(505);
    let system = Arc::new(system);
    let output = Arc::new(Destination::new("archive"));
    let report = house.start(&[&system], &[&output]).report().await;
    assert_eq!(report.sources[0].end, SourceEnd::CaughtUp);
    assert_eq!(output.lines(), system.lines(0..510));
    assert_eq!(house.stored(&system), Some(510));
}

#[tokio::test]
async fn once_fails_at_once_when_a_credential_is_refused() {
    let house = House::new().once();
    let system = Arc::new(
        System::new("acme", 15).scripted([fails(StageError::Unauthorized, "invalid token")]),
    );
    let output = Arc::new(Destination::new("archive"));
    let report = house.start(&[&system], &[&output]).report().await;
    assert!(report.failed);
    assert_eq!(
        report.sources[0].end,
        SourceEnd::Stopped("invalid token".to_owned())
    );
}

#[tokio::test]
async fn once_gives_up_on_what_keeps_failing() {
    let house = House::new()
        .once()
        .timing(|timing| timing.patience = Duration::ZERO);
    let steps = std::iter::repeat_n(fails(StageError::Transient, "no route to host"), 100);
    let system = Arc::new(System::new("acme", 15).scripted(steps));
    let output = Arc::new(Destination::new("archive"));
    let report = house.start(&[&system], &[&output]).report().await;
    assert!(report.failed);
    assert_eq!(
        report.sources[0].end,
        SourceEnd::Stopped("no route to host".to_owned())
    );
    assert!(system.reads.load(SeqCst) > 1);
}

#[tokio::test]
async fn a_source_that_stops_leaves_the_others_alone() {
    let house = House::new();
    let issue = ConfigIssue {
        key: "/filter".to_owned(),
        message: "is not understood".to_owned(),
    };
    let steps = [Step::Page, Step::Fail(StageError::Config(vec![issue]))];
    let stops = Arc::new(System::new("stops", 100).scripted(steps));
    let works = Arc::new(System::new("works", 25));
    let output = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&stops, &works], &[&output]);
    let status = running.until_status(|status| {
        status.sources[1].settled == 25 && matches!(status.sources[0].phase, Phase::Stopped { .. })
    });
    status.await;
    works.total.fetch_add(10, SeqCst);
    running
        .until_status(|status| status.sources[1].settled == 35)
        .await;
    let report = running.stop().await;
    assert!(report.failed);
    assert_eq!(
        report.sources[0].end,
        SourceEnd::Stopped("/filter: is not understood".to_owned())
    );
    assert_eq!(report.sources[1].end, SourceEnd::ShutDown);
    assert_eq!(
        (house.stored(&stops), house.stored(&works)),
        (Some(10), Some(35))
    );
}

#[tokio::test]
async fn a_bug_in_one_source_leaves_the_others_alone() {
    let house = House::new().once();
    let bug = Arc::new(System::new("bug", 25).scripted([Step::Page, Step::Panic]));
    let works = Arc::new(System::new("works", 25));
    let output = Arc::new(Destination::new("archive"));
    let running = house.start(&[&bug, &works], &[&output]);
    let status = running.status.clone();
    let report = running.report().await;
    assert!(report.failed);
    assert!(matches!(
        status.borrow().sources[0].phase,
        Phase::Stopped { .. }
    ));
    assert!(matches!(&report.sources[0].end, SourceEnd::Stopped(why) if why.contains("a bug")));
    assert_eq!(report.sources[1].end, SourceEnd::CaughtUp);
    assert_eq!(
        (house.stored(&bug), house.stored(&works)),
        (Some(10), Some(25))
    );
}

#[tokio::test]
async fn a_pipeline_whose_sources_have_all_stopped_ends_and_has_failed() {
    let house = House::new();
    let system =
        Arc::new(System::new("acme", 25).scripted([fails(StageError::Permanent, "no such page")]));
    let output = Arc::new(Destination::new("archive"));
    let report = house.start(&[&system], &[&output]).report().await;
    assert!(report.failed);
}

#[tokio::test]
async fn told_to_stop_it_delivers_what_was_accepted() {
    let house = House::new();
    let mut system = System::new("acme", 0);
    system.growth = 1000;
    let system = Arc::new(system);
    let output = Arc::new(Destination::hanging("archive"));
    let running = house.start(&[&system], &[&output]);
    until(|| system.reads.load(SeqCst) >= 20).await;
    running.shutdown.cancel();
    until(|| system.readers.load(SeqCst) == 0).await;
    output.release();
    let report = running.report().await;
    assert!(!report.failed);
    assert_eq!(report.sources[0].end, SourceEnd::ShutDown);
    assert_eq!(report.sources[0].read, report.sources[0].settled);
    assert_eq!(output.lines(), system.lines(0..report.sources[0].read));
    assert_eq!(house.stored(&system), Some(report.sources[0].read));
}

#[tokio::test]
async fn told_to_stop_it_does_not_wait_for_ever() {
    let house = House::new().timing(|timing| timing.drain = Duration::from_millis(20));
    let system = Arc::new(System::new("acme", 25));
    let output = Arc::new(Destination::hanging("archive"));
    let running = house.start(&[&system], &[&output]);
    until(|| system.reads.load(SeqCst) > 3).await;
    let report = running.stop().await;
    assert!(!report.failed);
    assert_eq!(report.outputs[0].end, OutputEnd::Interrupted);
    assert_eq!(house.stored(&system), None);
}

#[tokio::test]
async fn delivery_18_a_checkpoint_of_another_system_is_refused() {
    let house = House::new().once();
    let output = Arc::new(Destination::new("archive"));
    let system = Arc::new(System::new("acme", 25));
    house.start(&[&system], &[&output]).report().await;
    let mut spec = source(&system, &[0]);
    spec.owner.origin = "https://other.example".to_owned();
    let spec = PipelineSpec {
        sources: vec![spec],
        outputs: vec![self::output(&output)],
    };
    let report = house.start_spec(spec).report().await;
    assert!(report.failed);
    let SourceEnd::Stopped(why) = &report.sources[0].end else {
        panic!("{report:?}");
    };
    for part in [
        "https://acme.example",
        "https://other.example",
        "`logweir state forget acme`",
    ] {
        assert!(why.contains(part), "{why} should name {part}");
    }
    assert_eq!(house.stored(&system), Some(25));
    assert_eq!(system.opened_at(), [None]);
}

#[tokio::test]
async fn what_could_not_work_is_refused() {
    let house = House::new();
    let (system, destination) = (
        Arc::new(System::new("acme", 1)),
        Arc::new(Destination::new("archive")),
    );
    let run = |sources, outputs| {
        let pipeline = house.pipeline(PipelineSpec { sources, outputs });
        pipeline.run(CancellationToken::new(), watch::Sender::new(0).subscribe())
    };
    let twice = run(
        vec![source(&system, &[0]), source(&system, &[0])],
        vec![output(&destination)],
    )
    .await;
    assert!(matches!(twice, Err(PipelineError::NameTwice(name)) if &*name == "acme"));
    let nowhere = run(vec![source(&system, &[1])], vec![output(&destination)]).await;
    assert!(matches!(nowhere, Err(PipelineError::NoSuchOutput(name, 1)) if &*name == "acme"));
}
