//! A PostgreSQL for tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::keeper::{Keeper, free_port};

/// A throwaway cluster of the installed PostgreSQL in a temporary folder, on a free port of
/// 127.0.0.1. It is stopped and removed when it is dropped or when this process ends, also if it
/// lies in a static.
#[derive(Debug)]
pub struct Postgres {
    keeper: Mutex<Keeper>,
    port: u16,
    databases: AtomicU32,
}

impl Postgres {
    /// Starts a cluster.
    ///
    /// # Panics
    /// PostgreSQL is not installed (`just setup-engines` does it), or it does not start.
    pub fn start() -> Self {
        Self::launch("off")
    }

    /// Starts a cluster that syncs what it commits, as one does that keeps something: for
    /// benchmarks.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_synced() -> Self {
        Self::launch("on")
    }

    fn launch(synced: &str) -> Self {
        let port = free_port();
        let variables = [("port", port.to_string()), ("synced", synced.to_owned())];
        let keeper = Keeper::start("postgres", include_str!("postgres.sh"), &variables);
        Self { keeper: Mutex::new(keeper), port, databases: AtomicU32::new(0) }
    }

    /// The URL of the server's first database, from which others can be made.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// An empty database, which is dropped with what is answered.
    ///
    /// # Panics
    /// The server is stopped.
    pub fn fresh_database(&self) -> Database<'_> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.keeper().order(&format!("create {name}"));
        Database { server: self, name }
    }

    /// Stops the server; its clients lose their connections.
    ///
    /// # Panics
    /// It does not stop.
    pub fn stop(&self) {
        self.keeper().order("stop");
    }

    /// Starts it again, with its data and on its port.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_again(&self) {
        self.keeper().order("start_again");
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://artifact@127.0.0.1:{}/{database}", self.port)
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A database of a [`Postgres`].
#[derive(Debug)]
pub struct Database<'p> {
    server: &'p Postgres,
    name: String,
}

impl Database<'_> {
    /// Its URL.
    pub fn url(&self) -> String {
        self.server.url_of(&self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // A test may have left the server stopped; the database then goes with the cluster.
        let _ = self.server.keeper().attempt(&format!("remove {}", self.name));
    }
}
