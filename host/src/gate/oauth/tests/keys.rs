//! Keys of all sorts, made for the occasion.

use aws_lc_rs::encoding::{AsBigEndian, AsDer};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::super::{KeyError, SigningKey};

const CURVES: [(&str, &str, usize, &EcdsaSigningAlgorithm); 3] = [
    ("P-256", "ES256", 32, &ECDSA_P256_SHA256_FIXED_SIGNING),
    ("P-384", "ES384", 48, &ECDSA_P384_SHA384_FIXED_SIGNING),
    ("P-521", "ES512", 66, &ECDSA_P521_SHA512_FIXED_SIGNING),
];

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

pub(super) fn rsa_pkcs8() -> Vec<u8> {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    der.as_ref().to_vec()
}

/// What PKCS#8 wraps: behind two lengths, a version and the type.
fn pkcs1_of(pkcs8: &[u8]) -> &[u8] {
    &pkcs8[26..]
}

/// The numbers of an RSA key: version, n, e, d, p, q, dp, dq, qi.
fn integers(pkcs1: &[u8]) -> Vec<Vec<u8>> {
    let length = |at: &mut usize| {
        let first = pkcs1[*at];
        *at += 1;
        if first < 0x80 {
            return usize::from(first);
        }
        let bytes = usize::from(first & 0x7f);
        let long = pkcs1[*at..*at + bytes].iter();
        *at += bytes;
        long.fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let mut at = 1;
    length(&mut at);
    let mut numbers = Vec::new();
    while at < pkcs1.len() {
        at += 1;
        let long = length(&mut at);
        numbers.push(pkcs1[at..at + long].to_vec());
        at += long;
    }
    numbers
}

pub(super) fn rsa_jwk(pkcs8: &[u8]) -> Value {
    let numbers = integers(pkcs1_of(pkcs8));
    let mut jwk = json!({"kty": "RSA", "kid": "one", "use": "sig"});
    for (name, number) in ["n", "e", "d", "p", "q", "dp", "dq", "qi"]
        .iter()
        .zip(&numbers[1..])
    {
        jwk[name] = URL_SAFE_NO_PAD.encode(number).into();
    }
    jwk
}

fn ec_jwk(curve: &str, length: usize, pair: &EcdsaKeyPair) -> Value {
    let point = pair.public_key().as_ref();
    let d: aws_lc_rs::encoding::EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
    json!({
        "kty": "EC", "crv": curve,
        "x": URL_SAFE_NO_PAD.encode(&point[1..=length]),
        "y": URL_SAFE_NO_PAD.encode(&point[1 + length..]),
        "d": URL_SAFE_NO_PAD.encode(d.as_ref()),
    })
}

fn error(text: &str) -> KeyError {
    SigningKey::parse(text, None).unwrap_err()
}

#[test]
fn keys_are_read_in_all_their_forms() {
    let pkcs8 = rsa_pkcs8();
    let forms = [
        pem("PRIVATE KEY", &pkcs8),
        pem("RSA PRIVATE KEY", pkcs1_of(&pkcs8)),
        rsa_jwk(&pkcs8).to_string(),
        json!({"keys": [rsa_jwk(&pkcs8)]}).to_string(),
    ];
    let keys = forms.map(|text| SigningKey::parse(&text, None).unwrap());
    for key in &keys {
        assert_eq!(key.algorithm(), "RS256");
        assert_eq!(key.sign(b"x"), keys[0].sign(b"x"), "it is one key");
    }
    assert_eq!((keys[0].key_id(), keys[2].key_id()), (None, Some("one")));

    for (curve, algorithm, length, signing) in CURVES {
        let pair = EcdsaKeyPair::generate(signing).unwrap();
        let sec1: aws_lc_rs::encoding::EcPrivateKeyRfc5915Der<'_> =
            pair.private_key().as_der().unwrap();
        let parameters = pem("EC PARAMETERS", b"\x06\x00");
        let forms = [
            pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()),
            parameters + &pem("EC PRIVATE KEY", sec1.as_ref()),
            ec_jwk(curve, length, &pair).to_string(),
        ];
        for text in forms {
            let key = SigningKey::parse(&text, Some("two")).unwrap();
            assert_eq!((key.algorithm(), key.key_id()), (algorithm, Some("two")));
            assert_eq!(key.public_key(), pair.public_key().as_ref());
            assert_eq!(key.sign(b"x").unwrap().len(), 2 * length);
        }
    }
}

#[test]
fn a_web_key_says_how_it_signs() {
    let pkcs8 = rsa_pkcs8();
    let with = |name: &str, value: &str| {
        let mut jwk = rsa_jwk(&pkcs8);
        jwk[name] = value.into();
        SigningKey::parse(&jwk.to_string(), None)
    };
    assert_eq!(with("alg", "RS512").unwrap().algorithm(), "RS512");
    assert_eq!(with("alg", "PS256").unwrap_err(), KeyError::JwkAlgorithm);
    assert_eq!(with("use", "enc").unwrap_err(), KeyError::JwkUse);
    assert_eq!(with("n", "!").unwrap_err(), KeyError::JwkMember("n"));
    assert_eq!(with("d", "AQAB").unwrap_err(), KeyError::Damaged);
}

