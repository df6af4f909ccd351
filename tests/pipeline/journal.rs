//! A system with events that have ids and times, that a live reader follows in the order of persistence, and whose past
//! can be read again.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use logweir::pipeline::SourceSpec;
use logweir::record::{Batch, Entry, Span};
use logweir::stage::{
    CheckReport, Pace, Page, Progress, Reader, Refused, Source, StageError, Start,
};
use logweir::state::Owner;
use tokio::sync::Semaphore;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    /// Its own time, nanoseconds since 1970.
    pub(crate) published: u64,
    pub(crate) text: String,
}

impl Event {
    pub(crate) fn new(id: impl Into<String>, published: u64) -> Self {
        let id = id.into();
        let text = format!("{{\"id\":\"{id}\",\"published\":{published}}}");
        Self {
            id,
            published,
            text,
        }
    }

    /// The same event, told in other words.
    pub(crate) fn edited(&self) -> Self {
        let text = self.text.replace('}', ",\"edited\":true}");
        Self {
            text,
            ..self.clone()
        }
    }
}

/// See the module.
pub(crate) struct Journal {
    pub(crate) name: &'static str,
    pub(crate) page: usize,
    /// How long the live reader waits when there is no more.
    pub(crate) poll: Duration,
    /// Where the first read begins, nanoseconds since 1970.
    pub(crate) since: u64,
    /// Whether the live reader asks for its next page while it reads this one.
    pub(crate) early: bool,
    /// In the order of persistence.
    pub(crate) events: Mutex<Vec<Event>>,
    /// Ids that the live reader does not see.
    pub(crate) unseen: Mutex<HashSet<String>>,
    /// At each read of this number of live ones, how many events it goes back; what it reads again is an overlap.
    pub(crate) goes_back: Mutex<Vec<(usize, usize)>>,
    pub(crate) live_reads: AtomicUsize,
    /// Each live page takes one; closed, there never is one any more.
    pub(crate) live_turns: Semaphore,
    /// Each page of the past takes one; closed, there is no answer.
    pub(crate) past_turns: Semaphore,
    pub(crate) past_reads: AtomicUsize,
    /// Something that is no record, at the end of the past.
    pub(crate) broken: Mutex<Option<&'static str>>,
}

impl Journal {
    pub(crate) fn new(name: &'static str, events: Vec<Event>) -> Self {
        Self {
            name,
            page: 10,
            poll: Duration::from_millis(1),
            since: 0,
            early: false,
            events: Mutex::new(events),
            unseen: Mutex::default(),
            goes_back: Mutex::default(),
            live_reads: AtomicUsize::new(0),
            live_turns: Semaphore::new(1 << 20),
            past_turns: Semaphore::new(1 << 20),
            past_reads: AtomicUsize::new(0),
            broken: Mutex::default(),
        }
    }

    pub(crate) fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap()
    }

    pub(crate) fn persist(&self, event: Event) {
        self.events().push(event);
    }

    /// Adds an event that the live reader does not get.
    pub(crate) fn persist_unseen(&self, event: Event) {
        self.unseen.lock().unwrap().insert(event.id.clone());
        self.persist(event);
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        let events = self.events();
        events.iter().map(|event| event.text.clone()).collect()
    }

    pub(crate) fn spec(self: &Arc<Self>, outputs: &[usize]) -> SourceSpec {
        SourceSpec {
            name: self.name.into(),
            source: Arc::new(JournalSource(Arc::clone(self))),
            owner: Owner {
                plugin: "journal".to_owned(),
                origin: format!("https://{}.example", self.name),
            },
            outputs: outputs.to_vec(),
            expectations: logweir::pipeline::Expectations::default(),
        }
    }
}

struct JournalSource(Arc<Journal>);

#[async_trait]
impl Source for JournalSource {
    async fn open(&self, start: Start) -> Result<Box<dyn Reader>, StageError> {
        let journal = Arc::clone(&self.0);
        Ok(match start {
            Start::First => Box::new(Live::new(journal, 0, 0)),
            Start::Checkpoint(checkpoint) => {
                let (next, overlap_until) = checkpoint.split_once(' ').unwrap();
                let overlap_until = overlap_until.parse().unwrap();
                Box::new(Live::new(journal, next.parse().unwrap(), overlap_until))
            }
            Start::At(time) => {
                let at = journal
                    .events()
                    .iter()
                    .position(|event| event.published >= time);
                let at = at.unwrap_or(journal.events().len());
                Box::new(Live::new(journal, at, 0))
            }
            Start::Window {
                since,
                until,
                checkpoint,
            } => Box::new(Past {
                journal,
                since,
                until,
                behind: checkpoint.map(|checkpoint| key_of(&checkpoint)),
            }),
        })
    }

