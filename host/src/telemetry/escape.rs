//! The one place that makes foreign text safe for a terminal and for a text log (trust rule 20).
//!
//! A user name or a user agent in a record is written by whoever sends it. Raw, it could move the cursor, recolour or
//! reorder what was printed before, or look like a line of its own. Escaped are control characters (C0, DEL and C1:
//! U+009B is raw legal JSON and begins a command to a terminal), format characters (they hide or reorder text) and
//! the line and paragraph separators.

use std::borrow::Cow;
use std::fmt::Write;

/// Text for one line: a terminal, a message, a text log.
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

/// One JSON value on one line of a terminal: still the same value. What isn't JSON is safe too.
pub fn json(text: &str) -> Cow<'_, str> {
    if !text
        .chars()
        .any(|character| character != '\t' && is_unsafe(character))
    {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            // Legal only between tokens, where an escape would not be.
            '\r' | '\n' => safe.push(' '),
            '\t' => safe.push('\t'),
            character if is_unsafe(character) => push_json_escape(&mut safe, character),
            character => safe.push(character),
        }
    }
    Cow::Owned(safe)
}

fn push_json_escape(safe: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a string can't fail.
        write!(safe, "\\u{unit:04x}").unwrap_or_default();
    }
}

fn is_unsafe(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') || is_format(character)
}

/// The general category Cf of Unicode 16, and U+2065, which is reserved among them.
fn is_format(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_20_what_moves_a_cursor_is_escaped() {
        let cases = [
            ("plain, ünïcode, 日本 and 🙂", "plain, ünïcode, 日本 and 🙂"),
            ("red \u{1b}[31m", "red \\u{1b}[31m"),
            ("csi \u{9b}2J", "csi \\u{9b}2J"),
            ("del \u{7f}", "del \\u{7f}"),
            ("two\nlines\r\n\tand a tab", "two\\nlines\\r\\n\\tand a tab"),
            ("admin\u{202e}nimda", "admin\\u{202e}nimda"),
            ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ("sep\u{2028}\u{2029}", "sep\\u{2028}\\u{2029}"),
            ("tag \u{e0041}", "tag \\u{e0041}"),
        ];
        for (raw, safe) in cases {
            assert_eq!(line(raw), safe);
        }
        assert!(matches!(line("nothing to do"), Cow::Borrowed(_)));
    }

    #[test]
    fn trust_20_json_on_a_terminal_stays_the_same_value() {
        let raw = "{\"a\":\t\"x\u{9b}31m\u{7f}\u{202e}\u{e0041}é\",\r\n \"b\":1}";
        let safe = json(raw);
        assert_eq!(
            safe,
            "{\"a\":\t\"x\\u009b31m\\u007f\\u202e\\udb40\\udc41é\",   \"b\":1}"
        );
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&safe), parse(raw));
        assert!(matches!(json("{\"a\":\t1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn trust_20_nothing_unsafe_gets_through_whatever_the_text() {
        for code in 0..=0x10_ffff {
            let Some(character) = char::from_u32(code) else {
                continue;
            };
            let text = character.to_string();
            assert!(!line(&text).chars().any(is_unsafe), "U+{code:04X}");
            assert!(
                !json(&text).chars().any(|c| c != '\t' && is_unsafe(c)),
                "U+{code:04X}"
            );
        }
    }
}
