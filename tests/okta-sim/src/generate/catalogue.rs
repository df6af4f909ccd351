//! The kinds of events and how often each occurs.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::text::quoted;

/// Type, tab, description; `data/README.md` says where it comes from.
const TYPES: &str = include_str!("../../data/event-types.tsv");

/// What takes place, as far as an event's shape depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    /// A person signs in; a session begins if it succeeds.
    SignIn,
    SignOut,
    /// A second factor.
    Factor,
    /// Okta weighs a request against a policy.
    Policy,
    /// A person opens an app.
    SignOn,
    /// An app fetches a token.
    Token,
    /// An administrator changes something.
    Change,
    Device,
    /// Okta or an agent works by itself.
    Job,
    Threat,
}

/// One type of event.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// As JSON, `null` without a description.
    pub(super) message: String,
    /// As JSON.
    pub(super) legacy: String,
    pub(super) scene: Scene,
}

/// Type, how many of 1,000 frequent events, scene, the name in the former Events API.
#[rustfmt::skip]
const FREQUENT: &[(&str, u16, Scene, Option<&str>)] = &[
    ("user.session.start", 150, Scene::SignIn, Some("core.user_auth.login_success")),
    ("policy.evaluate_sign_on", 190, Scene::Policy, None),
    ("user.authentication.sso", 165, Scene::SignOn, Some("app.auth.sso")),
    ("user.authentication.auth_via_mfa", 110, Scene::Factor, Some("core.user.factor.attempt_success")),
    ("user.authentication.verify", 60, Scene::Factor, None),
    ("app.oauth2.token.grant.access_token", 45, Scene::Token, None),
    ("app.oauth2.as.token.grant.access_token", 40, Scene::Token, None),
    ("app.oauth2.as.token.grant.id_token", 25, Scene::Token, None),
    ("app.oauth2.as.authorize.code", 25, Scene::Token, None),
    ("system.push.send_factor_verify_push", 30, Scene::Factor, None),
    ("user.session.end", 25, Scene::SignOut, Some("core.user_auth.logout_success")),
    ("user.session.access_admin_app", 8, Scene::SignOn, Some("app.admin.sso.login.success")),
    ("user.authentication.auth_via_AD_agent", 20, Scene::Factor, None),
    ("user.account.update_profile", 18, Scene::Change, Some("core.user.config.profile_update.success")),
    ("group.user_membership.add", 16, Scene::Change, Some("core.user_group_member.user_add")),
    ("group.user_membership.remove", 10, Scene::Change, Some("core.user_group_member.user_remove")),
    ("application.user_membership.add", 14, Scene::Change, Some("app.generic.provision.assign_user_to_app")),
    ("application.user_membership.remove", 8, Scene::Change, Some("app.generic.provision.deactivate_user_from_app")),
    ("system.agent.ad.import_user", 12, Scene::Job, None),
    ("system.import.user.update", 9, Scene::Job, None),
    ("device.user.add", 5, Scene::Device, None),
    ("user.mfa.factor.activate", 4, Scene::Factor, Some("core.user.factor.activate")),
    ("user.account.lock", 3, Scene::SignIn, Some("core.user_auth.account_locked")),
    ("user.lifecycle.create", 3, Scene::Change, Some("core.user.config.user_creation.success")),
    ("security.threat.detected", 3, Scene::Threat, None),
    ("system.org.rate_limit.warning", 2, Scene::Job, None),
];

/// How much of the log is events of all other types, in turn: so all types occur in a log of 20,000 events, and in a
/// smaller one of at least 2,400, where their share grows.
const RARE_SHARE: f64 = 0.06;

/// All kinds of events, drawn by weight.
pub(super) struct Catalogue {
    frequent: Vec<Kind>,
    /// The sums of the weights up to each frequent kind.
    sums: Vec<u16>,
    rare: Vec<Kind>,
    rare_share: f64,
    /// Grows by the share with each event; at 1 a rare one is due. Chance would leave types out.
    due: f64,
    next_rare: usize,
}

