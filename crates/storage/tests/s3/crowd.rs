//! Many writers at once: none waits for ever, and their memory is bounded.

use std::time::Duration;

use artifact_storage::PutMode;
use futures::FutureExt as _;
use futures::future::join_all;

use super::contract::{bytes, package, payload, read};
use super::fresh;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_writers_of_large_objects_all_come_through() {
    let (storage, gateway) = fresh().await;
    let package = package();
    let content = bytes(11_000_000);
    let tasks = (0..64).map(|n| {
        let (storage, content) = (storage.clone(), content.clone());
        tokio::spawn(async move {
            let mut writer = storage.write(&payload(package, &n.to_string())).await.unwrap();
            for at in (0..content.len()).step_by(50_000) {
                let end = content.len().min(at + 50_000);
                writer.write(content.slice(at..end)).await.unwrap();
                tokio::task::yield_now().await;
            }
            writer.publish().await.unwrap();
        })
    });
    let all = tokio::time::timeout(Duration::from_mins(2), join_all(tasks)).await.unwrap();
    all.into_iter().for_each(Result::unwrap);
    for n in [0, 31, 63] {
        assert!(read(&storage, &payload(package, &n.to_string())).await.unwrap() == content);
    }
    assert_eq!(gateway.uploads(), 0);
}

#[tokio::test]
async fn a_writer_waits_for_memory_and_a_small_one_does_not() {
    let (storage, _gateway) = fresh().await;
    let package = package();
    let mut slow = Vec::new();
    for n in 0..9 {
        let mut writer = storage.write(&payload(package, &n.to_string())).await.unwrap();
        if let Some(written) = writer.write(bytes(300_000)).now_or_never() {
            written.unwrap();
            slow.push(writer);
        }
    }
    // Four that began with parts of 8 MiB and one with 6 leave too little for a part of 5.
    assert_eq!(slow.len(), 5);
    let mut small = storage.write(&payload(package, "small")).await.unwrap();
    small.write(bytes(200_000)).await.unwrap();
    small.publish().await.unwrap();
    storage.put(&payload(package, "put"), bytes(9), PutMode::Create).await.unwrap();

    let mut late = storage.write(&payload(package, "late")).await.unwrap();
    let waiting = tokio::spawn(async move {
        late.write(bytes(300_000)).await.unwrap();
        late.publish().await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    slow.pop().unwrap().abort().await;
    waiting.await.unwrap();
}
