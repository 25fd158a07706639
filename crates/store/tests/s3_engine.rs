//! The contract of every store, with its bytes in a bucket of a real S3 gateway.
//!
//! Needs a bucket that may be filled, in `ARTIFACT_STORE_TEST_S3_ENDPOINT`, `_ACCESS_KEY_ID`,
//! `_SECRET_ACCESS_KEY` and `_BUCKET`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod contract;

use artifact_domain::{PackageId, Timestamp};
use artifact_store::{S3Options, StorageLocation, StoreOptions};
use tempfile::TempDir;

fn setting(name: &str) -> String {
    std::env::var(format!("ARTIFACT_STORE_TEST_S3_{name}")).unwrap_or_else(|_| {
        panic!("needs Ceph: just test-engines (no ARTIFACT_STORE_TEST_S3_{name})")
    })
}

/// The options of a store with a prefix of its own, and the folder of its registry.
async fn fresh() -> (StoreOptions, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    // An id is random enough for a name.
    let prefix = PackageId::generate(Timestamp::from_unix_micros(0).unwrap());
    let url = format!("s3://{}/store-{prefix}", setting("BUCKET"));
    let s3 = S3Options::new(&url, setting("ACCESS_KEY_ID"), setting("SECRET_ACCESS_KEY")).unwrap();
    let mut options = StoreOptions::embedded(folder.path());
    options.storage = StorageLocation::S3(S3Options {
        endpoint: Some(setting("ENDPOINT")),
        allow_http: true,
        ..s3
    });
    std::future::ready((options, folder)).await
}

mod contract_of_every_store {
    crate::contract::contract!(
        #[ignore = "needs Ceph: just test-engines"]
        crate::fresh
    );
}
