//! Symlinks that somebody planted: nothing outside the root is written, read or deleted.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use artifact_storage::{ObjectKey, PutMode, Storage, StorageError, TagFile};
use futures::StreamExt as _;
use tempfile::TempDir;

use crate::contract::{bytes, create, package, payload};
use crate::{fresh, tree};

/// A folder outside the root with something in it to steal or to spoil.
fn outside() -> TempDir {
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir_all(outside.path().join("data/folder")).unwrap();
    for name in ["file", "data/file", "data/folder/file", "registry.json", "1.lock"] {
        fs::write(outside.path().join(name), "secret").unwrap();
    }
    outside
}

#[track_caller]
fn names_the_symlink(error: &StorageError, link: &Path) {
    let link = link.parent().unwrap().canonicalize().unwrap().join(link.file_name().unwrap());
    match error {
        StorageError::Symlink { path, .. } => assert_eq!(Path::new(path), link),
        error => panic!("{error:?}"),
    }
    assert!(error.to_string().contains("not followed"));
}

/// Tries everything that can be done with a key.
async fn try_all(storage: &Storage, key: &ObjectKey, link: &Path) {
    for error in [
        storage.put(key, bytes(1), PutMode::Create).await.unwrap_err(),
        storage.put(key, bytes(1), PutMode::Overwrite).await.unwrap_err(),
        storage.read(key, None).await.unwrap_err(),
        storage.head(key).await.unwrap_err(),
        storage.delete(key).await.unwrap_err(),
    ] {
        names_the_symlink(&error, link);
    }
    for len in [1, 2_000_000] {
        let mut writer = storage.write(key).await.unwrap();
        writer.write(bytes(len)).await.unwrap();
        names_the_symlink(&writer.publish().await.unwrap_err(), link);
    }
}

#[tokio::test]
async fn as_a_folder_of_a_package() {
    let (storage, root) = fresh().await;
    let (outside, package) = (outside(), package());
    let before = tree(outside.path());
    create(&storage, &payload(package, "ours"), bytes(3)).await;
    let folder = root.path().join("packages").join(package.to_string());
    for target in [outside.path().join("data/folder"), "/nowhere/at/all".into(), "..".into()] {
        let link = folder.join("data/folder");
        symlink(target, &link).unwrap();
        try_all(&storage, &payload(package, "folder/file"), &link).await;
        let items: Vec<_> = storage.list_package(package).collect().await;
        assert_eq!(items.len(), 2, "the object, and the symlink as an error: {items:?}");
        let error = items.into_iter().find_map(Result::err).unwrap();
        names_the_symlink(&error, &link);
        names_the_symlink(&storage.sync_package(package).await.unwrap_err(), &link);
        fs::remove_file(link).unwrap();
    }
    assert_eq!(tree(outside.path()), before);
}

#[tokio::test]
async fn as_the_folder_of_a_package_itself_and_its_payload() {
    let (storage, root) = fresh().await;
    let outside = outside();
    let before = tree(outside.path());
    create(&storage, &payload(package(), "other"), bytes(3)).await;
    let package = package();
    let link = root.path().join("packages").join(package.to_string());
    symlink(outside.path(), &link).unwrap();
    try_all(&storage, &payload(package, "file"), &link).await;
    try_all(&storage, &ObjectKey::tag(package, TagFile::Record), &link).await;
    let items: Vec<_> = storage.list_package(package).collect().await;
    assert_eq!(items.len(), 1);
    names_the_symlink(items[0].as_ref().unwrap_err(), &link);
    let errors: Vec<_> = storage.list_packages().filter_map(|i| async { i.err() }).collect().await;
    assert_eq!(errors.len(), 1);
    names_the_symlink(&errors[0], &link);
    assert_eq!(tree(outside.path()), before);
}

