//! Files on the wire.

use serde::{Deserialize, Serialize};

use crate::digest::{Blake3Digest, Sha256Digest};
use crate::file::FileRecord;
use crate::media_type::MediaType;
use crate::path::LogicalPath;
use crate::time::Timestamp;

/// A stored file as an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    /// Its name in the package.
    pub path: LogicalPath,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// BLAKE3 of its bytes.
    pub blake3: Blake3Digest,
    /// What it is said to be.
    pub media_type: MediaType,
    /// When its last byte had arrived.
    pub uploaded_at: Timestamp,
    /// Where its bytes are.
    pub links: FileLinks,
}

/// Where the bytes of a file are found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLinks {
    /// The bytes, percent-encoded per segment.
    pub content: String,
}

impl FileView {
    /// The answer for a file whose bytes are at `content`.
    pub fn new(file: FileRecord, content: String) -> Self {
        Self {
            path: file.path,
            size: file.size,
            sha256: file.sha256,
            blake3: file.blake3,
            media_type: file.media_type,
            uploaded_at: file.uploaded_at,
            links: FileLinks { content },
        }
    }
}

/// `POST /packages/{id}/files:check`: what a resuming client has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckFilesRequest {
    /// The client's files.
    pub files: Vec<CheckFile>,
}

/// One file that a client has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckFile {
    /// Its name in the package.
    pub path: LogicalPath,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
}

/// Which of a client's files need not be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFilesResponse {
    /// Stored with this size and digest.
    pub present: Vec<LogicalPath>,
    /// Not stored.
    pub missing: Vec<LogicalPath>,
    /// Stored with another size or digest.
    pub different: Vec<LogicalPath>,
}
