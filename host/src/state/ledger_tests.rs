//! The ledger: what is remembered, for how long, and since when everything is.

use proptest::prelude::*;

use super::super::tests::{NOW, commit, folder, moved, owner, refusal};
use super::super::{Commit, SourceCommit};
use super::*;

const HOUR: u64 = 3_600_000_000_000;
const DAY: u64 = 24 * HOUR;
const KEEP: Duration = Duration::from_secs(14 * 86_400);

fn digest(number: u64) -> Digest {
    Digest {
        id: number,
        bytes: !number,
    }
}

fn row(numbers: impl IntoIterator<Item = u64>) -> Arc<LedgerRow> {
    let numbers: Vec<_> = numbers.into_iter().collect();
    Arc::new(LedgerRow {
        oldest: numbers.iter().copied().min().unwrap_or(0),
        newest: numbers.iter().copied().max().unwrap_or(0),
        early: false,
        digests: numbers.into_iter().map(digest).collect(),
    })
}

/// Settles batches of a source at a moment.
fn settle(at: u64, name: &str, rows: &[Arc<LedgerRow>]) -> Commit {
    let settled = rows.iter().map(|row| row.digests.len() as u64).sum();
    Commit {
        at,
        keep: KEEP,
        sources: vec![SourceCommit {
            rows: rows.to_vec(),
            ..moved(name, "x", settled)
        }],
        ..Commit::default()
    }
}

fn known(state: &State, name: &str) -> Vec<u64> {
    let mut known = Vec::new();
    state
        .for_each_delivered(name, |digest| known.push(digest.id))
        .unwrap();
    known
}

fn size(state: &State, name: &str) -> LedgerSize {
    state.source(name).unwrap().unwrap().ledger
}

#[test]
fn what_settles_is_in_the_ledger_of_its_source_and_survives() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    let digester = state.digester().digest("id", b"text");
    let grown = state
        .commit(&settle(NOW, "acme", &[row(0..3), row(3..5)]))
        .unwrap();
    assert_eq!(grown[0].unwrap().ids, 5);
    state
        .commit(&settle(NOW + 1, "beta", &[row(7..9)]))
        .unwrap();
    state
        .commit(&settle(NOW + 2, "acme", &[row(5..6)]))
        .unwrap();
    let unmoved = state
        .commit(&commit(vec![moved("acme", "y", 0)], &[]))
        .unwrap();
    assert_eq!(unmoved, [None]);
    drop(state);
    let state = State::open(&folder).unwrap();
    assert_eq!(known(&state, "acme"), [0, 1, 2, 3, 4, 5]);
    assert_eq!(known(&state, "beta"), [7, 8]);
    assert!(known(&state, "gamma").is_empty());
    let size = size(&state, "acme");
    assert_eq!((size.ids, size.bytes()), (6, 96));
    assert_eq!(state.digester().digest("id", b"text"), digester);
}

#[test]
fn digests_of_another_state_are_others() {
    let (one, other) = (folder(), folder());
    let digest = |folder| {
        State::open(folder)
            .unwrap()
            .digester()
            .digest("id", b"text")
    };
    assert_ne!(digest(&one.1), digest(&other.1));
}

#[test]
fn a_large_ledger_is_read_in_steps_and_wholly() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    let records = 3 * STEP_BYTES as u64 / DIGEST_BYTES as u64;
    for from in (0..records).step_by(50_000) {
        let rows = [row(from..(from + 50_000).min(records))];
        state.commit(&settle(NOW + from, "acme", &rows)).unwrap();
    }
    assert!(known(&state, "acme").into_iter().eq(0..records));
}

proptest! {
    #[test]
    fn a_look_at_times_sees_all_that_is_remembered_of_them(
        rows in prop::collection::vec(prop::collection::vec(1..400_u64, 0..5), 1..20),
        of_before in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        (from, to) in (1..400_u64, 1..400_u64),
    ) {
        let (_parent, folder) = folder();
        let state = State::open(&folder).unwrap();
        for numbers in &rows {
            state.commit(&settle(NOW, "acme", &[row(numbers.iter().copied())])).unwrap();
            state.commit(&settle(NOW, "beta", &[row([from])])).unwrap();
        }
        for index in of_before {
            // As a layout that did not know them left it.
            let sql = "UPDATE ledger SET oldest = 0 WHERE source = 'acme' AND sequence = ?1";
            let sequence = i64::try_from(index.index(2 * rows.len())).unwrap();
            state.connection().execute(sql, [sequence]).unwrap();
        }
        let times = from.min(to)..=from.max(to);
        let mut seen = Vec::new();
        state.for_each_delivered_at("acme", &times, |digest| seen.push(digest.id)).unwrap();
        let remembered = rows.iter().flatten().filter(|time| times.contains(time));
        let unseen: Vec<_> = remembered.filter(|time| !seen.contains(time)).collect();
        prop_assert!(unseen.is_empty(), "{unseen:?}");
        prop_assert!(seen.iter().all(|seen| rows.iter().flatten().any(|known| known == seen)));
    }
}

