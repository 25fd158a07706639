//! Verify: stored bytes against what was promised.

use std::collections::HashSet;

use artifact_domain::bag;
use artifact_domain::digest::Sha256Digest;
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

/// Larger than any tag manifest of ours, which has four lines.
const MAX_TAG_MANIFEST_BYTES: u64 = 4096;

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
        let mut found = Verification {
            package_id: id,
            status: package.status,
            files_checked: 0,
            bytes_checked: 0,
            manifest_sha256: package.manifest_sha256,
            problems: Vec::new(),
        };
        let mut strays = self.verify_listing(id, &mut found).await?;
        let mut payload_manifest = Sha256::new();
        let mut pages = std::pin::pin!(self.file_pages(id));
        while let Some(page) = pages.try_next().await? {
            for file in &page {
                strays.remove(file.record.path.as_str());
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
        let strays = strays.into_iter().map(|path| format!("{}/{path}", bag::PAYLOAD));
        found.problems.extend(strays.map(|path| FileProblem { path, kind: ProblemKind::Stray }));
        if package.manifest_sha256.is_some() {
            let rows = Sha256Digest::from_bytes(payload_manifest.finalize().into());
            self.verify_tag_files(&package, rows, &mut found).await?;
        }
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

    /// A small text object; `None` if it is missing, or larger than any of our small tag files.
    async fn small_object(&self, key: &ObjectKey) -> Result<Option<String>, StoreError> {
        let reader = match self.parts.storage.read(key, None).await {
            Ok(reader) if reader.facts.size <= MAX_TAG_MANIFEST_BYTES => reader,
            Ok(_) | Err(StorageError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let bytes: Vec<_> = reader.stream.try_collect().await?;
        Ok(Some(String::from_utf8_lossy(&bytes.concat()).into_owned()))
    }

    /// The logical paths of what is stored; what cannot be listed is a finding.
    async fn verify_listing(
        &self,
        id: PackageId,
        found: &mut Verification,
    ) -> Result<HashSet<String>, StoreError> {
        let mut paths = HashSet::new();
        let tag_files: HashSet<&str> = TagFile::ALL.iter().map(|file| file.name()).collect();
        let mut listing = self.parts.storage.list_package(id);
        let folder = format!("{}/", bag::folder(id));
        while let Some(item) = listing.next().await {
            match item {
                Ok(facts) => {
                    if let Some(path) = facts.payload_path(id) {
                        paths.insert(path.to_owned());
                        continue;
                    }
                    let name = facts.key.strip_prefix(&folder).unwrap_or(&facts.key);
                    if !tag_files.contains(name) {
                        found
                            .problems
                            .push(FileProblem { path: name.to_owned(), kind: ProblemKind::Stray });
                    }
                }
                Err(error) => {
                    let kind = problem(error)?;
                    found.problems.push(FileProblem { path: bag::folder(id), kind });
                }
            }
        }
        Ok(paths)
    }

    /// Holds the tag files against the registry.
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
        for (what, sealed, now) in [
            ("manifest", package.manifest_sha256, manifest),
            ("payload manifest", package.payload_manifest_sha256, payload_manifest),
        ] {
            if sealed != Some(now) {
                let reason = format!(
                    "the registry's rows give the {what} {now}, not the one that was sealed"
                );
                check("registry", ProblemKind::Contradicts { reason });
            }
        }
        // Only the tag manifest knows what bag-info.txt was: it says the title of that day.
        let stored = self.small_object(&ObjectKey::tag(id, TagFile::TagManifest)).await?;
        let listed = stored.as_deref().and_then(|text| listed_digest(text, bag::BAG_INFO));
        let known = [
            (TagFile::BagInfo, listed),
            (TagFile::Declaration, Some(Sha256Digest::of(bag::declaration().as_bytes()))),
            (TagFile::PayloadManifest, package.payload_manifest_sha256),
            (TagFile::Manifest, package.manifest_sha256),
        ];
        let sealed = known.map(|(_, digest)| digest.unwrap_or(manifest));
        let meant = bag::tag_manifest(sealed);
        match stored {
            None => check(bag::TAG_MANIFEST, ProblemKind::Missing),
            Some(stored) if stored != meant => {
                let reason = "it does not list the digests that were sealed".to_owned();
                check(bag::TAG_MANIFEST, ProblemKind::Contradicts { reason });
            }
            Some(_) => {}
        }
        for (file, expected) in known {
            let actual = stored_sha256(&self.parts.storage, &ObjectKey::tag(id, file)).await?;
            match (actual, expected) {
                (None, _) => check(file.name(), ProblemKind::Missing),
                (Some(actual), Some(expected)) if actual != expected => check(
                    file.name(),
                    ProblemKind::Digest {
                        algorithm: "SHA-256",
                        expected: expected.to_string(),
                        actual: actual.to_string(),
                    },
                ),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The digest that a tag manifest lists for a file.
fn listed_digest(tag_manifest: &str, name: &str) -> Option<Sha256Digest> {
    tag_manifest
        .lines()
        .filter_map(|line| line.split_once("  "))
        .find(|(_, listed)| *listed == name)
        .and_then(|(digest, _)| digest.parse().ok())
}

fn payload_name(path: &LogicalPath) -> String {
    format!("{}/{path}", bag::PAYLOAD)
}

/// What an object that cannot be read is. An outage is an error, not damage.
fn problem(error: StorageError) -> Result<ProblemKind, StoreError> {
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
