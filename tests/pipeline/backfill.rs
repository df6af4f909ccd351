//! More of the past than the first read brought, when somebody asks for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use logweir::pipeline::{
    AuditError, BackfillError, BackfillReport, BackfillRequest, BackfillRun, PipelineHandle,
    PipelineSpec,
};
use tokio::sync::Semaphore;

use crate::destination::{Destination, output};
use crate::house::{House, Running, until};
use crate::journal::{Event, Journal};

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_nanos()).unwrap()
}

/// A log whose first read begins a day ago. Of the day before there are 500 events that were persisted in time, and so
/// are none of its business, and 20 that were persisted too late, in the midst of the 300 that it reads.
fn journal() -> Journal {
    let since = now() - DAY;
    let journal = Journal {
        since,
        page: 50,
        ..Journal::new("acme", Vec::new())
    };
    for number in 0..500 {
        let published = since - DAY + number * 100 * SECOND;
        journal.persist_unseen(Event::new(format!("old-{number:03}"), published));
    }
    for number in 0..300 {
        let published = since + number * 100 * SECOND;
        journal.persist(Event::new(format!("new-{number:03}"), published));
        if number % 15 == 7 {
            let published = since - (300 - number) * 200 * SECOND - 1;
            journal.persist(Event::new(format!("late-{number:03}"), published));
        }
    }
    journal
}

fn start(
    house: &House,
    journal: &Arc<Journal>,
    destination: &Arc<Destination>,
) -> (Running, PipelineHandle) {
    house.start_with_handle(PipelineSpec {
        sources: vec![journal.spec(&[0])],
        outputs: vec![output(destination)],
    })
}

fn ask(handle: &PipelineHandle, since: u64) -> BackfillRun {
    let source = "acme".into();
    handle.backfill(BackfillRequest { source, since }).unwrap()
}

async fn outcome(run: BackfillRun) -> Result<BackfillReport, BackfillError> {
    tokio::time::timeout(Duration::from_secs(60), run.outcome())
        .await
        .expect("it ends")
}

/// Every event that there is, once.
fn assert_once(journal: &Journal, destination: &Destination) {
    let lines = destination.lines();
    let distinct: HashSet<_> = lines.iter().cloned().collect();
    assert_eq!(lines.len(), distinct.len(), "something came twice");
    assert_eq!(distinct, journal.texts().into_iter().collect());
}

#[tokio::test]
async fn delivery_15_more_of_the_past_comes_once_though_the_ledger_forgot_the_first_read() {
    let mut house = House::new();
    house.options.ledger_keep = Duration::ZERO;
    let journal = Arc::new(journal());
    let destination = Arc::new(Destination::new("archive"));
    let (mut running, handle) = start(&house, &journal, &destination);
    running
        .until_status(|status| status.sources[0].settled == 320)
        .await;
    journal.persist(Event::new("another", now() - SECOND));
    running
        .until_status(|status| status.sources[0].settled == 321)
        .await;
    let stored = house.state.source("acme").unwrap().unwrap();
    assert!(stored.ledger.ids < 50, "the early ones, and the newest");
    assert_eq!(stored.read_since, Some(journal.since));

    let half = journal.since - DAY / 2;
    let report = outcome(ask(&handle, half)).await.unwrap();
    assert_eq!((report.since, report.until), (half, journal.since));
    assert!(report.read > report.delivered && report.delivered > 0);
    let stored = house.state.source("acme").unwrap().unwrap();
    assert_eq!(stored.read_since, Some(half));
    running.stop().await;

    // In another process, further back, and with another late one.
    journal.persist(Event::new("late-again", half - 7 * SECOND));
    let (mut running, handle) = start(&house, &journal, &destination);
    let settled = 321 + report.delivered + 1;
    running
        .until_status(|status| status.sources[0].records == 1 && status.sources[0].unsettled == 0)
        .await;
    let all = outcome(ask(&handle, journal.since - DAY)).await.unwrap();
    assert_eq!(report.delivered + all.delivered, 500);
    running.stop().await;
    assert_once(&journal, &destination);
    let stored = house.state.source("acme").unwrap().unwrap();
    assert_eq!(stored.settled, settled + all.delivered);
    assert!(stored.ledger.ids < 100, "what it brought leaves again");
}

