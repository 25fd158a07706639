//! When a clock is doubted.

use std::time::Duration;

use artifact_domain::Timestamp;
use artifact_domain::retention::{ClockRecord, ConsultedRule, Verdict};
use artifact_retention::ClockVerdict::{Ahead, Behind, Trusted};
use artifact_retention::{ClockTolerance, ClockVerdict, clock_reason, judge_clock};

use crate::facts::{FIRST_INSTANT, LAST_INSTANT, at, day};

const MICROSECOND: Duration = Duration::from_micros(1);

fn judged(seen_at: Timestamp, now: Timestamp) -> ClockVerdict {
    let record = ClockRecord { seen_at, suspended_at: None };
    judge_clock(record, now, ClockTolerance::default())
}

#[test]
fn a_clock_is_trusted_up_to_the_tolerance_and_doubted_a_microsecond_beyond() {
    let seen = at("2026-06-01T12:00:00Z");
    let (five_minutes, thirty_days) = (Duration::from_mins(5), Duration::from_hours(720));
    for (now, verdict) in [
        ("2026-06-01T12:00:00Z", Trusted),
        ("2026-06-01T12:00:00.000001Z", Trusted),
        ("2026-06-01T11:59:59.999999Z", Trusted),
        ("2026-06-01T11:55:00Z", Trusted),
        ("2026-06-01T11:54:59.999999Z", Behind { by: five_minutes + MICROSECOND }),
        ("2026-07-01T12:00:00Z", Trusted),
        ("2026-07-01T12:00:00.000001Z", Ahead { by: thirty_days + MICROSECOND }),
    ] {
        assert_eq!(judged(seen, at(now)), verdict, "{now}");
    }
}

#[test]
fn the_ends_of_time_are_as_far_as_they_are() {
    let (first, last) = (at(FIRST_INSTANT), at(LAST_INSTANT));
    let all = Duration::from_micros(253_402_300_799_999_999);
    assert_eq!(judged(first, last), Ahead { by: all });
    assert_eq!(judged(last, first), Behind { by: all });
    assert_eq!(judged(first, first), Trusted);
    assert_eq!(judged(last, last), Trusted);

    let record = ClockRecord { seen_at: first, suspended_at: None };
    let patient = ClockTolerance { behind: Duration::MAX, ahead: Duration::MAX };
    assert_eq!(judge_clock(record, last, patient), Trusted);
}

#[test]
fn without_tolerance_only_the_same_instant_is_trusted() {
    let strict = ClockTolerance { behind: Duration::ZERO, ahead: Duration::ZERO };
    let record = ClockRecord { seen_at: at("2026-06-01T12:00:00Z"), suspended_at: None };
    let judge = |now| judge_clock(record, at(now), strict);
    assert_eq!(judge("2026-06-01T12:00:00Z"), Trusted);
    assert_eq!(judge("2026-06-01T12:00:00.000001Z"), Ahead { by: MICROSECOND });
    assert_eq!(judge("2026-06-01T11:59:59.999999Z"), Behind { by: MICROSECOND });
}

#[test]
fn what_was_found_before_does_not_change_what_is_found_now() {
    let record = ClockRecord { seen_at: day(10), suspended_at: Some(day(2)) };
    assert_eq!(judge_clock(record, day(10), ClockTolerance::default()), Trusted);
}

#[test]
fn the_reason_says_what_the_clock_did_and_who_has_to_act() {
    let back = clock_reason(day(10), day(7));
    assert_eq!((back.rule, back.verdict), (ConsultedRule::Clock, Verdict::Protects));
    assert_eq!(back.hold_id, None);
    assert_eq!(
        back.detail,
        "nothing is deleted: the clock said 2026-01-08T00:00:00.000000Z when the latest time that \
         was seen was 2026-01-11T00:00:00.000000Z (it had gone back by 3 days); an admin has to \
         look at it and acknowledge it"
    );
    assert_eq!(
        clock_reason(day(10), day(50)).detail,
        "nothing is deleted: the clock said 2026-02-20T00:00:00.000000Z when the latest time that \
         was seen was 2026-01-11T00:00:00.000000Z (it had leapt ahead by 40 days); an admin has \
         to look at it and acknowledge it"
    );
}
