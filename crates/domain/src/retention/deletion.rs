//! What a deletion leaves behind.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RetentionReason;
use crate::digest::Sha256Digest;
use crate::id::PackageId;
use crate::name::{Actor, Reason, RequestId, RetentionClassName};
use crate::time::Timestamp;

/// What was deleted, by whom, why, and by which rules it was allowed. It is written in the
/// transaction that deletes the package; only the two members about the bytes follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletionReceipt {
    /// The package.
    pub package_id: PackageId,
    /// SHA-256 of its manifest; null if it was never sealed.
    pub manifest_sha256: Option<Sha256Digest>,
    /// How many files it had.
    pub file_count: u64,
    /// How many bytes they had together.
    pub total_bytes: u64,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// Who deleted it.
    pub actor: Actor,
    /// In which request.
    pub request_id: Option<RequestId>,
    /// Why.
    pub reason: Reason,
    /// The class that it was in.
    pub retention_class: RetentionClassName,
    /// The version of the class that its expiry came from.
    pub rule_version: u32,
    /// The expiry that had passed.
    pub expires_at: Option<Timestamp>,
    /// Each rule that was consulted and what it said.
    pub reasons: Vec<RetentionReason>,
    /// How many bytes of its files were removed from storage: 0 until they are, then
    /// `total_bytes`.
    pub bytes_removed: u64,
    /// When nothing of it was left in storage; null until then.
    pub bytes_removed_at: Option<Timestamp>,
    /// True in the answer of a dry run, which deletes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}
