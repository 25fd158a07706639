//! Opening a registry, and the two ways into it: reading and writing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::r2d2::{ManageConnection, Pool, PooledConnection, R2D2Connection as _};
use diesel::{Connection as _, ConnectionError, PgConnection, SqliteConnection};

use crate::connection::RegistryConnection;
use crate::error::RegistryError;
use crate::migrate;
use crate::read::Reader;
use crate::url::DatabaseUrl;
use crate::write::Writer;

/// How long a statement waits for another process's lock before it fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a caller waits for a free connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections that are open at once.
const POOL_SIZE: u32 = 8;

/// What a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It survives power loss: finalize, retention, holds, deletion, and all that is audited
    /// beyond an upload.
    Synced,
    /// It survives the end of this process; a power loss may undo the last commits, in order.
    /// Enough for uploads: they are promised by finalize, whose commit makes these durable too.
    Relaxed,
}

/// What opening may do to a database that is not there or not up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Make it if it is missing, and run pending migrations.
    CreateAndMigrate,
    /// Take it as it is or fail.
    Existing,
}

/// The metadata of a store. Cheap to clone; every method blocks, so call it from a thread that
/// may.
#[derive(Clone)]
pub struct Registry {
    pool: Pool<Connector>,
    url: DatabaseUrl,
    /// SQLite has one writer at a time. Waiting here in turn is fair and wakes at once; SQLite's
    /// own busy handler sleeps and polls.
    write_turn: Option<Arc<Mutex<()>>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Registry {
    /// Opens the registry at `url`.
    pub fn open(url: &DatabaseUrl, mode: OpenMode) -> Result<Self, RegistryError> {
        let mut write_turn = None;
        if let DatabaseUrl::Sqlite(path) = url {
            write_turn = Some(Arc::default());
            let missing = !path.try_exists().unwrap_or(true);
            match (missing, mode, path.parent()) {
                (true, OpenMode::Existing, _) => {
                    return Err(RegistryError::Missing { path: path.clone() });
                }
                (true, OpenMode::CreateAndMigrate, Some(folder))
                    if !folder.as_os_str().is_empty() =>
                {
                    std::fs::create_dir_all(folder).map_err(|error| RegistryError::Open {
                        url: url.to_string(),
                        reason: format!("its folder {} cannot be made: {error}", folder.display()),
                    })?;
                }
                _ => {}
            }
        }
        let connector = Connector { url: url.clone() };
        // The first connection is made here rather than by the pool, which would hide why it
        // failed behind a timeout.
        let mut first = connector.connect()?;
        migrate::prepare(&mut first, url, mode)?;
        let pool = Pool::builder()
            .max_size(POOL_SIZE)
            .min_idle(Some(0))
            .connection_timeout(CONNECTION_TIMEOUT)
            .test_on_check_out(false)
            .build_unchecked(connector);
        Ok(Self { pool, url: url.clone(), write_turn })
    }

    /// Where the registry is, without any password.
    pub const fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Reads, in one snapshot only if the caller needs one statement.
    pub fn read<T, E>(&self, f: impl FnOnce(&mut Reader<'_>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<RegistryError>,
    {
        f(&mut Reader::new(&mut *self.connection()?))
    }

    /// Reads and writes in one transaction: all of it happens or, on an error, none.
    pub fn write<T, E>(
        &self,
        durability: Durability,
        f: impl FnOnce(&mut Writer<'_>) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<RegistryError>,
    {
        let _turn = self
            .write_turn
            .as_ref()
            .map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        self.connection()?
            .write_transaction(durability, |connection| f(&mut Writer::new(connection)))
    }

    fn connection(&self) -> Result<PooledConnection<Connector>, RegistryError> {
        self.pool.get().map_err(|error| RegistryError::NoConnection { reason: error.to_string() })
    }
}

/// Makes connections for the pool.
struct Connector {
    url: DatabaseUrl,
}

impl ManageConnection for Connector {
    type Connection = RegistryConnection;
    type Error = RegistryError;

    fn connect(&self) -> Result<RegistryConnection, RegistryError> {
        let failed = |reason: String| RegistryError::Open { url: self.url.to_string(), reason };
        match &self.url {
            DatabaseUrl::Postgres(url) => PgConnection::establish(url)
                .map(RegistryConnection::Postgres)
                .map_err(|error: ConnectionError| failed(error.to_string())),
            DatabaseUrl::Sqlite(path) => {
                let path =
                    path.to_str().ok_or_else(|| failed("its path is not UTF-8".to_owned()))?;
                let mut connection =
                    SqliteConnection::establish(path).map_err(|error| failed(error.to_string()))?;
                configure(&mut connection).map_err(|error| failed(error.to_string()))?;
                Ok(RegistryConnection::Sqlite(connection))
            }
        }
    }

    fn is_valid(&self, connection: &mut RegistryConnection) -> Result<(), RegistryError> {
        connection.ping().map_err(|error| RegistryError::query("reach the database", error))
    }

    fn has_broken(&self, connection: &mut RegistryConnection) -> bool {
        connection.is_broken()
    }
}

/// What each SQLite connection needs: patience, write-ahead log, foreign keys, and full syncs
/// where `fsync` alone does not reach the disk (macOS).
fn configure(connection: &mut SqliteConnection) -> diesel::QueryResult<()> {
    connection.batch_execute(&format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis()))?;
    connection.batch_execute(
        "PRAGMA journal_mode = WAL; \
         PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; \
         PRAGMA fullfsync = ON; \
         PRAGMA checkpoint_fullfsync = ON; \
         PRAGMA wal_autocheckpoint = 4000; \
         PRAGMA trusted_schema = OFF;",
    )
}
