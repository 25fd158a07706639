//! The contract of every backend on a real gateway: Ceph, or any other S3.
//!
//! Its address comes from the environment. A test that is asked for and has none fails: it must
//! not look as if it had passed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod contract;

use std::time::{SystemTime, UNIX_EPOCH};

use artifact_domain::PackageId;
use artifact_storage::{Finding, S3Options, Storage, StorageError};

fn setting(name: &str) -> String {
    let name = format!("ARTIFACT_STORE_TEST_S3_{name}");
    match std::env::var(&name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("{name} is not set: this test needs an S3 gateway"),
    }
}

/// The way to a prefix of this test's own.
fn options() -> S3Options {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let now = artifact_domain::Timestamp::from_unix_micros(i64::try_from(micros).unwrap()).unwrap();
    let url = format!("s3://{}/test/{}", setting("BUCKET"), PackageId::generate(now));
    let endpoint = setting("ENDPOINT");
    S3Options {
        allow_http: endpoint.starts_with("http://"),
        endpoint: Some(endpoint),
        ..S3Options::new(&url, setting("ACCESS_KEY_ID"), setting("SECRET_ACCESS_KEY")).unwrap()
    }
}

/// A storage in a new prefix, entered as writer 1.
async fn fresh() -> (Storage, ()) {
    let storage = Storage::open_s3(&options(), true).await.unwrap();
    storage.enter(1).await.unwrap();
    (storage, ())
}

mod contract_of_every_backend {
    crate::contract::contract!(
        #[ignore = "needs Ceph: just test-engines"]
        crate::fresh
    );
}

#[tokio::test]
#[ignore = "needs Ceph: just test-engines"]
async fn the_gateway_is_fit_for_evidence() {
    let (storage, ()) = fresh().await;
    let seen = storage.probe().await;
    assert_eq!(seen.unsafe_reason(), None, "{seen:#?}");
    assert_eq!(seen.create_only, Finding::Works);
    assert_eq!(seen.damage_refused, Finding::Works);
    assert_eq!(seen.delete, Finding::Works);
    assert_eq!(seen.clock, Finding::Works);
}

#[tokio::test]
#[ignore = "needs Ceph: just test-engines"]
async fn what_is_wrong_with_the_settings_is_said() {
    let right = options();
    let open = async |options: S3Options| Storage::open_s3(&options, true).await.unwrap_err();
    for wrong in [
        S3Options { secret_access_key: "other".into(), ..right.clone() },
        S3Options { access_key_id: "other".to_owned(), ..right.clone() },
    ] {
        let error = open(wrong).await;
        assert!(matches!(error, StorageError::Denied { .. }), "{error}");
    }
    let error = open(S3Options { bucket: "no-such-bucket-here".to_owned(), ..right }).await;
    assert!(
        matches!(error, StorageError::NotAStorage { .. })
            && error.to_string().contains("has no bucket"),
        "{error}"
    );
}
