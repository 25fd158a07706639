//! Bytes that are not what they should be are noticed on either side.

use artifact_client::ClientError;
use artifact_domain::Sha256Digest;
use artifact_domain::wire::ErrorCode;
use artifact_testkit::TestServer;
use bytes::Bytes;
use data_encoding::BASE64;

use crate::scripted::{Scripted, answer};
use crate::support::{body, client, new_file, open_package, path, some_id};

fn stored(path: &str, text: &[u8]) -> String {
    let (size, sha256, blake3) = (text.len(), Sha256Digest::of(text), blake3::hash(text));
    format!(
        r#"{{"path":"{path}","size":{size},"sha256":"{sha256}","blake3":"{blake3}","media_type":"text/plain","uploaded_at":"2026-01-01T00:00:00.000000Z","links":{{"content":"/x"}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_that_is_known_goes_ahead() {
    let sha256 = Sha256Digest::of(b"text");
    let server = Scripted::answers(&[&answer("201 Created", &[], &stored("f", b"text"))]).await;
    client(&server.url()).upload_bytes(some_id(), new_file("f"), "text").await.unwrap();
    let expected = format!("repr-digest: sha-256=:{}:", BASE64.encode(sha256.as_bytes()));
    let asked = server.asked().remove(0);
    assert!(asked.contains(&expected) && asked.contains("content-length: 4"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_stores_nothing_but_the_announced_digest() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    let mut file = new_file("f");
    file.sha256 = Some(Sha256Digest::of(b"other"));
    let bytes = Bytes::from_static(b"text");
    let client = client(&server.url());
    let error = client.upload_file(id, &file, body(&bytes, 2)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::DigestMismatch, "{error}");
    assert_eq!(client.file(id, &path("f")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_stored_with_other_bytes_is_removed_again() {
    let server = Scripted::answers(&[
        &answer("201 Created", &[], &stored("f", b"tent")),
        &answer("204 No Content", &[], ""),
    ])
    .await;
    let bytes = Bytes::from_static(b"text");
    let (client, file) = (client(&server.url()), new_file("f"));
    let error = client.upload_file(some_id(), &file, body(&bytes, 4)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::DigestMismatch);
    assert!(error.to_string().contains("removed again"), "{error}");
    let asked = server.asked();
    assert!(asked[0].starts_with("PUT ") && !asked[0].contains("repr-digest"), "{asked:?}");
    assert!(asked[1].starts_with("DELETE "), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_down_is_held_against_the_announced_digest() {
    let sha256 = Sha256Digest::of(b"text");
    let repr = format!("Repr-Digest: sha-256=:{}:", BASE64.encode(sha256.as_bytes()));
    for header in [repr, format!("ETag: \"sha256:{sha256}\"")] {
        let server = Scripted::answers(&[
            &answer("200 OK", &[&header], "tent"),
            &answer("200 OK", &[&header], "text"),
        ])
        .await;
        let client = client(&server.url());
        let read = async || {
            let download = client.read_file(some_id(), &path("f"), None).await.unwrap();
            download.into_bytes().await
        };
        let error = read().await.unwrap_err();
        assert!(matches!(error, ClientError::Mismatch { .. }), "{error:?}");
        assert_eq!(error.code(), ErrorCode::DigestMismatch);
        assert_eq!(read().await.unwrap(), "text");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_as_announced_stores_nothing_and_is_not_asked_again() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    let client = client(&server.url());
    for (size, bytes) in [(5, "text"), (3, "text"), (0, "text"), (1, "")] {
        let mut file = new_file("f");
        file.size = Some(size);
        let bytes = Bytes::from_static(bytes.as_bytes());
        let made = std::sync::atomic::AtomicU32::new(0);
        let stream = body(&bytes, 2);
        let counted = || {
            made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            stream()
        };
        let error = client.upload_file(id, &file, counted).await.unwrap_err();
        assert!(matches!(error, ClientError::Source { .. }), "{size}: {error:?}");
        assert!(error.to_string().contains(&format!("{size} bytes were announced")), "{error}");
        assert_eq!(made.into_inner(), 1);
        assert_eq!(client.file(id, &path("f")).await.unwrap(), None);
    }
}
