//! The processes that write.

use artifact_domain::Timestamp;
use diesel::prelude::*;

use crate::connection::on_backend;
use crate::error::RegistryError;
use crate::read::Reader;
use crate::schema::{files, writers};
use crate::write::Writer;
use artifact_domain::PackageId;

/// One process that opened the store to write; numbers are given once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterId(pub i64);

impl Reader<'_> {
    /// The paths of a package's files that were written during another boot of the kernel than
    /// `boot_id`, in order: nobody knows whether their bytes reached the disk.
    pub fn files_of_other_boots(
        &mut self,
        package: PackageId,
        boot_id: &str,
    ) -> Result<Vec<String>, RegistryError> {
        files::table
            .inner_join(writers::table)
            .filter(files::package_id.eq(package.to_string()))
            .filter(writers::boot_id.ne(boot_id))
            .order(files::path.asc())
            .select(files::path)
            .load(self.connection)
            .map_err(|error| {
                RegistryError::query(self.url, "look for files of an earlier boot", error)
            })
    }
}

impl Writer<'_> {
    /// Gives this process its number. `boot_id` names the kernel's present boot.
    pub fn insert_writer(
        &mut self,
        boot_id: &str,
        now: Timestamp,
    ) -> Result<WriterId, RegistryError> {
        let values = (writers::boot_id.eq(boot_id), writers::opened_at.eq(now.unix_micros()));
        on_backend!(self.connection, |c| diesel::insert_into(writers::table)
            .values(values)
            .returning(writers::id)
            .get_result(c))
        .map(WriterId)
        .map_err(|error| RegistryError::query(self.url, "record this process as a writer", error))
    }
}
