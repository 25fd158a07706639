//! Opening a registry, and the two ways into it: reading and writing.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::r2d2::{ManageConnection, Pool, PooledConnection, R2D2Connection as _};
use diesel::{Connection as _, ConnectionError, PgConnection, SqliteConnection};

use crate::connection::{RegistryConnection, on_backend};
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
    /// SQLite has one writer at a time. Waiting here wakes at once; SQLite's own busy handler, which
    /// is left to wait for other processes, sleeps and polls.
    write_turn: Option<Arc<Mutex<()>>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("url", &self.url).finish_non_exhaustive()
    }
}

/// How a registry is opened. Only tests have a reason to turn these screws.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// What opening may do.
    pub mode: OpenMode,
    /// How long a statement waits for another process's lock before it fails.
    pub busy_timeout: Duration,
    /// SQL that each new connection runs at last.
    pub on_connect: String,
}

impl OpenOptions {
    /// What [`Registry::open`] takes.
    pub const fn new(mode: OpenMode) -> Self {
        Self { mode, busy_timeout: BUSY_TIMEOUT, on_connect: String::new() }
    }
}

impl Registry {
    /// Opens the registry at `url`.
    pub fn open(url: &DatabaseUrl, mode: OpenMode) -> Result<Self, RegistryError> {
        Self::open_with(url, &OpenOptions::new(mode))
    }

    /// Opens the registry at `url`, with everything said.
    #[doc(hidden)]
    pub fn open_with(url: &DatabaseUrl, options: &OpenOptions) -> Result<Self, RegistryError> {
        let mut write_turn = None;
        if let DatabaseUrl::Sqlite(path) = url {
            write_turn = Some(Arc::default());
            let missing = !path.try_exists().unwrap_or(true);
            match (missing, options.mode, path.parent()) {
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
            // SQLite takes a file of one byte for an empty one and would write over it. Only its
            // size is looked at: closing a file ends all locks that this process has on it.
            if path.metadata().is_ok_and(|facts| facts.is_file() && (1..512).contains(&facts.len()))
            {
                let reason = "file is not a database".to_owned();
                return Err(RegistryError::NotARegistry { url: url.to_string(), reason });
            }
        }
        let connector = Connector { url: url.clone(), options: options.clone() };
        // The first connection is made here rather than by the pool, which would hide why it
        // failed behind a timeout.
        let mut first = connector.establish(options.mode)?;
        let pending = migrate::look(&mut first, url)?;
        if let (Some(migration), OpenMode::Existing) = (&pending, options.mode) {
            let migration = migration.clone();
            return Err(RegistryError::Outdated { url: url.to_string(), migration });
        }
        connector.configure(&mut first)?;
        if pending.is_some() {
            migrate::run(&mut first, url)?;
        }
        let pool = Pool::builder()
            .max_size(POOL_SIZE)
            .min_idle(Some(0))
            .connection_timeout(CONNECTION_TIMEOUT)
            // A server may have closed a connection since it was used last; a file cannot.
            .test_on_check_out(matches!(url, DatabaseUrl::Postgres(_)))
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
        f(&mut Reader::new(&mut *self.connection()?, &self.url))
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
        self.connection()?.write_transaction(&self.url, durability, |connection| {
            f(&mut Writer::new(connection, &self.url))
        })
    }

    fn connection(&self) -> Result<PooledConnection<Connector>, RegistryError> {
        self.pool.get().map_err(|error| RegistryError::NoConnection { reason: error.to_string() })
    }
}

/// Makes connections for the pool.
struct Connector {
    url: DatabaseUrl,
    options: OpenOptions,
}

impl Connector {
    /// A connection that has been told nothing but how long to wait.
    fn establish(&self, mode: OpenMode) -> Result<RegistryConnection, RegistryError> {
        let failed = |reason: String| RegistryError::Open { url: self.url.to_string(), reason };
        let patience = self.options.busy_timeout.as_millis();
        match &self.url {
            DatabaseUrl::Postgres(url) => PgConnection::establish(url)
                .map(RegistryConnection::Postgres)
                .map_err(|error: ConnectionError| failed(error.to_string())),
            DatabaseUrl::Sqlite(path) => {
                let path = std::path::absolute(path).map_err(|error| failed(error.to_string()))?;
                let mut connection = SqliteConnection::establish(&sqlite_uri(&path, mode))
                    .map_err(|error| failed(error.to_string()))?;
                connection
                    .batch_execute(&format!("PRAGMA busy_timeout = {patience}"))
                    .map_err(|error| self.failed(error))?;
                Ok(RegistryConnection::Sqlite(connection))
            }
        }
    }

