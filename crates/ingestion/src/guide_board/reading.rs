//! What reading a run directory gives.

use serde_json::{Map, Value};

/// One run directory, read.
#[derive(Debug, Clone, PartialEq)]
pub struct RunReading {
    /// The id guide-board gave the run; `None` only in lenient mode.
    pub run_id: Option<String>,
    /// The id of the assessed target; `None` only in lenient mode.
    pub target_profile: Option<String>,
    /// The id of the profile it was assessed against; `None` only in lenient mode.
    pub assessment_profile: Option<String>,
    /// The retention class `retention-summary.json` proposes, as it stands there: the caller
    /// decides whether such a class exists.
    pub retention_class: Option<String>,
    /// `{"guide_board": {...}}`, ready to become the metadata of a package. Every integer in it is
    /// smaller than 2^53 in magnitude and no string holds a NUL character.
    pub metadata: Map<String, Value>,
    /// Every file whose bytes this reading relied on, once each, sorted by path.
    pub read_files: Vec<ReadFile>,
    /// What a person should know but what does not make the run unreadable.
    pub warnings: Vec<String>,
}

/// A file as it was when this reading relied on its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadFile {
    /// Relative to the run directory, `/` between segments.
    pub path: String,
    /// Number of bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
}

impl ReadFile {
    /// The digest in lower-case hex.
    pub(super) fn sha256_hex(&self) -> String {
        use std::fmt::Write as _;
        self.sha256.iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}
