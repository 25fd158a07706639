//! Finalize: prove what is there, seal it, make it durable, and only then promise it.
//!
//! 1. An intent is recorded: the time that the manifest will carry and the revision of the
//!    package that is sealed. Whoever finalizes the same revision at the same time, in this or
//!    another process, takes the intent over and writes the very same bytes.
//! 2. Files that were uploaded during another boot of the kernel are hashed again: nobody knows
//!    whether their bytes reached the disk.
//! 3. One listing of the package is held against its rows: every object is there with its size
//!    and version, and what belongs to no row goes.
//! 4. The bag's tag files, the manifest and the record are written, and the whole package is made
//!    durable.
//! 5. The registry seals the package if it still has the revision of the intent. If not, somebody
//!    changed it meanwhile, and all of this begins again.

use std::collections::HashMap;

use artifact_domain::bag;
use artifact_domain::digest::Sha256Digest;
use artifact_domain::event::{AuditAction, RetentionEventKind};
use artifact_domain::manifest::ManifestHead;
use artifact_domain::wire::FinalizePackage;
use artifact_domain::{LogicalPath, Package, PackageId, PackageStatus};
use artifact_registry::events::{NewAuditEvent, NewRetentionEvent};
use artifact_registry::files::StoredFile;
use artifact_registry::seal::{Seal, SealIntent};
use artifact_registry::{Durability, Writer};
use artifact_retention::expiry_at_finalize;
use artifact_storage::{ObjectFacts, ObjectKey, TagFile};
use futures::TryStreamExt as _;
use serde_json::json;

use crate::clock;
use crate::error::{FileProblem, ProblemKind, StoreError};
use crate::ledger::is_void;
use crate::manifest::entries;
use crate::open::ArtifactStore;
use crate::packages::{details, present, promise};
use crate::seal_object::{TagObject, Written};

/// How often finalize begins again because the package was changed under it.
const ATTEMPTS: usize = 3;

/// The most problems that one answer lists.
const MAX_PROBLEMS: usize = 1000;

/// What an attempt is based on.
enum Begun {
    /// Somebody has sealed the package.
    Already(Box<Package>),
    /// The package may be sealed.
    Intent { package: Box<Package>, intent: SealIntent },
}

impl ArtifactStore {
    /// Seals a package. When this answers, every byte, the manifest and the record of the package
    /// survive power loss. Finalizing again answers the same package.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] names each file that stands in the way,
    /// [`StoreError::NotAsSent`] and [`StoreError::Mismatch`] what is not as `sent` has it; the
    /// package stays open.
    pub async fn finalize(
        &self,
        id: PackageId,
        sent: FinalizePackage,
    ) -> Result<Package, StoreError> {
        for _ in 0..ATTEMPTS {
            match self.begin_finalize(id, sent.clone()).await? {
                Begun::Already(package) => return Ok(*package),
                Begun::Intent { package, intent } => {
                    if let Some(sealed) = self.attempt(&package, intent, &sent).await? {
                        return Ok(sealed);
                    }
                }
            }
        }
        Err(StoreError::Restless(id))
    }

    async fn begin_finalize(
        &self,
        id: PackageId,
        sent: FinalizePackage,
    ) -> Result<Begun, StoreError> {
        self.ledger()?;
        self.run(move |parts| {
            parts.registry.write(Durability::Relaxed, |writer| {
                let package = present(writer, id)?;
                match package.status {
                    PackageStatus::Finalized => return Ok(Begun::Already(Box::new(package))),
                    PackageStatus::Created => return Err(StoreError::Empty(id)),
                    PackageStatus::Uploading => {}
                    PackageStatus::Failed | PackageStatus::Deleted => {
                        let needed = "only a package that is being uploaded can be finalized";
                        return Err(StoreError::WrongStatus {
                            package: id,
                            status: package.status,
                            needed,
                        });
                    }
                }
                let claims = writer.claims(id, 1000)?;
                if let Some(live) =
                    claims.iter().find(|claim| !is_void(&parts.storage, &parts.limits, claim))
                {
                    return Err(StoreError::UploadInProgress {
                        package: id,
                        path: live.path.clone(),
                    });
                }
                if !claims.is_empty() {
                    let problems = claims
                        .into_iter()
                        .map(|claim| FileProblem {
                            path: claim.path,
                            kind: ProblemKind::Unfinished,
                        })
                        .collect();
                    return Err(StoreError::Incomplete { package: id, problems });
                }
                if package.file_count == 0 {
                    return Err(StoreError::Empty(id));
                }
                for (what, expected, actual) in [
                    ("files", sent.file_count, package.file_count),
                    ("bytes", sent.total_bytes, package.total_bytes),
                ] {
                    if let Some(expected) = expected.filter(|expected| *expected != actual) {
                        return Err(StoreError::NotAsSent { package: id, what, expected, actual });
                    }
                }
                let intent = writer.intend_seal(&package, clock::now())?;
                Ok(Begun::Intent { package: Box::new(package), intent })
            })
        })
        .await
    }

