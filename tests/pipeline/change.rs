//! A pipeline that is made into another one while it runs: nothing is lost, nothing comes twice, and what stays as it is
//! does not notice.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use logweir::pipeline::{
    ChangeError, Changed, NextOutput, NextSource, NextSpec, OutputEnd, Phase, PipelineHandle,
    PipelineSpec, QueueLimits, SourceEnd,
};
use logweir::stage::{ConfigIssue, StageError};
use proptest::prelude::*;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::destination::{Destination, output};
use crate::house::{House, until};
use crate::once::{file, live};
use crate::system::{Step, System, source};

mod lost;
mod outputs;
mod random;
mod refused;

fn system(name: &'static str, total: u64) -> Arc<System> {
    Arc::new(System::new(name, total))
}

fn destination(name: &'static str) -> Arc<Destination> {
    Arc::new(Destination::new(name))
}

fn same(system: &System, outputs: &[usize]) -> NextSource {
    NextSource::Same {
        name: system.name.into(),
        outputs: outputs.to_vec(),
    }
}

fn renewed(system: &Arc<System>, outputs: &[usize]) -> NextSource {
    NextSource::Renewed(source(system, outputs))
}

fn stays(destination: &Destination) -> NextOutput {
    NextOutput::Same(destination.name.into())
}

fn rewritten(destination: &Arc<Destination>) -> NextOutput {
    NextOutput::Renewed(output(destination))
}

async fn change(
    handle: &PipelineHandle,
    sources: Vec<NextSource>,
    outputs: Vec<NextOutput>,
) -> Result<Changed, ChangeError> {
    let change = handle.change(NextSpec { sources, outputs });
    tokio::time::timeout(Duration::from_secs(30), change)
        .await
        .expect("a change is answered")
}

/// The lines of one system, in the order in which they came.
fn lines_of(destination: &Destination, system: &System) -> Vec<String> {
    let mut lines = destination.lines();
    lines.retain(|line| line.contains(system.name));
    lines
}

#[tokio::test]
async fn delivery_23_what_stays_goes_on_what_is_new_begins_and_what_is_left_out_settles() {
    let house = House::new();
    let [stay, new_way, gone, new] =
        ["stay", "way", "gone", "new"].map(|name| system(name, 1_000_000));
    let archive = destination("archive");
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: [&stay, &new_way, &gone]
            .map(|system| source(system, &[0]))
            .into(),
        outputs: vec![output(&archive)],
    });
    until(|| {
        [&stay, &new_way, &gone]
            .iter()
            .all(|system| system.reads.load(SeqCst) > 20)
    })
    .await;
    let next = vec![
        renewed(&new_way, &[0]),
        same(&stay, &[0]),
        renewed(&new, &[0]),
    ];
    let changed = change(&handle, next, vec![stays(&archive)]).await.unwrap();
    assert_eq!(changed, Changed::default());
    let names = |status: &logweir::pipeline::Status| -> Vec<_> {
        status
            .sources
            .iter()
            .map(|source| source.name.to_string())
            .collect()
    };
    let status = running
        .until_status(|status| names(status) == ["way", "stay", "new"])
        .await;
    assert_eq!(status.outputs.len(), 1);
    until(|| gone.readers.load(SeqCst) == 0).await;
    let reads = gone.reads.load(SeqCst);
    until(|| new_way.opened_at().len() == 2 && new.reads.load(SeqCst) > 20).await;
    let report = running.stop().await;
    assert!(!report.failed, "{report:?}");
    assert_eq!(gone.reads.load(SeqCst), reads, "it is read no more");
    assert_eq!(stay.opened_at(), [None], "it was not opened anew");
    assert_eq!(archive.opened_at.lock().unwrap().len(), 1);
    for system in [&stay, &new_way, &gone, &new] {
        let lines = lines_of(&archive, system);
        let read = lines.len() as u64;
        assert!(read > 100, "{} has {read} lines", system.name);
        assert_eq!(lines, system.lines(0..read), "{}", system.name);
        assert_eq!(house.stored(system), Some(read), "{}", system.name);
    }
}

