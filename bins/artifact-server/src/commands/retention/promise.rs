//! What a package is promised: showing it, extending it, moving it to another class.

use std::error::Error;
use std::io;

use artifact_domain::name::{Reason, RetentionClassName};
use artifact_domain::retention::DeletionReceipt;
use artifact_domain::wire::{ChangeRetentionClass, ExtendRetention, HoldView, RetentionView};
use artifact_domain::{PackageId, PackageStatus, Timestamp};
use artifact_store::ArtifactStore;
use serde::Serialize;

use super::rules::{said, verdict};
use crate::commands::output::{print, print_json, row};

/// A promise, and the receipt of the deletion if the package was deleted.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    promise: RetentionView,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletion: Option<DeletionReceipt>,
}

pub(super) async fn show(
    store: &ArtifactStore,
    package: PackageId,
    at: Option<Timestamp>,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let promise = store.retention(package, at).await?;
    let deletion = match promise.status {
        PackageStatus::Deleted => Some(store.deletion(package).await?),
        _ => None,
    };
    if promise.eligible {
        super::clock::warn_if_doubted(store).await?;
    }
    Ok(tell(promise, deletion, json)?)
}

pub(super) async fn extend(
    store: &ArtifactStore,
    package: PackageId,
    request: ExtendRetention,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    Ok(tell(store.extend_retention(package, request).await?, None, json)?)
}

pub(super) async fn change_class(
    store: &ArtifactStore,
    package: PackageId,
    retention_class: RetentionClassName,
    reason: Reason,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let request = ChangeRetentionClass { retention_class, reason };
    Ok(tell(store.change_retention_class(package, request).await?, None, json)?)
}

fn tell(promise: RetentionView, deletion: Option<DeletionReceipt>, json: bool) -> io::Result<()> {
    if json {
        return print_json(&Shown { promise, deletion });
    }
    let mut text = String::new();
    row(&mut text, "package", promise.package_id);
    row(&mut text, "status", promise.status);
    if let Some(receipt) = deletion {
        let DeletionReceipt { deleted_at, actor, reason, .. } = &receipt;
        row(&mut text, "deleted", format!("{deleted_at} by {actor}: {reason}"));
        let left = match receipt.bytes_removed_at {
            Some(at) => {
                let DeletionReceipt { bytes_removed, file_count, .. } = &receipt;
                format!("{bytes_removed} in {file_count} files, gone from storage since {at}")
            }
            None => "still in storage: artifact-server sweep --apply removes them".to_owned(),
        };
        row(&mut text, "bytes", left);
    }
    row(
        &mut text,
        "class",
        format!("{}, version {}", promise.retention_class, promise.rule_version),
    );
    let expiry = promise.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    row(&mut text, "expires", expiry);
    for hold in &promise.holds {
        row(&mut text, "hold", described(hold));
    }
    let eligible = if promise.eligible { "yes" } else { "no" };
    row(&mut text, "eligible", format!("{eligible}, at {}", promise.decided_at));
    for reason in &promise.reasons {
        row(&mut text, verdict(reason), said(reason));
    }
    print(&text)
}

/// A hold, its reason and who placed it.
pub(super) fn described(hold: &HoldView) -> String {
    let HoldView { id, placed_at, placed_by, reason, .. } = hold;
    let mandate = hold.mandate.as_ref().map(|it| format!(", mandate {it}")).unwrap_or_default();
    format!("{id} by {placed_by} at {placed_at}{mandate}: {reason}")
}
