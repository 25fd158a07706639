//! Writing where the gateway is not perfect, and what stays behind.

use std::sync::atomic::Ordering;
use std::time::Duration;

use artifact_storage::{PutMode, StorageError};

use super::contract::{bytes, package, payload, read, write};
use super::fresh;

const LARGE: usize = 12 << 20;

#[tokio::test]
async fn an_object_in_parts_does_not_overwrite_where_the_gateway_would() {
    let (storage, gateway) = fresh().await;
    gateway.state.completes_blindly.store(true, Ordering::Relaxed);
    let key = payload(package(), "x");
    let mut writer = storage.write(&key).await.unwrap();
    writer.write(bytes(LARGE)).await.unwrap();
    storage.put(&key, bytes(3), PutMode::Create).await.unwrap();
    let error = writer.publish().await.unwrap_err();
    assert!(matches!(error, StorageError::AlreadyExists { .. }), "{error}");
    assert_eq!(read(&storage, &key).await.unwrap(), bytes(3));
    storage.delete(&key).await.unwrap();
    let facts = writer.publish().await.unwrap();
    assert_eq!(storage.head(&key).await.unwrap(), facts);
    assert!(read(&storage, &key).await.unwrap() == bytes(LARGE));
    assert_eq!(gateway.uploads(), 0);
}

#[tokio::test]
async fn what_is_aborted_or_dropped_leaves_no_parts() {
    let (storage, gateway) = fresh().await;
    for abort in [true, false] {
        let mut writer = storage.write(&payload(package(), "x")).await.unwrap();
        writer.write(bytes(2 * LARGE)).await.unwrap();
        assert_eq!(gateway.uploads(), 1);
        if abort {
            writer.abort().await;
        } else {
            drop(writer);
            // Dropping does not wait.
            for _ in 0..100 {
                if gateway.uploads() == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert_eq!(gateway.uploads(), 0);
    }
}

#[tokio::test]
async fn a_gateway_that_is_busy_is_asked_again_and_then_said_to_be() {
    let (storage, gateway) = fresh().await;
    let key = payload(package(), "x");
    gateway.state.slow_downs.store(3, Ordering::Relaxed);
    write(&storage, &key, &bytes(10), 10).await;
    gateway.state.slow_downs.store(1000, Ordering::Relaxed);
    let error = storage.head(&key).await.unwrap_err();
    assert!(matches!(error, StorageError::Unavailable { .. }), "{error}");
    let error = storage.read(&key, None).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("SlowDown"), "{cause}");
    // Six tries of each.
    assert_eq!(gateway.state.slow_downs.load(Ordering::Relaxed), 1000 - 12);
}

#[tokio::test]
async fn a_package_with_an_object_left_is_not_removed() {
    let (storage, _gateway) = fresh().await;
    let package = package();
    let key = payload(package, "x");
    write(&storage, &key, &bytes(1), 1).await;
    let error = storage.remove_package(package).await.unwrap_err();
    assert!(
        matches!(&error, StorageError::Obstructed { path, .. } if path == key.as_str()),
        "{error}"
    );
    assert_eq!(read(&storage, &key).await.unwrap(), bytes(1));
}