#[tokio::test]
async fn delivery_15_what_a_backfill_brings_first_does_not_come_again_with_what_is_new() {
    for restarts in [false, true] {
        let house = House::new();
        let journal = Arc::new(journal());
        let destination = Arc::new(Destination::new("archive"));
        let (mut running, mut handle) = start(&house, &journal, &destination);
        running.until_settled(320).await;
        // It is persisted just now: the stretch has it, and the live reader will come to it.
        let late = Event::new("late-now", journal.since - SECOND);
        journal.persist_unseen(late.clone());
        let report = outcome(ask(&handle, journal.since - DAY)).await.unwrap();
        assert_eq!(report.delivered, 501);
        let mut repeated = report.read - report.delivered;
        if restarts {
            running.stop().await;
            (running, handle) = start(&house, &journal, &destination);
            repeated = 0;
        }
        journal.unseen.lock().unwrap().remove(&late.id);
        journal.persist(late);
        running
            .until_status(|status| status.sources[0].repeated > repeated)
            .await;
        drop(handle);
        running.stop().await;
        assert_once(&journal, &destination);
    }
}

#[tokio::test]
async fn a_source_that_is_rewound_brings_again_what_a_backfill_brought() {
    let house = House::new();
    let journal = Arc::new(journal());
    let destination = Arc::new(Destination::new("archive"));
    let (mut running, handle) = start(&house, &journal, &destination);
    running.until_settled(320).await;
    outcome(ask(&handle, journal.since - DAY)).await.unwrap();
    running.stop().await;
    let before = destination.lines().len();
    assert_eq!(before, 820);
    journal.unseen.lock().unwrap().clear();
    house.state.rewind("acme", journal.since - DAY).unwrap();
    let (mut running, _handle) = start(&house, &journal, &destination);
    let all = journal.events().len() as u64;
    running
        .until_status(|status| status.sources[0].records == all)
        .await;
    let status = running
        .until_status(|status| status.sources[0].unsettled == 0)
        .await;
    assert_eq!(status.sources[0].repeated, 0);
    running.stop().await;
    assert_eq!(destination.lines().len(), before + journal.events().len());
}

#[tokio::test]
async fn delivery_15_what_is_there_already_or_is_not_known_is_refused_with_words() {
    let house = House::new();
    let mut journal = journal();
    journal.past_turns = Semaphore::new(0);
    let journal = Arc::new(journal);
    let destination = Arc::new(Destination::new("archive"));
    let request = BackfillRequest {
        source: "acme".into(),
        since: journal.since,
    };
    let unknown = request.until(&house.state).unwrap_err().to_string();
    assert!(unknown.contains("logweir state rewind acme"), "{unknown}");
    let (mut running, handle) = start(&house, &journal, &destination);
    running
        .until_status(|status| status.sources[0].settled == 320)
        .await;
    let refused = outcome(ask(&handle, journal.since)).await.unwrap_err();
    assert!(
        matches!(refused, BackfillError::NothingEarlier { .. }),
        "{refused}"
    );
    let nobody = BackfillRequest {
        source: "nobody".into(),
        since: 1,
    };
    let refused = outcome(handle.backfill(nobody).unwrap()).await.unwrap_err();
    assert!(
        matches!(refused, BackfillError::Beside(AuditError::NoSuchSource(_))),
        "{refused}"
    );
    running.stop().await;
    assert_eq!(destination.lines().len(), 320);
    assert_eq!(journal.past_reads.load(SeqCst), 0);
}

