//! More sources than may be read at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use logweir::pipeline::{Expectations, NextSource, NextSpec, PipelineSpec, SourceEnd, SourceSpec};
use logweir::record::Batch;
use logweir::stage::{CheckReport, Pace, Page, Progress, Reader, Source, StageError, Start};
use logweir::state::Owner;

use crate::house::{House, until};

/// How many readers there are, over all systems.
#[derive(Default)]
struct Room {
    readers: AtomicUsize,
    most: AtomicUsize,
}

/// A system whose pages have no records and take their time.
struct Slow {
    name: String,
    room: Arc<Room>,
    /// Whether each page says that there is more.
    is_behind: AtomicBool,
    /// Whether it answers at all.
    is_stuck: AtomicBool,
    fails: AtomicBool,
    /// Whether what it asks is held back from now on.
    is_held: AtomicBool,
    pages: AtomicUsize,
    opened: AtomicUsize,
}

struct SlowReader(Arc<Slow>);

struct SlowSource(Arc<Slow>);

impl Slow {
    fn new(name: impl Into<String>, room: &Arc<Room>, is_behind: bool) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            room: Arc::clone(room),
            is_behind: is_behind.into(),
            is_stuck: false.into(),
            fails: false.into(),
            is_held: false.into(),
            pages: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
        })
    }

    fn spec(self: &Arc<Self>) -> SourceSpec {
        SourceSpec {
            name: self.name.as_str().into(),
            source: Arc::new(SlowSource(Arc::clone(self))),
            owner: Owner {
                plugin: "slow".to_owned(),
                origin: String::new(),
            },
            outputs: Vec::new(),
            expectations: Expectations::default(),
        }
    }
}

impl Drop for SlowReader {
    fn drop(&mut self) {
        self.0.room.readers.fetch_sub(1, SeqCst);
    }
}

#[async_trait]
impl Source for SlowSource {
    async fn open(&self, _: Start) -> Result<Box<dyn Reader>, StageError> {
        self.0.opened.fetch_add(1, SeqCst);
        let room = &self.0.room;
        let readers = room.readers.fetch_add(1, SeqCst) + 1;
        room.most.fetch_max(readers, SeqCst);
        Ok(Box::new(SlowReader(Arc::clone(&self.0))))
    }

    async fn check(&self) -> Result<CheckReport, StageError> {
        Ok(CheckReport::default())
    }

    fn held(&self) -> Duration {
        match self.0.is_held.load(SeqCst) {
            true => Duration::from_millis(200),
            false => Duration::ZERO,
        }
    }
}

#[async_trait]
impl Reader for SlowReader {
    fn expects_something(&self) -> bool {
        false
    }

