//! Secrets in the bodies of answers, covered before a plugin sees them (trust rule 10).
//!
//! A peer may say what it was told: in an error, on a debugging page. A plugin must not read its credential there, and
//! no record may carry it on. Each byte of it becomes `*`, so that lengths and what frames a text stay as they are.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::credential::Credentials;

/// Covers the secrets in one body, wherever its pieces end.
#[derive(Debug)]
pub(crate) struct Veil {
    credentials: Arc<Credentials>,
    /// The end of what came, if a secret may begin there.
    held: Bytes,
    covered: bool,
}

impl Veil {
    pub(crate) fn new(credentials: Arc<Credentials>) -> Self {
        Self {
            credentials,
            held: Bytes::new(),
            covered: false,
        }
    }

    /// The next piece of the body, as far as it is known to hold no part of a secret.
    pub(crate) fn pass(&mut self, piece: Bytes) -> Bytes {
        let mut piece = self.credentials_out_of(self.joined(piece));
        let begun = self.credentials.begun_at_the_end_of(&piece);
        self.held = piece.split_off(piece.len().saturating_sub(begun));
        piece
    }

    /// What is left when the body ends.
    pub(crate) fn end(&mut self) -> Bytes {
        std::mem::take(&mut self.held)
    }

    /// Whether there was anything to cover.
    pub(crate) fn covered(&self) -> bool {
        self.covered
    }

    fn joined(&self, piece: Bytes) -> Bytes {
        if self.held.is_empty() {
            return piece;
        }
        let mut joined = BytesMut::with_capacity(self.held.len() + piece.len());
        joined.extend_from_slice(&self.held);
        joined.extend_from_slice(&piece);
        joined.freeze()
    }

    fn credentials_out_of(&mut self, piece: Bytes) -> Bytes {
        let places: Vec<_> = self.credentials.places_in(&piece).collect();
        if places.is_empty() {
            return piece;
        }
        self.covered = true;
        let mut clean = BytesMut::from(&*piece);
        for place in places {
            clean.get_mut(place).unwrap_or_default().fill(b'*');
        }
        clean.freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::super::Credential;
    use super::super::tests::description;
    use super::*;

    fn veil(secrets: &[&str]) -> Veil {
        let description = description();
        let kind = description.credentials.first().unwrap();
        let credential =
            |secret: &&str| Credential::new(kind, &SecretString::from(*secret)).unwrap();
        Veil::new(Arc::new(Credentials::new(
            secrets.iter().map(credential).collect(),
        )))
    }

    fn through(mut veil: Veil, pieces: &[&[u8]]) -> Vec<u8> {
        let mut seen: Vec<u8> = Vec::new();
        for piece in pieces {
            seen.extend(veil.pass(Bytes::copy_from_slice(piece)));
        }
        seen.extend(veil.end());
        seen
    }

    #[test]
    fn trust_10_a_secret_is_covered_wherever_the_pieces_end() {
        let body = b"{\"a\":\"SSWS 00abcabd\",\"b\":\"00abcab\",\"c\":\"00abc00abcabd\"}";
        let clean = b"{\"a\":\"SSWS ********\",\"b\":\"00abcab\",\"c\":\"00abc********\"}";
        for cut in 0..body.len() {
            let (one, two) = body.split_at(cut);
            assert_eq!(
                through(veil(&["00abcabd"]), &[one, two]),
                clean,
                "cut at {cut}"
            );
        }
        let bytes: Vec<_> = body.chunks(1).collect();
        assert_eq!(through(veil(&["00abcabd"]), &bytes), clean);
    }

    #[test]
    fn what_holds_no_secret_is_not_copied() {
        let piece = Bytes::from_static(b"a page of events");
        let passed = veil(&["00abcabd"]).pass(piece.clone());
        assert_eq!(passed.as_ptr(), piece.as_ptr());
        assert!(veil(&[]).pass(piece.clone()) == piece);
    }

    proptest! {
        #[test]
        fn trust_10_no_text_gets_a_secret_through(pieces in prop::collection::vec("[01x]{0,9}", 0..12)) {
            let pieces: Vec<_> = pieces.iter().map(String::as_bytes).collect();
            let seen = through(veil(&["01x01", "1101x"]), &pieces);
            prop_assert_eq!(seen.len(), pieces.concat().len());
            for secret in [b"01x01", b"1101x"] {
                prop_assert!(!seen.windows(5).any(|window| window == secret));
            }
        }
    }
}
