//! What the tests of retention share.

use artifact_domain::event::{AuditAction, AuditEvent, Origin, RetentionEvent, RetentionEventKind};
use artifact_domain::name::{Actor, Reason, RequestId};
use artifact_domain::retention::{ConsultedRule, DeletionReceipt, Hold, RetentionReason, Verdict};
use artifact_domain::wire::RetentionView;
use artifact_domain::{Package, PackageId, Timestamp};
use artifact_registry::{Durability, OpenMode, Registry, RegistryError, Writer};
use artifact_store::{ArtifactStore, PutClass, StoreError, StoreOptions};
use serde_json::{Value, json};

use super::{bytes, create, limit, promises, put, seal, trail};

/// A class that keeps nothing: what is in it can be deleted as soon as it is sealed or failed.
pub(crate) const AT_ONCE: &str = "at-once";

/// What a sweep found: unfinished deletions and stale records. Nothing of it failed.
pub(crate) async fn swept(store: &ArtifactStore, apply: bool) -> (Vec<PackageId>, Vec<PackageId>) {
    let found = store.sweep(apply).await.unwrap();
    assert!(found.failures.is_empty(), "{:?}", found.failures);
    (found.unfinished_deletions, found.stale_records)
}

pub(crate) fn reason(text: &str) -> Reason {
    Reason::parse(text).unwrap()
}

/// A time and so many microseconds more.
pub(crate) fn shifted(at: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_unix_micros(at.unix_micros() + micros).unwrap()
}

/// The same store, acting for Anna in request `r-1`; [`assert_recorded`] looks for both.
pub(crate) fn as_anna(store: &ArtifactStore) -> ArtifactStore {
    store.acting_as(Origin {
        actor: Actor::parse("Anna").unwrap(),
        request_id: Some(RequestId::parse("r-1").unwrap()),
    })
}

pub(crate) async fn put_class(
    store: &ArtifactStore,
    class: &str,
    period_days: Option<u32>,
) -> PutClass {
    let request = serde_json::from_value(json!({"period_days": period_days})).unwrap();
    store.put_retention_class(class.parse().unwrap(), request).await.unwrap()
}

/// Adds [`AT_ONCE`]; once for each store.
pub(crate) async fn allow_deleting(store: &ArtifactStore) {
    assert!(put_class(store, AT_ONCE, Some(0)).await.added);
}

/// An open package with two files, in a class.
pub(crate) async fn filled(store: &ArtifactStore, class: &str) -> Package {
    let made = create(store, json!({"producer": "ci", "retention_class": class})).await;
    put(store, made.id, "a", bytes(1000)).await;
    put(store, made.id, "folder/b", "b").await;
    made
}

/// A sealed package with two files, in a class.
pub(crate) async fn sealed(store: &ArtifactStore, class: &str) -> Package {
    let id = filled(store, class).await.id;
    seal(store, id).await
}

/// Seals a package that nothing protects.
pub(crate) async fn expired(store: &ArtifactStore) -> Package {
    sealed(store, AT_ONCE).await
}

/// Does to a store's registry what no use case does.
pub(crate) async fn behind<T: Send + 'static>(
    options: &StoreOptions,
    change: impl FnOnce(&mut Writer<'_>) -> Result<T, RegistryError> + Send + 'static,
) -> T {
    let url = options.database.clone();
    let changing =
        move || Registry::open(&url, OpenMode::Existing)?.write(Durability::Synced, change);
    tokio::task::spawn_blocking(changing).await.unwrap().unwrap()
}

/// Gives a package the expiry that it would have had, had it been made long ago.
pub(crate) async fn expire(options: &StoreOptions, id: PackageId, expires_at: Timestamp) {
    behind(options, move |writer| {
        let package = writer.package(id)?.unwrap();
        let class = package.description.retention_class;
        writer.set_retention(id, &class, package.rule_version, Some(expires_at), package.updated_at)
    })
    .await;
}

/// Asks for an extension: `{"days": 3}` and the like.
pub(crate) async fn extend(
    store: &ArtifactStore,
    id: PackageId,
    mut until: Value,
) -> Result<RetentionView, StoreError> {
    until["reason"] = "an appeal".into();
    store.extend_retention(id, serde_json::from_value(until).unwrap()).await
}

