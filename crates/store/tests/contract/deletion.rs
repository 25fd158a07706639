//! Deleting what nothing protects, and what is left of it.

use artifact_domain::event::{AuditAction, RetentionEventKind};
use artifact_domain::filter::PackageFilter;
use artifact_domain::retention::{DeletionReceipt, Hold};
use artifact_domain::wire::{CheckFilesRequest, ErrorCode, FinalizePackage};
use artifact_domain::{Package, PackageId, PackageStatus};
use artifact_store::{ArchiveFormat, ArtifactStore, NewUpload, StoreError, StoreOptions};
use serde_json::json;

use super::kept::{
    AT_ONCE, allow_deleting, as_anna, assert_recorded, change_class, delete, dry_run, expired,
    extend, hold, promise, reason, release, told, try_hold,
};
use super::{
    actions, assert_refused, bytes, collect, create, limit, new, now, open, package, path, paths,
    pieces, promises, put, read, seal, small,
};

const DELETED: (RetentionEventKind, AuditAction) =
    (RetentionEventKind::Deleted, AuditAction::PackageDeleted);

/// Asserts that what needs a package that is there answers that it was deleted, and changes
/// nothing.
async fn assert_gone(store: &ArtifactStore, id: PackageId, held: &Hold) {
    let before = told(store, id).await;
    let tombstone = &before.0;
    let (at, why) = (tombstone.deleted_at.unwrap(), tombstone.deletion_reason.clone().unwrap());
    let upload = |name| store.upload_bytes(id, new(name), "again");
    let replace = NewUpload { replace: true, ..new("a") };
    let update = serde_json::from_value(json!({"title": "T"})).unwrap();
    let no_files = CheckFilesRequest { files: Vec::new() };
    let nothing = futures::stream::empty::<std::io::Result<bytes::Bytes>>();
    for (what, error) in [
        ("read", read(store, id, "a").await.err()),
        ("read what never was", read(store, id, "never").await.err()),
        ("read a range", store.read_file(id, &path("a"), Some(0..3)).await.err()),
        ("tar", store.archive(id, ArchiveFormat::Tar).await.err()),
        ("zip", store.archive(id, ArchiveFormat::Zip).await.err()),
        ("verify", store.verify(id, |_| ()).await.err()),
        ("check", store.check_files(id, no_files).await.err()),
        ("upload", upload("new").await.err()),
        ("upload again", upload("a").await.err()),
        ("replace", store.upload_bytes(id, replace, "again").await.err()),
        ("upload in pieces", store.upload(id, new("y"), pieces(&bytes(9), 3)).await.err()),
        ("batch", store.upload_batch(id, vec![small("z", "z")]).await.unwrap().remove(0).err()),
        ("tar of files", store.upload_tar(id, nothing).await.err()),
        ("remove", store.remove_file(id, &path("a")).await.err()),
        ("update", store.update_package(id, update, None).await.err()),
        ("fail", store.fail_package(id, reason("no")).await.err()),
        ("finalize", store.finalize(id, FinalizePackage::default()).await.err()),
        ("extend", extend(store, id, json!({"days": 1})).await.err()),
        ("class", change_class(store, id, "permanent-record").await.err()),
        ("hold", try_hold(store, id).await.err()),
        ("release", release(store, held).await.err()),
        ("delete", delete(store, id).await.err()),
        ("dry run", dry_run(store, id).await.err()),
    ] {
        let error = error.unwrap_or_else(|| panic!("{what} was not refused"));
        assert_eq!(error.code(), ErrorCode::PackageDeleted, "{what}: {error}");
        match error {
            StoreError::Deleted { package, deleted_at, reason } => {
                assert_eq!((package, deleted_at, &reason), (id, at, &why), "{what}");
            }
            error => panic!("{what}: {error}"),
        }
    }
    assert_eq!(told(store, id).await, before);
}

