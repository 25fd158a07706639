//! Whether a clock may be trusted with deleting.

use std::time::Duration;

use artifact_domain::Timestamp;
use artifact_domain::retention::{ClockRecord, ConsultedRule, RetentionReason, Verdict};

use crate::span::{Span, between};

/// How far a clock may stand from the latest time that was seen before it is doubted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockTolerance {
    /// How far the clocks of several servers may differ.
    pub behind: Duration,
    /// How long a store may rest unused before a later time is doubted.
    pub ahead: Duration,
}

impl Default for ClockTolerance {
    /// Five minutes and 30 days.
    fn default() -> Self {
        Self { behind: Duration::from_mins(5), ahead: Duration::from_hours(30 * 24) }
    }
}

/// What is to be thought of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockVerdict {
    /// It agrees with what was seen.
    Trusted,
    /// It went back.
    Behind {
        /// How far it stands before the latest time that was seen.
        by: Duration,
    },
    /// It leapt ahead.
    Ahead {
        /// How far it stands after the latest time that was seen.
        by: Duration,
    },
}

/// Holds `now` against the latest time that was seen; exactly at the tolerance a clock is still
/// trusted. Whether deletion is suspended already is no matter of the clock: that ends when
/// somebody acknowledges it, and not when the clock comes back.
pub fn judge_clock(record: ClockRecord, now: Timestamp, tolerance: ClockTolerance) -> ClockVerdict {
    let behind = between(now, record.seen_at);
    let ahead = between(record.seen_at, now);
    if behind > tolerance.behind {
        ClockVerdict::Behind { by: behind }
    } else if ahead > tolerance.ahead {
        ClockVerdict::Ahead { by: ahead }
    } else {
        ClockVerdict::Trusted
    }
}

/// The reason why nothing is deleted while the clock is doubted: it said `found_at` when the
/// latest time that was seen was `seen_at`.
pub fn clock_reason(seen_at: Timestamp, found_at: Timestamp) -> RetentionReason {
    let moved = if found_at < seen_at {
        format!("gone back by {}", Span(between(found_at, seen_at)))
    } else {
        format!("leapt ahead by {}", Span(between(seen_at, found_at)))
    };
    RetentionReason {
        rule: ConsultedRule::Clock,
        verdict: Verdict::Protects,
        detail: format!(
            "nothing is deleted: the clock said {found_at} when the latest time that was seen was \
             {seen_at} (it had {moved}); an admin has to look at it and acknowledge it"
        ),
        hold_id: None,
    }
}
