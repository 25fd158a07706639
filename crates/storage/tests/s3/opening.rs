//! How a bucket becomes a storage, and what is said when it cannot.

use std::error::Error as _;
use std::time::{Duration, Instant};

use artifact_storage::{Liveness, S3Options, Storage, StorageError};
use futures::future::join_all;

use super::gateway::{BUCKET, Gateway, SECRET};
use super::options;

/// The error and all its causes, which must not tell the secret.
async fn refused(options: &S3Options, create: bool) -> (StorageError, String) {
    let error = Storage::open_s3(options, create).await.unwrap_err();
    let mut text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    assert!(!format!("{text} {error:?} {options:?}").contains(SECRET), "{text}");
    (error, text)
}

#[tokio::test]
async fn a_storage_keeps_its_id_and_shows_where_it_is() {
    let gateway = Gateway::start().await;
    let made = Storage::open_s3(&options(&gateway), true).await.unwrap();
    for create in [false, true] {
        let opened = Storage::open_s3(&options(&gateway), create).await.unwrap();
        assert_eq!(opened.id(), made.id());
    }
    assert_eq!((made.url(), made.backend()), ("s3://evidence/a/prefix", "s3"));
    assert_eq!(gateway.keys(), ["a/prefix/storage.json"]);
    assert!(!format!("{made:?}").contains(SECRET));
}

