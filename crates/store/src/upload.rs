//! Uploads: bytes into storage, hashed on their way.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use artifact_domain::digest::Sha256Digest;
use artifact_domain::event::AuditAction;
use artifact_domain::id::ClaimId;
use artifact_domain::media_type::MediaType;
use artifact_domain::wire::{CheckFilesRequest, CheckFilesResponse};
use artifact_domain::{FileRecord, LogicalPath, PackageId, PackageStatus};
use artifact_registry::Durability;
use artifact_registry::events::NewAuditEvent;
use artifact_registry::files::StoredFile;
use artifact_registry::uploads::{Claim, ClaimRefusal, FinishRefusal, FinishedUpload, NewClaim};
use artifact_storage::{ObjectFacts, ObjectKey, ObjectWriter, StorageError};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use serde_json::json;

use crate::clock;
use crate::digest::{Digester, Digests};
use crate::error::StoreError;
use crate::ledger::{Ledger, is_void};
use crate::open::{ArtifactStore, blocking};
use crate::packages::{details, open_package, present};

/// How often a long upload renews its claim: a quarter of the idle time, so that one lost step
/// does not lose the claim.
const RENEWALS_PER_IDLE_TIME: u32 = 4;

/// What is said of a file before its bytes come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUpload {
    /// Its name in the package.
    pub path: LogicalPath,
    /// What it is; guessed from the name if absent.
    pub media_type: Option<MediaType>,
    /// Whether a file of this path may be there, to be replaced.
    pub replace: bool,
    /// The size that must arrive.
    pub size: Option<u64>,
    /// The SHA-256 that must arrive.
    pub sha256: Option<Sha256Digest>,
}

impl NewUpload {
    /// A new file about which nothing but its path is said.
    pub const fn new(path: LogicalPath) -> Self {
        Self { path, media_type: None, replace: false, size: None, sha256: None }
    }
}

/// A file that is in memory.
#[derive(Debug, Clone)]
pub struct SmallFile {
    /// What is said of it. Files of a batch are new: `replace` is for single uploads.
    pub upload: NewUpload,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Claims that are given up when they are dropped before their files were recorded. It is there
/// before the claims are asked for: whoever waits for them may be gone when they are granted.
struct HeldClaims<'a> {
    ledger: &'a Ledger,
    ids: Vec<ClaimId>,
}

impl HeldClaims<'_> {
    /// Says that the claims have turned into files, or were not granted.
    fn settled(mut self) {
        self.ids.clear();
    }

    /// Gives the claims up because of this error. Where the registry is what failed, nobody waits
    /// for it once more: the claims go when it is back.
    async fn give_up_after(self, error: &StoreError) {
        if !matches!(error, StoreError::Registry(_)) {
            self.give_up().await;
        }
    }

    /// Gives the claims up before anybody is told that the paths are free. If that fails they are
    /// void with this process.
    async fn give_up(mut self) {
        let ids = std::mem::take(&mut self.ids);
        if let Err(error) = self.ledger.release(ids).await {
            tracing::warn!(%error, "claims could not be released");
        }
    }

    async fn renew(&self) -> Result<bool, StoreError> {
        let mut held = true;
        for id in &self.ids {
            held &= self.ledger.renew(*id).await?;
        }
        Ok(held)
    }
}

impl Drop for HeldClaims<'_> {
    fn drop(&mut self) {
        if !self.ids.is_empty() {
            self.ledger.release_soon(std::mem::take(&mut self.ids));
        }
    }
}

fn guess(path: &LogicalPath) -> MediaType {
    mime_guess::from_path(path.as_str())
        .first_raw()
        .and_then(|guess| MediaType::parse(guess).ok())
        .unwrap_or_else(MediaType::octet_stream)
}

impl ArtifactStore {
    /// Stores a file that is in memory.
    pub async fn upload_bytes(
        &self,
        package: PackageId,
        upload: NewUpload,
        bytes: impl Into<Bytes>,
    ) -> Result<FileRecord, StoreError> {
        let bytes: Bytes = bytes.into();
        let body = futures::stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
        self.upload(package, upload, body).await
    }

