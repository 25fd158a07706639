//! Changes of a package, and what is told about it.

use artifact_domain::event::AuditAction;
use artifact_domain::filter::PackageFilter;
use artifact_domain::wire::{CheckFile, CheckFilesRequest, UpdatePackage};
use artifact_domain::{Package, PackageId, PackageStatus};
use artifact_store::{ArtifactStore, StoreError, StoreOptions};
use serde_json::{Value, json};

use super::{
    actions, assert_refused, bytes, create, limit, new, now, open, package, path, put, replacing,
    seal, sha256, trail,
};

async fn update(
    store: &ArtifactStore,
    id: PackageId,
    change: Value,
    expected: Option<u64>,
) -> Result<Package, StoreError> {
    let change: UpdatePackage = serde_json::from_value(change).unwrap();
    store.update_package(id, change, expected).await
}

fn said(package: &Package) -> Value {
    json!({"title": package.description.title, "labels": package.description.labels})
}

pub(crate) async fn a_title_is_set_and_cleared_and_labels_are_replaced(options: StoreOptions) {
    let store = open(&options).await;
    let id = create(&store, json!({"producer": "ci", "labels": {"a": "1", "b": "2"}})).await.id;
    for (change, expected) in [
        (json!({"title": "T"}), json!({"title": "T", "labels": {"a": "1", "b": "2"}})),
        (json!({"labels": {"c": "3"}}), json!({"title": "T", "labels": {"c": "3"}})),
        (json!({}), json!({"title": "T", "labels": {"c": "3"}})),
        (json!({"title": null}), json!({"title": null, "labels": {"c": "3"}})),
        (json!({"title": "U", "labels": {}}), json!({"title": "U", "labels": {}})),
    ] {
        let before = store.package(id).await.unwrap();
        let changed = update(&store, id, change, None).await.unwrap();
        assert_eq!(said(&changed), expected);
        assert_eq!(store.package(id).await.unwrap(), changed);
        let event = trail(&store, id).await.pop().unwrap();
        assert_eq!(event.action, AuditAction::PackageUpdated);
        assert_eq!(event.details["before"], said(&before));
        assert_eq!(event.details["after"], expected);
    }
    // Lists go by the labels of now; a finalized package can be relabelled too.
    put(&store, id, "x", "x").await;
    seal(&store, id).await;
    update(&store, id, json!({"labels": {"d": "4"}}), None).await.unwrap();
    for (labels, found) in [(json!({"a": "1"}), 0), (json!({"c": "3"}), 0), (json!({"d": "4"}), 1)]
    {
        let labels = serde_json::from_value(labels).unwrap();
        let filter = PackageFilter { labels, ..PackageFilter::default() };
        assert_eq!(store.packages(filter, None, limit(10)).await.unwrap().items.len(), found);
    }
    let unknown = PackageId::generate(now());
    assert_refused!(update(&store, unknown, json!({}), None).await, StoreError::NoPackage(_));
}

pub(crate) async fn an_update_of_what_somebody_else_changed_is_refused(options: StoreOptions) {
    let (store, other) = (open(&options).await, open(&options).await);
    let made = create(&store, json!({"producer": "ci"})).await;
    let first = update(&store, made.id, json!({"title": "A"}), Some(made.revision)).await.unwrap();
    assert_refused!(
        update(&other, made.id, json!({"title": "B"}), Some(made.revision)).await,
        StoreError::Changed { package, expected, actual }
            if (package, expected, actual) == (made.id, made.revision, first.revision)
    );
    assert_eq!(store.package(made.id).await.unwrap(), first);
    assert_eq!(
        actions(&store, made.id).await,
        [AuditAction::PackageCreated, AuditAction::PackageUpdated]
    );
    update(&other, made.id, json!({"title": "B"}), Some(first.revision)).await.unwrap();
}

pub(crate) async fn every_change_moves_the_revision(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let mut revision = store.package(id).await.unwrap().revision;
    let mut moved = async |what: &str| {
        let now = store.package(id).await.unwrap().revision;
        assert!(now > revision, "{what}");
        revision = now;
    };
    put(&store, id, "x", "x").await;
    moved("upload").await;
    store.upload_bytes(id, replacing("x"), "x").await.unwrap();
    moved("replace").await;
    store.remove_file(id, &path("x")).await.unwrap();
    moved("remove").await;
    store.upload_batch(id, vec![super::small("y", "y")]).await.unwrap();
    moved("batch").await;
    update(&store, id, json!({"title": "T"}), None).await.unwrap();
    moved("update").await;
    let sealed = seal(&store, id).await;
    moved("finalize").await;
    assert_eq!(store.package(id).await.unwrap(), sealed);
    // What changes nothing leaves it.
    seal(&store, id).await;
    store.upload_bytes(id, new("z"), "z").await.unwrap_err();
    store.verify(id, |_| ()).await.unwrap();
    assert_eq!(store.package(id).await.unwrap(), sealed);
}

