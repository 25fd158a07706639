//! What every backend has to do when several tasks are at the same objects.

use artifact_storage::{ObjectKey, PutMode, Storage, StorageError, TagFile};
use bytes::Bytes;
use futures::future::join_all;

use super::{bytes, list, package, payload, read};

fn only_winner(results: Vec<Result<usize, StorageError>>) -> usize {
    let mut winners = Vec::new();
    for result in results {
        match result {
            Ok(winner) => winners.push(winner),
            Err(StorageError::AlreadyExists { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    winners[0]
}

pub(crate) async fn of_concurrent_creates_of_one_key_one_wins(storage: Storage) {
    for round in 0..20 {
        let key = payload(package(), &format!("new/folder/{round}"));
        let tasks = (1..=16_usize).map(|n| {
            let (storage, key) = (storage.clone(), key.clone());
            tokio::spawn(
                async move { storage.put(&key, bytes(n), PutMode::Create).await.map(|_| n) },
            )
        });
        let results = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(read(&storage, &key).await.unwrap().len(), only_winner(results));
    }
}

pub(crate) async fn of_concurrent_writers_of_one_key_one_wins(storage: Storage) {
    let key = payload(package(), "x");
    let tasks = (1..=6_usize).map(|n| {
        let (storage, key, len) = (storage.clone(), key.clone(), n * 700_001);
        tokio::spawn(async move {
            let mut writer = storage.write(&key).await?;
            writer.write(bytes(len)).await?;
            writer.publish().await.map(|_| len)
        })
    });
    let results = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    let winner = only_winner(results);
    assert!(read(&storage, &key).await.unwrap() == bytes(winner));
}

pub(crate) async fn overwriting_is_atomic_for_a_concurrent_reader(storage: Storage) {
    let key = ObjectKey::tag(package(), TagFile::Record);
    let content = |n: u8| Bytes::from(vec![n; 100_000 + usize::from(n)]);
    storage.put(&key, content(0), PutMode::Overwrite).await.unwrap();
    let writing = {
        let (storage, key) = (storage.clone(), key.clone());
        tokio::spawn(async move {
            for n in 1..=50 {
                storage.put(&key, content(n), PutMode::Overwrite).await.unwrap();
            }
        })
    };
    let mut last = 0;
    while !writing.is_finished() {
        let seen = read(&storage, &key).await.unwrap();
        assert!(seen == content(seen[0]) && seen[0] >= last);
        last = seen[0];
    }
    writing.await.unwrap();
    assert!(read(&storage, &key).await.unwrap() == content(50));
}

pub(crate) async fn creating_beside_deleting_loses_nothing(storage: Storage) {
    let package = package();
    let tasks = (0..4).map(|task| {
        let storage = storage.clone();
        tokio::spawn(async move {
            for round in 0..150 {
                // All in one deep folder, which is empty again and again.
                let key = payload(package, &format!("a/b/c/{task}"));
                storage.put(&key, bytes(round), PutMode::Create).await.unwrap();
                assert_eq!(read(&storage, &key).await.unwrap().len(), round);
                storage.delete(&key).await.unwrap();
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    assert!(list(&storage, package).await.is_empty());
}
