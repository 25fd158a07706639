//! Migrations: embedded in the program, one tree for each database.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::migration::MigrationVersion;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::connection::{RegistryConnection, on_backend};
use crate::error::RegistryError;
use crate::open::Durability;
use crate::url::DatabaseUrl;

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// The first migration that the database lacks, `None` if it is up to date, or why it cannot be
/// used. Changes nothing, for the file may belong to another program.
pub(crate) fn look(
    connection: &mut RegistryConnection,
    url: &DatabaseUrl,
) -> Result<Option<String>, RegistryError> {
    refuse_foreign(connection, url)?;
    pending(connection, url)
}

/// Whether the database was never migrated. Changes nothing.
pub(crate) fn is_new(
    connection: &mut RegistryConnection,
    url: &DatabaseUrl,
) -> Result<bool, RegistryError> {
    Ok(!has_table(connection, url, "__diesel_schema_migrations")?)
}

/// Brings the database to the version that this program knows.
pub(crate) fn run(
    connection: &mut RegistryConnection,
    url: &DatabaseUrl,
    lock_timeout: Duration,
) -> Result<(), RegistryError> {
    // One transaction around all of it, begun with the write lock: of several processes that
    // start at once, one migrates and the others find it done.
    connection.write_transaction(url, Durability::Synced, |connection| {
        let source = match connection {
            RegistryConnection::Postgres(_) => POSTGRES,
            RegistryConnection::Sqlite(_) => SQLITE,
        };
        wait_for_others(connection, lock_timeout)
            .map_err(|error| RegistryError::query(url, "wait for other migrations", error))?;
        on_backend!(connection, |c| c.run_pending_migrations(source).map(|_| ())).map_err(|error| {
            RegistryError::Open {
                url: url.to_string(),
                reason: format!("a migration failed: {error}"),
            }
        })
    })
}

/// Waits until no other process migrates. A migration of a large registry may take longer than a
/// statement or a lock may otherwise, and nobody who starts meanwhile should give up; but a
/// migration itself does not queue for a table behind others without end, for all that come later
/// would queue behind it.
fn wait_for_others(connection: &mut RegistryConnection, lock_timeout: Duration) -> QueryResult<()> {
    if let RegistryConnection::Postgres(c) = connection {
        c.batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")?;
    }
    connection.lock_name("migrations")?;
    if let RegistryConnection::Postgres(c) = connection {
        let milliseconds = crate::open::milliseconds(lock_timeout);
        c.batch_execute(&format!("SET LOCAL lock_timeout = {milliseconds}"))?;
    }
    Ok(())
}

/// The first migration that the database lacks; an error if it has one that is not known here.
fn pending(
    connection: &mut RegistryConnection,
    url: &DatabaseUrl,
) -> Result<Option<String>, RegistryError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| RegistryError::Open {
        url: url.to_string(),
        reason: error.to_string(),
    };
    // Asking diesel for the applied migrations would make its table; a look must change nothing.
    let applied: Vec<MigrationVersion<'static>> =
        if has_table(connection, url, "__diesel_schema_migrations")? {
            on_backend!(connection, |c| c.applied_migrations()).map_err(failed)?
        } else {
            Vec::new()
        };
    let known = match connection {
        RegistryConnection::Postgres(_) => known_versions::<diesel::pg::Pg>(&POSTGRES),
        RegistryConnection::Sqlite(_) => known_versions::<diesel::sqlite::Sqlite>(&SQLITE),
    }
    .map_err(failed)?;
    let applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
    if let Some(migration) = applied.iter().find(|version| !known.contains(version)) {
        return Err(RegistryError::Newer { url: url.to_string(), migration: migration.clone() });
    }
    Ok(known.into_iter().find(|version| !applied.contains(version)))
}

fn known_versions<DB: diesel::backend::Backend>(
    source: &EmbeddedMigrations,
) -> diesel::migration::Result<Vec<String>> {
    let migrations = diesel::migration::MigrationSource::<DB>::migrations(source)?;
    let mut versions: Vec<String> =
        migrations.iter().map(|migration| migration.name().version().to_string()).collect();
    versions.sort();
    Ok(versions)
}

/// A database with tables but without ours belongs to another program.
fn refuse_foreign(
    connection: &mut RegistryConnection,
    url: &DatabaseUrl,
) -> Result<(), RegistryError> {
    // A PostgreSQL database is made for us by an operator, and may have other schemas.
    let RegistryConnection::Sqlite(c) = connection else { return Ok(()) };
    // One statement, for the tables appear all at once when another process migrates.
    let tables = diesel::sql_query(
        "SELECT count(*) AS count, \
         count(*) FILTER (WHERE type = 'table' AND name IN \
         ('__diesel_schema_migrations', 'packages', 'storage_locations')) AS ours \
         FROM sqlite_schema",
    )
    .get_result::<Tables>(c)
    .map_err(|error| match &error {
        diesel::result::Error::DatabaseError(_, report)
            if report.message().contains("not a database") =>
        {
            RegistryError::NotARegistry {
                url: url.to_string(),
                reason: report.message().to_owned(),
            }
        }
        _ => RegistryError::query(url, "look at the database", error),
    })?;
    if tables.count > 0 && tables.ours < 3 {
        let reason = "it has tables of another program".to_owned();
        return Err(RegistryError::NotARegistry { url: url.to_string(), reason });
    }
    Ok(())
}

#[derive(diesel::QueryableByName)]
struct Tables {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    ours: i64,
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

fn has_table(
    connection: &mut RegistryConnection,
    url: &DatabaseUrl,
    name: &'static str,
) -> Result<bool, RegistryError> {
    let counted = match connection {
        RegistryConnection::Postgres(c) => {
            diesel::sql_query("SELECT count(*) AS count FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1")
                .bind::<diesel::sql_types::Text, _>(name)
                .get_result::<Count>(c)
        }
        RegistryConnection::Sqlite(c) => {
            diesel::sql_query("SELECT count(*) AS count FROM sqlite_schema WHERE type = 'table' AND name = ?")
                .bind::<diesel::sql_types::Text, _>(name)
                .get_result::<Count>(c)
        }
    };
    Ok(counted.map_err(|error| RegistryError::query(url, "look at the database", error))?.count > 0)
}
