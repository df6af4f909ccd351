//! One event, part by part, in the order in which Okta's own examples have them.

use rand::Rng;
use rand::rngs::StdRng;

use super::catalogue::{Kind, Scene};
use super::company::Company;
use super::session::Session;
use super::text::{Chance, put};
use crate::clock::iso;

/// Everything an event is made of.
pub(super) struct EventWriter<'a> {
    pub(super) rng: &'a mut StdRng,
    pub(super) company: &'a Company,
    pub(super) kind: &'a Kind,
    pub(super) session: &'a Session,
    pub(super) number: u64,
    pub(super) published: i64,
}

/// What became of it.
struct Outcome {
    result: &'static str,
    /// As JSON.
    reason: &'static str,
    severity: &'static str,
}

const SUCCESS: Outcome = outcome("SUCCESS", "null", "INFO");
const WRONG: Outcome = outcome("FAILURE", r#""INVALID_CREDENTIALS""#, "INFO");
const ALLOWED: Outcome = outcome(
    "ALLOW",
    r#""Sign-on policy evaluation resulted in ALLOW""#,
    "INFO",
);
const CHALLENGED: Outcome = outcome(
    "CHALLENGE",
    r#""Sign-on policy evaluation resulted in CHALLENGE""#,
    "INFO",
);
const DENIED: Outcome = outcome(
    "DENY",
    r#""Sign-on policy evaluation resulted in DENY""#,
    "WARN",
);

const NO_CLIENT: &str = r#","client":{"userAgent":null,"zone":null,"device":null,"id":null,"ipAddress":null,"geographicalContext":null},"device":null"#;
const NO_REQUEST: &str = r#"{"ipChain":[]}"#;
const NO_SECURITY: &str =
    r#"{"asNumber":null,"asOrg":null,"isp":null,"domain":null,"isProxy":null}"#;

const fn outcome(result: &'static str, reason: &'static str, severity: &'static str) -> Outcome {
    Outcome {
        result,
        reason,
        severity,
    }
}

impl EventWriter<'_> {
    /// Appends the event; returns its uuid as a number.
    pub(super) fn write(mut self, out: &mut Vec<u8>) -> u128 {
        let by_itself = self.kind.scene == Scene::Job;
        let outcome = self.outcome();
        self.who(out, by_itself);
        self.authentication(out, by_itself, &outcome);
        self.what(out, by_itself, &outcome);
        let request_id = self.rng.hex(32);
        put(out, [r#","debugContext":{"debugData":{"#]);
        self.debug(out, &request_id);
        put(out, [r#"}},"legacyEventType":"#, &self.kind.legacy]);
        self.transaction(out, by_itself, &request_id);
        let uuid = self.uuid();
        put(out, [r#","uuid":""#, &hyphenated(uuid)]);
        let request = if by_itself {
            NO_REQUEST
        } else {
            &self.session.request
        };
        put(out, [r#"","version":"0","request":"#, request]);
        put(out, [r#","target":"#]);
        self.targets(out);
        put(out, ["}"]);
        uuid
    }

    /// From `displayMessage` to `severity`.
    fn what(&self, out: &mut Vec<u8>, by_itself: bool, outcome: &Outcome) {
        let Self { kind, session, .. } = self;
        put(out, [r#","displayMessage":"#, &kind.message]);
        put(out, [r#","eventType":""#, kind.name]);
        put(out, [r#"","outcome":{"result":""#, outcome.result]);
        put(out, [r#"","reason":"#, outcome.reason]);
        put(out, [r#"},"published":""#, &iso(self.published)]);
        let security = if by_itself {
            NO_SECURITY
        } else {
            &session.security
        };
        put(out, [r#"","securityContext":"#, security]);
        put(out, [r#","severity":""#, outcome.severity, "\""]);
    }

    fn outcome(&mut self) -> Outcome {
        let chance = self.rng.next_u32() % 1000;
        match (self.kind.scene, chance) {
            (Scene::SignIn | Scene::Factor, 0..50) => WRONG,
            (Scene::SignIn, 50..54) => outcome("FAILURE", r#""LOCKED_OUT""#, "WARN"),
            (Scene::Policy, 0..550) => ALLOWED,
            (Scene::Policy, 550..985) => CHALLENGED,
            (Scene::Policy, _) => DENIED,
            (Scene::Threat, 0..800) => outcome("DENY", r#""Password Spray, Brute Force""#, "WARN"),
            (Scene::Job, 0..15) => outcome("FAILURE", r#""The agent timed out""#, "ERROR"),
            (Scene::Device, 0..20) => outcome("SKIPPED", "null", "DEBUG"),
            _ => SUCCESS,
        }
    }

    /// `actor`, `client`, `device`.
    fn who(&mut self, out: &mut Vec<u8>, by_itself: bool) {
        let session = self.session;
        let (before_id, after_id) = &session.client;
        if by_itself {
            put(out, [r#"{"actor":"#, &self.company.system.json, NO_CLIENT]);
        } else if self.kind.scene == Scene::Token {
            let app = self.rng.pick(&self.company.clients);
            put(out, [r#"{"actor":"#, &app.json, r#","client":"#, before_id]);
            put(out, ["\"", &app.id, "\"", after_id, r#","device":null"#]);
        } else {
            put(out, [r#"{"actor":"#, &session.actor, r#","client":"#]);
            put(out, [before_id, "null", after_id]);
            let known = matches!(self.kind.scene, Scene::Device | Scene::SignOn);
            let device = if known { &session.device } else { "null" };
            put(out, [r#","device":"#, device]);
        }
    }

    fn authentication(&mut self, out: &mut Vec<u8>, by_itself: bool, outcome: &Outcome) {
        let (provider, kind) = match self.kind.scene {
            Scene::Factor => (r#""FACTOR_PROVIDER""#, r#""OTP""#),
            Scene::SignIn => (r#""OKTA_AUTHENTICATION_PROVIDER""#, r#""PASSWORD""#),
            _ => ("null", "null"),
        };
        let session = &self.session.id;
        put(
            out,
            [r#","authenticationContext":{"authenticationProvider":"#],
        );
        put(
            out,
            [provider, r#","credentialProvider":null,"credentialType":"#],
        );
        put(
            out,
            [
                kind,
                r#","issuer":null,"interface":null,"authenticationStep":0"#,
            ],
        );
        // Without a session there is nothing to correlate by: jobs, and those who were not let in.
        if by_itself || outcome.result == "FAILURE" {
            put(out, [r#","rootSessionId":null,"externalSessionId":null}"#]);
        } else {
            put(out, [r#","rootSessionId":""#, session]);
            put(out, [r#"","externalSessionId":""#, session, r#""}"#]);
        }
    }

    fn transaction(&mut self, out: &mut Vec<u8>, by_itself: bool, request_id: &str) {
        let kind = if by_itself { "JOB" } else { "WEB" };
        put(out, [r#","transaction":{"type":""#, kind]);
        put(out, [r#"","id":""#, request_id, r#"","detail":{"#]);
        if self.kind.scene == Scene::Change && self.rng.per_mille(300) {
            let token = self.rng.id("00T");
            put(out, [r#""requestApiTokenId":""#, &token, "\""]);
        }
        put(out, ["}}"]);
    }

    /// A time-based uuid (RFC 9562, version 1) whose node counts the events: unique without asking.
    fn uuid(&mut self) -> u128 {
        const TICKS_PER_MS: u128 = 10_000;
        /// From 1582-10-15, where version 1 begins, to 1970.
        const BEFORE_1970_MS: i64 = 12_219_292_800_000;
        let ms = u128::try_from(self.published.saturating_add(BEFORE_1970_MS)).unwrap_or_default();
        let ticks = ms * TICKS_PER_MS + u128::from(self.rng.next_u32()) % TICKS_PER_MS;
        let low = ticks & 0xffff_ffff;
        let mid = (ticks >> 32) & 0xffff;
        let high = ((ticks >> 48) & 0x0fff) | 0x1000;
        let sequence = u128::from(self.rng.next_u32() & 0x3fff) | 0x8000;
        // An odd factor makes the count a permutation of the node's 48 bits.
        let node = u128::from(self.number.wrapping_mul(0x9e37_79b9_7f4b) & 0xffff_ffff_ffff);
        (low << 96) | (mid << 80) | (high << 64) | (sequence << 48) | node
    }
}

fn hyphenated(uuid: u128) -> String {
    let (low, mid, high) = (uuid >> 96, (uuid >> 80) & 0xffff, (uuid >> 64) & 0xffff);
    let (sequence, node) = ((uuid >> 48) & 0xffff, uuid & 0xffff_ffff_ffff);
    format!("{low:08x}-{mid:04x}-{high:04x}-{sequence:04x}-{node:012x}")
}
