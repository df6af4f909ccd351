//! The reader of an audit.

use std::sync::Arc;

use tokio::time::{sleep, timeout};

use super::{AuditError, Auditor};
use crate::pipeline::retry::{Retry, Verdict};
use crate::pipeline::source::{FIRST_GUESS, SMALLEST_GUESS, check, credential_other_than};
use crate::stage::{Page, Reader, StageError, Start};
use crate::state::AuditRow;

/// The reader of an audit, opened anew whenever it has to be.
pub(super) struct WindowReader<'a> {
    auditor: &'a Auditor,
    reader: Option<Box<dyn Reader>>,
    stamp: u64,
    /// What the next page may take in memory.
    pub(super) page_bytes: usize,
    retry: Retry,
}

impl<'a> WindowReader<'a> {
    pub(super) fn new(auditor: &'a Auditor) -> Self {
        Self {
            auditor,
            reader: None,
            stamp: 0,
            page_bytes: FIRST_GUESS,
            retry: Retry::new(Arc::clone(&auditor.inlet.options)),
        }
    }

    /// The next page, however long the source makes us wait for it.
    pub(super) async fn read(&mut self, row: &AuditRow) -> Result<Page, AuditError> {
        loop {
            let error = match self.attempt(row).await {
                Ok(page) => {
                    self.retry.succeeded();
                    self.page_bytes = page.batch.pinned_bytes().max(SMALLEST_GUESS);
                    return Ok(page);
                }
                Err(error) => error,
            };
            let source = self.auditor.inlet.name();
            tracing::debug!(%source, %error, "an audit can't read on");
            if !matches!(error, StageError::Transient(_)) {
                self.reader = None;
            }
            match self.retry.judge(&error) {
                Verdict::After(wait) => sleep(wait).await,
                Verdict::WhenAuthorized(longest) => {
                    // Over time is as good as another credential.
                    let poll = self.auditor.inlet.options.timing.credential_poll;
                    let changed = credential_other_than(&*self.auditor.source, self.stamp, poll);
                    drop(timeout(longest, changed).await);
                }
                Verdict::Never => return Err(AuditError::Source(error.to_string())),
            }
        }
    }

    async fn attempt(&mut self, row: &AuditRow) -> Result<Page, StageError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => {
                let start = Start::Window {
                    since: row.since,
                    until: row.until,
                    checkpoint: row.checkpoint.as_deref().map(Arc::from),
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
