//! What may be deleted now.

use std::error::Error;
use std::fmt::Write as _;

use artifact_domain::filter::PageLimit;
use artifact_domain::size::ByteSize;
use artifact_domain::wire::DeletionCandidate;
use artifact_store::{ArtifactStore, StoreError};

use crate::commands::output::{Items, print, print_json};

pub(super) async fn list(
    store: &ArtifactStore,
    limit: Option<u64>,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    let (items, more) = candidates(store, limit).await?;
    super::clock::warn_if_doubted(store).await?;
    if json {
        return Ok(print_json(&Items { items })?);
    }
    let bytes = items.iter().map(|item| item.total_bytes).sum();
    let total = format!("{} packages, {bytes} bytes ({})", items.len(), ByteSize(bytes));
    let mut text = table(&items);
    let _ = match (items.is_empty(), more) {
        (true, _) => writeln!(text, "nothing may be deleted now"),
        (false, false) => writeln!(text, "{total} may be deleted"),
        (false, true) => writeln!(text, "{total} may be deleted, and more that are not listed"),
    };
    Ok(print(&text)?)
}

/// The candidates up to a limit, and whether there are more.
async fn candidates(
    store: &ArtifactStore,
    limit: Option<u64>,
) -> Result<(Vec<DeletionCandidate>, bool), StoreError> {
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let left = limit.map(|limit| limit.saturating_sub(items.len() as u64));
        let asked = left.unwrap_or(u64::MAX).min(PageLimit::MAX.into());
        let Ok(asked) = PageLimit::new(asked) else { return Ok((items, true)) };
        let page = store.deletion_candidates(cursor, asked).await?;
        items.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok((items, false));
        }
    }
}

fn table(items: &[DeletionCandidate]) -> String {
    let mut text = String::new();
    if items.is_empty() {
        return text;
    }
    let widest = items.iter().map(|item| item.retention_class.as_str().len()).max();
    let class = widest.unwrap_or_default().max("class".len());
    let _ = writeln!(
        text,
        "{:<27}  {:<36}  {:<class$}  {:>8}  {:>13}  what",
        "expired", "package", "class", "files", "bytes"
    );
    for item in items {
        let expired = item.expires_at.map(|at| at.to_string()).unwrap_or_default();
        let id = item.external_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        let title = item.title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
        let DeletionCandidate { package_id, file_count, total_bytes, producer, .. } = item;
        let _ = writeln!(
            text,
            "{expired:<27}  {package_id:<36}  {:<class$}  {file_count:>8}  {total_bytes:>13}  {producer}{id}{title}",
            item.retention_class.as_str()
        );
    }
    text
}
