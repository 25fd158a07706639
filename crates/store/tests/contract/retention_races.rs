//! Changes of what a package is promised, against each other and against its deletion, from two
//! processes. Each race is run often, the one or the other begins, and whoever wins, the package
//! is in the end as that one was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use artifact_domain::event::{AuditAction, RetentionEventKind};
use artifact_domain::retention::{ConsultedRule, DeletionReceipt};
use artifact_domain::wire::{ErrorCode, FinalizePackage, RetentionView};
use artifact_domain::{Package, PackageId, PackageStatus};
use artifact_store::{ArchiveFormat, ArtifactStore, StoreError, StoreOptions};
use serde_json::json;

use super::kept::{
    AT_ONCE, allow_deleting, change_class, delete, expired, extend, filled, hold, holds, promise,
    protecting, refused_by, release, sealed, swept, try_hold,
};
use super::{
    actions, assert_refused, assert_sound, bytes, collect, create, open, promises, read, seal,
    small,
};

const ROUNDS: usize = 60;

/// Two processes on one store.
async fn two(options: &StoreOptions) -> [ArtifactStore; 2] {
    let stores = [open(options).await, open(options).await];
    allow_deleting(&stores[0]).await;
    stores
}

/// Runs both at once; which of them begins, and by how much, is different from round to round.
async fn race<A: Send + 'static, B: Send + 'static>(
    round: usize,
    one: impl Future<Output = A> + Send + 'static,
    other: impl Future<Output = B> + Send + 'static,
) -> (A, B) {
    let lead = Duration::from_micros(150 * (round as u64 % 7));
    let (waits, leads) =
        if round.is_multiple_of(2) { (lead, Duration::ZERO) } else { (Duration::ZERO, lead) };
    let one = tokio::spawn(async move {
        tokio::time::sleep(waits).await;
        one.await
    });
    let other = tokio::spawn(async move {
        tokio::time::sleep(leads).await;
        other.await
    });
    (one.await.unwrap(), other.await.unwrap())
}

/// Asserts that a package that was deleted is gone, and that its deletion was told once.
async fn assert_deleted(store: &ArtifactStore, id: PackageId, receipt: &DeletionReceipt) {
    let package = store.package(id).await.unwrap();
    assert_eq!(package.status, PackageStatus::Deleted);
    assert!(!package.on_hold);
    assert_refused!(read(store, id, "a").await, StoreError::Deleted { .. });
    assert_eq!(protecting(&receipt.reasons), []);
    assert_eq!(store.deletion(id).await.unwrap().deleted_at, receipt.deleted_at);
    let told = promises(store, id).await;
    let deleted = told.iter().filter(|event| event.kind == RetentionEventKind::Deleted);
    assert_eq!(deleted.count(), 1);
    assert_eq!(told.last().unwrap().kind, RetentionEventKind::Deleted);
    let told = actions(store, id).await;
    let deleted = told.iter().filter(|action| **action == AuditAction::PackageDeleted);
    assert_eq!(deleted.count(), 1);
}

/// Asserts that a package whose deletion was refused is there with all its bytes, and that the
/// refusal left no trace.
async fn assert_kept(store: &ArtifactStore, id: PackageId) {
    assert_sound(store, id).await;
    assert_eq!(read(store, id, "a").await.unwrap(), bytes(1000));
    assert_refused!(store.deletion(id).await, StoreError::NotDeleted(_));
    let told = promises(store, id).await;
    assert!(told.iter().all(|event| event.kind != RetentionEventKind::Deleted));
    assert!(!actions(store, id).await.contains(&AuditAction::PackageDeleted));
}

pub(crate) async fn of_a_hold_and_a_deletion_one_wins(options: StoreOptions) {
    let stores = two(&options).await;
    for round in 0..ROUNDS {
        let id = expired(&stores[0]).await.id;
        let [one, other] = stores.clone();
        let (placed, deleted) = race(round, async move { try_hold(&one, id).await }, async move {
            delete(&other, id).await
        })
        .await;
        match (placed, deleted) {
            (Ok(hold), deleted) => {
                assert_eq!(refused_by(deleted), [ConsultedRule::Hold]);
                assert_kept(&stores[1], id).await;
                assert_eq!(holds(&stores[1], id).await, [hold]);
                assert!(stores[1].package(id).await.unwrap().on_hold);
            }
            (Err(StoreError::Deleted { .. }), Ok(receipt)) => {
                assert_deleted(&stores[0], id, &receipt).await;
                assert!(receipt.bytes_removed_at.is_some());
                assert_eq!(holds(&stores[0], id).await, []);
            }
            outcome => panic!("{outcome:?}"),
        }
    }
}

/// Races what keeps a package for longer against its deletion.
async fn race_with_deletion<
    F: Future<Output = Result<RetentionView, StoreError>> + Send + 'static,
