//! Verify: stored bytes against what was promised.

use std::collections::HashSet;

use artifact_domain::bag;
use artifact_domain::digest::Sha256Digest;
use artifact_domain::manifest::{ManifestHead, ManifestPackage};
use artifact_domain::{FileRecord, LogicalPath, Package, PackageId, PackageStatus};
use artifact_storage::{ObjectKey, StorageError, TagFile};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::digest::Digester;
use crate::error::{FileProblem, ProblemKind, StoreError};
use crate::open::ArtifactStore;
use crate::packages::present;
use crate::seal_object::stored_sha256;

/// Files that are hashed at once: one for each core keeps the cores busy, more only the disk.
fn lanes() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8)
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The package.
    pub package_id: PackageId,
    /// Its status: only of a finalized package there is a manifest to hold it against.
    pub status: PackageStatus,
    /// Files whose stored bytes were read and hashed.
    pub files_checked: u64,
    /// The bytes that they have together.
    pub bytes_checked: u64,
    /// SHA-256 of the manifest, if the package is sealed.
    pub manifest_sha256: Option<Sha256Digest>,
    /// Everything that is not as it was promised; empty if all is well.
    pub problems: Vec<FileProblem>,
}

impl ArtifactStore {
    /// Reads every stored byte of a package and holds it against what was promised: both digests
    /// of each file, the tag files of the bag, the manifest, and that nothing was added. `seen` is
    /// called with the size of each file that was read.
    ///
    /// Damage is a finding, not an error: the answer lists it.
    pub async fn verify(
        &self,
        id: PackageId,
        seen: impl Fn(u64) + Send + Sync,
    ) -> Result<Verification, StoreError> {
        let package =
            self.run(move |parts| parts.registry.read(|reader| present(reader, id))).await?;
        match self.verify_present(package, seen).await {
            Ok(found) if found.problems.is_empty() => Ok(found),
            // What is missing because the package was deleted meanwhile is not damaged.
            Ok(found) => {
                self.run(move |parts| parts.registry.read(|reader| present(reader, id))).await?;
                Ok(found)
            }
            Err(error) => Err(self.unless_deleted(id, error).await),
        }
    }

