//! Requests and answers as JSON, defined once for the store, the server and its clients.
//!
//! Requests refuse unknown members: a typo must not be silently ignored. Answers may gain members.

mod code;
mod file;
mod package;
mod page;
mod problem;
mod retention;
mod strict;
mod summary;

pub use code::ErrorCode;
pub use file::{
    BatchAnswer, CheckFile, CheckFilesRequest, CheckFilesResponse, EntryError, FileLinks, FileView,
    url_path,
};
pub use package::{
    CreatePackage, FailPackage, FinalizePackage, PackageLinks, PackageView, UpdatePackage,
};
pub use page::Page;
pub use problem::{Problem, ProblemFile};
pub use retention::{
    AcknowledgeClock, ChangeRetentionClass, ClockView, DeletePackage, DeletionCandidate,
    ExtendRetention, HoldView, InvalidExtension, PlaceHold, PutRetentionClass, ReleaseHold,
    RetentionClassView, RetentionView,
};
pub use summary::{IngestReport, Outcome, Summary};
