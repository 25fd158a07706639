//! Legal holds: placed, released once, never edited or removed.
//!
//! Whether a package is on hold also stands in its own row, for filters and for the list of what
//! may be deleted. Both are written together, under the package's lock.

use artifact_domain::id::HoldId;
use artifact_domain::name::{Actor, Mandate, Reason};
use artifact_domain::retention::{Hold, HoldRelease};
use artifact_domain::{PackageId, Timestamp};
use diesel::prelude::*;

use crate::connection::on_backend;
use crate::error::RegistryError;
use crate::packages::column;
use crate::read::Reader;
use crate::schema::{holds, packages};
use crate::write::Writer;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = holds, treat_none_as_default_value = false)]
struct HoldRow {
    id: String,
    package_id: String,
    reason: String,
    mandate: Option<String>,
    placed_at: i64,
    placed_by: String,
    released_at: Option<i64>,
    released_by: Option<String>,
    release_reason: Option<String>,
}

impl From<&Hold> for HoldRow {
    fn from(hold: &Hold) -> Self {
        let release = hold.release.as_ref();
        Self {
            id: hold.id.to_string(),
            package_id: hold.package_id.to_string(),
            reason: hold.reason.to_string(),
            mandate: hold.mandate.as_ref().map(ToString::to_string),
            placed_at: hold.placed_at.unix_micros(),
            placed_by: hold.placed_by.to_string(),
            released_at: release.map(|release| release.at.unix_micros()),
            released_by: release.map(|release| release.by.to_string()),
            release_reason: release.map(|release| release.reason.to_string()),
        }
    }
}

impl TryFrom<HoldRow> for Hold {
    type Error = RegistryError;

    fn try_from(row: HoldRow) -> Result<Self, RegistryError> {
        fn get<T, E: std::fmt::Display>(
            key: &str,
            name: &str,
            value: Result<T, E>,
        ) -> Result<T, RegistryError> {
            column("hold", key, name, value)
        }
        let key = &row.id;
        let time = |name: &str, micros: i64| get(key, name, Timestamp::from_unix_micros(micros));
        let release = match (row.released_at, row.released_by, row.release_reason) {
            (Some(at), Some(by), Some(reason)) => Some(HoldRelease {
                at: time("released_at", at)?,
                by: get(key, "released_by", Actor::parse(by))?,
                reason: get(key, "release_reason", Reason::parse(reason))?,
            }),
            (None, None, None) => None,
            _ => return Err(RegistryError::damaged("hold", key, &"half a release")),
        };
        Ok(Self {
            id: get(key, "id", row.id.parse())?,
            package_id: get(key, "package_id", row.package_id.parse())?,
            reason: get(key, "reason", Reason::parse(row.reason))?,
            mandate: get(key, "mandate", row.mandate.map(Mandate::parse).transpose())?,
            placed_at: time("placed_at", row.placed_at)?,
            placed_by: get(key, "placed_by", Actor::parse(row.placed_by))?,
            release,
        })
    }
}

impl Reader<'_> {
    /// One page of a package's holds, active and released, in the order in which they were placed,
    /// beginning behind `after`.
    pub fn holds(
        &mut self,
        package: PackageId,
        after: Option<HoldId>,
        limit: u32,
    ) -> Result<Vec<Hold>, RegistryError> {
        let after = after.map_or(String::new(), |id| id.to_string());
        let rows: Vec<HoldRow> = holds::table
            .filter(holds::package_id.eq(package.to_string()))
            .filter(holds::id.gt(after))
            .order(holds::id.asc())
            .limit(limit.into())
            .select(HoldRow::as_select())
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "list holds", error))?;
        rows.into_iter().map(Hold::try_from).collect()
    }

    /// The holds that protect a package, in the order in which they were placed. A transaction
    /// that decides by them has read the package, which keeps others from placing or releasing
    /// one until it ends.
    pub fn active_holds(&mut self, package: PackageId) -> Result<Vec<Hold>, RegistryError> {
        let rows: Vec<HoldRow> = holds::table
            .filter(holds::package_id.eq(package.to_string()))
            .filter(holds::released_at.is_null())
            .order(holds::id.asc())
            .select(HoldRow::as_select())
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "look up active holds", error))?;
        rows.into_iter().map(Hold::try_from).collect()
    }

    /// One hold of a package; `None` also if it is another package's.
    pub fn hold(&mut self, package: PackageId, id: HoldId) -> Result<Option<Hold>, RegistryError> {
        let row: Option<HoldRow> = holds::table
            .find(id.to_string())
            .filter(holds::package_id.eq(package.to_string()))
            .select(HoldRow::as_select())
            .first(self.connection)
            .optional()
            .map_err(|error| RegistryError::query(self.url, "look up a hold", error))?;
        row.map(Hold::try_from).transpose()
    }
}

impl Writer<'_> {
    /// Places a hold. The caller has checked the package's status in this transaction.
    pub fn insert_hold(&mut self, hold: &Hold) -> Result<(), RegistryError> {
        self.lock_packages([hold.package_id])?;
        on_backend!(self.connection, |c| diesel::insert_into(holds::table)
            .values(HoldRow::from(hold))
            .execute(c))
        .and_then(|_| self.follow_holds(hold.package_id, hold.placed_at))
        .map_err(|error| RegistryError::query(self.url, "place a hold", error))
    }

    /// Releases a hold of a package. Answers whether it was active; if not, nothing changes.
    pub fn release_hold(
        &mut self,
        package: PackageId,
        id: HoldId,
        release: &HoldRelease,
    ) -> Result<bool, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "release a hold", error);
        self.lock_packages([package])?;
        let active = holds::table
            .filter(holds::id.eq(id.to_string()))
            .filter(holds::package_id.eq(package.to_string()))
            .filter(holds::released_at.is_null());
        let released = diesel::update(active)
            .set((
                holds::released_at.eq(release.at.unix_micros()),
                holds::released_by.eq(release.by.as_str()),
                holds::release_reason.eq(release.reason.as_str()),
            ))
            .execute(self.connection)
            .map_err(failed)?;
        if released == 1 {
            self.follow_holds(package, release.at).map_err(failed)?;
        }
        Ok(released == 1)
    }

    /// Has a package's row follow a change of its holds.
    fn follow_holds(&mut self, package: PackageId, now: Timestamp) -> QueryResult<()> {
        let active = holds::table
            .filter(holds::package_id.eq(package.to_string()))
            .filter(holds::released_at.is_null());
        let any: Option<String> = active.select(holds::id).first(self.connection).optional()?;
        diesel::update(packages::table.find(package.to_string()))
            .set((
                packages::on_hold.eq(any.is_some()),
                packages::updated_at.eq(now.unix_micros()),
                packages::revision.eq(packages::revision + 1),
            ))
            .execute(self.connection)
            .map(|_| ())
    }
}
