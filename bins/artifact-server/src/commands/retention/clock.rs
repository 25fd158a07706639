//! The clock that retention is measured by.

use std::error::Error;
use std::fmt::Write as _;

use artifact_domain::name::Reason;
use artifact_domain::wire::ClockView;
use artifact_store::{ArtifactStore, StoreError};

use crate::commands::output::{print, print_json, say};

pub(super) async fn acknowledge(
    store: &ArtifactStore,
    reason: Reason,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let before = store.clock().await?;
    let now = store.acknowledge_clock(reason).await?;
    if json {
        return Ok(print_json(&now)?);
    }
    let mut text = String::new();
    if let Some(now) = now.seen_at {
        let _ = writeln!(text, "the clock is trusted: it is {now}");
    }
    let _ = match before {
        ClockView { suspended: true, found_at: Some(found), seen_at: Some(seen), .. } => {
            writeln!(text, "it was doubted: it said {found} when the latest time seen was {seen}")
        }
        _ => writeln!(text, "it was not doubted before"),
    };
    Ok(print(&text)?)
}

/// Says so if nothing is deleted now, whatever the rules say of a package.
pub(super) async fn warn_if_doubted(store: &ArtifactStore) -> Result<(), StoreError> {
    if let Some(detail) = store.clock().await?.detail {
        say(format!("note: {detail}"));
    }
    Ok(())
}
