//! The folder of an embedded store, looked at without it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::contract::{bytes, create, open, package, put, seal, sha256};
use crate::{bag, files_below, fresh};

/// The digests that a checksum file lists, by name; what `sha256sum -c` reads.
fn listed(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(|line| line.split_once("  ").unwrap());
    lines.map(|(digest, name)| (name.to_owned(), digest.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bag_is_proven_with_nothing_but_its_files() {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    let id = package(&store).await;
    let names = ["100%", "a b/c", "data/x", "manifest.json", "ä", "%0A", "*star"];
    for (n, name) in names.iter().enumerate() {
        put(&store, id, name, bytes(n * 1000)).await;
    }
    let sealed = seal(&store, id).await;
    drop(store);
    let bag = bag(&folder, id);
    let text = |name: &str| fs::read_to_string(bag.join(name)).unwrap();

    let payload = listed(&text("manifest-sha256.txt"));
    let tags = listed(&text("tagmanifest-sha256.txt"));
    for (name, digest) in payload.iter().chain(&tags) {
        assert_eq!(*digest, sha256(&fs::read(bag.join(name)).unwrap()).to_string(), "{name}");
    }
    let mut expected: Vec<_> = names.iter().map(|name| format!("data/{name}")).collect();
    expected.sort();
    assert_eq!(payload.keys().cloned().collect::<Vec<_>>(), expected);
    assert_eq!(
        tags.keys().map(String::as_str).collect::<Vec<_>>(),
        ["bag-info.txt", "bagit.txt", "manifest-sha256.txt", "manifest.json"]
    );
    expected.extend(
        [
            "bag-info.txt",
            "bagit.txt",
            "manifest-sha256.txt",
            "manifest.json",
            "registry.json",
            "tagmanifest-sha256.txt",
        ]
        .map(str::to_owned),
    );
    expected.sort();
    assert_eq!(files_below(&bag), expected);
    let digest = sealed.manifest_sha256.unwrap().to_string();
    assert_eq!(tags["manifest.json"], digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_beside_the_bag_says_what_the_registry_says() {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    let said = json!({"producer": "ci", "external_id": "e", "title": "T", "labels": {"a": "1"}});
    let id = create(&store, said).await.id;
    put(&store, id, "x", "x").await;
    let sealed = seal(&store, id).await;
    let text = fs::read(bag(&folder, id).join("registry.json")).unwrap();
    let record: Value = serde_json::from_slice(&text).unwrap();
    let expected = json!({
        "schema": "artifact-store/record/v1", "id": id, "producer": "ci", "kind": "directory",
        "external_id": "e", "title": "T", "labels": {"a": "1"}, "status": "finalized",
        "retention_class": "raw-evidence", "rule_version": 1, "created_at": sealed.created_at,
        "finalized_at": sealed.finalized_at, "expires_at": sealed.expires_at, "on_hold": false,
        "file_count": 1, "total_bytes": 1, "manifest_sha256": sealed.manifest_sha256,
        "payload_manifest_sha256": sealed.payload_manifest_sha256, "failure_reason": null,
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&record[member], value, "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_follows_a_new_title_and_the_sealed_files_do_not() {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    let id = create(&store, json!({"producer": "ci", "title": "before"})).await.id;
    put(&store, id, "x", "x").await;
    let sealed = seal(&store, id).await;
    let change = serde_json::from_value(json!({"title": "after"})).unwrap();
    store.update_package(id, change, None).await.unwrap();
    let text = fs::read(bag(&folder, id).join("registry.json")).unwrap();
    let record: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(record["title"], "after");
    assert_eq!(record["manifest_sha256"], json!(sealed.manifest_sha256));
    assert_eq!(store.verify(id, |_| ()).await.unwrap().problems, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_or_replaced_leaves_nothing_in_the_folder() {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "kept", "x").await;
    put(&store, id, "deep/er/gone", bytes(2_000_000)).await;
    store.remove_file(id, &crate::contract::path("deep/er/gone")).await.unwrap();
    store.upload_bytes(id, crate::contract::replacing("kept"), "y").await.unwrap();
    let upload = artifact_store::NewUpload { size: Some(1), ..crate::contract::new("wrong/size") };
    store.upload_bytes(id, upload, bytes(2_000_000)).await.unwrap_err();
    store.upload_bytes(id, crate::contract::new("kept/below"), "x").await.unwrap_err();
    assert_eq!(files_below(&bag(&folder, id)), ["data/kept"]);
    // Of folders too there is only what files are in.
    let folders = fs::read_dir(bag(&folder, id).join("data")).unwrap().count();
    assert_eq!(folders, 1);
    let staged = files_below(&folder.path().join("staging"));
    assert!(staged.iter().all(|name| !name.contains('/')), "{staged:?}");
}
