//! What a package is promised: asking for it, extending it, moving it to another class.
//!
//! The rules are `artifact-retention`'s; here they get their facts, and what they decide is
//! recorded: each change writes its retention event and its audit event in its transaction.

use artifact_domain::event::{AuditAction, Origin, RetentionEventKind};
use artifact_domain::name::Reason;
use artifact_domain::retention::Hold;
use artifact_domain::wire::{ChangeRetentionClass, ExtendRetention, RetentionView};
use artifact_domain::{Package, PackageId, Timestamp};
use artifact_registry::events::{NewAuditEvent, NewRetentionEvent};
use artifact_registry::{Durability, Reader, Writer};
use artifact_retention::{change_class, decide, extend};
use serde_json::{Value, json};

use crate::clock;
use crate::error::StoreError;
use crate::open::ArtifactStore;
use crate::packages::{details, present, promise};

/// How often package and holds are read again because they were changed between two statements.
const LOOKS: usize = 3;

/// A change of what a package is promised, as both trails tell it.
pub(crate) struct Change<'a> {
    pub(crate) kind: RetentionEventKind,
    pub(crate) action: AuditAction,
    pub(crate) reason: &'a Reason,
    pub(crate) before: Value,
    pub(crate) after: Value,
}

/// Appends a change to both trails.
pub(crate) fn record_change(
    writer: &mut Writer<'_>,
    package: PackageId,
    change: Change<'_>,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), StoreError> {
    let facts = json!({"reason": change.reason, "before": change.before, "after": change.after});
    writer.append_retention_event(
        package,
        &NewRetentionEvent {
            at: now,
            origin,
            kind: change.kind,
            reason: change.reason.as_str(),
            before: change.before,
            after: change.after,
        },
    )?;
    writer.append_audit(NewAuditEvent {
        at: now,
        origin,
        action: change.action,
        package: Some(package),
        details: details(facts),
    })?;
    Ok(())
}

/// The package after a change of its retention, announced to the record beside its bytes.
pub(crate) fn changed(
    writer: &mut Writer<'_>,
    id: PackageId,
    now: Timestamp,
) -> Result<Package, StoreError> {
    let package = writer.package(id)?.ok_or(StoreError::NoPackage(id))?;
    crate::record::announce(writer, &package, now)?;
    Ok(package)
}

/// A package and its active holds, of one moment.
fn facts(reader: &mut Reader<'_>, id: PackageId) -> Result<(Package, Vec<Hold>), StoreError> {
    let mut look = || {
        let package = reader.package(id)?.ok_or(StoreError::NoPackage(id))?;
        let holds = reader.active_holds(id)?;
        Ok::<_, StoreError>((package, holds))
    };
    let mut seen = look()?;
    for _ in 1..LOOKS {
        let (package, holds) = &seen;
        if package.on_hold != holds.is_empty() {
            break;
        }
        // Somebody placed or released a hold between the two statements.
        seen = look()?;
    }
    Ok(seen)
}

/// Sets what was decided, records it and answers how it is now.
fn set(
    writer: &mut Writer<'_>,
    before: &Package,
    after: &Package,
    change: (RetentionEventKind, AuditAction, &Reason),
    origin: &Origin,
    now: Timestamp,
) -> Result<(Package, RetentionView), StoreError> {
    let id = before.id;
    let class = &after.description.retention_class;
    writer.set_retention(id, class, after.rule_version, after.expires_at, now)?;
    let (kind, action, reason) = change;
    let change = Change { kind, action, reason, before: promise(before), after: promise(after) };
    record_change(writer, id, change, origin, now)?;
    let package = changed(writer, id, now)?;
    let view = view(writer, &package, now)?;
    Ok((package, view))
}

fn view(
    reader: &mut Reader<'_>,
    package: &Package,
    now: Timestamp,
) -> Result<RetentionView, StoreError> {
    let holds = reader.active_holds(package.id)?;
    let decision = decide(package, &holds, now);
    Ok(RetentionView::new(package, holds, decision))
}

impl ArtifactStore {
    /// What a package is promised, and what every rule says to deleting it at `at`: now, or any
    /// other time. The holds are those that are active now. A deleted package still answers.
    pub async fn retention(
        &self,
        id: PackageId,
        at: Option<Timestamp>,
    ) -> Result<RetentionView, StoreError> {
        self.run(move |parts| {
            parts.registry.read(|reader| {
                let (package, holds) = facts(reader, id)?;
                let decision = decide(&package, &holds, at.unwrap_or_else(clock::now));
                Ok::<_, StoreError>(RetentionView::new(&package, holds, decision))
            })
        })
        .await
    }

    /// Moves the expiry of a package to a later time. The same time is no change and leaves no
    /// trace.
    ///
    /// # Errors
    /// [`StoreError::Extension`] if `request` does not say until when in exactly one way;
    /// [`StoreError::NotExtended`] if that lies in the past or before the present expiry.
    pub async fn extend_retention(
        &self,
        id: PackageId,
        request: ExtendRetention,
    ) -> Result<RetentionView, StoreError> {
        self.ledger()?;
        let asked = request.extension()?;
        let origin = self.origin.clone();
        let (package, view) = self
            .run(move |parts| {
                parts.registry.write(Durability::Synced, |writer| {
                    let before = present(writer, id)?;
                    let now = clock::now();
                    let expires_at = extend(before.expires_at, asked, now)
                        .map_err(|refusal| StoreError::NotExtended { package: id, refusal })?;
                    if expires_at == before.expires_at {
                        let view = view(writer, &before, now)?;
                        return Ok((None, view));
                    }
                    let after = Package { expires_at, ..before.clone() };
                    let change = (
                        RetentionEventKind::Extended,
                        AuditAction::RetentionExtended,
                        &request.reason,
                    );
                    let (package, view) = set(writer, &before, &after, change, &origin, now)?;
                    Ok::<_, StoreError>((Some(package), view))
                })
            })
            .await?;
        self.follow(package).await;
        Ok(view)
    }

    /// Puts a package into another class, or into the present version of its own. Its expiry is
    /// then what that class gives from its finalize, or from its creation while it is open.
    ///
    /// # Errors
    /// [`StoreError::NoClass`], and [`StoreError::NotReclassified`] if it would be kept for less
    /// long than it was promised.
    pub async fn change_retention_class(
        &self,
        id: PackageId,
        request: ChangeRetentionClass,
    ) -> Result<RetentionView, StoreError> {
        self.ledger()?;
        let origin = self.origin.clone();
        let (package, view) = self
            .run(move |parts| {
                parts.registry.write(Durability::Synced, |writer| {
                    let before = present(writer, id)?;
                    let rule = crate::classes::current(writer, &request.retention_class)?;
                    let expires_at = change_class(&before, &rule)
                        .map_err(|refusal| StoreError::NotReclassified { package: id, refusal })?;
                    let mut after =
                        Package { expires_at, rule_version: rule.version, ..before.clone() };
                    after.description.retention_class = rule.class;
                    let change = (
                        RetentionEventKind::ClassChanged,
                        AuditAction::RetentionClassChanged,
                        &request.reason,
                    );
                    set(writer, &before, &after, change, &origin, clock::now())
                })
            })
            .await?;
        self.follow(Some(package)).await;
        Ok(view)
    }
}
