//! One audit, from its first page to its report.

use std::ops::RangeInclusive;
use std::sync::Arc;

use tokio::time::sleep;

use super::window::{Stretch, WindowReader};
use super::{
    AskedAudit, AuditError, AuditProgress, AuditReport, AuditRequest, AuditStep, Auditor, Missing,
    NAMED_MAX, is_same_beginning,
};
use crate::pipeline::SourceEnd;
use crate::pipeline::overlap::{Kinship, LookupError, times};
use crate::pipeline::phase::now;
use crate::record::RecordRef;
use crate::stage::{Pace, Page};
use crate::state::{AuditRow, Digest, State, StateError, Suspect, Verdict};

/// A part of an audit ends when this many suspects are open, or bytes of them: what is missing is settled before more is
/// looked for.
const OPEN_MAX: u64 = 10_000;
const OPEN_BYTES_MAX: u64 = 32 << 20;
/// What stands for a record that is none, in place of a severity.
pub(super) const REFUSED: u8 = u8::MAX;

/// See the module.
pub(crate) struct AuditTask {
    pub(super) auditor: Auditor,
    asked: AskedAudit,
}

impl AuditTask {
    pub(crate) fn new(auditor: Auditor, asked: AskedAudit) -> Self {
        Self { auditor, asked }
    }

    /// Audits, says in the log what was found, and answers who asked.
    pub(crate) async fn run(self) {
        let audited = self.audit().await;
        self.show(|progress| progress.step = AuditStep::Done);
        let name = self.name();
        match &audited {
            Ok(report) if report.missing > 0 => {
                tracing::error!(source = %name, read = report.read, missing = report.missing, fixed = report.fixed, "an audit found records that were never delivered; `logweir audit {name} --fix` delivers them");
            }
            Ok(report) if report.fixed > 0 => {
                tracing::warn!(source = %name, read = report.read, fixed = report.fixed, "an audit found records that were never delivered, and delivered them");
            }
            Ok(report) => {
                tracing::info!(source = %name, read = report.read, differing = report.differing, "an audit found everything delivered")
            }
            Err(error) => {
                tracing::warn!(source = %name, %error, "an audit did not come to its end")
            }
        }
        // Whoever asked may be gone.
        drop(self.asked.outcome.send(audited));
    }

    async fn audit(&self) -> Result<AuditReport, AuditError> {
        if self.asked.stop.is_cancelled() {
            // Nobody waits for its turn any more.
            return Err(AuditError::Interrupted);
        }
        let mut row = self.begin().await?;
        loop {
            self.read_part(&mut row).await?;
            self.confirm().await?;
            if row.fix {
                self.show(|progress| progress.step = AuditStep::Delivering);
                self.deliver().await?;
            }
            if row.read_all {
                break;
            }
        }
        self.with_state(move |state, name| state.finish_audit(name, now()))
            .await?;
        self.report(&row).await
    }

    /// Goes on with the newest audit if that is what is asked for, else begins one.
    async fn begin(&self) -> Result<AuditRow, AuditError> {
        let request = self.asked.request.clone();
        let (row, resumed) = self
            .with_state(move |state, _| Ok(begin(state, &request, now())))
            .await??;
        if resumed {
            tracing::info!(source = %self.name(), "an audit that was interrupted goes on where it was");
        }
        self.show(|progress| {
            *progress = AuditProgress {
                step: AuditStep::Reading,
                since: row.since,
                until: row.until,
                read: row.read,
                resumed,
                ..AuditProgress::default()
            };
        });
        Ok(row)
    }

