//! How a pipeline behaves, with the reasons for each default.

use std::sync::Arc;
use std::time::Duration;

/// How much may wait for one output. A batch that is bigger than a limit passes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Bytes of memory that its batches pin.
    pub bytes: usize,
    /// Records in it.
    pub records: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            bytes: 16 << 20,
            records: 100_000,
        }
    }
}

/// Where each answer takes a tenth of a second, so many readers for each core bring what it can scan.
const READERS_PER_CORE: usize = 16;
/// With a page or two in hand each of them takes up to ten megabytes.
const READERS_MAX: usize = 128;

/// How many readers this machine has use for.
fn readers() -> usize {
    let cores = std::thread::available_parallelism();
    let cores = cores.map_or(1, std::num::NonZero::get);
    cores.saturating_mul(READERS_PER_CORE).min(READERS_MAX)
}

/// How a pipeline behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether to return when every source is caught up, instead of going on until told to stop.
    pub once: bool,
    /// Bytes of memory that all unsettled pages together may pin (delivery rule 19). What readers take themselves is
    /// bounded by their own limits, and by giving them back.
    pub budget: usize,
    /// How many sources are read at the same time, at most. The others wait in turn, and hold no reader meanwhile.
    pub readers: usize,
    /// How long the ledger remembers what was delivered (delivery rule 15).
    pub ledger_keep: Duration,
    /// What is compared with the ledger without being asked, if anything is.
    pub audit: Option<AuditOptions>,
    /// Read this source alone; the others stay as they are.
    pub only: Option<Arc<str>>,
    /// How long things may take.
    pub timing: Timing,
}

/// Audits that a running pipeline does by itself, one source at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditOptions {
    /// How long after the end of one the next one of the same source begins.
    pub every: Duration,
    /// How far back each one looks.
    pub since: Duration,
    /// Whether what is missing is delivered, or only said.
    pub fix: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            once: false,
            budget: 256 << 20,
            readers: readers(),
            ledger_keep: Duration::from_secs(14 * 86_400),
            audit: None,
            only: None,
            timing: Timing::default(),
        }
    }
}

/// How long things may take. Only tests have a reason to change most of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// A source that waits longer than this holds no reader: opening one costs less than a millisecond, keeping one
    /// megabytes.
    pub idle_release: Duration,
    /// A source that can't get rid of a page for this long gives its reader back.
    pub blocked_release: Duration,
    /// How long a source may read on while others wait for their turn. Getting up costs what was asked for early, and one
    /// opening of a reader; going on costs each of the others this long.
    pub slice: Duration,
    /// The longest wait that a source may ask for.
    pub longest_wait: Duration,
    /// The first pause after a failure; each further one is about twice as long.
    pub retry_first: Duration,
    /// The longest pause after a failure.
    pub retry_longest: Duration,
    /// The pause after a credential was refused: each attempt may count against somebody's account.
    pub unauthorized: Duration,
    /// How often to look whether a refused credential has been replaced meanwhile.
    pub credential_poll: Duration,
    /// How long a failure may last before a run that is to end ([`Options::once`]) gives up. Longer than the ten minutes
    /// that a page must stay broken before what frames of it is taken (delivery rule 3): else a run that begins anew
    /// each time would never get there.
    pub patience: Duration,
    /// How long what was accepted may take to be delivered once the pipeline was told to stop. What is left then is
    /// read again after the next start.
    pub drain: Duration,
    /// The pause between two transactions: what settles meanwhile shares the next one.
    pub commit_pause: Duration,
    /// How long a checkpoint that moved over nothing but empty pages may wait for company. To lose it costs one page.
    pub idle_commit: Duration,
    /// How often it is stored what was learnt of the sources. A crash loses no more than this of it.
    pub habits: Duration,
    /// How often [`super::Status`] is renewed.
    pub snapshot: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            idle_release: Duration::from_secs(3),
            blocked_release: Duration::from_secs(5),
            slice: Duration::from_secs(2),
            longest_wait: Duration::from_secs(3600),
            retry_first: Duration::from_secs(1),
            retry_longest: Duration::from_secs(60),
            unauthorized: Duration::from_secs(300),
            credential_poll: Duration::from_secs(2),
            patience: Duration::from_secs(900),
            drain: Duration::from_secs(30),
            commit_pause: Duration::from_millis(50),
            idle_commit: Duration::from_secs(10),
            habits: Duration::from_secs(300),
            snapshot: Duration::from_millis(200),
        }
    }
}
