//! What tests need that is not the code under test.
//!
//! # What this room is for
//!
//! Throwaway engines and servers for tests: a PostgreSQL, a Ceph, an S3 in this process, a server
//! of ours on a free port, and a [`FaultyLink`] to put before any of them. It is a development dependency only and is never published.
//! [`TestServer`] needs nothing; [`Postgres`] and [`Ceph`] start what `just setup-engines` has
//! installed, and the tests that need them are ignored unless `just test-engines` runs them.
//!
//! # What it may not know
//!
//! Nothing is forbidden here; that is why no crate but tests may depend on it.

mod ceph;
mod keeper;
mod link;
mod postgres;
mod server;

pub use ceph::Ceph;
pub use link::{Fault, FaultyLink};
pub use postgres::{Database, Postgres};
pub use server::TestServer;
