//! Objects: whole, once, gone.

use artifact_storage::{ObjectKey, PutMode, Storage, StorageError, TagFile};
use bytes::Bytes;

use super::{bytes, create, list, package, payload, read, write};

pub(crate) async fn an_object_comes_back_byte_for_byte(storage: Storage) {
    let (key, content) = (payload(package(), "a/b.txt"), bytes(4096));
    create(&storage, &key, content.clone()).await;
    assert_eq!(read(&storage, &key).await.unwrap(), content);
}

pub(crate) async fn an_empty_object_is_an_object(storage: Storage) {
    let package = package();
    let (put, written) = (payload(package, "put"), payload(package, "written"));
    create(&storage, &put, Bytes::new()).await;
    storage.write(&written).await.unwrap().publish().await.unwrap();
    for key in [put, written] {
        assert_eq!(storage.head(&key).await.unwrap().size, 0);
        assert_eq!(read(&storage, &key).await.unwrap(), b"");
    }
}

pub(crate) async fn put_head_list_and_read_tell_the_same_facts(storage: Storage) {
    let package = package();
    for (name, len) in [("small", 17), ("large", 9 * 1024 * 1024 + 5)] {
        let key = payload(package, name);
        let facts = write(&storage, &key, &bytes(len), 65_536).await;
        assert_eq!((facts.key.as_str(), facts.size), (key.as_str(), len as u64));
        assert_eq!(facts.payload_path(package), Some(name));
        assert_eq!(storage.head(&key).await.unwrap(), facts);
        assert_eq!(storage.read(&key, Some(1..2)).await.unwrap().facts, facts);
        assert_eq!(list(&storage, package).await[key.as_str()], facts);
    }
    let key = ObjectKey::tag(package, TagFile::Manifest);
    let facts = create(&storage, &key, bytes(9)).await;
    assert_eq!(storage.head(&key).await.unwrap(), facts);
    assert_eq!(facts.payload_path(package), None);
}

pub(crate) async fn writing_an_object_again_changes_its_etag(storage: Storage) {
    let key = ObjectKey::tag(package(), TagFile::Record);
    let first = storage.put(&key, bytes(9), PutMode::Overwrite).await.unwrap();
    let second = storage.put(&key, bytes(10), PutMode::Overwrite).await.unwrap();
    assert_eq!(read(&storage, &key).await.unwrap(), bytes(10));
    assert!(first.etag.is_none() || first.etag != second.etag);
}

pub(crate) async fn what_is_missing_is_not_found_and_is_deleted_already(storage: Storage) {
    let package = package();
    create(&storage, &payload(package, "folder/file"), bytes(1)).await;
    // A folder is no object, and a file has none below it.
    for name in ["x", "y/z", "folder", "folder/file/x"] {
        let key = payload(package, name);
        for error in [
            storage.read(&key, None).await.unwrap_err(),
            storage.read(&key, Some(0..0)).await.unwrap_err(),
            storage.head(&key).await.unwrap_err(),
        ] {
            assert!(
                matches!(&error, StorageError::NotFound { key: k, .. } if k == key.as_str()),
                "{error}"
            );
        }
        storage.delete(&key).await.unwrap();
    }
    assert_eq!(list(&storage, package).await.len(), 1);
    assert!(list(&storage, super::package()).await.is_empty());
}

pub(crate) async fn creating_never_overwrites(storage: Storage) {
    let key = payload(package(), "x");
    let facts = create(&storage, &key, bytes(3)).await;
    let error = storage.put(&key, bytes(4), PutMode::Create).await.unwrap_err();
    assert!(
        matches!(&error, StorageError::AlreadyExists { key: k } if k == key.as_str()),
        "{error}"
    );
    for len in [5, 2_000_000, 9_000_000] {
        let mut writer = storage.write(&key).await.unwrap();
        writer.write(bytes(len)).await.unwrap();
        let error = writer.publish().await.unwrap_err();
        assert!(matches!(error, StorageError::AlreadyExists { .. }), "{error}");
    }
    assert_eq!(read(&storage, &key).await.unwrap(), bytes(3));
    assert_eq!(storage.head(&key).await.unwrap(), facts);
}

pub(crate) async fn a_deleted_object_can_be_created_again(storage: Storage) {
    let package = package();
    let key = payload(package, "a/b/c");
    create(&storage, &key, bytes(1)).await;
    storage.delete(&key).await.unwrap();
    storage.delete(&key).await.unwrap();
    assert!(matches!(storage.head(&key).await, Err(StorageError::NotFound { .. })));
    assert!(list(&storage, package).await.is_empty());
    create(&storage, &key, bytes(2)).await;
    storage.delete(&key).await.unwrap();
    // What was a folder may be an object now.
    create(&storage, &payload(package, "a"), bytes(3)).await;
}

pub(crate) async fn several_new_objects_get_an_answer_each(storage: Storage) {
    let package = package();
    let taken = payload(package, "b");
    create(&storage, &taken, bytes(5)).await;
    let objects: Vec<_> = ["a", "b", "c/d"]
        .into_iter()
        .zip([10, 20, 0])
        .map(|(name, len)| (payload(package, name), bytes(len)))
        .collect();
    let answers = storage.put_new(objects).await;
    let facts = answers[0].as_ref().unwrap();
    assert_eq!(&storage.head(&payload(package, "a")).await.unwrap(), facts);
    assert!(matches!(answers[1], Err(StorageError::AlreadyExists { .. })));
    assert_eq!(answers[2].as_ref().unwrap().size, 0);
    assert_eq!(read(&storage, &taken).await.unwrap(), bytes(5));
    assert_eq!(read(&storage, &payload(package, "a")).await.unwrap(), bytes(10));
}
