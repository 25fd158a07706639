//! The exit codes; they are promises.

/// Done.
pub(crate) const DONE: u8 = 0;
/// Something unexpected: a defect, or a system that does not behave.
pub(crate) const UNEXPECTED: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// There is nothing to ingest.
pub(crate) const NOTHING: u8 = 3;
/// Bytes are not what they should be: a file changed or cannot be read, a digest differs.
pub(crate) const INTEGRITY: u8 = 4;
/// The store holds something else under this name.
pub(crate) const CONFLICT: u8 = 5;
/// The server wants another token.
pub(crate) const NOT_AUTHORISED: u8 = 6;
/// The store cannot be read or written now.
pub(crate) const UNAVAILABLE: u8 = 7;
/// The directory is not a valid run.
pub(crate) const NOT_A_RUN: u8 = 8;
/// There is no such package.
pub(crate) const NO_PACKAGE: u8 = 9;
/// Interrupted by the user.
pub(crate) const INTERRUPTED: u8 = 130;
