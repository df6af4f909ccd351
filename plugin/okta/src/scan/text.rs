//! What a JSON string says.

/// The text of a string's inside with escapes in it. `None` when it stands for no text: a lone surrogate, or bytes that
/// are not UTF-8.
pub fn unescape(inside: &[u8]) -> Option<String> {
    let mut quoted = Vec::with_capacity(inside.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(inside);
    quoted.push(b'"');
    serde_json::from_slice(&quoted).ok()
}
