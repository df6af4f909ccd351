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
