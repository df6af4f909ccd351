//! What holds for pages whoever reads them: the live reader, an audit, a backfill.

use std::time::Duration;

use tokio::time::sleep;

use crate::stage::{Page, Source, StageError};

/// The longest checkpoint: it is written with each commit, and a person must be able to read it.
const CHECKPOINT_MAX: usize = 64 << 10;

/// Waits until a source has another credential than that of this stamp.
pub(crate) async fn credential_other_than(source: &dyn Source, stamp: u64, poll: Duration) {
    while source.credential_stamp() == stamp {
        sleep(poll).await;
    }
}

/// What no reader may return, whoever implements it.
pub(crate) fn check(page: &Page) -> Result<(), StageError> {
    let length = page.checkpoint.len();
    if length == 0 {
        return Err(StageError::Crashed(
            "it returned a page without a checkpoint".to_owned(),
        ));
    }
    if length > CHECKPOINT_MAX {
        let lie = format!("it returned a checkpoint of {length} bytes, more than {CHECKPOINT_MAX}");
        return Err(StageError::Crashed(lie));
    }
    Ok(())
}
