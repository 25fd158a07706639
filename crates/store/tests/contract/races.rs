//! Several at once on one package. Each race is run often; what it must never do is checked after
//! each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use artifact_domain::wire::FinalizePackage;
use artifact_domain::{Package, PackageId, PackageStatus};
use artifact_store::{ArtifactStore, NewUpload, StoreError, StoreOptions};
use bytes::Bytes;

use super::{
    assert_sound, bytes, collect, new, open, package, path, paths, pieces, put, read, replacing,
    seal, sha256, small,
};

pub(crate) async fn of_two_writers_of_one_path_one_wins(options: StoreOptions) {
    let stores = [open(&options).await, open(&options).await];
    for round in 0..30_usize {
        let id = package(&stores[0]).await;
        // Once in one process, once in two; small and large.
        let len = if round % 3 == 0 { 300_000 } else { 100 };
        let contents = [bytes(len), bytes(len + 1)];
        let tasks = contents.clone().map(|content| {
            let store = stores[(content.len() - len) * (round % 2)].clone();
            tokio::spawn(async move { store.upload(id, new("x"), pieces(&content, 50_000)).await })
        });
        let mut won = Vec::new();
        for (task, content) in tasks.into_iter().zip(&contents) {
            match task.await.unwrap() {
                Ok(record) => {
                    assert_eq!(record.sha256, sha256(content));
                    won.push(content);
                }
                Err(StoreError::UploadInProgress { .. } | StoreError::DuplicatePath { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(won.len(), 1);
        assert!(read(&stores[0], id, "x").await.unwrap() == *won[0]);
        assert_eq!(seal(&stores[1], id).await.total_bytes, won[0].len() as u64);
        assert_sound(&stores[0], id).await;
    }
}

pub(crate) async fn of_a_file_and_a_folder_of_one_name_one_wins(options: StoreOptions) {
    let stores = [open(&options).await, open(&options).await];
    for round in 0..10_usize {
        let id = package(&stores[0]).await;
        let tasks = ["x", "x/y"].map(|name| {
            let store = stores[(name.len() / 2) * (round % 2)].clone();
            tokio::spawn(async move { store.upload_bytes(id, new(name), name).await })
        });
        let mut won = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(record) => won.push(record.path.to_string()),
                Err(StoreError::PathConflict { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(paths(&stores[0], id).await, won);
        assert_eq!(won.len(), 1);
        seal(&stores[0], id).await;
        assert_sound(&stores[1], id).await;
    }
}

pub(crate) async fn a_reader_never_sees_a_half_written_file(options: StoreOptions) {
    let (store, other) = (open(&options).await, open(&options).await);
    let id = package(&store).await;
    let content = bytes(700_000);
    for round in 0..5 {
        let name = format!("x{round}");
        let done = Arc::new(AtomicBool::new(false));
        let reading = {
            let (store, content) = (other.clone(), content.clone());
            let (done, name) = (Arc::clone(&done), name.clone());
            tokio::spawn(async move {
                loop {
                    let last = done.load(Ordering::SeqCst);
                    match read(&store, id, &name).await {
                        Ok(seen) => {
                            assert!(seen == content);
                            return;
                        }
                        Err(StoreError::NoFile { .. }) => assert!(!last),
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        };
        store.upload(id, new(&name), pieces(&content, 10_000)).await.unwrap();
        done.store(true, Ordering::SeqCst);
        reading.await.unwrap();
    }
}

pub(crate) async fn a_reader_beside_a_replace_sees_one_version_whole(options: StoreOptions) {
    let (store, other) = (open(&options).await, open(&options).await);
    let id = package(&store).await;
    let versions = [bytes(5000), Bytes::from(vec![7; 5000]), bytes(9)];
    put(&store, id, "x", versions[0].clone()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let reading = [store.clone(), other].map(|store| {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            let mut seen = 0;
            while !stop.load(Ordering::SeqCst) {
                match store.read_file(id, &path("x"), None).await {
                    Ok((record, stream)) => {
                        let content = collect(stream).await.unwrap();
                        assert_eq!(record.sha256, sha256(&content));
                        seen += 1;
                    }
                    // It is taken out before the new one is there.
                    Err(StoreError::NoFile { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            seen
        })
    });
    for round in 0..100 {
        store.upload_bytes(id, replacing("x"), versions[round % 3].clone()).await.unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    for reading in reading {
        assert!(reading.await.unwrap() > 0);
    }
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

/// Finalizes again and again until it is done, and answers what it promised and which files had
/// been answered before the call that succeeded.
async fn finalize_at_last(
    store: &ArtifactStore,
    id: PackageId,
    answered: &Mutex<Vec<String>>,
) -> (Package, Vec<String>) {
    loop {
        let before = answered.lock().unwrap().clone();
        match store.finalize(id, FinalizePackage::default()).await {
            Ok(sealed) => return (sealed, before),
            Err(
                StoreError::UploadInProgress { .. }
                | StoreError::Restless(_)
                | StoreError::Empty(_),
            ) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) async fn finalize_seals_all_that_was_answered_before(options: StoreOptions) {
    let stores = [open(&options).await, open(&options).await];
    for round in 0..20_usize {
        let id = package(&stores[0]).await;
        let answered = Arc::new(Mutex::new(Vec::new()));
        let uploading = (0..3_usize).map(|task| {
            let store = stores[task % 2].clone();
            let answered = Arc::clone(&answered);
            tokio::spawn(async move {
                for n in 0..6_usize {
                    let name = format!("{task}/{n}");
                    let result = if (task + n) % 3 == 0 {
                        let files = vec![small(&name, bytes(n * 1000))];
                        store.upload_batch(id, files).await.unwrap().remove(0)
                    } else {
                        store.upload_bytes(id, new(&name), bytes(n * 50_000)).await
                    };
                    match result {
                        Ok(_) => answered.lock().unwrap().push(name),
                        Err(StoreError::WrongStatus { .. }) => return,
                        Err(error) => panic!("{error}"),
                    }
                    if (n + round) % 2 == 0 {
                        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                    }
                }
            })
        });
        let uploading: Vec<_> = uploading.collect();
        let finalizing: Vec<_> = stores
            .iter()
            .map(|store| {
                let (store, answered) = (store.clone(), Arc::clone(&answered));
                tokio::spawn(async move { finalize_at_last(&store, id, &answered).await })
            })
            .collect();
        for task in uploading {
            task.await.unwrap();
        }
        let listed = paths(&stores[0], id).await;
        for task in finalizing {
            let (sealed, before) = task.await.unwrap();
            assert_eq!(sealed.status, PackageStatus::Finalized);
            assert!(before.iter().all(|name| listed.contains(name)));
            assert_eq!(sealed.file_count, listed.len() as u64);
        }
        // No upload was told that it is stored and then left out.
        let mut answered = answered.lock().unwrap().clone();
        answered.sort();
        assert_eq!(answered, listed);
        assert_sound(&stores[round % 2], id).await;
    }
}

pub(crate) async fn a_file_that_was_removed_beside_finalize_is_in_or_out(options: StoreOptions) {
    let stores = [open(&options).await, open(&options).await];
    for round in 0..20_usize {
        let id = package(&stores[0]).await;
        for n in 0..8 {
            put(&stores[0], id, &format!("{n}"), bytes(n * 100)).await;
        }
        let changing = {
            let store = stores[round % 2].clone();
            tokio::spawn(async move {
                for n in 0..7 {
                    let changed = if n % 2 == 0 {
                        store.remove_file(id, &path(&format!("{n}"))).await
                    } else {
                        let upload = NewUpload { size: Some(5), ..replacing(&format!("{n}")) };
                        store.upload_bytes(id, upload, bytes(5)).await.map(|_| ())
                    };
                    match changed {
                        Ok(()) => {}
                        Err(StoreError::WrongStatus { .. }) => return n,
                        Err(error) => panic!("{error}"),
                    }
                }
                7
            })
        };
        let answered = Mutex::new(Vec::new());
        let (sealed, _) = finalize_at_last(&stores[0], id, &answered).await;
        let changed = changing.await.unwrap();
        let kept = (0..8).filter(|n| n % 2 == 1 || *n >= changed).count() as u64;
        assert_eq!(sealed.file_count, kept);
        for n in (1..8).step_by(2) {
            let expected = bytes(if n < changed { 5 } else { n * 100 });
            assert_eq!(read(&stores[1], id, &format!("{n}")).await.unwrap(), expected);
        }
        assert_sound(&stores[1], id).await;
    }
}
