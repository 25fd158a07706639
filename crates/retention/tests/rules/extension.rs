//! What an extension gives, and what is refused.

use artifact_domain::Timestamp;
use artifact_domain::retention::Extension::{self, Days, Permanent, Until};
use artifact_retention::{ExtensionRefusal, extend};

use crate::facts::{LAST_INSTANT, at, day, next};

fn extended(present: Option<Timestamp>, asked: Extension, now: Timestamp) -> Option<Timestamp> {
    extend(present, asked, now).unwrap()
}

fn refusal(present: Option<Timestamp>, asked: Extension, now: Timestamp) -> ExtensionRefusal {
    extend(present, asked, now).unwrap_err()
}

#[test]
fn a_later_time_is_given_and_the_same_one_changes_nothing() {
    let present = Some(day(90));
    assert_eq!(extended(present, Until(next(day(90))), day(10)), Some(next(day(90))));
    assert_eq!(extended(present, Until(day(90)), day(10)), present);
    assert_eq!(extended(present, Until(at(LAST_INSTANT)), day(10)), Some(at(LAST_INSTANT)));
}

#[test]
fn days_count_from_the_present_expiry_and_not_from_now() {
    assert_eq!(extended(Some(day(90)), Days(1), day(10)), Some(day(91)));
    assert_eq!(extended(Some(day(90)), Days(30), day(10)), Some(day(120)));
    // The last day that can be written is still given.
    let last = at("9999-12-30T23:59:59.999999Z");
    assert_eq!(extended(Some(last), Days(1), day(10)), Some(at(LAST_INSTANT)));
}

#[test]
fn an_expiry_that_has_passed_can_be_moved_beyond_now() {
    assert_eq!(extended(Some(day(90)), Until(next(day(100))), day(100)), Some(next(day(100))));
    assert_eq!(extended(Some(day(90)), Days(11), day(100)), Some(day(101)));
    assert_eq!(extended(Some(day(90)), Permanent, day(100)), None);
}

#[test]
fn for_ever_is_the_latest_of_all() {
    assert_eq!(extended(Some(day(90)), Permanent, day(10)), None);
    assert_eq!(extended(None, Permanent, day(10)), None);
}

#[test]
fn what_is_wrong_for_every_package_is_no_matter_of_shortening() {
    let table = [
        (Some(day(90)), Until(day(10)), ExtensionRefusal::Past { asked: day(10), now: day(10) }),
        (Some(day(5)), Until(day(9)), ExtensionRefusal::Past { asked: day(9), now: day(10) }),
        (None, Until(day(9)), ExtensionRefusal::Past { asked: day(9), now: day(10) }),
        (Some(day(90)), Days(0), ExtensionRefusal::NoDay),
        (None, Days(0), ExtensionRefusal::NoDay),
        (
            Some(day(90)),
            Days(u64::MAX),
            ExtensionRefusal::TooFar { present: day(90), days: u64::MAX },
        ),
        (
            Some(at(LAST_INSTANT)),
            Days(1),
            ExtensionRefusal::TooFar { present: at(LAST_INSTANT), days: 1 },
        ),
    ];
    for (present, asked, expected) in table {
        let refused = refusal(present, asked, day(10));
        assert_eq!(refused, expected);
        assert!(!refused.is_shortening(), "{refused}");
    }
}

#[test]
fn what_was_promised_is_not_taken_back() {
    let shortened = ExtensionRefusal::Shortened { present: day(90), asked: day(89) };
    let ends_now =
        ExtensionRefusal::StillExpired { present: day(3), days: 7, ends_at: day(10), now: day(10) };
    let table = [
        (Some(day(90)), Until(day(89)), shortened),
        (
            None,
            Until(at(LAST_INSTANT)),
            ExtensionRefusal::Permanent { asked: Until(at(LAST_INSTANT)) },
        ),
        (None, Days(1), ExtensionRefusal::Permanent { asked: Days(1) }),
        (None, Days(u64::MAX), ExtensionRefusal::Permanent { asked: Days(u64::MAX) }),
        (Some(day(3)), Days(7), ends_now),
    ];
    for (present, asked, expected) in table {
        let refused = refusal(present, asked, day(10));
        assert_eq!(refused, expected);
        assert!(refused.is_shortening(), "{refused}");
    }
}

#[test]
fn a_refusal_says_what_was_asked_what_is_there_and_what_to_do() {
    for (present, asked, message) in [
        (
            Some(day(90)),
            Until(day(1)),
            "2026-01-02T00:00:00.000000Z is not later than now, 2026-01-11T00:00:00.000000Z: name \
             a time to come",
        ),
        (Some(day(90)), Days(0), "0 days were asked for: ask for 1 or more"),
        (
            Some(day(90)),
            Days(4_000_000),
            "4000000 days beyond 2026-04-01T00:00:00.000000Z lead beyond the year 9999: ask for \
             fewer, or for it to be kept for ever",
        ),
        (
            Some(day(90)),
            Until(day(31)),
            "2026-02-01T00:00:00.000000Z is earlier than 2026-04-01T00:00:00.000000Z, until which \
             it is kept already: an expiry is never moved to an earlier time, so name a later one",
        ),
        (
            None,
            Until(day(31)),
            "it is kept for ever, and an expiry at 2026-02-01T00:00:00.000000Z would end that: \
             leave it as it is",
        ),
        (
            None,
            Days(1),
            "it is kept for ever, and an expiry in 1 day would end that: leave it as it is",
        ),
        (
            Some(day(0)),
            Days(2),
            "2 days beyond its expiry, 2026-01-01T00:00:00.000000Z, end at \
             2026-01-03T00:00:00.000000Z, which is not later than now, \
             2026-01-11T00:00:00.000000Z: ask for more days, or name a time to come",
        ),
    ] {
        assert_eq!(refusal(present, asked, day(10)).to_string(), message);
    }
}