>(
    options: StoreOptions,
    kind: RetentionEventKind,
    keep: impl Fn(ArtifactStore, PackageId) -> F,
) {
    let stores = two(&options).await;
    for round in 0..ROUNDS {
        let before = expired(&stores[0]).await;
        let id = before.id;
        let [one, other] = stores.clone();
        let (kept, deleted) =
            race(round, keep(one, id), async move { delete(&other, id).await }).await;
        let told = promises(&stores[1], id).await;
        let changes = told.iter().filter(|event| event.kind == kind).count();
        match (kept, deleted) {
            (Ok(view), deleted) => {
                assert_eq!(refused_by(deleted), [ConsultedRule::Expiry]);
                assert_kept(&stores[1], id).await;
                assert!(view.expires_at > before.expires_at);
                assert_eq!(stores[1].package(id).await.unwrap().expires_at, view.expires_at);
                assert_eq!(changes, 1);
            }
            (Err(StoreError::Deleted { .. }), Ok(receipt)) => {
                assert_deleted(&stores[0], id, &receipt).await;
                assert!(receipt.bytes_removed_at.is_some());
                assert_eq!(receipt.expires_at, before.expires_at);
                assert_eq!(changes, 0);
            }
            outcome => panic!("{outcome:?}"),
        }
    }
}

pub(crate) async fn of_an_extension_and_a_deletion_one_wins(options: StoreOptions) {
    let keep = |store, id| async move { extend(&store, id, json!({"days": 1})).await };
    race_with_deletion(options, RetentionEventKind::Extended, keep).await;
}

pub(crate) async fn of_a_class_change_and_a_deletion_one_wins(options: StoreOptions) {
    let keep = |store, id| async move { change_class(&store, id, "transient").await };
    race_with_deletion(options, RetentionEventKind::ClassChanged, keep).await;
}

pub(crate) async fn a_deletion_beside_a_release_comes_before_it_or_after(options: StoreOptions) {
    let stores = two(&options).await;
    for round in 0..ROUNDS {
        let id = expired(&stores[0]).await.id;
        let held = hold(&stores[0], id).await;
        let [one, other] = stores.clone();
        let (released, deleted) =
            race(round, async move { release(&one, &held).await }, async move {
                delete(&other, id).await
            })
            .await;
        let released = released.unwrap();
        assert_eq!(holds(&stores[1], id).await, [released]);
        match deleted {
            Ok(receipt) => assert_deleted(&stores[0], id, &receipt).await,
            refused => {
                assert_eq!(refused_by(refused), [ConsultedRule::Hold]);
                assert_kept(&stores[1], id).await;
                let receipt = delete(&stores[1], id).await.unwrap();
                assert_deleted(&stores[0], id, &receipt).await;
            }
        }
    }
    // Whoever releases writes the record beside the bytes while they go; nothing of it is left.
    assert_eq!(swept(&stores[0], true).await, (vec![], vec![]));
}

pub(crate) async fn of_two_deletions_one_gets_the_receipt(options: StoreOptions) {
    let stores = two(&options).await;
    for round in 0..ROUNDS {
        let id = expired(&stores[0]).await.id;
        let [one, other] = stores.clone();
        let answers =
            race(
                round,
                async move { delete(&one, id).await },
                async move { delete(&other, id).await },
            )
            .await;
        let receipt = match answers {
            (Ok(receipt), Err(StoreError::Deleted { .. }))
            | (Err(StoreError::Deleted { .. }), Ok(receipt)) => receipt,
            outcome => panic!("{outcome:?}"),
        };
        assert_deleted(&stores[round % 2], id, &receipt).await;
        assert!(receipt.bytes_removed_at.is_some());
        assert_eq!(stores[0].deletion(id).await.unwrap(), receipt);
        let told = actions(&stores[0], id).await;
        let removed = told.iter().filter(|action| **action == AuditAction::BytesRemoved);
        assert_eq!(removed.count(), 1);
    }
}

pub(crate) async fn finalize_beside_an_extension_never_shortens(options: StoreOptions) {
    let stores = two(&options).await;
    for round in 0..ROUNDS {
        let id = filled(&stores[0], "transient").await.id;
        let [one, other] = stores.clone();
        let (extended, sealed) = race(
            round,
            async move { extend(&one, id, json!({"days": 30})).await.unwrap() },
            async move { other.finalize(id, FinalizePackage::default()).await.unwrap() },
        )
        .await;
        let last = stores[round % 2].package(id).await.unwrap();
        assert_eq!(last.status, PackageStatus::Finalized);
        assert!(sealed.expires_at <= last.expires_at);
        assert_eq!(last.expires_at, extended.expires_at.max(sealed.expires_at));
        // Each event begins where the one before it ended.
        let told = promises(&stores[0], id).await;
        assert!(told.windows(2).all(|pair| pair[0].after == pair[1].before), "{told:?}");
        assert_eq!(told.last().unwrap().after, promise(&last));
        assert_sound(&stores[1], id).await;
    }
}