    /// Sets what each connection needs.
    fn configure(&self, connection: &mut RegistryConnection) -> Result<(), RegistryError> {
        match connection {
            // Transactions see what others committed before each statement, and lock what they
            // decide by; a commit is on disk when it answers, whatever the server's default is;
            // and waiting for a lock ends, as it does with SQLite.
            RegistryConnection::Postgres(c) => c.batch_execute(&format!(
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                 SELECT set_config('synchronous_commit', 'on', false) \
                 WHERE current_setting('synchronous_commit') = 'off'; \
                 SET lock_timeout = {};",
                self.options.busy_timeout.as_millis()
            )),
            RegistryConnection::Sqlite(c) => self.configure_sqlite(c),
        }
        .map_err(|error| self.failed(error))?;
        if self.options.on_connect.is_empty() {
            return Ok(());
        }
        on_backend!(connection, |c| c.batch_execute(&self.options.on_connect))
            .map_err(|error| self.failed(error))
    }

    /// Write-ahead log, foreign keys, and full syncs where `fsync` alone does not reach the disk
    /// (macOS).
    fn configure_sqlite(&self, connection: &mut SqliteConnection) -> diesel::QueryResult<()> {
        // The first connections to a new file switch it to the log together, and SQLite tells
        // all but one of them at once that it is locked, whatever the busy timeout is.
        let began = Instant::now();
        while let Err(error) = connection.batch_execute("PRAGMA journal_mode = WAL") {
            let is_locked = error.to_string().contains("is locked");
            if !is_locked || began.elapsed() > self.options.busy_timeout {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        connection.batch_execute(
            "PRAGMA synchronous = FULL; \
             PRAGMA foreign_keys = ON; \
             PRAGMA fullfsync = ON; \
             PRAGMA checkpoint_fullfsync = ON; \
             PRAGMA wal_autocheckpoint = 4000; \
             PRAGMA trusted_schema = OFF;",
        )
    }

    fn failed(&self, error: diesel::result::Error) -> RegistryError {
        RegistryError::query(&self.url, "open the database", error)
    }
}

fn hex(digit: u8) -> char {
    char::from(b"0123456789ABCDEF"[usize::from(digit & 15)])
}

/// The file's name as SQLite takes it with the mode in it: only the first connection may make the
/// file. A name by itself would not do, for `:memory:` and `file:` mean something to SQLite.
fn sqlite_uri(path: &Path, mode: OpenMode) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte));
            }
            other => uri.extend(['%', hex(other >> 4), hex(other & 15)]),
        }
    }
    uri.push_str(match mode {
        OpenMode::CreateAndMigrate => "?mode=rwc",
        OpenMode::Existing => "?mode=rw",
    });
    uri
}

impl ManageConnection for Connector {
    type Connection = RegistryConnection;
    type Error = RegistryError;

    fn connect(&self) -> Result<RegistryConnection, RegistryError> {
        let mut connection = self.establish(OpenMode::Existing)?;
        self.configure(&mut connection)?;
        Ok(connection)
    }

    fn is_valid(&self, connection: &mut RegistryConnection) -> Result<(), RegistryError> {
        connection
            .ping()
            .map_err(|error| RegistryError::query(&self.url, "reach the database", error))
    }

    fn has_broken(&self, connection: &mut RegistryConnection) -> bool {
        connection.is_broken()
    }
}
