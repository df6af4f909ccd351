//! Compressed bodies, remembered: compressing each page anew would measure the org instead of its client.

use std::collections::HashMap;
use std::io::{self, Write};
use std::ops::Range;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// So many pages are remembered.
const PAGES_MAX: usize = 512;

/// Pages by their place in the log.
#[derive(Debug, Default)]
pub(crate) struct Compressed {
    pages: HashMap<Range<usize>, Bytes>,
}

impl Compressed {
    pub(crate) fn get(&self, run: &Range<usize>) -> Option<Bytes> {
        self.pages.get(run).cloned()
    }

    pub(crate) fn put(&mut self, run: Range<usize>, body: Bytes) {
        if self.pages.len() < PAGES_MAX {
            self.pages.insert(run, body);
        }
    }
}

/// As `Content-Encoding: gzip`.
pub(crate) fn gzip(pieces: &[Bytes]) -> io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in pieces {
        encoder.write_all(piece)?;
    }
    Ok(encoder.finish()?.into())
}
