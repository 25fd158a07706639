//! Deleting what nothing protects.

use std::error::Error;
use std::process::ExitCode;

use artifact_domain::PackageId;
use artifact_domain::name::Reason;
use artifact_domain::retention::{ConsultedRule, DeletionReceipt, RetentionReason, Verdict};
use artifact_domain::size::ByteSize;
use artifact_domain::wire::DeletePackage;
use artifact_store::{ArtifactStore, StoreError};

use super::rules::{said, verdict};
use crate::commands::output::{on_one_line, print, print_json, say};
use crate::commands::{FAILED, explained};

/// Deletes each package by itself: what one is refused does not stand in the way of the others.
pub(super) async fn delete(
    store: &ArtifactStore,
    packages: &[PackageId],
    reason: &Reason,
    dry_run: bool,
    json: bool,
) -> Result<ExitCode, Box<dyn Error>> {
    let mut is_done = true;
    for package in packages {
        let request = DeletePackage { reason: reason.clone(), dry_run };
        match store.delete_package(*package, request).await {
            Ok(receipt) => {
                if json {
                    print_json(&receipt)?;
                } else {
                    print(&line(&receipt))?;
                }
                if !dry_run && receipt.bytes_removed_at.is_none() {
                    say(format!(
                        "error: package {package} is deleted, but its bytes are still in storage: \
                         artifact-server sweep --apply removes them"
                    ));
                    is_done = false;
                }
            }
            Err(error) => {
                say(refusal(&error));
                is_done = false;
            }
        }
    }
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn line(receipt: &DeletionReceipt) -> String {
    let DeletionReceipt { package_id, file_count, total_bytes, .. } = receipt;
    let done = if receipt.dry_run { "would be deleted" } else { "deleted" };
    let size = ByteSize(*total_bytes);
    format!("{package_id} {done}: {file_count} files, {total_bytes} bytes ({size})\n")
}

/// Why a package was not deleted; if the rules protect it, every rule and what it said.
fn refusal(error: &StoreError) -> String {
    let StoreError::NotEligible { package, reasons } = error else {
        return format!("error: {}", explained(error));
    };
    let rules = reasons.iter().fold(String::new(), |text, reason| {
        text + &format!("\n  {:<9} {}", verdict(reason), on_one_line(&said(reason)))
    });
    let doubted = |reason: &RetentionReason| {
        reason.rule == ConsultedRule::Clock && reason.verdict == Verdict::Protects
    };
    let hint = if reasons.iter().any(doubted) {
        "\nIf the clock is right: artifact-server retention acknowledge-clock --reason TEXT"
    } else {
        ""
    };
    format!("error: package {package} cannot be deleted:{rules}{hint}")
}
