//! Audits: what a source has that was never delivered.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use logweir::pipeline::{
    AuditError, AuditOptions, AuditReport, AuditRequest, AuditRun, AuditStep, PipelineHandle,
    PipelineSpec,
};
use logweir::state::Digest;
use rusqlite::{Connection, params};

use crate::destination::{Destination, output};
use crate::house::{House, Running, until};
use crate::journal::{Event, Journal};

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_nanos()).unwrap()
}

const SECOND: u64 = 1_000_000_000;

/// Events of the last hours, the newest a minute old.
fn events(count: u64) -> Vec<Event> {
    let first = now() - 60 * SECOND - count * SECOND / 50;
    let event = |number| Event::new(format!("e{number:06}"), first + number * SECOND / 50);
    (0..count).map(event).collect()
}

pub(crate) fn journal(count: u64) -> Journal {
    let events = events(count);
    let since = events.first().map_or(0, |event| event.published);
    Journal {
        since,
        page: 1_000,
        ..Journal::new("acme", events)
    }
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

/// Delivers this many records of a journal, and goes on.
async fn delivered(
    house: &House,
    journal: Journal,
    records: u64,
) -> (Arc<Journal>, Arc<Destination>, Running, PipelineHandle) {
    let (journal, destination) = (Arc::new(journal), Arc::new(Destination::new("archive")));
    let (mut running, handle) = start(house, &journal, &destination);
    running.until_settled(records).await;
    (journal, destination, running, handle)
}

pub(crate) fn request(journal: &Journal, fix: bool) -> AuditRequest {
    AuditRequest {
        source: journal.name.into(),
        since: journal.since,
        fix,
        as_far_as_known: false,
    }
}

fn ids(report: &AuditReport) -> Vec<String> {
    let mut ids: Vec<_> = report
        .named
        .iter()
        .map(|missing| missing.id.clone())
        .collect();
    ids.sort();
    ids
}

/// Takes records out of the stored ledger, as if they had never been delivered.
fn take_out(house: &House, events: &[Event]) {
    let digester = house.state.digester();
    let out: HashSet<Digest> = events
        .iter()
        .map(|event| digester.digest(&event.id, event.text.as_bytes()))
        .collect();
    let database = Connection::open(house.state.folder().join("state.db")).unwrap();
    let mut query = database
        .prepare("SELECT sequence, digests FROM ledger")
        .unwrap();
    let rows: Vec<(i64, Vec<u8>)> = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut taken = 0;
    for (sequence, blob) in rows {
        let stays = |digest: &&[u8]| {
            let half = |range: std::ops::Range<usize>| {
                u64::from_le_bytes(digest[range].try_into().unwrap())
            };
            let (id, bytes) = (half(0..8), half(8..16));
            !out.contains(&Digest { id, bytes })
        };
        let kept: Vec<u8> = blob.chunks(16).filter(stays).flatten().copied().collect();
        taken += (blob.len() - kept.len()) / 16;
        database
            .execute(
                "UPDATE ledger SET digests = ?2 WHERE sequence = ?1",
                params![sequence, kept],
            )
            .unwrap();
    }
    assert_eq!(taken, events.len());
}

pub(crate) async fn outcome(run: AuditRun) -> Result<AuditReport, AuditError> {
    tokio::time::timeout(Duration::from_secs(60), run.outcome())
        .await
        .expect("the audit ends")
}

/// Audits all that was to be read, to its end.
pub(crate) async fn audited(handle: &PipelineHandle, journal: &Journal, fix: bool) -> AuditReport {
    let run = handle.audit(request(journal, fix)).unwrap();
    outcome(run).await.unwrap()
}

#[tokio::test]
async fn delivery_14_an_audit_names_exactly_what_is_missing_and_delivers_exactly_that() {
    let house = House::new();
    let (journal, destination, running, handle) =
        delivered(&house, journal(100_000), 100_000).await;
    let all = journal.events().clone();
    let mut missing: Vec<Event> = all.iter().step_by(729).take(137).cloned().collect();
    take_out(&house, &missing);
    for number in 0..50 {
        let late = Event::new(
            format!("late-{number:02}"),
            all[number * 1_900].published + 1,
        );
        journal.persist_unseen(late.clone());
        missing.push(late);
    }
    let mut expected: Vec<_> = missing.iter().map(|event| event.id.clone()).collect();
    expected.sort();

    let report = audited(&handle, &journal, false).await;
    assert_eq!(
        (report.read, report.missing, report.fixed),
        (100_050, 187, 0)
    );
    assert_eq!(ids(&report), expected);
    assert!(
        report
            .named
            .iter()
            .all(|missing| missing.seen > missing.published)
    );
    assert_eq!(
        destination.lines().len(),
        100_000,
        "nothing is delivered unless asked for"
    );

    let report = audited(&handle, &journal, true).await;
    assert_eq!((report.missing, report.fixed), (0, 187));
    assert_eq!(ids(&report), expected);
    let mut delivered = destination.lines().split_off(100_000);
    delivered.sort();
    let mut texts: Vec<_> = missing.iter().map(|event| event.text.clone()).collect();
    texts.sort();
    assert_eq!(delivered, texts);

    let report = audited(&handle, &journal, true).await;
    assert_eq!((report.missing, report.fixed), (0, 0));
    let before = house.state.source("acme").unwrap().unwrap();
    assert_eq!(before.settled, 100_187);
    running.stop().await;
    assert_eq!(destination.lines().len(), 100_187);
}

/// What is persisted while the audit reads comes with the live reader's next page, which is a while off.
async fn brings_no_finding(early: bool) {
    let house = House::new();
    let mut journal = journal(500);
    journal.poll = Duration::from_millis(150);
    journal.early = early;
    let (journal, destination, running, handle) = delivered(&house, journal, 500).await;
    let reads = journal.live_reads.load(SeqCst);
    until(|| journal.live_reads.load(SeqCst) > reads).await;
    for number in 0..20 {
        journal.persist(Event::new(format!("fresh-{number}"), now() - SECOND));
    }
    let run = handle.audit(request(&journal, true)).unwrap();
    let mut progress = run.progress.clone();
    let waits = progress.wait_for(|progress| progress.step == AuditStep::WaitingForLive);
    let suspects = tokio::time::timeout(Duration::from_secs(30), waits).await;
    assert_eq!(suspects.unwrap().unwrap().suspects, 20);
    let report = outcome(run).await.unwrap();
    assert_eq!((report.missing, report.fixed), (0, 0));
    running.stop().await;
    let mut lines = destination.lines();
    lines.sort();
    lines.dedup();
    assert_eq!((lines.len(), destination.lines().len()), (520, 520));
}

#[tokio::test]
async fn delivery_14_what_live_is_about_to_bring_is_not_missing() {
    brings_no_finding(false).await;
}

#[tokio::test]
async fn delivery_14_an_answer_that_was_asked_for_early_proves_nothing() {
    brings_no_finding(true).await;
}

#[tokio::test]
async fn delivery_15_an_audit_reaches_no_further_than_the_ledger() {
    let house = House::new();
    let (journal, _, running, handle) = delivered(&house, journal(10), 10).await;
    let mut further = request(&journal, false);
    further.since -= 1;
    let refused = outcome(handle.audit(further.clone()).unwrap())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, AuditError::BelowLedger { .. }),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("`ledger: { keep: … }`"),
        "{refused}"
    );
    further.as_far_as_known = true;
    let report = outcome(handle.audit(further).unwrap()).await.unwrap();
    assert_eq!((report.since, report.read), (journal.since, 10));
    let mut nobody = request(&journal, false);
    nobody.source = "nobody".into();
    let refused = outcome(handle.audit(nobody).unwrap()).await.unwrap_err();
    assert!(matches!(refused, AuditError::NoSuchSource(_)), "{refused}");
    running.stop().await;
    let refused = handle.audit(request(&journal, false)).err().unwrap();
    assert!(matches!(refused, AuditError::Interrupted), "{refused}");
}

