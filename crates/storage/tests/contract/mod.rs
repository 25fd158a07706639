//! What every backend has to do. Each function is one behaviour over a fresh storage that was
//! entered; a backend's own test calls `contract!` with a function that makes one.

use std::collections::BTreeMap;

use artifact_domain::{LogicalPath, PackageId, Timestamp};
use artifact_storage::{ObjectFacts, ObjectKey, PutMode, Storage, StorageError};
use bytes::Bytes;
use futures::TryStreamExt as _;

mod concurrency;
mod objects;
mod packages;
mod ranges;
mod writers;

pub(crate) use concurrency::*;
pub(crate) use objects::*;
pub(crate) use packages::*;
pub(crate) use ranges::*;
pub(crate) use writers::*;

/// Makes a test of each behaviour. `$storage` is an async function to a storage and a guard;
/// attributes before it are those of every test.
macro_rules! contract {
    ($(#[$attribute:meta])* $storage:path) => {
        $crate::contract::contract! { {$(#[$attribute])*} $storage,
            an_object_comes_back_byte_for_byte,
            an_empty_object_is_an_object,
            put_head_list_and_read_tell_the_same_facts,
            writing_an_object_again_changes_its_etag,
            a_range_delivers_exactly_its_bytes,
            an_empty_range_is_fine_up_to_the_end,
            a_range_beyond_the_end_is_refused_with_the_size,
            what_is_missing_is_not_found_and_is_deleted_already,
            creating_never_overwrites,
            several_new_objects_get_an_answer_each,
            a_writer_may_publish_again_once_the_key_is_free_and_then_never_more,
            a_package_is_removed_once_nothing_is_left_of_it,
            odd_names_are_kept_byte_for_byte,
            objects_around_the_part_size_come_back_byte_for_byte,
            a_large_object_in_uneven_chunks_comes_back_byte_for_byte,
            nothing_is_visible_before_publish,
            abort_leaves_nothing,
            dropping_a_writer_leaves_nothing,
            a_write_that_was_given_up_halfway_cannot_be_published,
            a_list_names_the_objects_of_its_package_and_no_others,
            packages_are_listed_by_name,
            a_deleted_object_can_be_created_again,
            a_synced_package_is_still_all_there,
            health_says_how_long_the_probe_took,
            of_concurrent_creates_of_one_key_one_wins,
            of_concurrent_writers_of_one_key_one_wins,
            overwriting_is_atomic_for_a_concurrent_reader,
            creating_beside_deleting_loses_nothing,
        }
    };
    ($attributes:tt $storage:path, $($behaviour:ident),+ $(,)?) => {
        $($crate::contract::contract! { @one $attributes $storage, $behaviour })+
    };
    (@one {$($attribute:tt)*} $storage:path, $behaviour:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        $($attribute)*
        async fn $behaviour() {
            let (storage, _guard) = $storage().await;
            crate::contract::$behaviour(storage).await;
        }
    };
}
pub(crate) use contract;

pub(crate) fn package() -> PackageId {
    PackageId::generate(Timestamp::from_unix_micros(1_790_000_000_000_000).unwrap())
}

pub(crate) fn payload(package: PackageId, path: &str) -> ObjectKey {
    ObjectKey::payload(package, &LogicalPath::parse(path).unwrap())
}

/// Bytes that differ from block to block, so that a block in the wrong place shows.
pub(crate) fn bytes(len: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()
    };
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(&mut next).take(len / 8 + 1).flatten().collect();
    bytes.truncate(len);
    bytes.into()
}

pub(crate) async fn read(storage: &Storage, key: &ObjectKey) -> Result<Vec<u8>, StorageError> {
    let reader = storage.read(key, None).await?;
    reader.stream.map_ok(Vec::from).try_concat().await
}

pub(crate) async fn create(storage: &Storage, key: &ObjectKey, bytes: Bytes) -> ObjectFacts {
    storage.put(key, bytes, PutMode::Create).await.unwrap()
}

pub(crate) async fn write(
    storage: &Storage,
    key: &ObjectKey,
    bytes: &Bytes,
    chunk: usize,
) -> ObjectFacts {
    let mut writer = storage.write(key).await.unwrap();
    for at in (0..bytes.len()).step_by(chunk) {
        writer.write(bytes.slice(at..bytes.len().min(at + chunk))).await.unwrap();
    }
    assert_eq!(writer.size(), bytes.len() as u64);
    writer.publish().await.unwrap()
}

pub(crate) async fn list(storage: &Storage, package: PackageId) -> BTreeMap<String, ObjectFacts> {
    let list: Vec<ObjectFacts> = storage.list_package(package).try_collect().await.unwrap();
    let len = list.len();
    let map: BTreeMap<_, _> = list.into_iter().map(|facts| (facts.key.clone(), facts)).collect();
    assert_eq!(map.len(), len, "a list names each object once");
    map
}
