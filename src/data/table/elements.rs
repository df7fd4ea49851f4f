//! The elements of a part of a workbook of `OpenDocument`, one after the other: none takes more than a row may,
//! however little of the file it is packed into.

use std::io::{self, BufRead, BufReader, Read, Seek};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use super::error::ImportError;
use super::grid::damaged;
use super::report::Sink;

/// What is unpacked of a workbook takes no more, in bytes.
const MOST_BYTES: u64 = 1 << 30;

/// A row takes no more as it stands in the file, in bytes.
pub(super) const MOST_OF_ROW: usize = 12 << 20;

/// Elements in elements.
const DEEPEST: usize = 256;

/// Where a reader is.
pub(super) struct Elements<R> {
    reader: quick_xml::Reader<Rationed<R>>,
    buffer: Vec<u8>,

    /// How many elements have begun and not ended.
    pub depth: usize,
}

/// Hands out so many bytes until it is told to go on.
struct Rationed<R> {
    inner: R,
    left: usize,
}

impl<R: BufRead> Read for Rationed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill_buf()?;
        let count = ready.len().min(into.len());
        into[..count].copy_from_slice(&ready[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Rationed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let ready = self.inner.fill_buf()?;
        if self.left == 0 && !ready.is_empty() {
            let most = MOST_OF_ROW >> 20;
            return Err(io::Error::other(format!("a row or a name takes more than {most} MB")));
        }
        Ok(&ready[..ready.len().min(self.left)])
    }

    fn consume(&mut self, count: usize) {
        self.left -= count;
        self.inner.consume(count);
    }
}

impl<'a> Elements<Box<dyn BufRead + 'a>> {
    /// What is in the sheets.
    pub fn of<R: Read + Seek>(
        archive: &'a mut ZipArchive<R>,
        sink: &Sink<'_>,
    ) -> Result<Self, ImportError> {
        let content = archive.by_name("content.xml");
        let content = content.map_err(|error| damaged(sink, &error.to_string()))?;
        let inner: Box<dyn BufRead> = Box::new(BufReader::new(content.take(MOST_BYTES)));
        let mut reader = quick_xml::Reader::from_reader(Rationed { inner, left: MOST_OF_ROW });
        reader.config_mut().expand_empty_elements = true;
        Ok(Self { reader, buffer: Vec::new(), depth: 0 })
    }
}

impl<R: BufRead> Elements<R> {
    /// What is begun may take so much again.
    pub fn go_on(&mut self) {
        self.reader.get_mut().left = MOST_OF_ROW;
    }

    /// Whether it was stopped since a row takes too much.
    pub fn is_used_up(&self) -> bool {
        self.reader.get_ref().left == 0
    }

    /// Counts what a few bytes of the file stand for as if they stood there.
    pub fn ration(&mut self, bytes: usize) -> bool {
        let left = self.reader.get_ref().left.checked_sub(bytes);
        self.reader.get_mut().left = left.unwrap_or(0);
        left.is_some()
    }

    /// To the end of the element that has begun. What is in it does not count.
    pub fn leave(&mut self, sink: &Sink<'_>) -> Result<(), ImportError> {
        let (outside, left) = (self.depth - 1, self.reader.get_ref().left);
        let mut seen = 0_u32;
        while self.depth > outside {
            seen = seen.wrapping_add(1);
            if seen.is_multiple_of(4096) {
                sink.check()?;
            }
            self.go_on();
            if matches!(self.next(sink)?, Event::Eof) {
                return Err(damaged(sink, "it is cut off"));
            }
        }
        self.reader.get_mut().left = left;
        Ok(())
    }

    /// The next element begins or ends, or there is a text.
    pub fn next(&mut self, sink: &Sink<'_>) -> Result<Event<'_>, ImportError> {
        const KEPT: usize = 1 << 16;

        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        let event = self.reader.read_event_into(&mut self.buffer);
        let event = event.map_err(|error| damaged(sink, &error.to_string()))?;
        match &event {
            Event::Start(_) if self.depth == DEEPEST => {
                return Err(damaged(sink, "its elements lie too deep in each other"));
            }
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        Ok(event)
    }
}

/// What an element says under a name.
pub(super) fn attribute(
    tag: &BytesStart<'_>,
    name: &str,
    sink: &Sink<'_>,
) -> Result<Option<String>, ImportError> {
    for found in tag.attributes().with_checks(false) {
        let found = found.map_err(|error| damaged(sink, &error.to_string()))?;
        if found.key.as_ref() == name {
            let value = found.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|error| damaged(sink, &error.to_string()))?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}
