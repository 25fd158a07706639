//! Lists of packages and of files.

use std::collections::BTreeSet;
use std::time::Duration;

use artifact_domain::filter::PackageFilter;
use artifact_domain::{Package, PackageId, PackageStatus};
use artifact_retention::is_eligible;
use artifact_store::{ArtifactStore, StoreError, StoreOptions};
use serde_json::{Value, json};

use super::finalize::add_rule;
use super::{assert_refused, create, limit, now, open, package, put, seal, small};

async fn listed(store: &ArtifactStore, filter: PackageFilter) -> Vec<Package> {
    store.packages(filter, None, limit(1000)).await.unwrap().items
}

fn ids(packages: &[Package]) -> Vec<PackageId> {
    packages.iter().map(|package| package.id).collect()
}

/// Creates packages one after the other, each later than the one before.
async fn create_all(store: &ArtifactStore, said: &[Value]) -> Vec<Package> {
    let mut made = Vec::new();
    for said in said {
        made.push(create(store, said.clone()).await);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    made
}

pub(crate) async fn packages_are_filtered_by_each_condition(options: StoreOptions) {
    let store = open(&options).await;
    let made = create_all(
        &store,
        &[
            json!({"producer": "ci", "labels": {"branch": "main", "os": "linux"}}),
            json!({"producer": "ci", "kind": "run", "external_id": "a", "labels": {"branch": "main"}}),
            json!({"producer": "cj", "external_id": "a", "retention_class": "transient"}),
            json!({"producer": "cj", "retention_class": "permanent-record", "labels": {"os": "linux"}}),
        ],
    )
    .await;
    put(&store, made[1].id, "x", "x").await;
    seal(&store, made[1].id).await;
    store.fail_package(made[2].id, "no".parse().unwrap()).await.unwrap();
    let all = PackageFilter::default;
    let labels = |pairs: Value| serde_json::from_value(pairs).unwrap();
    let cases = [
        (all(), vec![3, 2, 1, 0]),
        (PackageFilter { status: Some(PackageStatus::Created), ..all() }, vec![3, 0]),
        (PackageFilter { status: Some(PackageStatus::Finalized), ..all() }, vec![1]),
        (PackageFilter { status: Some(PackageStatus::Deleted), ..all() }, vec![]),
        (PackageFilter { producer: Some("ci".parse().unwrap()), ..all() }, vec![1, 0]),
        (PackageFilter { kind: Some("run".parse().unwrap()), ..all() }, vec![1]),
        (PackageFilter { kind: Some("directory".parse().unwrap()), ..all() }, vec![3, 2, 0]),
        (PackageFilter { external_id: Some("a".parse().unwrap()), ..all() }, vec![2, 1]),
        (PackageFilter { retention_class: Some("transient".parse().unwrap()), ..all() }, vec![2]),
        (PackageFilter { on_hold: Some(false), ..all() }, vec![3, 2, 1, 0]),
        (PackageFilter { on_hold: Some(true), ..all() }, vec![]),
        (PackageFilter { labels: labels(json!({"branch": "main"})), ..all() }, vec![1, 0]),
        (
            PackageFilter { labels: labels(json!({"os": "linux", "branch": "main"})), ..all() },
            vec![0],
        ),
        (PackageFilter { labels: labels(json!({"os": "Linux"})), ..all() }, vec![]),
        (PackageFilter { created_after: Some(made[1].created_at), ..all() }, vec![3, 2]),
        (PackageFilter { created_before: Some(made[1].created_at), ..all() }, vec![0]),
        (PackageFilter { expires_after: made[2].expires_at, ..all() }, vec![3, 1, 0]),
        (PackageFilter { expires_before: made[0].expires_at, ..all() }, vec![2]),
        (PackageFilter { eligible: true, ..all() }, vec![]),
        // All conditions together.
        (
            PackageFilter {
                producer: Some("ci".parse().unwrap()),
                status: Some(PackageStatus::Finalized),
                labels: labels(json!({"branch": "main"})),
                created_after: Some(made[0].created_at),
                ..all()
            },
            vec![1],
        ),
        (
            PackageFilter {
                producer: Some("cj".parse().unwrap()),
                kind: Some("run".parse().unwrap()),
                ..all()
            },
            vec![],
        ),
    ];
    for (filter, expected) in cases {
        let expected: Vec<_> = expected.into_iter().map(|n: usize| made[n].id).collect();
        let found = listed(&store, filter.clone()).await;
        assert_eq!(ids(&found), expected, "{filter:?}");
        for package in found {
            assert_eq!(store.package(package.id).await.unwrap(), package);
        }
    }
}

pub(crate) async fn packages_are_paged_newest_first(options: StoreOptions) {
    let store = open(&options).await;
    let mut made = Vec::new();
    for n in 0..25 {
        let producer = if n % 5 == 0 { "rare" } else { "ci" };
        made.push(create(&store, json!({"producer": producer, "labels": {"a": "1"}})).await.id);
    }
    made.reverse();
    let all = PackageFilter::default;
    let labelled = serde_json::from_value(json!({"a": "1"})).unwrap();
    for (filter, size, sizes) in [
        (all(), 7, vec![7, 7, 7, 4]),
        (PackageFilter { labels: labelled, ..all() }, 7, vec![7, 7, 7, 4]),
        (PackageFilter { producer: Some("rare".parse().unwrap()), ..all() }, 2, vec![2, 2, 1]),
    ] {
        let (mut seen, mut pages, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let page = store.packages(filter.clone(), cursor, limit(size)).await.unwrap();
            pages.push(page.items.len());
            seen.extend(ids(&page.items));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(pages, sizes);
        let expected = listed(&store, filter).await;
        assert_eq!(seen, ids(&expected));
    }
    // Two that are made in one microsecond have the order of their ids, whatever that is.
    let listed: Vec<_> = listed(&store, all()).await;
    assert!(listed.is_sorted_by(|a, b| (a.created_at, a.id) > (b.created_at, b.id)));
    assert_eq!(BTreeSet::from_iter(ids(&listed)), BTreeSet::from_iter(made));
}

pub(crate) async fn packages_created_while_paging_neither_repeat_nor_hide(options: StoreOptions) {
    let store = open(&options).await;
    let mut before: Vec<_> = Vec::new();
    for _ in 0..9 {
        before.push(package(&store).await);
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.packages(PackageFilter::default(), cursor, limit(4)).await.unwrap();
        seen.extend(ids(&page.items));
        package(&store).await;
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    before.sort();
    seen.sort();
    assert_eq!(seen, before);
}

pub(crate) async fn a_cursor_of_another_list_is_refused(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let other = package(&store).await;
    put(&store, id, "a/1", "1").await;
    put(&store, id, "a/2", "2").await;
    let all = PackageFilter::default;
    let packages = store.packages(all(), None, limit(1)).await.unwrap().next_cursor.unwrap();
    let files = store.files(id, None, None, limit(1)).await.unwrap().next_cursor.unwrap();
    let created = PackageFilter { status: Some(PackageStatus::Created), ..all() };
    for (filter, cursor) in [
        (created, packages.clone()),
        (all(), files.clone()),
        (all(), String::new()),
        (all(), "nonsense".to_owned()),
        (all(), format!("{packages}x")),
    ] {
        let answer = store.packages(filter, Some(cursor), limit(1)).await;
        assert_refused!(answer, StoreError::Cursor(_));
    }
    for (package, prefix, cursor) in [
        (other, None, files.clone()),
        (id, Some("a/".to_owned()), files.clone()),
        (id, None, packages),
        (id, None, "?".to_owned()),
    ] {
        let answer = store.files(package, prefix, Some(cursor), limit(1)).await;
        assert_refused!(answer, StoreError::Cursor(_));
    }
    let next = store.files(id, None, Some(files), limit(1)).await.unwrap();
    assert_eq!(next.items[0].path.as_str(), "a/2");
}

pub(crate) async fn files_are_listed_by_the_bytes_of_their_paths(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let mut names = vec![
        "A",
        "Z",
        "_",
        "a",
        "a b",
        "a!",
        "a-b",
        "a.b",
        "a0",
        "aa",
        "b/c",
        "b/c d",
        "b0",
        "z",
        "\u{e9}",
        "e\u{301}",
        "\u{ff5e}",
        "\u{10000}",
        "\u{d7ff}",
        "\u{e000}",
        "100%",
        "%41",
    ];
    let files = names.iter().rev().map(|name| small(name, *name)).collect();
    assert!(store.upload_batch(id, files).await.unwrap().iter().all(Result::is_ok));
    names.sort_unstable_by_key(|name| name.as_bytes());
    assert_eq!(super::paths(&store, id).await, names);
    for size in [1, 7] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.files(id, None, cursor, limit(size)).await.unwrap();
            seen.extend(page.items.iter().map(|file| file.path.to_string()));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, names);
    }
}

pub(crate) async fn files_below_a_prefix_are_paged(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let names = [
        "A/1",
        "a%b",
        "a/1",
        "a/2",
        "a/sub/3",
        "a0",
        "aXb",
        "a_b",
        "b",
        "\u{10ffff}",
        "\u{10ffff}x",
    ];
    let files = names.iter().map(|name| small(name, *name)).collect();
    assert!(store.upload_batch(id, files).await.unwrap().iter().all(Result::is_ok));
    for prefix in
        ["", "a", "a/", "a/s", "a/sub/3", "A", "a%", "a_", "\u{10ffff}", "c", "a/1/", "/", ".."]
    {
        let mut expected: Vec<_> = names.iter().filter(|name| name.starts_with(prefix)).collect();
        expected.sort();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.files(id, Some(prefix.to_owned()), cursor, limit(2)).await.unwrap();
            seen.extend(page.items.into_iter().map(|file| file.path.to_string()));
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen.iter().collect::<Vec<_>>(), expected, "{prefix}");
    }
}

