//! Producers' directories become packages.
//!
//! # What this room is for
//!
//! | module | holds |
//! | --- | --- |
//! | [`mod@walk`] | which files of a directory are taken, and what is left out and why |
//! | [`source`] | reading a file that must not change meanwhile |
//! | [`destination`] | what an ingest needs of a store, embedded or behind HTTP |
//! | [`mod@ingest`] | create or resume, upload in parallel, finalize |
//! | [`compare`] | a directory against the files of a package |
//! | [`download`] | a package back into a directory, verified as it arrives |
//! | [`mod@verify`] | the bytes of a package behind HTTP against what was promised |
//! | [`guide_board`] | reading the run directories of the first producer |
//!
//! An ingest is idempotent: the same directory again is the same package, an unfinished package
//! is completed, and a directory that differs from its package changes nothing.
//!
//! # What it may not know
//!
//! Command lines, terminals, how HTTP is spoken, databases, storage. Progress is reported to a [`Progress`];
//! whoever draws it decides how.

pub mod compare;
pub mod destination;
pub mod download;
pub mod guide_board;
pub mod ingest;
pub mod source;
pub mod verify;
pub mod walk;

mod bookmark;
mod lanes;
mod progress;

pub use destination::{Destination, DestinationError};
pub use ingest::{IngestError, IngestOptions, Ingested, ingest};
pub use progress::{NoProgress, Progress};
pub use verify::verify;
pub use walk::{Selection, Walk, WalkError, walk};
