//! One configured client: signs requests, and asks for tokens, one request at a time.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use super::answer::{self, Granted, Outcome, TokenRefusalCause};
use super::clock::PeerClock;
use super::error::TokenError;
use super::identity::{OauthIdentity, OauthProof};
use super::limit;
use super::proof::{DPOP, DPOP_NONCE, ProofKey, Proven};
use super::retries::{Retries, Signed};
use super::secret::sensitive;
use super::token::AccessToken;
use crate::gate::need::RateLimit;
use crate::http::{Client, HttpError};

/// Bytes of a token endpoint's answer.
const ANSWER_MAX: usize = 64 * 1024;
/// How long a request for a token may take, to the end of its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests for one token: without proof, without nonce, with one that was just replaced, with a wrong clock.
const ATTEMPTS: usize = 5;
/// After an early renewal has failed, the next one is tried when a quarter of what is left is over, but not sooner.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// Where tokens are asked for, and who is told of new ones.
pub(crate) struct Errand<'a> {
    pub(crate) client: &'a Client,
    pub(crate) url: &'a Url,
    /// How the peer tells when it answers again.
    pub(crate) rate_limit: Option<&'a RateLimit>,
    /// Hears every new token before it is used, so that no plugin ever sees it.
    pub(crate) hide: &'a (dyn Fn(SecretString) + Sync),
}

/// A client and its tokens.
pub(crate) struct OauthClient {
    identity: OauthIdentity,
    clock: PeerClock,
    /// Whoever asks for a token has it; others wait, or go on with the old one.
    turn: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Arc<AccessToken>>,
    /// Tokens so far.
    tokens: u64,
    /// There once the peer has asked for proofs.
    proof_key: Option<Arc<ProofKey>>,
    nonce: Option<Arc<Nonce>>,
    /// What came of the latest request that failed, for those who waited for it.
    failure: Option<(Instant, TokenError)>,
    /// No early renewal before.
    not_before: Option<Instant>,
    /// No request for a token at all before: the peer said that there were too many.
    busy_until: Option<Instant>,
}

struct Nonce {
    number: u64,
    text: SecretString,
}

/// What there is when a request is to be signed.
enum Stock {
    Fresh(Arc<AccessToken>),
    /// It still lives, but should be replaced.
    Due(Arc<AccessToken>),
    Nothing,
}

impl OauthClient {
    pub(crate) fn new(identity: OauthIdentity) -> Self {
        Self {
            identity,
            clock: PeerClock::default(),
            turn: Semaphore::new(1),
            state: Mutex::default(),
        }
    }

    /// The client's id.
    pub(crate) fn id(&self) -> &str {
        &self.identity.client_id
    }

    /// The client's secret, if it has one that is sent.
    pub(crate) fn sent_secret(&self) -> Option<&SecretString> {
        match &self.identity.proof {
            OauthProof::Secret(secret) => Some(secret),
            OauthProof::Key(_) => None,
        }
    }

