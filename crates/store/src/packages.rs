//! Packages: create, look up, list, update, fail.

use artifact_domain::cursor::PackageCursor;
use artifact_domain::event::{AuditAction, Origin, RetentionEventKind};
use artifact_domain::filter::{PackageFilter, PageLimit};
use artifact_domain::label::Labels;
use artifact_domain::name::{Kind, Reason, RetentionClassName};
use artifact_domain::package::{DEFAULT_KIND, PackageDescription};
use artifact_domain::retention::DEFAULT_CLASS;
use artifact_domain::wire::{CreatePackage, Page, Summary, UpdatePackage};
use artifact_domain::{Package, PackageId, PackageStatus, Timestamp};
use artifact_registry::events::{NewAuditEvent, NewRetentionEvent};
use artifact_registry::{Durability, Reader, Writer};
use artifact_retention::expiry_at_create;
use serde_json::{Map, Value, json};

use crate::clock;
use crate::error::StoreError;
use crate::open::ArtifactStore;
use crate::page::{page, wanted};
use crate::retention::changed;

/// A name that stands in this program; a test parses both.
fn default_name<T>(parsed: Result<T, artifact_domain::name::InvalidName>) -> T {
    parsed.unwrap_or_else(|_| unreachable!("the default keeps the rule of its type"))
}

fn described(request: CreatePackage) -> PackageDescription {
    PackageDescription {
        producer: request.producer,
        kind: request.kind.unwrap_or_else(|| default_name(Kind::parse(DEFAULT_KIND))),
        external_id: request.external_id,
        title: request.title,
        retention_class: request
            .retention_class
            .unwrap_or_else(|| default_name(RetentionClassName::parse(DEFAULT_CLASS))),
        labels: request.labels,
        metadata: request.metadata,
    }
}

/// What a package is promised, as retention events record it.
pub(crate) fn promise(package: &Package) -> Value {
    json!({
        "retention_class": package.description.retention_class,
        "rule_version": package.rule_version,
        "expires_at": package.expires_at,
    })
}

