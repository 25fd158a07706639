//! A directory against a package: asked about file by file or listed, the answer is the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
use artifact_client::{Client, ClientOptions};
use artifact_domain::PackageId;
use artifact_ingestion::compare::{Comparison, compare};
use artifact_ingestion::{Destination, NoProgress, Selection, Walk, walk};
use artifact_testkit::TestServer;

fn a_walk(folder: &std::path::Path, files: &[(&str, &str)]) -> Walk {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    walk(folder, &Selection::default()).unwrap()
}

async fn held(destination: &impl Destination, package: PackageId, walk: &Walk) -> Comparison {
    compare(destination, package, walk, 2, &NoProgress).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_and_a_server_compare_alike() {
    let server = TestServer::start();
    let client = Client::new(&server.url(), ClientOptions::default()).unwrap();
    let create = serde_json::from_str(r#"{"producer":"p"}"#).unwrap();
    let package = client.create_package(&create).await.unwrap().id;
    let folder = tempfile::tempdir().unwrap();
    let directory: Vec<(String, &str)> =
        (0..1200).map(|number| (format!("{}/{number}", number % 7), "text")).collect();
    let files: Vec<(&str, &str)> =
        directory.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let walk = a_walk(folder.path(), &files);

    let upload = async |name: &str, text: &'static str| {
        let file = artifact_client::NewFile::new(name.parse().unwrap());
        client.upload_bytes(package, file, text).await.unwrap();
    };
    let assert_alike = async |same: usize, different: usize, extra: usize| {
        let asked = held(&client, package, &walk).await;
        assert_eq!(asked, held(server.store(), package, &walk).await);
        assert_eq!((asked.same.len(), asked.digests.len()), (same, same));
        assert_eq!((asked.different.len(), asked.extra.len()), (different, extra));
        assert_eq!(asked.missing.len(), 1200 - same - different);
    };
    assert_alike(0, 0, 0).await;
    upload("extra", "x").await;
    assert_alike(0, 0, 1).await;
    upload(files[0].0, "tent").await;
    upload(files[1].0, "other").await;
    for (name, text) in &files[2..800] {
        let bytes = text.as_bytes();
        let path = name.parse().unwrap();
        let small = artifact_client::SmallFile { path, bytes: bytes.to_vec().into() };
        client.upload_batch(package, &[small]).await.unwrap().remove(0).unwrap();
    }
    assert_alike(798, 2, 1).await;
    client.remove_file(package, &"extra".parse().unwrap()).await.unwrap();
    assert_alike(798, 2, 0).await;
}
