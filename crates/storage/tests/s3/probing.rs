//! What the probe sees.

use std::sync::atomic::Ordering;

use artifact_storage::{Finding, Storage};

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
