//! Uploads that are refused, that fail, or that are given up: nothing is stored, and the path is
//! free again.

use std::io;
use std::time::{Duration, Instant};

use artifact_domain::wire::FinalizePackage;
use artifact_domain::{LogicalPath, PackageId, PackageStatus};
use artifact_store::{ArtifactStore, Limits, NewUpload, StoreError, StoreOptions};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};

use super::{
    assert_free, assert_refused, assert_sound, bytes, new, now, open, package, path, paths, pieces,
    put, read, replacing, seal, sha256, small,
};

/// The idle time of the tests that wait for it.
const IDLE: Duration = Duration::from_millis(200);

fn limited(options: &StoreOptions, limits: Limits) -> StoreOptions {
    StoreOptions { limits, ..options.clone() }
}

async fn assert_nothing(store: &ArtifactStore, id: PackageId, name: &str) {
    assert_refused!(store.file(id, &path(name)).await, StoreError::NoFile { .. });
    assert_refused!(read(store, id, name).await, StoreError::NoFile { .. });
    assert_eq!(paths(store, id).await, [""; 0]);
    assert_sound(store, id).await;
}

pub(crate) async fn bytes_that_are_not_as_announced_store_nothing(options: StoreOptions) {
    let store = open(&options).await;
    for len in [0, 10, 400_000] {
        let content = bytes(len);
        let (right, wrong) = (sha256(&content), sha256(b"other"));
        let size = len as u64;
        let id = package(&store).await;
        for (size, sha256, digest) in [
            (Some(size + 1), None, "size"),
            (Some(size + 1), Some(right), "size"),
            (size.checked_sub(1), Some(wrong), if len == 0 { "SHA-256" } else { "size" }),
            (None, Some(wrong), "SHA-256"),
            (Some(size), Some(wrong), "SHA-256"),
        ] {
            let upload = NewUpload { size, sha256, ..new("x") };
            assert_refused!(
                store.upload(id, upload, pieces(&content, 100_000)).await,
                StoreError::Mismatch { what, digest: told, .. } if (what.as_str(), told) == ("x", digest)
            );
            assert_nothing(&store, id, "x").await;
        }
        assert_free(&store, id, "x").await;
    }
}