pub(crate) async fn a_package_that_nothing_protects_is_deleted_and_its_story_stays(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let other = open(&options).await;
    allow_deleting(&store).await;
    let said = json!({
        "producer": "ci", "external_id": "7", "title": "T", "labels": {"a": "1"},
        "retention_class": AT_ONCE,
    });
    let id = create(&store, said).await.id;
    put(&store, id, "a", bytes(3_000_000)).await;
    put(&store, id, "deep/er/b", "b").await;
    seal(&store, id).await;
    let held = hold(&store, id).await;
    release(&store, &held).await.unwrap();
    let before = store.package(id).await.unwrap();
    let files = store.files(id, None, None, limit(10)).await.unwrap();
    let manifest = collect(store.manifest(id).await.unwrap().bytes).await.unwrap();
    let history = (actions(&store, id).await, promises(&store, id).await);

    let asked_at = now();
    let receipt = delete(&as_anna(&store), id).await.unwrap();
    assert!((asked_at..=now()).contains(&receipt.deleted_at));
    assert!(receipt.bytes_removed_at.is_some_and(|at| at >= receipt.deleted_at));
    let view = other.retention(id, None).await.unwrap();
    let expected = DeletionReceipt {
        package_id: id,
        manifest_sha256: before.manifest_sha256,
        file_count: 2,
        total_bytes: 3_000_001,
        deleted_at: receipt.deleted_at,
        actor: "Anna".parse().unwrap(),
        request_id: Some("r-1".parse().unwrap()),
        reason: reason("no use any more"),
        retention_class: AT_ONCE.parse().unwrap(),
        rule_version: 1,
        expires_at: before.expires_at,
        reasons: receipt.reasons.clone(),
        bytes_removed: 3_000_001,
        bytes_removed_at: receipt.bytes_removed_at,
        dry_run: false,
    };
    assert_eq!(receipt, expected);
    // Status, expiry and hold were asked, and all of them allowed it.
    assert_eq!(receipt.reasons.len(), 3);
    assert_eq!(super::kept::protecting(&receipt.reasons), []);

    // The tombstone is the package as it was, and how it ended.
    let tombstone = other.package(id).await.unwrap();
    let meant = Package {
        status: PackageStatus::Deleted,
        deleted_at: Some(receipt.deleted_at),
        deletion_reason: Some(reason("no use any more")),
        updated_at: receipt.deleted_at,
        revision: tombstone.revision,
        ..before.clone()
    };
    assert_eq!(tombstone, meant);
    assert!(tombstone.revision > before.revision);
    assert_eq!((view.status, view.eligible), (PackageStatus::Deleted, false));
    for store in [&store, &other, &open(&options).await] {
        assert_eq!(store.deletion(id).await.unwrap(), receipt);
        assert_eq!(store.files(id, None, None, limit(10)).await.unwrap(), files);
        assert_eq!(collect(store.manifest(id).await.unwrap().bytes).await.unwrap(), manifest);
        assert_eq!(store.summary(id).await.unwrap().status, PackageStatus::Deleted);
        assert_eq!(store.holds(id, None, limit(10)).await.unwrap().items.len(), 1);
        let deleted = PackageFilter { status: Some(PackageStatus::Deleted), ..Default::default() };
        let listed = store.packages(deleted, None, limit(10)).await.unwrap().items;
        assert_eq!(listed, std::slice::from_ref(&tombstone));
        assert_gone(store, id, &held).await;
    }

    // Both trails go on where they were.
    let after = json!({
        "status": "deleted", "deleted_at": receipt.deleted_at,
        "manifest_sha256": before.manifest_sha256, "file_count": 2, "total_bytes": 3_000_001,
        "reasons": receipt.reasons,
    });
    assert_recorded(&store, id, DELETED, "no use any more", (promise(&before), after)).await;
    let ends = [AuditAction::PackageDeleted, AuditAction::BytesRemoved];
    assert_eq!(actions(&store, id).await, [history.0, ends.to_vec()].concat());
    let told = promises(&store, id).await;
    assert_eq!(told[..told.len() - 1], history.1);
    let removed = super::trail(&store, id).await.pop().unwrap();
    assert_eq!((removed.actor.as_str(), removed.at), ("Anna", receipt.bytes_removed_at.unwrap()));
    assert_eq!(removed.details["bytes_removed"], 3_000_001);
}

pub(crate) async fn a_failed_package_is_deleted_with_the_files_that_it_got(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    for files in 0..3 {
        let made = create(&store, json!({"producer": "ci", "retention_class": AT_ONCE})).await;
        for n in 0..files {
            put(&store, made.id, &format!("{n}"), bytes(100)).await;
        }
        store.fail_package(made.id, reason("the disk was full")).await.unwrap();
        let receipt = delete(&store, made.id).await.unwrap();
        assert_eq!((receipt.file_count, receipt.total_bytes), (files, files * 100));
        assert_eq!((receipt.manifest_sha256, receipt.expires_at), (None, made.expires_at));
        assert_eq!(receipt.bytes_removed, files * 100);
        assert!(receipt.bytes_removed_at.is_some());
        assert_eq!(store.deletion(made.id).await.unwrap(), receipt);
        let tombstone = store.package(made.id).await.unwrap();
        assert_eq!(tombstone.status, PackageStatus::Deleted);
        assert_eq!(tombstone.failure_reason, Some(reason("the disk was full")));
        assert_refused!(delete(&store, made.id).await, StoreError::Deleted { .. });
        assert_eq!(paths(&store, made.id).await.len() as u64, files);
    }
}

