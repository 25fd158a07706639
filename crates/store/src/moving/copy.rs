//! One package from the home to the target.

use std::collections::HashSet;

use artifact_domain::digest::Sha256Digest;
use artifact_domain::{FileRecord, LogicalPath, Package, PackageId, PackageStatus};
use artifact_registry::Durability;
use artifact_storage::{ObjectKey, PutMode, Storage, StorageError, TagFile};
use futures::{StreamExt as _, TryStreamExt as _};

use super::MoveStep;
use super::turn::{Turn, refuse};
use crate::clock;
use crate::digest::{Digester, Digests};
use crate::error::{ProblemKind, StoreError};
use crate::open::ArtifactStore;
use crate::seal_object::stored_sha256;
use crate::verify::problem;

/// Files of one package that are copied at once.
pub(super) const LANES: usize = 4;

/// Names of packages that are looked up at once.
const NAMES: usize = 100;

/// Deleted packages that are looked up at once.
const DELETED: u32 = 100;

impl ArtifactStore {
    /// Copies a package, reads the copy back, makes it durable and notes it, unless the package was
    /// changed meanwhile: then it is left for the next round.
    pub(super) async fn copy_package(
        &self,
        target: &Storage,
        turn: &Turn,
        id: PackageId,
        step: &(dyn Fn(MoveStep) + Send + Sync),
    ) -> Result<(), StoreError> {
        let package = self.package(id).await?;
        let is_sealed = match package.status {
            // What was copied of it before is removed in the next round.
            PackageStatus::Deleted => return Ok(()),
            PackageStatus::Finalized => true,
            PackageStatus::Created | PackageStatus::Uploading | PackageStatus::Failed => false,
        };
        let (mut copied, mut etags) = (HashSet::new(), Vec::new());
        let mut pages = std::pin::pin!(self.file_pages(id));
        loop {
            let page = match pages.try_next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) => return Err(error),
            };
            let records: Vec<FileRecord> = page.into_iter().map(|file| file.record).collect();
            let mut copying = futures::stream::iter(records)
                .map(|record| async move {
                    let etag = self.copy_file(target, id, &record).await?;
                    Ok::<_, StoreError>((record, etag))
                })
                .buffer_unordered(LANES);
            while let Some(done) = copying.next().await {
                let (record, etag) = match done {
                    Ok(done) => done,
                    Err(error) => return self.unless_changed(&package, error).await,
                };
                step(MoveStep::File { bytes: record.size });
                copied.insert(ObjectKey::payload(id, &record.path).as_str().to_owned());
                if !is_sealed {
                    etags.push((record.path, etag));
                }
            }
        }
        if is_sealed {
            for file in TagFile::ALL {
                if let Err(error) = self.copy_tag_file(target, &package, file).await {
                    return self.unless_changed(&package, error).await;
                }
                copied.insert(ObjectKey::tag(id, file).as_str().to_owned());
            }
        }
        remove_others(target, turn, id, &copied).await?;
        if !copied.is_empty() {
            target.sync_package(id).await?;
        }
        let (target, revision) = (target.id(), package.revision);
        self.run(move |parts| {
            // A note that is lost with the power costs another look at the copy.
            parts.registry.write(Durability::Relaxed, |writer| {
                writer.record_copy(target, id, revision, &etags, clock::now())
            })
        })
        .await?;
        Ok(())
    }

    /// An error of copying, unless it comes of a change of the package meanwhile.
    async fn unless_changed(&self, before: &Package, error: StoreError) -> Result<(), StoreError> {
        let now = self.package(before.id).await?;
        if now.revision == before.revision { Err(error) } else { Ok(()) }
    }

    /// Copies a file, unless it is there, and reads it back; answers its version at the target.
    async fn copy_file(
        &self,
        target: &Storage,
        id: PackageId,
        record: &FileRecord,
    ) -> Result<Option<String>, StoreError> {
        let key = ObjectKey::payload(id, &record.path);
        let expected = Digests { size: record.size, sha256: record.sha256, blake3: record.blake3 };
        match stored(target, &key).await? {
            Some((there, etag)) if there == expected => return Ok(etag),
            Some(_) => target.delete(&key).await?,
            None => {}
        }
        let damaged =
            |problem| StoreError::Damaged { package: id, path: record.path.to_string(), problem };
        let sent = transfer(&self.parts.storage, target, &key, &expected).await;
        if let Err(cause) = sent {
            return Err(match cause {
                Broken::Source(error) => damaged(problem(error)?),
                Broken::Bytes(found) => damaged(difference(&expected, &found)),
                Broken::Target(error) => error,
            });
        }
        match stored(target, &key).await? {
            Some((there, etag)) if there == expected => Ok(etag),
            found => Err(not_as_written(target, &key, found.map(|(there, _)| there.sha256))),
        }
    }

    /// Copies a file of the bag beside its payload, and reads it back. The record is written anew:
    /// it may be behind.
    async fn copy_tag_file(
        &self,
        target: &Storage,
        package: &Package,
        file: TagFile,
    ) -> Result<(), StoreError> {
        let key = ObjectKey::tag(package.id, file);
        if file == TagFile::Record {
            let text = self.record_text(package).await?;
            let expected = Sha256Digest::of(&text);
            target.put(&key, text, PutMode::Overwrite).await?;
            return read_back(target, &key, expected).await;
        }
        let damaged = |problem| StoreError::Damaged {
            package: package.id,
            path: file.name().to_owned(),
            problem,
        };
        let home = &self.parts.storage;
        let (found, _) = match stored(home, &key).await {
            Ok(Some(found)) => found,
            Ok(None) => return Err(damaged(ProblemKind::Missing)),
            Err(StoreError::Storage(error)) => return Err(damaged(problem(error)?)),
            Err(error) => return Err(error),
        };
        let promised = match file {
            TagFile::Manifest => package.manifest_sha256,
            TagFile::PayloadManifest => package.payload_manifest_sha256,
            _ => None,
        };
        if let Some(promised) = promised.filter(|promised| *promised != found.sha256) {
            return Err(damaged(digest_problem(promised, found.sha256)));
        }
        match stored_sha256(target, &key).await? {
            Some(there) if there == found.sha256 => return Ok(()),
            Some(_) => target.delete(&key).await?,
            None => {}
        }
        match transfer(home, target, &key, &found).await {
            Ok(()) => {}
            Err(Broken::Source(error)) => return Err(damaged(problem(error)?)),
            Err(Broken::Bytes(now)) => return Err(damaged(difference(&found, &now))),
            Err(Broken::Target(error)) => return Err(error),
        }
        read_back(target, &key, found.sha256).await
    }

    /// Removes from the target what it has of packages that were deleted: a former home, to which
    /// packages move back, was not told of deletions.
    pub(super) async fn remove_what_was_deleted(
        &self,
        target: &Storage,
        turn: &Turn,
    ) -> Result<(), StoreError> {
        let mut names = target.list_packages().ready_chunks(NAMES);
        while let Some(some) = names.next().await {
            let some = some.into_iter().collect::<Result<Vec<String>, _>>()?;
            let ids: Vec<PackageId> = some.iter().filter_map(|name| name.parse().ok()).collect();
            let deleted = self
                .run(move |parts| {
                    parts.registry.read(|reader| {
                        let mut deleted = Vec::new();
                        for id in ids {
                            let package = reader.package(id)?;
                            if package.is_some_and(|package| package.deleted_at.is_some()) {
                                deleted.push(id);
                            }
                        }
                        Ok::<_, StoreError>(deleted)
                    })
                })
                .await?;
            for id in deleted {
                remove_others(target, turn, id, &HashSet::new()).await?;
                target.remove_package(id).await?;
            }
        }
        Ok(())
    }

    /// Removes from the target what was copied of packages that were deleted since.
    pub(super) async fn remove_deleted_copies(
        &self,
        target: &Storage,
        turn: &Turn,
    ) -> Result<(), StoreError> {
        loop {
            let to = target.id();
            let deleted = self
                .run(move |parts| {
                    parts.registry.read(|reader| reader.copies_of_deleted(to, DELETED))
                })
                .await?;
            if deleted.is_empty() {
                return Ok(());
            }
            for id in deleted {
                remove_others(target, turn, id, &HashSet::new()).await?;
                target.remove_package(id).await?;
                self.run(move |parts| {
                    parts.registry.write(Durability::Synced, |writer| writer.forget_copy(to, id))
                })
                .await?;
            }
        }
    }
}

