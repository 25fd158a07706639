//! Legal holds: placing, releasing, listing.

use artifact_domain::PackageId;
use artifact_domain::cursor::HoldCursor;
use artifact_domain::event::{AuditAction, RetentionEventKind};
use artifact_domain::filter::PageLimit;
use artifact_domain::id::HoldId;
use artifact_domain::name::Reason;
use artifact_domain::retention::{Hold, HoldRelease};
use artifact_domain::wire::{HoldView, Page, PlaceHold};
use artifact_registry::Durability;
use serde_json::json;

use crate::clock;
use crate::error::StoreError;
use crate::open::ArtifactStore;
use crate::packages::present;
use crate::page::{page, wanted};
use crate::retention::{Change, changed, record_change};

impl ArtifactStore {
    /// Places a hold on a package that is not deleted. While any hold is active nothing deletes
    /// the package, whatever its expiry says.
    pub async fn place_hold(&self, id: PackageId, request: PlaceHold) -> Result<Hold, StoreError> {
        self.ledger()?;
        let origin = self.origin.clone();
        let (package, hold) = self
            .run(move |parts| {
                parts.registry.write(Durability::Synced, |writer| {
                    let before = present(writer, id)?;
                    let now = clock::now();
                    let hold = Hold {
                        id: HoldId::generate(now),
                        package_id: id,
                        reason: request.reason,
                        mandate: request.mandate,
                        placed_at: now,
                        placed_by: origin.actor.clone(),
                        release: None,
                    };
                    writer.insert_hold(&hold)?;
                    let change = Change {
                        kind: RetentionEventKind::HoldPlaced,
                        action: AuditAction::HoldPlaced,
                        reason: &hold.reason,
                        before: json!({"on_hold": before.on_hold}),
                        after: json!({"on_hold": true, "hold": HoldView::from(hold.clone())}),
                    };
                    record_change(writer, id, change, &origin, now)?;
                    Ok::<_, StoreError>((changed(writer, id, now)?, hold))
                })
            })
            .await?;
        self.follow(Some(package)).await;
        Ok(hold)
    }

    /// Releases a hold. Its expiry stays what it was: a package that expired meanwhile may be
    /// deleted from now on.
    ///
    /// # Errors
    /// [`StoreError::NoHold`], and [`StoreError::HoldReleased`] if it was released before.
    pub async fn release_hold(
        &self,
        id: PackageId,
        hold: HoldId,
        reason: Reason,
    ) -> Result<Hold, StoreError> {
        self.ledger()?;
        let origin = self.origin.clone();
        let (package, hold) = self
            .run(move |parts| {
                parts.registry.write(Durability::Synced, |writer| {
                    let before = present(writer, id)?;
                    let placed =
                        writer.hold(id, hold)?.ok_or(StoreError::NoHold { package: id, hold })?;
                    if let Some(release) = placed.release {
                        return Err(StoreError::HoldReleased {
                            hold,
                            status: before.status,
                            released_at: release.at,
                            released_by: release.by,
                        });
                    }
                    let now = clock::now();
                    let release = HoldRelease { at: now, by: origin.actor.clone(), reason };
                    writer.release_hold(id, hold, &release)?;
                    let released = Hold { release: Some(release.clone()), ..placed };
                    let package = changed(writer, id, now)?;
                    let change = Change {
                        kind: RetentionEventKind::HoldReleased,
                        action: AuditAction::HoldReleased,
                        reason: &release.reason,
                        before: json!({"on_hold": before.on_hold}),
                        after: json!({
                            "on_hold": package.on_hold,
                            "hold": HoldView::from(released.clone()),
                        }),
                    };
                    record_change(writer, id, change, &origin, now)?;
                    Ok::<_, StoreError>((package, released))
                })
            })
            .await?;
        self.follow(Some(package)).await;
        Ok(hold)
    }

    /// One page of a package's holds, active and released, in the order in which they were
    /// placed; a deleted package's too.
    pub async fn holds(
        &self,
        id: PackageId,
        cursor: Option<String>,
        limit: PageLimit,
    ) -> Result<Page<Hold>, StoreError> {
        let after = cursor.map(|text| HoldCursor::decode(&text, id)).transpose()?;
        self.run(move |parts| {
            parts.registry.read(|reader| {
                reader.package(id)?.ok_or(StoreError::NoPackage(id))?;
                let holds = reader.holds(id, after.map(|cursor| cursor.id), wanted(limit))?;
                let cursor = |last: &Hold| HoldCursor { id: last.id }.encode(id);
                Ok::<_, StoreError>(page(holds, limit, cursor))
            })
        })
        .await
    }
}
