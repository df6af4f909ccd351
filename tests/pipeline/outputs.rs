//! Slow outputs, failing outputs, outputs that refuse.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use logweir::pipeline::{OutputEnd, Phase, PipelineSpec, SourceEnd};
use logweir::stage::StageError;

use crate::destination::{Destination, output};
use crate::house::{House, until};
use crate::system::{Step, System, source};

fn times(count: usize, error: fn(String) -> StageError, why: &str) -> Vec<StageError> {
    (0..count).map(|_| error(why.to_owned())).collect()
}

#[tokio::test]
async fn the_same_batches_are_handed_over_until_they_are_written() {
    let house = House::new().once();
    let system = Arc::new(System::new("acme", 35));
    let faults = times(5, StageError::Transient, "no space left on device");
    let output = Arc::new(Destination::new("archive").failing(faults));
    let report = house.start(&[&system], &[&output]).report().await;
    assert!(!report.failed);
    assert_eq!(output.lines(), system.lines(0..35));
    let handed = output.handed.lock().unwrap();
    for again in &handed[1..6] {
        assert_eq!(*again, handed[0]);
    }
}

#[tokio::test]
async fn a_failing_output_shows_and_the_checkpoint_waits() {
    let house = House::new();
    let system = Arc::new(System::new("acme", 35));
    let faults = times(40, StageError::Transient, "no space left on device");
    let output = Arc::new(Destination::new("archive").failing(faults));
    let mut running = house.start(&[&system], &[&output]);
    let status = running
        .until_status(|status| matches!(status.outputs[0].phase, Phase::Failing(_)))
        .await;
    assert_eq!(
        status.outputs[0].last_error.as_ref().unwrap().why,
        "no space left on device"
    );
    assert_eq!(status.sources[0].settled, 0);
    running.until_settled(35).await;
    running
        .until_status(|status| status.outputs[0].phase == Phase::Live)
        .await;
    running.stop().await;
    assert_eq!(output.lines(), system.lines(0..35));
}

#[tokio::test]
async fn the_slowest_output_holds_the_checkpoint() {
    let house = House::new();
    let system = Arc::new(System::new("acme", 35));
    let (fast, slow) = (
        Arc::new(Destination::new("fast")),
        Arc::new(Destination::hanging("slow")),
    );
    let running = house.start(&[&system], &[&fast, &slow]);
    until(|| fast.lines().len() == 35).await;
    assert_eq!(house.stored(&system), None);
    slow.turns.add_permits(1);
    until(|| house.stored(&system) > Some(0)).await;
    assert_eq!(house.stored(&system), Some(slow.lines().len() as u64));
    slow.release();
    until(|| house.stored(&system) == Some(35)).await;
    running.stop().await;
    assert_eq!(slow.lines(), system.lines(0..35));
    assert_eq!(fast.lines(), system.lines(0..35));
}

#[tokio::test]
async fn delivery_16_a_position_is_stored_with_the_checkpoint_and_given_back() {
    let house = House::new().timing(|timing| timing.drain = Duration::from_millis(20));
    let system = Arc::new(System::new("acme", 35));
    let (fast, slow) = (
        Arc::new(Destination::new("fast")),
        Arc::new(Destination::hanging("slow")),
    );
    let running = house.start(&[&system], &[&fast, &slow]);
    until(|| fast.lines().len() == 35).await;
    running.stop().await;
    let position = |name| house.state.position(name).unwrap();
    assert_eq!(position("fast").as_deref(), Some("0"));
    slow.release();
    let mut running = house.start(&[&system], &[&fast, &slow]);
    running.until_settled(35).await;
    running.stop().await;
    assert_eq!(
        *fast.opened_at.lock().unwrap(),
        [None, Some("0".to_owned())]
    );
    assert_eq!(position("slow").as_deref(), Some("35"));
    // This destination does not look behind its position, and so shows that the replay began there.
    assert_eq!(fast.lines().len(), 70);
}

