//! What crashes leave, made by hand: objects without rows, claims without writers, tag files of
//! an earlier attempt, files whose bytes may not have reached the disk.

use std::fs;
use std::path::Path;

use artifact_domain::PackageId;
use artifact_domain::file::FileRecord;
use artifact_domain::id::ClaimId;
use artifact_domain::media_type::MediaType;
use artifact_domain::wire::FinalizePackage;
use artifact_registry::files::StoredFile;
use artifact_registry::uploads::{Claim, ClaimRules, FinishedUpload, NewClaim};
use artifact_registry::writers::WriterId;
use artifact_registry::{Durability, OpenMode, Registry, RegistryError};
use artifact_storage::{ObjectKey, PutMode, Storage, TagFile};
use artifact_store::{
    ArtifactStore, FileProblem, ProblemKind, StorageLocation, StoreError, StoreOptions,
};
use bytes::Bytes;

use crate::contract::{
    assert_refused, assert_sound, blake3, bytes, new, now, open, package, path, paths, put, read,
    replacing, seal, sha256, small,
};
use crate::{bag, files_below, fresh};

/// A number that no writer of these tests ever gets.
const NOBODY: i64 = 1_000_000;

/// The parts of a store, to do behind its back what a crash does.
struct Parts {
    registry: Registry,
    storage: Storage,
}

impl Parts {
    async fn open(options: &StoreOptions) -> Self {
        let url = options.database.clone();
        let registry =
            tokio::task::spawn_blocking(move || Registry::open(&url, OpenMode::Existing));
        let storage = Storage::open_local(folder_of(options), false).await.unwrap();
        storage.enter(NOBODY + 1).await.unwrap();
        Self { registry: registry.await.unwrap().unwrap(), storage }
    }

    async fn put_object(&self, package: PackageId, name: &str, content: Bytes) -> Option<String> {
        let key = ObjectKey::payload(package, &path(name));
        self.storage.put(&key, content, PutMode::Create).await.unwrap().etag
    }

    async fn put_tag_file(&self, package: PackageId, file: TagFile, content: &'static str) {
        let key = ObjectKey::tag(package, file);
        self.storage
            .put(&key, Bytes::from_static(content.as_bytes()), PutMode::Create)
            .await
            .unwrap();
    }

    /// Registers a writer of some boot, which is gone since.
    fn dead_writer(&self, boot_id: &str) -> WriterId {
        self.registry
            .write(Durability::Relaxed, |writer| writer.insert_writer(boot_id, now()))
            .unwrap()
    }

    /// Claims a path for a writer that is gone.
    fn claim(&self, package: PackageId, name: &str, writer: WriterId) -> ClaimId {
        let id = ClaimId::generate(now());
        let is_void = |_: &Claim| false;
        let rules = ClaimRules { writer, now: now(), max_files: 1000, is_void: &is_void };
        let claim = NewClaim { id, package, path: path(name), replace: false };
        let granted = self
            .registry
            .write(Durability::Relaxed, |writer| writer.claim(&rules, &[claim]))
            .unwrap();
        assert_eq!(granted, [Ok(())]);
        id
    }

    /// Records a file that a writer which is gone had uploaded, with `stored` as its bytes and
    /// `meant` as what was hashed.
    async fn record(
        &self,
        package: PackageId,
        name: &str,
        writer: WriterId,
        stored: &Bytes,
        meant: &[u8],
    ) {
        let claim = self.claim(package, name, writer);
        let etag = self.put_object(package, name, stored.clone()).await;
        let record = FileRecord {
            path: path(name),
            size: meant.len() as u64,
            sha256: sha256(meant),
            blake3: blake3(meant),
            media_type: MediaType::octet_stream(),
            uploaded_at: now(),
        };
        let finished = FinishedUpload { claim, package, file: StoredFile { record, etag } };
        let finished = self
            .registry
            .write(Durability::Relaxed, |registry| {
                registry.finish_uploads(writer, now(), u64::MAX, &[finished])
            })
            .unwrap();
        assert_eq!(finished, [Ok(())]);
    }
}

async fn store_and_parts() -> (ArtifactStore, Parts, StoreOptions, tempfile::TempDir) {
    let (options, folder) = fresh().await;
    let store = open(&options).await;
    let parts = Parts::open(&options).await;
    (store, parts, options, folder)
}

async fn finalize_problems(store: &ArtifactStore, id: PackageId) -> Vec<FileProblem> {
    match store.finalize(id, FinalizePackage::default()).await {
        Err(StoreError::Incomplete { package, problems }) if package == id => problems,
        other => panic!("{other:?}"),
    }
}

