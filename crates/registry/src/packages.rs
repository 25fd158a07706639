//! Packages: the row, looking one up, making one, changing what is not sealed.

use artifact_domain::digest::Sha256Digest;
use artifact_domain::id::StorageId;
use artifact_domain::label::Labels;
use artifact_domain::manifest::ManifestHead;
use artifact_domain::name::{ExternalId, Producer, Reason, Title};
use artifact_domain::package::{Package, PackageDescription};
use artifact_domain::{PackageId, PackageStatus, Timestamp};
use diesel::prelude::*;

use crate::connection::on_backend;
use crate::error::RegistryError;
use crate::read::Reader;
use crate::schema::{package_labels, packages};
use crate::write::Writer;

/// A package as its table has it.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = packages, treat_none_as_default_value = false)]
pub(crate) struct PackageRow {
    pub(crate) id: String,
    producer: String,
    kind: String,
    external_id: Option<String>,
    title: Option<String>,
    labels: String,
    metadata: String,
    status: String,
    retention_class: String,
    rule_version: i64,
    pub(crate) created_at: i64,
    updated_at: i64,
    finalized_at: Option<i64>,
    expires_at: Option<i64>,
    on_hold: bool,
    pub(crate) file_count: i64,
    pub(crate) total_bytes: i64,
    manifest_sha256: Option<Vec<u8>>,
    payload_manifest_sha256: Option<Vec<u8>>,
    manifest_head: Option<String>,
    failure_reason: Option<String>,
    deleted_at: Option<i64>,
    deletion_reason: Option<String>,
    location_id: String,
    revision: i64,
    pub(crate) sealing_at: Option<i64>,
    pub(crate) sealing_revision: Option<i64>,
}

/// Turns a column into its type, or says which column of which row is damaged.
pub(crate) fn column<T, E: std::fmt::Display>(
    what: &'static str,
    key: &str,
    name: &str,
    value: Result<T, E>,
) -> Result<T, RegistryError> {
    value.map_err(|error| RegistryError::damaged(what, key, &format!("{name}: {error}")))
}

/// A digest column.
pub(crate) fn digest_bytes(bytes: &[u8]) -> Result<[u8; 32], String> {
    bytes.try_into().map_err(|_| format!("{} bytes are no digest", bytes.len()))
}

impl TryFrom<PackageRow> for Package {
    type Error = RegistryError;

    fn try_from(row: PackageRow) -> Result<Self, RegistryError> {
        fn get<T, E: std::fmt::Display>(
            key: &str,
            name: &str,
            value: Result<T, E>,
        ) -> Result<T, RegistryError> {
            column("package", key, name, value)
        }
        let key = &row.id;
        let time = |name: &str, micros: i64| get(key, name, Timestamp::from_unix_micros(micros));
        let count = |name: &str, value: i64| get(key, name, u64::try_from(value));
        let digest = |name: &str, bytes: Option<Vec<u8>>| {
            let bytes = bytes.as_deref().map(digest_bytes).transpose();
            Ok::<_, RegistryError>(get(key, name, bytes)?.map(Sha256Digest::from_bytes))
        };
        let reason =
            |name: &str, text: Option<String>| get(key, name, text.map(Reason::parse).transpose());
        Ok(Self {
            id: get(key, "id", row.id.parse())?,
            description: PackageDescription {
                producer: get(key, "producer", row.producer.parse())?,
                kind: get(key, "kind", row.kind.parse())?,
                external_id: get(
                    key,
                    "external_id",
                    row.external_id.map(ExternalId::parse).transpose(),
                )?,
                title: get(key, "title", row.title.map(Title::parse).transpose())?,
                retention_class: get(key, "retention_class", row.retention_class.parse())?,
                labels: get(key, "labels", serde_json::from_str(&row.labels))?,
                metadata: get(key, "metadata", serde_json::from_str(&row.metadata))?,
            },
            rule_version: get(key, "rule_version", u32::try_from(row.rule_version))?,
            status: get(key, "status", row.status.parse())?,
            created_at: time("created_at", row.created_at)?,
            updated_at: time("updated_at", row.updated_at)?,
            finalized_at: row.finalized_at.map(|at| time("finalized_at", at)).transpose()?,
            expires_at: row.expires_at.map(|at| time("expires_at", at)).transpose()?,
            on_hold: row.on_hold,
            file_count: count("file_count", row.file_count)?,
            total_bytes: count("total_bytes", row.total_bytes)?,
            manifest_sha256: digest("manifest_sha256", row.manifest_sha256)?,
            payload_manifest_sha256: digest(
                "payload_manifest_sha256",
                row.payload_manifest_sha256,
            )?,
            failure_reason: reason("failure_reason", row.failure_reason)?,
            deleted_at: row.deleted_at.map(|at| time("deleted_at", at)).transpose()?,
            deletion_reason: reason("deletion_reason", row.deletion_reason)?,
            revision: count("revision", row.revision)?,
        })
    }
}

