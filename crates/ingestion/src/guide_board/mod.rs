//! The guide-board adapter: reads one run directory and says what it holds.
//!
//! guide-board assesses a target system against a profile and leaves a directory with `run.json`,
//! `assessment-package.json`, an optional `retention-summary.json`, `reports/` and `artifacts/`.
//! [`read_run`] turns that directory into a [`RunReading`]: the identity of the run, the metadata a
//! package carries, and the exact bytes the reading relied on, so that the caller can check that
//! the very same bytes get stored.
//!
//! The adapter is a pure reader. It writes nothing, follows no symbolic link, opens no FIFO or
//! device, and knows neither the store nor any other crate of this project.
//!
//! # Walkthrough
//!
//! 1. `directory` refuses what is not a readable, non-empty directory.
//! 2. `document` loads the three JSON documents whole (32 MiB at most each) as strict JSON; `node`
//!    gives typed access with a file, line and column in every complaint; `names` lets each key be
//!    spelled `snake_case`, `camelCase` or `kebab-case`.
//! 3. `documents` reads a value from `run.json` or `assessment-package.json` and insists that both
//!    agree; `identity`, `counts`, `commits`, `reports` and `retention` each own one kind of value.
//! 4. `tck` looks for an OpenCMIS TCK report below `artifacts/`, streaming, with bounded memory.
//! 5. `metadata` puts the pieces into `metadata.guide_board`.
//!
//! # The metadata
//!
//! Every member of `guide_board` is always there; what the run does not state is `null` (`[]` for
//! `reports`, `{}` for `extra`). `retention_proposals` is `{retention_class, reason, files}` with
//! `files` as the summary wrote it. `extra` holds keys this reader does not know, under the file
//! they came from and in their original spelling; unknown members of a nested object (a profile, a
//! commit) are kept under the key of that object.

mod commits;
mod counts;
mod directory;
mod document;
mod documents;
mod error;
mod file;
mod identity;
mod metadata;
mod names;
mod node;
mod notes;
mod position;
mod read;
mod reading;
mod reports;
mod retention;
mod strict_json;
mod tck;

#[cfg(test)]
mod tests;

pub use error::{GuideBoardError, MissingValue, ReportProblem};
pub use read::{ReadOptions, SCHEMA, read_run};
pub use reading::{ReadFile, RunReading};
