//! The use cases of artifact-store over HTTP.
//!
//! ```no_run
//! # async fn example() -> Result<(), artifact_client::ClientError> {
//! use artifact_client::{Client, ClientOptions, NewFile};
//!
//! let client = Client::new("http://127.0.0.1:8080", ClientOptions::default())?;
//! let request = serde_json::from_str(r#"{"producer":"ci"}"#).unwrap();
//! let package = client.create_package(&request).await?.id;
//! let log = NewFile::new("log.txt".parse().unwrap());
//! client.upload_bytes(package, log, "all green\n").await?;
//! let sealed = client.finalize(package, &Default::default()).await?;
//! println!("{} {:?}", sealed.id, sealed.manifest_sha256);
//! # Ok(()) }
//! ```
//!
//! # What this room is for
//!
//! A typed client of the gateway, for the command line and for other Rust programs: the same
//! words as the embedded store, streaming both ways, in memory that does not grow with a file.
//!
//! | module | holds |
//! | --- | --- |
//! | [`options`] | the token, the timeouts, the retries |
//! | [`packages`], [`finalize`], [`audit`] | requests and answers as JSON |
//! | [`upload`], [`batch`] | files up: one at a time, or many as one tar stream |
//! | [`files`], [`download`] | lists of files, and bytes down: whole, a range, an archive |
//! | [`retention`], [`holds`] | what packages are promised, by which classes, and what holds them |
//! | [`deletion`], [`clock`] | deleting what nothing protects, and whether the clock allows it |
//! | [`error`] | what went wrong, said so that something can be done about it |
//!
//! # What holds everywhere
//!
//! - **Digests are checked in both directions.** A digest that is known before the first byte
//!   goes ahead as `Repr-Digest` (RFC 9530). Any other is computed while the bytes are sent and
//!   held against the answer; a file that was stored with other bytes is removed again. What
//!   comes down is held against the digest that the server announced.
//! - **Only what is safe is repeated.** Reading, removing, finalizing, checking, creating a file,
//!   extending to a date and deleting are the same when they happen twice. Anything else is
//!   repeated only when the server cannot have seen it. Pauses grow, vary, honour `Retry-After`,
//!   and end.
//! - **A transfer that stands still is cut**, and counts as a failure like any other. A download
//!   that breaks goes on where it was, if the file is still the same one.
//!
//! # What it may not know
//!
//! The registry, the storage, the insides of the use cases. It knows `artifact-domain`, whose wire
//! types it speaks, and HTTP. Its methods need a tokio runtime.

mod address;
mod call;
mod connect;
mod outgoing;
mod problem;
mod repr_digest;
mod tries;

pub mod audit;
pub mod batch;
pub mod client;
pub mod clock;
pub mod deletion;
pub mod download;
pub mod error;
pub mod files;
pub mod finalize;
pub mod holds;
pub mod options;
pub mod packages;
pub mod retention;
pub mod upload;

pub use batch::SmallFile;
pub use client::Client;
pub use download::{ByteStream, Download};
pub use error::ClientError;
pub use finalize::{ArchiveFormat, Manifest};
pub use options::{ClientOptions, Retries, Token};
pub use packages::VersionedPackage;
pub use upload::NewFile;
