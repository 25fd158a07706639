//! Everything that the interface has, once through.

use artifact_client::{ArchiveFormat, SmallFile};
use artifact_domain::event::AuditAction;
use artifact_domain::filter::{AuditFilter, PackageFilter, PageLimit};
use artifact_domain::manifest::Manifest;
use artifact_domain::wire::{
    CheckFile, CheckFilesRequest, ErrorCode, FailPackage, FinalizePackage, UpdatePackage,
};
use artifact_domain::{PackageStatus, Sha256Digest, bag};
use artifact_testkit::TestServer;
use bytes::Bytes;
use futures::TryStreamExt as _;

use crate::support::{body, bytes, client, new_file, open_package, path, request};

#[tokio::test(flavor = "multi_thread")]
async fn a_package_goes_up_and_comes_down() {
    let server = TestServer::start();
    let client = client(&server.url());
    let create = request(
        r#"{"producer":"ci","kind":"build","external_id":"b 1/ü","title":"T","labels":{"a":"b"}}"#,
    );
    let made = client.create_package(&create).await.unwrap();
    let again = client.create_package(&create).await.unwrap_err();
    assert_eq!(again.code(), ErrorCode::PackageExists);
    assert_eq!(again.problem().unwrap().package_id, Some(made.id));

    let large = bytes(3_000_000);
    let names = ["a b/ü%2F?#[]/x-1._~.txt", "empty", "large.bin", &"n".repeat(200)];
    let contents = [Bytes::from_static(b"one"), Bytes::new(), large.clone(), bytes(700)];
    for (name, content) in names.iter().zip(&contents) {
        let stored =
            client.upload_file(made.id, &new_file(name), body(content, 100_000)).await.unwrap();
        assert_eq!((stored.path.as_str(), stored.size), (*name, content.len() as u64));
        assert_eq!(stored.sha256, Sha256Digest::of(content));
    }

    let page = client.files(made.id, None, None, PageLimit::new(2).unwrap()).await.unwrap();
    let rest = client.files(made.id, None, page.next_cursor.as_deref(), PageLimit::default());
    let rest = rest.await.unwrap();
    let listed: Vec<_> = page.items.iter().chain(&rest.items).map(|f| f.path.as_str()).collect();
    assert_eq!(listed, names);
    assert_eq!(rest.next_cursor, None);
    assert_eq!(client.file(made.id, &path("empty")).await.unwrap().unwrap().size, 0);
    assert_eq!(client.file(made.id, &path("empt")).await.unwrap(), None);

    for (name, content) in names.iter().zip(&contents) {
        let download = client.read_file(made.id, &path(name), None).await.unwrap();
        assert_eq!(download.size, Some(content.len() as u64));
        assert_eq!(download.sha256, Some(Sha256Digest::of(content)));
        assert_eq!(download.into_bytes().await.unwrap(), content);
    }
    for range in [0..1, 5..2_000_000, 2_999_999..3_000_000, 2_999_000..9_000_000] {
        let name = path("large.bin");
        let part = client.read_file(made.id, &name, Some(range.clone())).await.unwrap();
        let part = part.into_bytes().await.unwrap();
        let end = usize::try_from(range.end).unwrap().min(large.len());
        assert_eq!(part, large[usize::try_from(range.start).unwrap()..end]);
    }

    let manifest: String = [0, 1, 2, 3]
        .iter()
        .map(|&at| bag::payload_manifest_line(&Sha256Digest::of(&contents[at]), &path(names[at])))
        .collect();
    let sent = FinalizePackage {
        file_count: Some(4),
        total_bytes: Some(3_000_703),
        payload_manifest_sha256: Some(Sha256Digest::of(manifest.as_bytes())),
    };
    let sealed = client.finalize(made.id, &sent).await.unwrap();
    assert_eq!(sealed.status, PackageStatus::Finalized);
    assert_eq!(client.finalize(made.id, &FinalizePackage::default()).await.unwrap(), sealed);

    let manifest = client.manifest(made.id).await.unwrap();
    assert_eq!(Some(manifest.sha256), sealed.manifest_sha256);
    let manifest: Manifest = serde_json::from_slice(&manifest.bytes).unwrap();
    assert_eq!((manifest.package.id, manifest.file_count), (made.id, 4));

    let summary = client.summary(made.id).await.unwrap();
    assert_eq!(summary.url, Some(format!("{}/api/v1/packages/{}", server.url(), made.id)));
    assert_eq!(summary.manifest_sha256, sealed.manifest_sha256);
    for (format, magic) in [(ArchiveFormat::Tar, &b"01"[..2]), (ArchiveFormat::Zip, b"PK")] {
        let archive = client.archive(made.id, format).await.unwrap().into_bytes().await.unwrap();
        assert!(archive.len() > 3_000_000);
        assert_eq!(&archive[..2], magic);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_an_answer_for_each_file() {
    let server = TestServer::start();
    let client = client(&server.url());
    let id = open_package(&server).await.id;
    client.upload_bytes(id, new_file("there"), "before").await.unwrap();
    let small = |name: &str, bytes: Bytes| SmallFile { path: path(name), bytes };
    let deep = format!("{}/{}", "d".repeat(120), "e".repeat(250));
    let batch = [
        small(&deep, Bytes::from_static(b"deep")),
        small("there", Bytes::from_static(b"other")),
        small("empty", Bytes::new()),
        small("100% ü", bytes(200_000)),
    ];
    let answers = client.upload_batch(id, &batch).await.unwrap();
    let codes: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().map_or_else(|e| Some(e.code()), |_| None))
        .collect();
    assert_eq!(codes, [None, Some(ErrorCode::DuplicatePath), None, None]);
    assert!(answers[1].as_ref().unwrap_err().to_string().contains("upload there to package"));
    for (file, answer) in batch.iter().zip(&answers) {
        if let Ok(stored) = answer {
            assert_eq!((&stored.path, stored.sha256), (&file.path, Sha256Digest::of(&file.bytes)));
        }
    }
    assert_eq!(client.package(id).await.unwrap().package.file_count, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_checked_replaced_and_removed() {
    let server = TestServer::start();
    let client = client(&server.url());
    let id = open_package(&server).await.id;
    client.upload_bytes(id, new_file("a"), "a").await.unwrap();
    client.upload_bytes(id, new_file("b"), "b").await.unwrap();
    let file = |name: &str, text: &str| CheckFile {
        path: path(name),
        size: text.len() as u64,
        sha256: Sha256Digest::of(text.as_bytes()),
    };
    let asked = CheckFilesRequest { files: vec![file("a", "a"), file("b", "c"), file("c", "c")] };
    let answer = client.check_files(id, &asked).await.unwrap();
    assert_eq!((answer.present, answer.missing), (vec![path("a")], vec![path("c")]));
    assert_eq!(answer.different, [path("b")]);

    let twice = client.upload_bytes(id, new_file("b"), "c").await.unwrap_err();
    assert_eq!(twice.code(), ErrorCode::DuplicatePath);
    let mut replacement = new_file("b");
    replacement.replace = true;
    let stored = client.upload_bytes(id, replacement, "c").await.unwrap();
    assert_eq!(stored.sha256, Sha256Digest::of(b"c"));
    client.remove_file(id, &path("b")).await.unwrap();
    let gone = client.remove_file(id, &path("b")).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::NotFound);
    assert!(gone.to_string().contains("remove b from package"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_are_listed_changed_and_given_up() {
    let server = TestServer::start();
    let client = client(&server.url());
    for number in 0..3 {
        let labels = format!(r#"{{"producer":"ci","labels":{{"n":"{number} & more"}}}}"#);
        client.create_package(&request(&labels)).await.unwrap();
    }
    let all = PackageFilter::default();
    let first = client.packages(&all, None, PageLimit::new(2).unwrap()).await.unwrap();
    let second = client.packages(&all, first.next_cursor.as_deref(), PageLimit::default()).await;
    assert_eq!((first.items.len(), second.unwrap().items.len()), (2, 1));
    let labelled = PackageFilter {
        labels: serde_json::from_str(r#"{"n":"1 & more"}"#).unwrap(),
        producer: Some("ci".parse().unwrap()),
        on_hold: Some(false),
        ..PackageFilter::default()
    };
    let found = client.packages(&labelled, None, PageLimit::default()).await.unwrap();
    let [package] = &found.items[..] else { panic!("{found:?}") };

    let before = client.package(package.id).await.unwrap();
    let title = UpdatePackage { title: Some("T".parse().ok()), labels: None };
    let etag = before.etag.as_deref();
    let changed = client.update_package(package.id, &title, etag).await.unwrap();
    assert_eq!(changed.package.title, "T".parse().ok());
    assert_ne!(changed.etag, before.etag);
    let late = client.update_package(package.id, &title, etag).await.unwrap_err();
    assert_eq!(late.code(), ErrorCode::PreconditionFailed);

    let reason = FailPackage { reason: "of no use".parse().unwrap() };
    let failed = client.fail_package(package.id, &reason).await.unwrap();
    assert_eq!(failed.status, PackageStatus::Failed);

    let of_package = AuditFilter { package: Some(package.id), ..AuditFilter::default() };
    let events = client.audit(&of_package, None, PageLimit::default()).await.unwrap();
    let actions: Vec<_> = events.items.iter().map(|event| event.action).collect();
    let expected =
        [AuditAction::PackageCreated, AuditAction::PackageUpdated, AuditAction::PackageFailed];
    assert_eq!(actions, expected);
    let created =
        AuditFilter { action: Some(AuditAction::PackageCreated), ..AuditFilter::default() };
    let events = client.audit(&created, None, PageLimit::default()).await.unwrap();
    assert_eq!(events.items.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_streamed() {
    let server = TestServer::start();
    let client = client(&server.url());
    let id = open_package(&server).await.id;
    let content = bytes(4_000_000);
    client.upload_bytes(id, new_file("f"), content.clone()).await.unwrap();
    let download = client.read_file(id, &path("f"), None).await.unwrap();
    let chunks: Vec<Bytes> = download.into_stream().try_collect().await.unwrap();
    assert!(chunks.len() > 4, "{}", chunks.len());
    assert_eq!(chunks.concat(), content);
}