/// Why an object did not get to the target.
enum Broken {
    /// It cannot be read at the home.
    Source(StorageError),
    /// It has other bytes there than it should have.
    Bytes(Digests),
    /// It cannot be written.
    Target(StoreError),
}

/// Writes an object of the home to the target, if it has the bytes that it should have.
async fn transfer(
    home: &Storage,
    target: &Storage,
    key: &ObjectKey,
    expected: &Digests,
) -> Result<(), Broken> {
    let mut reader = home.read(key, None).await.map_err(Broken::Source)?;
    let fail = |error: StorageError| Broken::Target(error.into());
    let mut writer = target.write(key).await.map_err(fail)?;
    let mut digester = Digester::new();
    while let Some(chunk) = reader.stream.try_next().await.map_err(Broken::Source)? {
        digester.update(&chunk).await.map_err(Broken::Target)?;
        writer.write(chunk).await.map_err(fail)?;
    }
    let found = digester.finish().await.map_err(Broken::Target)?;
    if found != *expected {
        writer.abort().await;
        return Err(Broken::Bytes(found));
    }
    writer.publish().await.map_err(fail)?;
    Ok(())
}

/// What is stored under a key, and its version; `None` if nothing is.
async fn stored(
    storage: &Storage,
    key: &ObjectKey,
) -> Result<Option<(Digests, Option<String>)>, StoreError> {
    let mut reader = match storage.read(key, None).await {
        Ok(reader) => reader,
        Err(StorageError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut digester = Digester::new();
    while let Some(chunk) = reader.stream.try_next().await? {
        digester.update(&chunk).await?;
    }
    Ok(Some((digester.finish().await?, reader.facts.etag)))
}

async fn read_back(
    target: &Storage,
    key: &ObjectKey,
    expected: Sha256Digest,
) -> Result<(), StoreError> {
    match stored_sha256(target, key).await? {
        Some(there) if there == expected => Ok(()),
        found => Err(not_as_written(target, key, found)),
    }
}

/// The target took an object and gives other bytes back.
fn not_as_written(target: &Storage, key: &ObjectKey, found: Option<Sha256Digest>) -> StoreError {
    let found = found.map_or_else(|| "is not there".to_owned(), |found| format!("has {found}"));
    refuse(target.url(), &format!("{} was written and {found} when it is read back", key.as_str()))
}

fn difference(expected: &Digests, found: &Digests) -> ProblemKind {
    if expected.size == found.size {
        digest_problem(expected.sha256, found.sha256)
    } else {
        ProblemKind::Size { expected: expected.size, actual: found.size }
    }
}

fn digest_problem(expected: Sha256Digest, actual: Sha256Digest) -> ProblemKind {
    ProblemKind::Digest {
        algorithm: "SHA-256",
        expected: expected.to_string(),
        actual: actual.to_string(),
    }
}

/// Removes objects of a package at the target that are none of these.
async fn remove_others(
    target: &Storage,
    turn: &Turn,
    id: PackageId,
    keep: &HashSet<String>,
) -> Result<(), StoreError> {
    let mut listing = target.list_package(id);
    while let Some(facts) = listing.try_next().await? {
        if keep.contains(&facts.key) {
            continue;
        }
        let tag = TagFile::ALL.into_iter().map(|file| ObjectKey::tag(id, file));
        let payload = facts
            .payload_path(id)
            .and_then(|path| LogicalPath::parse(path).ok())
            .map(|path| ObjectKey::payload(id, &path));
        let key = tag.chain(payload).find(|key| key.as_str() == facts.key);
        match key {
            Some(key) => {
                turn.check()?;
                target.delete(&key).await?;
            }
            None => {
                tracing::warn!(key = %facts.key, "an object that nobody recorded is at the target");
            }
        }
    }
    Ok(())
}
