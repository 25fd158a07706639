//! How long is waited, for what, and how it ends.

use std::time::{Duration, Instant};

use artifact_client::{Client, ClientError, Retries};
use artifact_domain::wire::ErrorCode;
use artifact_testkit::TestServer;

use crate::line::{Fault, Line};
use crate::scripted::{Scripted, answer, problem};
use crate::support::{
    IDLE, body, bytes, client, impatient_server, new_file, open_package, options, path, some_id,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_available_is_asked_again_when_it_says() {
    let busy = problem("503 Service Unavailable", "storage-unavailable", &["Retry-After: 1"]);
    let page = answer("200 OK", &[], r#"{"items":[],"next_cursor":null}"#);
    let server = Scripted::answers(&[&busy, &page]).await;
    let begun = Instant::now();
    assert_eq!(client(&server.url()).file(some_id(), &path("f")).await.unwrap(), None);
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_for_too_much_patience_is_not_waited_for() {
    let busy = problem("503 Service Unavailable", "storage-unavailable", &["Retry-After: 3600"]);
    let server = Scripted::answers(&[&busy]).await;
    let begun = Instant::now();
    let retries = Retries { longest_pause: Duration::from_millis(100), ..options().retries };
    let client =
        Client::new(&server.url(), artifact_client::ClientOptions { retries, ..options() })
            .unwrap();
    let error = client.package(some_id()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::StorageUnavailable);
    assert!(error.to_string().contains("because of storage-unavailable"), "{error}");
    assert!(error.to_string().contains("(4 attempts)"), "{error}");
    assert_eq!(server.asked().len(), 4);
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_end_when_their_time_is_over() {
    let server = Scripted::answers(&[""]).await;
    let retries = Retries {
        attempts: 1000,
        first_pause: Duration::from_millis(100),
        longest_pause: Duration::from_millis(100),
        total: Duration::from_millis(500),
    };
    let client =
        Client::new(&server.url(), artifact_client::ClientOptions { retries, ..options() })
            .unwrap();
    client.package(some_id()).await.unwrap_err();
    assert!((2..=11).contains(&server.asked().len()), "{}", server.asked().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_does_not_move_is_cut() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    let line = Line::to(server.address(), [Fault::StallUp(200_000); 8]).await;
    let client = Client::new(
        &line.url(),
        artifact_client::ClientOptions { retries: Retries::none(), ..options() },
    )
    .unwrap();
    let content = bytes(30_000_000);
    let begun = Instant::now();
    let uploaded = client.upload_file(id, &new_file("f"), body(&content, 100_000)).await;
    let error = uploaded.unwrap_err();
    assert!(matches!(error, ClientError::Stalled { .. }), "{error:?}");
    assert_eq!(error.code(), ErrorCode::StorageUnavailable);
    assert!(error.to_string().contains("was silent for 1 s"), "{error}");
    assert!(begun.elapsed() >= IDLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_moves_slowly_is_not_cut() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    let slow = || {
        Box::pin(futures::stream::unfold(0, |sent| async move {
            tokio::time::sleep(IDLE / 4).await;
            (sent < 8).then(|| (Ok::<_, ClientError>(bytes(10)), sent + 1))
        }))
    };
    let stored = client(&server.url()).upload_file(id, &new_file("f"), slow).await.unwrap();
    assert_eq!(stored.size, 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_our_own_lost_attempt_holds_is_waited_for() {
    let server = impatient_server();
    let id = open_package(&server).await.id;
    // The server does not miss a line that stalls; the claim lives on for a while.
    let line = Line::to(server.address(), [Fault::StallUp(200_000)]).await;
    let content = bytes(1_000_000);
    let (client, file) = (client(&line.url()), new_file("f"));
    let stored = client.upload_file(id, &file, body(&content, 70_000)).await.unwrap();
    assert_eq!(stored.size, 1_000_000);
}
