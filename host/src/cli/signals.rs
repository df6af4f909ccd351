//! SIGINT and SIGTERM stop reading and deliver what is queued; a second one exits at once; SIGHUP reopens files, or stops
//! what was started on a terminal that is gone.

use std::io::IsTerminal;
use std::time::Duration;

use logweir::telemetry::acts::Act;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// How often is looked whether there is still a terminal.
const LOOK: Duration = Duration::from_secs(5);

/// What signals ask for.
pub(crate) struct Signals {
    /// Stop reading, deliver what is queued, exit.
    pub(crate) stop: CancellationToken,
    reopen: watch::Receiver<u64>,
}

impl Signals {
    /// Listens from now on, for as long as the runtime lives.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let stop = CancellationToken::new();
        let (reopen, reopened) = watch::channel(0);
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        let hang_up = signal(SignalKind::hangup())?;
        tokio::spawn(stop_on(stop.clone(), interrupt, terminate));
        tokio::spawn(reopen_on(reopen, hang_up, stop.clone()));
        Ok(Self {
            stop,
            reopen: reopened,
        })
    }

    /// A new value each time that files are to be opened anew.
    pub(crate) fn reopen(&self) -> watch::Receiver<u64> {
        self.reopen.clone()
    }
}

async fn stop_on(stop: CancellationToken, mut interrupt: Signal, mut terminate: Signal) {
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.is_cancelled() {
            exit_at_once();
        }
        tracing::info!("stopping: delivering what is queued; once more to exit at once");
        stop.cancel();
    }
}

async fn reopen_on(reopen: watch::Sender<u64>, mut hang_up: Signal, stop: CancellationToken) {
    // A terminal hangs up when it is closed. One that went without a word is not spoken of later.
    let mut on_terminal = is_on_terminal();
    let mut gone_before = false;
    let mut looks = interval(LOOK);
    loop {
        tokio::select! {
            hung_up = hang_up.recv() => if hung_up.is_none() {
                return;
            },
            _ = looks.tick(), if on_terminal => {
                let gone = !is_on_terminal();
                on_terminal = !(gone && gone_before);
                gone_before = gone;
                continue;
            }
        }
        if on_terminal && !is_on_terminal() {
            tracing::info!("stopping: the terminal was closed");
            stop.cancel();
            continue;
        }
        tracing::info!(act = %Act::FilesReopened, "reopening files");
        reopen.send_modify(|times| *times += 1);
    }
}

/// One that was closed is a terminal no more.
fn is_on_terminal() -> bool {
    std::io::stdin().is_terminal()
        || std::io::stdout().is_terminal()
        || std::io::stderr().is_terminal()
}

/// Nothing is lost: what was not settled is read again from the checkpoint.
#[expect(
    clippy::exit,
    reason = "the person asked twice; whatever still runs is what they don't want to wait for"
)]
fn exit_at_once() -> ! {
    std::process::exit(130)
}
