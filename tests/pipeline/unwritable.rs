//! A state that can't be written.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::destination::Destination;
use crate::house::{House, until};
use crate::system::System;

#[tokio::test]
async fn delivery_02_nothing_is_read_while_the_state_can_not_be_written() {
    let house = House::new();
    let mut system = System::new("acme", 5);
    system.growth = 1;
    let (system, archive) = (Arc::new(system), Arc::new(Destination::new("archive")));
    let mut running = house.start(&[&system], &[&archive]);
    until(|| house.stored(&system) > Some(0)).await;
    let database = rusqlite::Connection::open(house.state.folder().join("state.db")).unwrap();
    database
        .execute_batch("ALTER TABLE source RENAME TO away")
        .unwrap();
    running.until_status(|status| status.state.is_some()).await;
    let before = system.reads.load(SeqCst);
    // Many times as long as a poll takes. One may have been under way.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let after = system.reads.load(SeqCst);
    assert!(after <= before + 1, "{} pages were read", after - before);
    database
        .execute_batch("ALTER TABLE away RENAME TO source")
        .unwrap();
    until(|| system.reads.load(SeqCst) > after + 5).await;
    let report = running.stop().await;
    assert_eq!(archive.lines(), system.lines(0..report.sources[0].read));
}