    async fn read(&mut self) -> Result<Page, StageError> {
        let system = &self.0;
        while system.is_stuck.load(SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        if system.fails.load(SeqCst) {
            return Err(StageError::Transient("nobody is there".to_owned()));
        }
        let page = system.pages.fetch_add(1, SeqCst) + 1;
        let is_behind = system.is_behind.load(SeqCst);
        Ok(Page {
            batch: Batch::new(system.name.as_str().into(), String::new(), Vec::new()).unwrap(),
            refused: Vec::new(),
            checkpoint: page.to_string().into(),
            pace: match is_behind {
                true => Pace::Now,
                false => Pace::After(Duration::from_millis(1)),
            },
            overlap: false,
            progress: Progress {
                caught_up: !is_behind,
                ..Progress::default()
            },
        })
    }
}

fn house(readers: usize) -> House {
    let mut house = House::new().timing(|timing| timing.slice = Duration::from_millis(10));
    house.options.readers = readers;
    house
}

fn spec(systems: &[Arc<Slow>]) -> PipelineSpec {
    PipelineSpec {
        sources: systems.iter().map(Slow::spec).collect(),
        outputs: Vec::new(),
    }
}

/// Several of one kind.
fn some(count: usize, kind: &str, room: &Arc<Room>, is_behind: bool) -> Vec<Arc<Slow>> {
    (0..count)
        .map(|at| Slow::new(format!("{kind}-{at}"), room, is_behind))
        .collect()
}

fn pages(system: &Arc<Slow>) -> usize {
    system.pages.load(SeqCst)
}

/// Until each of them was read ten times more.
async fn ten_pages_each(systems: &[Arc<Slow>]) {
    let before: Vec<_> = systems.iter().map(pages).collect();
    until(|| {
        let mut pairs = systems.iter().zip(&before);
        pairs.all(|(system, before)| pages(system) >= before + 10)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_19_sources_that_are_behind_take_turns_and_keep_nobody_from_what_is_new() {
    let room = Arc::default();
    let (behind, live) = (
        some(12, "behind", &room, true),
        some(3, "live", &room, false),
    );
    let systems = [behind.clone(), live.clone()].concat();
    let running = house(4).start_spec(spec(&systems));
    // Everybody who is behind gets on again and again, and so does who is up to date.
    until(|| systems.iter().all(|system| pages(system) >= 12)).await;
    // Who is up to date does not even wait for one of them to get up.
    behind
        .iter()
        .for_each(|system| system.is_stuck.store(true, SeqCst));
    ten_pages_each(&live).await;
    behind
        .iter()
        .for_each(|system| system.is_stuck.store(false, SeqCst));
    let most = room.most.load(SeqCst);
    assert!(most <= 4, "{most} at a time");
    let report = running.stop().await;
    assert!(
        report
            .sources
            .iter()
            .all(|source| source.end == SourceEnd::ShutDown)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_19_who_fails_or_rests_among_many_holds_no_reader() {
    let room = Arc::default();
    let (failing, live) = (
        some(6, "failing", &room, false),
        some(6, "live", &room, false),
    );
    let systems = [failing.clone(), live.clone()].concat();
    let running = house(2).start_spec(spec(&systems));
    until(|| systems.iter().all(|system| pages(system) >= 1)).await;
    failing
        .iter()
        .for_each(|system| system.fails.store(true, SeqCst));
    ten_pages_each(&live).await;
    let most = room.most.load(SeqCst);
    assert!(most <= 2, "{most} at a time");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_19_who_would_be_held_back_leaves_its_seat_to_others() {
    let room = Arc::default();
    let held = Slow::new("held", &room, true);
    let other = Slow::new("other", &room, true);
    // Nobody gets up because it sat for long.
    let mut house = house(1).timing(|timing| timing.slice = Duration::from_secs(3600));
    house.options.timing.retry_longest = Duration::from_millis(200);
    held.is_held.store(true, SeqCst);
    let running = house.start_spec(spec(&[Arc::clone(&held), Arc::clone(&other)]));
    until(|| other.pages.load(SeqCst) >= 2).await;
    other.is_held.store(true, SeqCst);
    until(|| held.pages.load(SeqCst) >= 2).await;
    assert_eq!(room.most.load(SeqCst), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_19_who_waits_for_a_seat_gets_one_when_there_is_one_for_everybody() {
    let room = Arc::default();
    let systems = some(5, "behind", &room, true);
    let (running, handle) = house(4).start_with_handle(spec(&systems));
    ten_pages_each(&systems).await;
    // Those who read stay as they are; whoever waits at this moment must not wait for ever.
    for gone in 0..2 {
        let stay = systems.iter().skip(gone + 1);
        let same = |system: &Arc<Slow>| NextSource::Same {
            name: system.name.as_str().into(),
            outputs: Vec::new(),
        };
        let next = NextSpec {
            sources: stay.map(same).collect(),
            outputs: Vec::new(),
        };
        handle.change(next).await.unwrap();
        ten_pages_each(&systems[gone + 1..]).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_sources_keep_their_readers_through_short_rests() {
    let room = Arc::default();
    let systems = some(4, "live", &room, false);
    let running = house(4).start_spec(spec(&systems));
    until(|| systems.iter().all(|system| system.pages.load(SeqCst) >= 10)).await;
    assert!(systems.iter().all(|system| system.opened.load(SeqCst) == 1));
    running.stop().await;
}