    /// One attempt to seal what the intent saw; `None` if it was changed meanwhile.
    async fn attempt(
        &self,
        package: &Package,
        intent: SealIntent,
        sent: &FinalizePackage,
    ) -> Result<Option<Package>, StoreError> {
        if !self.parts.storage.is_durable_when_written() {
            self.prove_files_of_other_boots(package.id).await?;
        }
        let Some(seal) = self.write_tag_files(package, intent, sent).await? else {
            return Ok(None);
        };
        self.parts.storage.sync_package(package.id).await?;
        self.commit_seal(package.id, seal).await
    }

    async fn prove_files_of_other_boots(&self, id: PackageId) -> Result<(), StoreError> {
        let paths = self
            .run(move |parts| {
                parts.registry.read(|reader| reader.files_of_other_boots(id, &parts.boot_id))
            })
            .await?;
        let mut problems = Vec::new();
        for path in paths {
            let path =
                LogicalPath::parse(path).map_err(|error| StoreError::Stopped(error.to_string()))?;
            let record = self.file(id, &path).await?;
            if let Some(kind) = self.prove_file(id, &record).await? {
                problems.push(FileProblem { path: path.to_string(), kind });
            }
        }
        refuse(id, problems)
    }

    /// Holds the stored objects against the rows and writes everything but the record's commit.
    async fn write_tag_files(
        &self,
        package: &Package,
        intent: SealIntent,
        sent: &FinalizePackage,
    ) -> Result<Option<Seal>, StoreError> {
        let id = package.id;
        let storage = &self.parts.storage;
        let mut objects = self.payload_objects(id).await?;
        let head = ManifestHead::seal(package, intent.finalized_at)?;
        let mut payload =
            TagObject::begin(storage, ObjectKey::tag(id, TagFile::PayloadManifest)).await?;
        let mut manifest = TagObject::begin(storage, ObjectKey::tag(id, TagFile::Manifest)).await?;
        manifest.write(ManifestHead::opening(package.file_count).into()).await?;
        let (mut first, mut problems) = (true, Vec::new());
        let mut pages = std::pin::pin!(self.file_pages(id));
        while let Some(page) = pages.try_next().await? {
            problems.extend(page.iter().filter_map(|file| differs(file, &mut objects)));
            let lines: String = page
                .iter()
                .map(|file| bag::payload_manifest_line(&file.record.sha256, &file.record.path))
                .collect();
            payload.write(lines.into()).await?;
            manifest.write(entries(&page, &mut first)?).await?;
        }
        manifest.write(head.closing(package.total_bytes).into()).await?;
        // A change of the package shows as a difference, too: then it is no problem of the package.
        if !self.still_meant(id, intent).await? {
            return Ok(None);
        }
        refuse(id, problems)?;
        let payload_sha256 = payload.sha256();
        if let Some(expected) =
            sent.payload_manifest_sha256.filter(|expected| *expected != payload_sha256)
        {
            return Err(StoreError::Mismatch {
                what: format!("the payload manifest of package {id}"),
                digest: "SHA-256",
                expected: expected.to_string(),
                actual: payload_sha256.to_string(),
            });
        }
        for stray in objects.into_keys() {
            tracing::warn!(package = %id, path = %stray, "removing an object that no upload finished");
            if let Ok(path) = LogicalPath::parse(stray) {
                storage.delete(&ObjectKey::payload(id, &path)).await?;
            }
        }
        let manifest_sha256 = manifest.sha256();
        let (files, bytes) = (package.file_count, package.total_bytes);
        let info = bag::bag_info(package, intent.finalized_at, files, bytes);
        let digests = [
            Sha256Digest::of(info.as_bytes()),
            Sha256Digest::of(bag::declaration().as_bytes()),
            payload_sha256,
            manifest_sha256,
        ];
        let mut small = Vec::new();
        for (file, text) in [
            (TagFile::Declaration, bag::declaration().to_owned()),
            (TagFile::BagInfo, info),
            (TagFile::TagManifest, bag::tag_manifest(digests)),
        ] {
            let mut object = TagObject::begin(storage, ObjectKey::tag(id, file)).await?;
            object.write(text.into()).await?;
            small.push(object);
        }
        for object in [payload, manifest].into_iter().chain(small) {
            if object.publish(async || self.still_meant(id, intent).await).await?
                == Written::Differs
            {
                return Ok(None);
            }
        }
        let seal = Seal {
            intent,
            expires_at: self.expiry(package, intent).await?,
            manifest_sha256,
            payload_manifest_sha256: payload_sha256,
            head,
        };
        self.write_record(&sealed(package, &seal)).await?;
        Ok(Some(seal))
    }