/// The folder that the bytes of a store lie in.
fn folder_of(options: &StoreOptions) -> &Path {
    let StorageLocation::Folder(folder) = &options.storage else { panic!("no folder") };
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_no_upload_finished_gives_way_to_the_next_upload() {
    let (store, parts, _, _folder) = store_and_parts().await;
    let id = package(&store).await;
    for name in ["single", "batch", "large"] {
        parts.put_object(id, name, bytes(77)).await;
        assert_refused!(read(&store, id, name).await, StoreError::NoFile { .. });
    }
    put(&store, id, "single", "new").await;
    let answers = store.upload_batch(id, vec![small("other", "o"), small("batch", "new")]).await;
    assert!(answers.unwrap().iter().all(Result::is_ok));
    put(&store, id, "large", bytes(2_000_000)).await;
    assert_eq!(read(&store, id, "single").await.unwrap(), b"new");
    assert_eq!(read(&store, id, "batch").await.unwrap(), b"new");
    assert!(read(&store, id, "large").await.unwrap() == bytes(2_000_000));
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_no_upload_finished_can_be_removed_by_its_name() {
    let (store, parts, _, _folder) = store_and_parts().await;
    let id = package(&store).await;
    parts.put_object(id, "a", bytes(77)).await;
    assert!(store.upload_bytes(id, new("a/b"), "b").await.is_err());
    store.remove_file(id, &path("a")).await.unwrap();
    assert_refused!(store.remove_file(id, &path("a")).await, StoreError::NoFile { .. });
    put(&store, id, "a/b", "b").await;
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_no_upload_finished_is_removed_by_finalize() {
    let (store, parts, _, folder) = store_and_parts().await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    parts.put_object(id, "orphan", bytes(77)).await;
    parts.put_object(id, "folder/orphan", bytes(77)).await;
    let found = store.verify(id, |_| ()).await.unwrap().problems;
    let names: Vec<_> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(names, ["data/folder/orphan", "data/orphan"]);
    assert_eq!(seal(&store, id).await.file_count, 1);
    assert_eq!(files_below(&bag(&folder, id).join("data")), ["x"]);
    assert_sound(&store, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_a_dead_writer_is_taken_over_by_an_upload() {
    let (store, parts, _, _folder) = store_and_parts().await;
    let id = package(&store).await;
    let dead = parts.dead_writer("whenever");
    for name in ["a", "b", "c"] {
        parts.claim(id, name, dead);
    }
    // Of one even the bytes were there.
    parts.put_object(id, "c", bytes(5)).await;
    put(&store, id, "a", "a").await;
    assert!(store.upload_batch(id, vec![small("b", "b")]).await.unwrap()[0].is_ok());
    put(&store, id, "c", "c").await;
    assert_eq!(read(&store, id, "c").await.unwrap(), b"c");
    assert_eq!(seal(&store, id).await.file_count, 3);
    assert_sound(&store, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_a_dead_writer_stands_in_the_way_of_finalize_until_it_is_cleared() {
    let (store, parts, _, folder) = store_and_parts().await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    let dead = parts.dead_writer("whenever");
    parts.claim(id, "cut/off", dead);
    parts.claim(id, "cut/short", dead);
    parts.put_object(id, "cut/short", bytes(5)).await;
    let unfinished =
        |name: &str| FileProblem { path: name.to_owned(), kind: ProblemKind::Unfinished };
    assert_eq!(
        finalize_problems(&store, id).await,
        [unfinished("cut/off"), unfinished("cut/short")]
    );
    store.remove_file(id, &path("cut/off")).await.unwrap();
    assert_eq!(finalize_problems(&store, id).await, [unfinished("cut/short")]);
    store.remove_file(id, &path("cut/short")).await.unwrap();
    // With what it left, so that the path can be a folder, or the folder a file.
    assert_eq!(files_below(&bag(&folder, id).join("data")), ["x"]);
    assert_refused!(store.remove_file(id, &path("cut/short")).await, StoreError::NoFile { .. });
    put(&store, id, "cut", "x").await;
    assert_eq!(seal(&store, id).await.file_count, 2);
    assert_sound(&store, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_lives_as_long_as_its_writer() {
    let (store, parts, options, _folder) = store_and_parts().await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    // As a process does that opens the store, takes a path and is killed.
    let writer = parts.dead_writer("now");
    let alive = Storage::open_local(folder_of(&options), false).await.unwrap();
    alive.enter(writer.0).await.unwrap();
    parts.claim(id, "y", writer);
    for upload in [new("y"), replacing("y")] {
        let refused = store.upload_bytes(id, upload, "y").await;
        assert_refused!(refused, StoreError::UploadInProgress { .. });
    }
    assert_refused!(
        store.finalize(id, FinalizePackage::default()).await,
        StoreError::UploadInProgress { path, .. } if path == "y"
    );
    drop(alive);
    assert_eq!(finalize_problems(&store, id).await.len(), 1);
    put(&store, id, "y", "y").await;
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tag_files_of_an_earlier_attempt_are_replaced() {
    let (store, parts, _, folder) = store_and_parts().await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    for file in TagFile::ALL {
        parts.put_tag_file(id, file, "from before the package was changed").await;
    }
    // A package that is not sealed has no manifest, whatever lies there.
    assert_refused!(store.manifest(id).await, StoreError::WrongStatus { .. });
    seal(&store, id).await;
    assert_sound(&store, id).await;
    for file in TagFile::ALL {
        let text = fs::read_to_string(bag(&folder, id).join(file.name())).unwrap();
        assert!(!text.contains("from before"), "{}", file.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_another_boot_are_hashed_again_before_they_are_sealed() {
    let (store, parts, _, _folder) = store_and_parts().await;
    let id = package(&store).await;
    let dead = parts.dead_writer("a boot before this one");
    put(&store, id, "ours", "x").await;
    parts.record(id, "good", dead, &bytes(300_000), &bytes(300_000)).await;
    assert_eq!(seal(&store, id).await.file_count, 2);
    assert_sound(&store, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_another_boot_with_other_bytes_are_not_sealed() {
    let (store, parts, _, _folder) = store_and_parts().await;
    let id = package(&store).await;
    let dead = parts.dead_writer("a boot before this one");
    let zeros = Bytes::from(vec![0; 5000]);
    put(&store, id, "ours", "x").await;
    parts.record(id, "good", dead, &bytes(10), &bytes(10)).await;
    parts.record(id, "bad/zeros", dead, &zeros, &bytes(5000)).await;
    parts.record(id, "bad/short", dead, &bytes(10), &bytes(20)).await;
    let digest = ProblemKind::Digest {
        algorithm: "SHA-256",
        expected: sha256(&bytes(5000)).to_string(),
        actual: sha256(&zeros).to_string(),
    };
    let size = ProblemKind::Size { expected: 20, actual: 10 };
    assert_eq!(
        finalize_problems(&store, id).await,
        [
            FileProblem { path: "bad/short".to_owned(), kind: size },
            FileProblem { path: "bad/zeros".to_owned(), kind: digest },
        ]
    );
    // Sent again, they are fine.
    for (name, len) in [("bad/zeros", 5000), ("bad/short", 20)] {
        store.upload_bytes(id, replacing(name), bytes(len)).await.unwrap();
    }
    assert_eq!(seal(&store, id).await.file_count, 4);
    assert_sound(&store, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_this_boot_are_not_hashed_again() {
    let (store, parts, _, _folder) = store_and_parts().await;
    let id = package(&store).await;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let ours = parts.dead_writer(boot.trim());
    // If it were read, this would show.
    parts.record(id, "x", ours, &Bytes::from_static(b"other"), b"bytes").await;
    assert_eq!(seal(&store, id).await.file_count, 1);
    let found = store.verify(id, |_| ()).await.unwrap().problems;
    assert_eq!(found.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changed_or_went_since_its_upload_is_not_sealed() {
    let (store, _parts, _, folder) = store_and_parts().await;
    let id = package(&store).await;
    for name in ["changed", "gone", "kept", "short"] {
        put(&store, id, name, bytes(100)).await;
    }
    let data = bag(&folder, id).join("data");
    crate::overwrite(&data.join("changed"), &bytes(100));
    crate::overwrite(&data.join("short"), &bytes(99));
    fs::remove_file(data.join("gone")).unwrap();
    let problem = |path: &str, kind| FileProblem { path: path.to_owned(), kind };
    assert_eq!(
        finalize_problems(&store, id).await,
        [
            problem("changed", ProblemKind::Changed),
            problem("gone", ProblemKind::Missing),
            problem("short", ProblemKind::Size { expected: 100, actual: 99 }),
        ]
    );
    for name in ["changed", "gone", "short"] {
        store.remove_file(id, &path(name)).await.unwrap();
    }
    assert_eq!(paths(&store, id).await, ["kept"]);
    seal(&store, id).await;
    assert_sound(&store, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_changed_behind_a_seal_is_found() {
    let (store, parts, _, _folder) = store_and_parts().await;
    let id = package(&store).await;
    put(&store, id, "x", "x").await;
    put(&store, id, "y", "y").await;
    seal(&store, id).await;
    // What no use case does.
    parts
        .registry
        .write(Durability::Relaxed, |writer| {
            writer.remove_file(id, &path("y"), now())?;
            Ok::<_, RegistryError>(())
        })
        .unwrap();
    let found = store.verify(id, |_| ()).await.unwrap().problems;
    let names: Vec<_> = found.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(names, ["data/y", "registry", "registry"]);
    assert_eq!(found[0].kind, ProblemKind::Stray);
}
