//! Deletions: what may be deleted, what was, and whose bytes have yet to go.

use artifact_domain::cursor::CandidateCursor;
use artifact_domain::digest::Sha256Digest;
use artifact_domain::name::{Actor, Reason, RequestId};
use artifact_domain::retention::DeletionReceipt;
use artifact_domain::{Package, PackageId, PackageStatus, Timestamp};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use crate::connection::on_backend;
use crate::error::RegistryError;
use crate::packages::{PackageRow, big, column, digest_bytes, json};
use crate::read::Reader;
use crate::schema::{deletions, packages, uploads};
use crate::write::Writer;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = deletions, treat_none_as_default_value = false)]
struct DeletionRow {
    package_id: String,
    manifest_sha256: Option<Vec<u8>>,
    file_count: i64,
    total_bytes: i64,
    deleted_at: i64,
    actor: String,
    request_id: Option<String>,
    reason: String,
    retention_class: String,
    rule_version: i64,
    expires_at: Option<i64>,
    reasons: String,
    bytes_removed: i64,
    bytes_removed_at: Option<i64>,
}

impl TryFrom<&DeletionReceipt> for DeletionRow {
    type Error = RegistryError;

    fn try_from(receipt: &DeletionReceipt) -> Result<Self, RegistryError> {
        Ok(Self {
            package_id: receipt.package_id.to_string(),
            manifest_sha256: receipt.manifest_sha256.map(|digest| digest.as_bytes().to_vec()),
            file_count: big(receipt.file_count),
            total_bytes: big(receipt.total_bytes),
            deleted_at: receipt.deleted_at.unix_micros(),
            actor: receipt.actor.to_string(),
            request_id: receipt.request_id.as_ref().map(ToString::to_string),
            reason: receipt.reason.to_string(),
            retention_class: receipt.retention_class.to_string(),
            rule_version: receipt.rule_version.into(),
            expires_at: receipt.expires_at.map(Timestamp::unix_micros),
            reasons: json(&receipt.reasons)?,
            bytes_removed: big(receipt.bytes_removed),
            bytes_removed_at: receipt.bytes_removed_at.map(Timestamp::unix_micros),
        })
    }
}

impl TryFrom<DeletionRow> for DeletionReceipt {
    type Error = RegistryError;

    fn try_from(row: DeletionRow) -> Result<Self, RegistryError> {
        fn get<T, E: std::fmt::Display>(
            key: &str,
            name: &str,
            value: Result<T, E>,
        ) -> Result<T, RegistryError> {
            column("deletion", key, name, value)
        }
        let key = &row.package_id;
        let time = |name: &str, micros: i64| get(key, name, Timestamp::from_unix_micros(micros));
        let count = |name: &str, value: i64| get(key, name, u64::try_from(value));
        let digest = row.manifest_sha256.as_deref().map(digest_bytes).transpose();
        Ok(Self {
            package_id: get(key, "package_id", key.parse())?,
            manifest_sha256: get(key, "manifest_sha256", digest)?.map(Sha256Digest::from_bytes),
            file_count: count("file_count", row.file_count)?,
            total_bytes: count("total_bytes", row.total_bytes)?,
            deleted_at: time("deleted_at", row.deleted_at)?,
            actor: get(key, "actor", Actor::parse(row.actor))?,
            request_id: get(key, "request_id", row.request_id.map(RequestId::parse).transpose())?,
            reason: get(key, "reason", Reason::parse(row.reason))?,
            retention_class: get(key, "retention_class", row.retention_class.parse())?,
            rule_version: get(key, "rule_version", u32::try_from(row.rule_version))?,
            expires_at: row.expires_at.map(|at| time("expires_at", at)).transpose()?,
            reasons: get(key, "reasons", serde_json::from_str(&row.reasons))?,
            bytes_removed: count("bytes_removed", row.bytes_removed)?,
            bytes_removed_at: row
                .bytes_removed_at
                .map(|at| time("bytes_removed_at", at))
                .transpose()?,
            dry_run: false,
        })
    }
}

