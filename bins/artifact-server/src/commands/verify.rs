//! `verify`.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use artifact_domain::filter::{PackageFilter, PageLimit};
use artifact_domain::{PackageId, PackageStatus};
use artifact_store::{ArtifactStore, StoreError};

use super::DAMAGED;

/// Verifies one package or all finalized ones, with a line for each and one for each problem.
pub(super) async fn verify(
    store: &ArtifactStore,
    package: Option<PackageId>,
) -> Result<ExitCode, Box<dyn Error>> {
    let mut whole = true;
    if let Some(package) = package {
        whole &= verify_one(store, package).await?;
    } else {
        let filter =
            PackageFilter { status: Some(PackageStatus::Finalized), ..PackageFilter::default() };
        let mut cursor = None;
        loop {
            let page = store.packages(filter.clone(), cursor, PageLimit::default()).await?;
            for package in page.items {
                whole &= match verify_one(store, package.id).await {
                    // Deleted since the page was listed.
                    Err(error)
                        if matches!(error.downcast_ref(), Some(StoreError::Deleted { .. })) =>
                    {
                        true
                    }
                    verified => verified?,
                };
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

async fn verify_one(store: &ArtifactStore, package: PackageId) -> Result<bool, Box<dyn Error>> {
    let found = store.verify(package, |_| {}).await?;
    let state = if found.problems.is_empty() { "whole" } else { "DAMAGED" };
    let mut stdout = io::stdout().lock();
    writeln!(
        stdout,
        "{package} {state}: {} files, {} bytes",
        found.files_checked, found.bytes_checked
    )?;
    for problem in &found.problems {
        writeln!(stdout, "  {problem}")?;
    }
    Ok(found.problems.is_empty())
}
