//! Opening a store, and several handles of one.

use std::fs;

use artifact_domain::wire::{FinalizePackage, UpdatePackage};
use artifact_domain::{PackageStatus, Sha256Digest};
use artifact_registry::DatabaseUrl;
use artifact_store::{Access, ArtifactStore, StoreError, StoreOptions};
use serde_json::json;

use crate::contract::{
    assert_refused, assert_sound, collect, new, open, package, path, paths, put, read, request,
    seal, small, trail,
};
use crate::{files_below, fresh};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_store_is_not_made_by_who_only_wants_to_use_it() {
    let (options, folder) = fresh().await;
    let missing = folder.path().join("missing/deep");
    for options in [options, StoreOptions::embedded(&missing)] {
        for access in [Access::Read, Access::Write] {
            let error =
                ArtifactStore::open(&options.clone().with_access(access)).await.unwrap_err();
            assert!(error.is_missing_store(), "{error}");
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_made_with_the_folders_that_lead_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b");
    let store = open(&StoreOptions::embedded(&deep)).await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    assert!(deep.join("registry.sqlite3").is_file());
    assert!(deep.join("storage.json").is_file());
    assert!(deep.join(format!("packages/{id}/data/x")).is_file());
    // Opening it again makes nothing and changes nothing.
    let marker = fs::read(deep.join("storage.json")).unwrap();
    let again = open(&StoreOptions::embedded(&deep).with_access(Access::Write)).await;
    assert_eq!(paths(&again, id).await, ["x"]);
    assert_eq!(fs::read(deep.join("storage.json")).unwrap(), marker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_opened_to_read_reads_all_and_changes_nothing() {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    let (id, sealed) = (package(&store).await, package(&store).await);
    put(&store, id, "x", "x").await;
    put(&store, sealed, "y", "y").await;
    seal(&store, sealed).await;
    drop(store);
    let before = files_below(&folder.path().join("packages"));
    let staging = fs::read_dir(folder.path().join("staging")).unwrap().count();

    let reader = open(&options.clone().with_access(Access::Read)).await;
    let read_only = |result: Result<(), StoreError>| assert_refused!(result, StoreError::ReadOnly);
    read_only(reader.create_package(request(json!({"producer": "ci"}))).await.map(|_| ()));
    read_only(reader.upload_bytes(id, new("z"), "z").await.map(|_| ()));
    read_only(reader.upload_batch(id, vec![small("z", "z")]).await.map(|_| ()));
    read_only(reader.upload_batch(id, Vec::new()).await.map(|_| ()));
    read_only(reader.remove_file(id, &path("x")).await);
    read_only(reader.update_package(id, UpdatePackage::default(), None).await.map(|_| ()));
    read_only(reader.fail_package(id, "no".parse().unwrap()).await.map(|_| ()));
    for package in [id, sealed] {
        read_only(reader.finalize(package, FinalizePackage::default()).await.map(|_| ()));
    }

    assert_eq!(reader.package(id).await.unwrap().status, PackageStatus::Uploading);
    assert_eq!(read(&reader, id, "x").await.unwrap(), b"x");
    assert_eq!(paths(&reader, sealed).await, ["y"]);
    let manifest = reader.manifest(sealed).await.unwrap();
    let digest = manifest.sha256;
    assert_eq!(Sha256Digest::of(&collect(manifest.bytes).await.unwrap()), digest);
    let format = artifact_store::ArchiveFormat::Zip;
    collect(reader.archive(sealed, format).await.unwrap()).await.unwrap();
    assert_sound(&reader, sealed).await;
    assert_eq!(trail(&reader, sealed).await.len(), 3);
    assert_eq!(files_below(&folder.path().join("packages")), before);
    assert_eq!(fs::read_dir(folder.path().join("staging")).unwrap().count(), staging);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_handle_does_another_sees_at_once() {
    let (options, _folder) = fresh().await;
    let (one, two) = (open(&options).await, open(&options).await);
    let reader = open(&options.clone().with_access(Access::Read)).await;
    let id = package(&one).await;
    put(&two, id, "x", "x").await;
    for store in [&one, &two, &reader] {
        assert_eq!(read(store, id, "x").await.unwrap(), b"x");
    }
    one.remove_file(id, &path("x")).await.unwrap();
    assert_refused!(read(&reader, id, "x").await, StoreError::NoFile { .. });
    put(&one, id, "y", "y").await;
    let sealed = seal(&two, id).await;
    for store in [&one, &two, &reader] {
        assert_eq!(store.package(id).await.unwrap(), sealed);
        assert_sound(store, id).await;
    }
    // A handle that is gone takes nothing with it.
    drop(two);
    assert_sound(&one, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_not_started_on_another_storage() {
    let (options, folder) = fresh().await;
    let (other, other_folder) = fresh().await;
    let id = package(&open(&options).await).await;
    drop(open(&other).await);
    let mixed = StoreOptions { storage: other.storage.clone(), ..options.clone() };
    for access in [Access::Create, Access::Write, Access::Read] {
        let error = ArtifactStore::open(&mixed.clone().with_access(access)).await.unwrap_err();
        let StoreError::ForeignStorage { known, url } = &error else { panic!("{error}") };
        assert!(known.contains(folder.path().to_str().unwrap()), "{known}");
        assert!(url.contains(other_folder.path().to_str().unwrap()), "{url}");
    }
    // Both are as they were.
    assert_eq!(open(&options).await.package(id).await.unwrap().id, id);
    open(&other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_mount_point_is_not_taken_for_the_storage() {
    let (options, folder) = fresh().await;
    package(&open(&options).await).await;
    let empty = folder.path().join("mount");
    fs::create_dir(&empty).unwrap();
    for storage in [empty.clone(), folder.path().join("missing")] {
        let mixed = StoreOptions { storage: storage.clone().into(), ..options.clone() };
        for access in [Access::Create, Access::Write, Access::Read] {
            let error = ArtifactStore::open(&mixed.clone().with_access(access)).await.unwrap_err();
            let StoreError::ForeignStorage { url, .. } = &error else { panic!("{error}") };
            assert!(url.contains(storage.to_str().unwrap()), "{url}");
        }
    }
    // "Nothing was changed", it says.
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    assert!(!folder.path().join("missing").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_moved_is_the_same_storage() {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    drop(store);
    let moved = tempfile::tempdir().unwrap();
    let place = moved.path().join("there");
    fs::create_dir(&place).unwrap();
    for name in ["packages", "staging", "storage.json"] {
        fs::rename(folder.path().join(name), place.join(name)).unwrap();
    }
    let options = StoreOptions { storage: place.into(), ..options };
    assert_eq!(read(&open(&options).await, id, "x").await.unwrap(), b"x");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_registries_may_not_be_mistaken_for_each_other() {
    let (options, folder) = fresh().await;
    let id = package(&open(&options).await).await;
    // A new registry beside the same storage is another store, and knows nothing.
    let database = DatabaseUrl::sqlite(folder.path().join("other.sqlite3"));
    let other = open(&StoreOptions { database, ..options }).await;
    assert_refused!(other.package(id).await, StoreError::NoPackage(told) if told == id);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_open_a_new_store_at_once_open_one_store() {
    let (options, _folder) = fresh().await;
    let tasks = (0..6).map(|_| {
        let options = options.clone();
        tokio::spawn(async move { ArtifactStore::open(&options).await.unwrap() })
    });
    let stores = futures::future::join_all(tasks).await;
    let stores: Vec<_> = stores.into_iter().map(Result::unwrap).collect();
    let id = package(&stores[0]).await;
    for (n, store) in stores.iter().enumerate() {
        put(store, id, &format!("{n}"), "x").await;
    }
    assert_eq!(seal(&stores[3], id).await.file_count, 6);
    assert_sound(&stores[5], id).await;
}
