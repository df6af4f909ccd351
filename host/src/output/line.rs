//! One record, one line.

/// Appends a record and the end of its line. Line breaks in a record are legal between tokens only, and would make it
/// several lines: each becomes a space, and nothing else changes (delivery rule 6).
pub(super) fn push(buffer: &mut Vec<u8>, text: &[u8]) {
    let start = buffer.len();
    buffer.extend_from_slice(text);
    if memchr::memchr2(b'\r', b'\n', text).is_some() {
        for byte in buffer.iter_mut().skip(start) {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
    }
    buffer.push(b'\n');
}
