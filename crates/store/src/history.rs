//! What was done to a package: its audit trail and its retention events.

use artifact_domain::PackageId;
use artifact_domain::event::{AuditEvent, RetentionEvent};

use crate::error::StoreError;
use crate::open::ArtifactStore;

impl ArtifactStore {
    /// The audit events of a package behind the event `after` (0: from the beginning), oldest
    /// first, at most `limit`.
    pub async fn audit(
        &self,
        package: PackageId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, StoreError> {
        self.run(move |parts| {
            parts.registry.read(|reader| reader.package_audit(package, after, limit))
        })
        .await
    }

    /// The retention events of a package behind the event `after` (0: from the beginning), oldest
    /// first, at most `limit`.
    pub async fn retention_events(
        &self,
        package: PackageId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RetentionEvent>, StoreError> {
        self.run(move |parts| {
            parts.registry.read(|reader| reader.retention_events(package, after, limit))
        })
        .await
    }
}
