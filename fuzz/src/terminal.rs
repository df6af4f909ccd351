//! Text on a terminal, whatever it holds (trust rule 20).

use logweir::telemetry::escape;
use serde_json::Value;

/// Escapes `text` for a line and as JSON.
pub fn terminal(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let line = escape::line(text);
    assert!(!line.contains(acts), "{line:?}");
    assert_eq!(escape::line(&line), line, "what is safe stays as it is");

    let json = escape::json(text);
    assert!(!json.contains(|c: char| c != '\t' && acts(c)), "{json:?}");
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        let shown = serde_json::from_str::<Value>(&json).unwrap();
        assert_eq!(shown, value);
    }
}

/// A few that must never come through, written down independently of who escapes them.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{e0001}')
}
