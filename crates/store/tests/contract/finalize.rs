//! Finalize and the manifest.

use std::io;
use std::time::Duration;

use artifact_domain::event::{AuditAction, RetentionEventKind};
use artifact_domain::manifest::{Manifest, SCHEMA, canonical_json};
use artifact_domain::retention::{RetentionPeriod, RetentionRule};
use artifact_domain::wire::{FinalizePackage, UpdatePackage};
use artifact_domain::{PackageId, PackageStatus, Sha256Digest};
use artifact_registry::{Durability, OpenMode, Registry, RegistryError};
use artifact_store::{ArtifactStore, StoreError, StoreOptions};
use bytes::Bytes;
use serde_json::json;

use super::{
    actions, assert_refused, assert_sound, blake3, bytes, collect, create, new, now, open, package,
    promises, put, seal, sha256,
};

pub(crate) async fn manifest(store: &ArtifactStore, id: PackageId) -> Vec<u8> {
    let stream = store.manifest(id).await.unwrap();
    let bytes = collect(stream.bytes).await.unwrap();
    assert_eq!(stream.sha256, sha256(&bytes));
    bytes
}

/// Adds a version of a class behind the store's back, as an administrator will be able to.
pub(crate) async fn add_rule(options: &StoreOptions, class: &str, version: u32, days: u32) {
    let (url, class) = (options.database.clone(), class.parse().unwrap());
    let add = move || {
        let registry = Registry::open(&url, OpenMode::Existing)?;
        let period = RetentionPeriod::Days(days);
        let rule =
            RetentionRule { class, version, period, description: String::new(), updated_at: now() };
        registry.write(Durability::Synced, |writer| writer.insert_rule(&rule))?;
        Ok::<_, RegistryError>(())
    };
    tokio::task::spawn_blocking(add).await.unwrap().unwrap();
}

/// The SHA-256 of the bag's `manifest-sha256.txt`, as the interface defines it.
fn payload_manifest_sha256(files: &[(&str, &[u8])]) -> Sha256Digest {
    let mut files = files.to_vec();
    files.sort_by_key(|(path, _)| path.as_bytes());
    let lines: Vec<String> =
        files.iter().map(|(path, content)| format!("{}  data/{path}\n", sha256(content))).collect();
    sha256(lines.concat().as_bytes())
}

pub(crate) async fn the_manifest_has_its_digest_and_is_canonical(options: StoreOptions) {
    let store = open(&options).await;
    let said = json!({
        "producer": "ci", "external_id": "42", "title": "Ein Titel", "labels": {"b": "2", "a": "1"},
        "metadata": {"z": 1.5, "a": {"y": [], "x": "\u{7f}\n"}},
    });
    let id = create(&store, said.clone()).await.id;
    // In the order of bytes, not of what one would put first.
    let names = ["B", "a-", "a/é", "a\u{e000}", "a\u{10000}"];
    for name in names.iter().rev() {
        put(&store, id, name, bytes(name.len())).await;
    }
    let sealed = seal(&store, id).await;
    assert_eq!(sealed.status, PackageStatus::Finalized);

    let written = manifest(&store, id).await;
    assert_eq!(sealed.manifest_sha256, Some(sha256(&written)));
    let read: Manifest = serde_json::from_slice(&written).unwrap();
    assert_eq!(canonical_json(&read).unwrap(), written);
    let value: serde_json::Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(canonical_json(&value).unwrap(), written);

    assert_eq!(read.schema, SCHEMA);
    assert_eq!((read.file_count, read.total_bytes), (sealed.file_count, sealed.total_bytes));
    let sorted: Vec<_> = read.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(sorted, names);
    for file in &read.files {
        let content = bytes(file.path.as_str().len());
        assert_eq!((file.sha256, file.blake3), (sha256(&content), blake3(&content)));
        assert_eq!(file.size, content.len() as u64);
    }
    let package = &read.package;
    assert_eq!((package.id, Some(package.finalized_at)), (id, sealed.finalized_at));
    assert_eq!(package.created_at, sealed.created_at);
    for member in ["producer", "external_id", "title", "labels", "metadata"] {
        assert_eq!(value["package"][member], said[member], "{member}");
    }
    assert_eq!(value["package"]["kind"], "directory");
    assert_eq!(value["package"]["retention_class"], "raw-evidence");
}

