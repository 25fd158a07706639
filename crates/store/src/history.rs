//! What was done: the audit trail, and what a package was promised.

use artifact_domain::PackageId;
use artifact_domain::cursor::EventCursor;
use artifact_domain::event::{AuditEvent, RetentionEvent};
use artifact_domain::filter::{AuditFilter, PageLimit};
use artifact_domain::wire::Page;

use crate::error::StoreError;
use crate::open::ArtifactStore;
use crate::page::{page, wanted};

impl ArtifactStore {
    /// One page of the audit events that meet `filter`, oldest first; a deleted package's too.
    ///
    /// # Errors
    /// There is no package of the filter's id, or the cursor is of another list.
    pub async fn audit(
        &self,
        filter: AuditFilter,
        cursor: Option<String>,
        limit: PageLimit,
    ) -> Result<Page<AuditEvent>, StoreError> {
        let after = cursor.map(|text| EventCursor::decode_audit(&text, &filter)).transpose()?;
        self.run(move |parts| {
            parts.registry.read(|reader| {
                if let Some(package) = filter.package {
                    reader.package(package)?.ok_or(StoreError::NoPackage(package))?;
                }
                let after = after.map_or(0, |cursor| cursor.seq);
                let events = reader.audit_events(&filter, after, wanted(limit))?;
                let cursor =
                    |last: &AuditEvent| EventCursor { seq: last.seq }.encode_audit(&filter);
                Ok::<_, StoreError>(page(events, limit, cursor))
            })
        })
        .await
    }

    /// One page of the retention events of a package, oldest first; a deleted package's too.
    ///
    /// # Errors
    /// There is no such package, or the cursor is of another list.
    pub async fn retention_events(
        &self,
        package: PackageId,
        cursor: Option<String>,
        limit: PageLimit,
    ) -> Result<Page<RetentionEvent>, StoreError> {
        let after = cursor.map(|text| EventCursor::decode_retention(&text, package)).transpose()?;
        self.run(move |parts| {
            parts.registry.read(|reader| {
                reader.package(package)?.ok_or(StoreError::NoPackage(package))?;
                let after = after.map_or(0, |cursor| cursor.seq);
                let events = reader.retention_events(package, after, wanted(limit))?;
                let cursor =
                    |last: &RetentionEvent| EventCursor { seq: last.seq }.encode_retention(package);
                Ok::<_, StoreError>(page(events, limit, cursor))
            })
        })
        .await
    }
}
