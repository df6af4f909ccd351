//! What one record looks like on one line.

use std::fmt::Write;

use jiff::Timestamp;

use crate::output::line;
use crate::record::{RecordRef, Severity};
use crate::telemetry::escape;

/// Names and kinds up to this length make columns; longer ones only push their own line.
const COLUMN_MAX: usize = 32;

const DIM: &str = "2";
const BOLD_RED: &str = "1;31";
const YELLOW: &str = "33";
const CYAN: &str = "36";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Ndjson,
    Line,
}

impl Shape {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "NDJSON",
            Self::Line => "lines for people",
        }
    }
}

/// How records are shown, and how wide the columns have become.
#[derive(Debug, Clone)]
pub(super) struct Renderer {
    shape: Shape,
    terminal: bool,
    colour: bool,
    width: Option<usize>,
    source_width: usize,
    kind_width: usize,
}

impl Renderer {
    pub(super) fn new(shape: Shape, terminal: bool, colour: bool) -> Self {
        Self {
            shape,
            terminal,
            colour,
            width: None,
            source_width: 0,
            kind_width: 0,
        }
    }

    /// Columns of the terminal. Without, lines are as long as they are.
    pub(super) fn set_width(&mut self, width: Option<usize>) {
        self.width = width;
    }

    /// Appends a record's line.
    pub(super) fn push(&mut self, lines: &mut Vec<u8>, source: &str, record: RecordRef<'_>) {
        match (self.shape, self.terminal) {
            (Shape::Ndjson, false) => line::push(lines, record.text()),
            (Shape::Ndjson, true) => {
                let text = String::from_utf8_lossy(record.text());
                lines.extend_from_slice(escape::json(&text).as_bytes());
                lines.push(b'\n');
            }
            (Shape::Line, _) => self.push_readable(lines, source, record),
        }
    }

    /// Time, severity, source, kind, and as much of the record as there is room for.
    fn push_readable(&mut self, lines: &mut Vec<u8>, source: &str, record: RecordRef<'_>) {
        let source = escape::line(source);
        let kind = escape::line(record.kind());
        self.source_width = wider(self.source_width, &source);
        self.kind_width = wider(self.kind_width, &kind);
        let text = String::from_utf8_lossy(record.text());
        let text = escape::json(&text);
        let fields = [
            (DIM, time(record.time()), 0),
            (
                severity_colour(record.severity()),
                record.severity().as_str().to_owned(),
                5,
            ),
            (CYAN, source.into_owned(), self.source_width),
            ("", kind.into_owned(), self.kind_width),
            (DIM, text.into_owned(), 0),
        ];
        let mut shown = String::new();
        let mut room = self.width.unwrap_or(usize::MAX);
        for (colour, field, width) in fields {
            self.push_field(&mut shown, &mut room, colour, &field, width);
        }
        lines.extend_from_slice(shown.trim_end().as_bytes());
        lines.push(b'\n');
    }

    fn push_field(
        &self,
        shown: &mut String,
        room: &mut usize,
        colour: &str,
        field: &str,
        width: usize,
    ) {
        let (fits, used) = cut(field, *room);
        *room -= used;
        if fits.is_empty() {
            return pad(shown, room, width + 2);
        }
        if self.colour && !colour.is_empty() {
            // Writing to a string can't fail.
            write!(shown, "\u{1b}[{colour}m{fits}\u{1b}[0m").unwrap_or_default();
        } else {
            shown.push_str(&fits);
        }
        pad(shown, room, width.saturating_sub(used) + 2);
    }
}

fn severity_colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Debug => DIM,
        Severity::Info => "",
        Severity::Warn => YELLOW,
        Severity::Error => BOLD_RED,
    }
}

fn time(nanoseconds: u64) -> String {
    let seconds = i64::try_from(nanoseconds / 1_000_000_000).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds)
        .unwrap_or(Timestamp::MAX)
        .to_string()
}

fn wider(width: usize, text: &str) -> usize {
    let own: usize = text.chars().map(columns).sum();
    if own <= COLUMN_MAX {
        width.max(own)
    } else {
        width
    }
}

fn pad(shown: &mut String, room: &mut usize, columns: usize) {
    let columns = columns.min(*room);
    shown.extend(std::iter::repeat_n(' ', columns));
    *room -= columns;
}

/// As much of a text as fits, with an ellipsis if that is not all, and how many columns it takes.
fn cut(text: &str, room: usize) -> (String, usize) {
    let mut used = 0;
    let mut fits = String::new();
    let mut with_ellipsis = (0, 0);
    for character in text.chars() {
        if used + columns(character) > room {
            let (length, columns) = with_ellipsis;
            fits.truncate(length);
            if columns < room {
                fits.push('…');
                return (fits, columns + 1);
            }
            return (fits, columns);
        }
        if used < room {
            with_ellipsis = (fits.len(), used);
        }
        fits.push(character);
        used += columns(character);
    }
    (fits, used)
}