/// The facts of an audit event.
pub(crate) fn details(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The package, if there is one and it was not deleted.
pub(crate) fn present(reader: &mut Reader<'_>, id: PackageId) -> Result<Package, StoreError> {
    let package = reader.package(id)?.ok_or(StoreError::NoPackage(id))?;
    match (&package.deleted_at, &package.deletion_reason) {
        (Some(deleted_at), Some(reason)) => Err(StoreError::Deleted {
            package: id,
            deleted_at: *deleted_at,
            reason: reason.clone(),
        }),
        _ => Ok(package),
    }
}

/// The package, if files may still come and go.
pub(crate) fn open_package(reader: &mut Reader<'_>, id: PackageId) -> Result<Package, StoreError> {
    let package = present(reader, id)?;
    if package.status.is_open() {
        return Ok(package);
    }
    let needed = "its files can only be changed before it is finalized or failed";
    Err(StoreError::WrongStatus { package: id, status: package.status, needed })
}

fn create(
    writer: &mut Writer<'_>,
    said: PackageDescription,
    location: artifact_domain::id::StorageId,
    origin: &Origin,
    now: Timestamp,
) -> Result<Package, StoreError> {
    if let Some(external_id) = &said.external_id
        && let Some(existing) = writer.package_by_external_id(&said.producer, external_id)?
    {
        return Err(StoreError::PackageExists {
            producer: said.producer,
            external_id: external_id.clone(),
            package: existing.id,
        });
    }
    let class = &said.retention_class;
    let rule = crate::classes::current(writer, class)?;
    let package = Package {
        id: PackageId::generate(now),
        rule_version: rule.version,
        status: PackageStatus::Created,
        created_at: now,
        updated_at: now,
        finalized_at: None,
        expires_at: expiry_at_create(rule.period, now),
        on_hold: false,
        file_count: 0,
        total_bytes: 0,
        manifest_sha256: None,
        payload_manifest_sha256: None,
        failure_reason: None,
        deleted_at: None,
        deletion_reason: None,
        revision: 1,
        description: said,
    };
    writer.insert_package(&package, location)?;
    writer.append_retention_event(
        package.id,
        &NewRetentionEvent {
            at: now,
            origin,
            kind: RetentionEventKind::ExpirySet,
            reason: "the retention class at create",
            before: Value::Null,
            after: promise(&package),
        },
    )?;
    let said = &package.description;
    writer.append_audit(NewAuditEvent {
        at: now,
        origin,
        action: AuditAction::PackageCreated,
        package: Some(package.id),
        details: details(json!({
            "producer": said.producer,
            "kind": said.kind,
            "external_id": said.external_id,
            "retention_class": said.retention_class,
            "expires_at": package.expires_at,
        })),
    })?;
    Ok(package)
}

impl ArtifactStore {
    /// Announces a package. Its expiry is its class's period from now.
    ///
    /// # Errors
    /// [`StoreError::PackageExists`] if the producer has this external id already;
    /// [`StoreError::NoClass`] for a class that the store does not know.
    pub async fn create_package(&self, request: CreatePackage) -> Result<Package, StoreError> {
        self.ledger()?;
        let origin = self.origin.clone();
        let said = described(request);
        let location = self.parts.storage.id();
        self.run(move |parts| {
            let now = clock::now();
            // Synced: the answer gives away an id, and an id that was given away stays.
            parts
                .registry
                .write(Durability::Synced, |writer| create(writer, said, location, &origin, now))
        })
        .await
    }

    /// The package with this id; a deleted one too.
    pub async fn package(&self, id: PackageId) -> Result<Package, StoreError> {
        self.run(move |parts| {
            parts.registry.read(|reader| reader.package(id)?.ok_or(StoreError::NoPackage(id)))
        })
        .await
    }

    /// Why the bytes of a package could not be read: `error`, or that it was deleted meanwhile.
    pub(crate) async fn unless_deleted(&self, id: PackageId, error: StoreError) -> StoreError {
        let looked = self.run(move |parts| parts.registry.read(|reader| present(reader, id))).await;
        match looked {
            Err(deleted @ StoreError::Deleted { .. }) => deleted,
            _ => error,
        }
    }

    /// The record of a package for a tracker. An embedded store has no address, so `url` is null.
    pub async fn summary(&self, id: PackageId) -> Result<Summary, StoreError> {
        Ok(Summary::new(&self.package(id).await?, None))
    }

    /// One page of the packages that meet `filter`, newest first.
    pub async fn packages(
        &self,
        filter: PackageFilter,
        cursor: Option<String>,
        limit: PageLimit,
    ) -> Result<Page<Package>, StoreError> {
        let after = cursor.map(|text| PackageCursor::decode(&text, &filter)).transpose()?;
        self.run(move |parts| {
            let items = parts
                .registry
                .read(|reader| reader.packages(&filter, after, wanted(limit), clock::now()))?;
            let cursor = |last: &Package| {
                PackageCursor { created_at: last.created_at, id: last.id }.encode(&filter)
            };
            Ok::<_, StoreError>(page(items, limit, cursor))
        })
        .await
    }

    /// Changes title and labels, at any time before deletion. `expected_revision` refuses the
    /// change if the package is not as the caller saw it.
    pub async fn update_package(
        &self,
        id: PackageId,
        change: UpdatePackage,
        expected_revision: Option<u64>,
    ) -> Result<Package, StoreError> {
        self.ledger()?;
        let origin = self.origin.clone();
        let updated = self
            .run(move |parts| {
                parts.registry.write(Durability::Synced, |writer| {
                    let mut package = present(writer, id)?;
                    if let Some(expected) =
                        expected_revision.filter(|expected| *expected != package.revision)
                    {
                        return Err(StoreError::Changed {
                            package: id,
                            expected,
                            actual: package.revision,
                        });
                    }
                    let said = &mut package.description;
                    let before: (_, Labels) = (said.title.clone(), said.labels.clone());
                    said.title = change.title.unwrap_or_else(|| before.0.clone());
                    said.labels = change.labels.unwrap_or_else(|| before.1.clone());
                    let now = clock::now();
                    writer.update_description(&package, now)?;
                    let said = &package.description;
                    writer.append_audit(NewAuditEvent {
                        at: now,
                        origin: &origin,
                        action: AuditAction::PackageUpdated,
                        package: Some(id),
                        details: details(json!({
                            "before": {"title": before.0, "labels": before.1},
                            "after": {"title": said.title, "labels": said.labels},
                        })),
                    })?;
                    changed(writer, id, now)
                })
            })
            .await?;
        self.follow(Some(updated.clone())).await;
        Ok(updated)
    }

    /// Gives a package up that was not finalized. Its files stay until it is deleted.
    pub async fn fail_package(&self, id: PackageId, reason: Reason) -> Result<Package, StoreError> {
        self.ledger()?;
        let origin = self.origin.clone();
        self.run(move |parts| {
            parts.registry.write(Durability::Synced, |writer| {
                let package = present(writer, id)?;
                if !package.status.may_become(PackageStatus::Failed) {
                    let needed = "only a package that is not finalized can be failed";
                    return Err(StoreError::WrongStatus {
                        package: id,
                        status: package.status,
                        needed,
                    });
                }
                let now = clock::now();
                writer.fail_package(id, &reason, now)?;
                writer.append_audit(NewAuditEvent {
                    at: now,
                    origin: &origin,
                    action: AuditAction::PackageFailed,
                    package: Some(id),
                    details: details(json!({"reason": reason})),
                })?;
                writer.package(id)?.ok_or(StoreError::NoPackage(id))
            })
        })
        .await
    }
}
