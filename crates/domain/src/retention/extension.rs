//! How far somebody wants a package to be kept.

use crate::time::Timestamp;

/// A later expiry, said in one of three ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// Until this time.
    Until(Timestamp),
    /// So many days of 24 hours beyond the present expiry; 1 or more.
    Days(u64),
    /// For ever.
    Permanent,
}