#[tokio::test]
async fn an_interrupted_audit_goes_on_where_it_was() {
    let house = House::new();
    let mut journal = journal(1_000);
    journal.page = 100;
    let late = journal.since + 5;
    journal.persist_unseen(Event::new("late", late));
    let last = now() - 30 * SECOND;
    journal.persist_unseen(Event::new("later", last));
    journal.past_turns = tokio::sync::Semaphore::new(4);
    let (journal, destination, running, handle) = delivered(&house, journal, 1_000).await;
    let run = handle.audit(request(&journal, true)).unwrap();
    until(|| journal.past_reads.load(SeqCst) == 4).await;
    until(|| run.progress.borrow().read == 400).await;
    running.stop().await;
    assert!(matches!(outcome(run).await, Err(AuditError::Interrupted)));

    journal.past_turns.add_permits(1 << 20);
    let (running, handle) = start(&house, &journal, &destination);
    let run = handle.audit(request(&journal, true)).unwrap();
    let progress = run.progress.clone();
    let report = outcome(run).await.unwrap();
    assert!(progress.borrow().resumed);
    assert_eq!((report.read, report.missing, report.fixed), (1_002, 0, 2));
    assert_eq!(ids(&report), ["late", "later"]);
    let reads = journal.past_reads.load(SeqCst);
    assert!(reads <= 12, "it read {reads} pages");
    running.stop().await;
    assert_eq!(destination.lines().len(), 1_002);
}

