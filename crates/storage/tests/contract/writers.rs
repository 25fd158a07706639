//! Objects that are streamed.

use artifact_storage::{Storage, StorageError};
use bytes::Bytes;
use futures::FutureExt as _;

use super::{bytes, create, list, package, payload, read, write};

pub(crate) async fn a_writer_may_publish_again_once_the_key_is_free_and_then_never_more(
    storage: Storage,
) {
    for len in [0, 5, 2_000_003, 9_000_001] {
        let key = payload(package(), "a/x");
        create(&storage, &key, bytes(3)).await;
        let mut writer = storage.write(&key).await.unwrap();
        for chunk in bytes(len).chunks(30_001) {
            writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        for _ in 0..2 {
            let error = writer.publish().await.unwrap_err();
            assert!(matches!(error, StorageError::AlreadyExists { .. }), "{error}");
        }
        storage.delete(&key).await.unwrap();
        let facts = writer.publish().await.unwrap();
        assert_eq!(storage.head(&key).await.unwrap(), facts);
        assert!(read(&storage, &key).await.unwrap() == bytes(len));
        storage.delete(&key).await.unwrap();
        let error = writer.publish().await.unwrap_err();
        assert!(matches!(error, StorageError::Interrupted { .. }), "{error}");
        drop(writer);
        assert!(matches!(storage.head(&key).await, Err(StorageError::NotFound { .. })));
    }
}

pub(crate) async fn objects_around_the_part_size_come_back_byte_for_byte(storage: Storage) {
    let (package, part) = (package(), 1024 * 1024);
    for len in [
        1,
        part - 1,
        part,
        part + 1,
        2 * part,
        2 * part + 4096,
        5 * part - 1,
        8 * part,
        8 * part + 1,
    ] {
        let key = payload(package, &len.to_string());
        write(&storage, &key, &bytes(len), part).await;
        assert!(read(&storage, &key).await.unwrap() == bytes(len), "{len} bytes");
    }
}

pub(crate) async fn a_large_object_in_uneven_chunks_comes_back_byte_for_byte(storage: Storage) {
    let (key, content) = (payload(package(), "deep/down/large.bin"), bytes(17 * 1024 * 1024 + 17));
    for chunk in [999, 65_537, 3_000_000, content.len()] {
        write(&storage, &key, &content, chunk).await;
        assert!(read(&storage, &key).await.unwrap() == content, "in chunks of {chunk}");
        storage.delete(&key).await.unwrap();
    }
}

pub(crate) async fn nothing_is_visible_before_publish(storage: Storage) {
    let package = package();
    let key = payload(package, "x");
    for len in [10, 5_000_000, 9_000_000] {
        let mut writer = storage.write(&key).await.unwrap();
        writer.write(bytes(len)).await.unwrap();
        assert!(matches!(storage.head(&key).await, Err(StorageError::NotFound { .. })));
        assert!(list(&storage, package).await.is_empty());
        writer.publish().await.unwrap();
        assert_eq!(storage.head(&key).await.unwrap().size, len as u64);
        storage.delete(&key).await.unwrap();
    }
}

pub(crate) async fn abort_leaves_nothing(storage: Storage) {
    let package = package();
    for len in [0, 10, 6_000_000, 18_000_000] {
        let mut writer = storage.write(&payload(package, "x")).await.unwrap();
        writer.write(bytes(len)).await.unwrap();
        writer.abort().await;
    }
    assert!(list(&storage, package).await.is_empty());
    create(&storage, &payload(package, "x"), bytes(1)).await;
}

pub(crate) async fn dropping_a_writer_leaves_nothing(storage: Storage) {
    let package = package();
    for len in [10, 6_000_000, 18_000_000] {
        let mut writer = storage.write(&payload(package, "x")).await.unwrap();
        writer.write(bytes(len)).await.unwrap();
        drop(writer);
    }
    assert!(list(&storage, package).await.is_empty());
    create(&storage, &payload(package, "x"), bytes(1)).await;
}

pub(crate) async fn a_write_that_was_given_up_halfway_cannot_be_published(storage: Storage) {
    let key = payload(package(), "x");
    let mut writer = storage.write(&key).await.unwrap();
    // More than any backend takes over without waiting.
    let long = Bytes::from(vec![0; 60_000_000]);
    assert!(writer.write(long).now_or_never().is_none(), "this is to be given up");
    assert!(matches!(writer.write(bytes(1)).await, Err(StorageError::Interrupted { .. })));
    assert!(matches!(writer.publish().await, Err(StorageError::Interrupted { .. })));
    assert!(matches!(storage.head(&key).await, Err(StorageError::NotFound { .. })));
}
