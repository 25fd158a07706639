//! `registry.json`: a package's record, kept beside its bytes so that the registry can be made
//! again from the storage alone.

use artifact_domain::digest::Sha256Digest;
use artifact_domain::label::Labels;
use artifact_domain::manifest::NotCanonical;
use artifact_domain::name::{ExternalId, Kind, Producer, Reason, RetentionClassName, Title};
use artifact_domain::package::Package;
use artifact_domain::{PackageId, PackageStatus, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

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
}

impl Record {
    /// The record as it is stored: JSON on several lines, for people who look.
    pub(crate) fn text(&self) -> Result<Bytes, NotCanonical> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text.into())
    }

    pub(crate) fn of(package: &Package) -> Self {
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
        }
    }
}
