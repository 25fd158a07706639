//! Moving the expiry of a package to a later time.

use artifact_domain::event::{AuditAction, RetentionEventKind};
use artifact_domain::wire::ErrorCode;
use artifact_domain::{Package, PackageId, PackageStatus};
use artifact_store::{StoreError, StoreOptions};
use serde_json::json;

use super::kept::{
    AT_ONCE, allow_deleting, as_anna, assert_recorded, expire, extend, filled, promise, reason,
    sealed, shifted, told,
};
use super::{assert_refused, assert_sound, now, open, seal};

const EXTENDED: (RetentionEventKind, AuditAction) =
    (RetentionEventKind::Extended, AuditAction::RetentionExtended);

pub(crate) async fn an_extension_moves_the_expiry_and_both_trails_say_so(options: StoreOptions) {
    let store = open(&options).await;
    let anna = as_anna(&store);
    let id = sealed(&store, "transient").await.id;
    let later = now().plus_days(100);
    let first = store.package(id).await.unwrap().expires_at.unwrap();
    for (until, expires_at) in [
        (json!({"days": 1}), Some(first.plus_days(1))),
        (json!({"expires_at": later}), Some(later)),
        // Days count from the present expiry, and not from now.
        (json!({"days": 40}), Some(later.plus_days(40))),
        (json!({"permanent": true}), None),
    ] {
        let before = store.package(id).await.unwrap();
        let view = extend(&anna, id, until).await.unwrap();
        assert_eq!(view.expires_at, expires_at);
        assert!(!view.eligible);
        let after = store.package(id).await.unwrap();
        assert!(after.revision > before.revision && after.updated_at > before.updated_at);
        let meant = Package {
            expires_at,
            revision: after.revision,
            updated_at: after.updated_at,
            ..before.clone()
        };
        assert_eq!(after, meant);
        let promises = (promise(&before), promise(&after));
        assert_recorded(&store, id, EXTENDED, "an appeal", promises).await;
    }
    assert_sound(&store, id).await;
}

pub(crate) async fn an_extension_to_the_present_expiry_leaves_no_trace(options: StoreOptions) {
    let store = open(&options).await;
    let kept = sealed(&store, "transient").await;
    let permanent = sealed(&store, "permanent-record").await;
    for (package, until) in [
        (kept.clone(), json!({"expires_at": kept.expires_at})),
        (permanent, json!({"permanent": true})),
    ] {
        let before = told(&store, package.id).await;
        let view = extend(&store, package.id, until).await.unwrap();
        assert_eq!(view.expires_at, package.expires_at);
        assert_eq!(told(&store, package.id).await, before);
    }
}

pub(crate) async fn what_is_no_extension_is_refused_and_leaves_no_trace(options: StoreOptions) {
    let store = open(&options).await;
    let kept = sealed(&store, "transient").await;
    let permanent = sealed(&store, "permanent-record").await;
    let expires_at = kept.expires_at.unwrap();
    let shortened = ErrorCode::RetentionShortened;
    let invalid = ErrorCode::InvalidRequest;
    let later = expires_at.plus_days(9);
    let before_now = shifted(now(), -1);
    for (package, until, code) in [
        (&kept, json!({"expires_at": shifted(expires_at, -1)}), shortened),
        (&kept, json!({"expires_at": before_now}), invalid),
        (&kept, json!({"expires_at": "1970-01-01T00:00:00Z"}), invalid),
        (&kept, json!({"days": 0}), invalid),
        (&kept, json!({"days": 3_000_000}), invalid),
        (&kept, json!({"days": (1_u64 << 53) - 1}), invalid),
        (&kept, json!({"permanent": false}), invalid),
        (&kept, json!({}), invalid),
        (&kept, json!({"days": 1, "expires_at": later}), invalid),
        (&kept, json!({"days": 1, "permanent": true}), invalid),
        (&kept, json!({"expires_at": later, "permanent": true}), invalid),
        (&kept, json!({"expires_at": later, "days": 1, "permanent": true}), invalid),
        (&permanent, json!({"days": 1}), shortened),
        (&permanent, json!({"expires_at": later}), shortened),
        (&permanent, json!({"expires_at": before_now}), invalid),
    ] {
        let before = told(&store, package.id).await;
        let error = extend(&store, package.id, until.clone()).await.unwrap_err();
        assert_eq!(error.code(), code, "{until}: {error}");
        assert!(
            matches!(error, StoreError::NotExtended { .. } | StoreError::Extension(_)),
            "{until}: {error}"
        );
        assert_eq!(told(&store, package.id).await, before);
    }
    let unknown = PackageId::generate(now());
    let refused = extend(&store, unknown, json!({"days": 1})).await;
    assert_refused!(refused, StoreError::NoPackage(told) if told == unknown);
}

pub(crate) async fn an_extension_of_what_has_expired_has_to_reach_the_present(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let id = sealed(&store, "transient").await.id;
    let long_ago = shifted(now(), -30 * 86_400_000_000);
    expire(&options, id, long_ago).await;
    assert!(store.retention(id, None).await.unwrap().eligible);
    for until in [json!({"days": 1}), json!({"days": 29})] {
        let before = told(&store, id).await;
        let error = extend(&store, id, until).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::RetentionShortened, "{error}");
        assert_eq!(told(&store, id).await, before);
    }
    let view = extend(&store, id, json!({"days": 31})).await.unwrap();
    assert_eq!(view.expires_at, Some(long_ago.plus_days(31)));
    assert!(!view.eligible);
}

pub(crate) async fn an_open_package_is_extended_and_finalize_keeps_the_later_date(
    options: StoreOptions,
) {
    let store = open(&options).await;
    for until in [json!({"days": 1}), json!({"permanent": true})] {
        let made = filled(&store, "transient").await;
        let view = extend(&store, made.id, until).await.unwrap();
        assert_eq!(view.status, PackageStatus::Uploading);
        assert_eq!(seal(&store, made.id).await.expires_at, view.expires_at);
    }
    // By less than finalize gives, it is finalize that counts.
    let made = filled(&store, "transient").await;
    let until = shifted(made.expires_at.unwrap(), 1);
    let view = extend(&store, made.id, json!({"expires_at": until})).await.unwrap();
    assert_eq!(view.expires_at, Some(until));
    let sealed = seal(&store, made.id).await;
    assert_eq!(sealed.expires_at, Some(sealed.finalized_at.unwrap().plus_days(7)));
    assert!(sealed.expires_at > view.expires_at);
}

pub(crate) async fn a_failed_package_is_extended_like_any_other(options: StoreOptions) {
    let store = open(&options).await;
    allow_deleting(&store).await;
    let id = filled(&store, AT_ONCE).await.id;
    store.fail_package(id, reason("the disk was full")).await.unwrap();
    assert!(store.retention(id, None).await.unwrap().eligible);
    let view = extend(&store, id, json!({"days": 1})).await.unwrap();
    assert_eq!((view.status, view.eligible), (PackageStatus::Failed, false));
}