pub(crate) async fn a_deleted_package_leaves_its_external_id_to_others(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let said = json!({"producer": "ci", "external_id": "7", "retention_class": AT_ONCE});
    let first = create(&store, said.clone()).await.id;
    put(&store, first, "x", "first").await;
    seal(&store, first).await;
    let again = super::request(said.clone());
    assert_refused!(
        store.create_package(again).await,
        StoreError::PackageExists { package, .. } if package == first
    );
    delete(&store, first).await.unwrap();
    let second = create(&store, said).await.id;
    assert_ne!(second, first);
    put(&store, second, "x", "second").await;
    seal(&store, second).await;
    assert_eq!(read(&store, second, "x").await.unwrap(), b"second");
    assert_refused!(read(&store, first, "x").await, StoreError::Deleted { .. });
}

pub(crate) async fn there_is_no_receipt_before_a_deletion(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let id = expired(&store).await.id;
    for asked in [store.deletion(id).await, store.finish_deletion(id).await] {
        let error = asked.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert!(matches!(error, StoreError::NotDeleted(told) if told == id), "{error}");
    }
    assert_eq!(read(&store, id, "folder/b").await.unwrap(), b"b");
    let unknown = PackageId::generate(now());
    for asked in [
        store.deletion(unknown).await,
        store.finish_deletion(unknown).await,
        delete(&store, unknown).await,
        dry_run(&store, unknown).await,
    ] {
        assert_refused!(asked, StoreError::NoPackage(told) if told == unknown);
    }
}

pub(crate) async fn an_upload_that_outlives_its_package_stores_nothing(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let other = open(&options).await;
    for seen_by in [&store, &other] {
        let said = json!({"producer": "ci", "retention_class": AT_ONCE});
        let id = create(&store, said).await.id;
        put(&store, id, "x", "x").await;
        let (mut send, body) = futures::channel::mpsc::channel::<std::io::Result<bytes::Bytes>>(1);
        let uploading = {
            let store = store.clone();
            tokio::spawn(async move { store.upload(id, new("late"), body).await })
        };
        for _ in 0..3 {
            futures::SinkExt::send(&mut send, Ok(bytes(10_000))).await.unwrap();
        }
        seen_by.fail_package(id, reason("given up")).await.unwrap();
        let receipt = delete(seen_by, id).await.unwrap();
        assert_eq!((receipt.file_count, receipt.bytes_removed), (1, 1));
        drop(send);
        let error = uploading.await.unwrap().unwrap_err();
        assert_eq!(error.code(), ErrorCode::PackageDeleted, "{error}");
        assert_eq!(paths(&store, id).await, ["x"]);
        assert_eq!(store.deletion(id).await.unwrap(), receipt);
    }
}

pub(crate) async fn a_store_that_was_opened_to_read_changes_no_promise(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let id = expired(&store).await.id;
    let free = package(&store).await;
    let held = hold(&store, free).await;
    let before = told(&store, id).await;
    let reader = open(&options.clone().with_access(artifact_store::Access::Read)).await;
    for (what, error) in [
        ("extend", extend(&reader, id, json!({"days": 1})).await.err()),
        ("class", change_class(&reader, id, "permanent-record").await.err()),
        ("hold", try_hold(&reader, id).await.err()),
        ("release", release(&reader, &held).await.err()),
        ("delete", delete(&reader, id).await.err()),
        ("finish", reader.finish_deletion(id).await.err()),
        ("tend", reader.tend().await.err()),
        ("acknowledge", reader.acknowledge_clock(reason("no")).await.err()),
    ] {
        assert!(matches!(error, Some(StoreError::ReadOnly)), "{what}: {error:?}");
    }
    assert_eq!(told(&store, id).await, before);
    let view = reader.retention(id, None).await.unwrap();
    assert!(view.eligible);
    // What changes nothing may be asked.
    assert!(dry_run(&reader, id).await.unwrap().dry_run);
    assert_eq!(told(&store, id).await, before);
}
