//! The storage roots that packages lie in.

use artifact_domain::Timestamp;
use artifact_domain::id::StorageId;
use diesel::prelude::*;

use crate::connection::on_backend;
use crate::error::RegistryError;
use crate::packages::column;
use crate::read::Reader;
use crate::schema::storage_locations;
use crate::write::Writer;

/// A storage root that this registry knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The id that stands in the root itself.
    pub id: StorageId,
    /// Where the root was when it was last used.
    pub url: String,
}

impl Reader<'_> {
    /// Every root that packages were ever stored in: one, until packages are moved.
    pub fn locations(&mut self) -> Result<Vec<Location>, RegistryError> {
        let rows: Vec<(String, String)> = storage_locations::table
            .order(storage_locations::id.asc())
            .select((storage_locations::id, storage_locations::url))
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "list the storage locations", error))?;
        rows.into_iter()
            .map(|(id, url)| {
                Ok(Location { id: column("storage location", &id, "id", id.parse())?, url })
            })
            .collect()
    }
}

impl Writer<'_> {
    /// Records a root, or where it is now.
    pub fn record_location(
        &mut self,
        location: &Location,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        let values = (
            storage_locations::id.eq(location.id.to_string()),
            storage_locations::url.eq(&location.url),
            storage_locations::first_seen_at.eq(now.unix_micros()),
        );
        on_backend!(self.connection, |c| diesel::insert_into(storage_locations::table)
            .values(values)
            .on_conflict(storage_locations::id)
            .do_update()
            .set(storage_locations::url.eq(&location.url))
            .execute(c))
        .map(|_| ())
        .map_err(|error| RegistryError::query(self.url, "record the storage location", error))
    }
}
