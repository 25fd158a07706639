//! Until when a package is kept at least. `None` is for ever, and the latest of all.

use artifact_domain::Timestamp;
use artifact_domain::retention::RetentionPeriod;

/// The expiry that a class gives from a point in time.
pub(crate) fn expiry_from(period: RetentionPeriod, start: Timestamp) -> Option<Timestamp> {
    match period {
        RetentionPeriod::Days(days) => Some(start.plus_days(days)),
        RetentionPeriod::Permanent => None,
    }
}

/// The expiry of a new package: its class's period from its creation.
pub fn expiry_at_create(period: RetentionPeriod, created_at: Timestamp) -> Option<Timestamp> {
    expiry_from(period, created_at)
}

/// The expiry of a package that is finalized: the later of what it has and what its class gives
/// from now. An ingest that took a week does not cost the evidence a week, and an extension that
/// was made meanwhile stays.
pub fn expiry_at_finalize(
    present: Option<Timestamp>,
    period: RetentionPeriod,
    finalized_at: Timestamp,
) -> Option<Timestamp> {
    // Where one of the two is for ever, there is no pair and the answer is for ever.
    present.zip(expiry_from(period, finalized_at)).map(|(present, given)| present.max(given))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn days_count_from_the_creation_and_permanent_never_ends() {
        let created = at("2026-01-01T00:00:00Z");
        assert_eq!(
            expiry_at_create(RetentionPeriod::Days(7), created),
            Some(at("2026-01-08T00:00:00Z"))
        );
        assert_eq!(expiry_at_create(RetentionPeriod::Days(0), created), Some(created));
        assert_eq!(expiry_at_create(RetentionPeriod::Permanent, created), None);
    }

    #[test]
    fn finalize_takes_the_later_date() {
        let (early, late) = (at("2026-01-08T00:00:00Z"), at("2026-03-01T00:00:00Z"));
        let finalized = at("2026-01-03T00:00:00Z");
        let week = RetentionPeriod::Days(7);
        assert_eq!(
            expiry_at_finalize(Some(early), week, finalized),
            Some(at("2026-01-10T00:00:00Z"))
        );
        assert_eq!(expiry_at_finalize(Some(late), week, finalized), Some(late));
        assert_eq!(expiry_at_finalize(None, week, finalized), None);
        assert_eq!(expiry_at_finalize(Some(late), RetentionPeriod::Permanent, finalized), None);
    }

    proptest! {
        #[test]
        fn finalize_never_shortens(present in proptest::option::of(0i64..1 << 50), days in proptest::option::of(0u32..36_501), finalized in 0i64..1 << 50) {
            let time = |micros| Timestamp::from_unix_micros(micros).unwrap();
            let present = present.map(time);
            let period = days.map_or(RetentionPeriod::Permanent, RetentionPeriod::Days);
            let after = expiry_at_finalize(present, period, time(finalized));
            prop_assert!(after.is_none() || present.is_some_and(|present| after >= Some(present)));
        }
    }
}
