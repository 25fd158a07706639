//! What can go wrong with a registry.

use std::path::PathBuf;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::url::DatabaseUrl;

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
    /// The packages were moved to another storage while this process was working on the old one.
    #[error(
        "the packages were moved to {home}: start this process again with that storage (ARTIFACT_STORE_STORAGE_URL)"
    )]
    Moved {
        /// Where they are.
        home: String,
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
    /// Somebody else keeps the database locked for longer than we wait.
    #[error(
        "failed to {operation}: the registry {url} is locked by another process; try again when it has finished"
    )]
    Locked {
        /// The database, without any password.
        url: String,
        /// What was attempted.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: DieselError,
    },
    /// No room is left for the database.
    #[error(
        "failed to {operation}: the disk of the registry {url} is full; make room and try again"
    )]
    Full {
        /// The database, without any password.
        url: String,
        /// What was attempted.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: DieselError,
    },
    /// The database may not be written.
    #[error(
        "failed to {operation}: the registry {url} is read-only; check the permissions of its file and folder"
    )]
    ReadOnly {
        /// The database, without any password.
        url: String,
        /// What was attempted.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: DieselError,
    },
    /// No connection can be had or became free in time, the server closed the one in use, or it
    /// took too long over a statement.
    #[error("the registry does not answer: {reason}")]
    NoConnection {
        /// How it shows.
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
    pub(crate) fn query(url: &DatabaseUrl, operation: &'static str, source: DieselError) -> Self {
        use DatabaseErrorKind::{
            ClosedConnection, ReadOnlyTransaction, SerializationFailure, UnableToSendCommand,
            Unknown,
        };
        let (kind, message) = match &source {
            DieselError::DatabaseError(kind, report) => (kind, report.message()),
            _ => return Self::Query { operation, source },
        };
        // The message of a broken constraint may quote a user's words.
        let unknown = matches!(kind, Unknown);
        let says = |words: &[&str]| unknown && words.iter().any(|words| message.contains(words));
        if matches!(kind, ClosedConnection | UnableToSendCommand) || says(&["statement timeout"]) {
            Self::NoConnection { reason: format!("failed to {operation}: {}", message.trim()) }
        } else if matches!(kind, SerializationFailure)
            || says(&["is locked", "lock timeout", "deadlock detected"])
        {
            Self::Locked { url: url.to_string(), operation, source }
        } else if matches!(kind, ReadOnlyTransaction) || says(&["readonly database"]) {
            Self::ReadOnly { url: url.to_string(), operation, source }
        } else if says(&["disk is full", "No space left"]) {
            Self::Full { url: url.to_string(), operation, source }
        } else if says(&["unable to open database file", "disk I/O error"]) {
            // SQLite makes its log beside the file with the first statement, so a folder that may
            // not be written shows here and not when the file is opened.
            let advice = "check that its file and folder may be read and written";
            Self::Open { url: url.to_string(), reason: format!("{message}; {advice}") }
        } else {
            Self::Query { operation, source }
        }
    }

    /// A value of a row that its type refuses.
    pub(crate) fn damaged(what: &'static str, key: &str, reason: &impl ToString) -> Self {
        Self::Damaged { what, key: key.to_owned(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use diesel::connection::SimpleConnection as _;
    use diesel::prelude::*;

    use super::*;

    fn unknown(message: &str) -> DieselError {
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
    }

    fn meaning(source: DieselError) -> RegistryError {
        let url = "postgres://store:secret@db.example.org/evidence".parse().unwrap();
        RegistryError::query(&url, "count sheep", source)
    }

    #[test]
    fn a_folder_that_may_not_be_written_is_an_unavailable_registry_not_a_defect() {
        let url = DatabaseUrl::sqlite("a/registry.sqlite3");
        let error = RegistryError::query(&url, "look", unknown("unable to open database file"));
        assert!(matches!(&error, RegistryError::Open { .. }), "{error:?}");
        assert!(
            error.to_string().contains("a/registry.sqlite3")
                && error.to_string().contains("written")
        );
    }

    #[test]
    fn what_an_operator_can_mend_has_an_error_of_its_own_that_names_the_database() {
        type Check = fn(&RegistryError) -> bool;
        let locked: Check = |error| matches!(error, RegistryError::Locked { .. });
        let full: Check = |error| matches!(error, RegistryError::Full { .. });
        let read_only: Check = |error| matches!(error, RegistryError::ReadOnly { .. });
        for (message, check) in [
            ("database is locked", locked),
            ("database table is locked", locked),
            ("canceling statement due to lock timeout", locked),
            ("deadlock detected", locked),
            ("database or disk is full", full),
            ("could not extend file \"base/1/2\": No space left on device", full),
            ("attempt to write a readonly database", read_only),
        ] {
            let error = meaning(unknown(message));
            assert!(check(&error), "{message}: {error:?}");
            let said = error.to_string();
            assert!(said.contains("count sheep") && said.contains("db.example.org"), "{said}");
            assert!(!said.contains("secret"), "{said}");
            assert_eq!(error.source().unwrap().to_string(), message);
        }
    }

    #[test]
    fn a_users_words_in_a_refusal_are_not_taken_for_the_databases() {
        let refused = DieselError::DatabaseError(
            DatabaseErrorKind::UniqueViolation,
            Box::new("the key \"database is locked\" exists".to_owned()),
        );
        assert!(matches!(meaning(refused), RegistryError::Query { .. }));
        assert!(matches!(meaning(DieselError::NotFound), RegistryError::Query { .. }));
    }

    #[test]
    fn a_connection_that_the_server_closed_is_no_fault_of_the_statement() {
        let closed = DieselError::DatabaseError(
            DatabaseErrorKind::ClosedConnection,
            Box::new("server closed the connection unexpectedly\n".to_owned()),
        );
        let error = meaning(closed);
        assert!(matches!(error, RegistryError::NoConnection { .. }), "{error:?}");
        assert!(error.to_string().ends_with("unexpectedly"), "{error}");
    }

    #[test]
    fn a_statement_that_took_too_long_is_an_unavailable_registry_not_a_defect() {
        let error = meaning(unknown("canceling statement due to statement timeout"));
        assert!(matches!(error, RegistryError::NoConnection { .. }), "{error:?}");
        assert!(error.to_string().contains("count sheep"), "{error}");
    }

    #[test]
    fn a_database_that_may_only_be_read_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sqlite3");
        let establish = |mode: &str| {
            SqliteConnection::establish(&format!("file:{}?mode={mode}", path.display())).unwrap()
        };
        establish("rwc").batch_execute("CREATE TABLE t (i INTEGER)").unwrap();
        let refused = establish("ro").batch_execute("INSERT INTO t VALUES (1)").unwrap_err();
        let error = RegistryError::query(&DatabaseUrl::sqlite(&path), "write", refused);
        assert!(matches!(error, RegistryError::ReadOnly { .. }), "{error:?}");
        assert!(error.to_string().contains("a.sqlite3"), "{error}");
    }
}
