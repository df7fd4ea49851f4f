//! Weight files mapped into memory: the operating system reads what is touched, and gives back
//! what is not needed.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

/// A whole file, mapped read-only. A clone is the same map.
#[derive(Clone)]
pub struct Mapped(Arc<Mmap>);

impl Mapped {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a file"));
        }
        #[expect(
            unsafe_code,
            reason = "weights are too large to copy; nobody shrinks a model file in use"
        )]
        // SAFETY: the map is read-only and private. Another program that cuts the file short while
        // it is open could still end this one; every runner of model files accepts that.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self(Arc::new(map)))
    }

    /// The map itself, for weights that borrow from it.
    pub fn share(&self) -> Arc<Mmap> {
        Arc::clone(&self.0)
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
