//! Where an output is, as far as that may be stored.

use std::collections::VecDeque;
use std::sync::Arc;

pub(super) struct OutputBook {
    pub(super) name: Arc<str>,
    /// Writes whose positions can't be stored yet, in their order.
    pub(super) writes: VecDeque<Write>,
    /// The newest that may be stored.
    pub(super) position: Option<String>,
    /// Whether it is still to be stored.
    pub(super) pending: bool,
}

pub(super) struct Write {
    position: Option<String>,
    /// Per source, the number of the newest batch in it.
    newest: Vec<(usize, u64)>,
}

impl OutputBook {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            writes: VecDeque::new(),
            position: None,
            pending: false,
        }
    }

    /// It has written these batches, and is at this position.
    pub(super) fn wrote(&mut self, position: Option<String>, newest: Vec<(usize, u64)>) {
        self.writes.push_back(Write { position, newest });
    }

    /// It is to be at this position before it writes, whatever still waits to settle.
    pub(super) fn begin(&mut self, position: String) {
        for write in &mut self.writes {
            write.position = None;
        }
        self.position = Some(position);
        self.pending = true;
    }

    /// Moves the position over all writes at the front whose batches are settled.
    ///
    /// What is settled behind those waits for the write before it alone, and becomes one with it. So there are never more
    /// writes than unsettled batches, however long one source stands still while others go on.
    pub(super) fn advance(&mut self, settled: impl Fn(&(usize, u64)) -> bool) {
        let is_settled = |write: &Write| write.newest.iter().all(&settled);
        while let Some(write) = self.writes.pop_front_if(|write| is_settled(write)) {
            if write.position.is_some() {
                self.position = write.position;
                self.pending = true;
            }
        }
        if self.writes.len() < 2 {
            return;
        }
        let mut joined: VecDeque<Write> = VecDeque::with_capacity(self.writes.len());
        for write in std::mem::take(&mut self.writes) {
            match joined.back_mut() {
                Some(before) if is_settled(&write) => {
                    before.position = write.position.or(before.position.take());
                }
                _ => joined.push_back(write),
            }
        }
        self.writes = joined;
    }
}