    /// Whether the package still is as the intent saw it.
    async fn still_meant(&self, id: PackageId, intent: SealIntent) -> Result<bool, StoreError> {
        self.run(move |parts| parts.registry.read(|reader| reader.intent_holds(id, intent))).await
    }

    /// What is stored below the payload folder, by logical path.
    async fn payload_objects(
        &self,
        id: PackageId,
    ) -> Result<HashMap<String, ObjectFacts>, StoreError> {
        let mut objects = HashMap::new();
        let mut listing = self.parts.storage.list_package(id);
        while let Some(facts) = listing.try_next().await? {
            if let Some(path) = facts.payload_path(id) {
                objects.insert(path.to_owned(), facts);
            }
        }
        Ok(objects)
    }

    async fn expiry(
        &self,
        package: &Package,
        intent: SealIntent,
    ) -> Result<Option<artifact_domain::Timestamp>, StoreError> {
        let class = package.description.retention_class.clone();
        let version = package.rule_version;
        let (present, at) = (package.expires_at, intent.finalized_at);
        self.run(move |parts| {
            let rule = parts.registry.read(|reader| reader.rule(&class, version))?;
            let rule = rule
                .ok_or_else(|| StoreError::Stopped(format!("{class} has no version {version}")))?;
            Ok::<_, StoreError>(expiry_at_finalize(present, rule.period, at))
        })
        .await
    }

    async fn commit_seal(&self, id: PackageId, seal: Seal) -> Result<Option<Package>, StoreError> {
        let origin = self.origin.clone();
        self.run(move |parts| {
            parts.registry.write(Durability::Synced, |writer: &mut Writer<'_>| {
                let before = present(writer, id)?;
                if before.status == PackageStatus::Finalized {
                    return Ok(Some(before));
                }
                let now = clock::now();
                if !writer.seal(id, &seal, now)? {
                    return Ok(None);
                }
                let after = writer.package(id)?.ok_or(StoreError::NoPackage(id))?;
                if before.expires_at != after.expires_at {
                    let event = NewRetentionEvent {
                        at: now,
                        origin: &origin,
                        kind: RetentionEventKind::ExpiryMoved,
                        reason: "the retention class at finalize",
                        before: promise(&before),
                        after: promise(&after),
                    };
                    writer.append_retention_event(id, &event)?;
                }
                writer.append_audit(NewAuditEvent {
                    at: now,
                    origin: &origin,
                    action: AuditAction::PackageFinalized,
                    package: Some(id),
                    details: details(json!({
                        "manifest_sha256": after.manifest_sha256,
                        "payload_manifest_sha256": after.payload_manifest_sha256,
                        "file_count": after.file_count,
                        "total_bytes": after.total_bytes,
                        "expires_at": after.expires_at,
                    })),
                })?;
                Ok::<_, StoreError>(Some(after))
            })
        })
        .await
    }
}

/// The package as it will be when the seal is committed.
fn sealed(package: &Package, seal: &Seal) -> Package {
    Package {
        status: PackageStatus::Finalized,
        finalized_at: Some(seal.intent.finalized_at),
        expires_at: seal.expires_at,
        manifest_sha256: Some(seal.manifest_sha256),
        payload_manifest_sha256: Some(seal.payload_manifest_sha256),
        ..package.clone()
    }
}

/// Takes a row's object out of the listing and says how it is not as recorded.
fn differs(file: &StoredFile, objects: &mut HashMap<String, ObjectFacts>) -> Option<FileProblem> {
    let path = file.record.path.as_str();
    let kind = match objects.remove(path) {
        None => ProblemKind::Missing,
        Some(facts) if facts.size != file.record.size => {
            ProblemKind::Size { expected: file.record.size, actual: facts.size }
        }
        Some(facts) if facts.etag != file.etag => ProblemKind::Changed,
        Some(_) => return None,
    };
    Some(FileProblem { path: path.to_owned(), kind })
}

fn refuse(package: PackageId, mut problems: Vec<FileProblem>) -> Result<(), StoreError> {
    if problems.is_empty() {
        return Ok(());
    }
    problems.truncate(MAX_PROBLEMS);
    Err(StoreError::Incomplete { package, problems })
}
