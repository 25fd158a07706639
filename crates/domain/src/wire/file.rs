//! Files on the wire.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::digest::{Blake3Digest, Sha256Digest};
use crate::file::FileRecord;
use crate::id::PackageId;
use crate::media_type::MediaType;
use crate::path::LogicalPath;
use crate::time::Timestamp;
use crate::wire::{ErrorCode, strict};

/// A stored file as an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileLinks {
    /// The bytes, percent-encoded per segment.
    pub content: String,
}

impl FileLinks {
    /// The links of a file below a public URL without a slash at its end; empty for paths alone.
    pub fn new(base: &str, package: PackageId, path: &LogicalPath) -> Self {
        Self { content: format!("{base}/api/v1/packages/{package}/files/{}", url_path(path)) }
    }
}

/// A logical path as it stands in a URL: each segment percent-encoded but for the unreserved
/// characters of RFC 3986, slashes as they are.
pub fn url_path(path: &LogicalPath) -> String {
    const ENCODED: AsciiSet =
        NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    utf8_percent_encode(path.as_str(), &ENCODED).to_string()
}

impl FileView {
    /// The answer for a file of a package, with links below `base`.
    pub fn new(file: FileRecord, package: PackageId, base: &str) -> Self {
        let links = FileLinks::new(base, package, &file.path);
        Self {
            path: file.path,
            size: file.size,
            sha256: file.sha256,
            blake3: file.blake3,
            media_type: file.media_type,
            uploaded_at: file.uploaded_at,
            links,
        }
    }
}

/// `POST /packages/{id}/files:check`: what a resuming client has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckFilesRequest {
    /// The client's files.
    #[serde(deserialize_with = "strict::objects")]
    pub files: Vec<CheckFile>,
}

/// One file that a client has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckFile {
    /// Its name in the package.
    pub path: LogicalPath,
    /// Its size in bytes.
    #[serde(deserialize_with = "strict::safe_integer")]
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
}

/// `POST /packages/{id}/files:batch`: what became of each entry of the tar stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchAnswer {
    /// The files that were stored, in the order of their entries.
    pub files: Vec<FileView>,
    /// The entries that were not stored.
    pub errors: Vec<EntryError>,
}

/// One entry of a tar stream that was not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryError {
    /// The name of the entry as it stands in the archive, as far as it is text.
    pub path: String,
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// What went wrong, for people.
    pub detail: String,
}

/// Which of a client's files need not be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckFilesResponse {
    /// Stored with this size and digest.
    pub present: Vec<LogicalPath>,
    /// Not stored.
    pub missing: Vec<LogicalPath>,
    /// Stored with another size or digest.
    pub different: Vec<LogicalPath>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_url_keeps_its_slashes_and_nothing_that_a_url_reads() {
        let path = LogicalPath::parse("a b/ü%2F?#[]/x-1._~.txt").unwrap();
        assert_eq!(url_path(&path), "a%20b/%C3%BC%252F%3F%23%5B%5D/x-1._~.txt");
    }
}
