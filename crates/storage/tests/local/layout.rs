//! What lies where on the disk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use artifact_storage::{ObjectKey, PutMode, StorageError, TagFile};

use crate::contract::{bytes, create, package, payload, write};
use crate::{fresh, names};

/// Waits until nothing is staged any more: what a dropped writer leaves goes in the background.
async fn staging_is_empty(root: &Path) {
    let begin = Instant::now();
    while names(&root.join("staging")) != ["1", "1.lock"] {
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", names(&root.join("staging")));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_package_lies_in_its_folder_under_its_own_names() {
    let (storage, root) = fresh().await;
    let package = package();
    create(&storage, &payload(package, "a/b #1.txt"), bytes(3)).await;
    create(&storage, &ObjectKey::tag(package, TagFile::Declaration), bytes(3)).await;
    let folder = root.path().join("packages").join(package.to_string());
    assert_eq!(names(&folder), ["bagit.txt", "data", "data/a", "data/a/b #1.txt"]);
    assert_eq!(fs::read(folder.join("data/a/b #1.txt")).unwrap(), bytes(3));
}

#[tokio::test]
async fn nothing_but_packages_staging_and_the_marker_appears_in_the_root() {
    let (storage, root) = fresh().await;
    let package = package();
    for len in [10, 3_000_000] {
        let key = payload(package, &len.to_string());
        write(&storage, &key, &bytes(len), 65_536).await;
        // One that is refused, one that is aborted and one that is dropped.
        for end in 0..3 {
            let mut writer = storage.write(&key).await.unwrap();
            writer.write(bytes(len)).await.unwrap();
            match end {
                0 => drop(writer.publish().await.unwrap_err()),
                1 => writer.abort().await,
                _ => drop(writer),
            }
        }
    }
    storage
        .put(&ObjectKey::tag(package, TagFile::Record), bytes(1), PutMode::Overwrite)
        .await
        .unwrap();
    storage.health().await.unwrap();
    storage.sync_package(package).await.unwrap();
    staging_is_empty(root.path()).await;
    let mut top: Vec<_> =
        fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    top.sort();
    assert_eq!(top, ["packages", "staging", "storage.json"]);
    drop(storage);
    assert_eq!(names(&root.path().join("staging")), [""; 0], "the last clone clears its own");
}

#[tokio::test]
async fn deleting_removes_empty_folders_up_to_the_package() {
    let (storage, root) = fresh().await;
    let package = package();
    let folder = root.path().join("packages").join(package.to_string());
    create(&storage, &payload(package, "a/b/c"), bytes(1)).await;
    create(&storage, &payload(package, "a/d"), bytes(1)).await;
    storage.delete(&payload(package, "a/b/c")).await.unwrap();
    assert_eq!(names(&folder), ["data", "data/a", "data/a/d"]);
    storage.delete(&payload(package, "a/d")).await.unwrap();
    assert_eq!(names(&folder), [""; 0]);
    assert!(folder.is_dir());
}

#[tokio::test]
async fn a_name_that_is_a_folder_or_lies_below_a_file_is_obstructed() {
    let (storage, _root) = fresh().await;
    let package = package();
    create(&storage, &payload(package, "a/b"), bytes(1)).await;
    for name in ["a", "a/b/c"] {
        for mode in [PutMode::Create, PutMode::Overwrite] {
            let error = storage.put(&payload(package, name), bytes(2), mode).await.unwrap_err();
            assert!(matches!(error, StorageError::Obstructed { .. }), "{name}: {error}");
        }
    }
}

#[tokio::test]
async fn the_url_leads_to_the_folder() {
    let (storage, root) = fresh().await;
    let path = root.path().canonicalize().unwrap();
    assert_eq!(storage.url(), format!("file://{}", path.display()));
    assert_eq!(storage.backend(), "local");
}

#[tokio::test]
async fn a_folder_that_may_not_be_written_says_so() {
    let (storage, root) = fresh().await;
    let package = package();
    create(&storage, &payload(package, "a"), bytes(1)).await;
    let folder = root.path().join("packages").join(package.to_string()).join("data");
    let allowed = fs::metadata(&folder).unwrap().permissions();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let result = storage.put(&payload(package, "b"), bytes(1), PutMode::Create).await;
    fs::set_permissions(&folder, allowed).unwrap();
    match result {
        Err(error) => assert!(matches!(error, StorageError::ReadOnly { .. }), "{error}"),
        Ok(_) => assert!(is_root(root.path()), "only root may write anyway"),
    }
}

fn is_root(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(folder).unwrap().uid() == 0
}

#[tokio::test]
async fn removing_a_package_takes_empty_folders_along_and_never_an_object() {
    let (storage, root) = fresh().await;
    let package = package();
    let key = payload(package, "a/file");
    create(&storage, &key, bytes(3)).await;
    let folder = root.path().join("packages").join(package.to_string());
    fs::create_dir_all(folder.join("data/left/by a/stopped process")).unwrap();
    let refused = storage.remove_package(package).await.unwrap_err();
    assert!(matches!(&refused, StorageError::Obstructed { path, .. } if path.ends_with("a/file")));
    assert!(folder.join("data/left/by a/stopped process").is_dir(), "nothing was touched");
    storage.delete(&key).await.unwrap();
    storage.remove_package(package).await.unwrap();
    assert!(!folder.exists());
    assert!(root.path().join("packages").is_dir());
}
