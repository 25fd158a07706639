//! What is seen of packages as a whole.

use artifact_storage::{ObjectKey, Storage, TagFile};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};

use super::{bytes, create, list, package, payload, read, write};

pub(crate) async fn odd_names_are_kept_byte_for_byte(storage: Storage) {
    let package = package();
    let names = [
        "100%",
        "%2e%2e/x",
        "%25",
        "report #1",
        "attempt#1",
        "a b ",
        " a",
        "…/ü/日本",
        "a.",
        "...",
        ".hidden",
        "..a/b..",
        "~",
        "a~1",
        "what?",
        "*",
        "a:b",
        "-rf",
        "\"quoted\"",
        "'",
        "a&b;c|d",
        "{x}",
        "[y]",
        "<z>",
        "^`$!",
        "data",
        "registry.json",
        "storage.json",
        "e\u{301}",
        "\u{e9}",
        "\u{200b}",
        "staging/1.lock",
        "CON",
        "x#1/y",
    ];
    for name in names {
        create(&storage, &payload(package, name), Bytes::from(name.to_owned())).await;
    }
    for name in names {
        assert_eq!(read(&storage, &payload(package, name)).await.unwrap(), name.as_bytes());
    }
    let listed = list(&storage, package).await;
    let mut listed: Vec<&str> =
        listed.values().filter_map(|facts| facts.payload_path(package)).collect();
    let mut expected = names.to_vec();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    for name in names {
        storage.delete(&payload(package, name)).await.unwrap();
    }
    assert!(list(&storage, package).await.is_empty());
}

pub(crate) async fn a_list_names_the_objects_of_its_package_and_no_others(storage: Storage) {
    let (ours, other) = (package(), package());
    create(&storage, &payload(other, "not/ours"), bytes(1)).await;
    let mut expected = Vec::new();
    for n in 0..1100 {
        expected.push(payload(ours, &format!("d{}/f{n}", n % 7)));
    }
    expected.extend(TagFile::ALL.map(|file| ObjectKey::tag(ours, file)));
    for key in &expected {
        create(&storage, key, bytes(3)).await;
    }
    let mut expected: Vec<&str> = expected.iter().map(ObjectKey::as_str).collect();
    expected.sort_unstable();
    let listed = list(&storage, ours).await;
    assert_eq!(listed.keys().collect::<Vec<_>>(), expected);
    assert!(listed.values().all(|facts| facts.size == 3));
}

pub(crate) async fn packages_are_listed_by_name(storage: Storage) {
    assert_eq!(storage.list_packages().count().await, 0);
    let mut expected: Vec<String> = Vec::new();
    for _ in 0..3 {
        let package = package();
        create(&storage, &payload(package, "a/b"), bytes(1)).await;
        expected.push(package.to_string());
    }
    let mut listed: Vec<String> = storage.list_packages().try_collect().await.unwrap();
    listed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(listed, expected);
}

pub(crate) async fn a_synced_package_is_still_all_there(storage: Storage) {
    storage.sync_package(package()).await.unwrap();
    for files in [3, 300] {
        let package = package();
        for n in 0..files {
            create(&storage, &payload(package, &format!("{}/{n}", n % 5)), bytes(n)).await;
        }
        write(&storage, &payload(package, "large"), &bytes(2_000_000), 65_536).await;
        storage.sync_package(package).await.unwrap();
        assert_eq!(list(&storage, package).await.len(), files + 1);
    }
}

pub(crate) async fn health_says_how_long_the_probe_took(storage: Storage) {
    let (one, two) = tokio::join!(storage.health(), storage.health());
    assert!(!one.unwrap().latency.is_zero() && !two.unwrap().latency.is_zero());
    assert_eq!(storage.list_packages().count().await, 0);
}

pub(crate) async fn a_package_is_removed_once_nothing_is_left_of_it(storage: Storage) {
    let package = package();
    let keys = [payload(package, "a/b/c"), ObjectKey::tag(package, TagFile::Record)];
    for key in &keys {
        create(&storage, key, bytes(1)).await;
    }
    for key in &keys {
        storage.delete(key).await.unwrap();
    }
    storage.remove_package(package).await.unwrap();
    assert!(list(&storage, package).await.is_empty());
    let names: Vec<String> = storage.list_packages().try_collect().await.unwrap();
    assert!(!names.contains(&package.to_string()), "{names:?}");
    // Again, and a package that never was.
    storage.remove_package(package).await.unwrap();
}
