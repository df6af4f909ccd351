//! `target`: whom or what an event is about.

use super::catalogue::Scene;
use super::company::Thing;
use super::event::EventWriter;
use super::text::{Chance, put};
use crate::clock::iso;

const TOKEN_LIFETIME_MS: i64 = 3_600_000;

impl EventWriter<'_> {
    /// A list, an empty one, or nothing.
    pub(super) fn targets(&mut self, out: &mut Vec<u8>) {
        let company = self.company;
        let person = &self.session.actor;
        match self.kind.scene {
            Scene::SignOut => put(out, ["null"]),
            Scene::Threat => put(out, ["[]"]),
            Scene::SignIn | Scene::Factor => {
                put(out, ["[", self.json(&company.factors)]);
                if self.rng.per_mille(300) {
                    put(out, [",", self.json(&company.apps)]);
                }
                put(out, ["]"]);
            }
            Scene::Policy => self.policy(out),
            Scene::SignOn => self.app(out),
            Scene::Token => self.token(out),
            Scene::Change => self.changed(out),
            Scene::Device => put(out, ["[", person, "]"]),
            Scene::Job => put(out, ["[", self.json(&company.apps), ",", person, "]"]),
        }
    }

    fn policy(&mut self, out: &mut Vec<u8>) {
        let rule = self.rng.id("rul");
        put(
            out,
            ["[", self.json(&self.company.policies), r#",{"id":""#, &rule],
        );
        put(
            out,
            [
                r#"","type":"PolicyRule","alternateId":"00p1","displayName":"Catch-all Rule","detailEntry":null}]"#,
            ],
        );
    }

    fn app(&mut self, out: &mut Vec<u8>) {
        let login = &self.session.login;
        put(out, ["[", self.json(&self.company.apps)]);
        if self.rng.per_mille(400) {
            let id = self.rng.id("0ua");
            put(
                out,
                [
                    r#",{"id":""#,
                    &id,
                    r#"","type":"AppUser","alternateId":""#,
                    login,
                ],
            );
            put(
                out,
                [r#"","displayName":""#, login, r#"","detailEntry":null}"#],
            );
        }
        put(out, ["]"]);
    }

    fn token(&mut self, out: &mut Vec<u8>) {
        let (id, hash) = (self.rng.id("AT."), self.rng.base62(22));
        let expires = iso(self.published + TOKEN_LIFETIME_MS);
        put(out, [r#"[{"id":""#, &id]);
        put(
            out,
            [
                r#"","type":"access_token","alternateId":null,"displayName":"Access Token","detailEntry":{"expires":""#,
            ],
        );
        put(out, [&expires, r#"","subject":""#, &self.session.actor_id]);
        put(out, [r#"","hash":""#, &hash, r#""}}]"#]);
    }

    /// Who or what an administrator changed, and in one of four cases how.
    fn changed(&mut self, out: &mut Vec<u8>) {
        let company = self.company;
        let person = self.rng.pick(&company.people);
        let group = self.json(&company.groups);
        if self.rng.per_mille(750) {
            put(out, ["[", &person.actor.json, ",", group, "]"]);
            return;
        }
        let (login, manager) = (&person.login, &self.session.login);
        let open = person.actor.json.strip_suffix('}').unwrap_or_default();
        put(
            out,
            [
                "[",
                open,
                r#","changeDetails":{"from":{"department":"Logistics","manager":null,"login":""#,
                login,
            ],
        );
        put(
            out,
            [
                r#""},"to":{"department":"Entrepôt","manager":""#,
                manager,
                r#"","login":""#,
                login,
            ],
        );
        put(out, [r#""}}},"#, group, "]"]);
    }

    fn json<'a>(&mut self, things: &'a [Thing]) -> &'a str {
        &self.rng.pick(things).json
    }
}
