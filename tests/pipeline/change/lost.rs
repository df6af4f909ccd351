//! Sources whose records an output lost for good.

use super::*;

fn is_stopped(phase: &Phase) -> bool {
    matches!(phase, Phase::Stopped { .. })
}

fn broken(name: &'static str) -> Arc<Destination> {
    let bug = StageError::Permanent("a bug".to_owned());
    Arc::new(Destination::hanging(name).failing([bug]))
}

#[tokio::test]
async fn a_source_that_waits_for_an_output_which_failed_is_not_read_again_by_a_change() {
    let house = House::new();
    let (acme, other) = (system("acme", 40), system("other", 5));
    let (archive, broken) = (destination("archive"), broken("broken"));
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0, 1]), source(&other, &[0])],
        outputs: vec![output(&archive), output(&broken)],
    });
    running
        .until_status(|status| status.outputs[1].queued_records == 40)
        .await;
    let next = vec![same(&acme, &[0]), same(&other, &[0])];
    change(&handle, next, vec![stays(&archive)]).await.unwrap();
    broken.release();
    running
        .until_status(|status| is_stopped(&status.sources[0].phase))
        .await;
    let next = vec![renewed(&acme, &[0]), same(&other, &[0])];
    change(&handle, next, vec![stays(&archive)]).await.unwrap();
    running
        .until_status(|status| is_stopped(&status.sources[0].phase))
        .await;
    other.total.fetch_add(10, SeqCst);
    running
        .until_status(|status| status.sources[1].settled == 15)
        .await;
    let report = running.stop().await;
    assert_eq!(acme.opened_at(), [None]);
    assert_eq!(house.stored(&acme), None);
    let why = "output broken failed: a bug".to_owned();
    assert_eq!(report.sources[0].end, SourceEnd::Stopped(why));
    assert_eq!(report.sources[1].end, SourceEnd::ShutDown);
}

#[tokio::test]
async fn what_a_change_put_behind_a_source_does_not_begin_when_an_output_of_before_fails() {
    let house = House::new();
    let (acme, other) = (system("acme", 100), system("other", 5));
    let (archive, broken) = (destination("archive"), broken("broken"));
    let mut slow = Destination::hanging("slow");
    slow.queue.records = 15;
    let slow = Arc::new(slow);
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0, 1, 2]), source(&other, &[0])],
        outputs: vec![output(&archive), output(&broken), output(&slow)],
    });
    // The second page has no room before the slow one.
    running
        .until_status(|status| status.outputs[1].queued_records == 20)
        .await;
    let next = vec![renewed(&acme, &[0]), same(&other, &[0])];
    let outputs = [&archive, &broken, &slow].map(|output| stays(output));
    change(&handle, next, outputs.into()).await.unwrap();
    broken.release();
    running
        .until_status(|status| is_stopped(&status.outputs[1].phase))
        .await;
    slow.release();
    running
        .until_status(|status| is_stopped(&status.sources[0].phase))
        .await;
    let report = running.stop().await;
    assert_eq!(acme.opened_at(), [None]);
    assert_eq!(house.stored(&acme), None);
    let why = "output broken failed: a bug".to_owned();
    assert_eq!(report.sources[0].end, SourceEnd::Stopped(why));
}
