//! What a package is promised, and which rule says so.

use artifact_domain::retention::{ConsultedRule, Verdict};
use artifact_domain::{PackageId, PackageStatus};
use artifact_store::{StoreError, StoreOptions};
use serde_json::json;

use super::kept::{
    AT_ONCE, allow_deleting, delete, expired, filled, hold, protecting, reason, release, sealed,
    shifted,
};
use super::{assert_refused, create, now, open};

const STATUS: ConsultedRule = ConsultedRule::Status;
const EXPIRY: ConsultedRule = ConsultedRule::Expiry;
const HOLD: ConsultedRule = ConsultedRule::Hold;

pub(crate) async fn the_retention_of_a_package_says_which_rules_protect_it(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let created = create(&store, json!({"producer": "ci"})).await.id;
    let uploading = filled(&store, AT_ONCE).await.id;
    let kept = sealed(&store, "raw-evidence").await.id;
    let failed = filled(&store, AT_ONCE).await.id;
    store.fail_package(failed, reason("the disk was full")).await.unwrap();
    let permanent = sealed(&store, "permanent-record").await.id;
    let free = expired(&store).await.id;
    let held = expired(&store).await.id;
    hold(&store, held).await;
    hold(&store, held).await;
    let freed = expired(&store).await.id;
    release(&store, &hold(&store, freed).await).await.unwrap();
    let deleted = expired(&store).await.id;
    delete(&store, deleted).await.unwrap();
    for (id, status, by) in [
        (created, PackageStatus::Created, vec![STATUS, EXPIRY]),
        (uploading, PackageStatus::Uploading, vec![STATUS]),
        (kept, PackageStatus::Finalized, vec![EXPIRY]),
        (failed, PackageStatus::Failed, vec![]),
        (permanent, PackageStatus::Finalized, vec![EXPIRY]),
        (free, PackageStatus::Finalized, vec![]),
        (held, PackageStatus::Finalized, vec![HOLD, HOLD]),
        (freed, PackageStatus::Finalized, vec![]),
        (deleted, PackageStatus::Deleted, vec![STATUS]),
    ] {
        let package = store.package(id).await.unwrap();
        let asked_at = now();
        let view = store.retention(id, None).await.unwrap();
        assert!((asked_at..=now()).contains(&view.decided_at));
        assert_eq!((view.package_id, view.status), (id, status));
        assert_eq!(view.retention_class, package.description.retention_class);
        assert_eq!(view.rule_version, package.rule_version);
        assert_eq!(view.expires_at, package.expires_at);
        assert_eq!(view.on_hold, package.on_hold);
        let active: Vec<_> = view.holds.iter().map(|hold| Some(hold.id)).collect();
        assert_eq!(view.on_hold, !active.is_empty());
        assert_eq!(protecting(&view.reasons), by, "{status} {id}");
        assert_eq!(view.eligible, by.is_empty());
        // Every rule is consulted, whatever the others say; each hold speaks for itself.
        let rules: Vec<_> = view.reasons.iter().map(|reason| reason.rule).collect();
        let spoken = active.len().max(1);
        assert_eq!(rules, [vec![STATUS, EXPIRY], vec![HOLD; spoken]].concat());
        let speaking: Vec<_> = view.reasons.iter().map(|reason| reason.hold_id).skip(2).collect();
        assert_eq!(speaking, if active.is_empty() { vec![None] } else { active });
        assert!(view.reasons.iter().all(|reason| !reason.detail.is_empty()));
    }
}

pub(crate) async fn retention_is_answered_for_any_time_with_the_holds_of_now(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let package = sealed(&store, "transient").await;
    let open_package = filled(&store, "transient").await;
    let expires_at = package.expires_at.unwrap();
    let times = [
        (shifted(package.created_at, -1), false),
        (shifted(expires_at, -1), false),
        // The very instant is still protected.
        (expires_at, false),
        (shifted(expires_at, 1), true),
        (expires_at.plus_days(36_500), true),
    ];
    for (at, eligible) in times {
        let view = store.retention(package.id, Some(at)).await.unwrap();
        assert_eq!((view.decided_at, view.eligible), (at, eligible));
        let by = if eligible { vec![] } else { vec![EXPIRY] };
        assert_eq!(protecting(&view.reasons), by);
        assert_eq!(view.expires_at, Some(expires_at));
        // Of an open package it is not the date that matters.
        let view = store.retention(open_package.id, Some(at)).await.unwrap();
        assert!(!view.eligible);
        assert_eq!(view.reasons[0].verdict, Verdict::Protects);
    }
    let held = hold(&store, package.id).await;
    for (at, eligible) in times {
        let view = store.retention(package.id, Some(at)).await.unwrap();
        assert!(!view.eligible);
        assert_eq!(view.reasons.last().unwrap().hold_id, Some(held.id));
        assert_eq!(view.reasons[1].verdict == Verdict::Allows, eligible);
    }
    release(&store, &held).await.unwrap();
    // Also for a time at which the hold was active: what counts is whether it may go.
    let at = shifted(expires_at, 1);
    assert!(store.retention(package.id, Some(at)).await.unwrap().eligible);
}

pub(crate) async fn what_nobody_made_has_no_retention(options: StoreOptions) {
    let store = open(&options).await;
    let unknown = PackageId::generate(now());
    let view = store.retention(unknown, None).await;
    assert_refused!(view, StoreError::NoPackage(told) if told == unknown);
}
