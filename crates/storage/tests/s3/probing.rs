//! What the probe sees.

use std::sync::atomic::Ordering;

use artifact_storage::{Finding, Setting, Storage};
use s3s::dto::{
    AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRule,
};

use super::{fresh, gateway::Gateway, options};

#[tokio::test]
async fn a_good_gateway_passes_and_nothing_is_left() {
    let (storage, gateway) = fresh().await;
    let before = gateway.keys();
    let seen = storage.probe().await;
    for (name, finding) in seen.all() {
        // The gateway of these tests sends no date.
        if name != "clock" {
            assert_eq!(finding, &Finding::Works, "{name}");
        }
    }
    assert_eq!(seen.unsafe_reason(), None);
    assert_eq!(gateway.keys(), before);
    assert_eq!(gateway.uploads(), 0);
}

#[tokio::test]
async fn a_gateway_that_completes_blindly_is_seen_and_is_not_unsafe() {
    let (storage, gateway) = fresh().await;
    gateway.state.completes_blindly.store(true, Ordering::Relaxed);
    let seen = storage.probe().await;
    assert!(seen.multipart_create_only.fails(), "{seen:?}");
    assert_eq!(seen.unsafe_reason(), None);
}

#[tokio::test]
async fn a_gateway_that_overwrites_is_unsafe() {
    let (storage, gateway) = fresh().await;
    gateway.state.overwrites.store(true, Ordering::Relaxed);
    let seen = storage.probe().await;
    assert!(seen.create_only.fails(), "{seen:?}");
    assert!(seen.unsafe_reason().unwrap().contains("overwrites"));
    assert_eq!(gateway.keys().len(), 1, "{:?}", gateway.keys());
}

#[tokio::test]
async fn a_storage_need_not_be_entered_to_be_probed() {
    let gateway = Gateway::start().await;
    let storage = Storage::open_s3(&options(&gateway), true).await.unwrap();
    assert_eq!(storage.probe().await.read_after_write, Finding::Works);
}

#[tokio::test]
async fn a_bucket_without_settings_has_none() {
    let (storage, _gateway) = fresh().await;
    let seen = storage.probe().await;
    for (name, setting) in seen.settings() {
        let is_owners = name == "wide rights";
        assert_eq!(setting == &Setting::Off, !is_owners, "{name}: {setting:?}");
    }
    assert!(matches!(&seen.wide_rights, Setting::On(why) if why.contains("owns 1 buckets")));
}

#[tokio::test]
async fn a_bucket_that_expires_our_objects_is_unsafe_and_one_that_aborts_uploads_is_not() {
    let (storage, gateway) = fresh().await;
    let enabled = ExpirationStatus::from_static(ExpirationStatus::ENABLED);
    let rule = |id: &str, prefix: &str, expiration, abort| LifecycleRule {
        id: Some(id.to_owned()),
        prefix: Some(prefix.to_owned()),
        status: enabled.clone(),
        expiration,
        abort_incomplete_multipart_upload: abort,
        filter: None,
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        transitions: None,
    };
    let week = AbortIncompleteMultipartUpload { days_after_initiation: Some(7) };
    let month = LifecycleExpiration { days: Some(30), ..LifecycleExpiration::default() };
    let others = rule("others", "b/", Some(month.clone()), None);
    *gateway.state.rules.lock().unwrap() = vec![rule("tidy", "a/", None, Some(week)), others];
    gateway.state.versioned.store(true, Ordering::Relaxed);
    let seen = storage.probe().await;
    assert_eq!(seen.abort_rule, Setting::On("after 7 days".to_owned()));
    assert_eq!(seen.expiry_rule, Setting::Off);
    assert!(matches!(seen.versioning, Setting::On(_)), "{seen:?}");
    assert_eq!(seen.unsafe_reason(), None);

    gateway.state.rules.lock().unwrap().push(rule("clean", "a/prefix/packages", Some(month), None));
    let reason = storage.probe().await.unsafe_reason().unwrap();
    assert!(reason.contains("\"clean\"") && reason.contains("30 days"), "{reason}");
}
