//! Writers: who lives, who is dead, and what they leave.

use std::fs;

use artifact_storage::{Liveness, PutMode, Storage, StorageError};

use crate::contract::{bytes, package, payload};
use crate::{fresh, names};

#[tokio::test]
async fn writing_without_entering_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let storage = Storage::open_local(root.path(), true).await.unwrap();
    let key = payload(package(), "x");
    for error in [
        storage.put(&key, bytes(1), PutMode::Create).await.unwrap_err(),
        storage.put(&key, bytes(1), PutMode::Overwrite).await.unwrap_err(),
        storage.write(&key).await.unwrap_err(),
        storage.health().await.unwrap_err(),
    ] {
        assert!(matches!(error, StorageError::NotEntered { .. }), "{error}");
    }
    assert_eq!(names(root.path()), ["staging", "storage.json"]);
}

#[tokio::test]
async fn a_number_is_one_writers_only_while_it_lives() {
    let (first, root) = fresh().await;
    first.enter(1).await.unwrap();
    let error = first.enter(2).await.unwrap_err();
    assert!(matches!(error, StorageError::AlreadyEntered { writer: 2, present: 1 }), "{error}");

    let second = Storage::open_local(root.path(), false).await.unwrap();
    let error = second.enter(1).await.unwrap_err();
    assert!(matches!(error, StorageError::WriterTaken { writer: 1, .. }), "{error}");

    // Also a writer of an object keeps it alive.
    let mut object = first.write(&payload(package(), "x")).await.unwrap();
    object.write(bytes(2_000_000)).await.unwrap();
    drop(first);
    assert_eq!(second.writer_liveness(1), Liveness::Alive);
    object.publish().await.unwrap();
    assert_eq!(second.writer_liveness(1), Liveness::Alive);
    drop(object);
    assert_eq!(second.writer_liveness(1), Liveness::Dead);
    second.enter(1).await.unwrap();
}

#[tokio::test]
async fn liveness_is_seen_from_another_process_and_from_its_own() {
    let (first, root) = fresh().await;
    let second = Storage::open_local(root.path(), false).await.unwrap();
    for storage in [&first, &second] {
        assert_eq!(storage.writer_liveness(1), Liveness::Alive);
        assert_eq!(storage.writer_liveness(2), Liveness::Dead);
    }
    fs::write(root.path().join("staging/3.lock"), "").unwrap();
    assert_eq!(second.writer_liveness(3), Liveness::Dead);
}

#[tokio::test]
async fn what_dead_writers_left_is_cleared_and_what_live_ones_have_stays() {
    let (live, root) = fresh().await;
    let staging = root.path().join("staging");
    let key = payload(package(), "x");
    let mut object = live.write(&key).await.unwrap();
    object.write(bytes(5_000_000)).await.unwrap();

    // Two that died, one of them before it had a folder and one whose lock was lost, the rest
    // of a marker that lost its race, and what is nobody's.
    fs::create_dir(staging.join("7")).unwrap();
    fs::write(staging.join("7.lock"), "").unwrap();
    fs::write(staging.join("7/0"), "half").unwrap();
    fs::write(staging.join("8.lock"), "").unwrap();
    fs::create_dir(staging.join("9")).unwrap();
    fs::write(staging.join("9/0"), "half").unwrap();
    fs::create_dir(staging.join("9/lane-1")).unwrap();
    fs::write(staging.join("9/lane-1/1"), "half").unwrap();
    fs::write(staging.join("x.marker"), "half").unwrap();
    fs::write(staging.join("note.txt"), "keep").unwrap();

    let second = Storage::open_local(root.path(), false).await.unwrap();
    second.enter(2).await.unwrap();
    assert_eq!(names(&staging), ["1", "1.lock", "1/0", "2", "2.lock", "note.txt"]);

    object.publish().await.unwrap();
    assert_eq!(live.head(&key).await.unwrap().size, 5_000_000);
    drop((object, live, second));
    assert_eq!(names(&staging), ["note.txt"]);
}

#[tokio::test]
async fn the_leavings_of_an_earlier_writer_of_the_same_number_are_no_objects() {
    let root = tempfile::tempdir().unwrap();
    let storage = Storage::open_local(root.path(), true).await.unwrap();
    fs::create_dir(root.path().join("staging/1")).unwrap();
    fs::write(root.path().join("staging/1/0"), "half").unwrap();
    storage.enter(1).await.unwrap();
    let key = payload(package(), "x");
    storage.put(&key, bytes(5), PutMode::Create).await.unwrap();
    assert_eq!(crate::contract::read(&storage, &key).await.unwrap(), bytes(5));
    assert_eq!(names(&root.path().join("staging")), ["1", "1.lock"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_come_and_go_at_once_do_not_disturb_each_other() {
    let (_live, root) = fresh().await;
    let package = package();
    let writers = (2..10_i64).map(|writer| {
        let root = root.path().to_owned();
        tokio::spawn(async move {
            for round in 0..10 {
                let storage = Storage::open_local(&root, false).await.unwrap();
                storage.enter(writer * 100 + round).await.unwrap();
                let key = payload(package, &format!("{writer}/{round}"));
                storage.put(&key, bytes(10), PutMode::Create).await.unwrap();
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(names(&root.path().join("staging")), ["1", "1.lock"]);
}

#[tokio::test]
async fn a_staging_folder_that_was_removed_says_so() {
    let (storage, root) = fresh().await;
    fs::remove_dir(root.path().join("staging/1")).unwrap();
    let key = payload(package(), "x");
    let error = storage.put(&key, bytes(1), PutMode::Create).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable { .. }), "{error}");
}
