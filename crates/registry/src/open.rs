//! Opening a registry, and the two ways into it: reading and writing.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::r2d2::{ManageConnection, Pool, PooledConnection, R2D2Connection as _};
use diesel::{Connection as _, ConnectionError, PgConnection, SqliteConnection};

use artifact_domain::id::StorageId;

use crate::connection::{RegistryConnection, on_backend};
use crate::error::RegistryError;
use crate::migrate;
use crate::read::Reader;
use crate::url::{self, DatabaseUrl};
use crate::write::Writer;

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

/// How many connections there are, and how long they are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// The most connections that this process has open at once.
    pub pool_size: NonZeroU32,
    /// How long a caller waits until one of them is free, and how long making one may take.
    pub connection_timeout: Duration,
    /// How long one statement may run. PostgreSQL only: SQLite has nobody who could stop it.
    pub statement_timeout: Duration,
    /// How long a statement waits for somebody else's lock before it fails.
    pub lock_timeout: Duration,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            pool_size: const { NonZeroU32::new(8).unwrap() },
            connection_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
        }
    }
}

/// The metadata of a store. Cheap to clone; every method blocks, so call it from a thread that
/// may.
#[derive(Clone)]
pub struct Registry {
    pool: Pool<Slots>,
    connector: Arc<Connector>,
    /// SQLite has one writer at a time. Waiting here wakes at once; SQLite's own busy handler, which
    /// is left to wait for other processes, sleeps and polls.
    write_turn: Option<Arc<Mutex<()>>>,
    /// The storage that transactions are for.
    home: Option<StorageId>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("url", self.url()).finish_non_exhaustive()
    }
}

/// How a registry is opened. Only tests have a reason to turn these screws.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// What opening may do.
    pub mode: OpenMode,
    /// How the database is spoken to.
    pub connections: ConnectionOptions,
    /// SQL that each new connection runs at last.
    pub on_connect: String,
}

impl OpenOptions {
    /// What [`Registry::open`] takes.
    pub fn new(mode: OpenMode) -> Self {
        Self { mode, connections: ConnectionOptions::default(), on_connect: String::new() }
    }
}

impl Registry {
    /// Opens the registry at `url`.
    pub fn open(url: &DatabaseUrl, mode: OpenMode) -> Result<Self, RegistryError> {
        Self::open_with(url, &OpenOptions::new(mode))
    }

    /// Opens the registry at `url` and speaks to the database as the options say.
    pub fn open_with_connections(
        url: &DatabaseUrl,
        mode: OpenMode,
        connections: &ConnectionOptions,
    ) -> Result<Self, RegistryError> {
        let options = OpenOptions { connections: *connections, ..OpenOptions::new(mode) };
        Self::open_with(url, &options)
    }

    /// Whether there is no registry at `url` yet: no file, or a database without our tables.
    /// Nothing is made.
    pub fn is_new(
        url: &DatabaseUrl,
        connections: &ConnectionOptions,
    ) -> Result<bool, RegistryError> {
        if let DatabaseUrl::Sqlite(path) = url {
            return Ok(!path.try_exists().unwrap_or(true));
        }
        let options =
            OpenOptions { connections: *connections, ..OpenOptions::new(OpenMode::Existing) };
        let connector = Connector { url: url.clone(), options };
        migrate::is_new(&mut connector.establish(OpenMode::Existing)?, url)
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
        let mut first = connector.establish(options.mode)?;
        let pending = migrate::look(&mut first, url)?;
        if let (Some(migration), OpenMode::Existing) = (&pending, options.mode) {
            let migration = migration.clone();
            return Err(RegistryError::Outdated { url: url.to_string(), migration });
        }
        connector.configure(&mut first)?;
        if pending.is_some() {
            migrate::run(&mut first, url, options.connections.lock_timeout)?;
        }
        let pool = Pool::builder()
            .max_size(options.connections.pool_size.get())
            .min_idle(Some(0))
            .connection_timeout(options.connections.connection_timeout)
            .test_on_check_out(false)
            .build_unchecked(Slots);
        Ok(Self { pool, connector: Arc::new(connector), write_turn, home: None })
    }

    /// The same registry for a process that works on this storage: a transaction that writes is
    /// refused when packages live somewhere else by then.
    #[must_use]
    pub fn at_home(mut self, storage: StorageId) -> Self {
        self.home = Some(storage);
        self
    }

    /// The same registry for whoever moves the home itself.
    #[must_use]
    pub fn wherever_home_is(mut self) -> Self {
        self.home = None;
        self
    }

    /// Where the registry is, without any password.
    pub fn url(&self) -> &DatabaseUrl {
        &self.connector.url
    }

