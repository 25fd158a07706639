//! One connection to either database, and how a write transaction begins on each.

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use diesel::prelude::*;

use crate::error::RegistryError;
use crate::open::Durability;
use crate::url::DatabaseUrl;

/// A connection to SQLite or PostgreSQL. Plain reads go through the enum itself; what differs in
/// type between the databases (batches, upserts, `RETURNING`) goes through [`on_backend!`].
#[derive(diesel::MultiConnection)]
pub(crate) enum RegistryConnection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// The backend that plain reads through [`RegistryConnection`] are built for.
pub(crate) type Backend = <RegistryConnection as Connection>::Backend;

/// Writes a query once and has it compiled for each database.
macro_rules! on_backend {
    ($conn:expr, |$c:ident| $body:expr) => {
        match &mut *$conn {
            $crate::connection::RegistryConnection::Postgres($c) => $body,
            $crate::connection::RegistryConnection::Sqlite($c) => $body,
        }
    };
}
pub(crate) use on_backend;

impl RegistryConnection {
    /// Waits until no other transaction holds the lock of this name, and holds it until the end
    /// of this one. SQLite's write transactions exclude each other anyway.
    pub(crate) fn lock_name(&mut self, name: &str) -> QueryResult<()> {
        match self {
            Self::Postgres(c) => {
                diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 7021791))")
                    .bind::<diesel::sql_types::Text, _>(name)
                    .execute(c)
                    .map(|_| ())
            }
            Self::Sqlite(_) => Ok(()),
        }
    }
}

impl RegistryConnection {
    /// Runs `f` in a transaction that may write.
    ///
    /// SQLite takes its write lock at the beginning: a transaction that reads first and writes
    /// later fails at once with "database is locked" when another one wrote in between, whatever
    /// the busy timeout is.
    pub(crate) fn write_transaction<T, E>(
        &mut self,
        url: &DatabaseUrl,
        durability: Durability,
        f: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<RegistryError>,
    {
        let begin = |error| RegistryError::query(url, "begin a transaction", error);
        match self {
            Self::Postgres(c) => {
                AnsiTransactionManager::begin_transaction(c).map_err(begin)?;
                if durability == Durability::Relaxed {
                    c.batch_execute("SET LOCAL synchronous_commit = off").map_err(begin)?;
                }
            }
            Self::Sqlite(c) => {
                let level = match durability {
                    Durability::Synced => "PRAGMA synchronous = FULL",
                    Durability::Relaxed => "PRAGMA synchronous = NORMAL",
                };
                c.batch_execute(level).map_err(begin)?;
                AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE")
                    .map_err(begin)?;
            }
        }
        match f(self) {
            Ok(value) => {
                <Self as Connection>::TransactionManager::commit_transaction(self)
                    .map_err(|error| RegistryError::query(url, "commit a transaction", error))?;
                Ok(value)
            }
            Err(error) => {
                // The first error says what went wrong; a failed rollback leaves the connection
                // broken, and the pool throws broken connections away.
                if let Err(rollback) =
                    <Self as Connection>::TransactionManager::rollback_transaction(self)
                {
                    tracing::warn!(error = %rollback, "failed to roll back a transaction");
                }
                Err(error)
            }
        }
    }
}