#[tokio::test]
async fn delivery_16_the_first_position_is_stored_before_the_first_write() {
    let house = House::new().once();
    let system = Arc::new(System::new("acme", 35));
    let output = Arc::new(Destination::new("archive"));
    *output.state.lock().unwrap() = Some(house.state.clone());
    house.start(&[&system], &[&output]).report().await;
    assert_eq!(
        output.stored_at_write.lock().unwrap()[0].as_deref(),
        Some("0")
    );
    assert_eq!(
        house.state.position("archive").unwrap().as_deref(),
        Some("35")
    );
}

#[tokio::test]
async fn a_crashed_output_is_opened_anew_where_it_was() {
    let house = House::new();
    let system = Arc::new(System::new("acme", 5));
    let output = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&system], &[&output]);
    running.until_settled(5).await;
    output
        .faults
        .lock()
        .unwrap()
        .extend(times(1, StageError::Crashed, "out of bounds"));
    system.total.fetch_add(7, SeqCst);
    running.until_settled(12).await;
    running.stop().await;
    assert_eq!(
        *output.opened_at.lock().unwrap(),
        [None, Some("5".to_owned())]
    );
    assert_eq!(output.lines(), system.lines(0..12));
}

#[tokio::test]
async fn an_output_that_fails_for_good_stops_its_sources_and_no_others() {
    let house = House::new();
    let (lost, works) = (
        Arc::new(System::new("lost", 1000)),
        Arc::new(System::new("works", 25)),
    );
    let faults = times(1, StageError::Permanent, "broken pipe");
    let broken = Arc::new(Destination::new("console").failing(faults));
    let archive = Arc::new(Destination::new("archive"));
    let mut running = house.start_spec(PipelineSpec {
        sources: vec![source(&lost, &[0, 1]), source(&works, &[1])],
        outputs: vec![output(&broken), output(&archive)],
    });
    running
        .until_status(|status| matches!(status.sources[0].phase, Phase::Stopped { .. }))
        .await;
    works.total.fetch_add(10, SeqCst);
    running
        .until_status(|status| status.sources[1].settled == 35)
        .await;
    let report = running.stop().await;
    assert!(report.failed);
    assert_eq!(
        report.sources[0].end,
        SourceEnd::Stopped("output console failed: broken pipe".to_owned())
    );
    assert_eq!(
        report.outputs[0].end,
        OutputEnd::Failed("broken pipe".to_owned())
    );
    assert_eq!(report.outputs[1].end, OutputEnd::Drained);
    assert_eq!(
        (house.stored(&lost), house.stored(&works)),
        (None, Some(35))
    );
}

#[tokio::test]
async fn an_output_that_fails_for_good_ends_a_source_that_sleeps() {
    let house = House::new();
    let mut system = System::new("acme", 5);
    system.poll = Duration::from_secs(3600);
    let system = Arc::new(system);
    let output = Arc::new(Destination::new("console").failing(times(
        1,
        StageError::Permanent,
        "broken pipe",
    )));
    let report = house.start(&[&system], &[&output]).report().await;
    assert!(report.failed);
}

#[tokio::test]
async fn delivery_20_what_a_source_refuses_is_in_the_dead_letter() {
    let house = House::new().once();
    let system = Arc::new(System::new("acme", 15).scripted([Step::Refuse("<html>"), Step::Page]));
    let output = Arc::new(Destination::new("archive"));
    let report = house.start(&[&system], &[&output]).report().await;
    assert!(!report.failed);
    let source = &report.sources[0];
    assert_eq!((source.read, source.settled, source.dead), (16, 16, 1));
    let dead = house.dead_lines();
    assert_eq!(dead.len(), 1);
    for part in ["<html>", "not JSON", "\"acme\"", "\"source\""] {
        assert!(dead[0].contains(part), "{} should hold {part}", dead[0]);
    }
    assert_eq!(output.lines(), system.lines(0..15));
}

