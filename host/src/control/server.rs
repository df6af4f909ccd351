//! Who answers.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::ControlError;
use super::place::Place;
use super::protocol::{Answer, REQUEST_BYTES_MAX, Request};
use crate::state::StateLock;

/// More than one person opens windows; the next one waits.
const CONVERSATIONS_MAX: usize = 16;
/// How long a conversation may rest.
const REST_WITHIN: Duration = Duration::from_secs(60);
/// How long the other side may take to read an answer.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// The pause after a conversation that could not be accepted: there may be no free file for one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who asks, as the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The user that runs it.
    pub uid: u32,
    /// Its process, where the system says.
    pub pid: Option<i32>,
}

/// What answers requests.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Answers one request. What changes something is logged with who asked. What takes a while tells how far it is,
    /// and ends when nobody hears that any more.
    async fn answer(&self, request: Request, peer: Peer, news: &mut dyn News) -> Answer;
}

/// Where something that takes a while tells how far it is.
#[async_trait]
pub trait News: Send {
    /// Tells it. An error means that whoever asked has hung up.
    async fn tell(&mut self, news: Answer) -> io::Result<()>;
}

#[async_trait]
impl News for BufReader<UnixStream> {
    async fn tell(&mut self, news: Answer) -> io::Result<()> {
        say(self, news).await
    }
}

