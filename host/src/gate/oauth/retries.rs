//! What is tried to get one request through: each remedy a bounded number of times.

use http::StatusCode;

/// New nonces that one request is tried with: one may be replaced while the request with it is under way.
const NONCES: usize = 3;

/// What a request was signed with, by number.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(super) token: u64,
    pub(super) nonce: Option<u64>,
}

/// What was tried so far.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    renewed: bool,
    nonces: usize,
    stale: Option<u64>,
}

impl Retries {
    /// The token that was refused.
    pub(super) fn stale(&self) -> Option<u64> {
        self.stale
    }

    /// Whether a request is to be signed anew and sent once more: with the nonce that came with the refusal, or with a
    /// new token. What is still refused then is the plugin's to hear.
    ///
    /// Some peers say that they want the nonce in the body alone, so a refusal that brings a new one is worth another try
    /// whatever it says.
    pub(super) fn again(
        &mut self,
        signed: &Signed,
        status: StatusCode,
        has_new_nonce: bool,
    ) -> bool {
        let refused = status == StatusCode::UNAUTHORIZED;
        if !refused && status != StatusCode::BAD_REQUEST {
            return false;
        }
        if has_new_nonce && self.nonces < NONCES {
            self.nonces += 1;
            return true;
        }
        if refused && !self.renewed {
            self.renewed = true;
            self.stale = Some(signed.token);
            return true;
        }
        false
    }
}