impl Reader<'_> {
    /// What the deletion of a package left behind; `None` if it was not deleted.
    pub fn deletion(
        &mut self,
        package: PackageId,
    ) -> Result<Option<DeletionReceipt>, RegistryError> {
        let row: Option<DeletionRow> = deletions::table
            .find(package.to_string())
            .select(DeletionRow::as_select())
            .first(self.connection)
            .optional()
            .map_err(|error| RegistryError::query(self.url, "look up a deletion", error))?;
        row.map(DeletionReceipt::try_from).transpose()
    }

    /// Deleted packages whose bytes have yet to go, by id, beginning behind `after`.
    pub fn unfinished_deletions(
        &mut self,
        after: Option<PackageId>,
        limit: u32,
    ) -> Result<Vec<PackageId>, RegistryError> {
        let after = after.map_or(String::new(), |id| id.to_string());
        let ids: Vec<String> = deletions::table
            .filter(deletions::bytes_removed_at.is_null())
            .filter(deletions::package_id.gt(after))
            .order(deletions::package_id.asc())
            .limit(limit.into())
            .select(deletions::package_id)
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "list unfinished deletions", error))?;
        ids.into_iter().map(|id| column("deletion", &id, "package_id", id.parse())).collect()
    }

    /// One page of the packages that may be deleted at `now`: finalized or failed, expired before
    /// `now` and not on hold; oldest expiry first, then by id, beginning behind `after`.
    pub fn deletion_candidates(
        &mut self,
        after: Option<CandidateCursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Package>, RegistryError> {
        // Two walks along the index, each of at most a page: one over both statuses would have to
        // sort all that it finds.
        let mut found = self.candidates(PackageStatus::Finalized, after, limit, now)?;
        found.extend(self.candidates(PackageStatus::Failed, after, limit, now)?);
        found.sort_by_key(|package| (package.expires_at, package.id));
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(found)
    }

    fn candidates(
        &mut self,
        status: PackageStatus,
        after: Option<CandidateCursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Package>, RegistryError> {
        // Without a cursor the list begins before the beginning of time: the query is the same.
        let (at, id) = after.map_or((-1, String::new()), |cursor| {
            (cursor.expires_at.unix_micros(), cursor.id.to_string())
        });
        // A comparison of rows enters the index at the very key. Many packages may expire in one
        // microsecond, when somebody named the date; by column each page would pass them again.
        let behind = sql::<Bool>("(expires_at, id) > (")
            .bind::<BigInt, _>(at)
            .sql(", ")
            .bind::<Text, _>(id)
            .sql(")");
        let rows: Vec<PackageRow> = packages::table
            .filter(packages::status.eq(status.as_str()))
            .filter(packages::on_hold.eq(false))
            .filter(behind)
            .filter(packages::expires_at.assume_not_null().lt(now.unix_micros()))
            .order((packages::expires_at.asc(), packages::id.asc()))
            .limit(limit.into())
            .select(PackageRow::as_select())
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "list deletion candidates", error))?;
        rows.into_iter().map(Package::try_from).collect()
    }
}

impl Writer<'_> {
    /// Turns a package into a tombstone and records what its deletion leaves behind. Nobody may
    /// write to it any more, so claims on its paths go too. Records that are due stay announced:
    /// somebody may be writing one, and whoever works the announcement off finds the tombstone.
    /// The caller has decided in this transaction that it may be deleted.
    pub fn delete_package(&mut self, receipt: &DeletionReceipt) -> Result<(), RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "delete a package", error);
        let id = receipt.package_id.to_string();
        let row = DeletionRow::try_from(receipt)?;
        diesel::update(packages::table.find(&id))
            .set((
                packages::status.eq(PackageStatus::Deleted.as_str()),
                packages::deleted_at.eq(row.deleted_at),
                packages::deletion_reason.eq(&row.reason),
                packages::updated_at.eq(row.deleted_at),
                packages::revision.eq(packages::revision + 1),
            ))
            .execute(self.connection)
            .map_err(failed)?;
        on_backend!(self.connection, |c| diesel::insert_into(deletions::table)
            .values(&row)
            .execute(c))
        .map_err(failed)?;
        diesel::delete(uploads::table.filter(uploads::package_id.eq(&id)))
            .execute(self.connection)
            .map(|_| ())
            .map_err(failed)
    }

    /// Records that nothing of a deleted package is left in storage. Answers whether that is news.
    pub fn finish_deletion(
        &mut self,
        package: PackageId,
        bytes_removed: u64,
        at: Timestamp,
    ) -> Result<bool, RegistryError> {
        let unfinished = deletions::table
            .filter(deletions::package_id.eq(package.to_string()))
            .filter(deletions::bytes_removed_at.is_null());
        diesel::update(unfinished)
            .set((
                deletions::bytes_removed.eq(big(bytes_removed)),
                deletions::bytes_removed_at.eq(at.unix_micros()),
            ))
            .execute(self.connection)
            .map(|changed| changed == 1)
            .map_err(|error| RegistryError::query(self.url, "finish a deletion", error))
    }
}