pub(crate) async fn a_package_is_failed_once_and_with_a_reason(options: StoreOptions) {
    let store = open(&options).await;
    for with_file in [false, true] {
        let made = create(&store, json!({"producer": "ci"})).await;
        if with_file {
            put(&store, made.id, "x", "x").await;
        }
        let reason = "the disk\nwas full";
        let failed = store.fail_package(made.id, reason.parse().unwrap()).await.unwrap();
        assert_eq!(failed.status, PackageStatus::Failed);
        assert_eq!(failed.failure_reason.as_ref().unwrap().as_str(), reason);
        assert_eq!((failed.expires_at, failed.finalized_at), (made.expires_at, None));
        assert_eq!(store.package(made.id).await.unwrap(), failed);
        let event = trail(&store, made.id).await.pop().unwrap();
        assert_eq!(event.action, AuditAction::PackageFailed);
        assert_eq!(event.details["reason"], reason);
        assert_refused!(
            store.fail_package(made.id, "again".parse().unwrap()).await,
            StoreError::WrongStatus { status: PackageStatus::Failed, .. }
        );
        assert_eq!(store.package(made.id).await.unwrap(), failed);
    }
}

pub(crate) async fn a_client_learns_which_files_it_need_not_send(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "same", "same").await;
    put(&store, id, "digest", "1234").await;
    put(&store, id, "size", "12345").await;
    put(&store, id, "unasked", "u").await;
    let file = |name: &str, content: &str, size| CheckFile {
        path: path(name),
        size,
        sha256: sha256(content.as_bytes()),
    };
    let asked = [
        file("gone", "", 0),
        file("same", "same", 4),
        file("digest", "4321", 4),
        file("size", "12345", 6),
        file("Same", "same", 4),
        file("same", "same", 4),
    ];
    for sealed in [false, true] {
        if sealed {
            seal(&store, id).await;
        }
        let request = CheckFilesRequest { files: asked.to_vec() };
        let answer = store.check_files(id, request).await.unwrap();
        let names = |paths: &[artifact_domain::LogicalPath]| {
            paths.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(&answer.present), ["same", "same"]);
        assert_eq!(names(&answer.missing), ["gone", "Same"]);
        assert_eq!(names(&answer.different), ["digest", "size"]);
    }
    let unknown = PackageId::generate(now());
    let nothing = CheckFilesRequest { files: Vec::new() };
    assert_refused!(store.check_files(unknown, nothing).await, StoreError::NoPackage(_));
}

pub(crate) async fn a_summary_says_what_a_tracker_needs(options: StoreOptions) {
    let store = open(&options).await;
    let id = create(
        &store,
        json!({
            "producer": "ci", "external_id": "7", "title": "T", "labels": {"a": "1"},
            "metadata": {"secret": "not for a tracker"},
        }),
    )
    .await
    .id;
    put(&store, id, "x", bytes(1000)).await;
    let sealed = seal(&store, id).await;
    let summary = serde_json::to_value(store.summary(id).await.unwrap()).unwrap();
    let expected = json!({
        "package_id": id, "url": null, "producer": "ci", "kind": "directory", "external_id": "7",
        "title": "T", "status": "finalized", "file_count": 1, "total_bytes": 1000,
        "manifest_sha256": sealed.manifest_sha256, "retention_class": "raw-evidence",
        "expires_at": sealed.expires_at, "on_hold": false, "created_at": sealed.created_at,
        "finalized_at": sealed.finalized_at, "labels": {"a": "1"},
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&summary[member], value, "{member}");
    }
    assert!(!summary.to_string().contains("secret"));
}

pub(crate) async fn the_audit_trail_tells_the_story_in_order(options: StoreOptions) {
    let store = open(&options).await;
    let other = package(&store).await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    put(&store, other, "y", "y").await;
    update(&store, id, json!({"title": "T"}), None).await.unwrap();
    let sealed = seal(&store, id).await;
    let events = trail(&store, id).await;
    let told: Vec<_> = events.iter().map(|event| event.action).collect();
    assert_eq!(
        told,
        [
            AuditAction::PackageCreated,
            AuditAction::FilesStored,
            AuditAction::PackageUpdated,
            AuditAction::PackageFinalized,
        ]
    );
    assert!(events.is_sorted_by(|a, b| a.seq < b.seq && a.at <= b.at));
    assert!(events.iter().all(|event| event.package_id == Some(id)));
    let last = &events[3].details;
    assert_eq!(last["manifest_sha256"], json!(sealed.manifest_sha256));
    assert_eq!((&last["file_count"], &last["total_bytes"]), (&json!(1), &json!(1)));
}
