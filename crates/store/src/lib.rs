//! The use cases of artifact-store, and the one type to embed: [`ArtifactStore`].
//!
//! ```no_run
//! # async fn example() -> Result<(), artifact_store::StoreError> {
//! use artifact_store::{ArtifactStore, NewUpload, StoreOptions};
//!
//! let store = ArtifactStore::open(&StoreOptions::embedded("./artifact-store-data")).await?;
//! let package = store.create_package(serde_json::from_str(r#"{"producer":"ci"}"#).unwrap()).await?;
//! store.upload_bytes(package.id, NewUpload::new("log.txt".parse().unwrap()), "all green\n").await?;
//! let sealed = store.finalize(package.id, Default::default()).await?;
//! println!("{} {:?}", sealed.id, sealed.manifest_sha256);
//! # Ok(()) }
//! ```
//!
//! # What this room is for
//!
//! It composes the registry (what was promised), the storage (the bytes) and the rules of
//! retention. Each use case is a method of [`ArtifactStore`] in a module of its own:
//!
//! | module | use case |
//! | --- | --- |
//! | [`open`] | opening a store: where, and what it may make |
//! | [`packages`] | create, look up, list, update, fail |
//! | [`upload`] | bytes into storage, hashed on their way; replace; remove |
//! | [`tar_batch`] | many files in one tar archive |
//! | [`finalize`] | prove, seal, make durable |
//! | [`read`] | files and ranges of them |
//! | [`manifest`], [`archive`] | what a sealed package says of itself, and all of it in one stream |
//! | [`retention`], [`classes`], [`holds`] | what a package is promised, and by which rules |
//! | [`deletion`] | deleting what nothing protects, and the receipt of it |
//! | [`clock_guard`] | whether the clock can be trusted with deleting |
//! | [`history`] | the audit trail and the retention events |
//! | [`moving`] | all packages to another storage |
//! | [`leadership`] | which of several servers does the work of the background |
//! | [`upkeep`] | what is done from time to time: records that follow, the sweep |
//! | [`health`] | whether registry and storage answer |
//! | [`verify`] | stored bytes against what was promised |
//!
//! # Order of changes
//!
//! Row, bytes, row: a claim names the path before the first byte is written, the file's row
//! follows the last byte. A crash at any point leaves a package that is sealed and whole, or open
//! and resumable. Finalize writes the bag's tag files, makes everything durable, and only then
//! lets the registry say `finalized`.
//!
//! # What it may not know
//!
//! HTTP, command lines, producers' directories, diesel, `object_store`. Its methods are async and
//! need a tokio runtime; what blocks runs on threads that may.

mod clock;
mod digest;
mod error;
mod ledger;
mod page;
mod patience;
mod readers;
mod record;
mod seal_object;
mod tar_reader;

pub mod archive;
pub mod classes;
pub mod clock_guard;
pub mod deletion;
pub mod finalize;
pub mod health;
pub mod history;
pub mod holds;
pub mod leadership;
pub mod manifest;
pub mod moving;
pub mod open;
pub mod packages;
pub mod read;
pub mod retention;
pub mod tar_batch;
pub mod upkeep;
pub mod upload;
pub mod verify;

pub use archive::ArchiveFormat;
pub use artifact_registry::{ConnectionOptions, DatabaseUrl};
pub use artifact_retention::ClockTolerance;
pub use artifact_storage::{Capabilities, Finding, S3Options, Setting, WrongS3Url, parse_s3_url};
pub use classes::PutClass;
pub use error::{FileProblem, ProblemKind, StoreError};
pub use health::{Health, PartHealth};
pub use leadership::LEADERSHIP_ASKED_EVERY;
pub use moving::{MoveStep, Moved};
pub use open::{Access, ArtifactStore, Limits, StorageLocation, StoreOptions};
pub use read::OpenFile;
pub use tar_batch::{FailedEntry, TarReport};
pub use upkeep::Sweep;
pub use upload::{NewUpload, SmallFile};

/// A stream of bytes that a use case answers.
pub type ByteStream = futures::stream::BoxStream<'static, Result<bytes::Bytes, StoreError>>;
