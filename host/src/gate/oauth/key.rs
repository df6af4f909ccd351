//! Private keys: read from PEM or JSON Web Keys, and what is wrong with those that can't serve.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair, RsaEncoding, RsaKeyPair,
};
use memchr::memmem;
use rustls::pki_types::pem::{self, SectionKind};

use super::jwk;

/// The least that peers accept (RFC 7518, section 3.3).
const RSA_BITS_MIN: usize = 2048;

/// Why a key can't sign. It never shows the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Something else is in there.
    #[error(
        "it is neither a private key in PEM (`-----BEGIN PRIVATE KEY-----`) nor a JSON Web Key"
    )]
    NotAKey,
    /// A PEM key behind a passphrase.
    #[error(
        "the key is encrypted; write it without its passphrase: `openssl pkey -in KEY -out PLAIN`"
    )]
    Encrypted,
    /// The half that is for everybody.
    #[error("it is a public key; the private one is needed, which never leaves this machine")]
    Public,
    /// What a public key is wrapped in.
    #[error("it is a certificate; the private key that belongs to it is needed")]
    Certificate,
    /// A key in the format of OpenSSH.
    #[error("it is an OpenSSH key; convert it: `ssh-keygen -p -m PKCS8 -f KEY`")]
    OpenSsh,
    /// Too weak.
    #[error("it is an RSA key of {0} bits, and at least {RSA_BITS_MIN} are needed; make a new one")]
    ShortRsa(usize),
    /// A curve that no standard signature goes with.
    #[error("it is an EC key on a curve other than P-256, P-384 and P-521; make one on P-256")]
    Curve,
    /// Ed25519, say.
    #[error("it is neither an RSA nor an EC key")]
    KeyType,
    /// The frame is right, what is in it is not.
    #[error("the key is damaged; was it copied whole?")]
    Damaged,
    /// JSON, but no Web Key.
    #[error("it is JSON, but no JSON Web Key: it has no `kty`")]
    NotAJwk,
    /// A set of other than one key.
    #[error(
        "it is a set of {0} keys, and one is needed; leave the one whose public half is registered"
    )]
    JwkSet(usize),
    /// A member that is not there, or not base64url.
    #[error("the JSON Web Key has no proper `{0}`")]
    JwkMember(&'static str),
    /// It is for encryption.
    #[error("the JSON Web Key is for encryption (`use`), and one for signatures is needed")]
    JwkUse,
    /// An `alg` that the key can't do, or that we can't.
    #[error(
        "the JSON Web Key's `alg` is none of RS256, RS384, RS512, ES256, ES384 and ES512 that fits its key"
    )]
    JwkAlgorithm,
    /// Two names for one key.
    #[error(
        "`key_id` is {configured:?}, but the key says that its `kid` is {own:?}; leave `key_id` out, or correct it"
    )]
    KeyId {
        /// What the configuration says.
        configured: String,
        /// What the key says.
        own: String,
    },
}

/// The curves that there are standard signatures for: the name in a JSON Web Key, its object identifier, how it signs.
pub(super) const CURVES: [(&str, &[u8], &str, &EcdsaSigningAlgorithm); 3] = [
    (
        "P-256",
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        "ES256",
        &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
    ),
    (
        "P-384",
        &[0x2b, 0x81, 0x04, 0x00, 0x22],
        "ES384",
        &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
    ),
    (
        "P-521",
        &[0x2b, 0x81, 0x04, 0x00, 0x23],
        "ES512",
        &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    ),
];

const RSA_OID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_OID: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// A private key that signs.
pub struct SigningKey {
    pair: Pair,
    /// How it signs (RFC 7518, section 3.1).
    algorithm: &'static str,
    key_id: Option<String>,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
}

impl SigningKey {
    /// Reads a key: PEM (PKCS#8, PKCS#1, SEC1) or a JSON Web Key. `key_id` is what the peer knows it by; a Web Key may
    /// say so itself.
    pub fn parse(text: &str, key_id: Option<&str>) -> Result<Self, KeyError> {
        let text = text.trim();
        let mut key = match text.starts_with('{') {
            true => jwk::parse(text)?,
            false => Self::from_pem(text)?,
        };
        match (key_id, &key.key_id) {
            (Some(configured), Some(own)) if configured != own => {
                return Err(KeyError::KeyId {
                    configured: configured.to_owned(),
                    own: own.clone(),
                });
            }
            (Some(configured), _) => key.key_id = Some(configured.to_owned()),
            (None, _) => {}
        }
        Ok(key)
    }

    /// A new key on P-256, which nobody has seen before. Fails only if the system has no randomness.
    pub(super) fn generate() -> Option<Self> {
        let (_, _, name, algorithm) = CURVES[0];
        let pair = EcdsaKeyPair::generate(algorithm).ok()?;
        Some(Self::ec(pair, name, None))
    }

