//! `sweep`.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use artifact_domain::PackageId;
use artifact_store::StoreOptions;
use serde::Serialize;

use super::output::{print, print_json};
use super::{FAILED, explained, open_for, open_to_read};
use crate::args::Sweep;

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    applied: bool,
    unfinished_deletions: Vec<PackageId>,
    stale_records: Vec<PackageId>,
    failures: Vec<Failed>,
}

/// What could not be finished.
#[derive(Debug, Serialize)]
struct Failed {
    package_id: PackageId,
    detail: String,
}

/// Says what was cut off, and finishes it if it was told to.
pub(super) async fn sweep(
    arguments: Sweep,
    options: StoreOptions,
) -> Result<ExitCode, Box<dyn Error>> {
    let applied = arguments.apply;
    let store = if applied {
        open_for(options, arguments.who).await?
    } else {
        open_to_read(options).await?
    };
    let artifact_store::Sweep { unfinished_deletions, stale_records, failures } =
        store.sweep(applied).await?;
    let failures: Vec<Failed> = failures
        .iter()
        .map(|(package_id, error)| Failed { package_id: *package_id, detail: explained(error) })
        .collect();
    let found = Found { applied, unfinished_deletions, stale_records, failures };
    if arguments.json {
        print_json(&found)?;
    } else {
        print(&table(&found))?;
    }
    Ok(if found.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn table(found: &Found) -> String {
    let mut text = String::new();
    let (bytes, record) = if found.applied {
        ("its bytes were removed", "its record was written")
    } else {
        ("deleted, and its bytes are left", "its record is behind the registry")
    };
    let failed =
        |package: &PackageId| found.failures.iter().find(|failed| failed.package_id == *package);
    for package in &found.unfinished_deletions {
        if let Some(failed) = failed(package) {
            let _ = writeln!(text, "{package} FAILED: {}", failed.detail);
            continue;
        }
        let _ = writeln!(text, "{package} {bytes}");
    }
    for package in &found.stale_records {
        if let Some(failed) = failed(package) {
            let _ = writeln!(text, "{package} FAILED: {}", failed.detail);
            continue;
        }
        let _ = writeln!(text, "{package} {record}");
    }
    let (deletions, records) = (found.unfinished_deletions.len(), found.stale_records.len());
    let _ = match (deletions + records, found.applied) {
        (0, _) => writeln!(text, "nothing was cut off"),
        (_, true) => writeln!(
            text,
            "{} finished: {deletions} deletions, {records} records; {} failed",
            deletions + records - found.failures.len(),
            found.failures.len()
        ),
        (_, false) => writeln!(
            text,
            "{deletions} deletions to finish, {records} records to write: --apply does it"
        ),
    };
    text
}
