//! Packages on their way to another storage: what was copied there, and the switch.

use artifact_domain::id::StorageId;
use artifact_domain::{LogicalPath, PackageId, PackageStatus, Timestamp};
use diesel::connection::SimpleConnection as _;
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::connection::{RegistryConnection, on_backend};
use crate::error::RegistryError;
use crate::locations::Role;
use crate::packages::{big, column};
use crate::read::Reader;
use crate::schema::{file_copies, package_copies, packages};
use crate::write::Writer;

/// Rows of one statement: SQLite takes 32,766 values.
const CHUNK: usize = 1000;

/// The revision of a copy that was begun. No package has it.
const BEGUN: i64 = -1;

/// A package whose bytes are to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToCopy {
    /// The package.
    pub id: PackageId,
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Reader<'_> {
    /// Packages with bytes whose copy in `target` is missing or behind them, ordered by id,
    /// beginning behind `after`.
    pub fn packages_to_copy(
        &mut self,
        target: StorageId,
        after: Option<PackageId>,
        limit: u32,
    ) -> Result<Vec<ToCopy>, RegistryError> {
        // Without a key the list begins before the first: the query is the same.
        let after = after.map_or_else(String::new, |id| id.to_string());
        let copy = package_copies::table
            .filter(package_copies::location_id.eq(target.to_string()))
            .filter(package_copies::package_id.eq(packages::id))
            .filter(package_copies::revision.eq(packages::revision));
        let rows: Vec<(String, i64, i64)> = packages::table
            .filter(packages::id.gt(after))
            .filter(packages::status.ne(PackageStatus::Deleted.as_str()))
            .filter(not(exists(copy)))
            .order(packages::id.asc())
            .limit(limit.into())
            .select((packages::id, packages::file_count, packages::total_bytes))
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "list packages to copy", error))?;
        rows.into_iter()
            .map(|(id, files, bytes)| {
                let count =
                    |name: &str, value: i64| column("package", &id, name, u64::try_from(value));
                Ok(ToCopy {
                    files: count("file_count", files)?,
                    bytes: count("total_bytes", bytes)?,
                    id: column("package", &id, "id", id.parse())?,
                })
            })
            .collect()
    }

    /// Packages that were deleted since they were copied to `target`.
    pub fn copies_of_deleted(
        &mut self,
        target: StorageId,
        limit: u32,
    ) -> Result<Vec<PackageId>, RegistryError> {
        let ids: Vec<String> = package_copies::table
            .inner_join(packages::table)
            .filter(package_copies::location_id.eq(target.to_string()))
            .filter(packages::status.eq(PackageStatus::Deleted.as_str()))
            .order(package_copies::package_id.asc())
            .limit(limit.into())
            .select(package_copies::package_id)
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "list copies", error))?;
        ids.iter().map(|id| column("copy", id, "package_id", id.parse())).collect()
    }
}

