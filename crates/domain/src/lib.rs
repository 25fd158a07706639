//! The words of artifact-store.
//!
//! Everything that the other crates talk about is named here once, as a type that can only hold
//! a valid value: a [`PackageId`] is a UUIDv7, a [`LogicalPath`] cannot leave its package, a
//! [`Timestamp`] is UTC with microseconds. A string from outside becomes one of these at the
//! edge or it becomes an error there; inside, nothing is checked twice.
//!
//! # What this room is for
//!
//! | module | holds |
//! | --- | --- |
//! | [`id`], [`digest`], [`path`], [`name`], [`label`], [`metadata`], [`media_type`], [`time`], [`size`] | the parsed values |
//! | [`status`] | the status machine of a package |
//! | [`package`], [`mod@file`], [`retention`], [`event`] | the records |
//! | [`manifest`], [`bag`] | what seals a package: RFC 8785 JSON and BagIt tag files |
//! | [`filter`], [`cursor`] | what a list is asked for and where it goes on |
//! | [`wire`] | requests and answers, defined once for store, server and client |
//!
//! # What it may not know
//!
//! Files, databases, HTTP, the time of day. `now` is always an argument; nothing here blocks.
//! It depends on no other crate of this workspace.

pub mod bag;
pub mod cursor;
pub mod digest;
pub mod event;
pub mod file;
pub mod filter;
pub mod id;
pub mod label;
pub mod manifest;
pub mod media_type;
pub mod metadata;
pub mod name;
pub mod package;
pub mod path;
pub mod retention;
pub mod size;
pub mod status;
pub mod time;
pub mod wire;

mod parsed;

pub use digest::{Blake3Digest, Sha256Digest};
pub use file::FileRecord;
pub use id::PackageId;
pub use package::Package;
pub use path::LogicalPath;
pub use status::PackageStatus;
pub use time::Timestamp;