#[tokio::test]
async fn delivery_20_what_an_output_refuses_is_in_the_dead_letter() {
    let house = House::new().once();
    let system = Arc::new(System::new("acme", 35));
    let mut picky = Destination::new("siem");
    picky.refuses = system.lines(17..19);
    let (picky, other) = (Arc::new(picky), Arc::new(Destination::new("archive")));
    let report = house.start(&[&system], &[&picky, &other]).report().await;
    assert!(!report.failed);
    assert_eq!((report.sources[0].settled, report.sources[0].dead), (35, 2));
    let dead = house.dead_lines();
    assert_eq!(dead.len(), 2);
    assert!(
        dead[0].contains("too odd") && dead[0].contains("\"siem\""),
        "{}",
        dead[0]
    );
    assert_eq!(picky.lines().len(), 33);
    assert_eq!(other.lines(), system.lines(0..35));
    assert_eq!(house.stored(&system), Some(35));
}

#[tokio::test]
async fn delivery_20_the_checkpoint_waits_for_the_dead_letter() {
    let house = House::new();
    std::fs::create_dir(&house.dead_letter).unwrap();
    let system = Arc::new(System::new("acme", 35).scripted([Step::Page, Step::Refuse("<html>")]));
    let output = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&system], &[&output]);
    let failing = |phase: &Phase| matches!(phase, Phase::Failing(failure) if failure.why.contains("dead letter"));
    running
        .until_status(|status| failing(&status.sources[0].phase))
        .await;
    until(|| house.stored(&system) == Some(10)).await;
    assert_eq!(system.reads.load(SeqCst), 2);
    std::fs::remove_dir(&house.dead_letter).unwrap();
    running.until_settled(36).await;
    running.stop().await;
    assert_eq!(house.dead_lines().len(), 1);
    assert_eq!(output.lines(), system.lines(0..35));
}

/// The other output hangs, so that nothing settles: the place is named all the same, beside what was stored.
#[tokio::test]
async fn delivery_16_a_new_place_is_stored_before_the_first_write_to_it_whatever_waits_to_settle() {
    let house = House::new().timing(|timing| timing.drain = Duration::from_millis(20));
    let system = Arc::new(System::new("acme", 5));
    let (fast, slow) = (
        Arc::new(Destination::new("fast")),
        Arc::new(Destination::new("slow")),
    );
    *fast.state.lock().unwrap() = Some(house.state.clone());
    let mut running = house.start(&[&system], &[&fast, &slow]);
    running.until_settled(5).await;
    until(|| house.state.position("fast").unwrap().as_deref() == Some("5")).await;
    slow.turns.forget_permits(slow.turns.available_permits());
    system.total.fetch_add(5, SeqCst);
    until(|| fast.lines().len() == 10).await;
    fast.place.store(1, SeqCst);
    system.total.fetch_add(5, SeqCst);
    until(|| fast.lines().len() == 15).await;
    let at_write = |write: usize| fast.stored_at_write.lock().unwrap()[write].clone().unwrap();
    assert_eq!(at_write(2), "5 place 1");
    // What settles now was written before the place was named, and does not take the name away.
    slow.turns.add_permits(1);
    until(|| house.stored(&system) == Some(10)).await;
    let position = || house.state.position("fast").unwrap();
    assert_eq!(position().as_deref(), Some("5 place 1"));
    slow.release();
    until(|| position().as_deref() == Some("15")).await;
    running.stop().await;
}

/// Neither would write again for an hour.
#[tokio::test]
async fn a_request_to_reopen_reaches_idle_and_failing_outputs() {
    let house = House::new().timing(|timing| {
        timing.retry_first = Duration::from_secs(3600);
        timing.retry_longest = Duration::from_secs(7200);
    });
    let system = Arc::new(System::new("acme", 5));
    let idle = Arc::new(Destination::new("idle"));
    let fails = Arc::new(Destination::new("fails"));
    let mut running = house.start(&[&system], &[&idle, &fails]);
    running.until_settled(5).await;
    fails.works_when_reopened.store(1, SeqCst);
    system.total.fetch_add(5, SeqCst);
    running
        .until_status(|status| matches!(status.outputs[1].phase, Phase::Failing(_)))
        .await;
    running.reopen.send_replace(1);
    until(|| idle.reopened.load(SeqCst) == 1 && fails.reopened.load(SeqCst) == 1).await;
    running.until_settled(10).await;
    running.stop().await;
    assert_eq!(fails.lines(), system.lines(0..10));
}
