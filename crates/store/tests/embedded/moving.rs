//! All packages move to another storage, and stay what they are.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use artifact_domain::event::AuditAction;
use artifact_domain::filter::AuditFilter;
use artifact_domain::wire::{ErrorCode, FinalizePackage, UpdatePackage};
use artifact_domain::{PackageId, PackageStatus};
use artifact_store::{ArtifactStore, MoveStep, Moved, StorageLocation, StoreError, StoreOptions};
use serde_json::json;
use tempfile::TempDir;

use crate::contract::kept::{allow_deleting, delete, expired, filled, hold, holds, reason, sealed};
use crate::contract::{
    assert_sound, bytes, collect, create, limit, new, open, package, put, read, replacing, request,
    seal,
};
use crate::{bag, files_below, fresh, overwrite};

fn folder(path: &Path) -> StorageLocation {
    path.to_path_buf().into()
}

/// The same store, with its bytes in this folder.
fn there(options: &StoreOptions, path: &Path) -> StoreOptions {
    StoreOptions { storage: folder(path), ..options.clone() }
}

fn quietly(_: MoveStep) {}

async fn moved(store: &ArtifactStore, to: &Path) -> Moved {
    let moved = store.move_packages(&folder(to), &quietly).await.unwrap();
    assert!(moved.failures.is_empty(), "{moved:?}");
    moved
}

async fn manifest(store: &ArtifactStore, id: PackageId) -> Vec<u8> {
    collect(store.manifest(id).await.unwrap().bytes).await.unwrap()
}

/// A sealed package with many files, odd names and one of several parts.
async fn large(store: &ArtifactStore) -> PackageId {
    let id = package(store).await;
    for n in 0..40 {
        put(store, id, &format!("{}/a b#{n} ü%.log", n % 3), bytes(n * 97)).await;
    }
    put(store, id, "large.bin", bytes(5_000_000)).await;
    seal(store, id).await;
    id
}