pub(crate) async fn change_class(
    store: &ArtifactStore,
    id: PackageId,
    class: &str,
) -> Result<RetentionView, StoreError> {
    let request = json!({"retention_class": class, "reason": "a release"});
    store.change_retention_class(id, serde_json::from_value(request).unwrap()).await
}

pub(crate) async fn try_hold(store: &ArtifactStore, id: PackageId) -> Result<Hold, StoreError> {
    let request = json!({"reason": "a lawsuit", "mandate": "case 7"});
    store.place_hold(id, serde_json::from_value(request).unwrap()).await
}

pub(crate) async fn hold(store: &ArtifactStore, id: PackageId) -> Hold {
    try_hold(store, id).await.unwrap()
}

pub(crate) async fn release(store: &ArtifactStore, hold: &Hold) -> Result<Hold, StoreError> {
    store.release_hold(hold.package_id, hold.id, reason("settled")).await
}

/// All holds of a package.
pub(crate) async fn holds(store: &ArtifactStore, id: PackageId) -> Vec<Hold> {
    let page = store.holds(id, None, limit(1000)).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.items
}

pub(crate) async fn delete(
    store: &ArtifactStore,
    id: PackageId,
) -> Result<DeletionReceipt, StoreError> {
    let request = json!({"reason": "no use any more"});
    store.delete_package(id, serde_json::from_value(request).unwrap()).await
}

pub(crate) async fn dry_run(
    store: &ArtifactStore,
    id: PackageId,
) -> Result<DeletionReceipt, StoreError> {
    let request = json!({"reason": "no use any more", "dry_run": true});
    store.delete_package(id, serde_json::from_value(request).unwrap()).await
}

/// The rules that protect, in their order.
pub(crate) fn protecting(reasons: &[RetentionReason]) -> Vec<ConsultedRule> {
    let protecting = reasons.iter().filter(|reason| reason.verdict == Verdict::Protects);
    protecting.map(|reason| reason.rule).collect()
}

/// The rules that stood in the way of a deletion.
pub(crate) fn refused_by<T>(answer: Result<T, StoreError>) -> Vec<ConsultedRule> {
    match answer {
        Err(StoreError::NotEligible { reasons, .. }) => protecting(&reasons),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it was not refused"),
    }
}

/// All that is told of a package: what is refused leaves it as it was.
pub(crate) async fn told(
    store: &ArtifactStore,
    id: PackageId,
) -> (Package, Vec<AuditEvent>, Vec<RetentionEvent>, Vec<Hold>) {
    let package = store.package(id).await.unwrap();
    (package, trail(store, id).await, promises(store, id).await, holds(store, id).await)
}

/// What a package is promised, as events tell it.
pub(crate) fn promise(package: &Package) -> Value {
    json!({
        "retention_class": package.description.retention_class,
        "rule_version": package.rule_version,
        "expires_at": package.expires_at,
    })
}

/// A change that Anna made is the last event of both trails, with all that belongs to it.
pub(crate) async fn assert_recorded(
    store: &ArtifactStore,
    id: PackageId,
    change: (RetentionEventKind, AuditAction),
    why: &str,
    (before, after): (Value, Value),
) {
    let promised = promises(store, id).await.pop().unwrap();
    assert_eq!((promised.kind, promised.reason.as_str()), (change.0, why));
    assert_eq!(promised.actor.as_str(), "Anna");
    assert_eq!(promised.request_id.as_ref().unwrap().as_str(), "r-1");
    assert_eq!((&promised.before, &promised.after), (&before, &after));
    let audited = trail(store, id).await;
    let audited = audited.iter().rfind(|event| event.action == change.1).unwrap();
    assert_eq!((audited.at, audited.package_id), (promised.at, Some(id)));
    assert_eq!((&audited.actor, &audited.request_id), (&promised.actor, &promised.request_id));
    let details = json!({"reason": why, "before": before, "after": after});
    assert_eq!(Value::Object(audited.details.clone()), details);
}