pub(crate) async fn of_two_class_changes_the_later_one_stands(options: StoreOptions) {
    let stores = two(&options).await;
    for round in 0..ROUNDS {
        let before = sealed(&stores[0], "transient").await;
        let id = before.id;
        // By turns to the same class, to two of which one is longer, and to two that are equal.
        let classes = [
            ["raw-evidence", "raw-evidence"],
            ["summary-evidence", "raw-evidence"],
            ["permanent-record", "permanent-record"],
        ][round % 3];
        let [one, other] = stores.clone();
        let answers =
            race(round, async move { change_class(&one, id, classes[0]).await }, async move {
                change_class(&other, id, classes[1]).await
            })
            .await;
        let last: Package = stores[round % 2].package(id).await.unwrap();
        let told = promises(&stores[0], id).await;
        let changes: Vec<_> =
            told.iter().filter(|event| event.kind == RetentionEventKind::ClassChanged).collect();
        let made = match answers {
            (Ok(first), Ok(second)) => {
                let views = [first, second];
                assert!(views.iter().all(|view| {
                    view.expires_at.is_none() || view.expires_at <= last.expires_at
                }));
                2
            }
            // The shorter of two came too late.
            (Ok(view), Err(error)) => {
                assert_eq!(error.code(), ErrorCode::RetentionShortened, "{error}");
                assert_ne!(classes[0], classes[1]);
                assert_eq!(view.expires_at, last.expires_at);
                1
            }
            outcome => panic!("{outcome:?}"),
        };
        assert_eq!(last.description.retention_class.as_str(), classes[0]);
        assert_eq!(changes.len(), made);
        assert!(told.windows(2).all(|pair| pair[0].after == pair[1].before), "{told:?}");
        assert_eq!(told.last().unwrap().after, promise(&last));
        assert_sound(&stores[1], id).await;
    }
}

pub(crate) async fn holds_that_come_and_go_at_once_are_all_counted(options: StoreOptions) {
    let stores = two(&options).await;
    for round in 0..ROUNDS {
        let id = expired(&stores[0]).await.id;
        let first = hold(&stores[0], id).await;
        let [one, other] = stores.clone();
        let (placed, released) = race(round, async move { hold(&one, id).await }, async move {
            release(&other, &first).await.unwrap()
        })
        .await;
        let listed = holds(&stores[1], id).await;
        assert!(listed.len() == 2 && listed.contains(&released) && listed.contains(&placed));
        assert!(stores[1].package(id).await.unwrap().on_hold);
        assert_eq!(refused_by(delete(&stores[0], id).await), [ConsultedRule::Hold]);
        // Of two who release it one does.
        let [one, other] = stores.clone();
        let (by_one, by_other) = (placed.clone(), placed);
        let answers = race(round, async move { release(&one, &by_one).await }, async move {
            release(&other, &by_other).await
        })
        .await;
        match answers {
            (Ok(_), Err(StoreError::HoldReleased { .. }))
            | (Err(StoreError::HoldReleased { .. }), Ok(_)) => {}
            outcome => panic!("{outcome:?}"),
        }
        assert!(!stores[0].package(id).await.unwrap().on_hold);
        delete(&stores[1], id).await.unwrap();
    }
}

async fn whole_archive(store: &ArtifactStore, id: PackageId) -> Result<Vec<u8>, StoreError> {
    collect(store.archive(id, ArchiveFormat::Tar).await?).await
}

pub(crate) async fn a_reader_beside_a_deletion_gets_all_or_is_told(options: StoreOptions) {
    let stores = two(&options).await;
    let content = bytes(20_000);
    for round in 0..20 {
        let said = json!({"producer": "ci", "retention_class": AT_ONCE});
        let id = create(&stores[0], said).await.id;
        let files = (0..60).map(|n| small(&format!("{n}"), content.clone())).collect();
        stores[0].upload_batch(id, files).await.unwrap();
        seal(&stores[0], id).await;
        let archive = Arc::new(whole_archive(&stores[0], id).await.unwrap());
        let deleted = Arc::new(AtomicBool::new(false));
        let readers = (0..3).map(|kind| {
            let (store, content) = (stores[(kind + round) % 2].clone(), content.clone());
            let (archive, deleted) = (Arc::clone(&archive), Arc::clone(&deleted));
            tokio::spawn(async move {
                loop {
                    let late = deleted.load(Ordering::SeqCst);
                    let seen = match kind {
                        0 => read(&store, id, "59").await.map(|read| assert!(read == content)),
                        1 => whole_archive(&store, id).await.map(|read| assert!(read == *archive)),
                        _ => {
                            let found = store.verify(id, |_| ()).await;
                            found.map(|found| assert_eq!(found.problems, []))
                        }
                    };
                    match seen {
                        Ok(()) => assert!(!late),
                        Err(StoreError::Deleted { .. }) => return,
                        Err(error) => panic!("reader {kind}: {error}"),
                    }
                }
            })
        });
        let readers: Vec<_> = readers.collect();
        tokio::time::sleep(Duration::from_millis(5 + round as u64)).await;
        let receipt = delete(&stores[0], id).await.unwrap();
        deleted.store(true, Ordering::SeqCst);
        assert!(receipt.bytes_removed_at.is_some());
        for reader in readers {
            reader.await.unwrap();
        }
    }
}
