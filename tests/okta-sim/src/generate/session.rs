//! A person's signed-in session: what all its events have in common, written once.

use rand::rngs::StdRng;

use super::company::Person;
use super::text::Chance;

/// The parts of an event that stay the same while somebody is signed in.
pub(super) struct Session {
    /// What is before and behind the value of `client.id`, which only an app has.
    pub(super) client: (String, String),
    pub(super) device: String,
    pub(super) id: String,
    pub(super) fingerprint: String,
    pub(super) token_hash: String,
    pub(super) security: String,
    pub(super) request: String,
    pub(super) actor: String,
    pub(super) actor_id: String,
    pub(super) login: String,
}

impl Session {
    pub(super) fn begin(rng: &mut StdRng, person: &Person) -> Self {
        Self {
            client: person.client(),
            // Okta recognises an enrolled device only through its own app on it.
            device: match rng.per_mille(200) {
                true => person.device.clone(),
                false => "null".to_owned(),
            },
            id: format!("102{}", rng.base62(22)),
            fingerprint: rng.hex(32),
            token_hash: rng.hex(64),
            security: person.security(),
            request: person.request(rng.per_mille(150), rng.per_mille(50)),
            actor: person.actor.json.clone(),
            actor_id: person.actor.id.clone(),
            login: person.login.clone(),
        }
    }
}
