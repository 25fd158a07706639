//! Uploads over a line that breaks: stored once, whole, or not at all.

use artifact_client::{ClientError, SmallFile};
use artifact_domain::Sha256Digest;
use artifact_domain::wire::ErrorCode;
use artifact_testkit::TestServer;
use bytes::Bytes;

use crate::line::{Fault, Line};
use crate::support::{body, bytes, client, impatient_server, new_file, open_package, path};

const SIZE: usize = 1_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_or_stalls_is_sent_again() {
    let server = impatient_server();
    let id = open_package(&server).await.id;
    let content = bytes(SIZE);
    for (number, faults) in [
        vec![Fault::CutUp(0)],
        vec![Fault::CutUp(100), Fault::CutUp(400_000), Fault::CutUp(900_000)],
        vec![Fault::StallUp(300_000)],
    ]
    .into_iter()
    .enumerate()
    {
        for size in [None, Some(SIZE as u64)] {
            let line = Line::to(server.address(), faults.clone()).await;
            let mut file = new_file(&format!("{number}-{}", size.is_some()));
            file.size = size;
            let client = client(&line.url());
            let stored = client.upload_file(id, &file, body(&content, 70_000)).await.unwrap();
            assert_eq!(stored.sha256, Sha256Digest::of(&content));
            assert!(line.connections() > faults.len(), "{faults:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_answer_is_lost_is_found_to_be_stored() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    let content = bytes(SIZE);
    for (number, size) in [None, Some(SIZE as u64)].into_iter().enumerate() {
        let line = Line::to(server.address(), [Fault::CutDown(0)]).await;
        let mut file = new_file(&number.to_string());
        file.size = size;
        let client = client(&line.url());
        let stored = client.upload_file(id, &file, body(&content, 70_000)).await.unwrap();
        assert_eq!((stored.path, stored.size), (file.path, SIZE as u64));
    }
    let line = Line::to(server.address(), [Fault::CutDown(0)]).await;
    client(&line.url()).upload_bytes(id, new_file("small"), "x").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_others_have_taken_is_not_taken_for_ours() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    let direct = client(&server.url());
    direct.upload_bytes(id, new_file("f"), "other").await.unwrap();
    // The first attempt is lost on its way up, so the second one cannot tell by itself.
    let line = Line::to(server.address(), [Fault::CutUp(50)]).await;
    let uploaded = client(&line.url()).upload_bytes(id, new_file("f"), "mine").await;
    assert_eq!(uploaded.unwrap_err().code(), ErrorCode::DuplicatePath);
    let kept = direct.read_file(id, &path("f"), None).await.unwrap().into_bytes().await.unwrap();
    assert_eq!(kept, "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_answer_is_lost_is_found_to_be_stored() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    let direct = client(&server.url());
    direct.upload_bytes(id, new_file("1"), "other").await.unwrap();
    let files: Vec<SmallFile> = (0..3)
        .map(|number| SmallFile { path: path(&number.to_string()), bytes: bytes(number * 1000) })
        .collect();
    for faults in [vec![Fault::CutDown(0)], vec![Fault::CutUp(1500), Fault::CutDown(5)]] {
        let line = Line::to(server.address(), faults).await;
        let answers = client(&line.url()).upload_batch(id, &files).await.unwrap();
        assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
        let error = answers[1].as_ref().unwrap_err();
        assert_eq!(error.code(), ErrorCode::DuplicatePath);
        for number in ["0", "2"] {
            direct.remove_file(id, &path(number)).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_heard_while_a_large_file_is_still_on_its_way() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    let client = client(&server.url());
    client.upload_bytes(id, new_file("f"), "there").await.unwrap();
    let content = bytes(20_000_000);
    let mut file = new_file("f");
    for size in [None, Some(content.len() as u64)] {
        file.size = size;
        let error = client.upload_file(id, &file, body(&content, 100_000)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::DuplicatePath, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_is_not_asked_again() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    let client = client(&server.url());
    let body = || {
        futures::stream::iter([Ok(Bytes::from_static(b"x")), Err("the disk is gone".to_owned())])
    };
    for size in [None, Some(1)] {
        let mut file = new_file("f");
        file.size = size;
        let error = client.upload_file(id, &file, body).await.unwrap_err();
        assert!(matches!(error, ClientError::Source { .. }), "{error:?}");
        assert!(error.to_string().ends_with("the disk is gone"), "{error}");
        assert_eq!(client.file(id, &path("f")).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_whose_answer_is_lost_is_done() {
    let server = TestServer::start();
    let id = open_package(&server).await.id;
    client(&server.url()).upload_bytes(id, new_file("f"), "x").await.unwrap();
    let line = Line::to(server.address(), [Fault::CutDown(0)]).await;
    client(&line.url()).remove_file(id, &path("f")).await.unwrap();
}