    /// Signs a request as it is about to go out. What it is signed with is good for this one request.
    pub(crate) async fn sign(
        &self,
        request: &mut reqwest::Request,
        retries: &Retries,
        errand: &Errand<'_>,
    ) -> Result<Signed, TokenError> {
        let token = self.token(retries.stale(), errand).await?;
        let mut signed = Signed {
            token: token.number,
            nonce: None,
        };
        let scheme = if token.is_bound { "DPoP" } else { "Bearer" };
        let authorization = format!("{scheme} {}", token.text.expose_secret());
        let authorization = sensitive(&authorization).ok_or_else(TokenError::unprintable)?;
        let proof = match (token.is_bound, self.proving()) {
            (true, Some((key, nonce))) => {
                signed.nonce = nonce.as_ref().map(|nonce| nonce.number);
                let proof = self.proof(&key, nonce.as_deref(), request, Some(&token.text));
                Some(proof.ok_or_else(TokenError::no_randomness)?)
            }
            _ => None,
        };
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, authorization);
        if let Some(proof) = proof {
            headers.insert(DPOP, proof);
        }
        Ok(signed)
    }

    /// Learns from any answer of the peer.
    pub(crate) fn hear(&self, headers: &HeaderMap) {
        self.clock.hear(headers);
        let nonce = headers
            .get(DPOP_NONCE)
            .and_then(|nonce| nonce.to_str().ok());
        let Some(nonce) = nonce.filter(|nonce| !nonce.is_empty()) else {
            return;
        };
        let mut state = self.state();
        let known = state.nonce.as_ref();
        if known.is_none_or(|known| known.text.expose_secret() != nonce) {
            let number = known.map_or(1, |known| known.number + 1);
            state.nonce = Some(Arc::new(Nonce {
                number,
                text: nonce.into(),
            }));
        }
    }

    /// Whether a signed request is to be signed anew and sent once more, after its answer was heard.
    pub(crate) fn again(
        &self,
        signed: &Signed,
        status: StatusCode,
        headers: &HeaderMap,
        retries: &mut Retries,
    ) -> bool {
        let latest = {
            let state = self.state();
            let proving = state.proof_key.is_some() && headers.contains_key(DPOP_NONCE);
            let nonce = state.nonce.as_ref().filter(|_| proving);
            nonce.map(|nonce| nonce.number)
        };
        let has_new_nonce = latest.is_some() && latest != signed.nonce;
        retries.again(signed, status, has_new_nonce)
    }

    /// A token that may be sent, other than the one that was refused.
    async fn token(
        &self,
        stale: Option<u64>,
        errand: &Errand<'_>,
    ) -> Result<Arc<AccessToken>, TokenError> {
        let asked = Instant::now();
        match self.stock(stale) {
            Stock::Fresh(token) => Ok(token),
            Stock::Due(token) => {
                // Somebody else renews it already.
                let Ok(_turn) = self.turn.try_acquire() else {
                    return Ok(token);
                };
                Ok(self.renew_early(token, errand).await)
            }
            Stock::Nothing => {
                let _turn = self
                    .turn
                    .acquire()
                    .await
                    .map_err(|_| TokenError::no_randomness())?;
                match self.stock(stale) {
                    Stock::Fresh(token) | Stock::Due(token) => return Ok(token),
                    Stock::Nothing => {}
                }
                let failure = self.state().failure.clone();
                if let Some((at, error)) = failure
                    && at >= asked
                {
                    return Err(error);
                }
                self.renew(errand).await
            }
        }
    }

    fn stock(&self, stale: Option<u64>) -> Stock {
        let now = Instant::now();
        let state = self.state();
        let wanted = |token: &&Arc<AccessToken>| Some(token.number) != stale && token.lives(now);
        match state.token.as_ref().filter(wanted) {
            None => Stock::Nothing,
            Some(token) if token.is_due(now) && state.not_before.is_none_or(|at| now >= at) => {
                Stock::Due(Arc::clone(token))
            }
            Some(token) => Stock::Fresh(Arc::clone(token)),
        }
    }

    /// Replaces a token that still lives; if that fails, it is used up first.
    async fn renew_early(&self, token: Arc<AccessToken>, errand: &Errand<'_>) -> Arc<AccessToken> {
        match self.renew(errand).await {
            Ok(token) => token,
            Err(error) => {
                let now = Instant::now();
                let wait = (token.left(now) / 4).max(RETRY_MIN);
                self.state().not_before = Some(now + wait);
                tracing::warn!(%error, "the token could not be renewed yet; the old one still holds");
                token
            }
        }
    }

    async fn renew(&self, errand: &Errand<'_>) -> Result<Arc<AccessToken>, TokenError> {
        let busy = self.state().busy_until;
        let busy = busy.map(|until| until.saturating_duration_since(Instant::now()));
        if let Some(wait) = busy.filter(|wait| !wait.is_zero()) {
            let told = format!("the peer gives none for another {} s", wait.as_secs() + 1);
            return Err(TokenError::Unavailable(told));
        }
        let renewed = self.ask_until_answered(errand).await;
        let mut state = self.state();
        match renewed {
            Ok((granted, asked)) => {
                state.tokens += 1;
                let number = state.tokens;
                let Granted {
                    token,
                    is_bound,
                    lifetime,
                } = granted;
                let token = AccessToken::new(token, is_bound, number, asked, lifetime);
                let token = Arc::new(token);
                state.token = Some(Arc::clone(&token));
                (state.failure, state.not_before) = (None, None);
                Ok(token)
            }
            Err(error) => {
                state.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Asks until there is a token, or nothing left to put right. Each request is made anew, its statement and its
    /// proof with it.
    async fn ask_until_answered(
        &self,
        errand: &Errand<'_>,
    ) -> Result<(Granted, Instant), TokenError> {
        let (mut corrected, mut repeated) = (false, false);
        for _ in 0..ATTEMPTS {
            let ahead = self.clock.ahead();
            let asked = Instant::now();
            match self.ask(errand).await? {
                Outcome::Token(granted) => {
                    (errand.hide)(granted.token.clone());
                    return Ok((granted, asked));
                }
                Outcome::WantsProof if self.identity.dpop => self.begin_proving()?,
                Outcome::WantsProof => {
                    return Err(TokenError::refused(
                        TokenRefusalCause::ProofNotAllowed,
                        "the peer wants tokens bound to a key",
                    ));
                }
                Outcome::WantsNonce => {}
                Outcome::WrongTime(_) if self.clock.ahead() != ahead && !corrected => {
                    corrected = true;
                }
                Outcome::CameTwice(_) if !repeated => repeated = true,
                Outcome::WrongTime(refusal)
                | Outcome::CameTwice(refusal)
                | Outcome::Refused(refusal) => {
                    return Err(TokenError::Refused(refusal));
                }
                Outcome::Unavailable(told) => return Err(TokenError::Unavailable(told)),
            }
        }
        Err(TokenError::refused(
            TokenRefusalCause::Nonce,
            "the peer asked for one nonce after the other",
        ))
    }

    async fn ask(&self, errand: &Errand<'_>) -> Result<Outcome, TokenError> {
        let (mut request, sent) = self.identity.request(errand.url, self.clock.now())?;
        let proving = self.proving();
        let was_proven = proving.is_some();
        if let Some((key, nonce)) = proving {
            let proof = self.proof(&key, nonce.as_deref(), &request, None);
            let proof = proof.ok_or_else(TokenError::no_randomness)?;
            request.headers_mut().insert(DPOP, proof);
        }
        let started = Instant::now();
        let answered = tokio::time::timeout(PATIENCE, async {
            let mut answer = errand.client.send(request).await?;
            self.hear(answer.headers());
            if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                let wait = limit::wait(answer.headers(), errand.rate_limit);
                self.state().busy_until = Some(Instant::now() + wait);
            }
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await? {
                body.extend_from_slice(&chunk);
                if body.len() > ANSWER_MAX {
                    let told = "the token endpoint's answer is too long".to_owned();
                    return Err(HttpError::Other(told));
                }
            }
            Ok((answer.status(), body))
        });
        let answered = answered.await.unwrap_or(Err(HttpError::Timeout(PATIENCE)));
        tracing::debug!(
            path = errand.url.path(),
            status = answered.as_ref().ok().map(|(status, _)| status.as_u16()),
            error = answered.as_ref().err().map(tracing::field::display),
            ms = started.elapsed().as_millis(),
            "request for a token"
        );
        let (status, body) = answered.map_err(TokenError::Http)?;
        let clean = |text: String| {
            let forms = sent.iter().map(ExposeSecret::expose_secret);
            forms.fold(text, |text, secret| text.replace(secret, "***"))
        };
        Ok(answer::read(status, &body, was_proven, clean))
    }

    fn proof(
        &self,
        key: &ProofKey,
        nonce: Option<&Nonce>,
        request: &reqwest::Request,
        token: Option<&SecretString>,
    ) -> Option<HeaderValue> {
        key.prove(&Proven {
            method: request.method(),
            url: request.url(),
            now: self.clock.now(),
            nonce: nonce.map(|nonce| &nonce.text),
            token,
        })
    }

    fn begin_proving(&self) -> Result<(), TokenError> {
        let key = Arc::new(ProofKey::generate().ok_or_else(TokenError::no_randomness)?);
        self.state().proof_key.get_or_insert(key);
        tracing::debug!("the peer wants tokens bound to a key; requests carry proofs from now on");
        Ok(())
    }

    fn proving(&self) -> Option<(Arc<ProofKey>, Option<Arc<Nonce>>)> {
        let state = self.state();
        let key = state.proof_key.as_ref()?;
        Some((Arc::clone(key), state.nonce.clone()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for OauthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OauthClient")
            .field("client_id", &self.identity.client_id)
            .finish_non_exhaustive()
    }
}
