//! A cursor over JSON text that accepts exactly what `serde_json` accepts as `IgnoredAny` from a slice of bytes.
//!
//! So strings may hold any byte but raw control characters (UTF-8 is looked at elsewhere) and escapes of lone
//! surrogates; numbers may be of any size; keys may repeat; nesting has no limit.

use logweir_plugin::types::Span;

use super::plain::plain;

/// What is wrong, in words that go on with "at byte".
pub(super) type Fault = &'static str;

const OBJECT: u8 = b'{';
const ARRAY: u8 = b'[';

/// A place in a text.
#[derive(Debug)]
pub(super) struct Json<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The brackets that are open below the value being walked. Kept to save an allocation a value.
    open: Vec<u8>,
}

impl<'a> Json<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            open: Vec::new(),
        }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Skips what may stand between tokens, and says where it is then.
    pub(super) fn start_of_token(&mut self) -> usize {
        self.token();
        self.at
    }

    /// Goes behind the bracket that opens an array.
    pub(super) fn enter_array(&mut self) {
        self.takes(ARRAY);
    }

    /// Whether the array ends here; then goes behind its bracket.
    pub(super) fn ends_array_now(&mut self) -> bool {
        self.takes(b']')
    }

    /// Goes behind `byte` if it is the next token.
    #[inline]
    pub(super) fn takes(&mut self, byte: u8) -> bool {
        let found = self.token() == byte;
        self.at += usize::from(found);
        found
    }

    /// The first byte of the next token; 0 at the end, which begins none.
    #[inline]
    pub(super) fn token(&mut self) -> u8 {
        match self.bytes.get(self.at) {
            Some(&byte) if byte > b' ' => byte,
            _ => self.token_behind_space(),
        }
    }

    #[cold]
    fn token_behind_space(&mut self) -> u8 {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.peek()
    }

    #[inline]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Goes behind a key and its colon, and says what the key is.
    #[inline]
    pub(super) fn key(&mut self) -> Result<(Span, bool), Fault> {
        if !self.takes(b'"') {
            return Err("no key");
        }
        let key = self.string()?;
        match self.takes(b':') {
            true => Ok(key),
            false => Err("no colon"),
        }
    }

    /// Goes behind the string that was opened, and says what is in it and whether it has escapes.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<(Span, bool), Fault> {
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain(self.bytes.get(self.at..).unwrap_or(&[]));
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let text = span(start, self.at);
                    self.at += 1;
                    return Ok((text, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    self.escape()?;
                }
                Some(_) => return Err("a control character in a string"),
                None => return Err("a string without an end"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.peek() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                self.at += 1;
                return Ok(());
            }
            b'u' => self.at += 1,
            _ => return Err("no such escape"),
        }
        for _ in 0..4 {
            if !self.peek().is_ascii_hexdigit() {
                return Err("no hexadecimal digit");
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Goes behind the value that begins with the next token.
    #[inline]
    pub(super) fn value(&mut self) -> Result<(), Fault> {
        self.open.clear();
        loop {
            match self.token() {
                b'"' => {
                    self.at += 1;
                    self.string()?;
                }
                OBJECT => {
                    self.at += 1;
                    if !self.takes(b'}') {
                        self.open.push(OBJECT);
                        self.key()?;
                        continue;
                    }
                }
                ARRAY => {
                    self.at += 1;
                    if !self.takes(b']') {
                        self.open.push(ARRAY);
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            if self.close()? {
                return Ok(());
            }
        }
    }

    /// Behind a value: closes what ends here. True when nothing is open any more, false when another value follows.
    #[inline]
    fn close(&mut self) -> Result<bool, Fault> {
        while let Some(&open) = self.open.last() {
            match (open, self.token()) {
                (_, b',') => {
                    self.at += 1;
                    if open == OBJECT {
                        self.key()?;
                    }
                    return Ok(false);
                }
                (ARRAY, b']') | (OBJECT, b'}') => self.open.pop(),
                _ => return Err("neither comma nor bracket"),
            };
            self.at += 1;
        }
        Ok(true)
    }

    #[inline]
    fn scalar(&mut self) -> Result<(), Fault> {
        match self.peek() {
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => Err("no value"),
        }
    }

    #[inline]
    fn literal(&mut self, literal: &[u8]) -> Result<(), Fault> {
        let found = self
            .bytes
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(literal));
        if !found {
            return Err("no value");
        }
        self.at += literal.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        self.skip(b'-');
        match self.peek() {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.skip(b'.') {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _signed = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        match self.peek() {
            b'0'..=b'9' => Err("a number with a leading zero"),
            _ => Ok(()),
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    fn digits(&mut self) -> Result<(), Fault> {
        if !self.peek().is_ascii_digit() {
            return Err("no number");
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }
}

/// The bytes from `start` to `end` as a span. Pages are shorter than 4 GiB: [`super::scan`] looks first.
#[inline]
pub(super) fn span(start: usize, end: usize) -> Span {
    Span::new(start as u32, (end - start) as u32)
}

/// What is between the spaces around a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trimmed<'a>(&'a [u8]);

pub(super) fn trimmed(bytes: &[u8]) -> Trimmed<'_> {
    let start = bytes.iter().position(|byte| !is_space(*byte));
    let rest = start.and_then(|start| bytes.get(start..)).unwrap_or(&[]);
    Trimmed(trim_end(rest))
}

impl Trimmed<'_> {
    pub(super) fn begins_an_array(self) -> bool {
        self.0.first() == Some(&ARRAY)
    }

    /// A single `[` does not end itself.
    pub(super) fn ends_an_array(self) -> bool {
        self.0.len() > 1 && self.0.last() == Some(&b']')
    }

    pub(super) fn ends_with_events(self) -> bool {
        let inside = self.0.split_last().map_or(&[][..], |(_, inside)| inside);
        trim_end(inside).last() == Some(&b'}')
    }
}

/// How many bytes from `start` on are left when the spaces before `end` go.
pub(super) fn trimmed_end(bytes: &[u8], start: usize, end: usize) -> usize {
    trim_end(bytes.get(start..end).unwrap_or(&[])).len()
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !is_space(*byte));
    end.and_then(|end| bytes.get(..=end)).unwrap_or(&[])
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\t' | b'\r')
}
