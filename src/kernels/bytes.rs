//! A run of bytes that many weights share: an owned buffer or a piece of a mapped file.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;

use super::error::KernelError;

/// What most systems on this architecture take for a page. Where pages are larger, some of others'
/// bytes are read from the file once more.
#[cfg(unix)]
const PAGE: usize = if cfg!(target_arch = "x86_64") { 1 << 12 } else { 1 << 14 };

/// Bytes that are cheap to clone and to cut. Nothing is copied.
#[derive(Clone)]
pub struct Bytes {
    owner: Owner,
    range: Range<usize>,
}

#[derive(Clone)]
enum Owner {
    Buffer(Arc<Vec<u8>>),
    Floats(Arc<Vec<f32>>),
    Map(Arc<Mmap>),
}

impl Bytes {
    /// The whole of a mapped file.
    pub fn from_map(map: Arc<Mmap>) -> Self {
        let range = 0..map.len();
        Self { owner: Owner::Map(map), range }
    }

    /// Numbers of this computer's own, which may change: see `QMatrix::f32_mut`.
    pub fn from_floats(floats: Vec<f32>) -> Self {
        let range = 0..floats.len() * size_of::<f32>();
        Self { owner: Owner::Floats(Arc::new(floats)), range }
    }

    /// `None`: they are no numbers of this computer's own, or somebody else reads them too.
    pub(crate) fn floats_mut(&mut self) -> Option<&mut [f32]> {
        let is_whole = self.range.start == 0;
        match &mut self.owner {
            Owner::Floats(floats)
                if is_whole && self.range.end == floats.len() * size_of::<f32>() =>
            {
                Arc::get_mut(floats).map(Vec::as_mut_slice)
            }
            _ => None,
        }
    }

    /// The bytes of `range`, counted from the start of `self`.
    pub fn slice(&self, range: Range<usize>) -> Result<Self, KernelError> {
        let len = self.range.len();
        if range.start > range.end || range.end > len {
            return Err(KernelError::Range { start: range.start, end: range.end, len });
        }
        let start = self.range.start;
        Ok(Self { owner: self.owner.clone(), range: start + range.start..start + range.end })
    }

    pub fn as_slice(&self) -> &[u8] {
        let all = match &self.owner {
            Owner::Buffer(buffer) => buffer.as_slice(),
            Owner::Floats(floats) => bytemuck::cast_slice(floats.as_slice()),
            Owner::Map(map) => map,
        };
        &all[self.range.clone()]
    }

    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Says that nobody will read these bytes soon. The pages of a mapped file then leave this
    /// program's memory; whoever reads them after all gets them from the file once more.
    pub fn forget(&self) {
        #[cfg(unix)]
        if let Owner::Map(map) = &self.owner {
            // Whole pages: those at the ends are others' too.
            let start = self.range.start.next_multiple_of(PAGE);
            let end = self.range.end / PAGE * PAGE;
            if start < end {
                #[expect(unsafe_code, reason = "lets go of pages of a file")]
                // SAFETY: the map is read-only and of a file, so that the bytes stay what they are.
                let done = unsafe {
                    map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, end - start)
                };
                if let Err(err) = done {
                    log::debug!("pages of a file stay in memory: {err}");
                }
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(buffer: Vec<u8>) -> Self {
        let range = 0..buffer.len();
        Self { owner: Owner::Buffer(Arc::new(buffer)), range }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = match self.owner {
            Owner::Buffer(_) => "buffer",
            Owner::Floats(_) => "floats",
            Owner::Map(_) => "map",
        };
        write!(f, "Bytes({owner}, {:?})", self.range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_a_slice_counts_from_its_own_start() {
        let bytes = Bytes::from(vec![0, 1, 2, 3, 4, 5]);
        let inner = bytes.slice(2..6).unwrap().slice(1..3).unwrap();
        assert_eq!(inner.as_slice(), [3, 4]);
    }

    #[test]
    fn what_was_forgotten_is_read_from_the_file_again() {
        let bytes: Vec<u8> = (0..400_000_u32).map(|i| (i * 7 % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        #[expect(unsafe_code, reason = "maps a file that nobody else knows")]
        // SAFETY: nobody changes the file.
        let map = Arc::new(unsafe { Mmap::map(&file).unwrap() });
        let mapped = Bytes::from_map(map);
        for range in [0..400_000, 100..399_000, 20_000..20_100] {
            let part = mapped.slice(range.clone()).unwrap();
            part.forget();
            assert_eq!(part.as_slice(), &bytes[range]);
        }
    }

    #[test]
    fn a_range_past_the_end_is_an_error() {
        let bytes = Bytes::from(vec![0; 4]);
        let error = bytes.slice(3..5).unwrap_err();
        assert_eq!(error, KernelError::Range { start: 3, end: 5, len: 4 });
        #[expect(clippy::reversed_empty_ranges, reason = "what a damaged file may ask for")]
        let reversed = bytes.slice(3..1);
        assert!(reversed.is_err());
    }
}
