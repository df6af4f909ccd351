//! What makes a running host take up its configuration again: a command, SIGHUP, and its files, when they changed.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use logweir::config::{self, ReloadMode};
use logweir::control::{Answer, Peer};
use logweir::host::{FileWatch, ReloadError, Reloaded, Reloader};
use logweir::telemetry::acts::Act;
use logweir::telemetry::overview::{ReloadView, bounded};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::run::Reload;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Who may wait for a reload while another one is made.
const WAITING_MAX: usize = 16;

/// Why the configuration is taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// Somebody asked for it over the control socket.
    Asked(Peer),
    /// SIGHUP.
    HangUp,
    /// Its files changed.
    Files,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(Peer {
                uid,
                pid: Some(pid),
            }) => write!(f, "process {pid} of user {uid}"),
            Self::Asked(Peer { uid, pid: None }) => write!(f, "user {uid}"),
            Self::HangUp => f.write_str("SIGHUP"),
            Self::Files => f.write_str("changed files"),
        }
    }
}

/// Asks for reloads; one is made at a time.
pub(crate) struct Reloads {
    asked: mpsc::Sender<(Trigger, oneshot::Sender<Answer>)>,
    newest: watch::Receiver<Option<ReloadView>>,
}

impl Reloads {
    /// Watches from now on, until the task is ended.
    pub(crate) fn start(
        reloader: Reloader,
        reload: Reload<'_>,
        hang_ups: watch::Receiver<u64>,
    ) -> (Self, JoinHandle<()>) {
        let (asked, requests) = mpsc::channel(WAITING_MAX);
        let told = watch::Sender::new(None);
        let newest = told.subscribe();
        let desk = Desk {
            config: reload.config.to_owned(),
            files: FileWatch::new(reload.stamp),
            reloader,
            told,
            refused: None,
        };
        let task = tokio::spawn(desk.serve(requests, hang_ups));
        (Self { asked, newest }, task)
    }

    /// The newest reload, and how it went.
    pub(crate) fn newest(&self) -> watch::Receiver<Option<ReloadView>> {
        self.newest.clone()
    }

    /// Asks for a reload, and waits for how it went.
    pub(crate) async fn ask(&self, trigger: Trigger) -> Answer {
        let (outcome, answer) = oneshot::channel();
        let ending = || Answer::Refused("it is about to end".to_owned());
        match self.asked.send((trigger, outcome)).await {
            Ok(()) => answer.await.unwrap_or_else(|_| ending()),
            Err(_) => ending(),
        }
    }
}

/// Makes one reload after the other.
struct Desk {
    config: std::path::PathBuf,
    files: FileWatch,
    reloader: Reloader,
    told: watch::Sender<Option<ReloadView>>,
    /// Why the newest reload was refused, if it was.
    refused: Option<String>,
}

impl Desk {
    async fn serve(
        mut self,
        mut requests: mpsc::Receiver<(Trigger, oneshot::Sender<Answer>)>,
        mut hang_ups: watch::Receiver<u64>,
    ) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some((trigger, outcome)) = requests.recv() => {
                    let answer = self.reload(trigger).await;
                    // Whoever asked may be gone.
                    drop(outcome.send(answer));
                }
                Ok(()) = hang_ups.changed() => drop(self.reload(Trigger::HangUp).await),
                _ = looks.tick() => if self.has_new_files().await {
                    drop(self.reload(Trigger::Files).await);
                }
            }
        }
    }

    async fn has_new_files(&mut self) -> bool {
        let (config, read) = (self.config.clone(), self.reloader.files().to_vec());
        let stamp = tokio::task::spawn_blocking(move || config::stamp(&config, &read)).await;
        let Ok(stamp) = stamp else {
            return false;
        };
        let is_due = self.files.look(stamp, Instant::now());
        is_due && self.reloader.plan().reload == ReloadMode::Auto
    }

    async fn reload(&mut self, trigger: Trigger) -> Answer {
        let outcome = self.reloader.reload().await;
        match &outcome {
            Ok(_) => self.files.applied(),
            Err(_) => self.files.refused(Instant::now()),
        }
        let (view, answer) = match outcome {
            Ok(reloaded) => self.applied(&reloaded, trigger),
            Err(error) => self.refused(&error, trigger),
        };
        // Files that changed and mean the same are no news.
        if let Some(view) = view {
            self.told.send_replace(Some(view));
        }
        answer
    }

    fn applied(&mut self, reloaded: &Reloaded, trigger: Trigger) -> (Option<ReloadView>, Answer) {
        let told = reloaded.to_string();
        let was_refused = self.refused.take().is_some();
        let is_news = !reloaded.difference.is_empty() || was_refused || trigger != Trigger::Files;
        if is_news {
            super::open_files::allow(self.reloader.plan());
            tracing::info!(act = %Act::Reloaded, by = %trigger, changes = told, "reloaded");
            for warning in &reloaded.warnings {
                tracing::warn!("{warning}");
            }
        }
        let view = is_news.then(|| view(true, &told));
        (view, Answer::Reloaded(told))
    }

    fn refused(&mut self, error: &ReloadError, trigger: Trigger) -> (Option<ReloadView>, Answer) {
        let (configuration, why) = match error {
            ReloadError::Config(errors) => (true, errors.render(false)),
            other => (false, other.to_string()),
        };
        // A file that was written again with the same mistakes has been complained about.
        if trigger != Trigger::Files || self.refused.as_ref() != Some(&why) {
            tracing::error!(by = %trigger, error = %error, "nothing was reloaded: what runs stays as it is");
            for line in why.lines().filter(|_| configuration) {
                tracing::error!("{line}");
            }
        }
        let view = view(false, &error.to_string());
        self.refused = Some(why.clone());
        let answer = Answer::NotReloaded { configuration, why };
        (Some(view), answer)
    }
}

fn view(applied: bool, told: &str) -> ReloadView {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    ReloadView {
        ended_at: since.unwrap_or_default().as_secs(),
        applied,
        told: bounded(told),
    }
}
