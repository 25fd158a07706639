//! What protects a package from being deleted, what a dry run says, and what may be deleted.

use std::time::Duration;

use artifact_domain::retention::{ConsultedRule, RetentionReason};
use artifact_domain::wire::{DeletionCandidate, ErrorCode};
use artifact_domain::{PackageId, PackageStatus};
use artifact_store::{ArtifactStore, StoreError, StoreOptions};
use serde_json::json;

use super::kept::{
    AT_ONCE, allow_deleting, as_anna, delete, dry_run, expire, expired, extend, filled, hold,
    protecting, put_class, reason, refused_by, release, sealed, shifted, told,
};
use super::{assert_refused, assert_sound, create, limit, now, open, put, read, seal};

pub(crate) async fn what_a_rule_protects_is_not_deleted_and_nothing_is_recorded(
    options: StoreOptions,
) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let created = create(&store, json!({"producer": "ci", "retention_class": AT_ONCE})).await.id;
    let uploading = filled(&store, AT_ONCE).await.id;
    let kept = sealed(&store, "transient").await.id;
    let permanent = sealed(&store, "permanent-record").await.id;
    let held = expired(&store).await.id;
    hold(&store, held).await;
    let failed = filled(&store, "transient").await.id;
    store.fail_package(failed, reason("no")).await.unwrap();
    let all = filled(&store, "transient").await.id;
    hold(&store, all).await;
    hold(&store, all).await;
    let extended = expired(&store).await.id;
    extend(&store, extended, json!({"days": 1})).await.unwrap();
    let (status, expiry, of_hold) =
        (ConsultedRule::Status, ConsultedRule::Expiry, ConsultedRule::Hold);
    for (id, by) in [
        (created, vec![status]),
        (uploading, vec![status]),
        (kept, vec![expiry]),
        (permanent, vec![expiry]),
        (held, vec![of_hold]),
        (failed, vec![expiry]),
        (all, vec![status, expiry, of_hold, of_hold]),
        (extended, vec![expiry]),
    ] {
        let before = told(&store, id).await;
        let clock = store.clock().await.unwrap();
        let dry = dry_run(&store, id).await.unwrap_err();
        assert_eq!(store.clock().await.unwrap(), clock);
        let done = delete(&store, id).await.unwrap_err();
        for error in [dry, done] {
            assert_eq!(error.code(), ErrorCode::NotEligible);
            let StoreError::NotEligible { package, reasons } = &error else { panic!("{error}") };
            assert_eq!((*package, protecting(reasons)), (id, by.clone()));
            // The message has what protects, and the answer also what does not.
            let protects = |one: &&RetentionReason| error.to_string().contains(&one.detail);
            assert_eq!(reasons.iter().filter(protects).count(), by.len());
            let holds = by.iter().filter(|rule| **rule == of_hold).count();
            assert_eq!(reasons.len(), 2 + holds.max(1));
        }
        assert_eq!(told(&store, id).await, before);
        assert_refused!(store.deletion(id).await, StoreError::NotDeleted(_));
        assert_sound(&store, id).await;
    }
}

pub(crate) async fn a_dry_run_says_what_would_go_and_lets_it_be(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let failed = filled(&store, AT_ONCE).await.id;
    store.fail_package(failed, reason("no")).await.unwrap();
    for id in [expired(&store).await.id, failed] {
        let before = told(&store, id).await;
        let dry = dry_run(&as_anna(&store), id).await.unwrap();
        assert!(dry.dry_run);
        assert_eq!((dry.bytes_removed, dry.bytes_removed_at), (0, None));
        assert_eq!(told(&store, id).await, before);
        assert_refused!(store.deletion(id).await, StoreError::NotDeleted(_));
        assert_eq!(read(&store, id, "folder/b").await.unwrap(), b"b");
        assert_sound(&store, id).await;
        // The deletion itself says the same.
        let mut done = delete(&as_anna(&store), id).await.unwrap();
        assert_eq!(done.reasons.len(), dry.reasons.len());
        done.reasons.clone_from(&dry.reasons);
        done.deleted_at = dry.deleted_at;
        (done.bytes_removed, done.bytes_removed_at, done.dry_run) = (0, None, true);
        assert_eq!(done, dry);
    }
}