/// Too short for anything, which is why it may stand here.
const SHORT: &str = "\
-----BEGIN RSA PRIVATE KEY-----
MIICXAIBAAKBgQCYcu56wG8NhdbLwu6DN/GF4zKBuW0lNRlopimFIISUcXWe509E
AtjssXfyChUNXzRkvLop3ZzhHsP8tWsR3jJXHVCcEF7KTIUEWx2NzLfVErK7wXa4
kVshqHhB15mVREChVlhNEKqiUcE0/GYcxjyCEEKbIjvf/u6CYLTnzTWCAwIDAQAB
AoGAbcyJmvuygIjfFc8GPpgyan4iyHAm/l9qN4dF7E5pbwjw8EwlORTb7E4916QP
WZwyfkO3yaOF9FZWTlLUFQB2PE+bKRWgtw9BGOHsnYC8TDPsP00qK23xg8HECQYn
MDCEbr1GW4l/dKw+gIWPgTXs+3HC/GfNsh/ZNLCPLgIgT7ECQQDGrSUIpn5AgR7C
Y3IfaexFNOlMqmGjqdfiznxWxHAoMs5aKUZ4JkhzcGhvAUEeAR5D08hKvgVJHhUW
UbCRj1JlAkEAxG9JgwpfYF8ZAX1xp19CbiTZL0AHycXjZCZYUPw/HIckGbxeXA+w
zwljm3ZfK1PoT/NO1Fs1nEt463ofHPCIRwJAVafKgqs9XVQNzeMQDckeC0xflSUU
CXqtT+SUKNhyPnKBEtAeyKhArjx1Wf5hc60pvjZtcQPxxW9JyiCYDnmLHQJBAKTN
2ZcfdLWeE5S0ck5CFbHjKHQD/ITEierUYPRRLYH5v8f3yhLi9yw8bF1aCq6HTzkE
oPZ5L5lZmLG3W7Mj+rECQBnmUsWwnG2mQyEV4h75yMRhSBRZCz3XxJK80F5MtCNq
sw6Unv1AmtaQetiRlqd/dJ0hKOs1qkNGuC0Te+vdBoY=
-----END RSA PRIVATE KEY-----
";

#[test]
fn each_wrong_key_is_told_with_what_to_do() {
    assert_eq!(error(SHORT), KeyError::ShortRsa(1024));
    let pkcs8 = rsa_pkcs8();
    let public = rsa_jwk(&pkcs8);
    let public = json!({"kty": "RSA", "n": public["n"], "e": public["e"]});
    assert_eq!(error(&public.to_string()), KeyError::Public);
    for label in ["PUBLIC KEY", "RSA PUBLIC KEY"] {
        assert_eq!(error(&pem(label, b"x")), KeyError::Public);
    }
    assert_eq!(error("ssh-rsa AAAA me@here"), KeyError::Public);
    assert_eq!(error(&pem("OPENSSH PRIVATE KEY", b"x")), KeyError::OpenSsh);
    assert_eq!(error(&pem("CERTIFICATE", b"x")), KeyError::Certificate);
    assert_eq!(
        error(&pem("ENCRYPTED PRIVATE KEY", b"x")),
        KeyError::Encrypted
    );
    let old = SHORT.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n\n");
    assert_eq!(error(&old), KeyError::Encrypted);
    let ed25519 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    assert_eq!(
        error(&pem("PRIVATE KEY", ed25519.as_ref())),
        KeyError::KeyType
    );
    let koblitz = EcdsaKeyPair::generate(&ECDSA_P256K1_SHA256_ASN1_SIGNING).unwrap();
    let koblitz = koblitz.to_pkcs8v1().unwrap();
    assert_eq!(
        error(&pem("PRIVATE KEY", koblitz.as_ref())),
        KeyError::Curve
    );
    assert_eq!(
        error(&pem("PRIVATE KEY", &pkcs8[..pkcs8.len() / 2])),
        KeyError::Damaged
    );
    assert_eq!(
        error("-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----"),
        KeyError::Damaged
    );
    for nothing in ["", "00t0ken", "{", "[]", "-----BEGIN"] {
        assert_eq!(error(nothing), KeyError::NotAKey, "{nothing:?}");
    }
    assert_eq!(error("{}"), KeyError::NotAJwk);
    assert_eq!(error(r#"{"keys":[{},{}]}"#), KeyError::JwkSet(2));
    assert_eq!(
        error(r#"{"kty":"EC","crv":"P-192","d":"AA"}"#),
        KeyError::Curve
    );
    assert_eq!(error(r#"{"kty":"OKP","crv":"Ed25519"}"#), KeyError::KeyType);
    let other = SigningKey::parse(&rsa_jwk(&pkcs8).to_string(), Some("two")).unwrap_err();
    assert!(other.to_string().contains(r#""one""#), "{other}");
}

#[test]
fn trap_30_a_key_is_in_no_debug_text_and_in_no_error() {
    let pkcs8 = rsa_pkcs8();
    let jwk = rsa_jwk(&pkcs8);
    let key = SigningKey::parse(&jwk.to_string(), None).unwrap();
    let shown = format!("{key:?}");
    assert!(!shown.contains(jwk["d"].as_str().unwrap()));
    assert_eq!(
        shown,
        r#"SigningKey { algorithm: "RS256", key_id: Some("one"), .. }"#
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in r#"(-----BEGIN (RSA |EC )?PRIVATE KEY-----)?\{?[ -~\n]{0,80}"#) {
        drop(SigningKey::parse(&text, None));
    }
}
