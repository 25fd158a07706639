//! Reading files whose objects somebody has touched.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use artifact_domain::wire::ErrorCode;
use artifact_store::{ProblemKind, StoreError};
use futures::StreamExt as _;

use crate::contract::{assert_refused, bytes, collect, open, package, path, put, read, seal};
use crate::{bag, fresh};

/// Puts something in the place of a file.
type Damage<'a> = &'a dyn Fn(&Path);

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_no_file_any_more_is_damage_and_not_an_outage() {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("secret"), "12345").unwrap();
    let damages: [(&str, Damage<'_>); 6] = [
        ("a symlink", &|file| symlink(elsewhere.path().join("secret"), file).unwrap()),
        ("a symlink to nowhere", &|file| symlink("/nowhere", file).unwrap()),
        ("a folder", &|file| fs::create_dir(file).unwrap()),
        ("a socket", &|file| drop(UnixListener::bind(file).unwrap())),
        ("nothing", &|_| {}),
        ("another size", &|file| fs::write(file, "1234").unwrap()),
    ];
    for sealed in [false, true] {
        for (name, damage) in &damages {
            let id = package(&store).await;
            put(&store, id, "folder/x", "12345").await;
            if sealed {
                seal(&store, id).await;
            }
            let file = bag(&folder, id).join("data/folder/x");
            fs::remove_file(&file).unwrap();
            // A socket's name may not be as long as this one's.
            let short = elsewhere.path().join("s");
            damage(&short);
            if short.symlink_metadata().is_ok() {
                fs::rename(&short, &file).unwrap();
            }
            for range in [None, Some(0..3), Some(2..2)] {
                let error = store.read_file(id, &path("folder/x"), range).await.err().unwrap();
                assert_eq!(error.code(), ErrorCode::Internal, "{name}: {error}");
                assert!(matches!(error, StoreError::Damaged { .. }), "{name}: {error}");
            }
        }
    }
    // A folder on the way to it, too.
    let id = package(&store).await;
    put(&store, id, "folder/x", "12345").await;
    let data = bag(&folder, id).join("data");
    fs::rename(data.join("folder"), elsewhere.path().join("moved")).unwrap();
    symlink(elsewhere.path().join("moved"), data.join("folder")).unwrap();
    assert_refused!(
        read(&store, id, "folder/x").await,
        StoreError::Damaged { problem: ProblemKind::Unreadable { .. }, .. }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_cut_while_it_is_read_is_damage() {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "x", bytes(5_000_000)).await;
    let (_, mut stream) = store.read_file(id, &path("x"), None).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert!(!first.is_empty());
    let file = fs::File::options().write(true).open(bag(&folder, id).join("data/x")).unwrap();
    file.set_len(2_500_000).unwrap();
    let error = collect(stream).await.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { path, .. } if path == "x"), "{error}");
}