#[tokio::test]
async fn a_fix_that_is_interrupted_delivers_nothing_twice() {
    let house = House::new().timing(|timing| timing.drain = Duration::from_millis(5));
    let journal = journal(100);
    journal.persist_unseen(Event::new("late", journal.since + 5));
    let (journal, destination, running, handle) = delivered(&house, journal, 100).await;
    running.stop().await;

    let hanging = Arc::new(Destination::hanging("archive"));
    let (running, handle_of_second) = start(&house, &journal, &hanging);
    drop(handle);
    let run = handle_of_second.audit(request(&journal, true)).unwrap();
    let mut progress = run.progress.clone();
    progress
        .wait_for(|progress| progress.step == AuditStep::Delivering)
        .await
        .unwrap();
    running.stop().await;
    assert!(matches!(outcome(run).await, Err(AuditError::Interrupted)));
    assert!(hanging.lines().is_empty());

    for _ in 0..2 {
        let (running, handle) = start(&house, &journal, &destination);
        let report = audited(&handle, &journal, true).await;
        assert_eq!(report.missing, 0);
        running.stop().await;
    }
    assert_eq!(destination.lines().len(), 101);
}

#[tokio::test]
async fn a_hole_of_any_size_is_filled_in_parts() {
    let house = House::new();
    let journal = journal(10);
    let since = journal.since;
    for number in 0..25_000 {
        journal.persist_unseen(Event::new(format!("hole-{number}"), since + number));
    }
    let (journal, destination, running, handle) = delivered(&house, journal, 10).await;
    let report = audited(&handle, &journal, true).await;
    assert_eq!(
        (report.read, report.missing, report.fixed),
        (25_010, 0, 25_000)
    );
    assert_eq!(report.named.len(), 10_000);
    running.stop().await;
    let lines: HashSet<_> = destination.lines().into_iter().collect();
    assert_eq!((lines.len(), destination.lines().len()), (25_010, 25_010));
}

#[tokio::test]
async fn what_is_no_record_is_found_once_and_goes_to_the_dead_letter() {
    let house = House::new();
    let (journal, _, mut running, handle) = delivered(&house, journal(10), 10).await;
    *journal.broken.lock().unwrap() = Some("{broken");
    for fixed in [1, 0] {
        let report = audited(&handle, &journal, true).await;
        assert_eq!((report.missing, report.fixed), (0, fixed));
        running.until_settled(11).await;
    }
    running.stop().await;
    assert_eq!(house.dead_lines().len(), 1);
}

#[tokio::test]
async fn a_running_pipeline_audits_by_itself() {
    let mut house = House::new();
    house.options.audit = Some(AuditOptions {
        every: Duration::from_millis(20),
        since: Duration::from_secs(86_400),
        fix: true,
    });
    let (journal, destination, mut running, _handle) = delivered(&house, journal(300), 300).await;
    until(|| !house.state.audited().unwrap().is_empty()).await;
    journal.persist_unseen(Event::new("late", journal.since + 5));
    running.until_settled(301).await;
    let report = running.stop().await;
    assert!(!report.failed);
    assert_eq!(destination.lines().len(), 301);
}

#[tokio::test]
async fn what_is_behind_is_not_audited_by_itself_until_it_has_caught_up() {
    let mut house = House::new();
    house.options.audit = Some(AuditOptions {
        every: Duration::from_millis(5),
        since: Duration::from_secs(86_400),
        fix: false,
    });
    let mut journal = journal(300);
    journal.page = 100;
    journal.live_turns = tokio::sync::Semaphore::new(2);
    let (journal, _, mut running, _handle) = delivered(&house, journal, 200).await;
    // Many times as long as it is from one to the next.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(journal.past_reads.load(SeqCst), 0);
    journal.live_turns.add_permits(1 << 20);
    running.until_settled(300).await;
    until(|| !house.state.audited().unwrap().is_empty()).await;
    running.stop().await;
}

#[tokio::test]
async fn an_audit_keeps_nothing_running() {
    let house = House::new();
    let journal = journal(100);
    journal.past_turns.forget_permits(1 << 20);
    let (journal, _, running, handle) = delivered(&house, journal, 100).await;
    let hangs = handle.audit(request(&journal, false)).unwrap();
    let waits = handle.audit(request(&journal, false)).unwrap();
    until(|| hangs.progress.borrow().step == AuditStep::Reading).await;
    assert_eq!(waits.progress.borrow().step, AuditStep::Queued);
    let report = running.stop().await;
    assert!(!report.failed);
    for run in [hangs, waits] {
        assert!(matches!(outcome(run).await, Err(AuditError::Interrupted)));
    }
}