    /// Reads, in one snapshot only if the caller needs one statement.
    pub fn read<T, E>(&self, f: impl FnOnce(&mut Reader<'_>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<RegistryError>,
    {
        f(&mut Reader::new(self.slot()?.connection(&self.connector)?, self.url()))
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
        self.slot()?.connection(&self.connector)?.write_transaction(
            self.url(),
            durability,
            |connection| {
                let done = f(&mut Writer::new(connection, self.url()))?;
                // At the end: what the transaction has locked keeps the home where it is.
                if let Some(home) = self.home {
                    Reader::new(connection, self.url()).check_home(home)?;
                }
                Ok(done)
            },
        )
    }

    fn slot(&self) -> Result<PooledConnection<Slots>, RegistryError> {
        let patience = self.connector.options.connections.connection_timeout;
        self.pool.get().map_err(|_timeout| RegistryError::NoConnection {
            reason: format!("all {} are in use for {patience:?}", self.pool.max_size()),
        })
    }
}

/// A place for one connection, which whoever holds the place makes when it is needed.
///
/// Were connections made by the pool, a caller would wait for all of its patience while the
/// database is down, not be told why, and wait for the pool's next attempt when it is up again.
#[derive(Default)]
struct Slot(Option<RegistryConnection>);

impl Slot {
    /// A connection that works: the one that is there, or a new one in its place.
    fn connection(
        &mut self,
        connector: &Connector,
    ) -> Result<&mut RegistryConnection, RegistryError> {
        let works = self.0.as_mut().is_some_and(|connection| match connection {
            // The server may have closed it since it was used last.
            RegistryConnection::Postgres(c) => c.ping().is_ok(),
            RegistryConnection::Sqlite(_) => true,
        });
        if !works {
            // The old one goes first: the server counts them.
            self.0 = None;
            let made = connector.connect().map_err(|error| match error {
                RegistryError::Open { reason, .. } if connector.is_remote() => {
                    RegistryError::NoConnection { reason }
                }
                error => error,
            })?;
            return Ok(self.0.insert(made));
        }
        self.0.as_mut().ok_or_else(|| unreachable!("it works"))
    }
}

/// Keeps the places for the pool.
struct Slots;

impl ManageConnection for Slots {
    type Connection = Slot;
    type Error = Infallible;

    fn connect(&self) -> Result<Slot, Infallible> {
        Ok(Slot::default())
    }

    fn is_valid(&self, _slot: &mut Slot) -> Result<(), Infallible> {
        Ok(())
    }

    /// A place is never broken; a connection in it may be and goes, such as one whose transaction
    /// was not ended.
    fn has_broken(&self, slot: &mut Slot) -> bool {
        if slot.0.as_mut().is_some_and(RegistryConnection::is_broken) {
            slot.0 = None;
        }
        false
    }
}

/// Makes connections.
struct Connector {
    url: DatabaseUrl,
    options: OpenOptions,
}

impl Connector {
    const fn is_remote(&self) -> bool {
        matches!(self.url, DatabaseUrl::Postgres(_))
    }

    /// A connection to a registry that was looked at when it was opened.
    fn connect(&self) -> Result<RegistryConnection, RegistryError> {
        let mut connection = self.establish(OpenMode::Existing)?;
        self.configure(&mut connection)?;
        Ok(connection)
    }

    /// A connection that has been told nothing but how long to wait.
    fn establish(&self, mode: OpenMode) -> Result<RegistryConnection, RegistryError> {
        let failed = |reason: String| RegistryError::Open { url: self.url.to_string(), reason };
        match &self.url {
            DatabaseUrl::Postgres(url) => PgConnection::establish(&self.libpq_url(url))
                .map(RegistryConnection::Postgres)
                .map_err(|error: ConnectionError| failed(one_line(&error.to_string()))),
            DatabaseUrl::Sqlite(path) => {
                let path = std::path::absolute(path).map_err(|error| failed(error.to_string()))?;
                let mut connection = SqliteConnection::establish(&sqlite_uri(&path, mode))
                    .map_err(|error| failed(error.to_string()))?;
                connection
                    .batch_execute(&format!("PRAGMA busy_timeout = {}", self.lock_timeout()))
                    .map_err(|error| self.failed(error))?;
                Ok(RegistryConnection::Sqlite(connection))
            }
        }
    }

    fn lock_timeout(&self) -> u128 {
        milliseconds(self.options.connections.lock_timeout)
    }

    /// The URL with an end to each wait for a server that has vanished without a word, which would
    /// be the kernel's quarter of an hour. What the URL itself says comes last and holds.
    fn libpq_url(&self, url: &str) -> String {
        let patience = self.options.connections.connection_timeout;
        url::with_defaults(
            url,
            &[
                // Whole seconds; libpq takes 0 for no end.
                ("connect_timeout", patience.as_secs().max(1).to_string()),
                ("tcp_user_timeout", milliseconds(patience).to_string()),
                ("keepalives_idle", patience.as_secs().max(1).to_string()),
                ("keepalives_interval", "5".to_owned()),
                ("keepalives_count", "3".to_owned()),
            ],
        )
    }

    /// Sets what each connection needs.
    fn configure(&self, connection: &mut RegistryConnection) -> Result<(), RegistryError> {
        match connection {
            // Transactions see what others committed before each statement, and lock what they
            // decide by; a commit is on disk when it answers, whatever the server's default is;
            // and waiting for a lock ends, as it does with SQLite, and so does a statement.
            RegistryConnection::Postgres(c) => c.batch_execute(&format!(
                "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; \
                 SELECT set_config('synchronous_commit', 'on', false) \
                 WHERE current_setting('synchronous_commit') = 'off'; \
                 SET lock_timeout = {}; \
                 SET statement_timeout = {};",
                self.lock_timeout(),
                milliseconds(self.options.connections.statement_timeout)
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
            if !is_locked || began.elapsed() > self.options.connections.lock_timeout {
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

/// What libpq says in several lines, of which the last is ended too.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A time limit as the databases take it: 0 would be none, and they count in 32 bits.
pub(crate) fn milliseconds(limit: Duration) -> u128 {
    limit.as_millis().clamp(1, i32::MAX as u128)
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
