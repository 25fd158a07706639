//! What may be deleted, and what each rule says to it.

use artifact_domain::PackageStatus::{self, Created, Deleted, Failed, Finalized, Uploading};
use artifact_domain::retention::ConsultedRule::{Expiry, Hold as HoldRule, Status};
use artifact_domain::retention::Verdict::{Allows, Protects};
use artifact_domain::retention::{ConsultedRule, Decision, Verdict};
use artifact_domain::{Package, Timestamp};
use artifact_retention::{decide, is_eligible};

use crate::facts::{FIRST_INSTANT, LAST_INSTANT, at, day, hold, next, package, released};

fn said(decision: &Decision) -> Vec<(ConsultedRule, Verdict)> {
    decision.reasons.iter().map(|reason| (reason.rule, reason.verdict)).collect()
}

fn details(decision: &Decision, rule: ConsultedRule) -> Vec<&str> {
    let reasons = decision.reasons.iter().filter(|reason| reason.rule == rule);
    reasons.map(|reason| reason.detail.as_str()).collect()
}

#[test]
fn only_what_is_finalized_or_failed_has_passed_its_expiry_and_is_not_held_may_go() {
    let end_of_time = at(LAST_INSTANT);
    let table: &[(PackageStatus, Option<Timestamp>, Timestamp, bool)] = &[
        // Status, at an expiry that has passed.
        (Created, Some(day(90)), day(91), false),
        (Uploading, Some(day(90)), day(91), false),
        (Finalized, Some(day(90)), day(91), true),
        (Failed, Some(day(90)), day(91), true),
        (Deleted, Some(day(90)), day(91), false),
        // Expiry, to the microsecond.
        (Finalized, Some(day(90)), day(89), false),
        (Finalized, Some(day(90)), day(90), false),
        (Finalized, Some(day(90)), next(day(90)), true),
        (Failed, Some(day(90)), day(90), false),
        (Failed, Some(day(90)), next(day(90)), true),
        // The ends of time.
        (Finalized, Some(at(FIRST_INSTANT)), at(FIRST_INSTANT), false),
        (Finalized, Some(day(90)), end_of_time, true),
        (Finalized, Some(end_of_time), end_of_time, false),
        (Uploading, Some(day(90)), end_of_time, false),
        (Created, Some(day(90)), end_of_time, false),
        (Deleted, Some(day(90)), end_of_time, false),
        // Permanent.
        (Finalized, None, end_of_time, false),
        (Failed, None, end_of_time, false),
        (Deleted, None, end_of_time, false),
    ];
    for &(status, expires_at, now, eligible) in table {
        let package = package(status, expires_at);
        let decision = decide(&package, &[], now);
        assert_eq!(decision.eligible, eligible, "{status}, {expires_at:?}, {now}");
        assert_eq!(is_eligible(&package, now), eligible, "{status}, {expires_at:?}, {now}");
        assert_eq!(decision.decided_at, now);

        // A hold protects each of them, and a record that speaks of one does too.
        let held = Package { on_hold: true, ..package.clone() };
        assert!(!decide(&held, &[hold("audit", None)], now).eligible);
        assert!(!decide(&held, &[], now).eligible);
        assert!(!is_eligible(&held, now));
        assert!(!decide(&package, &[hold("audit", None)], now).eligible);
        // One that was released changes nothing.
        assert_eq!(decide(&package, &[released(hold("audit", None))], now).eligible, eligible);
    }
}

#[test]
fn every_rule_is_asked_and_answers_in_its_order() {
    let eligible = package(Finalized, Some(day(90)));
    let decision = decide(&eligible, &[], day(91));
    assert_eq!(said(&decision), [(Status, Allows), (Expiry, Allows), (HoldRule, Allows)]);

    // One rule that protects keeps no other from being asked.
    let held = [hold("audit", None), hold("litigation", None)];
    let decision = decide(&package(Uploading, None), &held, day(91));
    assert_eq!(
        said(&decision),
        [(Status, Protects), (Expiry, Protects), (HoldRule, Protects), (HoldRule, Protects)]
    );
}