#[test]
fn a_look_at_times_reads_few_rows_in_steps() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    let of_row = 2 * STEP_BYTES as u64 / DIGEST_BYTES as u64;
    for number in 0..4 {
        let rows = [row(number * of_row + 1..=(number + 1) * of_row)];
        state.commit(&settle(NOW + number, "acme", &rows)).unwrap();
    }
    let look = |times| {
        let mut seen = Vec::new();
        let each = |digest: Digest| seen.push(digest.id);
        state.for_each_delivered_at("acme", &times, each).unwrap();
        seen
    };
    let seen = look(of_row + 5..=2 * of_row + 5);
    assert!(seen.into_iter().eq(of_row + 1..=3 * of_row));
    assert!(look(4 * of_row + 1..=u64::MAX).is_empty());
}

#[test]
fn delivery_15_what_is_too_old_leaves_and_the_mark_moves() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    // Every half an hour a record, for 30 days.
    let moments: Vec<u64> = (0..60 * 24).collect();
    for number in &moments {
        let at = NOW + number * HOUR / 2;
        state
            .commit(&settle(at, "acme", &[row([*number])]))
            .unwrap();
    }
    let last = moments.len() as u64 - 1;
    let oldest = last - 14 * 24 * 2;
    assert!(known(&state, "acme").into_iter().eq(oldest..=last));
    let size = size(&state, "acme");
    assert_eq!(size.ids, last - oldest + 1);
    let newest_gone = NOW + (oldest - 1) * HOUR / 2;
    assert_eq!(size.complete_since, Some(newest_gone));
}

#[test]
fn delivery_15_weeks_of_standing_still_and_a_clock_that_jumps_empty_nothing() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    state.commit(&settle(NOW, "acme", &[row([1])])).unwrap();
    for (number, at) in [
        (2, NOW + 20 * DAY),
        (3, NOW + 21 * DAY),
        (4, NOW - 3_000 * DAY),
        (5, NOW + 80_000 * DAY),
    ] {
        state.commit(&settle(at, "acme", &[row([number])])).unwrap();
    }
    assert_eq!(known(&state, "acme"), [1, 2, 3, 4, 5]);
}

#[test]
fn delivery_15_a_first_read_of_the_past_is_remembered_from_where_it_began() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    let mut first = settle(NOW, "acme", &[row([1])]);
    first.sources[0].began = Some(NOW - 60 * DAY);
    state.commit(&first).unwrap();
    state.commit(&settle(NOW + 1, "acme", &[row([2])])).unwrap();
    assert_eq!(size(&state, "acme").complete_since, Some(NOW - 60 * DAY));
}

#[test]
fn the_newest_rows_stay_however_short_they_are_kept() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    for number in 0..3 {
        let mut commit = settle(NOW + number * DAY, "acme", &[row([number])]);
        commit.keep = Duration::ZERO;
        state.commit(&commit).unwrap();
    }
    assert_eq!(known(&state, "acme"), [2]);
}

#[test]
fn what_is_delivered_beside_the_live_reader_leaves_the_checkpoint() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    state.commit(&settle(NOW, "acme", &[row([1])])).unwrap();
    state.rewind("acme", 5).unwrap();
    let mut late = settle(NOW + 1, "acme", &[row([2])]);
    late.sources[0].checkpoint = None;
    state.commit(&late).unwrap();
    let stored = state.source("acme").unwrap().unwrap();
    assert_eq!((&*stored.checkpoint, stored.settled), ("x", 2));
    assert_eq!(stored.rewind_to, Some(5));
    assert_eq!(known(&state, "acme"), [1, 2]);
    state.commit(&settle(NOW + 2, "acme", &[])).unwrap();
    let stored = state.source("acme").unwrap().unwrap();
    assert_eq!(stored.rewind_to, None, "a page from there was settled");
    assert!(!state.rewind("beta", 5).unwrap());
}

#[test]
fn records_of_a_time_and_later_are_counted_by_the_row() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    let rows = [row(0..10), row(10..20), row(20..30)];
    state.commit(&settle(NOW, "acme", &rows)).unwrap();
    let since = |time| state.delivered_since("acme", time).unwrap();
    assert_eq!((since(0), since(15), since(29), since(30)), (30, 20, 10, 0));
    assert_eq!(since(u64::MAX), 0);
}

#[test]
fn who_is_forgotten_has_no_ledger() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    state.commit(&settle(NOW, "acme", &[row([1])])).unwrap();
    state.commit(&settle(NOW, "beta", &[row([2])])).unwrap();
    assert!(state.forget("acme").unwrap());
    assert_eq!(
        (known(&state, "acme"), known(&state, "beta")),
        (vec![], vec![2])
    );
}

