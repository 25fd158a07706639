//! Deletion: always somebody's explicit call, decided again in the transaction that does it.
//!
//! 1. One transaction evaluates the predicate, asks the guard of the clock, and writes tombstone,
//!    receipt, retention event and audit event.
//! 2. After its commit the bytes go: what the registry lists, what the storage lists besides, and
//!    at last the record that says that the package was deleted.
//! 3. The receipt says when nothing was left.
//!
//! A crash after the first step leaves bytes that nobody can read any more. Calling delete again
//! removes them, and so does [`ArtifactStore::sweep`].

use artifact_domain::cursor::CandidateCursor;
use artifact_domain::event::{AuditAction, Origin, RetentionEventKind};
use artifact_domain::filter::PageLimit;
use artifact_domain::retention::{Decision, DeletionReceipt};
use artifact_domain::wire::{DeletePackage, DeletionCandidate, Page};
use artifact_domain::{LogicalPath, Package, PackageId, PackageStatus, Timestamp};
use artifact_registry::events::NewAuditEvent;
use artifact_registry::{Durability, Reader, Writer};
use artifact_retention::{ClockTolerance, decide};
use artifact_storage::{ObjectKey, TagFile};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::json;

use crate::clock;
use crate::clock_guard::{self, Guarded};
use crate::error::StoreError;
use crate::open::ArtifactStore;
use crate::packages::{details, present, promise};
use crate::page::{page, wanted};
use crate::retention::{Change, record_change};

/// Objects that are deleted at once.
const LANES: usize = 8;

/// How often the last of a package is removed, when somebody else writes to it.
const ATTEMPTS: usize = 8;

/// What was decided over a deletion.
struct Verdicts {
    package: Package,
    decision: Decision,
    clock: Guarded,
}

/// Evaluates everything that a deletion depends on. A dry run and the deletion itself ask here.
fn judge(
    reader: &mut Reader<'_>,
    id: PackageId,
    tolerance: ClockTolerance,
    now: Timestamp,
) -> Result<Verdicts, StoreError> {
    // The clock first: whoever locks both does it in this order.
    let clock = clock_guard::look(reader, tolerance, now)?;
    let package = present(reader, id)?;
    let holds = reader.active_holds(id)?;
    let mut decision = decide(&package, &holds, now);
    if let Some(reason) = clock.reason() {
        decision = decision.and(reason);
    }
    Ok(Verdicts { package, decision, clock })
}

impl Verdicts {
    fn refusal(self) -> StoreError {
        StoreError::NotEligible { package: self.package.id, reasons: self.decision.reasons }
    }

    fn receipt(&self, request: &DeletePackage, origin: &Origin, now: Timestamp) -> DeletionReceipt {
        let package = &self.package;
        DeletionReceipt {
            package_id: package.id,
            manifest_sha256: package.manifest_sha256,
            file_count: package.file_count,
            total_bytes: package.total_bytes,
            deleted_at: now,
            actor: origin.actor.clone(),
            request_id: origin.request_id.clone(),
            reason: request.reason.clone(),
            retention_class: package.description.retention_class.clone(),
            rule_version: package.rule_version,
            expires_at: package.expires_at,
            reasons: self.decision.reasons.clone(),
            bytes_removed: 0,
            bytes_removed_at: None,
            dry_run: request.dry_run,
        }
    }
}

/// Deletes the package if nothing protects it. The refusal is an answer and not an error of the
/// transaction: what the guard of the clock found out is recorded with it.
fn delete(
    writer: &mut Writer<'_>,
    id: PackageId,
    request: &DeletePackage,
    tolerance: ClockTolerance,
    origin: &Origin,
) -> Result<Result<DeletionReceipt, StoreError>, StoreError> {
    let now = clock::now();
    let verdicts = judge(writer, id, tolerance, now)?;
    clock_guard::record(writer, &verdicts.clock, origin, now)?;
    if !verdicts.decision.eligible {
        return Ok(Err(verdicts.refusal()));
    }
    let receipt = verdicts.receipt(request, origin, now);
    writer.delete_package(&receipt)?;
    let after = json!({
        "status": PackageStatus::Deleted,
        "deleted_at": receipt.deleted_at,
        "manifest_sha256": receipt.manifest_sha256,
        "file_count": receipt.file_count,
        "total_bytes": receipt.total_bytes,
        "reasons": receipt.reasons,
    });
    let change = Change {
        kind: RetentionEventKind::Deleted,
        action: AuditAction::PackageDeleted,
        reason: &receipt.reason,
        before: promise(&verdicts.package),
        after,
    };
    record_change(writer, id, change, origin, now)?;
    Ok(Ok(receipt))
}