    async fn check(&self) -> Result<CheckReport, StageError> {
        Ok(CheckReport::default())
    }
}

/// Follows what is persisted. Its checkpoint says how many events it has read, and how many it had read when it went back.
struct Live {
    journal: Arc<Journal>,
    next: usize,
    /// Pages before this place are overlaps.
    overlap_until: usize,
    /// How many events there were when the next page was asked for.
    asked: Option<usize>,
}

impl Live {
    fn new(journal: Arc<Journal>, next: usize, overlap_until: usize) -> Self {
        Self {
            journal,
            next,
            overlap_until,
            asked: None,
        }
    }
}

#[async_trait]
impl Reader for Live {
    async fn read(&mut self) -> Result<Page, StageError> {
        let journal = Arc::clone(&self.journal);
        let turn = journal.live_turns.acquire().await;
        let gone = |_| StageError::Permanent("it is gone".to_owned());
        turn.map_err(gone)?.forget();
        let number = journal.live_reads.fetch_add(1, SeqCst) + 1;
        let back = journal
            .goes_back
            .lock()
            .unwrap()
            .iter()
            .find(|(at, _)| *at == number)
            .copied();
        if let Some((_, back)) = back {
            self.overlap_until = self.overlap_until.max(self.next);
            self.next = self.next.saturating_sub(back);
        }
        let events = journal.events();
        let there = self.asked.take().unwrap_or(events.len());
        self.asked = journal.early.then_some(events.len());
        let end = (self.next + journal.page).min(there);
        let unseen = journal.unseen.lock().unwrap();
        let page = events[self.next..end.max(self.next)].iter();
        let page: Vec<_> = page
            .filter(|event| !unseen.contains(&event.id))
            .cloned()
            .collect();
        let overlap = self.next < self.overlap_until;
        let caught_up = end < self.next + journal.page;
        self.next = end.max(self.next);
        Ok(Page {
            batch: batch(journal.name, &page),
            refused: Vec::new(),
            checkpoint: format!("{} {}", self.next, self.overlap_until).into(),
            pace: if caught_up {
                Pace::After(journal.poll)
            } else {
                Pace::Now
            },
            overlap,
            progress: Progress {
                caught_up,
                first: Some(journal.since),
                reached: page.last().map(|event| event.published),
                until: None,
                ..Progress::default()
            },
        })
    }
}

/// Reads a stretch of the past by the events' own times. Its checkpoint is the last event.
struct Past {
    journal: Arc<Journal>,
    since: u64,
    until: u64,
    behind: Option<(u64, String)>,
}

fn key_of(checkpoint: &str) -> (u64, String) {
    let (published, id) = checkpoint.split_once(' ').unwrap();
    (published.parse().unwrap(), id.to_owned())
}

#[async_trait]
impl Reader for Past {
    async fn read(&mut self) -> Result<Page, StageError> {
        let journal = Arc::clone(&self.journal);
        let turn = journal.past_turns.acquire().await;
        journal.past_reads.fetch_add(1, SeqCst);
        let silent = |_| StageError::Transient("no answer".to_owned());
        turn.map_err(silent)?.forget();
        let key = |event: &Event| (event.published, event.id.clone());
        let mut page: Vec<_> = journal.events().clone();
        page.retain(|event| {
            let inside = (self.since..self.until).contains(&event.published);
            inside
                && self
                    .behind
                    .as_ref()
                    .is_none_or(|behind| key(event) > *behind)
        });
        page.sort_by_key(key);
        page.truncate(journal.page);
        let caught_up = page.len() < journal.page;
        self.behind = page.last().map(key).or(self.behind.take());
        let (published, id) = self.behind.clone().unwrap_or_default();
        let broken = journal.broken.lock().unwrap().filter(|_| caught_up);
        let refused = broken.map(|bytes| Refused {
            bytes: bytes.as_bytes().to_vec(),
            reason: "not JSON".to_owned(),
        });
        Ok(Page {
            batch: batch(journal.name, &page),
            refused: refused.into_iter().collect(),
            checkpoint: format!("{published} {id}").into(),
            pace: if caught_up {
                Pace::After(journal.poll)
            } else {
                Pace::Now
            },
            overlap: true,
            progress: Progress {
                caught_up,
                ..Progress::default()
            },
        })
    }
}

fn batch(name: &str, events: &[Event]) -> Batch {
    let mut body = String::new();
    let mut entries = Vec::new();
    let mut append = |text: &str| {
        let offset = u32::try_from(body.len()).unwrap();
        body.push_str(text);
        let length = u32::try_from(text.len()).unwrap();
        Span { offset, length }
    };
    for event in events {
        entries.push(Entry {
            text: append(&event.text),
            id: append(&event.id),
            time: event.published,
            ..Entry::default()
        });
    }
    Batch::new(name.into(), body, entries).unwrap()
}