pub(crate) async fn the_payload_manifest_is_what_a_client_computes(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let files: [(&str, &[u8]); 5] =
        [("z", b"z"), ("a/b", b""), ("a-", b"x"), ("100%", b"%"), ("ä b", b"ab")];
    for (name, content) in files {
        put(&store, id, name, content).await;
    }
    let expected = payload_manifest_sha256(&files);
    let sent = FinalizePackage {
        file_count: Some(5),
        total_bytes: Some(5),
        payload_manifest_sha256: Some(expected),
    };
    let sealed = store.finalize(id, sent).await.unwrap();
    assert_eq!(sealed.payload_manifest_sha256, Some(expected));
    assert_sound(&store, id).await;
}

pub(crate) async fn what_was_sent_is_held_against_what_is_there(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "a", bytes(10)).await;
    put(&store, id, "b", bytes(20)).await;
    let finalize = |file_count, total_bytes, payload_manifest_sha256| {
        let sent = FinalizePackage { file_count, total_bytes, payload_manifest_sha256 };
        let store = store.clone();
        async move { store.finalize(id, sent).await }
    };
    for wrong in [0, 1, 3] {
        assert_refused!(
            finalize(Some(wrong), Some(30), None).await,
            StoreError::NotAsSent { what: "files", expected, actual: 2, .. } if expected == wrong
        );
    }
    assert_refused!(
        finalize(Some(2), Some(29), None).await,
        StoreError::NotAsSent { what: "bytes", expected: 29, actual: 30, .. }
    );
    let right = payload_manifest_sha256(&[("a", &bytes(10)), ("b", &bytes(20))]);
    let wrong = payload_manifest_sha256(&[("a", &bytes(10)), ("c", &bytes(20))]);
    assert_refused!(
        finalize(None, None, Some(wrong)).await,
        StoreError::Mismatch { expected, actual, .. }
            if (&expected, &actual) == (&wrong.to_string(), &right.to_string())
    );
    let open_still = store.package(id).await.unwrap();
    assert_eq!((open_still.status, open_still.finalized_at), (PackageStatus::Uploading, None));
    assert!(!actions(&store, id).await.contains(&AuditAction::PackageFinalized));
    // It is open indeed, and sealed right after.
    put(&store, id, "c", bytes(30)).await;
    store.remove_file(id, &super::path("c")).await.unwrap();
    finalize(Some(2), Some(30), Some(right)).await.unwrap();
    assert_sound(&store, id).await;
}

pub(crate) async fn a_package_without_files_is_not_finalized(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let empty = || store.finalize(id, FinalizePackage::default());
    assert_refused!(empty().await, StoreError::Empty(told) if told == id);
    put(&store, id, "x", "x").await;
    store.remove_file(id, &super::path("x")).await.unwrap();
    assert_refused!(empty().await, StoreError::Empty(told) if told == id);
    // One file of no bytes is enough.
    put(&store, id, "x", "").await;
    let sealed = empty().await.unwrap();
    assert_eq!((sealed.file_count, sealed.total_bytes), (1, 0));
    assert_sound(&store, id).await;
}

pub(crate) async fn finalizing_again_answers_the_same_package(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    let sealed = seal(&store, id).await;
    assert_eq!(seal(&store, id).await, sealed);
    let other = open(&options).await;
    assert_eq!(seal(&other, id).await, sealed);
    drop(store);
    assert_eq!(seal(&other, id).await, sealed);
    let finalized = actions(&other, id).await;
    assert_eq!(
        finalized,
        [AuditAction::PackageCreated, AuditAction::FilesStored, AuditAction::PackageFinalized]
    );
    assert_eq!(promises(&other, id).await.len(), 2);
}

