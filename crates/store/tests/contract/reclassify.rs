//! Putting a package into another class.

use artifact_domain::event::{AuditAction, RetentionEventKind};
use artifact_domain::wire::ErrorCode;
use artifact_domain::{Package, PackageId};
use artifact_store::{StoreError, StoreOptions};
use serde_json::json;

use super::kept::{
    as_anna, assert_recorded, change_class, extend, filled, promise, put_class, reason, sealed,
    told,
};
use super::{assert_refused, assert_sound, create, now, open, promises, seal};

const CHANGED: (RetentionEventKind, AuditAction) =
    (RetentionEventKind::ClassChanged, AuditAction::RetentionClassChanged);

pub(crate) async fn a_package_is_put_into_a_class_that_keeps_it_longer(options: StoreOptions) {
    let store = open(&options).await;
    let anna = as_anna(&store);
    put_class(&store, "ninety-days", Some(90)).await;
    let open_package = filled(&store, "transient").await;
    let failed = filled(&store, "transient").await.id;
    let failed = store.fail_package(failed, reason("no")).await.unwrap();
    let sealed = sealed(&store, "transient").await;
    for package in [open_package, failed, sealed] {
        // While it is not sealed the period counts from its creation. Equal is not shorter: a
        // class can be changed for its name.
        let start = package.finalized_at.unwrap_or(package.created_at);
        for (class, expires_at) in [
            ("raw-evidence", Some(start.plus_days(90))),
            ("ninety-days", Some(start.plus_days(90))),
            ("summary-evidence", Some(start.plus_days(365))),
            ("permanent-record", None),
        ] {
            let before = store.package(package.id).await.unwrap();
            let view = change_class(&anna, package.id, class).await.unwrap();
            assert_eq!((view.retention_class.as_str(), view.rule_version), (class, 1));
            assert_eq!(view.expires_at, expires_at);
            let after = store.package(package.id).await.unwrap();
            assert!(after.revision > before.revision);
            let mut meant = Package {
                expires_at,
                revision: after.revision,
                updated_at: after.updated_at,
                ..before.clone()
            };
            meant.description.retention_class = class.parse().unwrap();
            assert_eq!(after, meant);
            let promises = (promise(&before), promise(&after));
            assert_recorded(&store, package.id, CHANGED, "a release", promises).await;
        }
        assert_sound(&store, package.id).await;
    }
}

pub(crate) async fn a_package_is_put_into_the_newer_version_of_its_own_class(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let anna = as_anna(&store);
    let before = sealed(&store, "transient").await;
    assert_eq!(put_class(&store, "transient", Some(8)).await.rule.version, 2);
    let view = change_class(&anna, before.id, "transient").await.unwrap();
    assert_eq!(view.rule_version, 2);
    assert_eq!(view.expires_at, Some(before.finalized_at.unwrap().plus_days(8)));
    let after = store.package(before.id).await.unwrap();
    assert_recorded(&store, before.id, CHANGED, "a release", (promise(&before), promise(&after)))
        .await;
}

pub(crate) async fn a_class_that_keeps_a_package_less_long_is_refused_and_leaves_no_trace(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let permanent = sealed(&store, "permanent-record").await.id;
    let extended = sealed(&store, "transient").await.id;
    extend(&store, extended, json!({"days": 100})).await.unwrap();
    let for_ever = sealed(&store, "transient").await.id;
    extend(&store, for_ever, json!({"permanent": true})).await.unwrap();
    let open_package = filled(&store, "raw-evidence").await.id;
    let raw = sealed(&store, "raw-evidence").await.id;
    // Its own class keeps a package less long, too, once an admin has changed it.
    let outlived = sealed(&store, "summary-evidence").await.id;
    put_class(&store, "summary-evidence", Some(364)).await;
    for (id, class) in [
        (permanent, "release-evidence"),
        (extended, "raw-evidence"),
        (extended, "transient"),
        (for_ever, "release-evidence"),
        (for_ever, "transient"),
        (open_package, "transient"),
        (raw, "transient"),
        (outlived, "summary-evidence"),
    ] {
        let before = told(&store, id).await;
        let error = change_class(&store, id, class).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::RetentionShortened, "{class}: {error}");
        assert!(
            matches!(&error, StoreError::NotReclassified { package, .. } if *package == id),
            "{error}"
        );
        assert_eq!(told(&store, id).await, before);
    }
    // Beyond the extension there is a class.
    let view = change_class(&store, extended, "release-evidence").await.unwrap();
    let sealed_at = store.package(extended).await.unwrap().finalized_at.unwrap();
    assert_eq!(view.expires_at, Some(sealed_at.plus_days(2555)));
    assert_eq!(change_class(&store, for_ever, "permanent-record").await.unwrap().expires_at, None);
}

pub(crate) async fn a_class_that_nobody_made_takes_no_package(options: StoreOptions) {
    let store = open(&options).await;
    let id = sealed(&store, "transient").await.id;
    let before = told(&store, id).await;
    let error = change_class(&store, id, "made-up").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    assert!(error.to_string().contains("summary-evidence"), "{error}");
    assert_eq!(told(&store, id).await, before);
    let unknown = PackageId::generate(now());
    let refused = change_class(&store, unknown, "transient").await;
    assert_refused!(refused, StoreError::NoPackage(told) if told == unknown);
}

pub(crate) async fn a_class_that_changes_leaves_its_packages_as_they_are(options: StoreOptions) {
    let store = open(&options).await;
    let open_package = filled(&store, "transient").await;
    let sealed_package = sealed(&store, "transient").await;
    let mut traces = Vec::new();
    for package in [&open_package, &sealed_package] {
        traces.push(told(&store, package.id).await);
    }
    for period in [None, Some(0), Some(1000)] {
        put_class(&store, "transient", period).await;
    }
    for (package, before) in [&open_package, &sealed_package].into_iter().zip(traces) {
        assert_eq!(told(&store, package.id).await, before);
    }
    // Finalize goes by the version of create, extending by the package's own expiry.
    let sealed_now = seal(&store, open_package.id).await;
    assert_eq!(sealed_now.rule_version, 1);
    assert_eq!(sealed_now.expires_at, Some(sealed_now.finalized_at.unwrap().plus_days(7)));
    let view = extend(&store, sealed_package.id, json!({"days": 1})).await.unwrap();
    assert_eq!(view.expires_at, Some(sealed_package.expires_at.unwrap().plus_days(1)));
    assert_eq!(view.rule_version, 1);
    let next = create(&store, json!({"producer": "ci", "retention_class": "transient"})).await;
    assert_eq!(next.rule_version, 4);
    assert_eq!(next.expires_at, Some(next.created_at.plus_days(1000)));
}

pub(crate) async fn finalize_goes_by_the_class_that_the_package_was_put_into(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let id = filled(&store, "transient").await.id;
    put_class(&store, "summary-evidence", Some(400)).await;
    let changed = change_class(&store, id, "summary-evidence").await.unwrap();
    put_class(&store, "summary-evidence", Some(500)).await;
    let sealed = seal(&store, id).await;
    assert_eq!(sealed.rule_version, 2);
    assert_eq!(sealed.expires_at, Some(sealed.finalized_at.unwrap().plus_days(400)));
    let moved = promises(&store, id).await.pop().unwrap();
    assert_eq!(moved.kind, RetentionEventKind::ExpiryMoved);
    assert_eq!(moved.before["expires_at"], json!(changed.expires_at));
    assert_eq!(moved.after, promise(&sealed));
}
