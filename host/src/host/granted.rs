//! Says when plugins may reach something else than in the run before: somebody decided that (trust rule 21).

use std::collections::{BTreeSet, HashMap};

use super::HostSource;
use crate::gate::Grant;
use crate::state::{State, StateError};
use crate::telemetry::acts::{self, Act, Actor};

/// What a source's plugin may reach, a line each, in an order that says nothing.
pub(super) fn told(grants: &[Grant]) -> String {
    let lines: BTreeSet<_> = grants.iter().map(Grant::told).collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// Compares what plugins may reach with what they could, says what changed, and remembers how it is now.
pub(super) fn note(state: &State, sources: &[HostSource]) -> Result<(), StateError> {
    let known: HashMap<_, _> = state.granted()?.into_iter().collect();
    let mut news = Vec::new();
    for source in sources {
        let before = known.get(&*source.name);
        if before == Some(&source.grants) {
            continue;
        }
        if let Some(before) = before {
            let what = changed(before, &source.grants);
            acts::record(Act::GrantsChanged, Actor::command(), &source.name, &what);
        }
        news.push((&*source.name, &*source.grants));
    }
    match news.is_empty() {
        true => Ok(()),
        false => state.remember_granted(&news),
    }
}

/// In one line.
fn changed(before: &str, now: &str) -> String {
    let (before, now): (BTreeSet<_>, BTreeSet<_>) =
        (before.lines().collect(), now.lines().collect());
    let list = |lines: Vec<&&str>| lines.into_iter().copied().collect::<Vec<_>>().join("; ");
    let (more, less) = (
        list(now.difference(&before).collect()),
        list(before.difference(&now).collect()),
    );
    let named = [("it may now", more), ("it may no longer", less)];
    let named = named.into_iter().filter(|(_, what)| !what.is_empty());
    let named: Vec<_> = named.map(|(how, what)| format!("{how}: {what}")).collect();
    format!(
        "what the plugin may reach has changed: {}",
        named.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_21_what_changed_of_grants_is_told_in_one_line() {
        let (a, b, c) = (
            "GET https://a.example /x",
            "GET https://a.example /y with token",
            "PUT https://b.example /*",
        );
        let said = changed(&format!("{a}\n{b}"), &format!("{b}\n{c}"));
        let expected = format!(
            "what the plugin may reach has changed: it may now: {c}; it may no longer: {a}"
        );
        assert_eq!(said, expected);
        assert!(changed(a, &format!("{a}\n{b}")).ends_with(&format!("it may now: {b}")));
    }
}
