//! Secrets on their way into headers.

use http::HeaderValue;

/// A header's value that no `Debug` shows, and that no compression table of HTTP/2 keeps.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
