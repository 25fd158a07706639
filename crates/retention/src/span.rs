//! How far two times lie apart, for arithmetic and for a person.

use std::fmt;
use std::time::Duration;

use artifact_domain::Timestamp;

/// From one time to a later one; nothing, if it is not later.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    let micros = to.unix_micros().saturating_sub(from.unix_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// A distance in its largest unit. The rest is cut off: the exact times always stand beside it.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => f.write_str("less than a second"),
            seconds @ 1..60 => f.write_str(&counted(seconds, "second")),
            seconds @ 60..3_600 => f.write_str(&counted(seconds / 60, "minute")),
            seconds @ 3_600..86_400 => f.write_str(&counted(seconds / 3_600, "hour")),
            seconds => f.write_str(&counted(seconds / 86_400, "day")),
        }
    }
}

/// `1 day`, `2 days`.
pub(crate) fn counted(count: u64, unit: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_told_in_its_largest_unit() {
        for (seconds, text) in [
            (0, "less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "1 minute"),
            (3_599, "59 minutes"),
            (3_600, "1 hour"),
            (86_399, "23 hours"),
            (86_400, "1 day"),
            (40 * 86_400 + 5, "40 days"),
        ] {
            assert_eq!(Span(Duration::from_secs(seconds)).to_string(), text, "{seconds}");
        }
        assert_eq!(Span(Duration::from_micros(999_999)).to_string(), "less than a second");
    }

    #[test]
    fn an_earlier_time_is_no_distance_away() {
        let (earlier, later): (Timestamp, Timestamp) = (
            "1970-01-01T00:00:00Z".parse().unwrap(),
            "9999-12-31T23:59:59.999999Z".parse().unwrap(),
        );
        assert_eq!(between(earlier, later), Duration::from_micros(253_402_300_799_999_999));
        assert_eq!(between(later, earlier), Duration::ZERO);
        assert_eq!(between(later, later), Duration::ZERO);
    }
}