    pub(super) fn rsa(
        pair: RsaKeyPair,
        name: &'static str,
        encoding: &'static dyn RsaEncoding,
        key_id: Option<String>,
    ) -> Result<Self, KeyError> {
        let bits = pair.public_modulus_len() * 8;
        if bits < RSA_BITS_MIN {
            return Err(KeyError::ShortRsa(bits));
        }
        Ok(Self {
            pair: Pair::Rsa(pair, encoding),
            algorithm: name,
            key_id,
        })
    }

    pub(super) fn ec(pair: EcdsaKeyPair, name: &'static str, key_id: Option<String>) -> Self {
        Self {
            pair: Pair::Ec(pair),
            algorithm: name,
            key_id,
        }
    }

    fn from_pem(text: &str) -> Result<Self, KeyError> {
        if let Some(error) = by_label(text) {
            return Err(error);
        }
        let mut rest = text.as_bytes();
        loop {
            match pem::from_buf(&mut rest) {
                Ok(Some((SectionKind::PrivateKey, der))) => return Self::from_pkcs8(&der),
                Ok(Some((SectionKind::RsaPrivateKey, der))) => {
                    return Self::from_rsa(RsaKeyPair::from_der(&der).ok(), &der);
                }
                Ok(Some((SectionKind::EcPrivateKey, der))) => return Self::from_ec(&der),
                Ok(Some(_)) => {}
                Ok(None) => return Err(KeyError::NotAKey),
                Err(_) => return Err(KeyError::Damaged),
            }
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        // The type stands in the first bytes, behind two lengths and a version.
        let head = der.get(..40.min(der.len())).unwrap_or_default();
        if memmem::find(head, RSA_OID).is_some() {
            Self::from_rsa(RsaKeyPair::from_pkcs8(der).ok(), der)
        } else if memmem::find(head, EC_OID).is_some() {
            Self::from_ec(der)
        } else {
            Err(KeyError::KeyType)
        }
    }

    fn from_rsa(pair: Option<RsaKeyPair>, der: &[u8]) -> Result<Self, KeyError> {
        match pair {
            Some(pair) => Self::rsa(pair, "RS256", &signature::RSA_PKCS1_SHA256, None),
            None => Err(match modulus_bits(der) {
                Some(bits) if bits < RSA_BITS_MIN => KeyError::ShortRsa(bits),
                _ => KeyError::Damaged,
            }),
        }
    }

    /// Of PKCS#8 as well as of SEC1, which both name the curve.
    fn from_ec(der: &[u8]) -> Result<Self, KeyError> {
        let named = |(_, oid, _, _): &&(&str, &[u8], &str, &EcdsaSigningAlgorithm)| {
            memmem::find(der, oid).is_some()
        };
        let Some((_, _, name, algorithm)) = CURVES.iter().find(named) else {
            return Err(KeyError::Curve);
        };
        EcdsaKeyPair::from_private_key_der(algorithm, der)
            .map(|pair| Self::ec(pair, name, None))
            .map_err(|_| KeyError::Damaged)
    }

    /// The name of how it signs: `RS256`.
    pub(super) fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The public key: of an EC key its point, uncompressed.
    pub(super) fn public_key(&self) -> &[u8] {
        match &self.pair {
            Pair::Rsa(pair, _) => pair.public_key().as_ref(),
            Pair::Ec(pair) => pair.public_key().as_ref(),
        }
    }

    /// The signature of a message, as JSON Web Signatures have it. Fails only if the system has no randomness.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(*encoding, &random, message, &mut signature);
                signed.ok().map(|()| signature)
            }
            Pair::Ec(pair) => {
                let signature = pair.sign(&random, message).ok()?;
                Some(signature.as_ref().to_vec())
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// What a file of PEM sections is, if it holds no private key that could be read.
fn by_label(text: &str) -> Option<KeyError> {
    let has = |label: &str| text.contains(&format!("-----BEGIN {label}-----"));
    if text.contains("ENCRYPTED") {
        return Some(KeyError::Encrypted);
    }
    if has("PRIVATE KEY") || has("RSA PRIVATE KEY") || has("EC PRIVATE KEY") {
        return None;
    }
    if has("OPENSSH PRIVATE KEY") {
        return Some(KeyError::OpenSsh);
    }
    if has("DSA PRIVATE KEY") {
        return Some(KeyError::KeyType);
    }
    if has("PUBLIC KEY") || has("RSA PUBLIC KEY") || text.starts_with("ssh-") {
        return Some(KeyError::Public);
    }
    has("CERTIFICATE").then_some(KeyError::Certificate)
}

/// How long the modulus of an RSA key is that was refused: the first long INTEGER in it, for the words alone.
fn modulus_bits(der: &[u8]) -> Option<usize> {
    const INTEGER: u8 = 0x02;
    let mut at = 0;
    while let Some(rest) = der.get(at..) {
        let length = match rest {
            [INTEGER, 0x81, length, ..] => usize::from(*length),
            [INTEGER, 0x82, high, low, ..] => usize::from(*high) << 8 | usize::from(*low),
            [] => return None,
            _ => {
                at += 1;
                continue;
            }
        };
        // A leading zero keeps it positive.
        return Some(length / 8 * 64);
    }
    None
}