    /// Streams a file into storage. Chunks should be at most 1 MiB; a few of them are in memory
    /// at a time. When this answers an error nothing is stored and the path is free again; a
    /// future that is dropped has the same effect, unless only its last step was left: a file that
    /// was being recorded may be stored. The future can be sent to another thread if the
    /// body can.
    ///
    /// # Errors
    /// The package takes no files, the path is taken or in use, the bytes are not those that were
    /// announced, the body fails or falls silent, or a limit is exceeded.
    pub async fn upload<E>(
        &self,
        package: PackageId,
        upload: NewUpload,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<FileRecord, StoreError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let ledger = self.ledger()?;
        self.check_file_size(&upload.path, upload.size.unwrap_or(0))?;
        let held = self.claim(ledger, package, &upload.path, upload.replace).await?;
        match self.store_claimed(&held, package, upload, body).await {
            Ok(record) => {
                held.settled();
                Ok(record)
            }
            Err(error) => {
                held.give_up_after(&error).await;
                Err(error)
            }
        }
    }

    /// Claims one path, or says why it is not to be had.
    async fn claim<'a>(
        &self,
        ledger: &'a Ledger,
        package: PackageId,
        path: &LogicalPath,
        replace: bool,
    ) -> Result<HeldClaims<'a>, StoreError> {
        let id = ClaimId::generate(clock::now());
        let held = HeldClaims { ledger, ids: vec![id] };
        let claim = NewClaim { id, package, path: path.clone(), replace };
        let granted = ledger.claim(vec![claim]).await?;
        if let Some(Err(refusal)) = granted.into_iter().next() {
            held.settled();
            return Err(self.refused(package, path, refusal).await);
        }
        Ok(held)
    }

    /// Streams a file to the path that is claimed, and records it.
    async fn store_claimed<E>(
        &self,
        held: &HeldClaims<'_>,
        package: PackageId,
        upload: NewUpload,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<FileRecord, StoreError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let key = ObjectKey::payload(package, &upload.path);
        let mut writer = self.parts.storage.write(&key).await?;
        let digests = match self.receive(held, &upload.path, body, &mut writer).await {
            Ok(digests) => digests,
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        if let Err(error) = announced(&upload, &digests) {
            writer.abort().await;
            return Err(error);
        }
        if upload.replace
            && let Err(error) = self.take_out(package, &upload.path, Some(digests.size)).await
        {
            writer.abort().await;
            return Err(error);
        }
        let facts = self.publish(held, &upload.path, &key, writer).await?;
        let record = record_of(upload, &digests);
        let file = StoredFile { record: record.clone(), etag: facts.etag };
        let finished = held.ids.iter().map(|claim| FinishedUpload {
            claim: *claim,
            package,
            file: file.clone(),
        });
        let recorded = held.ledger.finish(finished.collect(), self.origin.clone()).await?;
        match recorded.into_iter().next() {
            Some(Err(refusal)) => Err(self.not_recorded(package, record.path, refusal).await),
            _ => Ok(record),
        }
    }

    /// Stores several new small files that are in memory, each with an answer of its own, in
    /// order. They are claimed in one commit, written by one thread and recorded in one commit:
    /// for files of a few KiB that is several times faster than one upload after the other.
    ///
    /// # Errors
    /// The registry failed; of the files, those that were not answered are not stored.
    pub async fn upload_batch(
        &self,
        package: PackageId,
        files: Vec<SmallFile>,
    ) -> Result<Vec<Result<FileRecord, StoreError>>, StoreError> {
        let ledger = self.ledger()?;
        let claims: Vec<NewClaim> = files
            .iter()
            .map(|file| NewClaim {
                id: ClaimId::generate(clock::now()),
                package,
                path: file.upload.path.clone(),
                replace: false,
            })
            .collect();
        let ids: Vec<ClaimId> = claims.iter().map(|claim| claim.id).collect();
        let mut held = HeldClaims { ledger, ids: ids.clone() };
        let granted = ledger.claim(claims).await?;
        let mut refused = granted.iter().map(Result::is_err);
        held.ids.retain(|_| !refused.next().unwrap_or(false));

        // What is refused on the way keeps its place; what goes on carries its place along.
        let mut answers: Vec<Option<Result<FileRecord, StoreError>>> = Vec::new();
        let mut hashing = Vec::new();
        for (place, (file, granted)) in files.into_iter().zip(granted).enumerate() {
            let size = file.bytes.len() as u64;
            let refused = match granted {
                Err(refusal) => Some(self.refused(package, &file.upload.path, refusal).await),
                Ok(()) => self.check_file_size(&file.upload.path, size).err(),
            };
            if refused.is_none() {
                hashing.push((place, file));
            }
            answers.push(refused.map(Err));
        }
        let mut writing = Vec::new();
        for (place, file, digests) in
            blocking(move || Ok::<_, StoreError>(hash_all(hashing))).await?
        {
            match announced(&file.upload, &digests) {
                Ok(()) => writing.push((place, file, digests)),
                Err(error) => answers[place] = Some(Err(error)),
            }
        }
        let key = |file: &SmallFile| ObjectKey::payload(package, &file.upload.path);
        let objects = writing.iter().map(|(_, file, _)| (key(file), file.bytes.clone())).collect();
        let written = self.parts.storage.put_new(objects).await;
        let mut recording = Vec::new();
        for ((place, file, digests), written) in writing.into_iter().zip(written) {
            let written = match written {
                Err(StorageError::AlreadyExists { .. }) => {
                    self.put_over_leftover(&held, &file, &key(&file)).await
                }
                done => done.map_err(StoreError::from),
            };
            match written {
                Ok(facts) => recording.push((place, record_of(file.upload, &digests), facts.etag)),
                Err(error) => answers[place] = Some(Err(error)),
            }
        }
        let finished = recording
            .iter()
            .map(|(place, record, etag)| FinishedUpload {
                claim: ids[*place],
                package,
                file: StoredFile { record: record.clone(), etag: etag.clone() },
            })
            .collect();
        let recorded = ledger.finish(finished, self.origin.clone()).await?;
        for ((place, record, _), recorded) in recording.into_iter().zip(recorded) {
            answers[place] = Some(match recorded {
                Ok(()) => Ok(record),
                Err(refusal) => Err(self.not_recorded(package, record.path, refusal).await),
            });
        }
        let settled = ids.iter().zip(&answers).filter(|(_, answer)| matches!(answer, Some(Ok(_))));
        let settled: HashSet<&ClaimId> = settled.map(|(id, _)| id).collect();
        held.ids.retain(|id| !settled.contains(id));
        if !held.ids.is_empty() {
            held.give_up().await;
        }
        let unanswered =
            || Err(StoreError::Stopped("a file of a batch was not answered".to_owned()));
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(unanswered)).collect())
    }

    /// Puts a small object whose key is taken by what a crash left. See [`Self::publish`].
    async fn put_over_leftover(
        &self,
        held: &HeldClaims<'_>,
        file: &SmallFile,
        key: &ObjectKey,
    ) -> Result<ObjectFacts, StoreError> {
        let mut writer = self.parts.storage.write(key).await?;
        writer.write(file.bytes.clone()).await?;
        self.publish(held, &file.upload.path, key, writer).await
    }

    /// Why a file whose bytes are written is not recorded. Its bytes go, unless somebody else
    /// writes the path now.
    async fn not_recorded(
        &self,
        package: PackageId,
        path: LogicalPath,
        refusal: FinishRefusal,
    ) -> StoreError {
        let error = match refusal {
            FinishRefusal::ClaimLost => return StoreError::ClaimLost { path },
            FinishRefusal::WrongStatus(status) => {
                if status == PackageStatus::Deleted {
                    return self.came_too_late(package, &path).await;
                }
                let needed = "it took no more files when this upload was done";
                return StoreError::WrongStatus { package, status, needed };
            }
            FinishRefusal::TooManyBytes => {
                package_too_large(package, &path, self.parts.limits.package_bytes)
            }
        };
        match self.parts.storage.delete(&ObjectKey::payload(package, &path)).await {
            Ok(()) => error,
            Err(failed) => failed.into(),
        }
    }

    /// Removes bytes that were written when their package was deleted already, and perhaps all
    /// that was there removed. Nobody writes to it any more, so there is no claim to be asked.
    async fn came_too_late(&self, package: PackageId, path: &LogicalPath) -> StoreError {
        let storage = &self.parts.storage;
        if let Err(failed) = storage.delete(&ObjectKey::payload(package, path)).await {
            return failed.into();
        }
        if let Err(error) = storage.remove_package(package).await {
            tracing::debug!(%package, %error, "the deletion of a package is still under way");
        }
        let looked = self.run(move |parts| parts.registry.read(|reader| present(reader, package)));
        looked.await.err().unwrap_or(StoreError::NoPackage(package))
    }

    fn check_file_size(&self, path: &LogicalPath, size: u64) -> Result<(), StoreError> {
        let limit = self.parts.limits.file_bytes;
        if size <= limit {
            return Ok(());
        }
        Err(StoreError::TooLarge {
            what: format!("a file, and so {path}"),
            limit: format!("{limit} bytes"),
        })
    }

    /// Passes the body on to the storage and to both digests at once.
    async fn receive<E>(
        &self,
        held: &HeldClaims<'_>,
        path: &LogicalPath,
        body: impl Stream<Item = Result<Bytes, E>>,
        writer: &mut ObjectWriter,
    ) -> Result<Digests, StoreError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let idle: Duration = self.parts.limits.upload_idle;
        let mut body = std::pin::pin!(body);
        let mut digester = Digester::new();
        let mut renewed = Instant::now();
        loop {
            let chunk = match tokio::time::timeout(idle, body.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(error))) => {
                    return Err(StoreError::Body {
                        path: Some(path.clone()),
                        source: error.into(),
                    });
                }
                Ok(None) => return digester.finish().await,
                Err(_) => {
                    return Err(StoreError::Stalled { path: Some(path.clone()), waited: idle });
                }
            };
            self.check_file_size(path, digester.size() + chunk.len() as u64)?;
            digester.update(&chunk).await?;
            writer.write(chunk).await?;
            if renewed.elapsed() > idle / RENEWALS_PER_IDLE_TIME {
                if !held.renew().await? {
                    return Err(StoreError::ClaimLost { path: path.clone() });
                }
                renewed = Instant::now();
            }
        }
    }

    /// Makes the bytes visible under their key. An object that is there already belongs to no
    /// row: the claim was granted, so it is what a crash or a power loss left of an upload that
    /// was never answered. It goes, if the claim is still ours.
    async fn publish(
        &self,
        held: &HeldClaims<'_>,
        path: &LogicalPath,
        key: &ObjectKey,
        mut writer: ObjectWriter,
    ) -> Result<ObjectFacts, StoreError> {
        match writer.publish().await {
            Err(StorageError::AlreadyExists { .. }) => {}
            done => return Ok(done?),
        }
        if !held.renew().await? {
            return Err(StoreError::ClaimLost { path: path.clone() });
        }
        tracing::warn!(%key, "removing an object that no upload finished");
        self.parts.storage.delete(key).await?;
        Ok(writer.publish().await?)
    }

    async fn refused(
        &self,
        package: PackageId,
        path: &LogicalPath,
        refusal: ClaimRefusal,
    ) -> StoreError {
        let path = path.clone();
        match refusal {
            ClaimRefusal::NoPackage => StoreError::NoPackage(package),
            ClaimRefusal::WrongStatus(status) => {
                // A deleted package says when and why.
                let looked = self
                    .run(move |parts| parts.registry.read(|reader| open_package(reader, package)))
                    .await;
                let needed = "files can only be stored before it is finalized or failed";
                looked.err().unwrap_or(StoreError::WrongStatus { package, status, needed })
            }
            ClaimRefusal::Duplicate => StoreError::DuplicatePath { package, path },
            ClaimRefusal::Conflict { other } => StoreError::PathConflict { path, other },
            ClaimRefusal::InProgress => {
                StoreError::UploadInProgress { package, path: path.to_string() }
            }
            ClaimRefusal::TooManyFiles => StoreError::TooLarge {
                what: format!("a package, and so {package} with {path}"),
                limit: format!("{} files", self.parts.limits.package_files),
            },
        }
    }

    /// Removes a file's row and then its bytes, if there is one. A file that is replaced stays if
    /// the package has no room for the new one, whose size is `replaced_by`.
    async fn take_out(
        &self,
        package: PackageId,
        path: &LogicalPath,
        replaced_by: Option<u64>,
    ) -> Result<(), StoreError> {
        let origin = self.origin.clone();
        let gone = path.clone();
        let removed = self
            .run(move |parts| {
                parts.registry.write(Durability::Relaxed, |writer| {
                    let before = open_package(writer, package)?;
                    let now = clock::now();
                    let Some(file) = writer.remove_file(package, &gone, now)? else {
                        return Ok(false);
                    };
                    let others = before.total_bytes.saturating_sub(file.record.size);
                    let limit = parts.limits.package_bytes;
                    if replaced_by.is_some_and(|size| others.saturating_add(size) > limit) {
                        // The transaction ends here, and the file is still there.
                        return Err(package_too_large(package, &gone, limit));
                    }
                    let file = file.record;
                    writer.append_audit(NewAuditEvent {
                        at: now,
                        origin: &origin,
                        action: AuditAction::FileRemoved,
                        package: Some(package),
                        details: details(
                            json!({"path": file.path, "size": file.size, "sha256": file.sha256}),
                        ),
                    })?;
                    Ok(true)
                })
            })
            .await?;
        if removed {
            self.parts.storage.delete(&ObjectKey::payload(package, path)).await?;
        }
        Ok(())
    }

    /// Takes a file out of a package that is not finalized, or clears what a cut-off upload left
    /// of one.
    pub async fn remove_file(
        &self,
        package: PackageId,
        path: &LogicalPath,
    ) -> Result<(), StoreError> {
        let ledger = self.ledger()?;
        let wanted = path.clone();
        let there = self
            .run(move |parts| {
                parts.registry.write(Durability::Relaxed, |writer| {
                    open_package(writer, package)?;
                    let is_void = |claim: &Claim| is_void(&parts.storage, &parts.limits, claim);
                    let cleared = writer.release_void_claim(package, &wanted, &is_void)?;
                    Ok::<_, StoreError>(cleared || writer.file(package, &wanted)?.is_some())
                })
            })
            .await?;
        if !there {
            // Bytes without a row or a claim are what a power loss leaves.
            match self.parts.storage.head(&ObjectKey::payload(package, path)).await {
                Ok(_) => {}
                Err(StorageError::NotFound { .. } | StorageError::Obstructed { .. }) => {
                    return Err(StoreError::NoFile { package, path: path.clone() });
                }
                Err(error) => return Err(error.into()),
            }
        }
        // With a claim nobody else writes the path while its bytes go.
        let held = self.claim(ledger, package, path, true).await?;
        let removed = async {
            self.take_out(package, path, None).await?;
            // What a cut-off upload left has no row, and is there all the same.
            Ok(self.parts.storage.delete(&ObjectKey::payload(package, path)).await?)
        }
        .await;
        match &removed {
            Ok(()) => held.give_up().await,
            Err(error) => held.give_up_after(error).await,
        }
        removed
    }

    /// Which of a client's files are stored already, with these sizes and digests.
    pub async fn check_files(
        &self,
        package: PackageId,
        request: CheckFilesRequest,
    ) -> Result<CheckFilesResponse, StoreError> {
        self.run(move |parts| {
            parts.registry.read(|reader| {
                present(reader, package)?;
                let mut answer = CheckFilesResponse::default();
                let mut stored = HashMap::new();
                for asked in &request.files {
                    if let Some(file) = reader.file(package, &asked.path)? {
                        stored.insert(&asked.path, file.record);
                    }
                }
                for asked in &request.files {
                    let list = match stored.get(&asked.path) {
                        None => &mut answer.missing,
                        Some(file) if file.size == asked.size && file.sha256 == asked.sha256 => {
                            &mut answer.present
                        }
                        Some(_) => &mut answer.different,
                    };
                    list.push(asked.path.clone());
                }
                Ok::<_, StoreError>(answer)
            })
        })
        .await
    }
}