pub(crate) async fn a_replace_with_the_wrong_bytes_keeps_the_old_file(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let old = put(&store, id, "x", "old").await;
    let upload = NewUpload { size: Some(4), ..replacing("x") };
    assert_refused!(store.upload_bytes(id, upload, "new").await, StoreError::Mismatch { .. });
    let cut = pieces(&bytes(9), 3).chain(stream::once(async { Err(io::Error::other("cut")) }));
    assert_refused!(store.upload(id, replacing("x"), cut).await, StoreError::Body { .. });
    assert_eq!(store.file(id, &"x".parse().unwrap()).await.unwrap(), old);
    assert_eq!(read(&store, id, "x").await.unwrap(), b"old");
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

pub(crate) async fn a_body_that_fails_stores_nothing(options: StoreOptions) {
    let store = open(&options).await;
    for len in [0, 10, 3_000_000] {
        let id = package(&store).await;
        let cut = pieces(&bytes(len), 65_536)
            .chain(stream::once(async { Err(io::Error::other("the line is dead")) }));
        let error = store.upload(id, new("x"), cut).await.unwrap_err();
        let StoreError::Body { path, source } = &error else { panic!("{error}") };
        let path = path.as_ref().map(LogicalPath::as_str);
        assert_eq!((path, source.to_string().as_str()), (Some("x"), "the line is dead"));
        assert_nothing(&store, id, "x").await;
        assert_free(&store, id, "x").await;
    }
}

pub(crate) async fn a_body_that_falls_silent_frees_its_path(options: StoreOptions) {
    let options = limited(&options, Limits { upload_idle: IDLE, ..Limits::default() });
    let store = open(&options).await;
    for len in [0, 10, 2_000_000] {
        let id = package(&store).await;
        let begun = Instant::now();
        let silent = pieces(&bytes(len), 65_536).chain(stream::pending());
        assert_refused!(store.upload(id, new("x"), silent).await, StoreError::Stalled { .. });
        assert!(begun.elapsed() >= IDLE);
        assert_nothing(&store, id, "x").await;
        assert_free(&store, id, "x").await;
    }
}

pub(crate) async fn a_slow_body_is_not_a_silent_one(options: StoreOptions) {
    let idle = Duration::from_millis(500);
    let options = limited(&options, Limits { upload_idle: idle, ..Limits::default() });
    let (store, other) = (open(&options).await, open(&options).await);
    let id = package(&store).await;
    // Longer than the idle time in all, and never for as long without a byte.
    let slow = pieces(&bytes(10), 1).then(|piece| async {
        tokio::time::sleep(Duration::from_millis(80)).await;
        piece
    });
    let uploading = {
        let store = store.clone();
        tokio::spawn(async move { store.upload(id, new("x"), slow).await })
    };
    // Nobody else gets the path meanwhile, not even late.
    tokio::time::sleep(idle + Duration::from_millis(100)).await;
    assert_refused!(
        other.upload_bytes(id, new("x"), "y").await,
        StoreError::UploadInProgress { .. }
    );
    uploading.await.unwrap().unwrap();
    assert_eq!(read(&store, id, "x").await.unwrap(), bytes(10));
}

pub(crate) async fn an_upload_that_is_dropped_before_it_began_frees_its_path(
    options: StoreOptions,
) {
    let store = open(&options).await;
    let mut dropped = 0;
    for n in 0..20 {
        let id = package(&store).await;
        // One poll asks for the path; the answer comes to nobody.
        if let Some(answer) = store.upload_bytes(id, new("x"), "x").now_or_never() {
            // Unless the other threads were faster.
            answer.unwrap();
            continue;
        }
        dropped += 1;
        if n % 2 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // A poll that came as far as the last step was dropped too late: the file is stored, now or
        // in a moment.
        match store.upload_bytes(id, new("x"), "x").await {
            Ok(_) => {}
            Err(StoreError::DuplicatePath { .. }) => {
                assert_eq!(read(&store, id, "x").await.unwrap(), b"x");
            }
            Err(error) => panic!("{error:?}"),
        }
        seal(&store, id).await;
        assert_sound(&store, id).await;
    }
    assert!(dropped > 0);
}

pub(crate) async fn an_upload_that_is_dropped_half_way_frees_its_path(options: StoreOptions) {
    let (store, other) = (open(&options).await, open(&options).await);
    for len in [0, 10, 2_000_000] {
        let id = package(&store).await;
        let (arrived, waiting) = tokio::sync::oneshot::channel();
        let body = pieces(&bytes(len), 65_536).chain(stream::once(async move {
            arrived.send(()).unwrap();
            futures::future::pending().await
        }));
        let uploading = {
            let store = store.clone();
            tokio::spawn(async move { store.upload(id, new("x"), body).await })
        };
        waiting.await.unwrap();
        for store in [&store, &other] {
            let again = store.upload_bytes(id, new("x"), "x").await;
            assert_refused!(again, StoreError::UploadInProgress { path, .. } if path == "x");
        }
        uploading.abort();
        assert!(uploading.await.unwrap_err().is_cancelled());
        assert_nothing(&store, id, "x").await;
        assert_free(&store, id, "x").await;
    }
}

pub(crate) async fn a_batch_that_is_dropped_frees_its_paths(options: StoreOptions) {
    let store = open(&options).await;
    let files = || (0..50).map(|n| small(&format!("{n}"), bytes(2000))).collect();
    // Given up at some point of its way, wherever that is.
    for micros in [0, 300, 1000, 3000, 10_000] {
        let id = package(&store).await;
        let _ =
            tokio::time::timeout(Duration::from_micros(micros), store.upload_batch(id, files()))
                .await;
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let answers = store.upload_batch(id, files()).await.unwrap();
            let busy = answers
                .iter()
                .filter(|answer| matches!(answer, Err(StoreError::UploadInProgress { .. })))
                .count();
            for answer in answers {
                match answer {
                    Ok(_)
                    | Err(StoreError::UploadInProgress { .. } | StoreError::DuplicatePath { .. }) =>
                        {}
                    Err(error) => panic!("{error}"),
                }
            }
            if busy == 0 {
                break;
            }
            assert!(Instant::now() < deadline, "{busy} paths are still in use");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(seal(&store, id).await.file_count, 50);
        assert_sound(&store, id).await;
    }
}

pub(crate) async fn a_path_is_stored_once(options: StoreOptions) {
    let (store, other) = (open(&options).await, open(&options).await);
    let id = package(&store).await;
    put(&store, id, "x", "first").await;
    for store in [&store, &other] {
        assert_refused!(
            store.upload_bytes(id, new("x"), "second").await,
            StoreError::DuplicatePath { package, path } if (package, path.as_str()) == (id, "x")
        );
    }
    assert_eq!(read(&store, id, "x").await.unwrap(), b"first");
    assert_sound(&store, id).await;
}

pub(crate) async fn a_path_that_is_being_uploaded_is_in_use(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    let (mut send, body) = futures::channel::mpsc::channel::<io::Result<Bytes>>(1);
    let uploading = {
        let store = store.clone();
        tokio::spawn(async move { store.upload(id, new("a/b"), body).await })
    };
    // The first bytes are taken when the path is.
    for _ in 0..3 {
        futures::SinkExt::send(&mut send, Ok(bytes(10))).await.unwrap();
    }
    for upload in [new("a/b"), replacing("a/b")] {
        let again = store.upload_bytes(id, upload, "x").await;
        assert_refused!(again, StoreError::UploadInProgress { path, .. } if path == "a/b");
    }
    for name in ["a", "a/b/c"] {
        let beside = store.upload_bytes(id, new(name), "x").await;
        assert_refused!(beside, StoreError::PathConflict { other, .. } if other == "a/b");
    }
    assert_refused!(read(&store, id, "a/b").await, StoreError::NoFile { .. });
    // Nothing to be removed, and what arrives is not disturbed.
    assert_refused!(store.remove_file(id, &path("a/b")).await, StoreError::NoFile { .. });
    drop(send);
    assert_eq!(uploading.await.unwrap().unwrap().size, 30);
    assert_sound(&store, id).await;
}

pub(crate) async fn a_file_is_no_folder_and_a_folder_no_file(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "a", "a").await;
    put(&store, id, "b/c/d", "d").await;
    for (name, other) in [("a/x", "a"), ("a/x/y", "a"), ("b", "b/c/d"), ("b/c", "b/c/d")] {
        for upload in [new(name), replacing(name)] {
            assert_refused!(
                store.upload_bytes(id, upload, "x").await,
                StoreError::PathConflict { path, other: told }
                    if (path.as_str(), told.as_str()) == (name, other)
            );
        }
    }
    // These only look alike.
    for name in ["a.x", "a-", "ab", "b/cc", "b/c.d", "b-"] {
        put(&store, id, name, "x").await;
    }
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

pub(crate) async fn a_file_has_its_limit(options: StoreOptions) {
    let options = limited(&options, Limits { file_bytes: 1000, ..Limits::default() });
    let store = open(&options).await;
    let id = package(&store).await;
    let too_large = |error: StoreError| {
        assert!(
            matches!(&error, StoreError::TooLarge { limit, .. } if limit == "1000 bytes"),
            "{error}"
        );
    };
    too_large(store.upload(id, new("x"), pieces(&bytes(1001), 100)).await.unwrap_err());
    // It is refused as soon as it is too large, without waiting for the rest.
    let endless = stream::repeat_with(|| Ok::<_, io::Error>(bytes(600)));
    too_large(store.upload(id, new("x"), endless).await.unwrap_err());
    // What is announced too large is refused before its first byte.
    let announced = NewUpload { size: Some(1001), ..new("x") };
    let never = stream::pending::<io::Result<Bytes>>();
    too_large(store.upload(id, announced, never).await.unwrap_err());
    let mut answers = store
        .upload_batch(id, vec![small("y", bytes(1000)), small("z", bytes(1001))])
        .await
        .unwrap();
    too_large(answers.pop().unwrap().unwrap_err());
    assert_eq!(paths(&store, id).await, ["y"]);
    store.upload(id, new("x"), pieces(&bytes(1000), 100)).await.unwrap();
    assert_sound(&store, id).await;
    assert_free(&store, id, "z").await;
}

pub(crate) async fn a_package_has_its_limit_of_bytes(options: StoreOptions) {
    let options = limited(&options, Limits { package_bytes: 1000, ..Limits::default() });
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "a", bytes(600)).await;
    assert_refused!(
        store.upload_bytes(id, new("b"), bytes(401)).await,
        StoreError::TooLarge { limit, .. } if limit == "1000 bytes"
    );
    assert_eq!(paths(&store, id).await, ["a"]);
    assert_sound(&store, id).await;
    // What does fit is taken, at the path that was refused too.
    put(&store, id, "b", bytes(400)).await;
    assert_refused!(store.upload_bytes(id, new("c"), bytes(1)).await, StoreError::TooLarge { .. });
    put(&store, id, "empty", "").await;
    store.remove_file(id, &path("a")).await.unwrap();
    assert_free(&store, id, "c").await;
}

