//! Outputs that are rewritten, added and taken away, with records waiting for them.

use super::*;

#[tokio::test]
async fn delivery_23_another_writer_takes_over_what_the_old_one_could_not_write() {
    let house = House::new();
    let acme = system("acme", 95);
    let full = StageError::Transient("the disk is full".to_owned());
    let broken = Arc::new(Destination::new("archive").failing(vec![full; 100_000]));
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0])],
        outputs: vec![output(&broken)],
    });
    running
        .until_status(|status| status.outputs[0].queued_records == 95)
        .await;
    let works = destination("archive");
    change(&handle, vec![same(&acme, &[0])], vec![rewritten(&works)])
        .await
        .unwrap();
    acme.total.fetch_add(10, SeqCst);
    running
        .until_status(|status| status.sources[0].settled == 105)
        .await;
    let report = running.stop().await;
    assert_eq!(report.outputs[0].end, OutputEnd::Drained);
    assert_eq!(works.lines(), acme.lines(0..105));
    assert!(broken.lines().is_empty());
    assert_eq!(acme.opened_at(), [None], "the source did not notice");
}

/// A destination that takes nothing, and before which so many records may wait.
fn stuck(name: &'static str, records: usize) -> Arc<Destination> {
    Arc::new(Destination {
        queue: QueueLimits {
            records,
            ..QueueLimits::default()
        },
        ..Destination::hanging(name)
    })
}

#[tokio::test]
async fn delivery_23_a_page_that_is_stuck_elsewhere_keeps_no_renewed_output_waiting() {
    let house = House::new();
    let (acme, beta) = (system("acme", 100), system("beta", 10));
    let (first, second) = (destination("archive"), destination("archive"));
    let slow = stuck("slow", 15);
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0, 1]), source(&beta, &[0])],
        outputs: vec![output(&first), output(&slow)],
    });
    until(|| lines_of(&first, &acme).len() == 20 && lines_of(&first, &beta).len() == 10).await;
    let next = vec![same(&acme, &[0, 1]), same(&beta, &[0])];
    change(&handle, next, vec![rewritten(&second), stays(&slow)])
        .await
        .unwrap();
    beta.total.fetch_add(10, SeqCst);
    running
        .until_status(|status| status.sources[1].settled == 20)
        .await;
    slow.release();
    running
        .until_status(|status| status.sources[0].settled == 100)
        .await;
    running.stop().await;
    let archived = [lines_of(&first, &acme), lines_of(&second, &acme)].concat();
    assert_eq!(archived, acme.lines(0..100));
    assert_eq!(lines_of(&second, &beta), beta.lines(10..20));
}

#[tokio::test]
async fn delivery_19_for_an_output_that_takes_nothing_nothing_is_read() {
    let house = House::new();
    let first = system("first", 100);
    let slow = stuck("slow", 10);
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&first, &[0])],
        outputs: vec![output(&slow)],
    });
    running
        .until_status(|status| status.outputs[0].queued_records == 10)
        .await;
    let others = ["b", "c", "d"].map(|name| system(name, 30));
    let mut next = vec![same(&first, &[0])];
    next.extend(others.iter().map(|other| renewed(other, &[0])));
    change(&handle, next, vec![stays(&slow)]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let reads: Vec<_> = others
        .iter()
        .map(|other| other.reads.load(SeqCst))
        .collect();
    assert_eq!(reads, [0, 0, 0]);
    slow.release();
    running
        .until_status(|status| status.sources.iter().all(|source| source.settled >= 30))
        .await;
    running.stop().await;
}

#[tokio::test]
async fn a_source_that_waits_for_a_full_output_goes_on_when_a_change_takes_that_away() {
    let house = House::new().timing(|timing| timing.blocked_release = Duration::from_millis(1));
    let acme = system("acme", 100);
    let (archive, slow) = (destination("archive"), stuck("slow", 10));
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0, 1])],
        outputs: vec![output(&archive), output(&slow)],
    });
    running
        .until_status(|status| matches!(status.sources[0].phase, Phase::Waiting { .. }))
        .await;
    assert_eq!(acme.reads.load(SeqCst), 1);
    change(&handle, vec![same(&acme, &[0])], vec![stays(&archive)])
        .await
        .unwrap();
    until(|| archive.lines().len() == 100).await;
    slow.release();
    running.until_settled(100).await;
    running.stop().await;
    assert_eq!(archive.lines(), acme.lines(0..100));
    assert_eq!(slow.lines(), acme.lines(0..10));
}

