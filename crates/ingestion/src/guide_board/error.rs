//! Why a directory is not a readable guide-board run.

use std::{fmt, io, path::PathBuf};

/// Why a run directory could not be read.
///
/// Messages are fragments that fit after "failed to read the run: ". Files are named relative to
/// the run directory, lines and columns count from 1, and places inside a document are JSON
/// pointers (RFC 6901).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuideBoardError {
    /// The directory holds no file at all: there is nothing to ingest.
    #[error("{} is empty: there is nothing to ingest", directory.display())]
    Empty {
        /// The directory that was read.
        directory: PathBuf,
    },

    /// The path given as a run directory is something else.
    #[error("{} is not a directory: give the run directory that guide-board wrote", path.display())]
    NotADirectory {
        /// The path that was given.
        path: PathBuf,
    },

    /// A file or directory could not be read.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb phrase.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },

    /// One of the three documents is a symbolic link, a folder, a FIFO or a device.
    #[error("{file} is {found}, expected a regular file: replace it with the document itself")]
    NotARegularFile {
        /// The document.
        file: &'static str,
        /// What stands in its place.
        found: &'static str,
    },

    /// One of the three documents is larger than this reader accepts.
    #[error(
        "{file} has at least {size} bytes, a document may have {limit}: move bulky evidence into \
         files below artifacts/"
    )]
    TooLarge {
        /// The document.
        file: &'static str,
        /// Its size, or how much of it was seen.
        size: u64,
        /// The most bytes a document may have.
        limit: u64,
    },

    /// A document is not strict JSON (RFC 8259, UTF-8, no key twice in one object).
    #[error(
        "{file}:{line}:{column}: malformed JSON: {problem}; correct the file or run \
         guide-board again"
    )]
    Malformed {
        /// The document.
        file: &'static str,
        /// Line of the problem.
        line: usize,
        /// Column of the problem.
        column: usize,
        /// What is wrong.
        problem: String,
    },

    /// One object has the same key in two spellings, with different values.
    #[error(
        "{file}:{line}:{column}: {second} contradicts {first}, the same key in another spelling: \
         keep one of them"
    )]
    SpellingsDiffer {
        /// The document.
        file: &'static str,
        /// Line of the second value.
        line: usize,
        /// Column of the second value.
        column: usize,
        /// One spelling and its value, as a member of a JSON object.
        first: String,
        /// The other spelling and its value.
        second: String,
    },

    /// A value has another type than it must have.
    #[error(
        "{file}:{line}:{column}: {place} is {found}, expected {expected}; correct the file or run \
         guide-board again"
    )]
    WrongType {
        /// The document.
        file: &'static str,
        /// Line of the value.
        line: usize,
        /// Column of the value.
        column: usize,
        /// JSON pointer to the value, or "the document".
        place: String,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },

    /// A value is valid JSON but cannot be kept exactly in a package's metadata.
    #[error("{file}:{line}:{column}: {place} {problem}")]
    NotStorable {
        /// The document.
        file: &'static str,
        /// Line of the value.
        line: usize,
        /// Column of the value.
        column: usize,
        /// JSON pointer to the value.
        place: String,
        /// Why it cannot be kept, and what to write instead.
        problem: String,
    },

    /// Required values are nowhere to be found.
    #[error(
        "required values are missing: {}; add them, each a string or an object with `id`, or read \
         leniently to record them as null",
        Listed(missing)
    )]
    Missing {
        /// All missing values at once.
        missing: Vec<MissingValue>,
    },

    /// Two documents state the same value differently.
    #[error(
        "{what} contradicts itself: {first_file} says {first_value}, {second_file} says \
         {second_value}; make them agree or remove one"
    )]
    Contradiction {
        /// The value, for example "`run_id`".
        what: String,
        /// The file that was read first.
        first_file: &'static str,
        /// Its value, as JSON.
        first_value: String,
        /// The file that disagrees.
        second_file: &'static str,
        /// Its value, as JSON.
        second_value: String,
    },

    /// Counts that must be equal are not.
    #[error(
        "{what} do not agree: {first_place}: {first_counts}, {second_place}: \
         {second_counts}"
    )]
    CountsDisagree {
        /// What is counted.
        what: &'static str,
        /// Where one number stands: a list or given counts, and the file.
        first_place: String,
        /// The counts there, as JSON.
        first_counts: String,
        /// Where the other number stands.
        second_place: String,
        /// The counts there, as JSON.
        second_counts: String,
    },

    /// Reports are listed that the run directory does not hold.
    #[error(
        "listed reports cannot be used: {}; add the files or correct `reports`, or read leniently \
         to get warnings instead",
        Listed(problems)
    )]
    Reports {
        /// All unusable reports at once.
        problems: Vec<ReportProblem>,
    },
}

/// A required value that is nowhere to be found, and where it was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingValue {
    /// The value, for example "run id".
    pub value: &'static str,
    /// Every place that was looked at: the key spellings, by file.
    pub looked_for: Vec<String>,
}

impl fmt::Display for MissingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (looked for {})", self.value, self.looked_for.join(" and "))
    }
}

/// A report path that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportProblem {
    /// The path as the document gives it.
    pub path: String,
    /// The document that lists it, with line and column.
    pub listed_in: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl fmt::Display for ReportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (listed in {}) {}", self.path, self.listed_in, self.problem)
    }
}

/// Items separated by semicolons.
struct Listed<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}
