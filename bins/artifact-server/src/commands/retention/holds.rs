//! Legal holds.

use std::error::Error;

use artifact_domain::PackageId;
use artifact_domain::id::HoldId;
use artifact_domain::name::{Mandate, Reason};
use artifact_domain::wire::{HoldView, PlaceHold};
use artifact_store::ArtifactStore;

use crate::commands::output::{print, print_json, row};

pub(super) async fn place(
    store: &ArtifactStore,
    package: PackageId,
    reason: Reason,
    mandate: Option<Mandate>,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let hold = store.place_hold(package, PlaceHold { reason, mandate }).await?;
    tell(&hold.into(), json)
}

pub(super) async fn release(
    store: &ArtifactStore,
    package: PackageId,
    hold: HoldId,
    reason: Reason,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let hold = store.release_hold(package, hold, reason).await?;
    tell(&hold.into(), json)
}

fn tell(hold: &HoldView, json: bool) -> Result<(), Box<dyn Error>> {
    if json {
        return Ok(print_json(hold)?);
    }
    let mut text = String::new();
    row(&mut text, "hold", hold.id);
    row(&mut text, "package", hold.package_id);
    row(&mut text, "active", if hold.active { "yes" } else { "no" });
    if let Some(mandate) = &hold.mandate {
        row(&mut text, "mandate", mandate);
    }
    row(&mut text, "placed", format!("{} by {}: {}", hold.placed_at, hold.placed_by, hold.reason));
    if let (Some(at), Some(by), Some(reason)) =
        (hold.released_at, &hold.released_by, &hold.release_reason)
    {
        row(&mut text, "released", format!("{at} by {by}: {reason}"));
    }
    Ok(print(&text)?)
}
