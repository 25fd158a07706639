//! What must not be done twice is not repeated.

use artifact_domain::filter::PageLimit;
use artifact_domain::wire::{
    AcknowledgeClock, ChangeRetentionClass, ErrorCode, FailPackage, FinalizePackage, PlaceHold,
    PutRetentionClass, ReleaseHold, UpdatePackage,
};
use artifact_testkit::TestServer;

use crate::line::{Fault, Line};
use crate::scripted::{Scripted, problem};
use crate::support::{body, bytes, client, extend, new_file, open_package, request, some_id};

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

#[tokio::test(flavor = "multi_thread")]
async fn what_would_change_a_promise_twice_is_sent_once() {
    let server = Scripted::answers(&[""]).await;
    let client = client(&server.url());
    let (id, hold) = (some_id(), some_id().to_string().parse().unwrap());
    let (reason, class) = ("r".parse().unwrap(), "raw-evidence".parse().unwrap());
    let days = extend(r#"{"days":1,"reason":"r"}"#);
    client.extend_retention(id, &days).await.unwrap_err();
    let place = PlaceHold { reason, mandate: None };
    client.place_hold(id, &place).await.unwrap_err();
    let release = ReleaseHold { reason: place.reason.clone() };
    client.release_hold(id, hold, &release).await.unwrap_err();
    let put = PutRetentionClass { period_days: None, description: None };
    client.put_retention_class(&class, &put).await.unwrap_err();
    let change = ChangeRetentionClass { retention_class: class, reason: place.reason.clone() };
    client.change_retention_class(id, &change).await.unwrap_err();
    let acknowledge = AcknowledgeClock { reason: place.reason };
    client.acknowledge_clock(&acknowledge).await.unwrap_err();
    assert_eq!(server.asked().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sets_a_promise_is_repeated() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    for json in [
        r#"{"expires_at":"2999-01-01T00:00:00Z","reason":"r"}"#,
        r#"{"permanent":true,"reason":"r"}"#,
    ] {
        let line = Line::to(server.address(), [Fault::CutDown(0)]).await;
        let view = client(&line.url()).extend_retention(id, &extend(json)).await.unwrap();
        assert_eq!(view.expires_at, extend(json).expires_at);
        assert_eq!(line.connections(), 2);
    }
    let events = client(&server.url()).retention_events(id, None, PageLimit::default()).await;
    assert_eq!(events.unwrap().items.len(), 3, "one for its class and one for each extension");
}