/// A socket that is listened at. It goes with this.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Listens in the state folder whose lock is held, which is why a socket that is there already is nobody's.
    pub fn bind(folder: &Path, _lock: &StateLock) -> Result<Self, ControlError> {
        Self::bind_in(folder)
    }

    fn bind_in(folder: &Path) -> Result<Self, ControlError> {
        let path = folder.to_owned();
        let place = Place::of(folder).map_err(|source| ControlError::Bind { path, source })?;
        let path = place.path.clone();
        remove_old(&path)?;
        let bound = UnixListener::bind(&place.address).and_then(|listener| {
            // Until here the folder, which only we can enter, keeps others out.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        });
        match bound {
            Ok(listener) => Ok(Self { listener, path }),
            Err(source) => Err(ControlError::Bind { path, source }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answers until it is dropped.
    pub async fn serve(self, handler: impl Handler) {
        let mut open = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if open.len() < CONVERSATIONS_MAX => match accepted {
                    Ok((stream, _)) => open.push(converse(stream, &handler)),
                    Err(error) => {
                        tracing::debug!(%error, "could not accept a conversation");
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(()) = open.next() => {}
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket stays behind; the next run replaces it");
        }
    }
}

fn remove_old(path: &Path) -> Result<(), ControlError> {
    let bind = |source| ControlError::Bind {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(bind),
        Ok(_) => Err(ControlError::NoSocket(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(bind(source)),
    }
}

/// Whether this user may ask: ours, and root, who could anyway.
fn admits(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

async fn converse(stream: UnixStream, handler: &impl Handler) {
    if let Err(error) = try_converse(stream, handler).await {
        tracing::debug!(%error, "a conversation over the control socket broke off");
    }
}

async fn try_converse(stream: UnixStream, handler: &impl Handler) -> io::Result<()> {
    let credentials = stream.peer_cred()?;
    let peer = Peer {
        uid: credentials.uid(),
        pid: credentials.pid(),
    };
    let mut stream = BufReader::new(stream);
    if !admits(peer.uid) {
        tracing::warn!(uid = peer.uid, "refused to talk to another user");
        return say(&mut stream, refused("this host belongs to another user")).await;
    }
    while let Some(line) = hear(&mut stream).await? {
        let answer = match line {
            Heard::TooLong => return say(&mut stream, refused("the request is too long")).await,
            Heard::Line(line) => match Request::from_line(&line) {
                Ok(request) => handler.answer(request, peer, &mut stream).await,
                Err(why) => Answer::Refused(why),
            },
        };
        say(&mut stream, answer).await?;
    }
    Ok(())
}

fn refused(why: &str) -> Answer {
    Answer::Refused(why.to_owned())
}

enum Heard {
    Line(Vec<u8>),
    TooLong,
}

/// The next line; nothing when the other side hung up, or rests for too long.
async fn hear(stream: &mut BufReader<UnixStream>) -> io::Result<Option<Heard>> {
    let mut line = Vec::new();
    let mut bounded = stream.take(REQUEST_BYTES_MAX + 1);
    let Ok(heard) = timeout(REST_WITHIN, bounded.read_until(b'\n', &mut line)).await else {
        return Ok(None);
    };
    let heard = match heard? {
        0 => None,
        _ if line.len() as u64 > REQUEST_BYTES_MAX => Some(Heard::TooLong),
        _ => Some(Heard::Line(line)),
    };
    Ok(heard)
}

async fn say(stream: &mut BufReader<UnixStream>, answer: Answer) -> io::Result<()> {
    let line = answer.to_line()?;
    let written = timeout(READ_WITHIN, stream.write_all(&line)).await;
    written.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, Read, Write};
    use std::os::unix::net::UnixStream as Caller;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use tempfile::TempDir;
    use tokio::task::AbortHandle;

    use super::*;
    use crate::control::Client;
    use crate::telemetry::audit::AuditProgress;

    /// Whether it was seen that somebody hung up.
    static HUNG_UP: AtomicBool = AtomicBool::new(false);

    struct Echo;

    #[async_trait]
    impl Handler for Echo {
        async fn answer(&self, request: Request, peer: Peer, news: &mut dyn News) -> Answer {
            if matches!(request, Request::Audit { .. }) {
                // Until nobody hears it any more.
                let progress = || Answer::AuditProgress(AuditProgress::default());
                while news.tell(progress()).await.is_ok() {
                    sleep(Duration::from_millis(1)).await;
                }
                HUNG_UP.store(true, SeqCst);
            }
            Answer::Refused(format!("no, {}", peer.uid))
        }
    }

    struct Running(AbortHandle);

    impl Drop for Running {
        fn drop(&mut self) {
            self.0.abort();
        }
    }

    fn start(folder: &Path) -> Running {
        let control = Control::bind_in(folder).unwrap();
        Running(tokio::spawn(control.serve(Echo)).abort_handle())
    }

    async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(work).await.unwrap()
    }

    /// What comes back for some bytes, up to the end of the conversation.
    async fn sent(folder: &TempDir, bytes: Vec<u8>) -> String {
        let path = folder.path().join("control.sock");
        blocking(move || {
            let mut caller = Caller::connect(path).unwrap();
            // It may hang up before all of it is there.
            drop(caller.write_all(&bytes));
            drop(caller.shutdown(std::net::Shutdown::Write));
            let mut said = String::new();
            drop(caller.read_to_string(&mut said));
            said
        })
        .await
    }

    #[tokio::test]
    async fn trust_21_the_socket_is_private_and_goes_with_its_host() {
        let folder = tempfile::tempdir().unwrap();
        let running = start(folder.path());
        let path = folder.path().join("control.sock");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(running);
        while path.exists() {
            tokio::task::yield_now().await;
        }
        let gone = folder.path().to_owned();
        assert!(
            blocking(move || Client::connect(&gone))
                .await
                .unwrap()
                .is_none()
        );
    }

    #[tokio::test]
    async fn a_conversation_goes_on_after_each_answer() {
        let folder = tempfile::tempdir().unwrap();
        let _running = start(folder.path());
        let at = folder.path().to_owned();
        blocking(move || {
            let mut client = Client::connect(&at).unwrap().unwrap();
            let uid = rustix::process::geteuid().as_raw();
            for _ in 0..3 {
                let answer = client.ask(&Request::Status).unwrap();
                assert_eq!(answer, Answer::Refused(format!("no, {uid}")));
            }
        })
        .await;
    }

    #[tokio::test]
    async fn who_hangs_up_does_not_want_it_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let _running = start(folder.path());
        let path = folder.path().join("control.sock");
        blocking(move || {
            let mut caller = Caller::connect(path).unwrap();
            let line =
                r#"{"version":1,"request":{"audit":{"source":"acme","since":0,"fix":false}}}"#;
            writeln!(caller, "{line}").unwrap();
            let mut lines = std::io::BufReader::new(caller).lines();
            for _ in 0..3 {
                let line = lines.next().unwrap().unwrap();
                assert!(line.contains("audit_progress"), "{line}");
            }
        })
        .await;
        while !HUNG_UP.load(SeqCst) {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn trust_21_an_older_host_that_does_not_know_the_request_is_told_from_one_that_refuses() {
        let older = Request::from_line(b"{\"version\":1,\"request\":\"explode\"}").unwrap_err();
        let error = ControlError::refused(older);
        assert!(matches!(error, ControlError::Unknown(_)), "{error}");
        assert!(error.to_string().contains("restart it"), "{error}");
        let error = ControlError::refused("this host belongs to another user".to_owned());
        assert!(matches!(error, ControlError::Refused(_)), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_with_words_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let _running = start(folder.path());
        let garbage = sent(&folder, b"\xff\x00 hello\n".to_vec()).await;
        assert!(garbage.contains("one line of JSON"), "{garbage}");
        let unended = sent(&folder, b"{\"version\":1,\"request\":\"status\"}".to_vec()).await;
        assert!(unended.contains("no, "), "{unended}");
        let long = sent(&folder, vec![b' '; 1 << 20]).await;
        assert!(long.contains("too long"), "{long}");
        assert_eq!(long.lines().count(), 1);
        assert_eq!(sent(&folder, Vec::new()).await, "");
    }

    #[tokio::test]
    async fn a_socket_that_a_dead_process_left_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "it stays behind");
        let at = folder.path().to_owned();
        let nobody = blocking(move || Client::connect(&at)).await;
        assert!(nobody.unwrap().is_none());
        drop(start(folder.path()));
        fs::remove_file(&path).unwrap_or_default();
        fs::write(&path, "precious").unwrap();
        let error = Control::bind_in(folder.path()).unwrap_err();
        assert!(matches!(error, ControlError::NoSocket(_)), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn a_folder_with_a_long_name_has_a_socket_too() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(120));
        fs::create_dir(&deep).unwrap();
        let _running = start(&deep);
        let mode = fs::metadata(deep.join("control.sock"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let answer = blocking(move || {
            let mut client = Client::connect(&deep).unwrap().unwrap();
            client.ask(&Request::Status)
        });
        assert!(answer.await.is_ok());
    }

    #[tokio::test]
    async fn more_than_are_served_at_a_time_wait_and_are_served() {
        let folder = tempfile::tempdir().unwrap();
        let _running = start(folder.path());
        let path = folder.path().join("control.sock");
        blocking(move || {
            let connect = || Caller::connect(&path).unwrap();
            let mut resting: Vec<_> = (0..CONVERSATIONS_MAX).map(|_| connect()).collect();
            let mut late = connect();
            late.write_all(b"{\"version\":1,\"request\":\"status\"}\n")
                .unwrap();
            resting.pop();
            let mut line = String::new();
            std::io::BufReader::new(late).read_line(&mut line).unwrap();
            assert!(line.contains("no, "), "{line}");
        })
        .await;
    }

    #[test]
    fn trust_21_no_other_user_is_admitted() {
        let own = rustix::process::geteuid().as_raw();
        assert!(admits(own) && admits(0));
        assert!(!admits(own + 1) && !admits(u32::MAX));
    }
}