#[tokio::test]
async fn processes_that_create_at_once_agree_on_one_id() {
    let gateway = Gateway::start().await;
    let options = options(&gateway);
    let opened = join_all((0..8).map(|_| Storage::open_s3(&options, true))).await;
    let ids: Vec<_> = opened.into_iter().map(|storage| storage.unwrap().id()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn without_create_nothing_is_written() {
    let gateway = Gateway::start().await;
    let (error, text) = refused(&options(&gateway), false).await;
    assert!(matches!(error, StorageError::NotAStorage { .. }), "{text}");
    assert!(text.contains("ARTIFACT_STORE_STORAGE_URL"), "{text}");
    assert!(gateway.keys().is_empty());
}

#[tokio::test]
async fn a_foreign_marker_is_never_replaced() {
    for marker in [&b"{}"[..], b"not JSON", b"", &[b'x'; 5000]] {
        let gateway = Gateway::start().await;
        gateway.plant("a/prefix/storage.json", marker);
        for create in [false, true] {
            let (error, text) = refused(&options(&gateway), create).await;
            assert!(matches!(error, StorageError::WrongMarker { .. }), "{text}");
        }
        assert_eq!(gateway.keys(), ["a/prefix/storage.json"]);
    }
}

#[tokio::test]
async fn packages_whose_marker_is_lost_get_no_new_id() {
    let gateway = Gateway::start().await;
    gateway.plant("a/prefix/packages/p/data/x", b"x");
    let (error, text) = refused(&options(&gateway), true).await;
    assert!(matches!(error, StorageError::NotAStorage { .. }), "{text}");
    assert_eq!(gateway.keys(), ["a/prefix/packages/p/data/x"]);
}

#[tokio::test]
async fn wrong_credentials_are_named() {
    let gateway = Gateway::start().await;
    let right = options(&gateway);
    for (wrong, says) in [
        (S3Options { secret_access_key: "other".into(), ..right.clone() }, "SignatureDoesNotMatch"),
        (S3Options { access_key_id: "other".to_owned(), ..right.clone() }, "NotSignedUp"),
    ] {
        let (error, text) = refused(&wrong, true).await;
        assert!(matches!(error, StorageError::Denied { .. }), "{text}");
        assert!(text.contains("ARTIFACT_STORE_S3_ACCESS_KEY_ID"), "{text}");
        assert!(text.contains("ARTIFACT_STORE_S3_SECRET_ACCESS_KEY"), "{text}");
        assert!(text.contains(says), "{text}");
    }
    for wrong in [
        S3Options { secret_access_key: "".into(), ..right.clone() },
        S3Options { secret_access_key: "open-sesame-3141\n".into(), ..right.clone() },
        S3Options { access_key_id: "a b".to_owned(), ..right },
    ] {
        let (error, text) = refused(&wrong, true).await;
        assert!(matches!(error, StorageError::NotAStorage { .. }), "{text}");
        assert!(text.contains("ACCESS_KEY"), "{text}");
    }
    assert!(gateway.keys().is_empty());
}

#[tokio::test]
async fn a_missing_bucket_is_named_and_not_made() {
    let gateway = Gateway::start().await;
    let options = S3Options { bucket: "elsewhere".to_owned(), ..options(&gateway) };
    for create in [false, true] {
        let (error, text) = refused(&options, create).await;
        assert!(matches!(error, StorageError::NotAStorage { .. }), "{text}");
        assert!(text.contains("no bucket elsewhere"), "{text}");
        assert!(text.contains("ARTIFACT_STORE_STORAGE_URL"), "{text}");
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_named_within_seconds() {
    let gateway = Gateway::start().await;
    let begin = Instant::now();
    for endpoint in ["http://127.0.0.1:1", "http://no-such-host.invalid"] {
        let options = S3Options { endpoint: Some(endpoint.to_owned()), ..options(&gateway) };
        let (error, text) = refused(&options, true).await;
        assert!(matches!(error, StorageError::Unreachable { .. }), "{text}");
        assert!(text.contains(endpoint), "{text}");
        assert!(text.contains("ARTIFACT_STORE_S3_ENDPOINT"), "{text}");
    }
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn an_endpoint_that_is_wrong_is_refused_before_anything_is_sent() {
    let gateway = Gateway::start().await;
    let right = options(&gateway);
    for (endpoint, allow_http, says) in [
        (gateway.endpoint.as_str(), false, "ARTIFACT_STORE_S3_ALLOW_HTTP"),
        ("ceph.example.org", true, "ARTIFACT_STORE_S3_ENDPOINT"),
        ("ftp://ceph.example.org", true, "neither https nor http"),
        ("https://user:open-sesame-3141@ceph.example.org", true, "credentials"),
        ("https://ceph.example.org/?x=1", true, "more than an address"),
    ] {
        let options =
            S3Options { endpoint: Some(endpoint.to_owned()), allow_http, ..right.clone() };
        let error = Storage::open_s3(&options, true).await.unwrap_err();
        assert!(matches!(error, StorageError::NotAStorage { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
    assert!(gateway.keys().is_empty());
}

#[tokio::test]
async fn a_bucket_and_a_prefix_that_were_not_parsed_are_checked_as_well() {
    let gateway = Gateway::start().await;
    let right = options(&gateway);
    for wrong in [
        S3Options { bucket: "Not A Bucket".to_owned(), ..right.clone() },
        S3Options { prefix: "/a".to_owned(), ..right.clone() },
        S3Options { prefix: "../a".to_owned(), bucket: BUCKET.to_owned(), ..right },
    ] {
        let (error, text) = refused(&wrong, true).await;
        assert!(matches!(error, StorageError::NotAStorage { .. }), "{text}");
    }
}

#[tokio::test]
async fn a_bucket_remembers_the_writer_and_knows_of_no_other() {
    let gateway = Gateway::start().await;
    let storage = Storage::open_s3(&options(&gateway), true).await.unwrap();
    let key = crate::contract::payload(crate::contract::package(), "x");
    let error = storage.write(&key).await.unwrap_err();
    assert!(matches!(error, StorageError::NotEntered { .. }), "{error}");
    storage.enter(7).await.unwrap();
    storage.enter(7).await.unwrap();
    let error = storage.enter(8).await.unwrap_err();
    assert!(matches!(error, StorageError::AlreadyEntered { present: 7, .. }), "{error}");
    assert_eq!(storage.writer_liveness(7), Liveness::Alive);
    assert_eq!(storage.writer_liveness(8), Liveness::Unknown);
}