impl ArtifactStore {
    /// Deletes a package that nothing protects: its record becomes a tombstone and its bytes go.
    /// With `dry_run` it only says what would happen, by the same rules.
    ///
    /// The package is deleted when this answers. If its bytes could not all be removed, the
    /// receipt says that they were not, and deleting it again goes on with them.
    ///
    /// # Errors
    /// [`StoreError::NotEligible`] with every rule that was consulted; [`StoreError::Deleted`] if
    /// it was deleted before, after removing what is left of its bytes.
    pub async fn delete_package(
        &self,
        id: PackageId,
        request: DeletePackage,
    ) -> Result<DeletionReceipt, StoreError> {
        if !request.dry_run {
            self.ledger()?;
        }
        let (origin, dry_run) = (self.origin.clone(), request.dry_run);
        let decided = self
            .run(move |parts| {
                let tolerance = parts.clock_tolerance;
                if request.dry_run {
                    let now = clock::now();
                    return parts.registry.read(|reader| {
                        let verdicts = judge(reader, id, tolerance, now)?;
                        Ok(if verdicts.decision.eligible {
                            Ok(verdicts.receipt(&request, &origin, now))
                        } else {
                            Err(verdicts.refusal())
                        })
                    });
                }
                parts.registry.write(Durability::Synced, |writer| {
                    delete(writer, id, &request, tolerance, &origin)
                })
            })
            .await;
        match decided {
            Ok(Ok(receipt)) if dry_run => Ok(receipt),
            Ok(Ok(receipt)) => Ok(self.finish_deletion(id).await.unwrap_or_else(|error| {
                tracing::error!(package = %id, %error, "a package was deleted and its bytes are left: delete it again, or sweep");
                receipt
            })),
            Ok(Err(refusal)) => Err(refusal),
            Err(error @ StoreError::Deleted { .. }) if !dry_run => {
                let left = self
                    .run(move |parts| parts.registry.read(|reader| reader.deletion(id)))
                    .await?
                    .is_some_and(|receipt| receipt.bytes_removed_at.is_none());
                if left {
                    self.finish_deletion(id).await?;
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The receipt of a deletion.
    ///
    /// # Errors
    /// [`StoreError::NotDeleted`] if there is none.
    pub async fn deletion(&self, id: PackageId) -> Result<DeletionReceipt, StoreError> {
        self.run(move |parts| {
            parts.registry.read(|reader| {
                if let Some(receipt) = reader.deletion(id)? {
                    return Ok(receipt);
                }
                reader.package(id)?.ok_or(StoreError::NoPackage(id))?;
                Err(StoreError::NotDeleted(id))
            })
        })
        .await
    }

    /// One page of the packages that may be deleted now, oldest expiry first.
    pub async fn deletion_candidates(
        &self,
        cursor: Option<String>,
        limit: PageLimit,
    ) -> Result<Page<DeletionCandidate>, StoreError> {
        let after = cursor.map(|text| CandidateCursor::decode(&text)).transpose()?;
        self.run(move |parts| {
            let now = clock::now();
            let packages = parts
                .registry
                .read(|reader| reader.deletion_candidates(after, wanted(limit), now))?;
            let cursor = |last: &Package| {
                let expires_at = last.expires_at.unwrap_or(now);
                CandidateCursor { expires_at, id: last.id }.encode()
            };
            let decided = page(packages, limit, cursor).map(|package| {
                // The list has no held package, so there is no hold to be read.
                let decision = decide(&package, &[], now);
                DeletionCandidate::new(package, decision)
            });
            Ok::<_, StoreError>(decided)
        })
        .await
    }

    /// Removes what is left of a deleted package and writes that into its receipt. Doing it again,
    /// or in two processes at once, does no harm.
    pub async fn finish_deletion(&self, id: PackageId) -> Result<DeletionReceipt, StoreError> {
        self.ledger()?;
        let receipt = self.deletion(id).await?;
        if receipt.bytes_removed_at.is_some() {
            return Ok(receipt);
        }
        self.remove_bytes(id).await?;
        let (origin, bytes) = (self.origin.clone(), receipt.total_bytes);
        self.run(move |parts| {
            parts.registry.write(Durability::Synced, |writer| {
                let now = clock::now();
                if writer.finish_deletion(id, bytes, now)? {
                    writer.append_audit(NewAuditEvent {
                        at: now,
                        origin: &origin,
                        action: AuditAction::BytesRemoved,
                        package: Some(id),
                        details: details(json!({"bytes_removed": bytes})),
                    })?;
                }
                writer.deletion(id)?.ok_or(StoreError::NotDeleted(id))
            })
        })
        .await
    }

    /// Removes every object of a deleted package. An empty listing proves nothing, so what the
    /// registry knows is removed first, and then what the storage lists besides.
    pub(crate) async fn remove_bytes(&self, id: PackageId) -> Result<(), StoreError> {
        let storage = &self.parts.storage;
        let package = self.package(id).await?;
        if package.manifest_sha256.is_some() {
            // From here on the folder tells of itself that it was deleted: a registry that is
            // made again from the storage does not bring back what is half gone.
            self.write_record(&package).await?;
        }
        let mut pages = std::pin::pin!(self.file_pages(id));
        while let Some(files) = pages.try_next().await? {
            // Collected, because a future that borrows from a closure cannot be spawned.
            let keys: Vec<_> =
                files.iter().map(|file| ObjectKey::payload(id, &file.record.path)).collect();
            futures::stream::iter(keys)
                .map(|key| async move { storage.delete(&key).await })
                .buffer_unordered(LANES)
                .try_collect::<()>()
                .await?;
        }
        let mut listing = storage.list_package(id);
        while let Some(facts) = listing.try_next().await? {
            if let Some(path) = facts.payload_path(id)
                && let Ok(path) = LogicalPath::parse(path)
            {
                tracing::warn!(package = %id, %path, "removing an object that nobody recorded");
                storage.delete(&ObjectKey::payload(id, &path)).await?;
            }
        }
        for file in TagFile::ALL.into_iter().filter(|file| *file != TagFile::Record) {
            storage.delete(&ObjectKey::tag(id, file)).await?;
        }
        // Whoever is at the same deletion, or had the record follow an earlier change, may write
        // the record once more, and removes it again as well.
        let mut attempts = 1..ATTEMPTS;
        loop {
            storage.delete(&ObjectKey::tag(id, TagFile::Record)).await?;
            match storage.remove_package(id).await {
                Err(_) if attempts.next().is_some() => {}
                done => return Ok(done?),
            }
        }
    }
}
