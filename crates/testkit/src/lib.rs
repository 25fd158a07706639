//! What tests need that is not the code under test.
//!
//! # What this room is for
//!
//! Throwaway engines and servers for tests: a PostgreSQL, a Ceph, an S3 in this process, a server
//! of ours on a free port. It is a development dependency only and is never published. So far it
//! has [`TestServer`]; the engines follow with the tests that need them.
//!
//! # What it may not know
//!
//! Nothing is forbidden here; that is why no crate but tests may depend on it.

mod server;

pub use server::TestServer;
