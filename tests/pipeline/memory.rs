//! Memory of pages (delivery rule 19), measured by a source that knows which of its pages are still held by somebody.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use logweir::pipeline::{AuditRequest, Phase, SourceSpec, Status};
use logweir::record::{Batch, Entry, Span};
use logweir::stage::{
    CheckReport, Pace, Page, Progress, Reader, Refused, Source, StageError, Start,
};
use logweir::state::Owner;
use tokio::sync::Semaphore;

use crate::destination::{Destination, output};
use crate::house::{House, Running, until};

const MIB: usize = 1 << 20;

/// Which pages are in memory. Each has a name of its own, which lives as long as its batch does.
#[derive(Default)]
struct Shelf {
    pages: Mutex<Vec<(Weak<str>, usize)>>,
    most: AtomicUsize,
}

impl Shelf {
    fn put(&self, name: &Arc<str>, bytes: usize) {
        let page = (Arc::downgrade(name), bytes);
        self.pages.lock().unwrap().push(page);
    }

    /// Bytes of the pages that are held now. Nothing else may run at this moment, as a page that was just handed over
    /// is held until it is known whether there is room for it.
    fn held(&self) -> usize {
        let mut pages = self.pages.lock().unwrap();
        pages.retain(|(name, _)| name.strong_count() > 0);
        let held = pages.iter().map(|(_, bytes)| bytes).sum();
        self.most.fetch_max(held, SeqCst);
        held
    }
}

/// One page: so many bytes of records, and so many that can't be one.
#[derive(Clone, Copy)]
struct Shape {
    text: usize,
    refused: usize,
}

const SMALL: Shape = Shape {
    text: 500,
    refused: 0,
};

fn big(text: usize) -> Shape {
    Shape { text, refused: 0 }
}

/// A system whose pages have these shapes, and then none.
struct Org {
    name: String,
    pages: Vec<Shape>,
    shelf: Arc<Shelf>,
    /// Each read takes one.
    turns: Semaphore,
    /// Reads that wait for a turn.
    waiting: AtomicUsize,
    reads: AtomicUsize,
    /// The same of the past.
    past_turns: Semaphore,
    past_waiting: AtomicUsize,
    past_reads: AtomicUsize,
}

impl Org {
    fn new(name: String, pages: &[Shape], shelf: &Arc<Shelf>) -> Arc<Self> {
        Arc::new(Self {
            name,
            pages: pages.to_vec(),
            shelf: Arc::clone(shelf),
            turns: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            past_turns: Semaphore::new(0),
            past_waiting: AtomicUsize::new(0),
            past_reads: AtomicUsize::new(0),
        })
    }

    fn spec(self: &Arc<Self>) -> SourceSpec {
        SourceSpec {
            name: self.name.as_str().into(),
            source: Arc::new(OrgSource(Arc::clone(self))),
            owner: Owner {
                plugin: "pages".to_owned(),
                origin: format!("https://{}.example", self.name),
            },
            outputs: vec![0],
            expectations: logweir::pipeline::Expectations::default(),
        }
    }

    /// Records, those included that can't be one.
    fn records(&self) -> u64 {
        let odd = self.pages.iter().filter(|shape| shape.refused > 0);
        (self.pages.len() + odd.count()) as u64
    }

    /// No page takes more than this.
    fn largest(&self) -> usize {
        let bytes = self.pages.iter().map(|shape| shape.text + shape.refused);
        bytes.max().unwrap_or(0) + 1024
    }

    /// The record of each page.
    fn lines(&self) -> Vec<String> {
        let pages = self.pages.iter().enumerate();
        pages
            .map(|(number, shape)| self.line(number, *shape))
            .collect()
    }

    fn line(&self, number: usize, shape: Shape) -> String {
        let start = format!("{{\"{}\":{number},\"filler\":\"", self.name);
        let filler = "x".repeat(shape.text.saturating_sub(start.len() + 2));
        format!("{start}{filler}\"}}")
    }

