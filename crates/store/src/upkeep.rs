//! What has to be done from time to time, and what an operator calls a sweep.

use artifact_domain::PackageId;
use artifact_domain::filter::PageLimit;

use crate::error::StoreError;
use crate::open::ArtifactStore;

/// What a sweep found, and did if it was told to.
#[derive(Debug, Default)]
pub struct Sweep {
    /// Deleted packages whose bytes were left in storage.
    pub unfinished_deletions: Vec<PackageId>,
    /// Sealed packages whose record beside the bytes was behind the registry.
    pub stale_records: Vec<PackageId>,
    /// What could not be finished, and why: it is as it was before. Always empty for a sweep that
    /// only looks.
    pub failures: Vec<(PackageId, StoreError)>,
}

impl Sweep {
    /// Whether there was nothing to finish.
    pub const fn is_empty(&self) -> bool {
        self.unfinished_deletions.is_empty() && self.stale_records.is_empty()
    }
}

impl ArtifactStore {
    /// What the server that [leads](Self::lead) does every minute: the registry sees the time, and records that are behind
    /// follow. Nothing is deleted by it.
    pub async fn tend(&self) -> Result<(), StoreError> {
        self.observe_clock().await?;
        for (package, error) in self.write_due_records().await? {
            tracing::warn!(%package, %error, "the record beside a package's bytes is behind");
        }
        Ok(())
    }

    /// Finishes what a stopped process or a failing storage left half done: removes the bytes of
    /// packages that were deleted, writes records that are behind. Without `apply` it only says
    /// what it would do. It never decides that a package is deleted.
    ///
    /// # Errors
    /// What there is to do cannot be looked up. What cannot be done is a finding.
    pub async fn sweep(&self, apply: bool) -> Result<Sweep, StoreError> {
        let mut found = Sweep { stale_records: self.stale_records().await?, ..Sweep::default() };
        let limit = PageLimit::default();
        loop {
            let after = found.unfinished_deletions.last().copied();
            let page = self
                .run(move |parts| {
                    parts.registry.read(|reader| reader.unfinished_deletions(after, limit.get()))
                })
                .await?;
            if page.is_empty() {
                break;
            }
            if apply {
                for package in &page {
                    if let Err(error) = self.finish_deletion(*package).await {
                        tracing::error!(%package, %error, "the bytes of a deleted package are left");
                        found.failures.push((*package, error));
                    }
                }
            }
            found.unfinished_deletions.extend(page);
        }
        if apply {
            found.failures.extend(self.write_due_records().await?);
        }
        Ok(found)
    }
}