    /// Reads until there is no more, or enough to settle first.
    async fn read_part(&self, row: &mut AuditRow) -> Result<(), AuditError> {
        let (mut open, mut bytes) = self
            .with_state(|state, name| state.count_suspects(name, Verdict::Open))
            .await?;
        let mut reader = WindowReader::new(&self.auditor);
        self.show(|progress| progress.step = AuditStep::Reading);
        while !row.read_all && open < OPEN_MAX && bytes < OPEN_BYTES_MAX {
            if self.auditor.tide.has_changed().is_err() {
                return Err(AuditError::Interrupted);
            }
            let inlet = &self.auditor.inlet;
            let stretch = Stretch {
                since: row.since,
                until: row.until,
                checkpoint: row.checkpoint.as_deref(),
            };
            let (page, share) = self.unless_stopped(reader.read(stretch)).await??;
            let pace = page.pace;
            row.read_all = page.progress.caught_up;
            let suspects = self.compare(row, page).await?;
            drop(share);
            open += suspects.len() as u64;
            bytes += suspects.iter().map(size).sum::<u64>();
            let (row, read_all) = (row.clone(), row.read_all);
            self.with_state(move |state, name| state.continue_audit(name, &row, &suspects))
                .await?;
            if let Pace::After(wait) = pace
                && !read_all
            {
                let longest = inlet.options.timing.longest_wait;
                self.unless_stopped(sleep(wait.min(longest))).await?;
            }
        }
        Ok(())
    }

    /// The suspects of a page. What is known of it is counted.
    async fn compare(&self, row: &mut AuditRow, page: Page) -> Result<Vec<Suspect>, AuditError> {
        let inlet = &self.auditor.inlet;
        let digests = inlet.digests(&page.batch, &page.refused);
        let kinships = self.kinships(digests.clone(), times(&page.batch)).await?;
        let count = |wanted| {
            kinships
                .iter()
                .filter(|kinship| **kinship == wanted)
                .count() as u64
        };
        row.differing += count(Kinship::Differing);
        row.read += digests.len() as u64;
        row.checkpoint = Some(page.checkpoint.to_string());
        let suspects = suspects(&page, &digests, &kinships, row.fix);
        let reached = page.batch.records().map(RecordRef::time).max();
        self.show(|progress| {
            progress.read = row.read;
            progress.reached = reached.max(progress.reached);
            progress.suspects += suspects.len() as u64;
        });
        Ok(suspects)
    }

    /// Waits for the live reader, then tells what is missing from what came meanwhile.
    async fn confirm(&self) -> Result<(), AuditError> {
        let open = self
            .with_state(|state, name| state.suspect_digests(name, Verdict::Open))
            .await?;
        if open.is_empty() {
            return Ok(());
        }
        self.show(|progress| progress.step = AuditStep::WaitingForLive);
        self.wait_for_live().await?;
        let digests = open.iter().map(|(_, digest)| *digest).collect();
        let kinships = self.kinships(digests, None).await?;
        let (mut known, mut missing) = (Vec::new(), Vec::new());
        for ((sequence, _), kinship) in open.iter().zip(kinships) {
            match kinship {
                Kinship::New => missing.push(*sequence),
                Kinship::Repeated | Kinship::Differing => known.push(*sequence),
            }
        }
        let keep_texts = self.asked.request.fix;
        self.with_state(move |state, _| {
            state.judge_suspects(&known, &missing, Verdict::Missing, keep_texts)
        })
        .await?;
        self.show(|progress| progress.suspects = 0);
        Ok(())
    }

    /// Until the live reader was told that there is no more, in answer to something that it asked for after now. What
    /// the current read brings was asked for before, and what the next one brings may have been.
    async fn wait_for_live(&self) -> Result<(), AuditError> {
        let mut tide = self.auditor.tide.clone();
        let after = tide.borrow().begun + 2;
        let caught_up = tide.wait_for(|tide| tide.caught_up >= after);
        let caught_up = self.unless_stopped(caught_up).await?;
        caught_up.map(drop).map_err(|_| AuditError::Interrupted)
    }

