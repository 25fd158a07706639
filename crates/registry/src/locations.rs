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
    /// What it is to this registry.
    pub role: Role,
}

/// What a storage root is to a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Packages are made, changed and read there. A registry has one home.
    Home,
    /// It is being filled by a move and has not all packages yet.
    Copy,
    /// Packages were moved from there; nothing follows them any more.
    Former,
}

impl Role {
    /// Its name in the registry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Copy => "copy",
            Self::Former => "former",
        }
    }

    fn parse(name: &str) -> Result<Self, String> {
        [Self::Home, Self::Copy, Self::Former]
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or_else(|| format!("{name:?} is no role"))
    }
}

impl Reader<'_> {
    /// Every root that packages were ever stored in or copied to: one, until packages are moved.
    pub fn locations(&mut self) -> Result<Vec<Location>, RegistryError> {
        let rows: Vec<(String, String, String)> = storage_locations::table
            .order(storage_locations::id.asc())
            .select((storage_locations::id, storage_locations::url, storage_locations::role))
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "list the storage locations", error))?;
        rows.into_iter()
            .map(|(id, url, role)| {
                let what = "storage location";
                let role = column(what, &id, "role", Role::parse(&role))?;
                Ok(Location { id: column(what, &id, "id", id.parse())?, url, role })
            })
            .collect()
    }
}

impl Reader<'_> {
    /// Refuses to go on if packages live somewhere else than at `home`: [`RegistryError::Moved`].
    pub fn check_home(&mut self, home: StorageId) -> Result<(), RegistryError> {
        let id = home.to_string();
        let role: Option<String> = storage_locations::table
            .find(&id)
            .select(storage_locations::role)
            .first(self.connection)
            .optional()
            .map_err(|error| RegistryError::query(self.url, "look up the home", error))?;
        if role.as_deref() == Some(Role::Home.as_str()) {
            return Ok(());
        }
        let known = self.locations()?;
        let home = known.into_iter().find(|known| known.role == Role::Home);
        Err(RegistryError::Moved { home: home.map(|home| home.url).unwrap_or_default() })
    }
}

impl Writer<'_> {
    /// Keeps others from making a home until this transaction ends. Two processes that open a new
    /// registry on two storages would both be the first otherwise.
    pub fn lock_home(&mut self) -> Result<(), RegistryError> {
        self.connection
            .lock_name("home")
            .map_err(|error| RegistryError::query(self.url, "lock the home", error))
    }

    /// Records a root, or where it is now; what a known one is stays.
    pub fn record_location(
        &mut self,
        location: &Location,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        let values = (
            storage_locations::id.eq(location.id.to_string()),
            storage_locations::url.eq(&location.url),
            storage_locations::first_seen_at.eq(now.unix_micros()),
            storage_locations::role.eq(location.role.as_str()),
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

    /// Says what a known root is from now on.
    pub fn set_role(&mut self, id: StorageId, role: Role) -> Result<(), RegistryError> {
        diesel::update(storage_locations::table.find(id.to_string()))
            .set(storage_locations::role.eq(role.as_str()))
            .execute(self.connection)
            .map(|_| ())
            .map_err(|error| RegistryError::query(self.url, "set the role of a storage", error))
    }
}
