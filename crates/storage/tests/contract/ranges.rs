//! Parts of objects.

use artifact_storage::{Storage, StorageError};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};

use super::{bytes, create, package, payload, write};

pub(crate) async fn a_range_delivers_exactly_its_bytes(storage: Storage) {
    let (key, content) = (payload(package(), "x"), bytes(2 * 1024 * 1024 + 3));
    write(&storage, &key, &content, 100_000).await;
    let size = content.len() as u64;
    for range in
        [0..1, 0..size, 1..size - 1, 524_287..524_289, 1_000_000..1_700_000, size - 1..size]
    {
        let reader = storage.read(&key, Some(range.clone())).await.unwrap();
        assert_eq!(reader.facts.size, size);
        let chunks: Vec<Bytes> = reader.stream.try_collect().await.unwrap();
        assert!(chunks.iter().all(|chunk| chunk.len() <= 1024 * 1024));
        let expected =
            &content[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert!(chunks.concat() == expected, "{range:?}");
    }
}

pub(crate) async fn an_empty_range_is_fine_up_to_the_end(storage: Storage) {
    let key = payload(package(), "x");
    create(&storage, &key, bytes(10)).await;
    for at in [0, 5, 10] {
        let reader = storage.read(&key, Some(at..at)).await.unwrap();
        assert_eq!(reader.facts.size, 10);
        assert_eq!(reader.stream.count().await, 0);
    }
}

pub(crate) async fn a_range_beyond_the_end_is_refused_with_the_size(storage: Storage) {
    let key = payload(package(), "x");
    create(&storage, &key, bytes(10)).await;
    #[expect(clippy::reversed_empty_ranges, reason = "a caller may ask for one")]
    for range in [0..11, 9..11, 10..11, 11..12, 11..11, 5..4] {
        let error = storage.read(&key, Some(range.clone())).await.unwrap_err();
        assert!(
            matches!(error, StorageError::RangeNotSatisfiable { size: 10, start, end, .. }
                if (start, end) == (range.start, range.end)),
            "{range:?}: {error}"
        );
    }
}
