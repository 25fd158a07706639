//! What must not be done twice is not repeated.

use artifact_domain::wire::{ErrorCode, FailPackage, FinalizePackage, UpdatePackage};
use artifact_testkit::TestServer;

use crate::line::{Fault, Line};
use crate::scripted::{Scripted, problem};
use crate::support::{body, bytes, client, new_file, open_package, request, some_id};

#[tokio::test(flavor = "multi_thread")]
async fn a_package_without_an_external_id_is_created_once() {
    for answer in ["", &problem("503 Service Unavailable", "registry-unavailable", &[])] {
        let server = Scripted::answers(&[answer]).await;
        let made = client(&server.url()).create_package(&request(r#"{"producer":"ci"}"#)).await;
        made.unwrap_err();
        assert_eq!(server.asked().len(), 1, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_with_an_external_id_is_created_until_there_is_an_answer() {
    let server = TestServer::start();
    let line = Line::to(server.address(), [Fault::CutDown(0)]).await;
    let create = request(r#"{"producer":"ci","external_id":"e"}"#);
    let error = client(&line.url()).create_package(&create).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PackageExists);
    let id = error.problem().unwrap().package_id.unwrap();
    assert!(client(&server.url()).package(id).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_a_giving_up_and_a_replacement_are_sent_once() {
    let server = Scripted::answers(&[""]).await;
    let client = client(&server.url());
    client.update_package(some_id(), &UpdatePackage::default(), None).await.unwrap_err();
    assert_eq!(server.asked().len(), 1);
    let reason = FailPackage { reason: "r".parse().unwrap() };
    client.fail_package(some_id(), &reason).await.unwrap_err();
    assert_eq!(server.asked().len(), 2);
    let mut file = new_file("f");
    file.replace = true;
    client.upload_file(some_id(), &file, body(&bytes(10), 10)).await.unwrap_err();
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_had_no_time_to_look_at_is_sent_again() {
    let busy = problem("429 Too Many Requests", "too-many-requests", &["Retry-After: 0"]);
    let server = Scripted::answers(&[&busy, &busy, ""]).await;
    let made = client(&server.url()).create_package(&request(r#"{"producer":"ci"}"#)).await;
    made.unwrap_err();
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn finalize_is_repeated() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    client(&server.url()).upload_bytes(id, new_file("f"), "x").await.unwrap();
    let line = Line::to(server.address(), [Fault::CutDown(0), Fault::CutUp(30)]).await;
    let sealed = client(&line.url()).finalize(id, &FinalizePackage::default()).await.unwrap();
    assert!(sealed.manifest_sha256.is_some());
    assert_eq!(line.connections(), 3);
}
