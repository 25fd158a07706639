//! Retention classes: what there are, and new versions of them.

use artifact_domain::event::AuditAction;
use artifact_domain::name::RetentionClassName;
use artifact_domain::retention::{RetentionPeriod, RetentionRule};
use artifact_domain::wire::PutRetentionClass;
use artifact_registry::events::NewAuditEvent;
use artifact_registry::{Durability, Reader};
use serde_json::{Value, json};

use crate::clock;
use crate::error::StoreError;
use crate::open::ArtifactStore;
use crate::packages::details;

/// The version of a class that is for packages to come.
pub(crate) fn current(
    reader: &mut Reader<'_>,
    class: &RetentionClassName,
) -> Result<RetentionRule, StoreError> {
    if let Some(rule) = reader.current_rule(class)? {
        return Ok(rule);
    }
    let known = reader.current_rules()?.iter().map(|rule| rule.class.to_string()).collect();
    Err(StoreError::NoClass { class: class.clone(), known })
}

/// What a rule says, as the audit trail records it.
fn said(rule: &RetentionRule) -> Value {
    let period_days = match rule.period {
        RetentionPeriod::Days(days) => Some(days),
        RetentionPeriod::Permanent => None,
    };
    json!({
        "version": rule.version,
        "period_days": period_days,
        "description": rule.description,
    })
}

/// A class after it was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutClass {
    /// Its new version.
    pub rule: RetentionRule,
    /// Whether there was no such class before.
    pub added: bool,
}

impl ArtifactStore {
    /// The retention classes, by name, in the versions that are for packages to come.
    pub async fn retention_classes(&self) -> Result<Vec<RetentionRule>, StoreError> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method alone has one lifetime too few"
        )]
        self.run(|parts| parts.registry.read(|reader| reader.current_rules())).await
    }

    /// Adds a class, or a version to one. Packages that are there keep the version that they have.
    pub async fn put_retention_class(
        &self,
        class: RetentionClassName,
        request: PutRetentionClass,
    ) -> Result<PutClass, StoreError> {
        self.ledger()?;
        let origin = self.origin.clone();
        self.run(move |parts| {
            parts.registry.write(Durability::Synced, |writer| {
                writer.lock_rules()?;
                let before = writer.current_rule(&class)?;
                let now = clock::now();
                let described = request.description.as_ref().map(ToString::to_string);
                let kept = || before.as_ref().map(|before| before.description.clone());
                let rule = RetentionRule {
                    version: before.as_ref().map_or(0, |before| before.version) + 1,
                    period: request.period(),
                    description: described.or_else(kept).unwrap_or_default(),
                    updated_at: now,
                    class,
                };
                writer.insert_rule(&rule)?;
                let added = before.is_none();
                let action =
                    if added { AuditAction::ClassAdded } else { AuditAction::ClassChanged };
                writer.append_audit(NewAuditEvent {
                    at: now,
                    origin: &origin,
                    action,
                    package: None,
                    details: details(json!({
                        "retention_class": rule.class,
                        "before": before.as_ref().map(said),
                        "after": said(&rule),
                    })),
                })?;
                Ok::<_, StoreError>(PutClass { rule, added })
            })
        })
        .await
    }
}
