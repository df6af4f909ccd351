//! Delivers what an audit found missing: through the same queues and into the same ledger as everything, with the
//! checkpoint staying where it is.

use crate::pipeline::audit::AuditTask;
use crate::pipeline::inlet::{Inlet, Intake};
use crate::pipeline::overlap::Kinship;
use crate::record::{Batch, Entry, Severity, Span};
use crate::stage::Refused;
use crate::state::{Digest, Suspect, Verdict};

use super::AuditError;
use super::task::{REFUSED, interrupted};

/// Records delivered at a time.
const AT_A_TIME: u32 = 1_000;

impl AuditTask {
    /// Delivers everything missing, some at a time; each lot is settled and in the ledger before it counts as fixed.
    pub(super) async fn deliver(&self) -> Result<(), AuditError> {
        loop {
            let missing = self
                .with_state(|state, name| state.suspects(name, Verdict::Missing, 0, AT_A_TIME))
                .await?;
            if missing.is_empty() {
                return Ok(());
            }
            let sequences: Vec<_> = missing.iter().map(|suspect| suspect.sequence).collect();
            self.deliver_some(missing).await?;
            self.with_state(move |state, _| {
                state.judge_suspects(&[], &sequences, Verdict::Fixed, false)
            })
            .await?;
        }
    }

    /// What is known by now was delivered by this audit before it was interrupted, or by the live reader.
    async fn deliver_some(&self, missing: Vec<Suspect>) -> Result<(), AuditError> {
        let inlet = &self.auditor.inlet;
        // Memory first: who waits for memory with the turn in hand could wait for somebody who waits for the turn.
        let share = inlet.budget.share(missing.iter().map(pinned).sum());
        let share = self.unless_stopped(share).await?;
        let turn = self.unless_stopped(inlet.turn()).await?;
        let digests: Vec<Digest> = missing.iter().map(|suspect| suspect.digest).collect();
        let kinships = self.kinships(digests, None).await?;
        let unknown = missing.into_iter().zip(kinships);
        let unknown = unknown.filter(|(_, kinship)| *kinship == Kinship::New);
        let intake = intake(inlet, unknown.map(|(suspect, _)| suspect).collect())?;
        if intake.records() > 0 {
            inlet.gauge.found(intake.records(), intake.bytes());
            let accepted = inlet.accept(intake, None, None, share).await;
            accepted.map_err(|end| interrupted(&end))?;
        }
        drop(turn);
        self.settled().await
    }
}

/// At least what a suspect takes as a record.
fn pinned(suspect: &Suspect) -> usize {
    let text = suspect.text.as_ref().map_or(0, Vec::len);
    text + suspect.id.len() + suspect.kind.len() + size_of::<Entry>()
}

/// Suspects as records again.
fn intake(inlet: &Inlet, suspects: Vec<Suspect>) -> Result<Intake, AuditError> {
    let (mut body, mut entries, mut refused) = (String::new(), Vec::new(), Vec::new());
    for suspect in suspects {
        let text = String::from_utf8(suspect.text.unwrap_or_default());
        match (suspect.severity, text) {
            (REFUSED, text) => refused.push(Refused {
                bytes: text.map_or_else(|error| error.into_bytes(), String::into_bytes),
                reason: suspect.kind,
            }),
            (severity, Ok(text)) => entries.push(Entry {
                text: append(&mut body, &text),
                id: append(&mut body, &suspect.id),
                kind: append(&mut body, &suspect.kind),
                time: suspect.published,
                severity: severity_of(severity),
            }),
            (_, Err(error)) => refused.push(Refused {
                bytes: error.into_bytes(),
                reason: "it is no text".to_owned(),
            }),
        }
    }
    let batch = Batch::new(inlet.name().clone(), body, entries);
    let batch = batch.map_err(|error| AuditError::Source(error.to_string()))?;
    Ok(inlet.fresh(batch, refused))
}

fn append(body: &mut String, text: &str) -> Span {
    let span = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let offset = span(body.len());
    body.push_str(text);
    Span {
        offset,
        length: span(text.len()),
    }
}

fn severity_of(number: u8) -> Severity {
    let all = [Severity::Debug, Severity::Warn, Severity::Error];
    let found = all.into_iter().find(|severity| *severity as u8 == number);
    found.unwrap_or(Severity::Info)
}
