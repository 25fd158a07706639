//! Deletions whose bytes are left, because a process was stopped between the two.

use artifact_domain::PackageId;
use artifact_domain::event::AuditAction;
use artifact_domain::filter::PageLimit;
use artifact_domain::retention::DeletionReceipt;
use artifact_store::{ArtifactStore, StoreError, StoreOptions};

use super::kept::{
    AT_ONCE, allow_deleting, as_anna, behind, delete, dry_run, expired, filled, reason, sealed,
    swept, told,
};
use super::{actions, assert_refused, assert_sound, open, read, trail};

/// Deletes a package as a process does that is killed before it has removed a byte.
pub(crate) async fn delete_and_die(
    store: &ArtifactStore,
    options: &StoreOptions,
    id: PackageId,
) -> DeletionReceipt {
    let receipt = DeletionReceipt { dry_run: false, ..dry_run(store, id).await.unwrap() };
    let deleted = receipt.clone();
    behind(options, move |writer| writer.delete_package(&deleted)).await;
    receipt
}

/// Asserts that the bytes of a package are gone and that it was told once.
async fn assert_finished(store: &ArtifactStore, id: PackageId, before: &DeletionReceipt) {
    let receipt = store.deletion(id).await.unwrap();
    assert!(receipt.bytes_removed_at.is_some_and(|at| at >= before.deleted_at));
    let meant = DeletionReceipt {
        bytes_removed: before.total_bytes,
        bytes_removed_at: receipt.bytes_removed_at,
        ..before.clone()
    };
    assert_eq!(receipt, meant);
    let told = actions(store, id).await;
    assert_eq!(told.iter().filter(|action| **action == AuditAction::BytesRemoved).count(), 1);
}

pub(crate) async fn deleting_again_removes_what_a_crash_left(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let failed = filled(&store, AT_ONCE).await.id;
    store.fail_package(failed, reason("no")).await.unwrap();
    for id in [expired(&store).await.id, failed] {
        let before = delete_and_die(&store, &options, id).await;
        assert_eq!((before.bytes_removed, before.bytes_removed_at), (0, None));
        assert_eq!(store.deletion(id).await.unwrap(), before);
        // Nobody reads the bytes any more, and a dry run removes none.
        assert_refused!(read(&store, id, "a").await, StoreError::Deleted { .. });
        assert_refused!(dry_run(&store, id).await, StoreError::Deleted { .. });
        assert_eq!(store.deletion(id).await.unwrap(), before);
        assert_refused!(
            delete(&as_anna(&store), id).await,
            StoreError::Deleted { package, deleted_at, .. } if (package, deleted_at) == (id, before.deleted_at)
        );
        assert_finished(&store, id, &before).await;
        let told_so = trail(&store, id).await.pop().unwrap();
        assert_eq!((told_so.action, told_so.actor.as_str()), (AuditAction::BytesRemoved, "Anna"));
        assert_eq!(told_so.details["bytes_removed"], 1001);
        let done = told(&store, id).await;
        let receipt = store.deletion(id).await.unwrap();
        assert_refused!(delete(&store, id).await, StoreError::Deleted { .. });
        assert_eq!(store.finish_deletion(id).await.unwrap(), receipt);
        assert_eq!(told(&store, id).await, done);
    }
}

pub(crate) async fn a_sweep_says_what_a_crash_left_and_removes_it_when_it_is_told_to(
    options: StoreOptions,
) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let kept = sealed(&store, "transient").await.id;
    let free = expired(&store).await.id;
    assert_eq!(swept(&store, true).await, (vec![], vec![]));
    let mut left = Vec::new();
    for _ in 0..3 {
        let id = expired(&store).await.id;
        left.push((id, delete_and_die(&store, &options, id).await));
    }
    left.sort_by_key(|(id, _)| *id);
    let found = (left.iter().map(|(id, _)| *id).collect(), Vec::new());
    for _ in 0..2 {
        assert_eq!(swept(&store, false).await, found);
        for (id, before) in &left {
            assert_eq!(store.deletion(*id).await.unwrap(), *before);
        }
    }
    // What a server does every minute deletes nothing.
    store.tend().await.unwrap();
    assert_eq!(swept(&store, false).await, found);
    assert_eq!(swept(&store, true).await, found);
    for (id, before) in &left {
        assert_finished(&store, *id, before).await;
    }
    for apply in [false, true] {
        assert_eq!(swept(&store, apply).await, (vec![], vec![]));
    }
    // It never decides that something is deleted.
    for id in [kept, free] {
        assert_refused!(store.deletion(id).await, StoreError::NotDeleted(_));
        assert_sound(&store, id).await;
    }
}

pub(crate) async fn a_sweep_finds_more_than_one_page_of_what_is_left(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    // More than one look at the registry answers, none of them with a byte.
    let many = PageLimit::default().get() as usize + 3;
    let mut left = Vec::new();
    for _ in 0..many {
        let said = serde_json::json!({"producer": "ci", "retention_class": AT_ONCE});
        let id = super::create(&store, said).await.id;
        store.fail_package(id, reason("no")).await.unwrap();
        left.push(dry_run(&store, id).await.unwrap());
    }
    let deleted = left.clone();
    behind(&options, move |writer| {
        deleted.iter().try_for_each(|receipt| writer.delete_package(receipt))
    })
    .await;
    let mut ids: Vec<_> = left.iter().map(|receipt| receipt.package_id).collect();
    ids.sort();
    assert_eq!(store.sweep(false).await.unwrap().unfinished_deletions, ids);
    assert_eq!(store.sweep(true).await.unwrap().unfinished_deletions, ids);
    assert_eq!(swept(&store, false).await, (vec![], vec![]));
}

pub(crate) async fn several_who_finish_a_deletion_at_once_do_no_harm(options: StoreOptions) {
    let stores = [open(&options).await, open(&options).await];
    allow_deleting(&stores[0]).await;
    for _ in 0..15 {
        let id = expired(&stores[0]).await.id;
        let before = delete_and_die(&stores[0], &options, id).await;
        let tasks = (0..6).map(|n| {
            let store = stores[n % 2].clone();
            tokio::spawn(async move {
                match n / 2 {
                    0 => drop(store.finish_deletion(id).await.unwrap()),
                    1 => drop(store.sweep(true).await.unwrap()),
                    _ => assert_refused!(delete(&store, id).await, StoreError::Deleted { .. }),
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_finished(&stores[1], id, &before).await;
    }
}