pub(crate) async fn a_replace_beyond_the_limit_keeps_the_old_file(options: StoreOptions) {
    let options = limited(&options, Limits { package_bytes: 1000, ..Limits::default() });
    let store = open(&options).await;
    let id = package(&store).await;
    let old = put(&store, id, "a", bytes(600)).await;
    let refused = store.upload_bytes(id, replacing("a"), bytes(1001)).await;
    assert_refused!(refused, StoreError::TooLarge { .. });
    assert_eq!(store.file(id, &path("a")).await.unwrap(), old);
    assert_eq!(read(&store, id, "a").await.unwrap(), bytes(600));
    assert_sound(&store, id).await;
    // The old file makes room for the new one.
    store.upload_bytes(id, replacing("a"), bytes(1000)).await.unwrap();
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

pub(crate) async fn a_batch_beyond_the_limit_stores_what_fits(options: StoreOptions) {
    let options = limited(&options, Limits { package_bytes: 1000, ..Limits::default() });
    let store = open(&options).await;
    let id = package(&store).await;
    let files = vec![small("a", bytes(600)), small("b", bytes(500)), small("c", bytes(400))];
    let answers = store.upload_batch(id, files).await.unwrap();
    answers[0].as_ref().unwrap();
    assert!(matches!(answers[1], Err(StoreError::TooLarge { .. })));
    answers[2].as_ref().unwrap();
    assert_eq!(paths(&store, id).await, ["a", "c"]);
    assert_sound(&store, id).await;
    store.remove_file(id, &path("a")).await.unwrap();
    assert_free(&store, id, "b").await;
}

pub(crate) async fn a_package_has_its_limit_of_files(options: StoreOptions) {
    let options = limited(&options, Limits { package_files: 3, ..Limits::default() });
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "a", "a").await;
    let files = ["b", "c", "d"].map(|name| small(name, name)).to_vec();
    let answers = store.upload_batch(id, files).await.unwrap();
    let stored: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(stored, [true, true, false]);
    assert!(matches!(&answers[2], Err(StoreError::TooLarge { limit, .. }) if limit == "3 files"));
    assert_refused!(store.upload_bytes(id, new("e"), "e").await, StoreError::TooLarge { .. });
    store.upload_bytes(id, replacing("a"), "new").await.unwrap();
    store.remove_file(id, &path("b")).await.unwrap();
    assert_free(&store, id, "e").await;
}

