//! The bytes of artifact-store.
//!
//! # What this room is for
//!
//! It keeps objects: a name ([`ObjectKey`]) and bytes, written once, read in pieces, listed by
//! package, deleted on request. [`Storage`] is the one facade; behind it is a local folder or an S3
//! bucket (Ceph RGW, Amazon's, any other), and callers do not see which.
//!
//! | module | holds |
//! | --- | --- |
//! | `key` | [`ObjectKey`] and [`TagFile`]: the only way to name an object |
//! | `storage` | [`Storage`], the facade |
//! | `facts` | [`ObjectFacts`], what is known of an object, and other plain values |
//! | `writer`, `reader` | [`ObjectWriter`] and [`ObjectReader`]: bytes in and out, streamed |
//! | `crowd` | what all writers together may have in memory |
//! | `error` | [`StorageError`], the one error of this crate |
//! | `marker` | `storage.json`, which gives a storage its identity |
//! | `local` | the local folder, an `object_store::ObjectStore` of our own |
//! | `s3` | the bucket: [`S3Options`], and an `ObjectStore` below a prefix |
//! | `probe`, `capabilities` | trying a backend out, and [`Capabilities`], what was seen |
//!
//! # What it may not know
//!
//! Databases, HTTP, the registry, retention, the status of a package. It knows the names of
//! `artifact-domain` and nothing else of ours. No type of the crate `object_store` is in its
//! interface.
//!
//! # The layout of a local folder
//!
//! ```text
//! <root>/storage.json                    the marker: schema and StorageId, created once
//!        packages/<package id>/...       bags, as artifact_domain::bag names them
//!        staging/<writer>.lock           locked for as long as the writer lives
//!        staging/<writer>/<counter>      objects that are not published yet
//! ```
//!
//! Nothing else ever appears in the root, and nothing of ours but whole objects in `packages/`.
//!
//! # The layout of a bucket
//!
//! The same keys below the prefix: `storage.json`, `packages/...`, and `staging/probe-...` for as
//! long as a probe takes. What is not published yet is in uploads that the bucket keeps beside its
//! objects, so there are no writers' folders and no locks. Let the bucket abort incomplete uploads
//! after a week; let it expire nothing.
//!
//! # Guarantees
//!
//! - An object appears under its key whole or not at all, and creating never overwrites: of two
//!   writers of one key, one wins and the other is told. In a bucket of Ceph 16 there is a gap for
//!   objects in parts: a writer that completes while another one does may overwrite it. The
//!   registry keeps writers of one key apart.
//! - Memory does not grow with the size of an object or of a package.
//! - A read that cannot deliver all its bytes ends in an error, never silently early.
//! - What [`Storage::sync_package`] has returned for survives power loss. Before that, nothing is
//!   promised: see the comment there for why it is one call per package. A bucket has made durable
//!   what it has confirmed.
//! - What is written to a bucket was signed with its SHA-256, and the gateway refuses a body that
//!   does not match.
//! - No symlink below the root is followed, whoever planted it; every access says so instead.
//! - In a folder, what a dead writer left in `staging/` is cleared by the next writer that enters.

#[cfg(not(unix))]
compile_error!("artifact-storage needs the *at() calls and file locks of a Unix system");

mod capabilities;
mod crowd;
mod error;
mod facts;
mod key;
mod local;
mod marker;
mod probe;
mod reader;
mod s3;
mod storage;
mod writer;

pub use capabilities::{Capabilities, Finding, Setting};
pub use error::StorageError;
pub use facts::{Health, Liveness, ObjectFacts, PutMode};
pub use key::{ObjectKey, TagFile};
pub use reader::ObjectReader;
pub use s3::{S3Options, Secret, WrongS3Url, parse_s3_url};
pub use storage::Storage;
pub use writer::ObjectWriter;
