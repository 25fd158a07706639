//! What the registry knows of the time.

use crate::time::Timestamp;

/// The latest time that was seen and trusted, and whether the clock contradicts it. Deleting is
/// the one thing that a wrong clock makes irrevocable, so a store does not delete by a clock that
/// went back or leapt ahead until somebody has looked at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockRecord {
    /// The latest time that was seen and trusted.
    pub seen_at: Timestamp,
    /// What the clock said when it was found to contradict `seen_at`; nothing is deleted until
    /// that is acknowledged.
    pub suspended_at: Option<Timestamp>,
}
