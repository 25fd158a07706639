//! The identity of a local storage.

use std::fs;
use std::os::unix::fs::symlink;

use artifact_storage::{Storage, StorageError};
use futures::future::join_all;

use crate::{names, tree};

#[tokio::test]
async fn the_same_folder_has_the_same_id_however_it_is_reached() {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("made/with/parents");
    let first = Storage::open_local(&root, true).await.unwrap();
    symlink(&root, outer.path().join("link")).unwrap();
    for (path, create) in
        [(root.clone(), false), (root.clone(), true), (outer.path().join("link"), false)]
    {
        let again = Storage::open_local(&path, create).await.unwrap();
        assert_eq!((again.id(), again.url()), (first.id(), first.url()));
    }
    let marker = fs::read_to_string(root.join("storage.json")).unwrap();
    let expected =
        format!("{{\"schema\":\"artifact-store/storage/v1\",\"id\":\"{}\"}}\n", first.id());
    assert_eq!(marker, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_that_open_at_once_agree_on_one_id() {
    for round in 0..20 {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        let opens = (0..8).map(|writer| {
            let root = root.clone();
            tokio::spawn(async move {
                let storage = Storage::open_local(&root, true).await.unwrap();
                // Every other one clears `staging/` while the rest still make the marker.
                if (writer + round) % 2 == 0 {
                    storage.enter(writer).await.unwrap();
                }
                storage.id()
            })
        });
        let ids: Vec<_> = join_all(opens).await.into_iter().map(Result::unwrap).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        assert_eq!(names(&root), ["staging", "storage.json"]);
    }
}

#[tokio::test]
async fn opening_without_create_makes_nothing() {
    let outer = tempfile::tempdir().unwrap();
    let missing = outer.path().join("missing");
    let error = Storage::open_local(&missing, false).await.unwrap_err();
    assert!(matches!(error, StorageError::NotAStorage { .. }), "{error}");
    assert!(error.to_string().contains("no such folder"), "{error}");

    let error = Storage::open_local(outer.path(), false).await.unwrap_err();
    assert!(matches!(error, StorageError::NotAStorage { .. }), "{error}");
    assert!(error.to_string().contains("no storage.json"), "{error}");

    let file = outer.path().join("file");
    fs::write(&file, "x").unwrap();
    for create in [false, true] {
        let error = Storage::open_local(&file, create).await.unwrap_err();
        assert!(error.to_string().contains("not a folder"), "{error}");
    }
    assert_eq!(names(outer.path()), ["file"]);
}

#[tokio::test]
async fn a_foreign_marker_is_refused_and_kept() {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for content in [
        String::new(),
        "{}".to_owned(),
        "{\"schema\":\"artifact-store/storage/v1\",\"id\":\"x\"}".to_owned(),
        format!("{{\"schema\":\"artifact-store/storage/v2\",\"id\":\"{id}\"}}"),
        "x".repeat(100_000),
    ] {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("storage.json"), &content).unwrap();
        let before = tree(root.path());
        for create in [false, true] {
            let error = Storage::open_local(root.path(), create).await.unwrap_err();
            assert!(matches!(error, StorageError::WrongMarker { .. }), "{error}");
        }
        assert_eq!(tree(root.path()), before);
    }
}

#[tokio::test]
async fn packages_whose_marker_is_lost_get_no_new_id() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("packages")).unwrap();
    let error = Storage::open_local(root.path(), true).await.unwrap_err();
    assert!(matches!(error, StorageError::NotAStorage { .. }), "{error}");
    assert_eq!(names(root.path()), ["packages"]);
}
