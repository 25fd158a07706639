//! Whether the parts of a store answer.

use std::fs;
use std::time::Duration;

use artifact_domain::wire::ErrorCode;
use artifact_store::{Access, StoreError, StoreOptions};

use crate::contract::open;
use crate::{files_below, fresh};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_works_says_so_and_keeps_nothing_of_the_probe() {
    let (options, folder) = fresh().await;
    open(&options).await;
    for access in [Access::Create, Access::Write] {
        let store = open(&options.clone().with_access(access)).await;
        let looks = futures::future::join_all((0..10).map(|_| store.health())).await;
        for health in looks {
            assert!(health.is_good(), "{health:?}");
            assert_eq!((health.registry.backend, health.storage.backend), ("sqlite", "local"));
            assert!(health.registry.latency < Duration::from_secs(5));
            assert!(health.storage.latency > Duration::ZERO);
        }
        let staged = files_below(&folder.path().join("staging"));
        assert!(staged.iter().all(|name| !name.contains('/')), "{staged:?}");
    }
    assert!(!folder.path().join("packages").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_broke_is_reported_and_the_registry_is_not() {
    for replaced_by_a_file in [false, true] {
        let (options, _database) = fresh().await;
        let folder = tempfile::tempdir().unwrap();
        let storage = folder.path().join("storage");
        let options = StoreOptions { storage: storage.clone().into(), ..options };
        let store = open(&options).await;
        assert!(store.health().await.is_good());
        fs::remove_dir_all(&storage).unwrap();
        if replaced_by_a_file {
            fs::write(&storage, "no folder").unwrap();
        }
        let health = store.health().await;
        assert!(!health.is_good());
        assert!(health.registry.problem.is_none(), "{health:?}");
        let problem = health.storage.problem.unwrap();
        assert_eq!(problem.code(), ErrorCode::StorageUnavailable, "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_opened_to_read_says_that_it_cannot_write() {
    let (options, _folder) = fresh().await;
    open(&options).await;
    let reader = open(&options.clone().with_access(Access::Read)).await;
    let health = reader.health().await;
    assert!(health.registry.problem.is_none(), "{health:?}");
    assert!(matches!(health.storage.problem, Some(StoreError::ReadOnly)), "{health:?}");
}
