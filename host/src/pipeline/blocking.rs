//! Disks block; workers of the runtime must not.

use tokio::task::JoinError;

/// Runs what blocks where blocking does no harm.
pub(crate) async fn off_worker<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    tokio::task::spawn_blocking(work).await
}
