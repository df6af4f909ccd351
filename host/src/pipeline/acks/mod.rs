//! The only place that moves checkpoints.
//!
//! [`books`] knows which batches are settled; [`Committer`] stores what follows from it, one transaction at a time:
//! whatever settles while one is on its way to the disk shares the next. If the state can't be written, what was to
//! be stored stays in the books and sources stop reading until it can ([`Acks::writable`]).

mod books;
mod committer;
mod output_book;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::state::{LedgerRow, Owner};

pub(crate) use books::{Accepted, Delivered};
use books::{Books, Urgency};
pub(crate) use committer::{Committer, Storage};

/// What sources and deliveries have of it. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Acks {
    shared: Arc<Shared>,
    stored: watch::Receiver<Stored>,
}

struct Shared {
    books: Mutex<Books>,
    work: Notify,
}

/// How the state is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The number of the newest commit that is durable.
    number: u64,
    /// Why the state can't be written, and since when.
    pub(crate) failing: Option<super::Failure>,
}

/// The state will not be written any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateGone;

impl Acks {
    /// Begins to keep count of a source, and says which number it has.
    pub(crate) fn add_source(&self, name: Arc<str>, owner: Owner) -> usize {
        self.books().add_source(name, owner)
    }

    /// Begins to keep count of an output, and says which number it has.
    pub(crate) fn add_output(&self, name: Arc<str>) -> usize {
        self.books().add_output(name)
    }

    /// What is accepted from a source from now on belongs to this owner.
    pub(crate) fn own(&self, source: usize, owner: Owner) {
        self.books().own(source, owner);
    }

    /// The checkpoint of the newest page that was accepted from a source in this process.
    pub(crate) fn newest(&self, source: usize) -> Option<Arc<str>> {
        self.books().newest(source)
    }

    /// Enters a page that was accepted from a source and says which number its batch has.
    pub(crate) fn accept(&self, source: usize, page: Accepted) -> u64 {
        let number = self.books().accept(source, page);
        self.shared.work.notify_one();
        number
    }

    /// An output has these batches durably, and is now at this position.
    pub(crate) fn deliver(&self, output: usize, batches: &[Delivered], position: Option<String>) {
        self.books().deliver(output, batches, position);
        self.shared.work.notify_one();
    }

    /// The newest position of an output that is stored or about to be; none when this process stored none yet.
    pub(crate) fn position(&self, output: usize) -> Option<String> {
        self.books().position(output).map(str::to_owned)
    }

    /// Stores where an output is before anything is written there, and waits until that is durable. It waits for no
    /// other output: see [`Books::begin`].
    pub(crate) async fn begin(&self, output: usize, position: String) -> Result<(), StateGone> {
        let number = {
            let mut books = self.books();
            books.begin(output, position);
            books.taken() + 1
        };
        self.shared.work.notify_one();
        let mut stored = self.stored.clone();
        let durable = stored.wait_for(|stored| stored.number >= number).await;
        durable.map(drop).map_err(|_| StateGone)
    }

    /// Waits until the state can be written: to read on while it can't would only make the replay longer.
    pub(crate) async fn writable(&self) -> Result<(), StateGone> {
        let mut stored = self.stored.clone();
        let writable = stored.wait_for(|stored| stored.failing.is_none()).await;
        writable.map(drop).map_err(|_| StateGone)
    }

    /// Waits until every batch that was accepted from a source before now is settled, and the state says so.
    pub(crate) async fn all_settled(&self, source: usize) -> Result<(), StateGone> {
        let mut stored = self.stored.clone();
        let accepted = self.accepted(source);
        while !self.books().is_stored(source, accepted) {
            stored.changed().await.map_err(|_| StateGone)?;
        }
        Ok(())
    }

    /// How many batches were accepted from a source in this process.
    pub(crate) fn accepted(&self, source: usize) -> u64 {
        self.books().accepted(source)
    }

    /// Whether the first batches of a source, so many or as many as there are, are settled.
    pub(crate) fn has_settled(&self, source: usize, batches: u64) -> bool {
        self.books().has_settled(source, batches)
    }

    /// What was accepted from a source and is not in the stored ledger yet; to be asked before the ledger is.
    pub(crate) fn unstored(&self, source: usize) -> Vec<Arc<LedgerRow>> {
        self.books().unstored(source)
    }

    /// Whether the state will not be written any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.stored.has_changed().is_err()
    }

    /// Why the state can't be written, if it can't.
    pub(crate) fn failing(&self) -> Option<super::Failure> {
        self.stored.borrow().failing.clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.shared.books()
    }
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn urgency(&self) -> Urgency {
        self.books().urgency()
    }
}

/// Makes the bookkeeping, and the task that stores what follows from it.
pub(crate) fn acks(storage: Storage) -> (Acks, Committer) {
    let shared = Arc::new(Shared {
        books: Mutex::default(),
        work: Notify::new(),
    });
    let (sender, stored) = watch::channel(Stored::default());
    let acks = Acks {
        shared: Arc::clone(&shared),
        stored,
    };
    (acks, Committer::new(shared, sender, storage))
}
