//! Batches of small files.

use artifact_domain::PackageStatus;
use artifact_domain::event::AuditAction;
use artifact_store::{SmallFile, StoreError, StoreOptions};

use super::{
    actions, assert_sound, blake3, bytes, limit, open, package, put, read, seal, sha256, small,
};

pub(crate) async fn a_batch_answers_in_order(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    // Not in the order of their names, with an empty one and one above what is hashed in place.
    let names: Vec<String> = (0..60_usize).map(|n| format!("{}/{n}.txt", (n * 7) % 13)).collect();
    let size = |n: usize| if n == 30 { 300_000 } else { n * 37 };
    let files = names.iter().enumerate().map(|(n, name)| small(name, bytes(size(n)))).collect();
    let answers = store.upload_batch(id, files).await.unwrap();
    assert_eq!(answers.len(), 60);
    for (n, (name, answer)) in names.iter().zip(answers).enumerate() {
        let stored = answer.unwrap();
        let content = bytes(size(n));
        assert_eq!((stored.path.as_str(), stored.size), (name.as_str(), size(n) as u64));
        assert_eq!((stored.sha256, stored.blake3), (sha256(&content), blake3(&content)));
        assert_eq!(stored.media_type.as_str(), "text/plain");
        assert_eq!(store.file(id, &stored.path).await.unwrap(), stored);
        assert_eq!(read(&store, id, name).await.unwrap(), content);
    }
    assert_eq!(actions(&store, id).await, [AuditAction::PackageCreated, AuditAction::FilesStored]);
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

pub(crate) async fn a_batch_with_refusals_in_its_middle_stores_the_rest(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "there", "old").await;
    put(&store, id, "folder/x", "x").await;
    let announced = |mut file: SmallFile, size, sha256| {
        file.upload.size = size;
        file.upload.sha256 = sha256;
        file
    };
    let files = vec![
        small("a", "a"),
        small("there", "new"),
        small("b", "b"),
        small("folder", "no file"),
        small("there/x", "no folder"),
        announced(small("short", "123"), Some(4), None),
        small("c/d", "d"),
        small("c", "no file either"),
        small("c/d/e", "no folder either"),
        small("a", "twice"),
        announced(small("other", "123"), None, Some(sha256(b"124"))),
        announced(small("z", "z"), Some(1), Some(sha256(b"z"))),
    ];
    let answers = store.upload_batch(id, files).await.unwrap();
    let told: Vec<String> = answers
        .into_iter()
        .map(|answer| match answer {
            Ok(file) => format!("stored {}", file.path),
            Err(StoreError::DuplicatePath { path, .. }) => format!("duplicate {path}"),
            Err(StoreError::UploadInProgress { path, .. }) => format!("in use {path}"),
            Err(StoreError::PathConflict { path, other }) => format!("{path} beside {other}"),
            Err(StoreError::Mismatch { what, digest, .. }) => {
                format!("{what} has another {digest}")
            }
            Err(error) => panic!("{error}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "stored a",
            "duplicate there",
            "stored b",
            "folder beside folder/x",
            "there/x beside there",
            "short has another size",
            "stored c/d",
            "c beside c/d",
            "c/d/e beside c/d",
            "in use a",
            "other has another SHA-256",
            "stored z",
        ]
    );
    let listed = store.files(id, None, None, limit(100)).await.unwrap().items;
    let listed: Vec<_> = listed.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(listed, ["a", "b", "c/d", "folder/x", "there", "z"]);
    assert_eq!(read(&store, id, "there").await.unwrap(), b"old");
    assert_eq!(read(&store, id, "a").await.unwrap(), b"a");
    assert_sound(&store, id).await;
    // The paths of what was refused are free.
    let again = store.upload_batch(id, vec![small("short", "1234"), small("other", "124")]).await;
    assert!(again.unwrap().iter().all(Result::is_ok));
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

pub(crate) async fn an_empty_batch_is_answered_with_nothing(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    assert!(store.upload_batch(id, Vec::new()).await.unwrap().is_empty());
    let made = store.package(id).await.unwrap();
    assert_eq!((made.status, made.revision), (PackageStatus::Created, 1));
    assert_eq!(actions(&store, id).await, [AuditAction::PackageCreated]);
}

pub(crate) async fn a_batch_for_a_closed_package_refuses_each_file(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    seal(&store, id).await;
    for answer in store.upload_batch(id, vec![small("a", "a"), small("x", "y")]).await.unwrap() {
        super::assert_refused!(
            answer,
            StoreError::WrongStatus { status: PackageStatus::Finalized, .. }
        );
    }
    assert_sound(&store, id).await;
}