pub(crate) async fn a_finalized_package_takes_no_files_and_loses_none(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    let sealed = seal(&store, id).await;
    let finalized = |result: Result<(), StoreError>| {
        assert_refused!(
            result,
            StoreError::WrongStatus { package, status: PackageStatus::Finalized, .. } if package == id
        );
    };
    for upload in [new("y"), new("x"), replacing("x"), new("x/y")] {
        finalized(store.upload_bytes(id, upload, "y").await.map(|_| ()));
    }
    finalized(store.remove_file(id, &path("x")).await);
    finalized(store.remove_file(id, &path("y")).await);
    finalized(store.fail_package(id, "late".parse().unwrap()).await.map(|_| ()));
    assert_eq!(store.package(id).await.unwrap(), sealed);
    assert_eq!(read(&store, id, "x").await.unwrap(), b"x");
    assert_sound(&store, id).await;
}

pub(crate) async fn a_failed_package_takes_no_files(options: StoreOptions) {
    let store = open(&options).await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    store.fail_package(id, "why not".parse().unwrap()).await.unwrap();
    for upload in [new("y"), replacing("x")] {
        assert_refused!(
            store.upload_bytes(id, upload, "y").await,
            StoreError::WrongStatus { status: PackageStatus::Failed, .. }
        );
    }
    assert_refused!(
        store.remove_file(id, &path("x")).await,
        StoreError::WrongStatus { status: PackageStatus::Failed, .. }
    );
    // What was there stays until the package is deleted.
    assert_eq!(read(&store, id, "x").await.unwrap(), b"x");
}

pub(crate) async fn a_package_that_nobody_created_takes_no_files(options: StoreOptions) {
    let store = open(&options).await;
    let id = PackageId::generate(now());
    let unknown = |result: Result<(), StoreError>| {
        assert_refused!(result, StoreError::NoPackage(told) if told == id);
    };
    unknown(store.upload_bytes(id, new("x"), "x").await.map(|_| ()));
    unknown(store.remove_file(id, &path("x")).await);
    unknown(store.finalize(id, FinalizePackage::default()).await.map(|_| ()));
    unknown(store.fail_package(id, "x".parse().unwrap()).await.map(|_| ()));
    for answer in store.upload_batch(id, vec![small("a", "a"), small("b", "b")]).await.unwrap() {
        unknown(answer.map(|_| ()));
    }
}
