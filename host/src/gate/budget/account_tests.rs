//! Who goes when, of those who share a budget. Orders are asserted, and never how long something took: who would wait
//! for ever does not come within the time that a test has.

use std::pin::{Pin, pin};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::join_all;
use http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;

use super::line::Line;
use super::*;
use crate::gate::{RateLimit, ResetFormat};

const HOLD: Duration = Duration::from_secs(300);
/// Far less than any hold.
const SOON: Duration = Duration::from_secs(20);

fn names() -> RateLimit {
    RateLimit {
        limit: "limit".into(),
        remaining: "remaining".into(),
        reset: "reset".into(),
        reset_is: ResetFormat::DeltaSeconds,
    }
}

fn headers(limit: u64, remaining: u64, reset: u64) -> HeaderMap {
    let headers = [("limit", limit), ("remaining", remaining), ("reset", reset)];
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.into()));
    headers.into_iter().collect()
}

/// A budget of which one answer told this.
fn account(status: StatusCode, told: &HeaderMap) -> Arc<Account> {
    let account = Arc::new(Account::new());
    let turn = account.take(Priority::Backlog).unwrap();
    turn.answered(&names(), status, told);
    account
}

/// One that the peer refuses requests of for a second, and that has plenty then.
fn refused() -> Arc<Account> {
    account(StatusCode::TOO_MANY_REQUESTS, &headers(1000, 0, 0))
}

type Waiting<'a> = Pin<Box<dyn Future<Output = Turn> + Send + 'a>>;

/// Stands in the line.
async fn waiting(account: &Arc<Account>, priority: Priority) -> Waiting<'_> {
    let mut waiting = Box::pin(account.wait(priority, HOLD));
    assert!(waiting.as_mut().now_or_never().is_none());
    waiting
}

#[tokio::test]
async fn the_first_to_come_is_the_first_to_go_and_who_polls_goes_before_who_catches_up() {
    let account = refused();
    let order = [
        (3, Priority::Window),
        (1, Priority::Backlog),
        (2, Priority::Backlog),
        (0, Priority::Live),
        (4, Priority::Window),
    ];
    let (went, mut gone) = mpsc::unbounded_channel();
    let mut all = Vec::new();
    for (number, priority) in order {
        let waiting = waiting(&account, priority).await;
        let went = went.clone();
        all.push(waiting.map(move |turn| {
            went.send(number).unwrap();
            turn
        }));
    }
    assert_eq!(account.waiting(), order.len());
    assert_eq!(
        account.hold().map(|hold| hold.why),
        Some(HoldReason::Refused)
    );
    let _turns = tokio::time::timeout(SOON, join_all(all)).await.unwrap();
    drop(went);
    let mut seen = Vec::new();
    while let Some(number) = gone.recv().await {
        seen.push(number);
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    assert_eq!((account.waiting(), account.hold()), (0, None));
}

#[tokio::test]
async fn who_gives_up_makes_room_for_the_next() {
    let account = refused();
    let first = waiting(&account, Priority::Backlog).await;
    let second = waiting(&account, Priority::Backlog).await;
    drop(first);
    assert_eq!(account.waiting(), 1);
    let _turn = tokio::time::timeout(SOON, second).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_brings_room_calls_who_waits() {
    // Two of four are ours, and both are under way; the window lasts for half an hour.
    let account = account(StatusCode::OK, &headers(4, 3, 1800));
    let turn = account.take(Priority::Live).unwrap();
    assert!(account.take(Priority::Live).is_none());
    let waiting = waiting(&account, Priority::Live).await;
    turn.answered(&names(), StatusCode::OK, &headers(100, 97, 1800));
    let _turn = tokio::time::timeout(SOON, waiting).await.unwrap();
}

#[tokio::test]
async fn nobody_who_comes_later_overtakes_who_waits() {
    let account = refused();
    let waiting = waiting(&account, Priority::Backlog).await;
    let mut waiting = pin!(waiting);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(account.take(Priority::Backlog).is_none());
    assert!(account.take(Priority::Window).is_none());
    assert!(account.take(Priority::Live).is_some());
    let _turn = tokio::time::timeout(SOON, waiting.as_mut()).await.unwrap();
    assert!(account.take(Priority::Backlog).is_some());
}

#[test]
fn who_waited_for_half_of_the_longest_hold_goes_before_all_others() {
    let now = tokio::time::Instant::now();
    let later = |seconds| now + Duration::from_secs(seconds);
    let mut line = Line::default();
    let call = || Arc::new(tokio::sync::Notify::new());
    let window = line.enter(Priority::Window, later(10), call());
    let backlog = line.enter(Priority::Backlog, later(11), call());
    let live = line.enter(Priority::Live, later(30), call());
    assert_eq!(line.first(now), Some((live, false)));
    assert_eq!(line.first(later(10)), Some((window, true)));
    assert!(!line.gives_way_to(Priority::Live, later(10)));
    line.leave(window);
    assert_eq!(line.first(later(10)), Some((live, false)));
    assert_eq!(line.first(later(11)), Some((backlog, true)));
    line.leave(live);
    assert!(line.gives_way_to(Priority::Live, now));
    assert!(!line.gives_way_to(Priority::Backlog, now));
    line.leave(backlog);
    assert_eq!((line.len(), line.first(later(99))), (0, None));
}

#[test]
fn trust_13_the_smallest_share_that_was_given_counts_while_its_gate_lives() {
    let account = account(StatusCode::OK, &headers(100, 99, 60));
    let share = || account.budget().unwrap().share;
    assert_eq!(share(), 50);
    let some = |percent| Arc::clone(&account).lease(Share::percent(percent));
    let _unsaid = Arc::clone(&account).lease(None);
    assert_eq!(share(), 50);
    let _eighty = some(80);
    assert_eq!(share(), 80);
    let ten = some(10);
    assert_eq!(share(), 10);
    drop(ten);
    assert_eq!(share(), 80);
}
