//! What a deletion leaves in the folder: nothing, and of one that was cut off what it takes to go
//! on with it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use artifact_domain::PackageId;
use artifact_domain::wire::ErrorCode;
use artifact_store::{ArtifactStore, StoreError, StoreOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::contract::kept::{
    AT_ONCE, allow_deleting, delete, expired, filled, hold, reason, release, sealed, swept,
};
use crate::contract::{
    assert_refused, assert_sound, bytes, create, delete_and_die, new, open, put, read, seal,
};
use crate::sweep_failure;
use crate::{bag, files_below, fresh};

async fn store() -> (ArtifactStore, StoreOptions, TempDir) {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    allow_deleting(&store).await;
    (store, options, folder)
}

/// Asserts that the bytes of a deleted package are left, and that the receipt says so.
async fn assert_left(store: &ArtifactStore, id: PackageId) {
    let receipt = store.deletion(id).await.unwrap();
    assert_eq!((receipt.bytes_removed, receipt.bytes_removed_at), (0, None));
    assert_eq!(store.sweep(false).await.unwrap().unfinished_deletions, [id]);
}

/// Asserts that nothing of a package is left, and that the receipt says so.
async fn assert_nothing_left(store: &ArtifactStore, folder: &TempDir, id: PackageId) {
    assert!(!bag(folder, id).exists());
    let receipt = store.deletion(id).await.unwrap();
    assert_eq!(receipt.bytes_removed, receipt.total_bytes);
    assert!(receipt.bytes_removed_at.is_some());
    assert_eq!(swept(store, false).await, (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_deleted_package_is_left_and_all_of_the_others() {
    let (store, _, folder) = store().await;
    let kept = sealed(&store, "transient").await.id;
    let neighbour = expired(&store).await.id;
    let many = create(&store, json!({"producer": "ci", "retention_class": AT_ONCE})).await.id;
    for n in 0..300 {
        put(&store, many, &format!("{}/{}/{n}", n % 3, n % 7), bytes(n)).await;
    }
    seal(&store, many).await;
    let failed = filled(&store, AT_ONCE).await.id;
    store.fail_package(failed, reason("no")).await.unwrap();
    let empty = create(&store, json!({"producer": "ci", "retention_class": AT_ONCE})).await.id;
    store.fail_package(empty, reason("no")).await.unwrap();
    for id in [many, failed, empty] {
        delete(&store, id).await.unwrap();
        assert_nothing_left(&store, &folder, id).await;
    }
    assert_eq!(fs::read_dir(folder.path().join("packages")).unwrap().count(), 2);
    for id in [kept, neighbour] {
        assert_sound(&store, id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_in_a_package_and_nobody_recorded_goes_with_it() {
    let (store, _, folder) = store().await;
    let id = expired(&store).await.id;
    let data = bag(&folder, id).join("data");
    fs::create_dir_all(data.join("left/empty/deep")).unwrap();
    fs::create_dir_all(data.join("orphans")).unwrap();
    fs::write(data.join("orphans/x"), "x").unwrap();
    // Nor does it matter what is gone already.
    fs::remove_file(data.join("a")).unwrap();
    fs::remove_file(bag(&folder, id).join("bagit.txt")).unwrap();
    delete(&store, id).await.unwrap();
    assert_nothing_left(&store, &folder, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_the_bytes_and_whoever_comes_next_removes_them() {
    let (store, options, folder) = store().await;
    for by_sweep in [false, true] {
        let id = expired(&store).await.id;
        let before = files_below(&bag(&folder, id));
        delete_and_die(&store, &options, id).await;
        assert_left(&store, id).await;
        assert_eq!(files_below(&bag(&folder, id)), before);
        store.tend().await.unwrap();
        assert_eq!(files_below(&bag(&folder, id)), before);
        let next = open(&options).await;
        assert_left(&next, id).await;
        if by_sweep {
            next.sweep(true).await.unwrap();
        } else {
            assert_refused!(delete(&next, id).await, StoreError::Deleted { .. });
        }
        assert_nothing_left(&store, &folder, id).await;
    }
}

/// Puts something into a package's folder that no deletion removes.
type Obstacle<'a> = &'a dyn Fn(&Path);

#[tokio::test(flavor = "multi_thread")]
async fn a_package_whose_bytes_cannot_be_removed_is_deleted_all_the_same() {
    let (store, options, folder) = store().await;
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("precious"), "not ours").unwrap();
    let obstacles: [(&str, Obstacle<'_>); 4] = [
        ("a symlink in the payload", &|bag| {
            symlink(elsewhere.path(), bag.join("data/link")).unwrap();
        }),
        ("a symlink to a file", &|bag| {
            symlink(elsewhere.path().join("precious"), bag.join("data/folder/link")).unwrap();
        }),
        ("a file that is none of ours", &|bag| fs::write(bag.join("notes.txt"), "n").unwrap()),
        ("a folder in place of the record", &|bag| {
            fs::remove_file(bag.join("registry.json")).unwrap();
            fs::create_dir(bag.join("registry.json")).unwrap();
            fs::write(bag.join("registry.json/x"), "x").unwrap();
        }),
    ];
    for (what, plant) in obstacles {
        let id = expired(&store).await.id;
        let bag = bag(&folder, id);
        plant(&bag);
        let receipt = delete(&store, id).await.unwrap();
        assert_eq!((receipt.bytes_removed, receipt.bytes_removed_at), (0, None), "{what}");
        assert_eq!(store.deletion(id).await.unwrap(), receipt);
        assert_refused!(read(&store, id, "a").await, StoreError::Deleted { .. });
        assert_left(&store, id).await;
        // Whoever tries again is told what is in the way.
        for error in [delete(&store, id).await.err(), sweep_failure(&store).await] {
            let error = error.unwrap();
            assert_eq!(error.code(), ErrorCode::StorageUnavailable, "{what}: {error}");
        }
        assert_left(&store, id).await;
        assert_eq!(fs::read(elsewhere.path().join("precious")).unwrap(), b"not ours");

        for file in ["data/link", "data/folder/link", "notes.txt"] {
            let _ = fs::remove_file(bag.join(file));
        }
        let _ = fs::remove_dir_all(bag.join("registry.json"));
        let next = open(&options).await;
        assert_eq!(next.sweep(true).await.unwrap().unfinished_deletions, [id]);
        assert_nothing_left(&store, &folder, id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_half_gone_says_of_itself_that_it_was_deleted() {
    let (store, _, folder) = store().await;
    let id = expired(&store).await.id;
    let held = hold(&store, id).await;
    release(&store, &held).await.unwrap();
    let bag = bag(&folder, id);
    symlink("/nowhere", bag.join("data/link")).unwrap();
    let receipt = delete(&store, id).await.unwrap();
    assert_eq!(receipt.bytes_removed_at, None);
    let record: Value =
        serde_json::from_slice(&fs::read(bag.join("registry.json")).unwrap()).unwrap();
    assert_eq!(record["status"], "deleted");
    assert_eq!(record["deleted_at"], json!(receipt.deleted_at));
    assert_eq!(record["deletion_reason"], "no use any more");
    assert_eq!(record["holds"][0]["id"], json!(held.id));
    assert_eq!(record["holds"][0]["active"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_package_that_is_in_the_way_does_not_keep_a_sweep_from_the_others() {
    let (store, options, folder) = store().await;
    let mut left = Vec::new();
    for _ in 0..3 {
        let id = expired(&store).await.id;
        delete_and_die(&store, &options, id).await;
        left.push(id);
    }
    left.sort();
    let stuck = bag(&folder, left[0]).join("notes.txt");
    fs::write(&stuck, "n").unwrap();
    let error = sweep_failure(&store).await.unwrap();
    assert!(error.to_string().contains("notes.txt"), "{error}");
    assert_eq!(store.sweep(false).await.unwrap().unfinished_deletions, left[..1]);
    for id in &left[1..] {
        assert!(!bag(&folder, *id).exists());
    }
    fs::remove_file(&stuck).unwrap();
    store.sweep(true).await.unwrap();
    assert_nothing_left(&store, &folder, left[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_outlives_its_package_leaves_nothing_in_the_folder() {
    let (store, _, folder) = store().await;
    for files in 0..2 {
        let id = create(&store, json!({"producer": "ci", "retention_class": AT_ONCE})).await.id;
        for n in 0..files {
            put(&store, id, &format!("{n}"), "x").await;
        }
        let (mut send, body) = futures::channel::mpsc::channel::<std::io::Result<bytes::Bytes>>(1);
        let uploading = {
            let store = store.clone();
            tokio::spawn(async move { store.upload(id, new("deep/late"), body).await })
        };
        for _ in 0..3 {
            futures::SinkExt::send(&mut send, Ok(bytes(10_000))).await.unwrap();
        }
        store.fail_package(id, reason("given up")).await.unwrap();
        delete(&store, id).await.unwrap();
        assert_nothing_left(&store, &folder, id).await;
        drop(send);
        assert_refused!(uploading.await.unwrap(), StoreError::Deleted { .. });
        assert_nothing_left(&store, &folder, id).await;
    }
    let staged = files_below(&folder.path().join("staging"));
    assert!(staged.iter().all(|name| !name.contains('/')), "{staged:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_record_that_follows_a_change_beside_a_deletion_does_not_outlive_the_package() {
    let (store, options, folder) = store().await;
    let stores = [store.clone(), open(&options).await];
    let mut deleted = Vec::new();
    for round in 0..100 {
        let id = expired(&store).await.id;
        // Records are written after their changes were committed: while the bytes go, or later.
        let changes = (0..6).map(|n: usize| {
            let store = stores[n % 2].clone();
            let title = serde_json::from_value(json!({"title": format!("{n}")})).unwrap();
            tokio::spawn(async move { store.update_package(id, title, None).await })
        });
        let changes: Vec<_> = changes.collect();
        tokio::time::sleep(Duration::from_micros(500 * (round % 8))).await;
        delete(&store, id).await.unwrap();
        for change in changes {
            match change.await.unwrap() {
                Ok(_) | Err(StoreError::Deleted { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        deleted.push(id);
    }
    for id in deleted {
        assert_nothing_left(&store, &folder, id).await;
    }
}