fn package_too_large(package: PackageId, path: &LogicalPath, limit: u64) -> StoreError {
    StoreError::TooLarge {
        what: format!("a package, and so {package} with {path}"),
        limit: format!("{limit} bytes"),
    }
}

/// The record of a file that was received.
fn record_of(upload: NewUpload, digests: &Digests) -> FileRecord {
    FileRecord {
        media_type: upload.media_type.unwrap_or_else(|| guess(&upload.path)),
        path: upload.path,
        size: digests.size,
        sha256: digests.sha256,
        blake3: digests.blake3,
        uploaded_at: clock::now(),
    }
}

/// Hashes files that are in memory. It takes time.
fn hash_all(files: Vec<(usize, SmallFile)>) -> Vec<(usize, SmallFile, Digests)> {
    files
        .into_iter()
        .map(|(place, file)| {
            let digests = Digests::of(&file.bytes);
            (place, file, digests)
        })
        .collect()
}

/// Holds what arrived against what was announced.
fn announced(upload: &NewUpload, digests: &Digests) -> Result<(), StoreError> {
    let mismatch = |digest, expected: String, actual: String| {
        Err(StoreError::Mismatch { what: upload.path.to_string(), digest, expected, actual })
    };
    match (upload.size, upload.sha256) {
        (Some(size), _) if size != digests.size => {
            mismatch("size", size.to_string(), digests.size.to_string())
        }
        (_, Some(sha256)) if sha256 != digests.sha256 => {
            mismatch("SHA-256", sha256.to_string(), digests.sha256.to_string())
        }
        _ => Ok(()),
    }
}