/// Statuses that leave the producer's own id free for another package.
const RELEASED: [&str; 2] = [PackageStatus::Failed.as_str(), PackageStatus::Deleted.as_str()];

/// Looks a package up and, in a transaction that decides by it, locks it.
macro_rules! find_package {
    ($reader:ident, $id:expr, $row:ty) => {{
        use diesel::prelude::*;
        use $crate::connection::RegistryConnection::Postgres;
        let found = $crate::schema::packages::table.find($id.to_string());
        match (&mut *$reader.connection, $reader.decides) {
            (Postgres(c), true) => {
                found.for_no_key_update().select(<$row>::as_select()).get_result(c)
            }
            (connection, _) => found.select(<$row>::as_select()).get_result(connection),
        }
    }};
}
pub(crate) use find_package;

impl Reader<'_> {
    pub(crate) fn package_row(
        &mut self,
        id: PackageId,
    ) -> Result<Option<PackageRow>, RegistryError> {
        find_package!(self, id, PackageRow)
            .optional()
            .map_err(|error| RegistryError::query(self.url, "look up a package", error))
    }

    /// The package with this id.
    pub fn package(&mut self, id: PackageId) -> Result<Option<Package>, RegistryError> {
        self.package_row(id)?.map(Package::try_from).transpose()
    }

    /// The package that this producer has under this external id and that is neither failed nor
    /// deleted: there is one at most.
    pub fn package_by_external_id(
        &mut self,
        producer: &Producer,
        external_id: &ExternalId,
    ) -> Result<Option<Package>, RegistryError> {
        let url = self.url;
        let failed =
            |error| RegistryError::query(url, "look up a package by its external id", error);
        if self.decides {
            // Whoever finds no package is about to make one.
            self.connection
                .lock_name(&format!("external id {producer} {external_id}"))
                .map_err(failed)?;
        }
        let row: Option<PackageRow> = packages::table
            .filter(packages::external_id.eq(external_id.as_str()))
            .filter(packages::producer.eq(producer.as_str()))
            .filter(packages::status.ne_all(RELEASED))
            .select(PackageRow::as_select())
            .first(self.connection)
            .optional()
            .map_err(|error| {
                RegistryError::query(self.url, "look up a package by its external id", error)
            })?;
        row.map(Package::try_from).transpose()
    }

    /// The storage root that a package lies in.
    pub fn package_location(&mut self, id: PackageId) -> Result<Option<StorageId>, RegistryError> {
        let Some(row) = self.package_row(id)? else { return Ok(None) };
        column("package", &row.id, "location_id", row.location_id.parse()).map(Some)
    }

    /// What a sealed package's manifest says besides its files; `None` before finalize.
    pub fn manifest_head(&mut self, id: PackageId) -> Result<Option<ManifestHead>, RegistryError> {
        Ok(self.package_row(id)?.and_then(|row| row.manifest_head).map(ManifestHead::from_json))
    }
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, RegistryError> {
    serde_json::to_string(value).map_err(|error| RegistryError::damaged("value", "", &error))
}

/// Sizes and counts are below 2^53 by their types; a database column takes them all.
pub(crate) fn big(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[derive(Insertable)]
#[diesel(table_name = package_labels)]
struct LabelRow<'a> {
    package_id: &'a str,
    key: &'a str,
    value: &'a str,
    created_at: i64,
}