#[tokio::test]
async fn delivery_15_one_that_is_interrupted_goes_on_where_it_was() {
    let house = House::new();
    let mut journal = journal();
    journal.past_turns = Semaphore::new(4);
    let journal = Arc::new(journal);
    let destination = Arc::new(Destination::new("archive"));
    let (mut running, handle) = start(&house, &journal, &destination);
    running
        .until_status(|status| status.sources[0].settled == 320)
        .await;
    let since = journal.since - DAY;
    let run = ask(&handle, since);
    let interrupts = run.stop_with();
    until(|| {
        house
            .state
            .backfill("acme")
            .unwrap()
            .is_some_and(|row| row.read == 200)
    })
    .await;
    drop(interrupts);
    let interrupted = outcome(run).await.unwrap_err();
    assert!(
        matches!(interrupted, BackfillError::Beside(AuditError::Interrupted)),
        "{interrupted}"
    );
    let stored = house.state.source("acme").unwrap().unwrap();
    assert_eq!(stored.read_since, Some(journal.since), "not yet");

    journal.past_turns.add_permits(1 << 20);
    let reads = journal.past_reads.load(SeqCst);
    let run = ask(&handle, since);
    let progress = run.progress.clone();
    let report = outcome(run).await.unwrap();
    assert!(progress.borrow().resumed);
    assert_eq!((report.read, report.delivered), (520, 500));
    let reads = journal.past_reads.load(SeqCst) - reads;
    assert!(reads <= 8, "it read {reads} pages");
    running.stop().await;
    assert_once(&journal, &destination);
}

#[tokio::test]
async fn one_that_waits_for_an_output_ends_when_nobody_wants_it_any_more() {
    let house = House::new();
    let journal = Arc::new(journal());
    let destination = Arc::new(Destination::new("archive"));
    let (mut running, handle) = start(&house, &journal, &destination);
    running.until_settled(320).await;
    destination.turns.forget_permits(1 << 20);
    let run = ask(&handle, journal.since - DAY);
    let interrupts = run.stop_with();
    running
        .until_status(|status| status.outputs[0].queued_records > 0)
        .await;
    drop(interrupts);
    let interrupted = outcome(run).await.unwrap_err();
    assert!(
        matches!(interrupted, BackfillError::Beside(AuditError::Interrupted)),
        "{interrupted}"
    );
    destination.release();
    outcome(ask(&handle, journal.since - DAY)).await.unwrap();
    running.stop().await;
    assert_once(&journal, &destination);
}

#[tokio::test]
async fn what_was_on_its_way_when_a_process_ended_is_read_again_by_the_next_one() {
    let house = House::new().timing(|timing| timing.drain = Duration::from_millis(5));
    let journal = Arc::new(journal());
    let destination = Arc::new(Destination::new("archive"));
    let (mut running, handle) = start(&house, &journal, &destination);
    running.until_settled(320).await;
    destination.turns.forget_permits(1 << 20);
    let run = ask(&handle, journal.since - DAY);
    running
        .until_status(|status| status.outputs[0].queued_records > 0)
        .await;
    // Many times as long as it takes to store how far it is.
    tokio::time::sleep(Duration::from_millis(20)).await;
    running.stop().await;
    outcome(run).await.unwrap_err();
    destination.release();
    let (running, handle) = start(&house, &journal, &destination);
    outcome(ask(&handle, journal.since - DAY)).await.unwrap();
    running.stop().await;
    assert_once(&journal, &destination);
}

#[tokio::test]
async fn delivery_15_what_the_system_has_forgotten_is_not_asked_for() {
    let house = House::new();
    let journal = Arc::new(journal());
    let destination = Arc::new(Destination::new("archive"));
    let mut spec = journal.spec(&[0]);
    spec.expectations.retention = Some(Duration::from_nanos(2 * DAY - DAY / 2));
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![spec],
        outputs: vec![output(&destination)],
    });
    running
        .until_status(|status| status.sources[0].settled == 320)
        .await;
    let report = outcome(ask(&handle, 1)).await.unwrap();
    assert!(report.since >= journal.since - DAY / 2, "{report:?}");
    assert!(report.delivered > 0 && report.delivered < 400, "{report:?}");
    running.stop().await;
}