    async fn report(&self, row: &AuditRow) -> Result<AuditReport, AuditError> {
        let (missing, fixed, named) = self
            .with_state(|state, name| {
                let missing = state.suspects(name, Verdict::Missing, 0, NAMED_MAX)?;
                let fixed = state.suspects(name, Verdict::Fixed, 0, NAMED_MAX)?;
                let counts = (
                    state.count_suspects(name, Verdict::Missing)?.0,
                    state.count_suspects(name, Verdict::Fixed)?.0,
                );
                let mut named: Vec<_> = missing.into_iter().chain(fixed).collect();
                named.sort_unstable_by_key(|suspect| suspect.sequence);
                Ok((counts.0, counts.1, named))
            })
            .await?;
        Ok(AuditReport {
            since: row.since,
            until: row.until,
            read: row.read,
            differing: row.differing,
            missing,
            fixed,
            named: named.into_iter().map(missing_of).collect(),
        })
    }

    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(self.auditor.inlet.name())
    }

    pub(super) async fn kinships(
        &self,
        digests: Vec<Digest>,
        times: Option<RangeInclusive<u64>>,
    ) -> Result<Vec<Kinship>, AuditError> {
        let compared = self.auditor.inlet.delivered.compare(digests, times);
        compared.await.map_err(|error| match error {
            LookupError::State(error) => AuditError::State(error),
            LookupError::Interrupted(_) => AuditError::Interrupted,
        })
    }

    pub(super) async fn settled(&self) -> Result<(), AuditError> {
        self.auditor.settled(&self.asked.stop).await
    }

    pub(super) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, AuditError> {
        self.auditor.unless_stopped(&self.asked.stop, work).await
    }

    /// Does something with the state where it may block.
    pub(super) async fn with_state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&State, &str) -> Result<T, StateError> + Send + 'static,
    ) -> Result<T, AuditError> {
        self.auditor.with_state(work).await
    }

    fn show(&self, change: impl FnOnce(&mut AuditProgress)) {
        self.asked.progress.send_modify(change);
    }
}

/// The audit that is asked for, and whether it is one that was interrupted.
fn begin(state: &State, request: &AuditRequest, now: u64) -> Result<(AuditRow, bool), AuditError> {
    let name = &request.source;
    let known = request.known(state)?;
    let since = request.since.max(known);
    if let Some(row) = state.audit(name)?
        && row.finished.is_none()
        && row.fix == request.fix
        && is_same_beginning(row.since, row.until, since, now)
    {
        return Ok((row, true));
    }
    let row = AuditRow {
        since,
        until: now.max(since),
        fix: request.fix,
        ..AuditRow::default()
    };
    state.begin_audit(name, &row)?;
    Ok((row, false))
}

pub(crate) fn interrupted(end: &SourceEnd) -> AuditError {
    match end {
        SourceEnd::Stopped(why) => AuditError::Source(why.clone()),
        SourceEnd::CaughtUp | SourceEnd::ShutDown => AuditError::Interrupted,
    }
}

fn missing_of(suspect: Suspect) -> Missing {
    Missing {
        id: suspect.id,
        published: suspect.published,
        seen: suspect.seen,
        fixed: suspect.verdict == Verdict::Fixed,
    }
}

fn size(suspect: &Suspect) -> u64 {
    suspect.text.as_ref().map_or(0, |text| text.len() as u64)
}

/// What is new of a page, with its bytes if they will be needed.
fn suspects(page: &Page, digests: &[Digest], kinships: &[Kinship], fix: bool) -> Vec<Suspect> {
    let seen = now();
    let of_record = |record: RecordRef<'_>| Suspect {
        sequence: 0,
        verdict: Verdict::Open,
        digest: Digest { id: 0, bytes: 0 },
        id: record.id().to_owned(),
        kind: record.kind().to_owned(),
        published: record.time(),
        severity: record.severity() as u8,
        seen,
        text: fix.then(|| record.text().to_vec()),
    };
    let of_refused = |refused: &crate::stage::Refused| Suspect {
        sequence: 0,
        verdict: Verdict::Open,
        digest: Digest { id: 0, bytes: 0 },
        id: String::new(),
        kind: refused.reason.clone(),
        published: seen,
        severity: REFUSED,
        seen,
        text: fix.then(|| refused.bytes.clone()),
    };
    let all = page
        .batch
        .records()
        .map(of_record)
        .chain(page.refused.iter().map(of_refused));
    let judged = all.zip(digests).zip(kinships);
    let new = judged.filter(|(_, kinship)| **kinship == Kinship::New);
    new.map(|((suspect, digest), _)| Suspect {
        digest: *digest,
        ..suspect
    })
    .collect()
}
