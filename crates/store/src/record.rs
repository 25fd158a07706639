//! `registry.json`: a package's record, kept beside its bytes so that the registry can be made
//! again from the storage alone.

use artifact_domain::digest::Sha256Digest;
use artifact_domain::label::Labels;
use artifact_domain::manifest::NotCanonical;
use artifact_domain::name::{ExternalId, Kind, Producer, Reason, RetentionClassName, Title};
use artifact_domain::package::Package;
use artifact_domain::retention::Hold;
use artifact_domain::wire::HoldView;
use artifact_domain::{PackageId, PackageStatus, Timestamp};
use artifact_registry::{Durability, Writer};
use artifact_storage::{ObjectKey, PutMode, TagFile};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::open::ArtifactStore;

/// Holds that are read at once.
const HOLDS: u32 = 1000;

/// Records that are looked up at once.
const DUE_RECORDS: u32 = 100;

/// The value of the record's `schema` member.
pub(crate) const SCHEMA: &str = "artifact-store/record/v1";

/// What the registry knows of a package that its manifest does not say, and enough of what the
/// manifest says to recognise it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    schema: String,
    id: PackageId,
    producer: Producer,
    kind: Kind,
    external_id: Option<ExternalId>,
    title: Option<Title>,
    labels: Labels,
    status: PackageStatus,
    retention_class: RetentionClassName,
    rule_version: u32,
    created_at: Timestamp,
    finalized_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    on_hold: bool,
    file_count: u64,
    total_bytes: u64,
    manifest_sha256: Option<Sha256Digest>,
    payload_manifest_sha256: Option<Sha256Digest>,
    failure_reason: Option<Reason>,
    /// Every hold, released ones too.
    #[serde(default)]
    holds: Vec<HoldView>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deletion_reason: Option<Reason>,
}

impl Record {
    /// The record as it is stored: JSON on several lines, for people who look.
    pub(crate) fn text(&self) -> Result<Bytes, NotCanonical> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text.into())
    }

    pub(crate) fn of(package: &Package, holds: Vec<Hold>) -> Self {
        let said = package.description.clone();
        Self {
            schema: SCHEMA.to_owned(),
            id: package.id,
            producer: said.producer,
            kind: said.kind,
            external_id: said.external_id,
            title: said.title,
            labels: said.labels,
            status: package.status,
            retention_class: said.retention_class,
            rule_version: package.rule_version,
            created_at: package.created_at,
            finalized_at: package.finalized_at,
            expires_at: package.expires_at,
            on_hold: package.on_hold,
            file_count: package.file_count,
            total_bytes: package.total_bytes,
            manifest_sha256: package.manifest_sha256,
            payload_manifest_sha256: package.payload_manifest_sha256,
            failure_reason: package.failure_reason.clone(),
            holds: holds.into_iter().map(HoldView::from).collect(),
            deleted_at: package.deleted_at,
            deletion_reason: package.deletion_reason.clone(),
        }
    }
}

/// Announces that the record of a package has to follow a change of it, in the transaction of
/// that change: a process that dies before it has written the record leaves the announcement.
/// Only a sealed package has a record.
pub(crate) fn announce(
    writer: &mut Writer<'_>,
    package: &Package,
    now: Timestamp,
) -> Result<(), StoreError> {
    if package.status == PackageStatus::Finalized {
        writer.record_due(package.id, package.revision, now)?;
    }
    Ok(())
}

impl ArtifactStore {
    /// Writes the record of a package as it is given, with the holds that it has.
    pub(crate) async fn write_record(&self, package: &Package) -> Result<(), StoreError> {
        let text = self.record_text(package).await?;
        let key = ObjectKey::tag(package.id, TagFile::Record);
        self.parts.storage.put(&key, text, PutMode::Overwrite).await?;
        Ok(())
    }

    /// The record of a package as it is given, with the holds that it has.
    pub(crate) async fn record_text(&self, package: &Package) -> Result<Bytes, StoreError> {
        let id = package.id;
        let holds = self
            .run(move |parts| {
                parts.registry.read(|reader| {
                    let mut holds: Vec<Hold> = Vec::new();
                    loop {
                        let after = holds.last().map(|hold| hold.id);
                        let page = reader.holds(id, after, HOLDS)?;
                        if page.is_empty() {
                            return Ok::<_, StoreError>(holds);
                        }
                        holds.extend(page);
                    }
                })
            })
            .await?;
        Ok(Record::of(package, holds).text()?)
    }

    /// Lets the record of a sealed package follow a change that was announced and committed. If
    /// the storage fails, the change holds all the same and the record follows it later:
    /// [`write_due_records`](Self::write_due_records).
    pub(crate) async fn follow(&self, changed: Option<Package>) {
        let Some(package) = changed.filter(|package| package.status == PackageStatus::Finalized)
        else {
            return;
        };
        if let Err(error) = self.write_due_record(package.id, package.revision).await {
            tracing::warn!(package = %package.id, %error, "the record beside a package's bytes is behind: it follows with the next sweep");
        }
    }

    /// Makes the record of a package say what the registry says, and takes the announcement back.
    /// Whoever changes the package meanwhile does the same for a revision of their own, so the
    /// record that stands last is the latest.
    async fn write_due_record(&self, id: PackageId, revision: u64) -> Result<(), StoreError> {
        let mut written = None;
        loop {
            let package = self.package(id).await?;
            if written == Some(package.revision) {
                break;
            }
            if package.status == PackageStatus::Finalized {
                self.write_record(&package).await?;
            } else if written.is_some() || self.deletion(id).await?.bytes_removed_at.is_some() {
                // It was deleted meanwhile, and what was just written, here or by a process that
                // died, may have come when all else was gone. What is left of an unfinished
                // deletion is for a sweep.
                self.remove_bytes(id).await?;
            }
            written = Some(package.revision);
        }
        self.run(move |parts| {
            parts.registry.write(Durability::Relaxed, |writer| writer.record_written(id, revision))
        })
        .await
    }

    /// Writes the records that are behind, because a process was stopped or the storage failed;
    /// answers those that could not be written.
    pub(crate) async fn write_due_records(
        &self,
    ) -> Result<Vec<(PackageId, StoreError)>, StoreError> {
        self.ledger()?;
        let (mut after, mut failures) = (None, Vec::new());
        loop {
            let due = self.due_records(after).await?;
            let Some(last) = due.last() else { return Ok(failures) };
            after = Some(*last);
            for (package, revision) in due {
                if let Err(error) = self.write_due_record(package, revision).await {
                    failures.push((package, error));
                }
            }
        }
    }

    /// The packages whose records are behind.
    pub(crate) async fn stale_records(&self) -> Result<Vec<PackageId>, StoreError> {
        let (mut after, mut stale) = (None, Vec::new());
        loop {
            let due = self.due_records(after).await?;
            let Some(last) = due.last() else { break };
            after = Some(*last);
            stale.extend(due.into_iter().map(|(package, _)| package));
        }
        stale.dedup();
        Ok(stale)
    }

    async fn due_records(
        &self,
        after: Option<(PackageId, u64)>,
    ) -> Result<Vec<(PackageId, u64)>, StoreError> {
        self.run(move |parts| parts.registry.read(|reader| reader.records_due(after, DUE_RECORDS)))
            .await
    }
}
