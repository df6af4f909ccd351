//! Sources that had stopped, and changes that are refused.

use std::pin::pin;

use futures::poll;

use super::*;
use crate::journal::{Event, Journal};

#[tokio::test]
async fn a_source_that_had_stopped_is_read_again_when_it_is_renewed() {
    let house = House::new();
    let other = system("other", 1);
    let wrong = ConfigIssue {
        key: "/filter".to_owned(),
        message: "it is no filter".to_owned(),
    };
    let steps = [Step::Page, Step::Fail(StageError::Config(vec![wrong]))];
    let acme = Arc::new(System::new("acme", 25).scripted(steps));
    let archive = destination("archive");
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0]), source(&other, &[0])],
        outputs: vec![output(&archive)],
    });
    let stopped = |status: &logweir::pipeline::Status| {
        matches!(
            status.sources[0].phase,
            logweir::pipeline::Phase::Stopped { .. }
        )
    };
    running.until_status(stopped).await;
    // As long as nothing about it changes, it stays as it is.
    change(
        &handle,
        vec![same(&acme, &[0]), same(&other, &[0])],
        vec![stays(&archive)],
    )
    .await
    .unwrap();
    assert_eq!(acme.opened_at(), [None]);
    change(
        &handle,
        vec![renewed(&acme, &[0]), same(&other, &[0])],
        vec![stays(&archive)],
    )
    .await
    .unwrap();
    running
        .until_status(|status| status.sources[0].settled == 25)
        .await;
    let report = running.stop().await;
    assert!(!report.failed);
    assert_eq!(report.sources[0].end, SourceEnd::ShutDown);
    assert_eq!(acme.opened_at(), [None, Some(10)]);
    assert_eq!(lines_of(&archive, &acme), acme.lines(0..25));
}

#[tokio::test]
async fn delivery_18_a_change_to_another_system_is_refused_whether_its_checkpoint_is_stored_or_not()
{
    for settles in [true, false] {
        let house = House::new();
        let acme = system("acme", 25);
        let archive = Arc::new(Destination::hanging("archive"));
        if settles {
            archive.release();
        }
        let (mut running, handle) = house.start_with_handle(PipelineSpec {
            sources: vec![source(&acme, &[0])],
            outputs: vec![output(&archive)],
        });
        running
            .until_status(|status| {
                status.sources[0].records == 25 && (!settles || status.sources[0].settled == 25)
            })
            .await;
        let mut other = source(&acme, &[0]);
        other.owner.origin = "https://other.example".to_owned();
        let refused = change(
            &handle,
            vec![NextSource::Renewed(other)],
            vec![stays(&archive)],
        )
        .await;
        let said = refused.unwrap_err().to_string();
        for part in [
            "https://acme.example",
            "https://other.example",
            "`logweir state forget acme`",
        ] {
            assert!(said.contains(part), "{said} should name {part}");
        }
        archive.release();
        running
            .until_status(|status| status.sources[0].settled == 25)
            .await;
        running.stop().await;
        assert_eq!(acme.opened_at(), [None], "nothing changed");
    }
}

#[tokio::test]
async fn a_change_that_could_not_work_is_refused() {
    let house = House::new();
    let acme = system("acme", 5);
    let archive = destination("archive");
    let (running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0])],
        outputs: vec![output(&archive)],
    });
    let refused = |sources, outputs| {
        let change = change(&handle, sources, outputs);
        async { change.await.unwrap_err().to_string() }
    };
    let twice = refused(
        vec![same(&acme, &[0]), same(&acme, &[0])],
        vec![stays(&archive)],
    )
    .await;
    assert!(twice.contains("given twice"), "{twice}");
    let nowhere = refused(vec![same(&acme, &[1])], vec![stays(&archive)]).await;
    assert!(nowhere.contains("no output with the number 1"), "{nowhere}");
    let nobody = refused(vec![same(&system("beta", 1), &[0])], vec![stays(&archive)]).await;
    assert!(nobody.contains("no beta"), "{nobody}");
    let unknown = refused(vec![same(&acme, &[0])], vec![stays(&destination("siem"))]).await;
    assert!(unknown.contains("no siem"), "{unknown}");
    running.stop().await;
    let ended = refused(vec![same(&acme, &[0])], vec![stays(&archive)]).await;
    assert!(ended.contains("about to end"), "{ended}");
}

#[tokio::test]
async fn a_change_that_is_heard_with_the_end_of_the_last_source_is_refused_or_holds() {
    for _ in 0..10 {
        let house = House::new().timing(|timing| timing.snapshot = Duration::from_secs(3600));
        let journal = Arc::new(Journal::new("acme", vec![Event::new("first", 1)]));
        let (archive, new) = (destination("archive"), system("new", 10));
        let (running, handle) = house.start_with_handle(PipelineSpec {
            sources: vec![journal.spec(&[0])],
            outputs: vec![output(&archive)],
        });
        until(|| archive.lines().len() == 1).await;
        // Many times as long as a poll takes: its reader waits.
        journal.live_turns.forget_permits(1 << 20);
        tokio::time::sleep(Duration::from_millis(5)).await;
        let next = NextSpec {
            sources: vec![renewed(&new, &[0])],
            outputs: vec![stays(&archive)],
        };
        let mut change = pin!(handle.change(next));
        assert!(poll!(&mut change).is_pending());
        // The state is looked at meanwhile, and nothing else happens.
        std::thread::sleep(Duration::from_millis(20));
        journal.live_turns.close();
        match change.await {
            Ok(_) => {
                until(|| archive.lines().len() == 11).await;
                running.stop().await;
            }
            Err(refused) => {
                assert!(matches!(refused, ChangeError::Ending), "{refused}");
                running.report().await;
                assert_eq!(new.reads.load(SeqCst), 0);
            }
        }
    }
}
