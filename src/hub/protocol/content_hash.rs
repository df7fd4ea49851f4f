//! The hashes under which the Hub names contents: SHA-256 for large files (LFS, Xet), and git's
//! blob hash (SHA-1 over a header and the bytes) for the small ones.
//!
//! SHA-1 only tells a whole file from a damaged one; an attacker could forge it.

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::files;

/// What a file's content must hash to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentHash {
    /// 64 hexadecimal digits.
    Sha256(String),

    /// 40 hexadecimal digits.
    GitBlob(String),
}

impl ContentHash {
    /// The hexadecimal digits: the name of the blob in the cache.
    pub fn digits(&self) -> &str {
        match self {
            Self::Sha256(digits) | Self::GitBlob(digits) => digits,
        }
    }
}

/// Hashes a file while it arrives.
pub struct ContentHasher(Inner);

enum Inner {
    Sha256(Sha256),
    GitBlob(Sha1),
}

impl ContentHasher {
    /// `size` is the whole file's, in bytes: git's hash begins with it.
    pub fn new(expected: &ContentHash, size: u64) -> Self {
        Self(match expected {
            ContentHash::Sha256(_) => Inner::Sha256(Sha256::new()),
            ContentHash::GitBlob(_) => {
                let mut sha1 = Sha1::new();
                sha1.update(format!("blob {size}\0").as_bytes());
                Inner::GitBlob(sha1)
            }
        })
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Inner::Sha256(sha) => sha.update(bytes),
            Inner::GitBlob(sha) => sha.update(bytes),
        }
    }

    pub fn digits(self) -> String {
        match self.0 {
            Inner::Sha256(sha) => files::hex(&sha.finalize()),
            Inner::GitBlob(sha) => files::hex(&sha.finalize()),
        }
    }
}

/// Git's hash of the small text that stands for a large file in a repository: it follows from the
/// file's SHA-256 and its size (the Git LFS specification, version 1).
pub fn of_lfs_pointer(sha256: &str, size: u64) -> String {
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n");
    let mut sha1 = Sha1::new();
    sha1.update(format!("blob {}\0{pointer}", pointer.len()).as_bytes());
    files::hex(&sha1.finalize())
}

#[cfg(test)]
mod tests {
    use crate::hub::protocol::content_hash::*;

    fn sha1(bytes: &[u8]) -> String {
        let mut sha = Sha1::new();
        sha.update(bytes);
        files::hex(&sha.finalize())
    }

    #[test]
    fn sha1_is_that_of_the_standard() {
        // FIPS 180-4's examples, and one that fills two blocks to the last byte but the padding.
        assert_eq!(sha1(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(sha1(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(sha1(two_blocks), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(sha1(&vec![b'a'; 1_000_000]), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }

    #[test]
    fn a_large_file_stands_in_git_under_the_hash_of_its_pointer() {
        // `printf 'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a…2393\nsize 12345\n'
        // | git hash-object --stdin`, with the specification's example of an oid
        let oid = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
        assert_eq!(of_lfs_pointer(oid, 12345), "60c8d8ab2adcf57a391163a7eeb0cdb8bf348e44");
    }

    #[test]
    fn a_small_file_hashes_as_git_hashes_it() {
        // `printf 'hello\n' | git hash-object --stdin`
        let expected = "ce013625030ba8dba906f756967f9e9ca394464a";
        let mut hasher = ContentHasher::new(&ContentHash::GitBlob(expected.to_owned()), 6);
        hasher.update(b"hello\n");
        assert_eq!(hasher.digits(), expected);
    }
}
