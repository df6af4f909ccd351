//! What "exactly once" means, as an assertion, and how to wait for what a running program does.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::house::House;
use crate::org::Org;

/// How often each line is there.
pub(crate) fn counted<L: AsRef<[u8]>>(
    lines: impl IntoIterator<Item = L>,
) -> HashMap<Vec<u8>, usize> {
    lines.into_iter().fold(HashMap::new(), |mut counts, line| {
        *counts.entry(line.as_ref().to_vec()).or_default() += 1;
        counts
    })
}

/// The file holds the org's events: each as often as it was persisted, byte for byte, in the org's order, and nothing
/// else. Says what is wrong, so that a test of many orgs can say where.
pub(crate) fn delivered_once(house: &House, file: &str, org: &Org) -> Result<(), String> {
    let (lines, events) = (house.lines(file), org.persisted());
    let (mut got, want) = (counted(&lines), counted(&events));
    for (event, times) in &want {
        let found = got.remove(event).unwrap_or(0);
        if found != *times {
            let event = String::from_utf8_lossy(event);
            return Err(format!(
                "of {} lines {found} are this event, not {times}: {event}",
                lines.len()
            ));
        }
    }
    if let Some(line) = got.keys().next() {
        return Err(format!(
            "no event of the org: {}",
            String::from_utf8_lossy(line)
        ));
    }
    if lines == events {
        Ok(())
    } else {
        Err("the lines are not in the org's order".to_owned())
    }
}

/// Waits for something that the program is about to do.
pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "not within a minute: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
