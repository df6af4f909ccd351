//! Where the records of one source go: to the queues of its outputs, which may be others after a reload.
//!
//! Who takes a page in takes the routes of that moment, once, and sends the page along all of them. So acks waits for
//! exactly those outputs whose queues got it, whatever a reload does meanwhile; and a queue that a reload took out of all
//! routes is closed when the last page that was underway to it is in it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::queue::QueueSender;

/// How often who waits for room looks whose room that is.
const LOOK: Duration = Duration::from_secs(1);

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

    /// Waits until each of their queues can take something. A reload may have it wait for others.
    pub(crate) async fn room(&self) {
        loop {
            let now = self.now();
            let all = async {
                for route in &*now {
                    route.queue.room().await;
                }
            };
            if timeout(LOOK, all).await.is_ok() {
                return;
            }
        }
    }

    /// What is read from now on goes here.
    pub(crate) fn replace(&self, routes: Vec<Route>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = routes.into();
    }
}
