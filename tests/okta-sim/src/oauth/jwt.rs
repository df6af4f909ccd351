//! Signed statements, taken apart and verified.

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A statement that may be signed by anybody.
pub(super) struct Jwt {
    pub(super) header: Value,
    pub(super) claims: Value,
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |text: &str| -> Option<Value> {
            let value: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            value.is_object().then_some(value)
        };
        Some(Self {
            header: json(header)?,
            claims: json(claims)?,
            signed: signed.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// The text of a claim.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// The seconds of a claim.
    pub(super) fn seconds(&self, claim: &str) -> Option<i64> {
        self.claims.get(claim)?.as_i64()
    }

    /// The text of a member of the header.
    pub(super) fn head(&self, member: &str) -> Option<&str> {
        self.header.get(member)?.as_str()
    }

    /// Whether it was signed with the private half of this key.
    pub(super) fn is_signed_by(&self, jwk: &Value) -> bool {
        self.verified(jwk).is_some()
    }

    fn verified(&self, jwk: &Value) -> Option<()> {
        let message = self.signed.as_bytes();
        let bytes = |member: &str| URL_SAFE_NO_PAD.decode(jwk.get(member)?.as_str()?).ok();
        let rsa = match self.head("alg")? {
            "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
            "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
            "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
            "ES256" => return self.verified_ec(jwk, 32, &signature::ECDSA_P256_SHA256_FIXED),
            "ES384" => return self.verified_ec(jwk, 48, &signature::ECDSA_P384_SHA384_FIXED),
            "ES512" => return self.verified_ec(jwk, 66, &signature::ECDSA_P521_SHA512_FIXED),
            _ => return None,
        };
        let key = RsaPublicKeyComponents {
            n: bytes("n")?,
            e: bytes("e")?,
        };
        key.verify(rsa, message, &self.signature).ok()
    }

    fn verified_ec(
        &self,
        jwk: &Value,
        length: usize,
        algorithm: &'static dyn signature::VerificationAlgorithm,
    ) -> Option<()> {
        let mut point = vec![4];
        for member in ["x", "y"] {
            let number = URL_SAFE_NO_PAD.decode(jwk.get(member)?.as_str()?).ok()?;
            point.resize(point.len() + length.checked_sub(number.len())?, 0);
            point.extend(number);
        }
        let key = UnparsedPublicKey::new(algorithm, point);
        key.verify(self.signed.as_bytes(), &self.signature).ok()
    }
}

/// What a key is known by (RFC 7638).
pub(super) fn thumbprint(jwk: &Value) -> String {
    let members: &[&str] = match jwk.get("kty").and_then(Value::as_str) {
        Some("EC") => &["crv", "kty", "x", "y"],
        _ => &["e", "kty", "n"],
    };
    let pairs: Vec<_> = members
        .iter()
        .map(|member| format!("\"{member}\":{}", jwk.get(*member).unwrap_or(&Value::Null)))
        .collect();
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{{{}}}", pairs.join(","))))
}