pub(crate) async fn the_eligible_filter_is_the_rule_of_retention(options: StoreOptions) {
    let store = open(&options).await;
    add_rule(&options, "at-once", 1, 0).await;
    let mut meant = BTreeSet::new();
    for class in ["at-once", "transient", "permanent-record"] {
        for status in ["created", "uploading", "finalized", "failed"] {
            let said = json!({"producer": "ci", "retention_class": class});
            let id = create(&store, said).await.id;
            if status != "created" {
                put(&store, id, "x", "x").await;
            }
            match status {
                "finalized" => drop(seal(&store, id).await),
                "failed" => drop(store.fail_package(id, "no".parse().unwrap()).await.unwrap()),
                _ => {}
            }
            assert_eq!(store.package(id).await.unwrap().status.as_str(), status);
            if class == "at-once" && matches!(status, "finalized" | "failed") {
                meant.insert(id);
            }
        }
    }
    // At the very instant a package is still protected; a microsecond later it is not.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let now = now();
    let all = listed(&store, PackageFilter::default()).await;
    assert_eq!(all.len(), 12);
    let by_the_rule: BTreeSet<_> =
        all.iter().filter(|package| is_eligible(package, now)).map(|package| package.id).collect();
    let filter = PackageFilter { eligible: true, ..PackageFilter::default() };
    let by_the_filter: BTreeSet<_> =
        listed(&store, filter).await.iter().map(|package| package.id).collect();
    assert_eq!(by_the_filter, by_the_rule);
    assert_eq!(by_the_filter, meant);
}
