//! `debugData`: the part of an event that says most, and promises least.

use super::catalogue::Scene;
use super::event::EventWriter;
use super::text::{Chance, put};

/// The level of a risk, and the text around it.
const RISKS: &[(&str, &str)] = &[
    ("LOW", "{level=LOW}"),
    ("LOW", "{level=LOW}"),
    ("LOW", "{level=LOW}"),
    ("MEDIUM", "{reasons=Anomalous Device, level=MEDIUM}"),
    (
        "HIGH",
        "{reasons=Anomalous Geo-Distance, Anomalous Device, level=HIGH}",
    ),
];
const BEHAVIORS: &str = r#","behaviors":"{New Geo-Location=NEGATIVE, New Device=NEGATIVE, New IP=POSITIVE, New State=NEGATIVE, New Country=NEGATIVE, Velocity=NEGATIVE, New City=NEGATIVE}""#;
const BEHAVIORS_AS_TEXT: &str = r#"\"},\"behaviors\":{\"New Geo-Location\":\"NEGATIVE\",\"New Device\":\"NEGATIVE\",\"New IP\":\"POSITIVE\",\"New State\":\"NEGATIVE\",\"New Country\":\"NEGATIVE\",\"Velocity\":\"NEGATIVE\",\"New City\":\"NEGATIVE\"}}""#;
const TOKEN: &str = r#","grantType":"authorization_code","requestedScopes":"openid profile email","grantedScopes":"openid, profile, email","responseTime":"38","clientAuthType":"client_secret_basic""#;
const THREAT: &str = r#","threatSuspected":"true","threatDetections":"{\"Password Spray\":\"LOW\",\"Brute Force\":\"HIGH\"}""#;
/// Who may have typed a password into the field for the user name.
const TYPED_PER_MILLE: u32 = 25;

impl EventWriter<'_> {
    /// The members of `debugData`. Nearly all values are strings, whatever they hold.
    pub(super) fn debug(&mut self, out: &mut Vec<u8>, request_id: &str) {
        let scene = self.kind.scene;
        let uri = uri(scene);
        let session = self.session;
        let fingerprint = &session.fingerprint;
        put(out, [r#""requestId":""#, request_id, r#"","requestUri":""#]);
        put(out, [uri, r#"","url":""#, uri, r#"?""#]);
        match scene {
            Scene::SignIn | Scene::Policy => self.debug_of_risk(out),
            Scene::Factor => {
                let factor = r#","factor":"OKTA_VERIFY_PUSH","factorIntent":"AUTHENTICATION","threatSuspected":"false","deviceFingerprint":""#;
                put(out, [factor, fingerprint, "\""]);
            }
            Scene::SignOn => {
                let request = self.rng.hex(32);
                put(out, [r#","authnRequestId":""#, &request]);
                let mode = r#"","initiationType":"IDP_INITIATED","signOnMode":"SAML 2.0","deviceFingerprint":""#;
                put(out, [mode, fingerprint, "\""]);
            }
            Scene::SignOut => put(out, [r#","dtHash":""#, &session.token_hash, "\""]),
            Scene::Token => put(out, [TOKEN]),
            Scene::Threat => put(out, [THREAT]),
            Scene::Change | Scene::Device | Scene::Job => {}
        }
    }

    fn debug_of_risk(&mut self, out: &mut Vec<u8>) {
        let session = self.session;
        let (level, text) = self.rng.pick(RISKS);
        if self.kind.scene == Scene::SignIn {
            put(out, [r#","dtHash":""#, &session.token_hash, "\""]);
        }
        put(out, [r#","deviceFingerprint":""#, &session.fingerprint]);
        put(out, [r#"","threatSuspected":"false","risk":""#, text, "\""]);
        if self.rng.per_mille(250) {
            put(out, [BEHAVIORS]);
        }
        if self.rng.per_mille(80) {
            let begin = r#","logOnlySecurityData":"{\"risk\":{\"level\":\""#;
            put(out, [begin, level, BEHAVIORS_AS_TEXT]);
        }
        if self.rng.per_mille(TYPED_PER_MILLE) {
            let typed = self.rng.base62(600);
            put(
                out,
                [
                    r#","identifier":""#,
                    &session.login,
                    r#"","userNameTyped":""#,
                    &typed,
                    "\"",
                ],
            );
        }
    }
}

/// What the request was sent to.
fn uri(scene: Scene) -> &'static str {
    match scene {
        Scene::SignIn => "/idp/idx/identify",
        Scene::SignOut => "/login/signout",
        Scene::Factor => "/idp/idx/challenge/answer",
        Scene::Policy => "/idp/idx/authenticators/poll",
        Scene::SignOn => "/app/sso/saml",
        Scene::Token => "/oauth2/v1/token",
        Scene::Job => "/api/internal/jobs",
        Scene::Change | Scene::Device | Scene::Threat => "/api/v1/users",
    }
}
