//! Pages that read again what was delivered.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use logweir::pipeline::{PipelineSpec, Report};
use logweir::stage::StageError;
use proptest::prelude::*;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::destination::{Destination, output};
use crate::house::{House, until};
use crate::journal::{Event, Journal};
use crate::once::{file, live};

fn events(count: u64) -> Vec<Event> {
    let event = |number| Event::new(format!("e{number:06}"), 1_000 + number);
    (0..count).map(event).collect()
}

fn spec(journal: &Arc<Journal>, destination: &Arc<Destination>) -> PipelineSpec {
    PipelineSpec {
        sources: vec![journal.spec(&[0])],
        outputs: vec![output(destination)],
    }
}

/// The same, from the beginning to the end of a run.
async fn run(house: &House, journal: &Arc<Journal>, destination: &Arc<Destination>) {
    house.start_spec(spec(journal, destination)).report().await;
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[tokio::test]
async fn delivery_12_what_was_delivered_does_not_go_on_again() {
    let house = House::new();
    let journal = Journal::new("acme", events(95));
    journal.goes_back.lock().unwrap().push((11, 60));
    let journal = Arc::new(journal);
    let destination = Arc::new(Destination::new("archive"));
    let mut running = house.start_spec(spec(&journal, &destination));
    running
        .until_status(|status| status.sources[0].repeated >= 60)
        .await;
    journal.persist(Event::new("new", 5_000));
    let status = running.until_settled(96).await;
    let source = &status.sources[0];
    assert_eq!((source.repeated, source.differing), (60, 0));
    assert_eq!(source.ledger.ids, 96);
    let report = running.stop().await;
    assert!(!report.failed);
    assert_eq!(
        (report.sources[0].read, report.sources[0].settled),
        (96, 96)
    );
    assert_eq!(destination.lines(), journal.texts());
}

#[tokio::test]
async fn delivery_12_a_record_that_comes_again_with_another_time_is_the_same_record() {
    let house = House::new();
    let journal = Arc::new(Journal::new("acme", events(95)));
    let destination = Arc::new(Destination::new("archive"));
    let mut running = house.start_spec(spec(&journal, &destination));
    running.until_settled(95).await;
    let hour = 3_600_000_000_000;
    for event in &mut *journal.events() {
        event.published += hour;
    }
    let soon = journal.live_reads.load(SeqCst) + 100;
    journal.goes_back.lock().unwrap().push((soon, 60));
    let status = running
        .until_status(|status| status.sources[0].repeated > 0)
        .await;
    assert_eq!(status.sources[0].differing, 0);
    journal.persist(Event::new("new", 5_000));
    let status = running.until_settled(96).await;
    assert_eq!(status.sources[0].repeated, 60);
    running.stop().await;
}

#[tokio::test]
async fn delivery_12_other_bytes_of_the_same_id_go_on_and_are_counted() {
    let house = House::new();
    let journal = Arc::new(Journal::new("acme", events(20)));
    let destination = Arc::new(Destination::new("archive"));
    let mut running = house.start_spec(spec(&journal, &destination));
    running.until_settled(20).await;
    let edited = journal.events()[15].edited();
    journal.events()[15] = edited.clone();
    let soon = journal.live_reads.load(SeqCst) + 20;
    journal.goes_back.lock().unwrap().push((soon, 20));
    let status = running.until_settled(21).await;
    let source = &status.sources[0];
    assert_eq!((source.repeated, source.differing), (19, 1));
    running.stop().await;
    assert_eq!(destination.lines()[20], edited.text);
}

#[tokio::test]
async fn delivery_12_what_is_on_its_way_is_known_too() {
    let house = House::new();
    let journal = Journal::new("acme", events(40));
    journal.goes_back.lock().unwrap().push((4, 30));
    let journal = Arc::new(journal);
    let destination = Arc::new(Destination::hanging("archive"));
    let mut running = house.start_spec(spec(&journal, &destination));
    running
        .until_status(|status| status.sources[0].repeated == 30)
        .await;
    assert!(
        house.state.source("acme").unwrap().is_none(),
        "nothing is settled"
    );
    destination.release();
    running.until_settled(40).await;
    running.stop().await;
    assert_eq!(destination.lines(), journal.texts());
}

#[tokio::test]
async fn delivery_12_the_dead_letter_counts_as_delivered() {
    let house = House::new();
    let journal = Arc::new(Journal::new("acme", events(10)));
    let mut destination = Destination::new("archive");
    destination.refuses = vec![journal.texts()[3].clone()];
    journal.goes_back.lock().unwrap().push((20, 10));
    let destination = Arc::new(destination);
    let mut running = house.start_spec(spec(&journal, &destination));
    // What is on its way there counts too, so it may come again before it is there.
    running
        .until_status(|status| status.sources[0].repeated == 10 && status.sources[0].dead == 1)
        .await;
    running.stop().await;
    assert_eq!(
        (destination.lines().len(), house.dead_lines().len()),
        (9, 1)
    );
}

#[tokio::test]
async fn delivery_12_pages_that_can_not_repeat_anything_are_not_looked_up() {
    let house = House::new();
    let journal = Arc::new(Journal::new("acme", events(20)));
    let destination = Arc::new(Destination::new("archive"));
    let mut running = house.start_spec(spec(&journal, &destination));
    running.until_settled(20).await;
    // A record of the same id and bytes: the source says that it is another one.
    journal.persist(Event::new("e000000", 1_000));
    let status = running.until_settled(21).await;
    assert_eq!(status.sources[0].repeated, 0);
    running.stop().await;
}

#[tokio::test]
async fn a_ledger_that_can_not_be_read_is_waited_for() {
    let house = House::new();
    let journal = Arc::new(Journal::new("acme", events(20)));
    let destination = Arc::new(Destination::new("archive"));
    let mut running = house.start_spec(spec(&journal, &destination));
    running.until_settled(20).await;
    let database = rusqlite::Connection::open(house.state.folder().join("state.db")).unwrap();
    database
        .execute_batch("ALTER TABLE ledger RENAME TO away")
        .unwrap();
    let soon = journal.live_reads.load(SeqCst) + 5;
    journal.goes_back.lock().unwrap().push((soon, 20));
    let failing = |phase: &logweir::pipeline::Phase| matches!(phase, logweir::pipeline::Phase::Failing(failure) if failure.why.contains("ledger"));
    running
        .until_status(|status| failing(&status.sources[0].phase))
        .await;
    database
        .execute_batch("ALTER TABLE away RENAME TO ledger")
        .unwrap();
    running
        .until_status(|status| status.sources[0].repeated == 20)
        .await;
    running.stop().await;
    assert_eq!(destination.lines(), journal.texts());
}

#[tokio::test]
async fn delivery_13_a_rewound_source_begins_at_the_time_and_then_goes_on() {
    let house = House::new().once();
    let journal = Arc::new(Journal::new("acme", events(50)));
    let destination = Arc::new(Destination::new("archive"));
    run(&house, &journal, &destination).await;
    assert!(house.state.rewind("acme", 1_030).unwrap());
    // Until a page from there is settled it begins there, however often it is started.
    let failing = Arc::new(
        Destination::new("archive").failing([StageError::Permanent("no such folder".to_owned())]),
    );
    run(&house, &journal, &failing).await;
    let stored = house.state.source("acme").unwrap().unwrap();
    assert_eq!(stored.rewind_to, Some(1_030));
    run(&house, &journal, &destination).await;
    assert_eq!(destination.lines()[50..], journal.texts()[30..]);
    run(&house, &journal, &destination).await;
    assert_eq!(destination.lines().len(), 70);
    let stored = house.state.source("acme").unwrap().unwrap();
    assert_eq!((stored.rewind_to, &*stored.checkpoint), (None, "50 0"));
}

async fn run_into_file(house: &House, journal: &Arc<Journal>) -> Report {
    let spec = PipelineSpec {
        sources: vec![journal.spec(&[0])],
        outputs: vec![file("archive", "out.ndjson", house.folder.path())],
    };
    let pipeline = house.pipeline(spec);
    let reopen = watch::Sender::new(0);
    pipeline
        .run(CancellationToken::new(), reopen.subscribe())
        .await
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn delivery_12_everything_once_whatever_is_killed_and_read_again(
        lives in prop::collection::vec(0..30_000u64, 1..8),
        goes_back in prop::collection::vec((1..400usize, 0..900usize), 0..20),
    ) {
        let house = House::new().once();
        let journal = Journal::new("acme", events(2_000));
        *journal.goes_back.lock().unwrap() = goes_back;
        let journal = Arc::new(journal);
        for life in lives {
            live(run_into_file(&house, &journal), Some(Duration::from_micros(life)));
        }
        let report = live(run_into_file(&house, &journal), None).unwrap();
        prop_assert!(!report.failed, "{report:?}");
        let text = std::fs::read_to_string(house.folder.path().join("out.ndjson")).unwrap();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        prop_assert_eq!(lines.len(), 2_000);
        prop_assert!(sorted(lines) == sorted(journal.texts()));
        let mut known = Vec::new();
        house.state.for_each_delivered("acme", |digest| known.push(digest)).unwrap();
        known.sort_unstable();
        known.dedup();
        prop_assert_eq!(known.len(), 2_000, "the ledger holds what was delivered");
    }
}

#[tokio::test]
async fn an_idle_source_costs_no_ledger() {
    let house = House::new();
    let journal = Arc::new(Journal::new("acme", events(5)));
    let destination = Arc::new(Destination::new("archive"));
    let running = house.start_spec(spec(&journal, &destination));
    until(|| journal.live_reads.load(SeqCst) > 50).await;
    let status = running.status.borrow().clone();
    assert_eq!(status.sources[0].ledger.ids, 5);
    running.stop().await;
}
