//! Where the records of one source go: to the queues of its outputs, which may be others after a reload.
//!
//! Who takes a page in takes the routes of that moment, once, and sends the page along all of them. So acks waits for
//! exactly those outputs whose queues got it, whatever a reload does meanwhile; and a queue that a reload took out of all
//! routes is closed when the last page that was underway to it is in it.

use std::sync::{Arc, Mutex, PoisonError};

use super::queue::QueueSender;

/// The way to one output.
#[derive(Clone)]
pub(crate) struct Route {
    /// The output's name.
    pub(crate) name: Arc<str>,
    pub(crate) queue: QueueSender,
}

/// The routes of one source. See the module.
pub(crate) struct Routes(Mutex<Arc<[Route]>>);

impl Routes {
    pub(crate) fn new(routes: Vec<Route>) -> Self {
        Self(Mutex::new(routes.into()))
    }

    /// Those of this moment.
    pub(crate) fn now(&self) -> Arc<[Route]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is read from now on goes here.
    pub(crate) fn replace(&self, routes: Vec<Route>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = routes.into();
    }
}
