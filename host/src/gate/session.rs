//! The door as one plugin instance has it: its requests live and die with it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Gate;
use super::body::GateBody;
use super::budget::{Priority, Turn};
use super::credential::Means;
use super::error::GateError;
use super::grant::Grant;
use super::oauth::{Errand, OauthClient, Retries, Signed, TokenError};
use super::refusal::{Refusal, RefusalReason};
use super::request::Admitted;
use super::validate::UNSEEN;
use crate::http::{CONNECT_TIMEOUT, HttpError};

/// What an instance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To read; grants for `check` alone are closed.
    Read,
    /// To check.
    Check,
}

/// How long a request may take. Time held back by the gate counts against none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until there is a connection; [`CONNECT_TIMEOUT`] is the most.
    pub connect: Duration,
    /// From then until the head of the answer.
    pub first_byte: Duration,
    /// Between any two pieces of its body.
    pub between_bytes: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: CONNECT_TIMEOUT,
            first_byte: Duration::from_secs(60),
            between_bytes: Duration::from_secs(30),
        }
    }
}

/// Requests that one instance may have under way, unread bodies included: each may fill memory up to a limit.
const MAX_AT_ONCE: usize = 8;

/// The gate for one instance. Dropping it ends its requests and their bodies.
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    _end: DropGuard,
}

impl Session {
    pub(crate) fn new(gate: Arc<Gate>, purpose: Purpose) -> Self {
        let end = CancellationToken::new();
        let shared = Shared {
            gate,
            purpose,
            priority: AtomicU8::new(Priority::default() as u8),
            end: end.clone(),
            held: HeldTime::default(),
            slots: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        };
        Self {
            shared: Arc::new(shared),
            _end: end.drop_guard(),
        }
    }

    /// Sends a request, if it is granted, and waits for the head of the answer. The body then comes by itself,
    /// bounded, read or not.
    pub fn send(
        &self,
        request: http::Request<Bytes>,
        timeouts: Timeouts,
    ) -> impl Future<Output = Result<http::Response<GateBody>, GateError>> + Send + 'static + use<>
    {
        let shared = Arc::clone(&self.shared);
        async move {
            tokio::select! {
                () = shared.end.cancelled() => Err(GateError::Closed),
                answer = shared.exchange(request, timeouts) => answer,
            }
        }
    }

    /// How urgent the requests are that are sent from now on. A backlog's, unless something else is said.
    pub fn set_priority(&self, priority: Priority) {
        self.shared
            .priority
            .store(priority as u8, Ordering::Relaxed);
    }

    /// Whether a request is under way that is not held back, or its answer was not read to the end.
    pub fn expects_something(&self) -> bool {
        let under_way = MAX_AT_ONCE - self.shared.slots.available_permits();
        under_way > self.shared.held.requests()
    }

    /// How long, in all, the gate has held requests of this instance back: time that counts against no limit.
    pub fn held(&self) -> Duration {
        self.shared.held.total()
    }
}

#[derive(Debug)]
struct Shared {
    gate: Arc<Gate>,
    purpose: Purpose,
    /// A [`Priority`].
    priority: AtomicU8,
    end: CancellationToken,
    held: HeldTime,
    slots: Arc<Semaphore>,
}

