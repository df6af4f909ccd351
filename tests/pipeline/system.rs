//! A system to read from: its records are numbers, its reader does what a script says.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use logweir::pipeline::SourceSpec;
use logweir::record::{Batch, Entry, RecordRef, Span};
use logweir::stage::{
    CheckReport, Pace, Page, Progress, Reader, Refused, Source, StageError, Start,
};
use logweir::state::Owner;

/// What a reader does at one read, instead of returning the next page.
#[derive(Clone)]
pub(crate) enum Step {
    /// The next page, as if nothing was scripted.
    Page,
    /// An error.
    Fail(StageError),
    /// A bug.
    Panic,
    /// The next page, with something that can't be a record.
    Refuse(&'static str),
    /// The next page, with this checkpoint.
    Checkpoint(String),
    /// The next page, which says that something fails.
    Failing(&'static str),
    /// A page with nothing, which says this.
    Nothing(Progress),
}

/// A system with records that are numbers.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) page: u64,
    pub(crate) total: AtomicU64,
    /// How many records come into being with each read.
    pub(crate) growth: u64,
    /// What [`Progress::until`] says.
    pub(crate) until: Option<u64>,
    /// When to come again once there is nothing more.
    pub(crate) poll: Duration,
    pub(crate) script: Mutex<VecDeque<Step>>,
    pub(crate) starts: Mutex<Vec<Start>>,
    pub(crate) readers: AtomicUsize,
    pub(crate) reads: AtomicUsize,
    pub(crate) stamp: AtomicU64,
}

impl System {
    pub(crate) fn new(name: &'static str, total: u64) -> Self {
        Self {
            name,
            page: 10,
            total: total.into(),
            growth: 0,
            until: None,
            poll: Duration::from_millis(1),
            script: Mutex::default(),
            starts: Mutex::default(),
            readers: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            stamp: AtomicU64::new(0),
        }
    }

    pub(crate) fn scripted(self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.script.lock().unwrap().extend(steps);
        self
    }

    pub(crate) fn owner(&self) -> Owner {
        Owner {
            plugin: "numbers".to_owned(),
            origin: format!("https://{}.example", self.name),
        }
    }

    /// The checkpoints that readers were opened at, as numbers of records; none for the first start.
    pub(crate) fn opened_at(&self) -> Vec<Option<u64>> {
        let starts = self.starts.lock().unwrap();
        starts
            .iter()
            .map(|start| match start {
                Start::First => None,
                Start::Checkpoint(checkpoint) => Some(checkpoint.parse().unwrap()),
                Start::At(time) => Some(*time),
                Start::Window { .. } => panic!("nobody audits this system"),
            })
            .collect()
    }

    pub(crate) fn lines(&self, range: Range<u64>) -> Vec<String> {
        range.map(|number| line(self.name, number)).collect()
    }
}

fn line(name: &str, number: u64) -> String {
    format!("{{\"{name}\":{number}}}")
}

/// Records of a batch, one a line.
pub(crate) fn lines(batch: &Batch) -> Vec<String> {
    let text = |record: RecordRef<'_>| String::from_utf8(record.text().to_vec()).unwrap();
    batch.records().map(text).collect()
}

pub(crate) struct SystemSource(pub(crate) Arc<System>);

struct SystemReader {
    system: Arc<System>,
    next: u64,
}

impl Drop for SystemReader {
    fn drop(&mut self) {
        self.system.readers.fetch_sub(1, SeqCst);
    }
}

#[async_trait]
impl Source for SystemSource {
    async fn open(&self, start: Start) -> Result<Box<dyn Reader>, StageError> {
        let system = Arc::clone(&self.0);
        let next = match &start {
            Start::First => 0,
            Start::Checkpoint(checkpoint) => checkpoint.parse().unwrap(),
            Start::At(time) => *time,
            Start::Window { .. } => panic!("nobody audits this system"),
        };
        system.starts.lock().unwrap().push(start);
        system.readers.fetch_add(1, SeqCst);
        Ok(Box::new(SystemReader { system, next }))
    }

    async fn check(&self) -> Result<CheckReport, StageError> {
        Ok(CheckReport::default())
    }

    fn credential_stamp(&self) -> u64 {
        self.0.stamp.load(SeqCst)
    }
}

#[async_trait]
impl Reader for SystemReader {
    async fn read(&mut self) -> Result<Page, StageError> {
        self.system.reads.fetch_add(1, SeqCst);
        let step = self.system.script.lock().unwrap().pop_front();
        let step = step.unwrap_or(Step::Page);
        if let Step::Fail(error) = step {
            return Err(error);
        }
        let before = self.next;
        let mut page = self.page();
        match step {
            Step::Page | Step::Fail(_) => {}
            Step::Panic => panic!("a scripted bug"),
            Step::Refuse(bytes) => page.refused.push(Refused {
                bytes: bytes.as_bytes().to_vec(),
                reason: "not JSON".to_owned(),
            }),
            Step::Checkpoint(checkpoint) => page.checkpoint = checkpoint.into(),
            Step::Failing(why) => page.progress.failing = Some(why.to_owned()),
            Step::Nothing(progress) => {
                self.next = before;
                page = Page {
                    batch: batch(self.system.name, before..before),
                    checkpoint: before.to_string().into(),
                    pace: Pace::After(self.system.poll),
                    progress,
                    ..page
                };
            }
        }
        Ok(page)
    }
}

impl SystemReader {
    fn page(&mut self) -> Page {
        let system = Arc::clone(&self.system);
        let total = system.total.fetch_add(system.growth, SeqCst) + system.growth;
        let end = (self.next + system.page).min(total);
        let caught_up = end - self.next < system.page;
        let batch = batch(system.name, self.next..end);
        self.next = end;
        Page {
            batch,
            refused: Vec::new(),
            checkpoint: end.to_string().into(),
            pace: if caught_up {
                Pace::After(system.poll)
            } else {
                Pace::Now
            },
            overlap: false,
            progress: Progress {
                caught_up,
                first: Some(0),
                reached: Some(end),
                until: system.until,
                ..Progress::default()
            },
        }
    }
}

fn batch(name: &str, numbers: Range<u64>) -> Batch {
    let mut body = String::new();
    let mut entries = Vec::new();
    for number in numbers {
        let offset = u32::try_from(body.len()).unwrap();
        body.push_str(&line(name, number));
        let length = u32::try_from(body.len()).unwrap() - offset;
        entries.push(Entry {
            text: Span { offset, length },
            time: number,
            ..Entry::default()
        });
        body.push('\n');
    }
    Batch::new(name.into(), body, entries).unwrap()
}

pub(crate) fn source(system: &Arc<System>, outputs: &[usize]) -> SourceSpec {
    SourceSpec {
        name: system.name.into(),
        source: Arc::new(SystemSource(Arc::clone(system))),
        owner: system.owner(),
        outputs: outputs.to_vec(),
        expectations: logweir::pipeline::Expectations::default(),
    }
}
