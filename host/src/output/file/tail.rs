//! What the end of a file looks like.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where the last whole line ends; `from` if there is none behind it.
pub(super) fn whole_lines(file: &File, from: u64, length: u64) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut block = Vec::new();
    let mut end = length;
    while end > from {
        let start = end.saturating_sub(STEP).max(from);
        block.resize(usize::try_from(end - start).unwrap_or(0), 0);
        file.read_exact_at(&mut block, start)?;
        if let Some(newline) = memchr::memrchr(b'\n', &block) {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(from)
}

/// Whether what is before an offset is whole lines, as far as the last byte of it says so.
pub(super) fn is_line_end(file: &File, end: u64) -> io::Result<bool> {
    let Some(before) = end.checked_sub(1) else {
        return Ok(true);
    };
    let mut byte = [0];
    file.read_exact_at(&mut byte, before)?;
    Ok(byte == *b"\n")
}