pub(crate) async fn ten_concurrent_finalizes_seal_once(options: StoreOptions) {
    let stores = [open(&options).await, open(&options).await];
    for round in 0..5 {
        let id = package(&stores[0]).await;
        let files = (0..20).map(|n| super::small(&format!("{n}"), bytes(n * round))).collect();
        stores[0].upload_batch(id, files).await.unwrap();
        let tasks = (0..10).map(|n| {
            let store = stores[n % 2].clone();
            tokio::spawn(async move { store.finalize(id, FinalizePackage::default()).await })
        });
        let answers = futures::future::join_all(tasks).await;
        let answers: Vec<_> = answers.into_iter().map(|task| task.unwrap().unwrap()).collect();
        for answer in &answers {
            assert_eq!(answer, &answers[0]);
        }
        let sealed = stores[1].package(id).await.unwrap();
        assert_eq!(sealed, answers[0]);
        assert_eq!(sealed.manifest_sha256, Some(sha256(&manifest(&stores[1], id).await)));
        let events = actions(&stores[0], id).await;
        let seals = events.iter().filter(|action| **action == AuditAction::PackageFinalized);
        assert_eq!(seals.count(), 1);
        assert_eq!(promises(&stores[0], id).await.len(), 2);
        assert_sound(&stores[0], id).await;
    }
}

pub(crate) async fn a_package_is_not_finalized_while_a_file_arrives(options: StoreOptions) {
    let (store, other) = (open(&options).await, open(&options).await);
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    let (mut send, body) = futures::channel::mpsc::channel::<io::Result<Bytes>>(1);
    let uploading = {
        let store = store.clone();
        tokio::spawn(async move { store.upload(id, new("y"), body).await })
    };
    for _ in 0..3 {
        futures::SinkExt::send(&mut send, Ok(bytes(10))).await.unwrap();
    }
    for store in [&store, &other] {
        assert_refused!(
            store.finalize(id, FinalizePackage::default()).await,
            StoreError::UploadInProgress { package, path } if (package, path.as_str()) == (id, "y")
        );
    }
    drop(send);
    uploading.await.unwrap().unwrap();
    assert_eq!(seal(&other, id).await.file_count, 2);
    assert_sound(&store, id).await;
}

pub(crate) async fn a_failed_package_is_not_finalized(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    store.fail_package(id, "no".parse().unwrap()).await.unwrap();
    assert_refused!(
        store.finalize(id, FinalizePackage::default()).await,
        StoreError::WrongStatus { package, status: PackageStatus::Failed, .. } if package == id
    );
}

pub(crate) async fn finalizing_moves_the_expiry_to_the_later_date(options: StoreOptions) {
    let store = open(&options).await;
    let made = create(&store, json!({"producer": "ci", "retention_class": "transient"})).await;
    put(&store, made.id, "x", "x").await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let sealed = seal(&store, made.id).await;
    let finalized_at = sealed.finalized_at.unwrap();
    assert!(finalized_at > made.created_at);
    assert_eq!(sealed.expires_at, Some(finalized_at.plus_days(7)));
    let events = promises(&store, made.id).await;
    let [_, moved] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(moved.kind, RetentionEventKind::ExpiryMoved);
    assert_eq!(moved.before["expires_at"], json!(made.expires_at));
    assert_eq!(moved.after["expires_at"], json!(sealed.expires_at));
    assert_eq!(moved.after["retention_class"], "transient");
}