impl Shared {
    async fn exchange(
        &self,
        request: http::Request<Bytes>,
        timeouts: Timeouts,
    ) -> Result<http::Response<GateBody>, GateError> {
        let gate = &self.gate;
        let admitted = gate.admit(request, self.purpose)?;
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Err(gate.refuse(Refusal {
                need: gate.need(admitted.grant),
                reason: RefusalReason::TooMany,
                detail: format!("{MAX_AT_ONCE} requests are under way already"),
            }));
        };
        let at = admitted.grant;
        let (response, turn) = self.send_signed(admitted, timeouts).await?;
        gate.learn(at, turn, &response);
        let head = gate.receive(at, &response)?;
        let between_bytes = timeouts.between_bytes;
        let body = GateBody::drain(response, Arc::clone(gate), between_bytes, &self.end, slot);
        Ok(head.map(|()| body))
    }

    /// A turn from the budget of a grant, if there is one to keep. Each request that goes out needs its own.
    async fn turn(&self, grant: usize) -> Option<Turn> {
        let leases = self.gate.leases();
        let account = &leases.get(grant)?.as_ref()?.account;
        let priority = self.priority();
        if let Some(turn) = account.take(priority) {
            return Some(turn);
        }
        let _holding = self.held.start();
        let hold = account.hold();
        tracing::debug!(
            source = %self.gate.source,
            need = self.gate.need(grant).as_deref(),
            why = hold.map(|hold| hold.why.as_str()),
            ms = hold.map(|hold| hold.lasts.as_millis()),
            "held back until the budget is there again"
        );
        Some(account.wait(priority, self.gate.limits.hold).await)
    }

    fn priority(&self) -> Priority {
        let stored = self.priority.load(Ordering::Relaxed);
        let all = [Priority::Live, Priority::Backlog, Priority::Window];
        let known = all.into_iter().find(|priority| *priority as u8 == stored);
        known.unwrap_or_default()
    }

    /// Signs a request right before it goes out, when its turn has come, and sends it. A token that the peer refuses is
    /// renewed, and the request is signed anew and sent once more, in a turn of its own.
    async fn send_signed(
        &self,
        admitted: Admitted,
        timeouts: Timeouts,
    ) -> Result<(reqwest::Response, Option<Turn>), GateError> {
        let Admitted { grant, mut request } = admitted;
        let mut turn = self.turn(grant).await;
        let client = match self.gate.means(grant)? {
            Some(Means::Oauth(client)) => client,
            Some(Means::Header { name, value, .. }) => {
                request.headers_mut().insert(name, value);
                let answer = self.send(grant, request, timeouts).await?;
                self.gate.judge_credential(Some(answer.status()));
                return Ok((answer, turn));
            }
            None => return Ok((self.send(grant, request, timeouts).await?, turn)),
        };
        let mut retries = Retries::default();
        loop {
            let copy = request.try_clone();
            let mut copy =
                copy.ok_or_else(|| HttpError::Other("it can be sent once".to_owned()))?;
            let signed = self.sign(grant, &client, &mut copy, &retries).await?;
            let answer = self.send(grant, copy, timeouts).await?;
            client.hear(answer.headers());
            if !client.again(&signed, answer.status(), answer.headers(), &mut retries) {
                self.gate.judge_credential(Some(answer.status()));
                return Ok((answer, turn));
            }
            // It counts, and what it says of the budget holds for the next one.
            self.gate.learn(grant, turn.take(), &answer);
            self.gate.receive(grant, &answer)?;
            drop(answer);
            turn = self.turn(grant).await;
        }
    }

    /// Signs with a token, which may have to be asked for first.
    async fn sign(
        &self,
        grant: usize,
        client: &OauthClient,
        request: &mut reqwest::Request,
        retries: &Retries,
    ) -> Result<Signed, GateError> {
        let gate = &self.gate;
        let way = gate.clients.get(grant);
        let url = gate.grants.get(grant).and_then(Grant::token_url);
        let (Some(way), Some(url)) = (way, url) else {
            return Err(HttpError::Other("there is nowhere to ask for a token".to_owned()).into());
        };
        let errand = Errand {
            client: way,
            url,
            rate_limit: gate.grants.get(grant).and_then(Grant::rate_limit),
            hide: &|token| gate.hide(token),
        };
        let signed = client.sign(request, retries, &errand).await;
        signed.map_err(|error| match error {
            TokenError::Http(error) => gate.failed(grant, error),
            TokenError::Refused(refusal) => {
                gate.judge_credential(None);
                refusal.into()
            }
            passing => passing.into(),
        })
    }

    async fn send(
        &self,
        grant: usize,
        request: reqwest::Request,
        timeouts: Timeouts,
    ) -> Result<reqwest::Response, GateError> {
        let gate = &self.gate;
        let started = Instant::now();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let longest = timeouts.connect.min(CONNECT_TIMEOUT) + timeouts.first_byte;
        let answer = match gate.clients.get(grant) {
            Some(client) => tokio::time::timeout(longest, client.send(request))
                .await
                .unwrap_or(Err(HttpError::Timeout(longest))),
            None => Err(HttpError::Other("there is no client".to_owned())),
        };
        tracing::debug!(
            source = %gate.source,
            need = gate.need(grant).as_deref(),
            %method,
            path,
            status = answer.as_ref().ok().map(|answer| answer.status().as_u16()),
            error = answer.as_ref().err().map(tracing::field::display),
            ms = started.elapsed().as_millis(),
            "request"
        );
        answer.map_err(|error| gate.failed(grant, error))
    }
}

/// The part of an answer's headers that a grant shows.
pub(crate) fn shown(
    all: &HeaderMap,
    named: &[http::HeaderName],
    hides: impl Fn(&[u8]) -> bool,
) -> HeaderMap {
    let mut shown = HeaderMap::new();
    for (name, value) in all {
        let common = *name == header::CONTENT_TYPE || *name == header::DATE;
        let seen = common || (named.contains(name) && !UNSEEN.contains(&name.as_str()));
        if seen && !hides(value.as_bytes()) {
            shown.append(name, value.clone());
        }
    }
    shown
}

/// Time during which at least one request was held back.
#[derive(Debug, Default)]
struct HeldTime(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    past: Duration,
    since: Option<Instant>,
    requests: usize,
}

impl HeldTime {
    fn start(&self) -> Holding<'_> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.requests += 1;
        held.since.get_or_insert_with(Instant::now);
        Holding(self)
    }

    fn requests(&self) -> usize {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.requests
    }

    fn total(&self) -> Duration {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let present = held.since.map(|since| since.elapsed());
        held.past + present.unwrap_or_default()
    }
}

/// One request being held back; ended requests are dropped in the middle of it.
struct Holding<'a>(&'a HeldTime);

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        let mut held = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.requests -= 1;
        if held.requests == 0
            && let Some(since) = held.since.take()
        {
            held.past += since.elapsed();
        }
    }
}
