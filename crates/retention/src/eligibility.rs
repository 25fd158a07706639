//! When a package may be deleted: the one predicate.

use artifact_domain::{Package, PackageStatus, Timestamp};

/// Whether `package` may be deleted at `now`: it is finalized or failed, its expiry has passed
/// (at the very instant it is still protected), and no hold is active.
pub fn is_eligible(package: &Package, now: Timestamp) -> bool {
    matches!(package.status, PackageStatus::Finalized | PackageStatus::Failed)
        && package.expires_at.is_some_and(|expires_at| now > expires_at)
        && !package.on_hold
}
