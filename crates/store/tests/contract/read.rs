//! Reading files.

use std::ops::Range;

use artifact_domain::PackageId;
use artifact_store::{StoreError, StoreOptions};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{
    assert_refused, bytes, collect, new, now, open, package, path, pieces, put, read, seal,
};

pub(crate) async fn a_file_is_read_before_and_after_finalize(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let content = bytes(3_000_000);
    let stored = store.upload(id, new("x"), pieces(&content, 100_000)).await.unwrap();
    put(&store, id, "empty", "").await;
    let reader = open(&options).await;
    for sealed in [false, true] {
        if sealed {
            seal(&store, id).await;
        }
        for store in [&store, &reader] {
            let (record, stream) = store.read_file(id, &path("x"), None).await.unwrap();
            assert_eq!(record, stored);
            assert!(collect(stream).await.unwrap() == content);
            assert_eq!(read(store, id, "empty").await.unwrap(), b"");
        }
    }
}

pub(crate) async fn any_range_is_the_slice(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let content = bytes(200_000);
    store.upload(id, new("x"), pieces(&content, 64_000)).await.unwrap();
    let sealed = package(&store).await;
    store.upload(sealed, new("x"), pieces(&content, 64_000)).await.unwrap();
    seal(&store, sealed).await;
    let runtime = tokio::runtime::Handle::current();
    let property = move || {
        let ends = (0..=200_000_u64, 0..=200_000_u64, any::<bool>());
        let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
        TestRunner::new(config).run(&ends, |(a, b, after)| {
            let range = a.min(b)..a.max(b);
            let package = if after { sealed } else { id };
            let (record, seen) = runtime
                .block_on(async {
                    let (record, stream) =
                        store.read_file(package, &path("x"), Some(range.clone())).await?;
                    Ok::<_, StoreError>((record, collect(stream).await?))
                })
                .unwrap();
            let slice = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            prop_assert_eq!(record.size, 200_000);
            prop_assert!(seen == content[slice]);
            Ok(())
        })
    };
    tokio::task::spawn_blocking(property).await.unwrap().unwrap();
}

#[expect(clippy::reversed_empty_ranges, reason = "a range that ends before it begins is one case")]
pub(crate) async fn a_range_beyond_the_file_is_refused_with_its_size(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "x", bytes(10)).await;
    put(&store, id, "empty", "").await;
    let read = |name: &'static str, range: Range<u64>| store.read_file_range(id, name, range);
    for range in [0..11, 10..11, 11..11, 11..12, 0..u64::MAX, u64::MAX..u64::MAX, 5..4] {
        assert_refused!(
            read("x", range).await,
            StoreError::RangeNotSatisfiable { path, size: 10 } if path.as_str() == "x"
        );
    }
    assert_refused!(read("empty", 0..1).await, StoreError::RangeNotSatisfiable { size: 0, .. });
    // Up to the end is fine, and so is nothing at the end.
    assert_eq!(read("x", 9..10).await.unwrap(), bytes(10)[9..]);
    assert_eq!(read("x", 10..10).await.unwrap(), b"");
    assert_eq!(read("empty", 0..0).await.unwrap(), b"");
}

trait ReadRange {
    async fn read_file_range(
        &self,
        package: PackageId,
        name: &str,
        range: Range<u64>,
    ) -> Result<Vec<u8>, StoreError>;
}

impl ReadRange for artifact_store::ArtifactStore {
    async fn read_file_range(
        &self,
        package: PackageId,
        name: &str,
        range: Range<u64>,
    ) -> Result<Vec<u8>, StoreError> {
        let (_, stream) = self.read_file(package, &path(name), Some(range)).await?;
        collect(stream).await
    }
}

pub(crate) async fn what_is_not_there_is_said_to_be_missing(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "folder/x", "x").await;
    for name in ["y", "folder", "folder/x/y"] {
        assert_refused!(read(&store, id, name).await, StoreError::NoFile { package, path } if (package, path.as_str()) == (id, name));
        assert_refused!(store.file(id, &path(name)).await, StoreError::NoFile { package, path } if (package, path.as_str()) == (id, name));
    }
    let unknown = PackageId::generate(now());
    assert_refused!(read(&store, unknown, "x").await, StoreError::NoPackage(told) if told == unknown);
    assert_refused!(store.file(unknown, &path("x")).await, StoreError::NoPackage(told) if told == unknown);
    assert_refused!(store.package(unknown).await, StoreError::NoPackage(told) if told == unknown);
    assert_refused!(store.summary(unknown).await, StoreError::NoPackage(told) if told == unknown);
    let files = store.files(unknown, None, None, super::limit(1)).await;
    assert_refused!(files, StoreError::NoPackage(told) if told == unknown);
}
