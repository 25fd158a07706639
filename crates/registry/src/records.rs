//! Records beside the bytes that are due: a package's record in storage follows each change of
//! the package, and what is written here with the change says that it has yet to.

use artifact_domain::{PackageId, Timestamp};
use diesel::prelude::*;

use crate::connection::on_backend;
use crate::error::RegistryError;
use crate::packages::{big, column};
use crate::read::Reader;
use crate::schema::records_due;
use crate::write::Writer;

impl Reader<'_> {
    /// Packages whose record is due, and the revisions it is due for, ordered by both, beginning
    /// behind `after`.
    pub fn records_due(
        &mut self,
        after: Option<(PackageId, u64)>,
        limit: u32,
    ) -> Result<Vec<(PackageId, u64)>, RegistryError> {
        // Without a key the list begins before the first: the query is the same.
        let (package, revision) = after
            .map_or((String::new(), 0), |(package, revision)| (package.to_string(), big(revision)));
        let rows: Vec<(String, i64)> = records_due::table
            .filter(records_due::package_id.ge(&package))
            .filter(records_due::package_id.gt(&package).or(records_due::revision.gt(revision)))
            .order((records_due::package_id.asc(), records_due::revision.asc()))
            .limit(limit.into())
            .select((records_due::package_id, records_due::revision))
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "list the records due", error))?;
        rows.into_iter()
            .map(|(id, revision)| {
                let what = "record due";
                let package = column(what, &id, "package_id", id.parse())?;
                Ok((package, column(what, &id, "revision", u64::try_from(revision))?))
            })
            .collect()
    }
}

impl Writer<'_> {
    /// Notes, in the transaction of a change, that the package's record has yet to follow it.
    /// Noting it again changes nothing.
    pub fn record_due(
        &mut self,
        package: PackageId,
        revision: u64,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        let values = (
            records_due::package_id.eq(package.to_string()),
            records_due::revision.eq(big(revision)),
            records_due::since.eq(now.unix_micros()),
        );
        on_backend!(self.connection, |c| diesel::insert_into(records_due::table)
            .values(values)
            .on_conflict_do_nothing()
            .execute(c))
        .map(|_| ())
        .map_err(|error| RegistryError::query(self.url, "note that a record is due", error))
    }

    /// Notes that the record has followed this revision. Other revisions stay due.
    pub fn record_written(
        &mut self,
        package: PackageId,
        revision: u64,
    ) -> Result<(), RegistryError> {
        diesel::delete(records_due::table.find((package.to_string(), big(revision))))
            .execute(self.connection)
            .map(|_| ())
            .map_err(|error| RegistryError::query(self.url, "note that a record is written", error))
    }
}