#[tokio::test]
async fn delivery_02_a_renewed_source_goes_on_behind_its_newest_accepted_page() {
    let house = House::new();
    let acme = system("acme", 35);
    let archive = Arc::new(Destination::hanging("archive"));
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0])],
        outputs: vec![output(&archive)],
    });
    running
        .until_status(|status| status.sources[0].records == 35)
        .await;
    for times in 2..5 {
        change(&handle, vec![renewed(&acme, &[0])], vec![stays(&archive)])
            .await
            .unwrap();
        until(|| acme.opened_at().len() == times).await;
    }
    assert_eq!(house.stored(&acme), None, "nothing is settled");
    acme.total.fetch_add(20, SeqCst);
    archive.release();
    running
        .until_status(|status| status.sources[0].settled == 55)
        .await;
    running.stop().await;
    assert_eq!(acme.opened_at()[..4], [None, Some(35), Some(35), Some(35)]);
    assert_eq!(archive.lines(), acme.lines(0..55));
}

#[tokio::test]
async fn a_source_that_waits_for_a_full_queue_hands_over_what_it_has_before_it_is_renewed() {
    let house = House::new();
    let acme = system("acme", 100);
    let mut archive = Destination::hanging("archive");
    archive.queue.records = 25;
    let archive = Arc::new(archive);
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0])],
        outputs: vec![output(&archive)],
    });
    // Two pages are queued, the third one is accepted and does not fit.
    running
        .until_status(|status| status.sources[0].records == 30)
        .await;
    change(&handle, vec![renewed(&acme, &[0])], vec![stays(&archive)])
        .await
        .unwrap();
    change(&handle, vec![renewed(&acme, &[0])], vec![stays(&archive)])
        .await
        .unwrap();
    archive.release();
    running
        .until_status(|status| status.sources[0].settled == 100)
        .await;
    running.stop().await;
    assert_eq!(
        acme.opened_at(),
        [None, Some(30)],
        "the newest change is made, once"
    );
    assert_eq!(archive.lines(), acme.lines(0..100));
}

#[tokio::test]
async fn delivery_23_a_batch_waits_for_the_outputs_that_it_was_given_to() {
    let house = House::new();
    let (acme, other) = (system("acme", 40), system("other", 3));
    let (archive, slow) = (
        destination("archive"),
        Arc::new(Destination::hanging("slow")),
    );
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&acme, &[0, 1]), source(&other, &[1])],
        outputs: vec![output(&archive), output(&slow)],
    });
    running
        .until_status(|status| status.outputs[1].queued_records == 43)
        .await;
    let next = vec![same(&acme, &[0]), same(&other, &[0, 1])];
    change(&handle, next, vec![stays(&archive), stays(&slow)])
        .await
        .unwrap();
    for system in [&acme, &other] {
        system.total.fetch_add(10, SeqCst);
    }
    until(|| archive.lines().len() == 60).await;
    assert_eq!(
        house.stored(&acme),
        None,
        "the first ones wait for the slow output"
    );
    slow.release();
    running
        .until_status(|status| status.sources[0].settled == 50 && status.sources[1].settled == 13)
        .await;
    running.stop().await;
    assert_eq!(lines_of(&slow, &acme), acme.lines(0..40));
    assert_eq!(lines_of(&archive, &acme), acme.lines(0..50));
    assert_eq!(lines_of(&slow, &other), other.lines(0..13));
    assert_eq!(lines_of(&archive, &other), other.lines(3..13));
    assert_eq!(
        (acme.opened_at(), other.opened_at()),
        (vec![None], vec![None])
    );
}