pub(crate) async fn a_rule_that_changed_does_not_change_a_package(options: StoreOptions) {
    let store = open(&options).await;
    let said = json!({"producer": "ci", "retention_class": "transient"});
    let made = create(&store, said.clone()).await;
    put(&store, made.id, "x", "x").await;
    add_rule(&options, "transient", 2, 1000).await;
    let sealed = seal(&store, made.id).await;
    assert_eq!(sealed.rule_version, 1);
    assert_eq!(sealed.expires_at, Some(sealed.finalized_at.unwrap().plus_days(7)));
    let next = create(&store, said).await;
    assert_eq!(next.rule_version, 2);
    assert_eq!(next.expires_at, Some(next.created_at.plus_days(1000)));
}

pub(crate) async fn a_permanent_package_stays_permanent(options: StoreOptions) {
    let store = open(&options).await;
    let said = json!({"producer": "ci", "retention_class": "permanent-record"});
    let id = create(&store, said).await.id;
    put(&store, id, "x", "x").await;
    assert_eq!(seal(&store, id).await.expires_at, None);
    // Nothing moved, so nothing is said to have.
    assert_eq!(promises(&store, id).await.len(), 1);
}

pub(crate) async fn the_manifest_never_changes(options: StoreOptions) {
    let store = open(&options).await;
    let id =
        create(&store, json!({"producer": "ci", "title": "old", "labels": {"a": "1"}})).await.id;
    put(&store, id, "x", "x").await;
    let sealed = seal(&store, id).await;
    let before = manifest(&store, id).await;
    let change: UpdatePackage =
        serde_json::from_value(json!({"title": "new", "labels": {"b": "2"}})).unwrap();
    let changed = store.update_package(id, change, None).await.unwrap();
    assert_eq!(changed.description.title.unwrap().as_str(), "new");
    assert_eq!(changed.manifest_sha256, sealed.manifest_sha256);
    assert_eq!(manifest(&store, id).await, before);
    assert_sound(&store, id).await;
    // Nor does the answer to another finalize: it is the package as it is now.
    assert_eq!(seal(&store, id).await.manifest_sha256, sealed.manifest_sha256);
    assert_eq!(manifest(&open(&options).await, id).await, before);
}

pub(crate) async fn there_is_no_manifest_before_finalize(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let too_early = |status| {
        let store = store.clone();
        async move {
            assert_refused!(
                store.manifest(id).await,
                StoreError::WrongStatus { package, status: told, .. } if (package, told) == (id, status)
            );
        }
    };
    too_early(PackageStatus::Created).await;
    put(&store, id, "x", "x").await;
    too_early(PackageStatus::Uploading).await;
    store.fail_package(id, "no".parse().unwrap()).await.unwrap();
    too_early(PackageStatus::Failed).await;
    let unknown = PackageId::generate(now());
    assert_refused!(store.manifest(unknown).await, StoreError::NoPackage(told) if told == unknown);
}

pub(crate) async fn a_sealed_package_proves_itself(options: StoreOptions) {
    let store = open(&options).await;
    let id = create(&store, json!({"producer": "ci", "title": "T", "external_id": "e"})).await.id;
    for n in 0..7 {
        put(&store, id, &format!("{n}"), bytes(n * 100_000)).await;
    }
    let unsealed = store.verify(id, |_| ()).await.unwrap();
    assert_eq!((unsealed.problems, unsealed.manifest_sha256), (vec![], None));
    let sealed = seal(&store, id).await;
    let seen = std::sync::Mutex::new(Vec::new());
    let found = store.verify(id, |size| seen.lock().unwrap().push(size)).await.unwrap();
    assert_eq!(found.problems, []);
    assert_eq!((found.package_id, found.manifest_sha256), (id, sealed.manifest_sha256));
    assert_eq!((found.files_checked, found.bytes_checked), (7, 2_100_000));
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, [0, 100_000, 200_000, 300_000, 400_000, 500_000, 600_000]);
    let unknown = PackageId::generate(now());
    assert_refused!(store.verify(unknown, |_| ()).await, StoreError::NoPackage(told) if told == unknown);
}