    async fn verify_present(
        &self,
        package: Package,
        seen: impl Fn(u64) + Send + Sync,
    ) -> Result<Verification, StoreError> {
        let id = package.id;
        let mut found = Verification {
            package_id: id,
            status: package.status,
            files_checked: 0,
            bytes_checked: 0,
            manifest_sha256: package.manifest_sha256,
            problems: Vec::new(),
        };
        let mut listing = self.verify_listing(id).await?;
        let mut payload_manifest = Sha256::new();
        let mut pages = std::pin::pin!(self.file_pages(id));
        while let Some(page) = pages.try_next().await? {
            for file in &page {
                listing.names.remove(&payload_name(&file.record.path));
                payload_manifest
                    .update(bag::payload_manifest_line(&file.record.sha256, &file.record.path));
            }
            let mut checks = futures::stream::iter(page)
                .map(|file| async move {
                    let problem = self.prove_file(id, &file.record).await?;
                    Ok::<_, StoreError>((file.record, problem))
                })
                .buffered(lanes());
            while let Some((record, problem)) = checks.try_next().await? {
                if !matches!(problem, Some(ProblemKind::Missing | ProblemKind::Unreadable { .. })) {
                    found.files_checked += 1;
                    found.bytes_checked += record.size;
                }
                seen(record.size);
                found.problems.extend(
                    problem.map(|kind| FileProblem { path: payload_name(&record.path), kind }),
                );
            }
        }
        let mut tag_files = TagFile::ALL.to_vec();
        tag_files.retain(|file| listing.names.remove(file.name()));
        let strays = listing.names.into_iter();
        found.problems.extend(strays.map(|path| FileProblem { path, kind: ProblemKind::Stray }));
        if package.manifest_sha256.is_some() {
            let rows = Sha256Digest::from_bytes(payload_manifest.finalize().into());
            self.verify_tag_files(&package, rows, &mut found).await?;
        }
        // What was read was named by that already.
        let named: HashSet<String> = found.problems.iter().map(|one| one.path.clone()).collect();
        let listed = listing.problems.into_iter().filter(|one| !named.contains(&one.path));
        found.problems.extend(listed);
        // The record changes with the package, so there is only its being there to be promised.
        let has_record = tag_files.contains(&TagFile::Record)
            || found.problems.iter().any(|one| one.path == bag::RECORD);
        if package.manifest_sha256.is_some() && !has_record {
            let path = bag::RECORD.to_owned();
            found.problems.push(FileProblem { path, kind: ProblemKind::Missing });
        }
        found.problems.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Reads a stored file and says how it is not as its record has it.
    pub(crate) async fn prove_file(
        &self,
        package: PackageId,
        record: &FileRecord,
    ) -> Result<Option<ProblemKind>, StoreError> {
        let mut reader =
            match self.parts.storage.read(&ObjectKey::payload(package, &record.path), None).await {
                Ok(reader) => reader,
                Err(error) => return problem(error).map(Some),
            };
        let mut digester = Digester::new();
        loop {
            match reader.stream.try_next().await {
                Ok(Some(chunk)) => digester.update(&chunk).await?,
                Ok(None) => break,
                Err(error) => return problem(error).map(Some),
            }
        }
        let stored = digester.finish().await?;
        let digest = |algorithm, expected: String, actual: String| {
            Ok(Some(ProblemKind::Digest { algorithm, expected, actual }))
        };
        if stored.size != record.size {
            return Ok(Some(ProblemKind::Size { expected: record.size, actual: stored.size }));
        }
        if stored.sha256 != record.sha256 {
            return digest("SHA-256", record.sha256.to_string(), stored.sha256.to_string());
        }
        if stored.blake3 != record.blake3 {
            return digest("BLAKE3", record.blake3.to_string(), stored.blake3.to_string());
        }
        Ok(None)
    }

    /// What is stored, by its name in the bag; what cannot be listed is a finding.
    async fn verify_listing(&self, id: PackageId) -> Result<Listing, StoreError> {
        let mut found = Listing::default();
        let mut listing = self.parts.storage.list_package(id);
        let folder = format!("{}/", bag::folder(id));
        while let Some(item) = listing.next().await {
            match item {
                Ok(facts) => {
                    let name = facts.key.strip_prefix(&folder).unwrap_or(&facts.key);
                    found.names.insert(name.to_owned());
                }
                Err(error) => {
                    let path = match &error {
                        StorageError::Symlink { path, .. }
                        | StorageError::Obstructed { path, .. } => path.split_once(&folder),
                        _ => None,
                    };
                    let path = path.map_or_else(|| bag::folder(id), |(_, name)| name.to_owned());
                    let kind = problem(error)?;
                    found.problems.push(FileProblem { path, kind });
                }
            }
        }
        Ok(found)
    }

    /// Holds the tag files against the registry, which can write each of them again.
    async fn verify_tag_files(
        &self,
        package: &Package,
        payload_manifest: Sha256Digest,
        found: &mut Verification,
    ) -> Result<(), StoreError> {
        let id = package.id;
        let mut check = |path: &str, kind: ProblemKind| {
            found.problems.push(FileProblem { path: path.to_owned(), kind });
        };
        // What the registry would seal today must be what it sealed.
        let mut manifest = Sha256::new();
        let mut bytes = self.manifest(id).await?.bytes;
        while let Some(chunk) = bytes.try_next().await? {
            manifest.update(&chunk);
        }
        let manifest = Sha256Digest::from_bytes(manifest.finalize().into());
        let mut contradicts = false;
        for (what, sealed, now) in [
            ("manifest", package.manifest_sha256, manifest),
            ("payload manifest", package.payload_manifest_sha256, payload_manifest),
        ] {
            if sealed != Some(now) {
                contradicts = true;
                let reason = format!(
                    "the registry's rows give the {what} {now}, not the one that was sealed"
                );
                check("registry", ProblemKind::Contradicts { reason });
            }
        }
        let info = self.sealed_bag_info(package).await?;
        let sealed = [
            (TagFile::BagInfo, Sha256Digest::of(info.as_bytes())),
            (TagFile::Declaration, Sha256Digest::of(bag::declaration().as_bytes())),
            (TagFile::PayloadManifest, package.payload_manifest_sha256.unwrap_or(payload_manifest)),
            (TagFile::Manifest, package.manifest_sha256.unwrap_or(manifest)),
        ];
        let tag_manifest = bag::tag_manifest(sealed.map(|(_, digest)| digest));
        let tag_manifest = (TagFile::TagManifest, Sha256Digest::of(tag_manifest.as_bytes()));
        for (file, expected) in sealed.into_iter().chain([tag_manifest]) {
            // A registry that is not what it was cannot say what these two were.
            if contradicts && matches!(file, TagFile::BagInfo | TagFile::TagManifest) {
                continue;
            }
            match stored_sha256(&self.parts.storage, &ObjectKey::tag(id, file)).await {
                Ok(Some(actual)) if actual == expected => {}
                Ok(Some(actual)) => check(
                    file.name(),
                    ProblemKind::Digest {
                        algorithm: "SHA-256",
                        expected: expected.to_string(),
                        actual: actual.to_string(),
                    },
                ),
                Ok(None) => check(file.name(), ProblemKind::Missing),
                Err(StoreError::Storage(error)) => check(file.name(), problem(error)?),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The bytes of `bag-info.txt` as they were sealed: with the title of that day.
    async fn sealed_bag_info(&self, package: &Package) -> Result<String, StoreError> {
        let id = package.id;
        let head = self
            .run(move |parts| parts.registry.read(|reader| reader.manifest_head(id)))
            .await?
            .unwrap_or_else(|| ManifestHead::from_json(String::new()));
        let mut then = package.clone();
        // A head that cannot be read has made another manifest, and that is a finding already.
        if let Ok(sealed) = serde_json::from_str::<ManifestPackage>(head.as_json()) {
            then.description.title = sealed.title;
        }
        let finalized_at = package.finalized_at.unwrap_or(package.updated_at);
        Ok(bag::bag_info(&then, finalized_at, package.file_count, package.total_bytes))
    }
}

/// The objects of a package.
#[derive(Default)]
struct Listing {
    /// Their names in the bag.
    names: HashSet<String>,
    /// What is there and is no object.
    problems: Vec<FileProblem>,
}

fn payload_name(path: &LogicalPath) -> String {
    format!("{}/{path}", bag::PAYLOAD)
}

/// What an object that cannot be read is. An outage is an error, not damage.
pub(crate) fn problem(error: StorageError) -> Result<ProblemKind, StoreError> {
    match error {
        StorageError::NotFound { .. } => Ok(ProblemKind::Missing),
        StorageError::Symlink { .. }
        | StorageError::Obstructed { .. }
        | StorageError::Truncated { .. } => {
            Ok(ProblemKind::Unreadable { reason: error.to_string() })
        }
        error => Err(error.into()),
    }
}