/// Begins a move and is gone after so many files, as if the process had been killed.
async fn die_after(store: &ArtifactStore, to: &Path, files: usize) {
    let seen = AtomicUsize::new(0);
    let enough = tokio::sync::Notify::new();
    let step = |step| {
        if matches!(step, MoveStep::File { .. })
            && seen.fetch_add(1, Ordering::Relaxed) + 1 >= files
        {
            enough.notify_one();
        }
    };
    let to = folder(to);
    tokio::select! {
        biased;
        () = enough.notified() => {}
        moved = store.move_packages(&to, &step) => panic!("it ended: {moved:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_moves_and_stays_what_it_is() {
    let (options, old) = fresh().await;
    let store = open(&options).await;
    allow_deleting(&store).await;
    let kept = large(&store).await;
    let held = sealed(&store, "raw-evidence").await.id;
    hold(&store, held).await;
    let opened = filled(&store, "raw-evidence").await.id;
    let empty = package(&store).await;
    let failed = filled(&store, "raw-evidence").await.id;
    store.fail_package(failed, reason("given up")).await.unwrap();
    let gone = expired(&store).await.id;
    delete(&store, gone).await.unwrap();
    let before = (manifest(&store, kept).await, store.package(held).await.unwrap());
    let had = files_below(&bag(&old, kept));

    let parent = tempfile::tempdir().unwrap();
    let new_home = parent.path().join("new home");
    let moved = moved(&store, &new_home).await;
    assert_eq!(moved.packages, Some(5));

    let store = open(&there(&options, &new_home)).await;
    for id in [kept, held, failed, opened, empty] {
        assert_sound(&store, id).await;
    }
    assert_eq!((manifest(&store, kept).await, store.package(held).await.unwrap()), before);
    assert_eq!(read(&store, kept, "large.bin").await.unwrap(), bytes(5_000_000));
    assert_eq!(files_below(&new_home.join("packages").join(kept.to_string())), had);
    assert!(!new_home.join("packages").join(gone.to_string()).exists());
    assert_eq!(store.package(gone).await.unwrap().status, PackageStatus::Deleted);
    assert_eq!(holds(&store, held).await.len(), 1);
    // What was open goes on.
    put(&store, opened, "after the move.txt", "later").await;
    seal(&store, opened).await;
    assert_sound(&store, opened).await;
    let filter = AuditFilter { action: Some(AuditAction::StorageMoved), ..AuditFilter::default() };
    let events = store.audit(filter, None, limit(10)).await.unwrap().items;
    assert_eq!(events.len(), 1);
    assert_eq!(
        json!(events[0].details),
        json!({"from": moved.from, "to": moved.to, "packages": 5})
    );
    // The old home has all of it still.
    assert_eq!(files_below(&bag(&old, kept)), had);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_works_on_the_old_home_can_read_and_changes_nothing_any_more() {
    let (options, _old) = fresh().await;
    let (store, another) = (open(&options).await, open(&options).await);
    let (kept, opened) = (large(&store).await, filled(&store, "raw-evidence").await.id);
    let parent = tempfile::tempdir().unwrap();
    let moved = moved(&another, parent.path()).await;

    assert_eq!(read(&store, kept, "large.bin").await.unwrap(), bytes(5_000_000));
    let title = UpdatePackage { title: Some(None), ..UpdatePackage::default() };
    let refusals = [
        store.create_package(request(json!({"producer": "ci"}))).await.map(drop),
        store.upload_bytes(opened, new("late.txt"), "late").await.map(drop),
        store.upload_bytes(opened, replacing("a.txt"), "late").await.map(drop),
        store.finalize(opened, FinalizePackage::default()).await.map(drop),
        store.fail_package(opened, reason("late")).await.map(drop),
        store.update_package(kept, title, None).await.map(drop),
        store.lead().await.map(drop),
    ];
    for (index, refusal) in refusals.into_iter().enumerate() {
        let error = refusal.unwrap_err();
        assert_eq!(error.code(), ErrorCode::StorageUnavailable, "{index}: {error}");
        assert!(error.to_string().contains(&moved.to), "{index}: {error}");
    }
    // Nobody sends requests to a server that says this of itself.
    assert!(!store.health().await.is_good());
    let store = open(&there(&options, parent.path())).await;
    assert_sound(&store, kept).await;
    assert!(store.health().await.is_good());
    assert_eq!(store.package(opened).await.unwrap().status, PackageStatus::Uploading);
    assert!(store.lead().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_opened_at_its_home_alone() {
    let (options, _old) = fresh().await;
    let store = open(&options).await;
    large(&store).await;
    let parent = tempfile::tempdir().unwrap();
    die_after(&store, parent.path(), 3).await;
    let refused = async |options: &StoreOptions| match ArtifactStore::open(options).await {
        Err(StoreError::NotHome { what, home, .. }) => (what, home),
        other => panic!("{other:?}"),
    };
    let (what, home) = refused(&there(&options, parent.path())).await;
    assert!(what.contains("not finished") && home == store.storage_url(), "{what} {home}");
    let moved = moved(&store, parent.path()).await;
    let (what, home) = refused(&options).await;
    assert!(what.contains("moved from") && home == moved.to, "{what} {home}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_was_cut_off_goes_on_where_it_was() {
    for files in [1, 2, 7, 30, 50] {
        let (options, _old) = fresh().await;
        let store = open(&options).await;
        let mut ids = Vec::new();
        for n in 0..6 {
            let id = package(&store).await;
            for file in 0..10 {
                put(&store, id, &format!("{file}"), bytes(1000 * n + file)).await;
            }
            if n % 2 == 0 {
                seal(&store, id).await;
            }
            ids.push(id);
        }
        let parent = tempfile::tempdir().unwrap();
        die_after(&store, parent.path(), files).await;
        // The old home is as it was.
        for id in &ids {
            assert_sound(&store, *id).await;
        }
        let left = store.left_to_move(&folder(parent.path())).await.unwrap();
        let MoveStep::ToCopy { packages: left, .. } = left else { panic!("{left:?}") };
        // Four are under way at once, so when 50 files are there, one package is at least.
        assert!(left <= 6 && (files < 50 || left < 6), "{left} after {files}");
        let copied = AtomicUsize::new(0);
        let step = |step| {
            copied.fetch_add(usize::from(step == MoveStep::Package), Ordering::Relaxed);
        };
        let moved = store.move_packages(&folder(parent.path()), &step).await.unwrap();
        assert_eq!(moved.packages, Some(6));
        assert_eq!(copied.into_inner() as u64, left, "what was copied is not copied again");
        let store = open(&there(&options, parent.path())).await;
        for id in ids {
            assert_sound(&store, id).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_since_its_copy_is_copied_again() {
    let (options, _old) = fresh().await;
    let store = open(&options).await;
    allow_deleting(&store).await;
    let (renamed, held) = (sealed(&store, "raw-evidence").await.id, large(&store).await);
    let (grown, finished) = (filled(&store, "raw-evidence").await.id, package(&store).await);
    put(&store, finished, "a", "a").await;
    let gone = expired(&store).await.id;
    let parent = tempfile::tempdir().unwrap();
    // All but the last file of the last package.
    let MoveStep::ToCopy { files, .. } = store.left_to_move(&folder(parent.path())).await.unwrap()
    else {
        panic!("nothing to move")
    };
    die_after(&store, parent.path(), usize::try_from(files).unwrap()).await;

    let labels = UpdatePackage {
        labels: Some(serde_json::from_value(json!({"branch": "main"})).unwrap()),
        ..UpdatePackage::default()
    };
    store.update_package(renamed, labels, None).await.unwrap();
    hold(&store, held).await;
    let first = crate::contract::paths(&store, grown).await[0].clone();
    store.upload_bytes(grown, replacing(&first), "replaced").await.unwrap();
    put(&store, grown, "more", "more").await;
    seal(&store, finished).await;
    delete(&store, gone).await.unwrap();

    moved(&store, parent.path()).await;
    let store = open(&there(&options, parent.path())).await;
    for id in [renamed, held, grown, finished] {
        assert_sound(&store, id).await;
    }
    assert_eq!(read(&store, grown, &first).await.unwrap(), b"replaced");
    let record = |id: PackageId| {
        let file = parent.path().join("packages").join(id.to_string()).join("registry.json");
        fs::read_to_string(file).unwrap()
    };
    assert!(record(renamed).contains("\"branch\": \"main\""));
    assert!(record(held).contains("\"on_hold\": true"));
    assert!(!parent.path().join("packages").join(gone.to_string()).exists());
    seal(&store, grown).await;
    assert_sound(&store, grown).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_named_and_nothing_moves() {
    let (options, old) = fresh().await;
    let store = open(&options).await;
    let (whole, damaged) = (large(&store).await, large(&store).await);
    let file = bag(&old, damaged).join("data/large.bin");
    let was = fs::read(&file).unwrap();
    overwrite(&file, b"other bytes");
    let parent = tempfile::tempdir().unwrap();
    let moved_nothing = store.move_packages(&folder(parent.path()), &quietly).await.unwrap();
    assert_eq!(moved_nothing.packages, None);
    let [(id, error @ StoreError::Damaged { path, .. })] = &moved_nothing.failures[..] else {
        panic!("{moved_nothing:?}")
    };
    assert_eq!((*id, path.as_str(), error.code()), (damaged, "large.bin", ErrorCode::Internal));
    // Everything goes on at the old home.
    put(&store, package(&store).await, "a", "a").await;
    assert_sound(&store, whole).await;

    overwrite(&file, &was);
    assert_eq!(moved(&store, parent.path()).await.packages, Some(3));
    assert_sound(&open(&there(&options, parent.path())).await, damaged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_that_an_earlier_run_left_at_the_target_are_replaced() {
    let (options, _old) = fresh().await;
    let store = open(&options).await;
    let id = large(&store).await;
    let parent = tempfile::tempdir().unwrap();
    die_after(&store, parent.path(), 41).await;
    let copy = parent.path().join("packages").join(id.to_string());
    overwrite(&copy.join("data/large.bin"), b"half");
    fs::write(copy.join("data/0/stray"), "nobody's").unwrap();
    moved(&store, parent.path()).await;
    let store = open(&there(&options, parent.path())).await;
    assert_sound(&store, id).await;
    assert_eq!(read(&store, id, "large.bin").await.unwrap(), bytes(5_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_fit_is_refused_and_nothing_is_made() {
    let (options, old) = fresh().await;
    let store = open(&options).await;
    large(&store).await;
    let refused = async |to: &Path| match store.move_packages(&folder(to), &quietly).await {
        Err(StoreError::CannotMove { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(refused(old.path()).await.contains("in the other"));
    assert!(refused(&old.path().join("inside")).await.contains("in the other"));
    assert!(!old.path().join("inside").exists());
    assert!(refused(old.path().parent().unwrap()).await.contains("in the other"));
    let (strangers, foreign) = fresh().await;
    let stranger = open(&strangers).await;
    let theirs = large(&stranger).await;
    assert!(refused(foreign.path()).await.contains("does not know"));
    assert_sound(&stranger, theirs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_can_move_back() {
    let (options, old) = fresh().await;
    let store = open(&options).await;
    allow_deleting(&store).await;
    let (id, gone) = (large(&store).await, expired(&store).await.id);
    let parent: TempDir = tempfile::tempdir().unwrap();
    moved(&store, parent.path()).await;
    let store = open(&there(&options, parent.path())).await;
    let later = large(&store).await;
    hold(&store, id).await;
    // The old home still has this one, and is not told.
    delete(&store, gone).await.unwrap();
    assert!(bag(&old, gone).exists());
    assert_eq!(moved(&store, old.path()).await.packages, Some(2));
    let store = open(&options).await;
    for id in [id, later] {
        assert_sound(&store, id).await;
    }
    assert!(!bag(&old, gone).exists());
    assert_eq!(holds(&store, id).await.len(), 1);
    put(&store, create(&store, json!({"producer": "ci"})).await.id, "a", "a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_move_at_once_one_does_and_the_other_is_told() {
    let (options, _old) = fresh().await;
    let (one, other) = (open(&options).await, open(&options).await);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(large(&one).await);
    }
    let parent = tempfile::tempdir().unwrap();
    let to = folder(parent.path());
    let (first, second) =
        tokio::join!(one.move_packages(&to, &quietly), other.move_packages(&to, &quietly));
    let done = |ended: &Result<Moved, StoreError>| {
        ended.as_ref().is_ok_and(|moved| moved.packages == Some(5))
    };
    assert!(done(&first) != done(&second), "{first:?} {second:?}");
    for ended in [first, second] {
        if let Err(error) = ended {
            assert_eq!(error.code(), ErrorCode::StorageUnavailable, "{error}");
        }
    }
    let store = open(&there(&options, parent.path())).await;
    for id in ids {
        assert_sound(&store, id).await;
    }
}
