//! What was learnt of a source outlives the process.

use std::sync::Arc;
use std::time::Duration;

use crate::destination::Destination;
use crate::house::{House, until};
use crate::system::System;

const HOUR: Duration = Duration::from_secs(3600);

/// Three days of listening, in which the longest pause took an hour; the last record came eleven hours before the end.
const ELEVEN_HOURS_OF_NOTHING: &str = r#"{"listened_ms":259200000,"last_ms":219600000,"since_ms":0,"day":2,
    "longest_ms":[3600000,3600000,3600000,0,0,0,0]}"#;

fn known(house: &House, habit: &str) {
    let habits = [("acme", habit.to_owned())];
    house.state.keep_habits(&habits).unwrap();
}

fn listened(house: &House) -> u64 {
    let habits = house.state.habits().unwrap();
    let [(name, habit)] = habits.as_slice() else {
        panic!("{habits:?}")
    };
    assert_eq!(name, "acme");
    let habit: serde_json::Value = serde_json::from_str(habit).unwrap();
    habit["listened_ms"].as_u64().unwrap()
}

#[tokio::test]
async fn trap_28_a_source_that_died_while_the_program_restarted_is_silent_at_once() {
    let house = House::new();
    known(&house, ELEVEN_HOURS_OF_NOTHING);
    let system = Arc::new(System::new("acme", 0));
    let archive = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&system], &[&archive]);
    let status = running
        .until_status(|status| status.sources[0].vitals.silent_for.is_some())
        .await;
    let vitals = &status.sources[0].vitals;
    assert_eq!(vitals.silence_limit, Some(10 * HOUR));
    assert!(vitals.silent_for >= Some(11 * HOUR));
    system
        .total
        .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    running
        .until_status(|status| status.sources[0].vitals.silent_for.is_none())
        .await;
    running.stop().await;
    assert!(listened(&house) >= 259_200_000, "it goes on from there");
}

#[tokio::test]
async fn what_was_learnt_is_kept_at_the_end_and_forgotten_with_its_source() {
    let house = House::new();
    known(&house, "no habit at all");
    let system = Arc::new(System::new("acme", 5));
    let archive = Arc::new(Destination::new("archive"));
    let mut running = house.start(&[&system], &[&archive]);
    running
        .until_status(|status| status.sources[0].settled == 5)
        .await;
    running.stop().await;
    assert!(listened(&house) < 60_000, "it was learnt anew");
    assert!(house.state.forget("acme").unwrap());
    assert_eq!(house.state.habits().unwrap(), []);
}

#[tokio::test]
async fn what_was_learnt_is_kept_now_and_then_too() {
    let house = House::new().timing(|timing| timing.habits = Duration::from_millis(20));
    let system = Arc::new(System::new("acme", 5));
    let archive = Arc::new(Destination::new("archive"));
    let running = house.start(&[&system], &[&archive]);
    until(|| !house.state.habits().unwrap().is_empty()).await;
    let first = listened(&house);
    until(|| listened(&house) > first).await;
    running.stop().await;
}
