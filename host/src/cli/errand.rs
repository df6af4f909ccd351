//! What is done beside a source's live reader and takes a while: by the host that runs, or here while none does.
//!
//! Both ways go through [`perform`], so that both say and find the same.

use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use logweir::config::{Loaded, OutputEntry, Plan, suggestion};
use logweir::control::{Answer, Client, ControlError, News, Request};
use logweir::host::{Host, HostError, Routed};
use logweir::output::OutputPlan;
use logweir::pipeline::{
    AuditError, AuditRequest, BackfillRequest, Options, Pipeline, PipelineHandle, Run,
};
use logweir::state::StateError;
use logweir::telemetry::acts::{self, Act, Actor};
use logweir::telemetry::escape;
use logweir::telemetry::overview::bounded;
use tokio::time::{sleep, timeout};

use super::Usage;
use super::signals::Signals;

/// How often is told how far it is at most, and at least: whoever asked is still there if that can be told.
const AT_MOST_EACH: Duration = Duration::from_millis(100);
const AT_LEAST_EACH: Duration = Duration::from_secs(1);

/// After how long without a word is said how far it is.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What is said of what has not begun.
pub(crate) const QUEUED: &str = "waiting for what was asked for before";

/// Refuses a name that no source has.
pub(crate) fn check_source(loaded: &Loaded, name: &str) -> Result<(), Usage> {
    let names = loaded.plan.sources.iter().map(|source| &*source.name);
    let names: Vec<_> = names.collect();
    if names.contains(&name) {
        return Ok(());
    }
    let advice = suggestion(name, &names, "there is").unwrap_or_default();
    let name = escape::line(name);
    Err(Usage(format!("there is no source `{name}`; {advice}")))
}

/// Has the host that runs with this state do it, else runs the source here until it is done. `show` gets how far it is.
pub(crate) fn run(
    loaded: &Loaded,
    source: &str,
    request: &Request,
    mut show: impl FnMut(&Answer) + Send,
) -> anyhow::Result<Answer> {
    let answer = match Client::connect(&loaded.plan.state)? {
        Some(mut client) => client.ask_and_hear(request, |news| show(&news))?,
        None => {
            let signals = Signals::listen()?;
            let news = &mut Shown(show);
            super::block_on(alone(loaded, source, request.clone(), news, &signals))?
        }
    };
    let Answer::Refused(why) = answer else {
        return Ok(answer);
    };
    match ControlError::refused(why) {
        // In its own words, as without a host.
        ControlError::Refused(why) => Err(anyhow!(why)),
        other => Err(other.into()),
    }
}

/// Does what is asked for with a pipeline at work, and says how it went. Nothing, if it is no errand.
pub(crate) async fn perform(
    handle: &PipelineHandle,
    request: Request,
    actor: Actor,
    news: &mut dyn News,
) -> Option<Answer> {
    let done = match request {
        Request::Audit { source, since, fix } => {
            if fix {
                let what = "an audit that delivers what is missing was asked for";
                acts::record(Act::AuditFix, actor, &bounded(&source), what);
            }
            let run = handle.audit(AuditRequest {
                source: source.into(),
                since,
                fix,
                as_far_as_known: false,
            });
            let report = |report| Answer::Audit(Box::new(report));
            told(run, news, Answer::AuditProgress, report).await
        }
        Request::Backfill { source, since } => {
            let what = "more of the past was asked for";
            acts::record(Act::Backfill, actor, &bounded(&source), what);
            let source = source.into();
            let run = handle.backfill(BackfillRequest { source, since });
            told(run, news, Answer::BackfillProgress, Answer::Backfill).await
        }
        _ => return None,
    };
    Some(done.unwrap_or_else(Answer::Refused))
}

/// Waits for the end of something, and tells how far it is meanwhile. When nobody hears that any more, it is interrupted.
async fn told<P, R, E>(
    run: Result<Run<P, R, E>, E>,
    news: &mut dyn News,
    progress: impl Fn(P) -> Answer,
    report: impl Fn(R) -> Answer,
) -> Result<Answer, String>
where
    P: Clone + Send + Sync,
    E: From<AuditError> + Display,
{
    let run = run.map_err(|error| error.to_string())?;
    let _interrupts = run.stop_with();
    let mut changes = run.progress.clone();
    let outcome = run.outcome();
    tokio::pin!(outcome);
    loop {
        let now = changes.borrow_and_update().clone();
        let heard = news.tell(progress(now)).await;
        heard.map_err(|error| error.to_string())?;
        let next = async {
            sleep(AT_MOST_EACH).await;
            // Whether it changed or not.
            drop(timeout(AT_LEAST_EACH, changes.changed()).await);
        };
        tokio::select! {
            biased;
            outcome = &mut outcome => {
                return outcome.map(report).map_err(|error| error.to_string());
            }
            () = next => {}
        }
    }
}

/// News for who sits here.
struct Shown<F>(F);

#[async_trait]
impl<F: FnMut(&Answer) + Send> News for Shown<F> {
    async fn tell(&mut self, news: Answer) -> io::Result<()> {
        (self.0)(&news);
        Ok(())
    }
}

/// Runs the source, and the errand beside it, until that is done.
async fn alone(
    loaded: &Loaded,
    source: &str,
    request: Request,
    news: &mut dyn News,
    signals: &Signals,
) -> anyhow::Result<Answer> {
    let host = Host::prepare(&loaded.plan)
        .await
        .map_err(|error| super::usage_of(loaded, error))?;
    let outputs = loaded.plan.outputs.iter();
    let outputs = outputs.filter(|output| !is_for_watching(&loaded.plan, output));
    let outputs = outputs.map(Routed::planned).collect();
    let options = Options {
        only: Some(source.into()),
        ..Options::default()
    };
    let (pipeline, _lock) = host
        .pipeline(&loaded.plan, outputs, options)
        .map_err(locked)?;
    let handle = pipeline.handle();
    let asked = async {
        let answer = perform(&handle, request, Actor::command(), news).await;
        signals.stop.cancel();
        answer
    };
    let (answer, ended) = tokio::join!(asked, follow(pipeline, signals));
    ended?;
    answer.context("this is nothing that a source is asked for")
}

/// Whether an output shows what others keep: whoever asks for something else does not want to see it.
fn is_for_watching(plan: &Plan, output: &OutputEntry) -> bool {
    let is_console = |output: &OutputEntry| matches!(output.plan, OutputPlan::Console(_));
    let keeps = |input: &Arc<str>| {
        let mut others = plan.outputs.iter().filter(|other| !is_console(other));
        others.any(|other| other.inputs.contains(input))
    };
    is_console(output) && output.inputs.iter().all(keeps)
}

/// Runs the pipeline; when it ends before the errand does, that is why the errand does not.
async fn follow(pipeline: Pipeline, signals: &Signals) -> anyhow::Result<()> {
    let report = pipeline
        .run(signals.stop.clone(), signals.reopen())
        .await
        .context("the source can't be read")?;
    if report.failed {
        super::run::conclude(&report);
    }
    Ok(())
}

/// The state has one owner; this one can't be asked.
fn locked(error: HostError) -> anyhow::Error {
    let held = matches!(&error, HostError::State(StateError::Locked { .. }));
    let error = anyhow::Error::from(error);
    if held {
        return error.context(
            "another program holds the state and does not listen at its control socket: wait for it, or stop it",
        );
    }
    error
}
