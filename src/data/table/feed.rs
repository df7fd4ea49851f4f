//! Bytes of a text, one after the other, with the line and the column of the next one.

use std::io::{self, Read};

/// As much is held at a time, in bytes.
const HELD: usize = 1 << 16;

pub(super) struct Feed<'a> {
    input: Box<dyn Read + 'a>,
    held: Vec<u8>,
    at: usize,

    /// Bytes before `held`.
    before: u64,

    /// The line of the next byte, from 1.
    line: u64,

    /// The byte with which that line begins, from 0.
    line_start: u64,
    ended: bool,
    failed: Option<io::Error>,
}

impl<'a> Feed<'a> {
    pub fn new(input: Box<dyn Read + 'a>) -> Self {
        Self {
            input,
            held: Vec::with_capacity(HELD),
            at: 0,
            before: 0,
            line: 1,
            line_start: 0,
            ended: false,
            failed: None,
        }
    }

    pub fn line(&self) -> u64 {
        self.line
    }

    /// The byte in the line, from 1.
    pub fn column(&self) -> u64 {
        self.offset() - self.line_start + 1
    }

    /// Bytes that were taken.
    pub fn offset(&self) -> u64 {
        self.before + self.at as u64
    }

    /// What ended the text too early, if anything did. Whoever finds the end asks.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    pub fn peek(&mut self) -> Option<u8> {
        if self.at == self.held.len() && !self.refill() {
            return None;
        }
        Some(self.held[self.at])
    }

    /// The next byte, counted as a part of its line.
    pub fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b'\n' || byte == b'\r' {
            self.end_line(byte);
        }
        Some(byte)
    }

    /// What is held of the text, for a look ahead; never empty before the end.
    pub fn ahead(&mut self) -> &[u8] {
        if self.at == self.held.len() {
            self.refill();
        }
        &self.held[self.at..]
    }

    /// Moves on over bytes that were looked at and that end no line.
    pub fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// A line ends with a line feed, or with a carriage return that has none behind it.
    fn end_line(&mut self, byte: u8) {
        if byte == b'\n' || self.peek() != Some(b'\n') {
            self.line += 1;
            self.line_start = self.offset();
        }
    }

    fn refill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        self.before += self.held.len() as u64;
        self.held.resize(HELD, 0);
        self.at = 0;
        let count = loop {
            match self.input.read(&mut self.held) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(error);
                    break 0;
                }
                Ok(count) => break count,
            }
        };
        self.held.truncate(count);
        self.ended = count == 0;
        count > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_ends_one_line() {
        let text = b"a\nb\r\nc\rd";
        let mut feed = Feed::new(Box::new(&text[..]));
        let mut seen = Vec::new();
        while let Some(byte) = feed.peek() {
            if byte.is_ascii_alphabetic() {
                seen.push((byte as char, feed.line(), feed.column()));
            }
            feed.next();
        }
        assert_eq!(seen, [('a', 1, 1), ('b', 2, 1), ('c', 3, 1), ('d', 4, 1)]);
    }
}
