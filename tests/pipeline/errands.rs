//! Several errands at once: whose turn it is.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use logweir::pipeline::{
    AuditError, AuditStep, NextOutput, NextSource, NextSpec, Phase, PipelineHandle, PipelineSpec,
    SourceEnd,
};
use logweir::stage::StageError;
use tokio::sync::Semaphore;

use crate::audit::{audited, journal, outcome, request};
use crate::destination::{Destination, output};
use crate::house::{House, Running, until};
use crate::journal::{Event, Journal};

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
async fn an_errand_that_waits_for_an_output_which_fails_keeps_nothing_running() {
    let house = House::new();
    let journal = Arc::new(journal(10));
    let (broken, slow) = (
        Arc::new(Destination::new("broken")),
        Arc::new(Destination::new("slow")),
    );
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![journal.spec(&[0, 1])],
        outputs: vec![output(&broken), output(&slow)],
    });
    running.until_settled(10).await;
    slow.turns.forget_permits(1 << 20);
    journal.persist_unseen(Event::new("late", journal.since + 5));
    let run = handle.audit(request(&journal, true)).unwrap();
    until(|| broken.lines().len() == 11).await;
    let bug = StageError::Permanent("a bug".to_owned());
    broken.faults.lock().unwrap().push_back(bug);
    journal.persist(Event::new("new", journal.since + 1_000_000_000_000));
    until(|| broken.faults.lock().unwrap().is_empty()).await;
    slow.release();
    let report = running.report().await;
    assert!(report.failed);
    outcome(run).await.unwrap_err();
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

#[tokio::test]
async fn a_source_that_had_stopped_has_errands_again_when_it_is_renewed() {
    let house = House::new();
    let (journals, mut running, handle) = waiting(&house).await;
    let stopped = &journals[0];
    stopped.live_turns.close();
    running
        .until_status(|status| matches!(status.sources[0].phase, Phase::Stopped { .. }))
        .await;
    let asked = handle.audit(request(stopped, false)).unwrap();
    let refused = outcome(asked).await.unwrap_err();
    assert!(matches!(refused, AuditError::NotRead(_)), "{refused}");
    let works = Arc::new(Journal {
        since: stopped.since,
        ..Journal::new(stopped.name, stopped.events().clone())
    });
    let next = NextSpec {
        sources: vec![
            NextSource::Renewed(works.spec(&[0])),
            NextSource::Same {
                name: journals[1].name.into(),
                outputs: vec![0],
            },
        ],
        outputs: vec![NextOutput::Same("archive".into())],
    };
    handle.change(next).await.unwrap();
    let report = audited(&handle, &works, false).await;
    assert_eq!((report.read, report.missing), (10, 0));
    running.stop().await;
}

#[tokio::test]
async fn an_errand_of_a_source_that_ends_by_itself_ends_too() {
    for once in [true, false] {
        let mut house = House::new();
        let journal = Arc::new(Journal {
            past_turns: Semaphore::new(0),
            ..journal(10)
        });
        let destination = Arc::new(Destination::new("archive"));
        let spec = || PipelineSpec {
            sources: vec![journal.spec(&[0])],
            outputs: vec![output(&destination)],
        };
        let mut running = house.start_spec(spec());
        running.until_settled(10).await;
        running.stop().await;

        journal.live_turns.forget_permits(1 << 20);
        house.options.once = once;
        let (running, handle) = house.start_with_handle(spec());
        let run = handle.audit(request(&journal, false)).unwrap();
        until(|| run.progress.borrow().step == AuditStep::Reading).await;
        let end = if once {
            journal.live_turns.add_permits(1);
            SourceEnd::CaughtUp
        } else {
            journal.live_turns.close();
            SourceEnd::Stopped("it is gone".to_owned())
        };
        let report = running.report().await;
        assert_eq!(report.sources[0].end, end);
        let ended = outcome(run).await.unwrap_err();
        assert!(matches!(ended, AuditError::Interrupted), "{ended}");
    }
}

#[tokio::test]
async fn an_errand_of_a_source_that_is_about_to_be_read_in_another_way_waits_for_that() {
    let house = House::new();
    let journal = Arc::new(Journal {
        page: 10,
        ..journal(10)
    });
    let mut slow = Destination::new("slow");
    slow.queue.records = 25;
    let slow = Arc::new(slow);
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![journal.spec(&[0])],
        outputs: vec![output(&slow)],
    });
    running.until_settled(10).await;
    slow.turns.forget_permits(1 << 20);
    for number in 0..30 {
        let published = journal.since + 1_000_000_000 + number;
        journal.persist(Event::new(format!("new-{number:02}"), published));
    }
    // Two pages are queued, the third one is accepted and does not fit.
    running
        .until_status(|status| status.sources[0].records == 40)
        .await;
    let next = NextSpec {
        sources: vec![NextSource::Renewed(journal.spec(&[0]))],
        outputs: vec![NextOutput::Same("slow".into())],
    };
    handle.change(next).await.unwrap();
    let run = handle.audit(request(&journal, false)).unwrap();
    // Many times as long as it takes to be seen.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(run.progress.borrow().step, AuditStep::Queued);
    slow.release();
    let report = outcome(run).await.unwrap();
    assert_eq!((report.read, report.missing), (40, 0));
    running.stop().await;
}

#[tokio::test]
async fn an_errand_that_waits_after_a_failure_holds_no_memory() {
    let hour = Duration::from_secs(3600);
    let mut house = House::new().timing(|timing| {
        timing.retry_first = hour;
        timing.retry_longest = 4 * hour;
    });
    // One page at a time.
    house.options.budget = 1;
    let journal = Arc::new(journal(10));
    let destination = Arc::new(Destination::new("archive"));
    let (mut running, handle) = house.start_with_handle(PipelineSpec {
        sources: vec![journal.spec(&[0])],
        outputs: vec![output(&destination)],
    });
    running.until_settled(10).await;
    journal.past_turns.close();
    let run = handle.audit(request(&journal, false)).unwrap();
    until(|| journal.past_reads.load(SeqCst) == 1).await;
    journal.persist(Event::new("new", journal.since + 1_000_000_000));
    running.until_settled(11).await;
    running.stop().await;
    outcome(run).await.unwrap_err();
}
