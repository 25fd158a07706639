//! Downloads over a line that breaks.

use artifact_client::ClientError;
use artifact_domain::wire::ErrorCode;
use artifact_testkit::TestServer;

use crate::line::{Fault, Line};
use crate::scripted::{Scripted, answer};
use crate::support::{bytes, client, new_file, open_package, path, some_id};

const SIZE: usize = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_goes_on_where_it_was() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    let content = bytes(SIZE);
    client(&server.url()).upload_bytes(id, new_file("f"), content.clone()).await.unwrap();
    for faults in [
        vec![Fault::CutDown(300_000)],
        vec![Fault::CutDown(300_000), Fault::CutDown(0), Fault::CutDown(10), Fault::CutDown(5000)],
        vec![Fault::CutDown(0), Fault::CutDown(100), Fault::CutUp(20)],
        vec![Fault::StallDown(400_000)],
        vec![Fault::StallDown(10)],
    ] {
        let line = Line::to(server.address(), faults.clone()).await;
        let mut options = crate::support::options();
        options.answer_timeout = crate::support::IDLE;
        let client = artifact_client::Client::new(&line.url(), options).unwrap();
        let download = client.read_file(id, &path("f"), None).await.unwrap();
        let received = download.into_bytes().await.unwrap();
        assert!(received == content, "{faults:?}");
        assert_eq!(line.connections(), faults.len() + 1, "{faults:?}");

        let line = Line::to(server.address(), faults.clone()).await;
        let client = crate::support::client(&line.url());
        if !matches!(faults[..], [Fault::StallDown(10)]) {
            let part = client.read_file(id, &path("f"), Some(1000..900_000)).await.unwrap();
            assert!(part.into_bytes().await.unwrap() == content[1000..900_000], "{faults:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_another_version_is_not_taken() {
    let etag = "ETag: \"one\"";
    let cut = format!("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n{etag}\r\n\r\n01234");
    let whole = answer("200 OK", &["ETag: \"two\""], "0123456789");
    let server = Scripted::answers(&[&cut, &whole]).await;
    let download = client(&server.url()).read_file(some_id(), &path("f"), None).await.unwrap();
    let error = download.into_bytes().await.unwrap_err();
    assert!(error.to_string().contains("another range"), "{error}");
    let rest = server.asked().remove(1).to_ascii_lowercase();
    assert!(rest.contains("range: bytes=5-9") && rest.contains("if-match: \"one\""), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_version_or_no_length_is_not_resumed_and_never_looks_complete() {
    let without_tag = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n";
    for cut in [without_tag, chunked] {
        let server = Scripted::answers(&[cut]).await;
        let download = client(&server.url()).read_file(some_id(), &path("f"), None).await.unwrap();
        let error = download.into_bytes().await.unwrap_err();
        assert!(matches!(error, ClientError::CutShort { received: 5, .. }), "{error:?}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_gets_no_further_ends() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: \"one\"\r\n\r\n01234";
    let server = Scripted::answers(&[cut, ""]).await;
    let download = client(&server.url()).read_file(some_id(), &path("f"), None).await.unwrap();
    let error = download.into_bytes().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageUnavailable);
    assert!(error.to_string().contains("(4 attempts)"), "{error}");
    assert_eq!(server.asked().len(), 4);
}