#[test]
fn the_status_says_what_it_allows() {
    for (status, detail) in [
        (
            Created,
            "it is created and not finalized yet: only what is finalized or failed can be deleted",
        ),
        (Uploading, "it is being uploaded: only what is finalized or failed can be deleted"),
        (Finalized, "it is finalized: what is finalized or failed can be deleted"),
        (Failed, "it has failed: what is finalized or failed can be deleted"),
        (Deleted, "it was deleted at 2026-01-02T00:00:00.000000Z: nothing is deleted twice"),
    ] {
        let decision = decide(&package(status, Some(day(90))), &[], day(91));
        assert_eq!(details(&decision, Status), [detail]);
    }
}

#[test]
fn the_expiry_says_where_it_comes_from_and_how_far_away_it_is() {
    // An admin has changed the class since: the package names the version that it was made by.
    let old = Package { rule_version: 3, ..package(Finalized, Some(day(90))) };
    for (now, end) in [
        (day(80), "which has not passed at 2026-03-22T00:00:00.000000Z: it is 10 days ahead"),
        (day(90), "and that very instant is still protected"),
        (next(day(90)), "which passed less than a second before 2026-04-01T00:00:00.000001Z"),
        (day(91), "which passed 1 day before 2026-04-02T00:00:00.000000Z"),
        (at(LAST_INSTANT), "which passed 2912352 days before 9999-12-31T23:59:59.999999Z"),
    ] {
        let decision = decide(&old, &[], now);
        let detail = format!(
            "its class raw-evidence, version 3, with every extension since, keeps it until \
             2026-04-01T00:00:00.000000Z, {end}"
        );
        assert_eq!(details(&decision, Expiry), [detail]);
    }
    let permanent = decide(&package(Finalized, None), &[], day(90));
    assert_eq!(
        details(&permanent, Expiry),
        ["it is kept for ever: nothing that is permanent expires"]
    );
}

#[test]
fn a_hold_that_is_placed_after_the_expiry_protects_until_it_is_released() {
    let expired = package(Finalized, Some(day(1)));
    assert!(decide(&expired, &[], day(3)).eligible);

    let held = Package { on_hold: true, ..expired.clone() };
    let placed = hold("litigation", Some("case 2026-17"));
    let decision = decide(&held, std::slice::from_ref(&placed), day(4));
    assert!(!decision.eligible);
    assert_eq!(decision.reasons[2].hold_id, Some(placed.id));
    assert_eq!(
        details(&decision, HoldRule),
        ["a hold that alice placed at 2026-01-04T00:00:00.000000Z on the mandate case 2026-17 is \
          active: litigation"]
    );

    // The expiry is where it was, so the package may go at once.
    let decision = decide(&expired, &[released(placed)], day(4));
    assert!(decision.eligible);
    assert_eq!(details(&decision, HoldRule), ["no hold is active"]);
}

#[test]
fn of_two_holds_the_one_that_is_not_released_protects_and_is_named() {
    let held = Package { on_hold: true, ..package(Finalized, Some(day(1))) };
    let (first, second) = (hold("audit", None), hold("litigation", None));
    let both = [first.clone(), second.clone()];
    let ids = |decision: &Decision| -> Vec<_> {
        decision.reasons.iter().filter_map(|reason| reason.hold_id).collect()
    };
    assert_eq!(ids(&decide(&held, &both, day(9))), [first.id, second.id]);

    let decision = decide(&held, &[released(first), second.clone()], day(9));
    assert!(!decision.eligible);
    assert_eq!(ids(&decision), [second.id]);
    assert_eq!(
        details(&decision, HoldRule),
        ["a hold that alice placed at 2026-01-04T00:00:00.000000Z is active: litigation"]
    );
}

#[test]
fn a_record_on_hold_without_a_hold_is_protected_and_says_that_something_is_wrong() {
    let held = Package { on_hold: true, ..package(Finalized, Some(day(1))) };
    for holds in [vec![], vec![released(hold("audit", None))]] {
        let decision = decide(&held, &holds, at(LAST_INSTANT));
        assert!(!decision.eligible);
        assert_eq!(said(&decision), [(Status, Allows), (Expiry, Allows), (HoldRule, Protects)]);
        assert_eq!(
            details(&decision, HoldRule),
            ["its record says that it is on hold, but no active hold was found: it is protected \
              until that is cleared up"]
        );
    }
}
