//! What a run offers to others: health and metrics over HTTP, and the control socket.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use logweir::control::{Answer, Control, ControlError, Handler, News, Peer, Request};
use logweir::host::Observer;
use logweir::pipeline::PipelineHandle;
use logweir::state::{State, StateLock};
use logweir::telemetry::acts::Actor;
use logweir::telemetry::http;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::errand;
use super::reloads::{Reloads, Trigger};

/// An address that is bound and not served yet, so that the host can say where it is.
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Binds what the configuration names. That it can't is a reason not to run: somebody counts on it.
    pub(crate) async fn at(listen: Option<SocketAddr>) -> anyhow::Result<Option<Self>> {
        let Some(listen) = listen else {
            return Ok(None);
        };
        let bound = http::bind(listen).await;
        let listener =
            bound.with_context(|| format!("can't listen at {listen} for health and metrics"))?;
        let address = listener.local_addr()?;
        Ok(Some(Self { listener, address }))
    }

    /// Where it is: the port that was found free, if the configuration left that open.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves until it is dropped.
pub(crate) struct Served(Vec<JoinHandle<()>>);

impl Served {
    /// Starts serving. Without a control socket a run does all that it is for, so that is a warning.
    pub(crate) fn start(
        bound: Option<Bound>,
        state: &State,
        lock: &StateLock,
        answers: Answers,
    ) -> Self {
        let observer = Arc::clone(&answers.observer);
        let mut tasks = Vec::new();
        match Control::bind(state.folder(), lock) {
            Ok(control) => tasks.push(tokio::spawn(control.serve(answers))),
            Err(error) => warn(&error),
        }
        if let Some(Bound { listener, address }) = bound {
            tracing::info!(%address, "serving /livez, /readyz and /metrics");
            let look = move || observer.overview();
            tasks.push(tokio::spawn(http::serve(listener, look)));
        }
        Self(tasks)
    }
}

impl Served {
    /// Ends it, and waits until the socket is gone: the process may not live long enough otherwise.
    pub(crate) async fn end(mut self) {
        for task in std::mem::take(&mut self.0) {
            task.abort();
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(%error, "a bug: serving status or metrics ended early");
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

fn warn(error: &ControlError) {
    tracing::warn!(%error, "`logweir status` will not find this run");
}

/// Answers what is asked over the control socket.
pub(crate) struct Answers {
    observer: Arc<Observer>,
    pipeline: PipelineHandle,
    /// Nothing in a run that ends by itself.
    reloads: Option<Reloads>,
}

impl Answers {
    pub(crate) fn new(
        observer: Observer,
        pipeline: PipelineHandle,
        reloads: Option<Reloads>,
    ) -> Self {
        Self {
            observer: Arc::new(observer),
            pipeline,
            reloads,
        }
    }
}

#[async_trait]
impl Handler for Answers {
    async fn answer(&self, request: Request, peer: Peer, news: &mut dyn News) -> Answer {
        match request {
            Request::Status => Answer::Status(Box::new(self.observer.overview())),
            Request::Reload => match &self.reloads {
                Some(reloads) => reloads.ask(Trigger::Asked(peer)).await,
                None => Answer::Refused("a run that ends by itself is not reloaded".to_owned()),
            },
            request @ (Request::Audit { .. } | Request::Backfill { .. }) => {
                let actor = Actor::socket(peer.uid);
                let done = errand::perform(&self.pipeline, request, actor, news).await;
                done.unwrap_or_else(|| Answer::Refused("this is no errand".to_owned()))
            }
        }
    }
}
