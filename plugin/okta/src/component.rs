//! The plugin itself: pumps what [`crate::reader`] and [`crate::check`] decide through the SDK's HTTP client.

use std::time::Instant;

use logweir_plugin::http::{HttpError, Pending, Request};
use logweir_plugin::types::{CheckReport, Description, Error, Page, Start};
use logweir_plugin::{Source, export_source, time};

use crate::answer::Head;
use crate::check::{self, Answer, Check};
use crate::describe::describe;
use crate::reader::{Now, Outcome, Reader};

/// A reader and what was asked early for the next page of one of its cursors.
struct Okta {
    begun: Instant,
    reader: Reader,
    early: Option<Early>,
}

/// A request that was sent before it was its turn.
struct Early {
    request: Request,
    pending: Result<Pending, HttpError>,
}

export_source!(Okta);

impl Source for Okta {
    fn describe() -> Description {
        describe()
    }

    fn open(config: &str, start: Start) -> Result<Self, Error> {
        Ok(Self {
            begun: time::monotonic(),
            reader: Reader::open(config, start)?,
            early: None,
        })
    }

    fn check(&mut self) -> Result<CheckReport, Error> {
        let mut check = Check::new(self.reader.config(), self.now());
        while let Some(request) = check.request() {
            check.on_answer(exchange(request), self.now());
        }
        Ok(check.report())
    }

    fn read(&mut self) -> Result<Page, Error> {
        if let Some(page) = self.reader.ended() {
            return Ok(page);
        }
        loop {
            let result = self.exchange();
            // What was asked early because of a page that was not accepted is not wanted, nor what a cursor that ended
            // would have read.
            let reader = &self.reader;
            self.early = self
                .early
                .take()
                .filter(|early| reader.follows(&early.request));
            if let Outcome::Page(page) = result? {
                return Ok(*page);
            }
        }
    }
}

impl Okta {
    fn now(&self) -> Now {
        Now {
            wall: time::now(),
            steady: self.begun.elapsed(),
        }
    }

    fn exchange(&mut self) -> Result<Outcome, Error> {
        let request = self.reader.request(self.now());
        let pending = match self.early.take_if(|early| early.request == request) {
            Some(early) => early.pending,
            None => request.send(),
        };
        let mut body = Vec::with_capacity(self.reader.expected_bytes());
        match self.pump(pending, &mut body) {
            Ok(()) => self.reader.on_end(body, self.now()),
            Err(error) => Err(self.reader.on_failure(&error, body, self.now())),
        }
    }

    /// Shows the reader head and body as they come, and sends what it asks for meanwhile.
    fn pump(
        &mut self,
        pending: Result<Pending, HttpError>,
        body: &mut Vec<u8>,
    ) -> Result<(), HttpError> {
        let response = pending?.wait()?;
        self.reader
            .on_head(response.status, response.headers.clone());
        let limit = self.reader.max_body_bytes();
        let mut incoming = response.into_body()?;
        while incoming.read(body)? > 0 {
            if body.len() > limit {
                return Err(HttpError::TooLarge { limit });
            }
            // One at a time: what was asked for the other cursor may still be under way, and an org is asked for two pages
            // at a time at most.
            if self.early.is_none()
                && let Some(next) = self.reader.on_bytes(body)
            {
                self.early = Some(Early {
                    pending: next.clone().send(),
                    request: next,
                });
            }
        }
        Ok(())
    }
}

fn exchange(request: Request) -> Result<Answer, HttpError> {
    let response = request.send()?.wait()?;
    let head = Head {
        status: response.status,
        headers: response.headers.clone(),
    };
    let body = response.into_body()?.read_to_end(check::MAX_BODY_BYTES)?;
    Ok(Answer { head, body })
}