    fn page(&self, number: usize) -> Page {
        let shape = self.pages.get(number).copied();
        let body = shape.map_or_else(String::new, |shape| self.line(number, shape));
        let entries = shape.map(|_| Entry {
            text: Span {
                offset: 0,
                length: u32::try_from(body.len()).unwrap(),
            },
            time: 1 + number as u64,
            ..Entry::default()
        });
        let name: Arc<str> = self.name.as_str().into();
        let batch = Batch::new(Arc::clone(&name), body, entries.into_iter().collect()).unwrap();
        let refused = shape.filter(|shape| shape.refused > 0);
        let refused = refused.map(|shape| Refused {
            bytes: vec![b'!'; shape.refused],
            reason: "not JSON".to_owned(),
        });
        let next = (number + 1).min(self.pages.len());
        let caught_up = next == self.pages.len();
        let page = Page {
            batch,
            refused: refused.into_iter().collect(),
            checkpoint: next.to_string().into(),
            pace: match caught_up {
                true => Pace::After(Duration::from_millis(20)),
                false => Pace::Now,
            },
            overlap: false,
            progress: Progress {
                caught_up,
                ..Progress::default()
            },
        };
        self.shelf.put(&name, page.held_bytes());
        page
    }
}

struct OrgSource(Arc<Org>);

struct OrgReader {
    org: Arc<Org>,
    next: usize,
    is_past: bool,
}

#[async_trait]
impl Source for OrgSource {
    async fn open(&self, start: Start) -> Result<Box<dyn Reader>, StageError> {
        let at = |checkpoint: &str| checkpoint.parse().unwrap();
        let is_past = matches!(start, Start::Window { .. });
        let next = match start {
            Start::First | Start::At(_) => 0,
            Start::Checkpoint(checkpoint) => at(&checkpoint),
            Start::Window { checkpoint, .. } => checkpoint.map_or(0, |checkpoint| at(&checkpoint)),
        };
        let org = Arc::clone(&self.0);
        Ok(Box::new(OrgReader { org, next, is_past }))
    }

    async fn check(&self) -> Result<CheckReport, StageError> {
        Ok(CheckReport::default())
    }
}

#[async_trait]
impl Reader for OrgReader {
    async fn read(&mut self) -> Result<Page, StageError> {
        let org = &self.org;
        if self.is_past {
            org.past_waiting.fetch_add(1, SeqCst);
            org.past_turns.acquire().await.unwrap().forget();
            org.past_reads.fetch_add(1, SeqCst);
        } else if self.next < org.pages.len() {
            org.waiting.fetch_add(1, SeqCst);
            org.turns.acquire().await.unwrap().forget();
            org.waiting.fetch_sub(1, SeqCst);
            org.reads.fetch_add(1, SeqCst);
        }
        // Whoever read before has decided by now what becomes of its page.
        org.shelf.held();
        let mut page = org.page(self.next);
        page.overlap = self.is_past;
        self.next = (self.next + 1).min(org.pages.len());
        Ok(page)
    }
}

/// Many systems of one process.
struct Scene {
    house: House,
    shelf: Arc<Shelf>,
    orgs: Vec<Arc<Org>>,
    archive: Arc<Destination>,
    budget: usize,
}

impl Scene {
    fn new(budget: usize, orgs: usize, pages: &[Shape], archive: Destination) -> Self {
        let mut house =
            House::new().timing(|timing| timing.blocked_release = Duration::from_millis(5));
        house.options.budget = budget;
        let shelf = Arc::new(Shelf::default());
        let org = |number| Org::new(format!("org{number}"), pages, &shelf);
        let orgs = (0..orgs).map(org).collect();
        Self {
            house,
            orgs,
            shelf,
            archive: Arc::new(archive),
            budget,
        }
    }

    fn spec(&self) -> logweir::pipeline::PipelineSpec {
        logweir::pipeline::PipelineSpec {
            sources: self.orgs.iter().map(Org::spec).collect(),
            outputs: vec![output(&self.archive)],
        }
    }

