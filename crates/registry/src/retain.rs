//! How long a package is kept: its class and its expiry.

use artifact_domain::name::RetentionClassName;
use artifact_domain::{PackageId, Timestamp};
use diesel::prelude::*;

use crate::error::RegistryError;
use crate::schema::packages;
use crate::write::Writer;

impl Writer<'_> {
    /// Sets the class of a package, the version of it that set the expiry, and the expiry (`None`:
    /// for ever). The caller has checked in this transaction that the package may be changed so.
    pub fn set_retention(
        &mut self,
        package: PackageId,
        class: &RetentionClassName,
        rule_version: u32,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        diesel::update(packages::table.find(package.to_string()))
            .set((
                packages::retention_class.eq(class.as_str()),
                packages::rule_version.eq(i64::from(rule_version)),
                packages::expires_at.eq(expires_at.map(Timestamp::unix_micros)),
                packages::updated_at.eq(now.unix_micros()),
                packages::revision.eq(packages::revision + 1),
            ))
            .execute(self.connection)
            .map(|_| ())
            .map_err(|error| RegistryError::query(self.url, "set a package's retention", error))
    }
}
