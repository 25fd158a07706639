//! What can go wrong with a registry.

use std::path::PathBuf;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// A failure of the registry itself. What a request did wrong is never one of these: operations
/// answer that in their own result types.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A text that is no database URL.
    #[error(
        "{url:?} is not a database URL: expected sqlite://<path> or postgres://<user>@<host>/<database>"
    )]
    InvalidUrl {
        /// The text, without any password.
        url: String,
    },
    /// The registry is not there, and the caller did not ask to make one.
    #[error("there is no registry at {}: ingest something first, or name the right data folder with --data-dir", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The database cannot be opened or reached.
    #[error("failed to open the registry {url}: {reason}")]
    Open {
        /// The database, without any password.
        url: String,
        /// What the database said.
        reason: String,
    },
    /// The database holds something else than a registry of ours.
    #[error("{url} is not a registry of artifact-store: {reason}; name another file or remove it")]
    NotARegistry {
        /// The database, without any password.
        url: String,
        /// How it shows.
        reason: String,
    },
    /// The database was made by a later version of this program.
    #[error(
        "the registry {url} is newer than this program: it has migration {migration}, which is unknown here; use a newer artifact-store"
    )]
    Newer {
        /// The database, without any password.
        url: String,
        /// The first migration that is not known.
        migration: String,
    },
    /// The database has not been migrated, and the caller did not ask to do it.
    #[error(
        "the registry {url} lacks the migration {migration}: run `artifact-server migrate` or ingest with this version"
    )]
    Outdated {
        /// The database, without any password.
        url: String,
        /// The first migration that is missing.
        migration: String,
    },
    /// Another process keeps the database locked for longer than we wait.
    #[error(
        "failed to {operation}: the registry is locked by another process; try again when it has finished"
    )]
    Locked {
        /// What was attempted.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: DieselError,
    },
    /// No room is left for the database.
    #[error("failed to {operation}: the disk of the registry is full; make room and try again")]
    Full {
        /// What was attempted.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: DieselError,
    },
    /// The database may not be written.
    #[error(
        "failed to {operation}: the registry is read-only; check the permissions of its file and folder"
    )]
    ReadOnly {
        /// What was attempted.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: DieselError,
    },
    /// No connection became free in time.
    #[error("failed to get a connection to the registry: {reason}")]
    NoConnection {
        /// What the pool said.
        reason: String,
    },
    /// The database refused or failed a statement.
    #[error("failed to {operation} in the registry")]
    Query {
        /// What was attempted.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: DieselError,
    },
    /// A row that this program cannot have written.
    #[error("the registry holds a damaged row: {what} {key}: {reason}")]
    Damaged {
        /// The kind of row.
        what: &'static str,
        /// Which one.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RegistryError {
    /// What a failed statement means. SQLite's result codes are not passed on by diesel, so its
    /// messages, which have not changed since version 3.0, are all there is to go by.
    pub(crate) fn query(operation: &'static str, source: DieselError) -> Self {
        let message = match &source {
            DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => {
                "readonly".to_owned()
            }
            DieselError::DatabaseError(_, report) => report.message().to_owned(),
            _ => String::new(),
        };
        if message.contains("is locked") {
            Self::Locked { operation, source }
        } else if message.contains("disk is full") || message.contains("No space left") {
            Self::Full { operation, source }
        } else if message.contains("readonly") {
            Self::ReadOnly { operation, source }
        } else {
            Self::Query { operation, source }
        }
    }

    /// A value of a row that its type refuses.
    pub(crate) fn damaged(what: &'static str, key: &str, reason: &impl ToString) -> Self {
        Self::Damaged { what, key: key.to_owned(), reason: reason.to_string() }
    }
}