impl Catalogue {
    /// For a log of about so many events.
    pub(super) fn new(rng: &mut StdRng, events: usize) -> Self {
        let is_rare = |name: &str| !FREQUENT.iter().any(|row| row.0 == name);
        let mut rare: Vec<_> = lines()
            .filter(|(name, _)| is_rare(name))
            .map(|(name, text)| Kind::new(name, text, scene(name), None))
            .collect();
        rare.shuffle(rng);
        let frequent = FREQUENT
            .iter()
            .map(|(name, _, scene, legacy)| {
                let text = lines()
                    .find(|line| line.0 == *name)
                    .map_or("", |line| line.1);
                Kind::new(name, text, *scene, *legacy)
            })
            .collect();
        let mut sum = 0;
        let sums = FREQUENT.iter().map(|row| {
            sum += row.1;
            sum
        });
        let once_each = rare.len() as f64 * 1.02 / events.max(1) as f64;
        Self {
            frequent,
            sums: sums.collect(),
            rare,
            rare_share: once_each.clamp(RARE_SHARE, 0.5),
            due: 0.0,
            next_rare: 0,
        }
    }

    /// The kind of the next event.
    #[expect(
        clippy::indexing_slicing,
        reason = "both tables are constant and not empty; indexes are reduced"
    )]
    pub(super) fn draw(&mut self, rng: &mut StdRng) -> &Kind {
        self.due += self.rare_share;
        if self.due >= 1.0 {
            self.due -= 1.0;
            let index = self.next_rare % self.rare.len();
            self.next_rare = index + 1;
            return &self.rare[index];
        }
        let total = self.sums.last().copied().unwrap_or(1);
        let drawn = rng.next_u32() % u32::from(total);
        let index = self.sums.partition_point(|sum| u32::from(*sum) <= drawn);
        &self.frequent[index]
    }
}

impl Kind {
    fn new(name: &'static str, text: &str, scene: Scene, legacy: Option<&str>) -> Self {
        let null = || "null".to_owned();
        Self {
            name,
            message: if text.is_empty() {
                null()
            } else {
                quoted(text)
            },
            legacy: legacy.map_or_else(null, quoted),
            scene,
        }
    }
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    TYPES.lines().filter_map(|line| line.split_once('\t'))
}

/// The scene of a rare type, by its name.
fn scene(name: &str) -> Scene {
    const SCENES: &[(&str, Scene)] = &[
        ("user.session.end", Scene::SignOut),
        ("user.authentication.", Scene::Factor),
        ("user.mfa.", Scene::Factor),
        ("app.oauth2.", Scene::Token),
        ("oauth2.", Scene::Token),
        ("device.", Scene::Device),
        ("mim.", Scene::Device),
        ("policy.auth_reevaluate", Scene::Policy),
        ("policy.entity_risk", Scene::Policy),
        ("security.", Scene::Threat),
        ("system.", Scene::Job),
        ("app.", Scene::Job),
        ("core.", Scene::Job),
        ("directory.", Scene::Job),
        ("scheduled_action.", Scene::Job),
        ("pam.", Scene::SignOn),
    ];
    let found = SCENES.iter().find(|(prefix, _)| name.starts_with(prefix));
    found.map_or(Scene::Change, |row| row.1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rand::SeedableRng;

    use super::*;

    fn drawn(events: usize) -> HashMap<&'static str, usize> {
        let mut rng = StdRng::seed_from_u64(1);
        let mut catalogue = Catalogue::new(&mut rng, events);
        let mut counts = HashMap::new();
        for _ in 0..events {
            *counts.entry(catalogue.draw(&mut rng).name).or_default() += 1;
        }
        counts
    }

    #[test]
    fn every_type_occurs_and_signing_in_dominates() {
        let counts = drawn(25_000);
        assert_eq!(counts.len(), 1178);
        let sessions = counts["user.session.start"] + counts["policy.evaluate_sign_on"];
        assert!(sessions > 5000);
        assert!(counts["group.user_membership.add"] < counts["user.session.start"]);
    }

    #[test]
    fn every_type_occurs_in_a_small_log() {
        assert_eq!(drawn(2600).len(), 1178);
    }

    #[test]
    fn frequent_types_are_public_types() {
        for row in FREQUENT {
            assert!(lines().any(|line| line.0 == row.0), "{}", row.0);
        }
    }
}
