//! `registry.json` follows every change of what a package is promised, at the latest with the next
//! sweep.

use std::fs;
use std::path::PathBuf;

use artifact_domain::PackageId;
use artifact_domain::wire::HoldView;
use artifact_store::{ArtifactStore, StoreOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::contract::kept::{
    allow_deleting, behind, change_class, delete, expired, extend, filled, hold, holds, release,
    sealed, swept,
};
use crate::contract::{assert_sound, open, promises, seal};
use crate::sweep_failure;
use crate::{bag, fresh};

async fn store() -> (ArtifactStore, StoreOptions, TempDir) {
    let (options, folder) = fresh().await;
    (open(&options).await, options, folder)
}

fn file(folder: &TempDir, id: PackageId) -> PathBuf {
    bag(folder, id).join("registry.json")
}

fn record(folder: &TempDir, id: PackageId) -> Value {
    serde_json::from_slice(&fs::read(file(folder, id)).unwrap()).unwrap()
}

/// Asserts that the record says what the registry says, with every hold, and that nothing is due.
async fn assert_follows(store: &ArtifactStore, folder: &TempDir, id: PackageId) {
    let package = store.package(id).await.unwrap();
    let holds: Vec<_> = holds(store, id).await.into_iter().map(HoldView::from).collect();
    let expected = json!({
        "status": "finalized", "title": package.description.title,
        "labels": package.description.labels,
        "retention_class": package.description.retention_class,
        "rule_version": package.rule_version, "expires_at": package.expires_at,
        "on_hold": package.on_hold, "holds": holds, "manifest_sha256": package.manifest_sha256,
    });
    let record = record(folder, id);
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&record[member], value, "{member}");
    }
    assert_eq!(swept(store, false).await, (vec![], vec![]));
    assert_sound(store, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_follows_each_change_of_a_promise() {
    let (store, _, folder) = store().await;
    let id = sealed(&store, "transient").await.id;
    let mut seen = vec![record(&folder, id)];
    let mut moved = async |what: &str| {
        assert_follows(&store, &folder, id).await;
        let now = record(&folder, id);
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    };
    extend(&store, id, json!({"days": 1})).await.unwrap();
    moved("an extension").await;
    change_class(&store, id, "raw-evidence").await.unwrap();
    moved("a class").await;
    let first = hold(&store, id).await;
    moved("a hold").await;
    let second = hold(&store, id).await;
    moved("another hold").await;
    release(&store, &first).await.unwrap();
    moved("a release").await;
    let change = serde_json::from_value(json!({"title": "T", "labels": {"a": "1"}})).unwrap();
    store.update_package(id, change, None).await.unwrap();
    moved("a title").await;
    release(&store, &second).await.unwrap();
    moved("the last release").await;
    extend(&store, id, json!({"permanent": true})).await.unwrap();
    moved("permanence").await;
    // A released hold is told with who released it and why.
    let told = &record(&folder, id)["holds"];
    assert_eq!(told.as_array().unwrap().len(), 2);
    assert_eq!(
        (&told[0]["active"], &told[0]["release_reason"]),
        (&json!(false), &json!("settled"))
    );
    assert_eq!((&told[0]["mandate"], &told[0]["reason"]), (&json!("case 7"), &json!("a lawsuit")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_package_tells_of_what_happened_before() {
    let (store, _, folder) = store().await;
    let id = filled(&store, "transient").await.id;
    let released = hold(&store, id).await;
    hold(&store, id).await;
    release(&store, &released).await.unwrap();
    extend(&store, id, json!({"days": 100})).await.unwrap();
    change_class(&store, id, "permanent-record").await.unwrap();
    // There is no record of an open package, and none is due.
    assert!(!file(&folder, id).exists());
    assert_eq!(swept(&store, true).await, (vec![], vec![]));
    assert!(!file(&folder, id).exists());
    seal(&store, id).await;
    assert_follows(&store, &folder, id).await;
    assert_eq!(record(&folder, id)["holds"].as_array().unwrap().len(), 2);
}

/// Makes it impossible to write a record, and answers how to make it possible again.
fn block(folder: &TempDir, id: PackageId) -> impl FnOnce() + use<> {
    let file = file(folder, id);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    fs::write(file.join("x"), "in the way").unwrap();
    move || fs::remove_dir_all(file).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_holds_when_its_record_cannot_be_written_and_the_record_follows_later() {
    let (store, options, folder) = store().await;
    for by_tend in [false, true] {
        let id = sealed(&store, "transient").await.id;
        let unblock = block(&folder, id);
        let view = extend(&store, id, json!({"days": 1})).await.unwrap();
        let held = hold(&store, id).await;
        release(&store, &held).await.unwrap();
        let later = change_class(&store, id, "raw-evidence").await.unwrap();
        assert!(later.expires_at > view.expires_at);
        let change = serde_json::from_value(json!({"title": "T"})).unwrap();
        store.update_package(id, change, None).await.unwrap();
        assert_eq!(store.package(id).await.unwrap().expires_at, later.expires_at);
        assert_eq!(promises(&store, id).await.len(), 6);
        // Each of them is due, and the package is named once.
        let stale = (vec![], vec![id]);
        let next = open(&options).await;
        for store in [&store, &next] {
            assert_eq!(swept(store, false).await, stale);
            assert!(sweep_failure(store).await.is_some());
            store.tend().await.unwrap();
            assert_eq!(swept(store, false).await, stale);
        }
        unblock();
        assert_eq!(swept(&next, false).await, stale);
        assert!(!file(&folder, id).exists());
        if by_tend {
            next.tend().await.unwrap();
        } else {
            assert_eq!(swept(&next, true).await, stale);
        }
        assert_follows(&store, &folder, id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_a_stopped_process_left_behind_follows_with_the_next_sweep() {
    let (store, options, folder) = store().await;
    let id = sealed(&store, "transient").await.id;
    let before = record(&folder, id);
    // As a process does that is killed between the commit of a change and its record.
    behind(&options, move |writer| {
        let package = writer.package(id)?.unwrap();
        let class = package.description.retention_class;
        let now = package.updated_at;
        writer.set_retention(id, &class, package.rule_version, None, now)?;
        writer.record_due(id, package.revision + 1, now)
    })
    .await;
    let stale = (vec![], vec![id]);
    assert_eq!(swept(&store, false).await, stale);
    assert_eq!(record(&folder, id), before);
    assert_eq!(swept(&store, true).await, stale);
    assert_follows(&store, &folder, id).await;
    assert_eq!(record(&folder, id)["expires_at"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_that_cannot_be_written_does_not_keep_the_others_back() {
    let (store, _, folder) = store().await;
    let mut stale = Vec::new();
    let mut blocked = Vec::new();
    for _ in 0..3 {
        let id = sealed(&store, "transient").await.id;
        blocked.push((id, block(&folder, id)));
        extend(&store, id, json!({"days": 1})).await.unwrap();
        stale.push(id);
    }
    stale.sort();
    blocked.sort_by_key(|(id, _)| *id);
    assert_eq!(store.sweep(false).await.unwrap().stale_records, stale);
    let mut blocked = blocked.into_iter();
    let (stuck, unblock_last) = blocked.next().unwrap();
    blocked.for_each(|(_, unblock)| unblock());
    store.tend().await.unwrap();
    assert_eq!(store.sweep(false).await.unwrap().stale_records, [stuck]);
    unblock_last();
    store.tend().await.unwrap();
    for id in stale {
        assert_follows(&store, &folder, id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_due_when_its_package_was_deleted_leaves_nothing_behind() {
    let (store, _, folder) = store().await;
    allow_deleting(&store).await;
    let id = expired(&store).await.id;
    let unblock = block(&folder, id);
    let change = serde_json::from_value(json!({"title": "T"})).unwrap();
    store.update_package(id, change, None).await.unwrap();
    assert_eq!(store.sweep(false).await.unwrap().stale_records, [id]);
    unblock();
    delete(&store, id).await.unwrap();
    // As if a process that died had written the record after all else was gone.
    fs::create_dir(bag(&folder, id)).unwrap();
    fs::write(bag(&folder, id).join("registry.json"), "{}").unwrap();
    assert_eq!(swept(&store, true).await, (vec![], vec![id]));
    assert_eq!(swept(&store, true).await, (vec![], vec![]));
    assert!(!bag(&folder, id).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_changes_at_once_the_record_tells_the_last() {
    let (store, options, folder) = store().await;
    let stores = [store.clone(), open(&options).await];
    for _ in 0..20 {
        let id = sealed(&store, "transient").await.id;
        let held = hold(&store, id).await;
        let tasks = (0..4).map(|n| {
            let (store, held) = (stores[n % 2].clone(), held.clone());
            tokio::spawn(async move {
                match n {
                    0 => drop(extend(&store, id, json!({"days": 1})).await.unwrap()),
                    1 => drop(release(&store, &held).await.unwrap()),
                    2 => drop(hold(&store, id).await),
                    _ => {
                        let title = serde_json::from_value(json!({"title": "T"})).unwrap();
                        drop(store.update_package(id, title, None).await.unwrap());
                    }
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_follows(&store, &folder, id).await;
    }
}