impl Writer<'_> {
    /// Records a new package, whose bytes will lie in `location`. The caller has made sure, in
    /// this transaction, that its external id is free.
    pub fn insert_package(
        &mut self,
        package: &Package,
        location: StorageId,
    ) -> Result<(), RegistryError> {
        let said = &package.description;
        let row = PackageRow {
            id: package.id.to_string(),
            producer: said.producer.to_string(),
            kind: said.kind.to_string(),
            external_id: said.external_id.as_ref().map(ToString::to_string),
            title: said.title.as_ref().map(ToString::to_string),
            labels: json(&said.labels)?,
            metadata: json(&said.metadata)?,
            status: package.status.to_string(),
            retention_class: said.retention_class.to_string(),
            rule_version: package.rule_version.into(),
            created_at: package.created_at.unix_micros(),
            updated_at: package.updated_at.unix_micros(),
            finalized_at: package.finalized_at.map(Timestamp::unix_micros),
            expires_at: package.expires_at.map(Timestamp::unix_micros),
            on_hold: package.on_hold,
            file_count: big(package.file_count),
            total_bytes: big(package.total_bytes),
            manifest_sha256: package.manifest_sha256.map(|digest| digest.as_bytes().to_vec()),
            payload_manifest_sha256: package
                .payload_manifest_sha256
                .map(|digest| digest.as_bytes().to_vec()),
            manifest_head: None,
            failure_reason: package.failure_reason.as_ref().map(ToString::to_string),
            deleted_at: package.deleted_at.map(Timestamp::unix_micros),
            deletion_reason: package.deletion_reason.as_ref().map(ToString::to_string),
            location_id: location.to_string(),
            revision: big(package.revision),
            sealing_at: None,
            sealing_revision: None,
        };
        on_backend!(self.connection, |c| diesel::insert_into(packages::table)
            .values(&row)
            .execute(c))
        .map_err(|error| RegistryError::query(self.url, "record a package", error))?;
        self.insert_labels(&row.id, &said.labels, row.created_at)
    }

    fn insert_labels(
        &mut self,
        package: &str,
        labels: &Labels,
        created_at: i64,
    ) -> Result<(), RegistryError> {
        let rows: Vec<_> = labels
            .iter()
            .map(|(key, value)| LabelRow {
                package_id: package,
                key: key.as_str(),
                value: value.as_str(),
                created_at,
            })
            .collect();
        on_backend!(self.connection, |c| diesel::insert_into(package_labels::table)
            .values(&rows)
            .execute(c))
        .map(|_| ())
        .map_err(|error| RegistryError::query(self.url, "record labels", error))
    }

    /// Sets title and labels to what `package` says now.
    pub fn update_description(
        &mut self,
        package: &Package,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        let said = &package.description;
        let id = package.id.to_string();
        let change = (
            packages::title.eq(said.title.as_ref().map(Title::as_str)),
            packages::labels.eq(json(&said.labels)?),
            packages::updated_at.eq(now.unix_micros()),
            packages::revision.eq(packages::revision + 1),
        );
        let url = self.url;
        let failed =
            |error| RegistryError::query(url, "change a package's title and labels", error);
        diesel::update(packages::table.find(&id))
            .set(change)
            .execute(self.connection)
            .map_err(failed)?;
        diesel::delete(package_labels::table.filter(package_labels::package_id.eq(&id)))
            .execute(self.connection)
            .map_err(failed)?;
        self.insert_labels(&id, &said.labels, package.created_at.unix_micros())
    }

    /// Marks a package as given up. The caller has checked its status in this transaction.
    pub fn fail_package(
        &mut self,
        id: PackageId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        let change = (
            packages::status.eq(PackageStatus::Failed.as_str()),
            packages::failure_reason.eq(reason.as_str()),
            packages::updated_at.eq(now.unix_micros()),
            packages::revision.eq(packages::revision + 1),
        );
        diesel::update(packages::table.find(id.to_string()))
            .set(change)
            .execute(self.connection)
            .map(|_| ())
            .map_err(|error| RegistryError::query(self.url, "mark a package as failed", error))
    }
}