#[tokio::test]
async fn who_was_left_out_comes_back_where_it_was() {
    let house = House::new();
    let (stay, back) = (system("stay", 10), system("back", 25));
    let (archive, slow) = (
        destination("archive"),
        Arc::new(Destination::hanging("slow")),
    );
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![source(&stay, &[0, 1]), source(&back, &[0, 1])],
        outputs: vec![output(&archive), output(&slow)],
    });
    running
        .until_status(|status| status.outputs[1].queued_records == 35)
        .await;
    let without = || (vec![same(&stay, &[0])], vec![stays(&archive)]);
    let (sources, outputs) = without();
    change(&handle, sources, outputs).await.unwrap();
    until(|| back.readers.load(SeqCst) == 0).await;
    let stays_out = vec![same(&stay, &[0]), same(&back, &[0])];
    let refused = change(&handle, stays_out, vec![stays(&archive)]).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, ChangeError::Unknown(_)), "{refused}");
    back.total.fetch_add(5, SeqCst);
    // While what waited for the slow output still waits.
    let with = || {
        let sources = vec![same(&stay, &[0, 1]), renewed(&back, &[0, 1])];
        (sources, vec![stays(&archive), rewritten(&slow)])
    };
    let (sources, outputs) = with();
    change(&handle, sources, outputs).await.unwrap();
    slow.release();
    running
        .until_status(|status| {
            status
                .sources
                .iter()
                .all(|source| source.unsettled == 0 && source.records > 0)
        })
        .await;
    running
        .until_status(|status| status.sources[1].settled == 30)
        .await;
    // And when nothing waited any more.
    let (sources, outputs) = without();
    change(&handle, sources, outputs).await.unwrap();
    running
        .until_status(|status| status.outputs.len() == 1)
        .await;
    stay.total.fetch_add(5, SeqCst);
    back.total.fetch_add(5, SeqCst);
    running
        .until_status(|status| status.sources[0].settled == 15)
        .await;
    let (sources, outputs) = with();
    change(&handle, sources, outputs).await.unwrap();
    running
        .until_status(|status| status.sources.len() == 2 && status.sources[1].settled == 35)
        .await;
    running.stop().await;
    assert_eq!(back.opened_at(), [None, Some(25), Some(30)]);
    assert_eq!(lines_of(&archive, &back), back.lines(0..35));
    assert_eq!(lines_of(&slow, &back), back.lines(0..35));
    assert_eq!(lines_of(&archive, &stay), stay.lines(0..15));
    assert_eq!(
        lines_of(&slow, &stay),
        stay.lines(0..10),
        "the rest was read without it"
    );
    let opened = slow.opened_at.lock().unwrap();
    assert_eq!(opened.last(), Some(&Some("40".to_owned())), "{opened:?}");
}

#[tokio::test]
async fn delivery_23_a_change_while_the_last_source_ends_is_refused_or_holds() {
    for delay in 0..40 {
        let house = House::new();
        let broken = StageError::Permanent("a bug".to_owned());
        let ends = System::new("ends", 5).scripted([Step::Page, Step::Fail(broken)]);
        let (ends, new) = (Arc::new(ends), system("new", 10));
        let archive = destination("archive");
        let (mut running, handle) = house.start_with_handle(PipelineSpec {
            sources: vec![source(&ends, &[0])],
            outputs: vec![output(&archive)],
        });
        tokio::time::sleep(Duration::from_micros(delay * 250)).await;
        let next = vec![renewed(&new, &[0])];
        match change(&handle, next, vec![stays(&archive)]).await {
            Ok(_) => {
                running
                    .until_status(|status| status.sources[0].settled == 10)
                    .await;
                running.stop().await;
                assert_eq!(lines_of(&archive, &new), new.lines(0..10));
            }
            Err(refused) => {
                assert!(matches!(refused, ChangeError::Ending), "{refused}");
                running.report().await;
                assert_eq!(new.reads.load(SeqCst), 0);
            }
        }
    }
}
