//! Retention classes and their versions.

use crate::name::RetentionClassName;
use crate::time::Timestamp;

/// The longest period that a class can give: 100 years.
pub const MAX_PERIOD_DAYS: u32 = 36_500;

/// How long a class keeps a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionPeriod {
    /// So many days of 24 hours; at most [`MAX_PERIOD_DAYS`].
    Days(u32),
    /// For ever.
    Permanent,
}

/// One version of a retention class. A package remembers the version that set its expiry; a later
/// version is for packages to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionRule {
    /// The class.
    pub class: RetentionClassName,
    /// Counts the changes of this class, from 1.
    pub version: u32,
    /// How long it keeps.
    pub period: RetentionPeriod,
    /// What it is for.
    pub description: String,
    /// When this version was made.
    pub updated_at: Timestamp,
}

/// The class that a package gets when nobody names one.
pub const DEFAULT_CLASS: &str = "raw-evidence";

/// The classes of a new registry: name, period in days (`None`: for ever), what it is for.
pub const SEEDED_CLASSES: [(&str, Option<u32>, &str); 5] = [
    ("transient", Some(7), "Intermediate output that is of use for a few days."),
    ("raw-evidence", Some(90), "Raw artifacts of a run: logs, reports, captures."),
    ("summary-evidence", Some(365), "Summaries and scorecards that a year's decisions refer to."),
    ("release-evidence", Some(2555), "Evidence that a release was made on: seven years."),
    ("permanent-record", None, "Never expires."),
];