/// A database as the first layout had it, as its own text.
const LAYOUT_1: &str = r#"
    CREATE TABLE source (name TEXT PRIMARY KEY, plugin TEXT NOT NULL, origin TEXT NOT NULL, checkpoint TEXT NOT NULL,
        settled INTEGER NOT NULL, dead INTEGER NOT NULL, updated INTEGER NOT NULL) STRICT;
    CREATE TABLE output (name TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT;
    CREATE TABLE compiled (key TEXT PRIMARY KEY, sha256 BLOB NOT NULL) STRICT;
    CREATE TABLE plugin (sha256 TEXT PRIMARY KEY, description TEXT NOT NULL) STRICT;
    INSERT INTO source VALUES ('acme', 'simulated', 'https://acme.example.com', '{"v":1}', 1000, 3, 1790000000000000000);
    INSERT INTO output VALUES ('archive', 'p1');
    INSERT INTO compiled VALUES ('key', x'0101010101010101010101010101010101010101010101010101010101010101');
    INSERT INTO plugin VALUES ('digest', '{}');
    PRAGMA user_version = 1;
"#;

#[test]
fn a_state_of_the_first_layout_opens_and_its_ledger_begins_now() {
    let (_parent, folder) = folder();
    super::super::folder::private(&folder).unwrap();
    let database = folder.join("state.db");
    super::super::folder::private_file(&database).unwrap();
    Connection::open(&database)
        .unwrap()
        .execute_batch(LAYOUT_1)
        .unwrap();

    let state = State::open(&folder).unwrap();
    let stored = state.source("acme").unwrap().unwrap();
    assert_eq!(
        (&*stored.checkpoint, stored.settled, stored.dead),
        ("{\"v\":1}", 1000, 3)
    );
    assert_eq!(stored.owner, owner());
    assert_eq!(stored.ledger, LedgerSize::default());
    assert_eq!(state.position("archive").unwrap().as_deref(), Some("p1"));
    assert_eq!(state.compiled("key").unwrap(), Some([1; 32]));
    assert_eq!(state.description("digest").unwrap().as_deref(), Some("{}"));
    state.commit(&settle(NOW, "acme", &[row([1])])).unwrap();
    assert_eq!(
        size(&state, "acme").complete_since,
        Some(NOW),
        "of what was before nothing is known"
    );
    let digester = state.digester().digest("id", b"text");
    drop(state);

    let state = State::open(&folder).unwrap();
    assert_eq!(state.digester().digest("id", b"text"), digester);
    assert_eq!(known(&state, "acme"), [1]);
    assert_eq!(state.source("acme").unwrap().unwrap().settled, 1001);
}

#[test]
fn a_damaged_ledger_is_refused_with_a_way_out() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    for number in 0..20 {
        let rows = [row(number * 1_000..number * 1_000 + 1_000)];
        state.commit(&settle(NOW, "acme", &rows)).unwrap();
    }
    drop(state);
    let database = folder.join("state.db");
    let whole = std::fs::read(&database).unwrap();
    let mut scribbled = whole.clone();
    let middle = whole.len() / 2;
    scribbled[middle..middle + 16_384].fill(0xa5);
    for damaged in [scribbled, whole[..middle / 4_096 * 4_096].to_vec()] {
        std::fs::write(&database, &damaged).unwrap();
        let text = refusal(&folder);
        assert!(
            text.contains("is damaged") && text.contains("restore it from a backup"),
            "{text}"
        );
        assert_eq!(std::fs::read(&database).unwrap(), damaged);
    }
}

#[test]
fn of_a_state_with_a_large_ledger_the_rest_is_looked_at() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    state.commit(&settle(NOW, "acme", &[row([1])])).unwrap();
    let page: usize = {
        let connection = state.connection();
        let sql = "INSERT INTO ledger (source, worked, settled, newest, digests) VALUES ('acme', 1, 1, 1, zeroblob(?1))";
        let large = i64::try_from(super::super::schema::LOOKED_AT_WHOLE).unwrap();
        connection.execute(sql, [large]).unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'source'";
        let page: u32 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        page as usize
    };
    drop(state);
    let database = folder.join("state.db");
    let whole = std::fs::read(&database).unwrap();
    State::open(&folder).unwrap();
    let mut scribbled = whole.clone();
    scribbled[(page - 1) * 4_096..page * 4_096].fill(0xa5);
    for damaged in [&scribbled[..], &whole[..whole.len() / 2]] {
        std::fs::write(&database, damaged).unwrap();
        let text = refusal(&folder);
        assert!(text.contains("is damaged"), "{text}");
    }
}

#[test]
fn a_row_that_holds_no_digests_is_damage() {
    let (_parent, folder) = folder();
    let state = State::open(&folder).unwrap();
    state.commit(&settle(NOW, "acme", &[row([1])])).unwrap();
    state
        .connection()
        .execute("UPDATE ledger SET digests = x'00'", [])
        .unwrap();
    let error = state.for_each_delivered("acme", |_| {}).unwrap_err();
    assert!(matches!(error, StateError::Damaged { .. }), "{error}");
}
