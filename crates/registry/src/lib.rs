//! What was promised about which bytes: package metadata in SQLite or PostgreSQL.
//!
//! # What this room is for
//!
//! | module | holds |
//! | --- | --- |
//! | [`url`], [`open`] | which database, connections, transactions |
//! | [`packages`], [`list`], [`files`], [`uploads`], [`seal`] | packages and their files |
//! | [`rules`], [`retain`], [`holds`] | retention classes, the expiry that one gave a package, legal holds |
//! | [`deletions`], [`records`] | what may be deleted and what was; records beside the bytes that are due |
//! | [`events`] | retention and audit events, which are only ever appended |
//! | [`clock`] | the latest time that was seen and trusted |
//! | [`copies`] | packages on their way to another storage |
//! | [`leases`] | which process does the work of the background |
//! | [`writers`], [`locations`] | the processes that write, the storage roots that they write to |
//!
//! Queries are methods of [`Reader`], changes are methods of [`Writer`]; the caller opens the
//! transaction with [`Registry::write`] and so decides what happens together. A change does not
//! write its audit event by itself: the use case does, in the same transaction.
//!
//! # What it may not know
//!
//! Bytes, storage, HTTP, the time of day, the rules of retention. It is the only crate that names
//! diesel, and no type of diesel leaves it but as the source of an error.
//!
//! # Two databases
//!
//! There is one schema in two migration trees (`migrations/sqlite`, `migrations/postgres`) and one
//! set of queries. Plain reads go through diesel's `MultiConnection`; what has another type on
//! each database is written once and compiled for both. Times are microseconds since 1970, ids are
//! text, digests are bytes, JSON is text, sums are made in Rust: nothing that the two would
//! treat differently.
//!
//! SQLite has one writer at a time, from the first statement of its transaction on. PostgreSQL
//! has many, so what a [`Writer`] reads to decide by is locked until its transaction ends: the
//! package, the external id that is looked for, the classes of a registry that has none yet, the
//! clock. What belongs to a package (its holds, its deletion) is changed under the package's lock,
//! so whoever decides by it reads the package first. A transaction that changes several packages
//! locks them first ([`Writer::lock_packages`]), one that changes a class calls
//! [`Writer::lock_rules`], and one that asks the clock does so before anything else.
//!
//! What is a promise or a proof (versions of classes, holds, deletions, events) is kept from
//! change by the database itself: triggers refuse it, whoever asks.
//!
//! # Lists
//!
//! Every list is paged by key and every lookup is answered by an index; a test explains each
//! statement that the contract suite runs and fails if one scans a table.

mod batches;
mod connection;
mod error;
mod migrate;
mod read;
mod schema;
mod write;

pub mod clock;
pub mod copies;
pub mod deletions;
pub mod events;
pub mod files;
pub mod holds;
pub mod leases;
pub mod list;
pub mod locations;
pub mod open;
pub mod packages;
pub mod records;
pub mod retain;
pub mod rules;
pub mod seal;
pub mod uploads;
pub mod url;
pub mod writers;

pub use error::RegistryError;
#[doc(hidden)]
pub use open::OpenOptions;
pub use open::{ConnectionOptions, Durability, OpenMode, Registry};
pub use read::Reader;
pub use url::DatabaseUrl;
pub use write::Writer;
