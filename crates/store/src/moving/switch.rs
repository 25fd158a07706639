//! The moment at which the target becomes the home.

use std::sync::Arc;

use artifact_domain::event::AuditAction;
use artifact_registry::Durability;
use artifact_registry::events::NewAuditEvent;
use artifact_registry::locations::Role;
use artifact_storage::Storage;
use serde_json::json;

use crate::clock;
use crate::error::StoreError;
use crate::open::{ArtifactStore, blocking};
use crate::packages::details;

impl ArtifactStore {
    /// Makes the target the home if every package was copied as it is now; answers how many
    /// packages live there, or `None` if something is left to be copied.
    pub(super) async fn switch(&self, target: &Storage) -> Result<Option<u64>, StoreError> {
        let parts = Arc::clone(&self.parts);
        let origin = self.origin.clone();
        let (from, to) = (parts.storage.id(), target.id());
        let facts = json!({"from": parts.storage.url(), "to": target.url()});
        // It changes as many rows as there are packages, so it may take longer than a request.
        blocking(move || {
            let registry = parts.registry.clone().wherever_home_is();
            registry.write(Durability::Synced, |writer| {
                writer.hold_all_packages()?;
                let is_home = |known: &artifact_registry::locations::Location| {
                    known.id == from && known.role == Role::Home
                };
                let known = writer.locations()?;
                if !known.iter().any(is_home) {
                    let home = known.into_iter().find(|known| known.role == Role::Home);
                    let home = home.map(|home| home.url).unwrap_or_default();
                    return Err(artifact_registry::RegistryError::Moved { home }.into());
                }
                if !writer.packages_to_copy(to, None, 1)?.is_empty()
                    || !writer.copies_of_deleted(to, 1)?.is_empty()
                    || !writer.unfinished_deletions(None, 1)?.is_empty()
                {
                    return Ok(None);
                }
                let packages = writer.move_home(from, to)?;
                let mut details = details(facts);
                details.insert("packages".to_owned(), packages.into());
                writer.append_audit(NewAuditEvent {
                    at: clock::now(),
                    origin: &origin,
                    action: AuditAction::StorageMoved,
                    package: None,
                    details,
                })?;
                Ok::<_, StoreError>(Some(packages))
            })
        })
        .await
    }
}
