//! The reader of a stretch of the past, for an audit or a backfill.

use std::sync::Arc;

use tokio::time::{sleep, timeout};

use super::{AuditError, Auditor};
use crate::pipeline::budget::{Guess, Share};
use crate::pipeline::page::{check, credential_other_than};
use crate::pipeline::retry::{Retry, Verdict};
use crate::stage::{Page, Reader, StageError, Start};

/// A closed stretch of the past, and where its reader is. Times are nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'a> {
    pub(crate) since: u64,
    pub(crate) until: u64,
    pub(crate) checkpoint: Option<&'a str>,
}

/// The reader of a stretch of the past, opened anew whenever it has to be.
pub(crate) struct WindowReader<'a> {
    auditor: &'a Auditor,
    reader: Option<Box<dyn Reader>>,
    stamp: u64,
    /// What the next page may take in memory.
    guess: Guess,
    retry: Retry,
}

impl<'a> WindowReader<'a> {
    pub(crate) fn new(auditor: &'a Auditor) -> Self {
        Self {
            auditor,
            reader: None,
            stamp: 0,
            guess: Guess::new(),
            retry: Retry::new(Arc::clone(&auditor.inlet.options)),
        }
    }

    /// The next page and the memory that it takes, however long we have to wait for either.
    pub(crate) async fn read(&mut self, stretch: Stretch<'_>) -> Result<(Page, Share), AuditError> {
        let budget = &self.auditor.inlet.budget;
        loop {
            let mut share = budget.share(self.guess.bytes()).await;
            let page = match self.attempt(stretch).await {
                Ok(page) => page,
                Err(error) => {
                    drop(share);
                    self.recover(&error).await?;
                    continue;
                }
            };
            self.retry.succeeded();
            let bytes = page.held_bytes();
            if budget.fit(&mut share, bytes) {
                self.guess.held(bytes);
                return Ok((page, share));
            }
            // As with a live page: asked for again when there is room for it (delivery rule 19).
            self.guess.burst(bytes);
            self.reader = None;
        }
    }

    /// Waits as long as a failure asks for.
    async fn recover(&mut self, error: &StageError) -> Result<(), AuditError> {
        let source = self.auditor.inlet.name();
        tracing::debug!(%source, %error, "the past can't be read on");
        if !matches!(error, StageError::Transient(_)) {
            self.reader = None;
        }
        match self.retry.judge(error) {
            Verdict::After(wait) => sleep(wait).await,
            Verdict::WhenAuthorized(longest) => {
                // Over time is as good as another credential.
                let poll = self.auditor.inlet.options.timing.credential_poll;
                let changed = credential_other_than(&*self.auditor.source, self.stamp, poll);
                drop(timeout(longest, changed).await);
            }
            Verdict::Never => return Err(AuditError::Source(error.to_string())),
        }
        Ok(())
    }

    async fn attempt(&mut self, stretch: Stretch<'_>) -> Result<Page, StageError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => {
                let start = Start::Window {
                    since: stretch.since,
                    until: stretch.until,
                    checkpoint: stretch.checkpoint.map(Arc::from),
                };
                self.stamp = self.auditor.source.credential_stamp();
                none.insert(self.auditor.source.open(start).await?)
            }
        };
        let page = reader.read().await?;
        check(&page)?;
        Ok(page)
    }
}
