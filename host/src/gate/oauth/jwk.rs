//! JSON Web Keys (RFC 7517): private ones read, public ones written.

use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{self, EcdsaKeyPair, RsaEncoding, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::zeroize::Zeroizing;
use serde_json::{Map, Value, json};

use super::key::{CURVES, KeyError, SigningKey};

type Members = Map<String, Value>;

/// Reads a private key, or a set that holds one alone.
pub(super) fn parse(text: &str) -> Result<SigningKey, KeyError> {
    let value: Value = serde_json::from_str(text).map_err(|_| KeyError::NotAKey)?;
    let Value::Object(mut members) = value else {
        return Err(KeyError::NotAKey);
    };
    if let Some(Value::Array(keys)) = members.get("keys") {
        members = match keys.as_slice() {
            [Value::Object(only)] => only.clone(),
            keys => return Err(KeyError::JwkSet(keys.len())),
        };
    }
    let word = |name: &str| members.get(name).and_then(Value::as_str);
    if word("use").is_some_and(|purpose| purpose != "sig") {
        return Err(KeyError::JwkUse);
    }
    let key_id = word("kid").map(str::to_owned);
    match word("kty") {
        None => Err(KeyError::NotAJwk),
        Some("RSA" | "EC") if !members.contains_key("d") => Err(KeyError::Public),
        Some("RSA") => rsa(&members, word("alg"), key_id),
        Some("EC") => ec(&members, word("crv"), word("alg"), key_id),
        Some(_) => Err(KeyError::KeyType),
    }
}

fn rsa(
    members: &Members,
    algorithm: Option<&str>,
    key_id: Option<String>,
) -> Result<SigningKey, KeyError> {
    let (name, encoding): (_, &'static dyn RsaEncoding) = match algorithm {
        None | Some("RS256") => ("RS256", &signature::RSA_PKCS1_SHA256),
        Some("RS384") => ("RS384", &signature::RSA_PKCS1_SHA384),
        Some("RS512") => ("RS512", &signature::RSA_PKCS1_SHA512),
        Some(_) => return Err(KeyError::JwkAlgorithm),
    };
    let [n, e, d, p] = ["n", "e", "d", "p"].map(|name| number(members, name));
    let [q, dp, dq, qi] = ["q", "dp", "dq", "qi"].map(|name| number(members, name));
    let n = n?;
    let bits = n.len() * 8;
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: &*n, e: &*e? },
        d: &*d?,
        p: &*p?,
        q: &*q?,
        dP: &*dp?,
        dQ: &*dq?,
        qInv: &*qi?,
    };
    match RsaKeyPair::from_components(&components) {
        Ok(pair) => SigningKey::rsa(pair, name, encoding, key_id),
        Err(_) if bits < 2048 => Err(KeyError::ShortRsa(bits)),
        Err(_) => Err(KeyError::Damaged),
    }
}

fn ec(
    members: &Members,
    curve: Option<&str>,
    algorithm: Option<&str>,
    key_id: Option<String>,
) -> Result<SigningKey, KeyError> {
    let named = CURVES.iter().find(|(name, ..)| Some(*name) == curve);
    let Some((_, _, name, signing)) = named else {
        return Err(KeyError::Curve);
    };
    if algorithm.is_some_and(|algorithm| algorithm != *name) {
        return Err(KeyError::JwkAlgorithm);
    }
    let [d, x, y] = ["d", "x", "y"].map(|name| number(members, name));
    let length = match *name {
        "ES256" => 32,
        "ES384" => 48,
        _ => 66,
    };
    let mut point = vec![4];
    point.extend_from_slice(&padded(&x?, length));
    point.extend_from_slice(&padded(&y?, length));
    EcdsaKeyPair::from_private_key_and_public_key(signing, &padded(&d?, length), &point)
        .map(|pair| SigningKey::ec(pair, name, key_id))
        .map_err(|_| KeyError::Damaged)
}

/// A big-endian number without leading zeros.
fn number(members: &Members, name: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let text = members.get(name).and_then(Value::as_str);
    let bytes = text.and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok());
    let bytes = Zeroizing::new(bytes.ok_or(KeyError::JwkMember(name))?);
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    match bytes.get(zeros..) {
        None | Some([]) => Err(KeyError::JwkMember(name)),
        Some(number) => Ok(Zeroizing::new(number.to_vec())),
    }
}

/// The number in at least so many bytes.
fn padded(number: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; length.saturating_sub(number.len())]);
    bytes.extend_from_slice(number);
    bytes
}

/// The public half of a key on P-256, as a proof carries it.
pub(super) fn public_p256(key: &SigningKey) -> Value {
    let (x, y) = key
        .public_key()
        .split_at_checked(33)
        .and_then(|(x, y)| Some((x.get(1..)?, y)))
        .unwrap_or_default();
    json!({
        "kty": "EC",
        "crv": "P-256",
        "x": URL_SAFE_NO_PAD.encode(x),
        "y": URL_SAFE_NO_PAD.encode(y),
    })
}
