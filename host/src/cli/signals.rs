//! SIGINT and SIGTERM stop reading and deliver what is queued; a second one exits at once; SIGHUP reopens files, or stops
//! what was started on a terminal that is gone.

use std::io::IsTerminal;
use std::time::Duration;

use logweir::telemetry::acts::Act;
use tokio::runtime::Builder;
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
    /// Listens from now on, for as long as the process lives, in a runtime of its own.
    ///
    /// To be called before another runtime is made: one that runs already may pass on a signal between the moment in
    /// which it is caught and the one in which somebody listens, and nobody would ever hear of it.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let stop = CancellationToken::new();
        let (reopen, reopened) = watch::channel(0);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (interrupt, terminate, hang_up) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            )
        };
        let heard = stop.clone();
        let listener = std::thread::Builder::new().name("signals".to_owned());
        listener.spawn(move || {
            runtime.block_on(async {
                let stops = stop_on(heard.clone(), interrupt, terminate);
                tokio::join!(stops, reopen_on(reopen, hang_up, heard));
            });
        })?;
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

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    /// Whoever needs another runtime to listen in has one that may hear a signal before it listens.
    #[test]
    fn signals_are_heard_without_any_other_runtime() {
        let signals = Signals::listen().unwrap();
        let process = std::process::id().to_string();
        for (signal, heard) in [
            (
                "-HUP",
                &(|| *signals.reopen.borrow() == 1) as &dyn Fn() -> bool,
            ),
            ("-TERM", &|| signals.stop.is_cancelled()),
        ] {
            let sent = Command::new("kill").args([signal, &process]).status();
            assert!(sent.unwrap().success());
            let begin = Instant::now();
            while !heard() {
                assert!(begin.elapsed() < Duration::from_secs(60), "{signal}");
                std::thread::yield_now();
            }
        }
    }
}
