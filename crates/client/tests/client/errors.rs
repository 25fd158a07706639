//! Errors say what was attempted on what, and what can be done.

use artifact_client::{Client, ClientError, ClientOptions, Retries, Token};
use artifact_domain::wire::ErrorCode;
use artifact_testkit::TestServer;

use crate::scripted::{Scripted, answer};
use crate::support::{client, options, path, some_id};

async fn show(url: &str, options: ClientOptions) -> ClientError {
    Client::new(url, options).unwrap().package(some_id()).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = show(&url, options()).await;
    assert_eq!(error.code(), ErrorCode::StorageUnavailable);
    let text = error.to_string();
    for wanted in ["look up package", url.as_str(), "Connection refused", "(4 attempts)"] {
        assert!(text.contains(wanted), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_known_is_refused_and_not_shown() {
    let server = TestServer::start();
    let options = ClientOptions { token: Some(Token::new("s3cret")), ..options() };
    let client = Client::new(&server.url(), options).unwrap();
    let error = client.package(some_id()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unauthorized);
    for text in [error.to_string(), format!("{error:?}"), format!("{client:?}")] {
        assert!(!text.contains("s3cret"), "{text}");
    }
    let unfit = ClientOptions { token: Some(Token::new("a\nb")), ..ClientOptions::default() };
    assert!(Client::new(&server.url(), unfit).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named() {
    let server = TestServer::start();
    let error = client(&server.url()).package(some_id()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
    let wanted = format!("there is no package {}", some_id());
    assert!(error.to_string().contains(&wanted), "{error}");
    let error = client(&server.url()).read_file(some_id(), &path("f"), None).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn something_that_is_no_artifact_store_is_not_taken_for_one() {
    for (status, body, code, wanted) in [
        ("200 OK", "<html>", ErrorCode::Internal, "is this its address?"),
        ("404 Not Found", "<html>", ErrorCode::Internal, "is this its address?"),
        ("401 Unauthorized", "", ErrorCode::Unauthorized, "401"),
        ("502 Bad Gateway", "", ErrorCode::StorageUnavailable, "Bad Gateway"),
        ("409 Conflict", r#"{"code":"of-tomorrow","detail":"why"}"#, ErrorCode::Internal, "(why)"),
    ] {
        let server = Scripted::answers(&[&answer(status, &[], body)]).await;
        let error =
            show(&server.url(), ClientOptions { retries: Retries::none(), ..options() }).await;
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirection_is_not_followed_but_told() {
    let there = answer("301 Moved Permanently", &["Location: https://e.example.org/api"], "");
    let server = Scripted::answers(&[&there]).await;
    let token = Some(Token::new("s3cret"));
    let error = show(&server.url(), ClientOptions { token, ..options() }).await;
    assert!(error.to_string().contains("points to https://e.example.org/api"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_speak_tls_is_told_apart() {
    let server = TestServer::start();
    let url = server.url().replace("http://", "https://");
    let error = show(&url, ClientOptions { retries: Retries::none(), ..options() }).await;
    assert_eq!(error.code(), ErrorCode::StorageUnavailable);
    assert!(error.to_string().contains("corrupt message"), "{error}");
}