#[tokio::test]
async fn as_the_final_name() {
    let (storage, root) = fresh().await;
    let (outside, package) = (outside(), package());
    let before = tree(outside.path());
    create(&storage, &payload(package, "ours"), bytes(3)).await;
    let data = root.path().join("packages").join(package.to_string()).join("data");
    for target in [
        outside.path().join("file"),
        outside.path().join("new"),
        data.join("ours"),
        "/nowhere".into(),
    ] {
        let link = data.join("x");
        symlink(&target, &link).unwrap();
        try_all(&storage, &payload(package, "x"), &link).await;
        assert_eq!(fs::read_link(&link).unwrap(), target, "it is reported, not tidied away");
        fs::remove_file(link).unwrap();
    }
    assert_eq!(tree(outside.path()), before);
    assert_eq!(fs::read(data.join("ours")).unwrap(), bytes(3));
}

#[tokio::test]
async fn as_packages() {
    let (storage, root) = fresh().await;
    let outside = outside();
    let before = tree(outside.path());
    let link = root.path().join("packages");
    symlink(outside.path(), &link).unwrap();
    try_all(&storage, &payload(package(), "x"), &link).await;
    let items: Vec<_> = storage.list_packages().collect().await;
    assert_eq!(items.len(), 1);
    names_the_symlink(items[0].as_ref().unwrap_err(), &link);
    assert_eq!(tree(outside.path()), before);
}

#[tokio::test]
async fn as_staging_or_in_it() {
    let outside = outside();
    let before = tree(outside.path());
    for (name, number) in [("staging", 1), ("staging/1", 1), ("staging/1.lock", 1)] {
        let root = tempfile::tempdir().unwrap();
        let storage = Storage::open_local(root.path(), true).await.unwrap();
        let link = root.path().join(name);
        if name == "staging" {
            fs::remove_dir(&link).unwrap();
        }
        let target = if name == "staging/1.lock" { "file" } else { "data" };
        symlink(outside.path().join(target), &link).unwrap();
        names_the_symlink(&storage.enter(number).await.unwrap_err(), &link);
        let error =
            storage.put(&payload(package(), "x"), bytes(1), PutMode::Create).await.unwrap_err();
        assert!(matches!(error, StorageError::NotEntered { .. }));
        // Another writer does not clear through it either.
        if name != "staging" {
            storage.enter(2).await.unwrap();
        }
    }
    assert_eq!(tree(outside.path()), before);
}

#[tokio::test]
async fn as_a_staged_file_or_the_marker() {
    let outside = outside();
    let before = tree(outside.path());
    let (storage, root) = fresh().await;
    symlink(outside.path().join("file"), root.path().join("staging/1/0")).unwrap();
    storage.put(&payload(package(), "x"), bytes(1), PutMode::Create).await.unwrap_err();
    drop(storage);
    let link = root.path().join("storage.json");
    fs::remove_file(&link).unwrap();
    symlink(outside.path().join("file"), &link).unwrap();
    for create in [false, true] {
        names_the_symlink(&Storage::open_local(root.path(), create).await.unwrap_err(), &link);
    }
    assert_eq!(tree(outside.path()), before);
}

#[tokio::test]
async fn sockets_and_pipes_are_named_and_block_nobody() {
    let (storage, root) = fresh().await;
    let package = package();
    create(&storage, &payload(package, "ours"), bytes(3)).await;
    let data = root.path().join("packages").join(package.to_string()).join("data");
    let _socket = UnixListener::bind(data.join("socket")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, data.join("pipe"), 0o644.into()).unwrap();
    for name in ["socket", "pipe"] {
        let key = payload(package, name);
        for error in
            [storage.read(&key, None).await.unwrap_err(), storage.head(&key).await.unwrap_err()]
        {
            assert!(matches!(error, StorageError::Obstructed { .. }), "{error:?}");
        }
    }
    let items: Vec<_> = storage.list_package(package).collect().await;
    assert_eq!(items.iter().filter(|item| item.is_err()).count(), 2);
    assert_eq!(items.len(), 3);
}

#[tokio::test]
async fn a_package_with_a_planted_symlink_is_not_removed() {
    let (storage, root) = fresh().await;
    let (outside, package) = (outside(), package());
    let folder = root.path().join("packages").join(package.to_string());
    fs::create_dir_all(&folder).unwrap();
    symlink(outside.path(), folder.join("data")).unwrap();
    let before = tree(outside.path());
    let refused = storage.remove_package(package).await.unwrap_err();
    names_the_symlink(&refused, &folder.join("data"));
    assert_eq!(tree(outside.path()), before);
}
