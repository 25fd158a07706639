//! Uploads that are stored.

use artifact_domain::PackageStatus;
use artifact_domain::event::AuditAction;
use artifact_domain::media_type::MediaType;
use artifact_store::{NewUpload, StoreError, StoreOptions};
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::json;

use super::{
    actions, assert_free, assert_refused, assert_sound, blake3, bytes, new, now, open, package,
    path, paths, pieces, put, read, replacing, seal, sha256, trail,
};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

pub(crate) async fn a_file_in_any_pieces_has_both_digests(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let sizes =
        [0, 1, 5000, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5];
    for size in sizes {
        let content = bytes(size);
        for chunk in [1, 1000, 64 * KIB, 128 * KIB + 1, MIB] {
            if size / chunk > 5000 {
                continue;
            }
            let before = now();
            let upload = new(&format!("{size}/{chunk}"));
            let stored = store.upload(id, upload.clone(), pieces(&content, chunk)).await.unwrap();
            assert_eq!(stored.path, upload.path);
            assert_eq!(stored.size, size as u64);
            assert_eq!(stored.sha256, sha256(&content));
            assert_eq!(stored.blake3, blake3(&content));
            assert!(before <= stored.uploaded_at && stored.uploaded_at <= now());
            assert_eq!(store.file(id, &upload.path).await.unwrap(), stored);
            assert!(read(&store, id, upload.path.as_str()).await.unwrap() == content);
        }
    }
    assert_sound(&store, id).await;
}

pub(crate) async fn a_body_of_empty_pieces_is_an_empty_file(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let nothing =
        || futures::stream::iter([Ok::<_, std::io::Error>(Bytes::new()), Ok(Bytes::new())]);
    let stored = store.upload(id, new("empty"), nothing()).await.unwrap();
    assert_eq!((stored.size, stored.sha256), (0, sha256(b"")));
    let some = nothing().chain(pieces(&bytes(3), 1)).chain(nothing());
    let stored = store.upload(id, new("three"), some).await.unwrap();
    assert_eq!((stored.size, stored.sha256), (3, sha256(&bytes(3))));
    assert_sound(&store, id).await;
}

pub(crate) async fn a_media_type_is_kept_or_guessed_or_unknown(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let said = |name: &str, media_type: &str| NewUpload {
        media_type: Some(MediaType::parse(media_type).unwrap()),
        ..new(name)
    };
    for (upload, expected) in [
        (said("a.json", "text/x-mine; charset=utf-8"), "text/x-mine; charset=utf-8"),
        (new("b.json"), "application/json"),
        (new("deep/c.html"), "text/html"),
        (new("d.PNG"), "image/png"),
        (new("e"), "application/octet-stream"),
        (new("f.unheard-of"), "application/octet-stream"),
        (new("g.json/plain"), "application/octet-stream"),
    ] {
        let name = upload.path.clone();
        let stored = store.upload_bytes(id, upload, "x").await.unwrap();
        assert_eq!(stored.media_type.as_str(), expected, "{name}");
        assert_eq!(store.file(id, &name).await.unwrap().media_type.as_str(), expected);
    }
}

pub(crate) async fn odd_names_are_kept_byte_for_byte(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let mut names = vec![
        " leading and trailing ".to_owned(),
        "%2e%2E/100%".to_owned(),
        "...".to_owned(),
        "-rf".to_owned(),
        "data/data/x".to_owned(),
        "e\u{301}".to_owned(),
        "manifest-sha256.txt".to_owned(),
        "quote\"s'`$(x)*?[a]".to_owned(),
        "registry.json".to_owned(),
        "\u{e9}".to_owned(),
        "\u{202e}txt.exe".to_owned(),
        "\u{1f600}/#fragment?query".to_owned(),
        "a".repeat(255),
        format!("{0}/{0}/{0}/{1}", "s".repeat(250), "t".repeat(147)),
    ];
    names.sort();
    for name in &names {
        put(&store, id, name, name.clone()).await;
    }
    assert_eq!(paths(&store, id).await, names);
    seal(&store, id).await;
    assert_eq!(paths(&store, id).await, names);
    for name in &names {
        assert_eq!(read(&store, id, name).await.unwrap(), name.as_bytes());
    }
    assert_sound(&store, id).await;
}

