//! What holds for all facts and all times.
//!
//! Times are whole days of a few weeks, so that equal instants are met often.

use artifact_domain::retention::{ConsultedRule, Extension, Hold, RetentionPeriod, Verdict};
use artifact_domain::{Package, PackageStatus, Timestamp};
use artifact_retention::{change_class, decide, extend, is_eligible};
use proptest::prelude::*;

use crate::facts::{day, hold, package, released, rule};

fn times() -> impl Strategy<Value = Timestamp> {
    (0u32..30).prop_map(day)
}

fn expiries() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::weighted(0.9, times())
}

fn statuses() -> impl Strategy<Value = PackageStatus> {
    prop::sample::select(PackageStatus::ALL.to_vec())
}

fn packages() -> impl Strategy<Value = Package> {
    (statuses(), expiries(), any::<bool>()).prop_map(|(status, expires_at, on_hold)| Package {
        on_hold,
        ..package(status, expires_at)
    })
}

fn holds() -> impl Strategy<Value = Vec<Hold>> {
    let one = any::<bool>().prop_map(|active| {
        if active { hold("audit", None) } else { released(hold("audit", None)) }
    });
    prop::collection::vec(one, 0..4)
}

fn extensions() -> impl Strategy<Value = Extension> {
    prop_oneof![
        10 => times().prop_map(Extension::Until),
        10 => (0u64..10).prop_map(Extension::Days),
        1 => Just(Extension::Days(u64::MAX)),
        1 => Just(Extension::Permanent),
    ]
}

fn periods() -> impl Strategy<Value = RetentionPeriod> {
    prop_oneof![
        9 => (0u32..30).prop_map(RetentionPeriod::Days),
        1 => Just(RetentionPeriod::Permanent),
    ]
}

/// Whether what is kept until `after` is kept at least until `before`.
fn at_least(after: Option<Timestamp>, before: Option<Timestamp>) -> bool {
    after.is_none_or(|after| before.is_some_and(|before| after >= before))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn eligible_is_the_plain_predicate(package in packages(), holds in holds(), now in times()) {
        let plain = matches!(package.status, PackageStatus::Finalized | PackageStatus::Failed)
            && package.expires_at.is_some_and(|expires_at| now > expires_at)
            && !package.on_hold
            && holds.iter().all(|hold| hold.release.is_some());
        prop_assert_eq!(decide(&package, &holds, now).eligible, plain);
        prop_assert_eq!(is_eligible(&package, now), decide(&package, &[], now).eligible);
    }

    #[test]
    fn each_rule_speaks_once_and_each_active_hold_for_itself(
        package in packages(), holds in holds(), now in times(),
    ) {
        let decision = decide(&package, &holds, now);
        let spoke = |rule| decision.reasons.iter().filter(move |reason| reason.rule == rule).count();
        let active: Vec<_> =
            holds.iter().filter(|hold| hold.is_active()).map(|hold| hold.id).collect();
        let named: Vec<_> =
            decision.reasons.iter().filter_map(|reason| reason.hold_id).collect();
        prop_assert_eq!(spoke(ConsultedRule::Status), 1);
        prop_assert_eq!(spoke(ConsultedRule::Expiry), 1);
        prop_assert_eq!(spoke(ConsultedRule::Hold), active.len().max(1));
        prop_assert_eq!(named, active);
        let protects = decision.reasons.iter().any(|reason| reason.verdict == Verdict::Protects);
        prop_assert_eq!(decision.eligible, !protects);
    }

    #[test]
    fn what_may_go_without_a_hold_may_go_at_every_later_time(
        package in packages(), earlier in times(), later in times(),
    ) {
        let (earlier, later) = (earlier.min(later), earlier.max(later));
        prop_assert!(!is_eligible(&package, earlier) || is_eligible(&package, later));
    }

    #[test]
    fn another_hold_makes_nothing_eligible_and_its_release_moves_no_expiry(
        package in packages(), mut holds in holds(), now in times(),
    ) {
        let before = decide(&package, &holds, now);
        let placed = hold("litigation", None);
        let held = Package { on_hold: true, ..package.clone() };
        holds.push(placed.clone());
        let during = decide(&held, &holds, now);
        prop_assert!(!during.eligible);
        holds.pop();
        holds.push(released(placed));
        let after = decide(&package, &holds, now);
        // Nothing is left of the hold in the answer, and the expiry said the same all the while.
        prop_assert_eq!(&after, &before);
        prop_assert_eq!(&during.reasons[..2], &before.reasons[..2]);
    }

    #[test]
    fn extending_never_shortens_and_reaches_beyond_now(
        present in expiries(), asked in extensions(), now in times(),
    ) {
        if let Ok(after) = extend(present, asked, now) {
            prop_assert!(at_least(after, present), "{present:?} became {after:?}");
            prop_assert!(after.is_none_or(|after| after > now), "{after:?} has passed at {now}");
        }
    }

    #[test]
    fn an_extension_that_shortens_nothing_is_given(
        present in expiries(), until in times(), days in 1u64..10, now in times(),
    ) {
        prop_assert_eq!(extend(present, Extension::Permanent, now), Ok(None));
        if until > now && present.is_some_and(|present| until >= present) {
            prop_assert_eq!(extend(present, Extension::Until(until), now), Ok(Some(until)));
        }
        let ends_at = present.and_then(|present| present.checked_plus_days(days));
        if ends_at.is_some_and(|ends_at| ends_at > now) {
            prop_assert_eq!(extend(present, Extension::Days(days), now), Ok(ends_at));
        }
    }

    #[test]
    fn a_class_is_changed_exactly_when_that_does_not_shorten(
        package in packages(), finalized_at in prop::option::of(times()), period in periods(),
    ) {
        let package = Package { finalized_at, ..package };
        let start = finalized_at.unwrap_or(package.created_at);
        let given = match period {
            RetentionPeriod::Days(days) => Some(start.plus_days(days)),
            RetentionPeriod::Permanent => None,
        };
        match change_class(&package, &rule("other", 1, period)) {
            Ok(after) => {
                prop_assert_eq!(after, given);
                prop_assert!(at_least(after, package.expires_at));
            }
            Err(refused) => {
                prop_assert_eq!(Some(refused.given), given);
                prop_assert!(!at_least(given, package.expires_at));
            }
        }
    }
}
