//! Sealing a package: the two transactions around the work of finalize.
//!
//! The first records an intent: the time that the manifest will carry and the revision that it is
//! made from. Whoever finalizes the same revision meanwhile takes over that time, so both write
//! the same bytes and it does not matter who comes first. The second seals the package if its
//! revision is still the one that the manifest was made from.

use std::time::Duration;

use artifact_domain::digest::Sha256Digest;
use artifact_domain::manifest::ManifestHead;
use artifact_domain::{Package, PackageId, PackageStatus, Timestamp};
use diesel::prelude::*;

use crate::error::RegistryError;
use crate::packages::{PackageRow, big, column};
use crate::read::Reader;
use crate::schema::packages;
use crate::write::Writer;

/// How long an intent is taken over. An older one was left by a process that died, and a package
/// that is sealed today must not carry the date of last week's attempt.
const INTENT_LIFETIME: Duration = Duration::from_mins(10);

/// What a manifest is about to be made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealIntent {
    /// The time that the package will have been finalized at.
    pub finalized_at: Timestamp,
    /// The revision of the package that is sealed.
    pub revision: u64,
}

/// What a sealed package records.
#[derive(Debug, Clone)]
pub struct Seal {
    /// What it was made from.
    pub intent: SealIntent,
    /// Until when it is kept at least.
    pub expires_at: Option<Timestamp>,
    /// SHA-256 of the manifest.
    pub manifest_sha256: Sha256Digest,
    /// SHA-256 of the bag's `manifest-sha256.txt`.
    pub payload_manifest_sha256: Sha256Digest,
    /// The manifest without its files.
    pub head: ManifestHead,
}

fn intent(row: &PackageRow, revision: u64) -> Result<Option<SealIntent>, RegistryError> {
    match (row.sealing_at, row.sealing_revision) {
        (Some(at), Some(seen)) if seen == big(revision) => {
            let at = column("package", &row.id, "sealing_at", Timestamp::from_unix_micros(at))?;
            Ok(Some(SealIntent { finalized_at: at, revision }))
        }
        _ => Ok(None),
    }
}

impl Reader<'_> {
    /// Whether the package still is as the intent saw it.
    pub fn intent_holds(
        &mut self,
        package: PackageId,
        held: SealIntent,
    ) -> Result<bool, RegistryError> {
        let Some(row) = self.package_row(package)? else { return Ok(false) };
        let current = Package::try_from(row.clone())?;
        Ok(current.status == PackageStatus::Uploading
            && intent(&row, current.revision)? == Some(held))
    }
}

impl Writer<'_> {
    /// Records that `package`, as it was just read in this transaction, is being sealed, or takes
    /// over the intent of somebody who is at it.
    pub fn intend_seal(
        &mut self,
        package: &Package,
        now: Timestamp,
    ) -> Result<SealIntent, RegistryError> {
        if let Some(row) = self.package_row(package.id)?
            && let Some(intent) = intent(&row, package.revision)?
        {
            let age = now.unix_micros() - intent.finalized_at.unix_micros();
            if u128::try_from(age).is_ok_and(|age| age < INTENT_LIFETIME.as_micros()) {
                return Ok(intent);
            }
        }
        diesel::update(packages::table.find(package.id.to_string()))
            .set((
                packages::sealing_at.eq(now.unix_micros()),
                packages::sealing_revision.eq(big(package.revision)),
            ))
            .execute(self.connection)
            .map_err(|error| RegistryError::query(self.url, "announce a finalize", error))?;
        Ok(SealIntent { finalized_at: now, revision: package.revision })
    }

    /// Seals the package if the intent still holds; answers whether it did.
    pub fn seal(
        &mut self,
        package: PackageId,
        seal: &Seal,
        now: Timestamp,
    ) -> Result<bool, RegistryError> {
        let unchanged = packages::table
            .filter(packages::id.eq(package.to_string()))
            .filter(packages::status.eq(PackageStatus::Uploading.as_str()))
            .filter(packages::revision.eq(big(seal.intent.revision)))
            .filter(
                packages::sealing_at.assume_not_null().eq(seal.intent.finalized_at.unix_micros()),
            );
        diesel::update(unchanged)
            .set((
                packages::status.eq(PackageStatus::Finalized.as_str()),
                packages::finalized_at.eq(seal.intent.finalized_at.unix_micros()),
                packages::expires_at.eq(seal.expires_at.map(Timestamp::unix_micros)),
                packages::manifest_sha256.eq(seal.manifest_sha256.as_bytes().to_vec()),
                packages::payload_manifest_sha256
                    .eq(seal.payload_manifest_sha256.as_bytes().to_vec()),
                packages::manifest_head.eq(seal.head.as_json()),
                packages::updated_at.eq(now.unix_micros()),
                packages::revision.eq(packages::revision + 1),
                packages::sealing_at.eq(None::<i64>),
                packages::sealing_revision.eq(None::<i64>),
            ))
            .execute(self.connection)
            .map(|changed| changed == 1)
            .map_err(|error| RegistryError::query(self.url, "seal a package", error))
    }
}
