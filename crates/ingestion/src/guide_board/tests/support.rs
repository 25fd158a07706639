//! Run directories for tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guide_board::{GuideBoardError, ReadOptions, RunReading, read_run};

/// A committed run directory.
pub(super) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/guide-board").join(name)
}

pub(super) fn strictly(directory: &Path) -> Result<RunReading, GuideBoardError> {
    read_run(directory, &ReadOptions::default())
}

pub(super) fn leniently(directory: &Path) -> Result<RunReading, GuideBoardError> {
    read_run(directory, &ReadOptions { lenient: true })
}

/// A fixture that must be readable.
pub(super) fn reading(name: &str) -> RunReading {
    strictly(&fixture(name)).unwrap()
}

/// The complaint about a fixture that must not be readable.
pub(super) fn refusal(name: &str) -> GuideBoardError {
    strictly(&fixture(name)).unwrap_err()
}

/// `metadata.guide_board`.
pub(super) fn guide_board(reading: &RunReading) -> &Value {
    &reading.metadata["guide_board"]
}

/// The warnings that contain a text.
pub(super) fn warnings_with<'a>(reading: &'a RunReading, text: &str) -> Vec<&'a String> {
    reading.warnings.iter().filter(|warning| warning.contains(text)).collect()
}

/// A run directory of a test's own, removed when dropped.
pub(super) struct Run(TempDir);

impl Run {
    /// An empty directory.
    pub(super) fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A directory with what every run must have, and nothing to warn about.
    pub(super) fn valid() -> Self {
        let run = Self::empty();
        run.write("run.json", run_json().to_string());
        run.write("assessment-package.json", assessment_package().to_string());
        run.write("reports/scorecard.json", "{}");
        run
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn read(&self) -> RunReading {
        strictly(self.path()).unwrap()
    }

    pub(super) fn refusal(&self) -> GuideBoardError {
        strictly(self.path()).unwrap_err()
    }
}

pub(super) fn run_json() -> Value {
    json!({
        "run_id": "r1",
        "target_profile": "t",
        "assessment_profile": "a",
        "source_commits": [{ "repository": "x", "commit": "0" }],
    })
}

pub(super) fn assessment_package() -> Value {
    json!({
        "evidence_results": [{ "status": "pass" }],
        "findings": [],
        "reports": [{ "kind": "scorecard", "path": "reports/scorecard.json" }],
    })
}

/// A document with one member replaced or added.
pub(super) fn with(mut document: Value, key: &str, value: Value) -> String {
    document[key] = value;
    document.to_string()
}
