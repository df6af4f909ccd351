//! Who asks. It blocks: a command has nothing else to do meanwhile.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ControlError;
use super::place::Place;
use super::protocol::{ANSWER_BYTES_MAX, Answer, Request};

/// How long the host may take for an answer, or for news of it.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take for one that asks it to do something: a plugin may have to be compiled first.
const DONE_WITHIN: Duration = Duration::from_secs(600);

/// A conversation with a running host.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Calls the host that runs with this state folder; `None` when none does.
    pub fn connect(folder: &Path) -> Result<Option<Self>, ControlError> {
        let place = match Place::of(folder) {
            Ok(place) => place,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let path = folder.to_owned();
                return Err(ControlError::Talk { path, source });
            }
        };
        let path = place.path.clone();
        let connected = UnixStream::connect(&place.address).and_then(|stream| {
            stream.set_read_timeout(Some(ANSWER_WITHIN))?;
            stream.set_write_timeout(Some(ANSWER_WITHIN))?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => Ok(Some(Self {
                path,
                stream: BufReader::new(stream),
            })),
            Err(error) if nobody_is_there(&error) => Ok(None),
            Err(source) => Err(ControlError::Talk { path, source }),
        }
    }

    /// Asks one thing.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ControlError> {
        self.ask_and_hear(request, |_| ())
    }

    /// Asks for something that takes a while. `news` gets what is said before the answer.
    pub fn ask_and_hear(
        &mut self,
        request: &Request,
        mut news: impl FnMut(Answer),
    ) -> Result<Answer, ControlError> {
        let patience = match request {
            Request::Reload => DONE_WITHIN,
            Request::Status | Request::Audit { .. } | Request::Backfill { .. } => ANSWER_WITHIN,
        };
        let set = self.stream.get_ref().set_read_timeout(Some(patience));
        set.map_err(|source| self.failed(source))?;
        let mut answer = self.send(request)?;
        while answer.is_news() {
            news(answer);
            answer = self.hear(Ok(()))?;
        }
        Ok(answer)
    }

    /// Says what is wanted; gives the first line that comes back.
    fn send(&mut self, request: &Request) -> Result<Answer, ControlError> {
        let sent = request.to_line().map_err(io::Error::from);
        let sent = sent.and_then(|line| self.stream.get_mut().write_all(&line));
        self.hear(sent)
    }

    /// The next line of what was asked for, if asking went well.
    fn hear(&mut self, sent: io::Result<()>) -> Result<Answer, ControlError> {
        let mut line = Vec::new();
        let read = (&mut self.stream)
            .take(ANSWER_BYTES_MAX)
            .read_until(b'\n', &mut line);
        // Who refuses may hang up before it has read what was sent.
        match (sent, read) {
            (_, Ok(_)) if line.ends_with(b"\n") => {
                let answer = Answer::from_line(&line);
                answer.map_err(|error| ControlError::Answer(error.to_string()))
            }
            (Err(source), _) | (Ok(()), Err(source)) => Err(self.failed(source)),
            (Ok(()), Ok(_)) => Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn failed(&self, source: io::Error) -> ControlError {
        let path = self.path.clone();
        ControlError::Talk { path, source }
    }
}

fn nobody_is_there(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}