impl Writer<'_> {
    /// Notes that packages are about to be copied to `target`: what is copied of one that is deleted
    /// meanwhile is found by it.
    pub fn begin_copies(
        &mut self,
        target: StorageId,
        ids: &[PackageId],
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        let target = target.to_string();
        let rows: Vec<_> = ids
            .iter()
            .map(|id| {
                (
                    package_copies::location_id.eq(&target),
                    package_copies::package_id.eq(id.to_string()),
                    package_copies::revision.eq(BEGUN),
                    package_copies::copied_at.eq(now.unix_micros()),
                )
            })
            .collect();
        on_backend!(self.connection, |c| diesel::insert_into(package_copies::table)
            .values(&rows)
            .on_conflict_do_nothing()
            .execute(c))
        .map(|_| ())
        .map_err(|error| RegistryError::query(self.url, "begin copies", error))
    }

    /// Notes that a package was copied to `target` and read back there, as it was at `revision`;
    /// `false`, and nothing is noted, if it was changed since. `etags` are the versions of its
    /// files' objects there, needed of a package that is not sealed.
    pub fn record_copy(
        &mut self,
        target: StorageId,
        id: PackageId,
        revision: u64,
        etags: &[(LogicalPath, Option<String>)],
        now: Timestamp,
    ) -> Result<bool, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "record a copy", error);
        let is_as_copied = self.package(id)?.is_some_and(|package| {
            package.revision == revision && package.status != PackageStatus::Deleted
        });
        if !is_as_copied {
            return Ok(false);
        }
        self.forget_copy(target, id)?;
        let (target, id) = (target.to_string(), id.to_string());
        let copy = (
            package_copies::location_id.eq(&target),
            package_copies::package_id.eq(&id),
            package_copies::revision.eq(big(revision)),
            package_copies::copied_at.eq(now.unix_micros()),
        );
        on_backend!(self.connection, |c| diesel::insert_into(package_copies::table)
            .values(copy)
            .execute(c))
        .map_err(failed)?;
        for some in etags.chunks(CHUNK) {
            let rows: Vec<_> = some
                .iter()
                .map(|(path, etag)| {
                    (
                        file_copies::location_id.eq(&target),
                        file_copies::package_id.eq(&id),
                        file_copies::path.eq(path.as_str()),
                        file_copies::etag.eq(etag.as_deref()),
                    )
                })
                .collect();
            on_backend!(self.connection, |c| diesel::insert_into(file_copies::table)
                .values(&rows)
                .execute(c))
            .map_err(failed)?;
        }
        Ok(true)
    }

    /// Forgets that a package was copied.
    pub fn forget_copy(&mut self, target: StorageId, id: PackageId) -> Result<(), RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "forget a copy", error);
        let (target, id) = (target.to_string(), id.to_string());
        diesel::delete(
            file_copies::table
                .filter(file_copies::location_id.eq(&target))
                .filter(file_copies::package_id.eq(&id)),
        )
        .execute(self.connection)
        .map_err(failed)?;
        diesel::delete(package_copies::table.find((target, id)))
            .execute(self.connection)
            .map(|_| ())
            .map_err(failed)
    }

    /// Keeps every package as it is until this transaction ends, and lets its statements take as
    /// long as they need. Whoever changes a package locks it or makes it, and so waits.
    pub fn hold_all_packages(&mut self) -> Result<(), RegistryError> {
        match &mut *self.connection {
            RegistryConnection::Postgres(c) => c.batch_execute(
                "SET LOCAL statement_timeout = 0; LOCK TABLE packages IN EXCLUSIVE MODE",
            ),
            // A write transaction of SQLite is the only one.
            RegistryConnection::Sqlite(_) => Ok(()),
        }
        .map_err(|error| RegistryError::query(self.url, "hold all packages", error))
    }

    /// Makes `to` the home, with the packages that were copied there, and `from` a former one.
    /// Answers how many packages that are. The caller holds all packages and has seen in this
    /// transaction that none is left to be copied.
    pub fn move_home(&mut self, from: StorageId, to: StorageId) -> Result<u64, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "move to another storage", error);
        let target = to.to_string();
        macro_rules! take_versions {
            ($target:literal) => {
                concat!(
                    "UPDATE files SET etag = c.etag FROM file_copies AS c WHERE c.location_id = ",
                    $target,
                    " AND files.package_id = c.package_id AND files.path = c.path"
                )
            };
        }
        match &mut *self.connection {
            RegistryConnection::Postgres(c) => diesel::sql_query(take_versions!("$1"))
                .bind::<Text, _>(&target)
                .execute(c)
                .map_err(failed)?,
            RegistryConnection::Sqlite(c) => diesel::sql_query(take_versions!("?1"))
                .bind::<Text, _>(&target)
                .execute(c)
                .map_err(failed)?,
        };
        let copied = package_copies::table
            .filter(package_copies::location_id.eq(&target))
            .select(package_copies::package_id);
        let moved = diesel::update(packages::table.filter(packages::id.eq_any(copied)))
            .set(packages::location_id.eq(&target))
            .execute(self.connection)
            .map_err(failed)?;
        diesel::delete(file_copies::table.filter(file_copies::location_id.eq(&target)))
            .execute(self.connection)
            .map_err(failed)?;
        diesel::delete(package_copies::table.filter(package_copies::location_id.eq(&target)))
            .execute(self.connection)
            .map_err(failed)?;
        self.set_role(from, Role::Former)?;
        self.set_role(to, Role::Home)?;
        Ok(moved as u64)
    }
}
