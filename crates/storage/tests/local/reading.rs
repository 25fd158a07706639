//! Reading files that somebody else has touched.

use std::fs::File;

use artifact_storage::StorageError;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::contract::{bytes, package, payload, write};
use crate::fresh;

#[tokio::test]
async fn a_file_that_is_cut_while_it_is_read_ends_in_an_error() {
    let (storage, root) = fresh().await;
    let key = payload(package(), "x");
    let content = bytes(4_000_000);
    for (range, left) in [(None, 1_200_000), (None, 0), (Some(1_000_000..3_999_999), 3_999_000)] {
        write(&storage, &key, &content, 65_536).await;
        let mut reader = storage.read(&key, range.clone()).await.unwrap();
        let first = reader.stream.next().await.unwrap().unwrap();
        let file = File::options().write(true).open(root.path().join(key.as_str())).unwrap();
        file.set_len(left).unwrap();
        let rest: Result<Vec<_>, _> = reader.stream.try_collect().await;
        let error = rest.unwrap_err();
        let StorageError::Truncated { expected, received, .. } = error else { panic!("{error}") };
        let range = range.unwrap_or(0..4_000_000);
        assert_eq!(expected, range.end - range.start);
        assert!(received >= first.len() as u64 && received < expected, "{received}");
        storage.delete(&key).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_was_cut_before_has_another_etag_and_size() {
    let (storage, root) = fresh().await;
    let key = payload(package(), "x");
    let facts = write(&storage, &key, &bytes(100), 100).await;
    let file = File::options().write(true).open(root.path().join(key.as_str())).unwrap();
    file.set_len(99).unwrap();
    let now = storage.head(&key).await.unwrap();
    assert!(now.size == 99 && now.etag != facts.etag);
}

#[tokio::test]
async fn an_object_that_is_deleted_while_it_is_read_is_read_to_its_end() {
    let (storage, _root) = fresh().await;
    let key = payload(package(), "x");
    write(&storage, &key, &bytes(3_000_000), 65_536).await;
    let reader = storage.read(&key, None).await.unwrap();
    storage.delete(&key).await.unwrap();
    let chunks: Vec<_> = reader.stream.try_collect().await.unwrap();
    assert!(chunks.concat() == bytes(3_000_000));
}