    fn start(&self) -> Running {
        let shelf = Arc::clone(&self.shelf);
        // Between two steps of other tasks; it ends with the test.
        tokio::spawn(async move {
            loop {
                shelf.held();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        self.house.start_spec(self.spec())
    }

    /// Every system may answer so many more reads.
    fn turns(&self, turns: usize) {
        for org in &self.orgs {
            org.turns.add_permits(turns);
        }
    }

    fn waiting(&self) -> usize {
        let waiting = self.orgs.iter().map(|org| org.waiting.load(SeqCst));
        waiting.sum()
    }

    fn reads(&self) -> usize {
        self.orgs.iter().map(|org| org.reads.load(SeqCst)).sum()
    }

    /// Each system gives its first page, which is small, and is asked for the next one; they all wait for that at once,
    /// as after an outage.
    async fn begin_outage(&self) {
        self.turns(1);
        until(|| self.waiting() == self.orgs.len() && self.reads() == self.orgs.len()).await;
    }

    async fn until_blocked(&self, running: &mut Running) {
        let blocked = |status: &Status| {
            let mut sources = status.sources.iter();
            sources.all(|source| matches!(source.phase, Phase::Waiting { .. }))
        };
        running.until_status(blocked).await;
        assert!(self.shelf.held() <= self.budget);
    }

    /// Waits until everything is delivered, once each, and looks at what that took.
    async fn finish(&self, mut running: Running) {
        running
            .until_status(|status| {
                let mut sources = status.sources.iter().zip(&self.orgs);
                sources.all(|(source, org)| source.settled == org.records())
            })
            .await;
        running.stop().await;
        let mut lines = self.archive.lines();
        let mut expected: Vec<_> = self.orgs.iter().flat_map(|org| org.lines()).collect();
        lines.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lines.len(), expected.len());
        assert!(lines == expected, "all of them, once");
        assert_eq!(self.shelf.held(), 0);
        let largest = self.orgs.iter().map(|org| org.largest()).max().unwrap();
        let (most, allowed) = (self.shelf.most.load(SeqCst), self.budget.max(largest));
        assert!(most <= allowed, "{most} of {allowed} bytes");
    }
}

#[tokio::test]
async fn delivery_19_pages_larger_than_the_guess_never_exceed_the_budget() {
    let large = big(MIB + MIB / 4);
    let archive = Destination::new("archive");
    let scene = Scene::new(4 * MIB, 12, &[SMALL, large, large, SMALL], archive);
    let mut running = scene.start();
    scene.begin_outage().await;
    scene.archive.turns.forget_permits(1 << 20);
    scene.turns(1_000);
    scene.until_blocked(&mut running).await;
    assert!(scene.shelf.held() >= 2 * MIB, "and it is made use of");
    scene.archive.release();
    scene.finish(running).await;
    let (reads, pages) = (scene.reads(), 12 * 4);
    assert!(reads > pages, "pages were given up");
    assert!(reads <= pages + 12, "each once: {reads}");
}

#[tokio::test]
async fn delivery_19_pages_larger_than_the_whole_budget_go_alone() {
    let huge = big(3 * MIB);
    let archive = Destination::new("archive");
    let scene = Scene::new(2 * MIB, 4, &[SMALL, huge, SMALL, huge], archive);
    let running = scene.start();
    scene.begin_outage().await;
    scene.turns(1_000);
    scene.finish(running).await;
}

#[tokio::test]
async fn delivery_19_what_could_not_be_a_record_counts_until_it_is_in_the_dead_letter() {
    let odd = Shape {
        text: 100,
        refused: MIB + MIB / 4,
    };
    let archive = Destination::new("archive");
    let mut scene = Scene::new(4 * MIB, 12, &[SMALL, odd, SMALL], archive);
    // While a file is where the folder should be, nothing can be buried.
    let folder = scene.house.folder.path().join("later");
    std::fs::write(&folder, "").unwrap();
    scene.house.dead_letter = folder.join("dead-letter.ndjson");
    let mut running = scene.start();
    scene.begin_outage().await;
    scene.turns(1_000);
    running
        .until_status(|status| {
            let failing = |phase: &Phase| matches!(phase, Phase::Failing(_));
            let (stuck, waiting): (Vec<_>, Vec<_>) = status
                .sources
                .iter()
                .partition(|source| failing(&source.phase));
            let waits = |phase: &Phase| matches!(phase, Phase::Waiting { .. });
            !stuck.is_empty() && waiting.iter().all(|source| waits(&source.phase))
        })
        .await;
    assert!(scene.shelf.held() >= 2 * MIB);
    assert!(scene.shelf.held() <= scene.budget);
    std::fs::remove_file(&folder).unwrap();
    scene.finish(running).await;
    assert_eq!(scene.house.dead_lines().len(), 12);
}

#[tokio::test]
async fn what_is_in_the_dead_letter_leaves_room_for_the_pages_of_others() {
    let odd = Shape {
        text: 100,
        refused: MIB + MIB / 4,
    };
    let mut scene = Scene::new(2 * MIB, 1, &[odd], Destination::new("archive"));
    let pages = [SMALL, big(MIB + MIB / 4)];
    let other = Org::new("other".to_owned(), &pages, &scene.shelf);
    scene.orgs.push(Arc::clone(&other));
    let mut running = scene.start();
    other.turns.add_permits(1);
    running
        .until_status(|status| status.sources[1].settled == 1)
        .await;
    // The record of the odd page waits for the archive; what was no record does not.
    scene.archive.turns.forget_permits(1 << 20);
    scene.orgs[0].turns.add_permits(1_000);
    until(|| scene.house.dead_lines().len() == 1).await;
    other.turns.add_permits(1_000);
    running
        .until_status(|status| status.outputs[0].queued_bytes > MIB)
        .await;
    scene.archive.release();
    running.stop().await;
    assert_eq!(scene.archive.lines().len(), 3);
}

#[tokio::test]
async fn delivery_19_a_page_of_an_audit_is_given_up_until_there_is_room_for_it() {
    let archive = Destination::new("archive");
    let mut scene = Scene::new(5 * MIB, 1, &[big(2 * MIB), SMALL], archive);
    let other = Org::new("other".to_owned(), &[SMALL, big(3 * MIB)], &scene.shelf);
    scene.orgs.push(Arc::clone(&other));
    let (mut running, handle) = scene.house.start_with_handle(scene.spec());
    let acme = Arc::clone(&scene.orgs[0]);
    acme.turns.add_permits(1_000);
    other.turns.add_permits(1);
    running
        .until_status(|status| status.sources[0].settled == 2 && status.sources[1].settled == 1)
        .await;
    let request = AuditRequest {
        source: acme.name.as_str().into(),
        since: 0,
        fix: false,
        as_far_as_known: true,
    };
    let audit = handle.audit(request).unwrap();
    until(|| acme.past_waiting.load(SeqCst) == 1).await;
    // What the other one reads takes most of the budget until it is written, and then it waits for as much again.
    scene.archive.turns.forget_permits(1 << 20);
    other.turns.add_permits(1);
    let waits = |phase: &Phase| matches!(phase, Phase::Waiting { .. });
    running
        .until_status(|status| waits(&status.sources[1].phase))
        .await;
    acme.past_turns.add_permits(1_000);
    until(|| acme.past_reads.load(SeqCst) == 1).await;
    let held = scene.shelf.held();
    assert!(
        (3 * MIB..4 * MIB).contains(&held),
        "it was given up: {held}"
    );
    scene.archive.release();
    let report = audit.outcome().await.unwrap();
    assert_eq!((report.read, report.missing), (2, 0));
    assert_eq!(acme.past_reads.load(SeqCst), 3, "one page twice");
    scene.finish(running).await;
}
