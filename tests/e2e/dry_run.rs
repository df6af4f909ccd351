//! What only looks works beside a running host, and changes nothing.

use logweir::state::{State, StoredSource};

use crate::audit::take_out;
use crate::cli::said;
use crate::house::House;
use crate::org::Org;
use crate::proof::{counted, wait_until};

/// What is stored of the source, but when that was.
fn stored(house: &House) -> StoredSource {
    let state = State::open_existing(&house.path(".logweir")).unwrap();
    let stored = state.unwrap().source("acme").unwrap().unwrap();
    StoredSource {
        updated: 0,
        ..stored
    }
}

#[test]
fn what_only_looks_works_beside_a_running_host_and_changes_nothing() {
    let org = Org::with_events(500);
    let house = House::new();
    let recent = "      backfill: 30d\n";
    house.configure(&[("acme", &org.url)], &[("archive", "out.ndjson")], recent);
    house.run_ok(&["run", "--once"]);
    let lines = house.lines("out.ndjson");
    let missing = take_out(&house, &lines);
    assert!(!missing.is_empty());

    let mut running = house.start(&["run"]);
    let control = house.path(".logweir/control.sock");
    wait_until("it listens", || control.exists());
    org.persist_now(2);
    let settled = lines.len() as u64 + 2;
    wait_until("it reads", || stored(&house).settled == settled);
    let before = stored(&house);
    let rewind = ["state", "rewind", "acme", "--to", "20d", "--dry-run"];
    let rewound = said(&house, &rewind);
    assert!(rewound.contains("The next run reads from 2"), "{rewound}");
    assert_eq!(stored(&house).rewind_to, None);
    let forget = ["state", "forget", "acme", "--dry-run"];
    let forgotten = said(&house, &forget);
    assert!(
        forgotten.contains("reads from the beginning again"),
        "{forgotten}"
    );
    for said in [rewound, forgotten] {
        assert!(said.ends_with("nothing was changed\nexit code 0"), "{said}");
    }
    let backfill = ["backfill", "acme", "--since", "50d", "--dry-run"];
    let backfilled = said(&house, &backfill);
    assert!(
        backfilled.ends_with("nothing was read\nexit code 0"),
        "{backfilled}"
    );
    let audited = said(&house, &["audit", "acme", "--since", "30d"]);
    assert!(
        audited.contains(&format!("\n  missing    {}\n", missing.len())),
        "{audited}"
    );
    assert!(audited.ends_with("exit code 1"), "{audited}");
    // What would have been changed would be by now, or by the next run at the latest.
    org.persist_now(1);
    wait_until("it goes on", || stored(&house).settled == settled + 1);
    let after = stored(&house);
    assert_eq!(
        (after.rewind_to, after.owner, after.ledger.complete_since),
        (before.rewind_to, before.owner, before.ledger.complete_since)
    );
    assert_eq!(after.ledger.ids, before.ledger.ids + 1);
    running.signal("-TERM");
    assert!(running.wait().success());
    house.run_ok(&["run", "--once"]);
    let delivered = counted(house.lines("out.ndjson"));
    assert_eq!(delivered.len(), lines.len() + 3);
    assert!(delivered.values().all(|times| *times == 1));
    assert_eq!(org.report().violations, []);
}
