//! Several errands at once: whose turn it is.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use logweir::pipeline::{
    AuditError, AuditStep, NextOutput, NextSource, NextSpec, PipelineHandle, PipelineSpec,
};
use tokio::sync::Semaphore;

use crate::audit::{audited, journal, outcome, request};
use crate::destination::{Destination, output};
use crate::house::{House, Running, until};
use crate::journal::Journal;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Journals whose past waits to be let go, each with ten records delivered.
async fn waiting(house: &House) -> (Vec<Arc<Journal>>, Running, PipelineHandle) {
    let journals = NAMES.map(|name| {
        Arc::new(Journal {
            name,
            past_turns: Semaphore::new(0),
            ..journal(10)
        })
    });
    let destination = Arc::new(Destination::new("archive"));
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: journals.iter().map(|journal| journal.spec(&[0])).collect(),
        outputs: vec![output(&destination)],
    });
    running
        .until_status(|status| status.sources.iter().all(|source| source.settled == 10))
        .await;
    (journals.into(), running, handle)
}

#[tokio::test]
async fn an_errand_waits_for_those_of_its_own_source_and_for_no_other_ones() {
    let house = House::new();
    let (journals, running, handle) = waiting(&house).await;
    let ask = |number: usize| handle.audit(request(&journals[number], false)).unwrap();
    let (first, second) = (ask(0), ask(0));
    until(|| first.progress.borrow().step == AuditStep::Reading).await;
    journals[1].past_turns.add_permits(100);
    audited(&handle, &journals[1], false).await;
    assert_eq!(second.progress.borrow().step, AuditStep::Queued);

    let others = [ask(2), ask(3), ask(4)];
    for run in &others {
        until(|| run.progress.borrow().step == AuditStep::Reading).await;
    }
    let fifth = ask(5);
    journals[0].past_turns.add_permits(1);
    outcome(first).await.unwrap();
    until(|| second.progress.borrow().step == AuditStep::Reading).await;
    assert_eq!(
        fifth.progress.borrow().step,
        AuditStep::Queued,
        "four read the past, and who came first goes first"
    );
    for journal in &journals {
        journal.past_turns.add_permits(100);
    }
    for run in others.into_iter().chain([second, fifth]) {
        outcome(run).await.unwrap();
    }
    let reads = journals
        .iter()
        .map(|journal| journal.past_reads.load(SeqCst));
    assert_eq!(reads.collect::<Vec<_>>(), [2, 1, 1, 1, 1, 1]);
    running.stop().await;
}

#[tokio::test]
async fn an_errand_of_a_source_that_was_left_out_is_refused_with_words() {
    let house = House::new();
    let (journals, running, handle) = waiting(&house).await;
    let next = NextSpec {
        sources: vec![NextSource::Same {
            name: journals[1].name.into(),
            outputs: vec![0],
        }],
        outputs: vec![NextOutput::Same("archive".into())],
    };
    handle.change(next).await.unwrap();
    let asked = handle.audit(request(&journals[0], false)).unwrap();
    let refused = outcome(asked).await.unwrap_err();
    assert!(matches!(refused, AuditError::NotRead(_)), "{refused}");
    assert!(
        refused.to_string().contains("`logweir status`"),
        "{refused}"
    );
    running.stop().await;
}
