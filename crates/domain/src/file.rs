//! The record of one stored file.

use crate::digest::{Blake3Digest, Sha256Digest};
use crate::media_type::MediaType;
use crate::path::LogicalPath;
use crate::time::Timestamp;

/// A file whose bytes are in storage and were hashed by the store on their way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// Its name in the package.
    pub path: LogicalPath,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// BLAKE3 of its bytes.
    pub blake3: Blake3Digest,
    /// What the producer said it is, else a guess from its name.
    pub media_type: MediaType,
    /// When its last byte had arrived.
    pub uploaded_at: Timestamp,
}