async fn candidates(store: &ArtifactStore) -> Vec<DeletionCandidate> {
    let page = store.deletion_candidates(None, limit(1000)).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.items
}

fn ids(candidates: &[DeletionCandidate]) -> Vec<PackageId> {
    candidates.iter().map(|candidate| candidate.package_id).collect()
}

pub(crate) async fn what_may_be_deleted_is_listed_with_all_that_speaks_for_it(
    options: StoreOptions,
) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    assert_eq!(candidates(&store).await, []);
    let said = json!({
        "producer": "ci", "external_id": "7", "title": "T", "kind": "run",
        "retention_class": AT_ONCE,
    });
    let finalized = create(&store, said).await.id;
    put(&store, finalized, "x", "12345").await;
    let package = seal(&store, finalized).await;
    let failed = filled(&store, AT_ONCE).await.id;
    store.fail_package(failed, reason("no")).await.unwrap();
    let held = expired(&store).await.id;
    let on_hold = hold(&store, held).await;
    sealed(&store, "transient").await;
    sealed(&store, "permanent-record").await;
    filled(&store, AT_ONCE).await;
    let listed = candidates(&store).await;
    assert_eq!(ids(&listed), [finalized, failed]);
    let expected = DeletionCandidate {
        package_id: finalized,
        producer: "ci".parse().unwrap(),
        kind: "run".parse().unwrap(),
        external_id: Some("7".parse().unwrap()),
        title: Some("T".parse().unwrap()),
        status: PackageStatus::Finalized,
        retention_class: AT_ONCE.parse().unwrap(),
        rule_version: 1,
        expires_at: package.expires_at,
        file_count: 1,
        total_bytes: 5,
        manifest_sha256: package.manifest_sha256,
        reasons: listed[0].reasons.clone(),
    };
    assert_eq!(listed[0], expected);
    assert_eq!(listed[1].status, PackageStatus::Failed);
    for candidate in &listed {
        assert_eq!((candidate.reasons.len(), protecting(&candidate.reasons)), (3, vec![]));
    }
    // It follows every change.
    release(&store, &on_hold).await.unwrap();
    assert_eq!(ids(&candidates(&store).await), [finalized, failed, held]);
    extend(&store, failed, json!({"days": 1})).await.unwrap();
    assert_eq!(ids(&candidates(&store).await), [finalized, held]);
    delete(&store, finalized).await.unwrap();
    assert_eq!(ids(&candidates(&store).await), [held]);
    // A list says what may be deleted, and the deletion decides again.
    hold(&store, held).await;
    assert_eq!(refused_by(delete(&store, held).await), [ConsultedRule::Hold]);
}

pub(crate) async fn what_may_be_deleted_is_paged_oldest_expiry_first(options: StoreOptions) {
    let store = open(&options).await;
    put_class(&store, AT_ONCE, Some(0)).await;
    let base = shifted(now(), -1_000_000_000);
    // Two of each expiry, of both statuses, made in another order than they expire.
    let mut expected = Vec::new();
    for n in [3_i64, 0, 4, 1, 2] {
        for failed in [false, true] {
            let id = filled(&store, AT_ONCE).await.id;
            if failed {
                store.fail_package(id, reason("no")).await.unwrap();
            } else {
                seal(&store, id).await;
            }
            let expires_at = shifted(base, n);
            expire(&options, id, expires_at).await;
            expected.push((expires_at, id));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    expected.sort();
    let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
    for (size, sizes) in [(1, vec![1; 10]), (3, vec![3, 3, 3, 1]), (10, vec![10]), (11, vec![10])] {
        let (mut seen, mut pages, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let page = store.deletion_candidates(cursor, limit(size)).await.unwrap();
            pages.push(page.items.len());
            seen.extend(ids(&page.items));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!((pages, &seen), (sizes, &expected));
    }
    // Whoever deletes page by page passes over nothing.
    let mut deleted = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.deletion_candidates(cursor, limit(3)).await.unwrap();
        for candidate in &page.items {
            delete(&store, candidate.package_id).await.unwrap();
            deleted.push(candidate.package_id);
        }
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(deleted, expected);
    assert_eq!(candidates(&store).await, []);
    let cursor = Some("not a cursor".to_owned());
    assert_refused!(store.deletion_candidates(cursor, limit(3)).await, StoreError::Cursor(_));
}