pub(crate) async fn bytes_that_are_as_announced_are_stored(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let content = bytes(300_000);
    let upload =
        NewUpload { size: Some(300_000), sha256: Some(sha256(&content)), ..new("announced") };
    store.upload(id, upload, pieces(&content, 7000)).await.unwrap();
    let none = NewUpload { size: Some(0), sha256: Some(sha256(b"")), ..new("none") };
    store.upload_bytes(id, none, "").await.unwrap();
    assert_sound(&store, id).await;
}

pub(crate) async fn a_replaced_file_has_the_new_bytes_and_the_counters_follow(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "kept", bytes(100)).await;
    let old = put(&store, id, "x.json", bytes(1000)).await;
    let upload = NewUpload { media_type: Some("a/b".parse().unwrap()), ..replacing("x.json") };
    let replaced = store.upload_bytes(id, upload, bytes(10)).await.unwrap();
    assert_eq!((replaced.size, replaced.sha256), (10, sha256(&bytes(10))));
    assert_eq!(store.file(id, &path("x.json")).await.unwrap(), replaced);
    assert_eq!(read(&store, id, "x.json").await.unwrap(), bytes(10));
    let counted = store.package(id).await.unwrap();
    assert_eq!((counted.file_count, counted.total_bytes), (2, 110));
    assert_eq!(counted.status, PackageStatus::Uploading);

    let audit = trail(&store, id).await;
    let [.., removed, stored] = audit.as_slice() else { panic!("{audit:?}") };
    assert_eq!(
        (removed.action, stored.action),
        (AuditAction::FileRemoved, AuditAction::FilesStored)
    );
    assert_eq!(removed.details["path"], "x.json");
    assert_eq!(removed.details["sha256"], json!(old.sha256));
    assert_eq!(
        stored.details["files"],
        json!([{"path": "x.json", "size": 10, "sha256": replaced.sha256}])
    );
    // With the same bytes, too.
    store.upload_bytes(id, replacing("x.json"), bytes(10)).await.unwrap();
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

pub(crate) async fn replacing_what_is_not_there_stores_it(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    store.upload_bytes(id, replacing("x"), "new").await.unwrap();
    assert_eq!(read(&store, id, "x").await.unwrap(), b"new");
    assert_eq!(actions(&store, id).await, [AuditAction::PackageCreated, AuditAction::FilesStored]);
}

pub(crate) async fn a_removed_file_is_gone_and_its_path_is_free(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "folder/x", bytes(1000)).await;
    put(&store, id, "y", bytes(1)).await;
    store.remove_file(id, &path("folder/x")).await.unwrap();
    assert_eq!(paths(&store, id).await, ["y"]);
    assert_refused!(read(&store, id, "folder/x").await, StoreError::NoFile { path, .. } if path.as_str() == "folder/x");
    let counted = store.package(id).await.unwrap();
    assert_eq!((counted.file_count, counted.total_bytes), (1, 1));
    assert_eq!(actions(&store, id).await.last(), Some(&AuditAction::FileRemoved));
    assert_sound(&store, id).await;
    // What was a folder may be a file now.
    assert_free(&store, id, "folder").await;
}

pub(crate) async fn removing_what_is_not_there_is_no_file(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    assert_refused!(store.remove_file(id, &path("x")).await, StoreError::NoFile { .. });
    put(&store, id, "x", "x").await;
    store.remove_file(id, &path("x")).await.unwrap();
    assert_refused!(store.remove_file(id, &path("x")).await, StoreError::NoFile { .. });
}

pub(crate) async fn many_uploads_from_many_tasks_all_arrive(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let tasks = (0..8).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            let uploads = (0..100).map(|n| put_one(&store, id, task, n));
            futures::stream::iter(uploads).buffer_unordered(10).collect::<Vec<()>>().await;
        })
    });
    for task in futures::future::join_all(tasks).await {
        task.unwrap();
    }
    assert_eq!(paths(&store, id).await.len(), 800);
    let audited: usize = trail(&store, id)
        .await
        .iter()
        .filter(|event| event.action == AuditAction::FilesStored)
        .map(|event| event.details["files"].as_array().unwrap().len())
        .sum();
    assert_eq!(audited, 800);
    assert_eq!(seal(&store, id).await.file_count, 800);
    assert_sound(&store, id).await;
}

async fn put_one(
    store: &artifact_store::ArtifactStore,
    id: artifact_domain::PackageId,
    task: u32,
    n: u32,
) {
    put(store, id, &format!("{}/{task}-{n}", n % 7), format!("{task} {n}")).await;
}