/// Rather too many than too few: what is beyond the scripts of one column is counted as two.
fn columns(character: char) -> usize {
    if character < '\u{1100}' || character == '…' {
        1
    } else {
        2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Batch, Entry, Span};

    fn batch(text: &str, kind: &str, severity: Severity) -> Batch {
        let body = format!("{text}{kind}");
        let length = |text: &str| u32::try_from(text.len()).unwrap();
        let entry = Entry {
            text: Span {
                offset: 0,
                length: length(text),
            },
            kind: Span {
                offset: length(text),
                length: length(kind),
            },
            time: 1_700_000_000_987_654_321,
            severity,
            ..Entry::default()
        };
        Batch::new("acme".into(), body, vec![entry]).unwrap()
    }

    fn render(renderer: &mut Renderer, batch: &Batch) -> String {
        let mut lines = Vec::new();
        renderer.push(&mut lines, batch.source(), batch.get(0).unwrap());
        let text = String::from_utf8(lines).unwrap();
        let line = text.strip_suffix('\n').unwrap();
        assert!(!line.contains(['\n', '\r']), "{line:?}");
        line.to_owned()
    }

    #[test]
    fn a_line_says_when_how_bad_whence_and_what() {
        let mut renderer = Renderer::new(Shape::Line, true, false);
        let warn = batch("{\"a\":\r\n1}", "user.login", Severity::Warn);
        assert_eq!(
            render(&mut renderer, &warn),
            "2023-11-14T22:13:20Z  WARN   acme  user.login  {\"a\":  1}"
        );
        let short = batch("{}", "x", Severity::Error);
        assert_eq!(
            render(&mut renderer, &short),
            "2023-11-14T22:13:20Z  ERROR  acme  x           {}"
        );
        let none = batch("{}", "", Severity::Info);
        assert_eq!(
            render(&mut renderer, &none),
            "2023-11-14T22:13:20Z  INFO   acme              {}"
        );
        let long = batch("{}", &"k".repeat(40), Severity::Debug);
        render(&mut renderer, &long);
        assert_eq!(
            render(&mut renderer, &short),
            "2023-11-14T22:13:20Z  ERROR  acme  x           {}"
        );
    }

    #[test]
    fn a_line_fits_the_terminal() {
        let mut renderer = Renderer::new(Shape::Line, true, false);
        let batch = batch(
            "{\"name\":\"日本語 and more\"}",
            "user.login",
            Severity::Info,
        );
        let whole = "2023-11-14T22:13:20Z  INFO   acme  user.login  {\"name\":\"日本語 and more\"}";
        for width in 1..=90 {
            renderer.set_width(Some(width));
            let line = render(&mut renderer, &batch);
            assert!(
                line.chars().map(columns).sum::<usize>() <= width,
                "{width}: {line}"
            );
            match line.strip_suffix('…') {
                Some(begin) => assert!(whole.starts_with(begin), "{width}: {line}"),
                None => assert!(whole.starts_with(&line), "{width}: {line}"),
            }
        }
        renderer.set_width(Some(60));
        assert_eq!(
            render(&mut renderer, &batch),
            "2023-11-14T22:13:20Z  INFO   acme  user.login  {\"name\":\"日…"
        );
        renderer.set_width(None);
        assert_eq!(render(&mut renderer, &batch), whole);
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let warn = batch("{\"a\":1}", "user.login", Severity::Warn);
        let plain = render(&mut Renderer::new(Shape::Line, true, false), &warn);
        let coloured = render(&mut Renderer::new(Shape::Line, true, true), &warn);
        assert!(coloured.contains("\u{1b}[33mWARN\u{1b}[0m"), "{coloured:?}");
        let mut bare = coloured;
        for code in [DIM, YELLOW, CYAN, BOLD_RED, "0"] {
            bare = bare.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(bare, plain);
    }

    #[test]
    fn trust_20_bytes_stay_in_a_pipe_and_are_escaped_on_a_terminal() {
        let batch = batch(
            "{\"a\":\"\u{9b}2J\u{7f}\u{202e}\"}",
            "kind\u{9b}",
            Severity::Info,
        );
        let pipe = render(&mut Renderer::new(Shape::Ndjson, false, false), &batch);
        assert_eq!(pipe, "{\"a\":\"\u{9b}2J\u{7f}\u{202e}\"}");
        let terminal = render(&mut Renderer::new(Shape::Ndjson, true, false), &batch);
        assert_eq!(terminal, "{\"a\":\"\\u009b2J\\u007f\\u202e\"}");
        let line = render(&mut Renderer::new(Shape::Line, false, false), &batch);
        assert!(
            line.ends_with("kind\\u{9b}  {\"a\":\"\\u009b2J\\u007f\\u202e\"}"),
            "{line}"
        );
    }
}
