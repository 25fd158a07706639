//! The record of one package.

use crate::digest::Sha256Digest;
use crate::id::PackageId;
use crate::label::Labels;
use crate::metadata::Metadata;
use crate::name::{ExternalId, Kind, Producer, Reason, RetentionClassName, Title};
use crate::status::PackageStatus;
use crate::time::Timestamp;

/// The kind of a package whose producer does not say.
pub const DEFAULT_KIND: &str = "directory";

/// What a producer says of a package before it sends the first byte.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageDescription {
    /// Who made the evidence.
    pub producer: Producer,
    /// What sort of package it is.
    pub kind: Kind,
    /// The producer's own id of it.
    pub external_id: Option<ExternalId>,
    /// What a person calls it.
    pub title: Option<Title>,
    /// How long it is to be kept.
    pub retention_class: RetentionClassName,
    /// What lists can be filtered by.
    pub labels: Labels,
    /// The producer's own facts.
    pub metadata: Metadata,
}

/// A package as the registry records it.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// Its stable identity.
    pub id: PackageId,
    /// What the producer said of it; title and labels as they are now.
    pub description: PackageDescription,
    /// The version of its class that set its expiry.
    pub rule_version: u32,
    /// Where it is in its life.
    pub status: PackageStatus,
    /// When it was announced.
    pub created_at: Timestamp,
    /// When anything of it changed last.
    pub updated_at: Timestamp,
    /// When it was sealed.
    pub finalized_at: Option<Timestamp>,
    /// Until when it is kept at least; `None` is for ever.
    pub expires_at: Option<Timestamp>,
    /// Whether a legal hold is active.
    pub on_hold: bool,
    /// How many files are stored.
    pub file_count: u64,
    /// How many bytes they have together.
    pub total_bytes: u64,
    /// SHA-256 of the manifest's bytes, once sealed.
    pub manifest_sha256: Option<Sha256Digest>,
    /// SHA-256 of the bag's `manifest-sha256.txt`, once sealed.
    pub payload_manifest_sha256: Option<Sha256Digest>,
    /// Why it was given up.
    pub failure_reason: Option<Reason>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// Why it was deleted.
    pub deletion_reason: Option<Reason>,
    /// Counts every change of the package, its files and its uploads: the strong `ETag`.
    pub revision: u64,
}