#[tokio::test]
async fn an_output_that_fails_after_it_was_left_out_stops_who_waits_for_it() {
    let house = House::new();
    let (waits, settled) = (system("waits", 40), system("settled", 40));
    let archive = destination("archive");
    let broken = StageError::Permanent("a bug".to_owned());
    let slow = Arc::new(Destination::hanging("slow").failing([broken]));
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&waits, &[0, 1]), source(&settled, &[0])],
        outputs: vec![output(&archive), output(&slow)],
    });
    running
        .until_status(|status| {
            status.outputs[1].queued_records == 40 && status.sources[1].settled == 40
        })
        .await;
    let next = vec![same(&waits, &[0]), same(&settled, &[0])];
    change(&handle, next, vec![stays(&archive)]).await.unwrap();
    slow.release();
    until(|| waits.readers.load(SeqCst) == 0).await;
    settled.total.fetch_add(10, SeqCst);
    running
        .until_status(|status| status.sources[1].settled == 50)
        .await;
    let report = running.stop().await;
    assert!(matches!(report.sources[0].end, SourceEnd::Stopped(_)));
    assert_eq!(report.sources[1].end, SourceEnd::ShutDown);
}

#[tokio::test]
async fn delivery_23_another_writer_is_opened_where_the_old_one_was() {
    let house = House::new();
    let acme = system("acme", 30);
    let (first, second) = (destination("archive"), destination("archive"));
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0])],
        outputs: vec![output(&first)],
    });
    running
        .until_status(|status| status.sources[0].settled == 30)
        .await;
    change(&handle, vec![same(&acme, &[0])], vec![rewritten(&second)])
        .await
        .unwrap();
    acme.total.fetch_add(5, SeqCst);
    running
        .until_status(|status| status.sources[0].settled == 35)
        .await;
    running.stop().await;
    assert_eq!(*second.opened_at.lock().unwrap(), [Some("30".to_owned())]);
    assert_eq!(second.lines(), acme.lines(30..35));
}

#[tokio::test]
async fn delivery_23_an_output_that_goes_delivers_what_waits_for_it() {
    let house = House::new();
    let acme = system("acme", 40);
    let (archive, slow) = (
        destination("archive"),
        Arc::new(Destination::hanging("slow")),
    );
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0, 1])],
        outputs: vec![output(&archive), output(&slow)],
    });
    running
        .until_status(|status| status.outputs[1].queued_records == 40)
        .await;
    let changed = change(&handle, vec![same(&acme, &[0])], vec![stays(&archive)])
        .await
        .unwrap();
    assert_eq!(changed.draining, [("slow".into(), 40)]);
    acme.total.fetch_add(10, SeqCst);
    let status = running
        .until_status(|status| status.sources[0].records == 50)
        .await;
    assert_eq!(status.outputs.len(), 2, "it is shown until it is done");
    assert_eq!(
        house.stored(&acme),
        None,
        "its sources' checkpoints wait for it"
    );
    slow.release();
    running
        .until_status(|status| status.outputs.len() == 1)
        .await;
    running
        .until_status(|status| status.sources[0].settled == 50)
        .await;
    let report = running.stop().await;
    assert!(!report.failed);
    assert_eq!(slow.lines(), acme.lines(0..40));
    assert_eq!(archive.lines(), acme.lines(0..50));
}

#[tokio::test]
async fn delivery_23_an_output_that_fails_with_records_waiting_does_not_go() {
    let house = House::new();
    let acme = system("acme", 40);
    let full = StageError::Transient("the disk is full".to_owned());
    let archive = destination("archive");
    let broken = Arc::new(Destination::new("broken").failing(vec![full; 100_000]));
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0, 1])],
        outputs: vec![output(&archive), output(&broken)],
    });
    running
        .until_status(|status| {
            status.outputs[1].queued_records == 40 && status.outputs[1].last_error.is_some()
        })
        .await;
    let new = system("new", 5);
    let next = vec![same(&acme, &[0]), renewed(&new, &[0])];
    let refused = change(&handle, next, vec![stays(&archive)])
        .await
        .unwrap_err();
    let said = refused.to_string();
    assert!(
        matches!(refused, ChangeError::Stuck { waiting: 40, .. }),
        "{said}"
    );
    for part in ["40 records", "broken", "the disk is full"] {
        assert!(said.contains(part), "{said}");
    }
    let status = running.until_status(|_| true).await;
    assert_eq!(
        (status.sources.len(), status.outputs.len()),
        (1, 2),
        "nothing changed"
    );
    assert!(new.opened_at().is_empty());
    broken.faults.lock().unwrap().clear();
    running
        .until_status(|status| status.sources[0].settled == 40)
        .await;
    change(&handle, vec![same(&acme, &[0])], vec![stays(&archive)])
        .await
        .unwrap();
    running.stop().await;
    assert_eq!(broken.lines(), acme.lines(0..40));
}
