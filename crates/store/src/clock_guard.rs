//! The guard of the clock: nothing is deleted by a clock that contradicts what was seen before.
//!
//! The registry keeps the latest time that was seen. A clock that stands far before it, or far
//! behind it, suspends deletion for every process on this registry until an admin has looked at
//! it. Everything else goes on: a wrong date on a package can be explained, a deleted one is gone.

use artifact_domain::Timestamp;
use artifact_domain::event::{AuditAction, Origin};
use artifact_domain::name::Reason;
use artifact_domain::retention::{ClockRecord, RetentionReason};
use artifact_domain::wire::ClockView;
use artifact_registry::events::NewAuditEvent;
use artifact_registry::{Durability, Reader, Writer};
use artifact_retention::{ClockTolerance, ClockVerdict, clock_reason, judge_clock};
use serde_json::json;

use crate::clock;
use crate::error::StoreError;
use crate::open::ArtifactStore;
use crate::packages::details;

/// What the guard found.
pub(crate) struct Guarded {
    before: Option<ClockRecord>,
    /// What the registry is to know from now on.
    after: ClockRecord,
}

impl Guarded {
    /// Why nothing is deleted, if so.
    pub(crate) fn reason(&self) -> Option<RetentionReason> {
        self.after.suspended_at.map(|found_at| clock_reason(self.after.seen_at, found_at))
    }

    /// What was found, as an answer.
    pub(crate) fn view(&self) -> ClockView {
        view(Some(self.after))
    }
}

/// Holds the clock against what was seen before.
pub(crate) fn look(
    reader: &mut Reader<'_>,
    tolerance: ClockTolerance,
    now: Timestamp,
) -> Result<Guarded, StoreError> {
    let before = reader.clock()?;
    let after = match before {
        None => ClockRecord { seen_at: now, suspended_at: None },
        Some(record) if record.suspended_at.is_some() => record,
        Some(record) => match judge_clock(record, now, tolerance) {
            ClockVerdict::Trusted => {
                ClockRecord { seen_at: record.seen_at.max(now), suspended_at: None }
            }
            ClockVerdict::Behind { .. } | ClockVerdict::Ahead { .. } => {
                ClockRecord { suspended_at: Some(now), ..record }
            }
        },
    };
    Ok(Guarded { before, after })
}

/// Records what the guard found; that deletion is suspended from now on is audited.
pub(crate) fn record(
    writer: &mut Writer<'_>,
    guarded: &Guarded,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Guarded { before, after } = guarded;
    if *before == Some(*after) {
        return Ok(());
    }
    writer.set_clock(*after)?;
    if let Some(reason) = guarded.reason() {
        tracing::error!("{}", reason.detail);
        writer.append_audit(NewAuditEvent {
            at: now,
            origin,
            action: AuditAction::ClockSuspended,
            package: None,
            details: details(json!({
                "seen_at": after.seen_at,
                "found_at": after.suspended_at,
                "detail": reason.detail,
            })),
        })?;
    }
    Ok(())
}

/// What is known of the clock, as an answer.
fn view(record: Option<ClockRecord>) -> ClockView {
    let found_at = record.and_then(|record| record.suspended_at);
    ClockView {
        suspended: found_at.is_some(),
        seen_at: record.map(|record| record.seen_at),
        found_at,
        detail: record
            .zip(found_at)
            .map(|(record, found_at)| clock_reason(record.seen_at, found_at).detail),
    }
}

impl ArtifactStore {
    /// Lets the registry see the time. A server does this every minute, so that a leap of its
    /// clock is found out and a long rest is not taken for one.
    pub async fn observe_clock(&self) -> Result<ClockView, StoreError> {
        self.ledger()?;
        let origin = self.origin.clone();
        self.run(move |parts| {
            parts.registry.write(Durability::Relaxed, |writer| {
                let now = clock::now();
                let guarded = look(writer, parts.clock_tolerance, now)?;
                record(writer, &guarded, &origin, now)?;
                Ok::<_, StoreError>(guarded.view())
            })
        })
        .await
    }

    /// What the guard of the clock last found.
    pub async fn clock(&self) -> Result<ClockView, StoreError> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method alone has one lifetime too few"
        )]
        let record = self.run(|parts| parts.registry.read(|reader| reader.clock())).await?;
        Ok(view(record))
    }

    /// Says that the clock is right as it is now: deletion is allowed again, and later times are
    /// held against this one.
    pub async fn acknowledge_clock(&self, reason: Reason) -> Result<ClockView, StoreError> {
        self.ledger()?;
        let origin = self.origin.clone();
        self.run(move |parts| {
            parts.registry.write(Durability::Synced, |writer| {
                let before = writer.clock()?;
                let now = clock::now();
                let after = ClockRecord { seen_at: now, suspended_at: None };
                writer.set_clock(after)?;
                writer.append_audit(NewAuditEvent {
                    at: now,
                    origin: &origin,
                    action: AuditAction::ClockAcknowledged,
                    package: None,
                    details: details(json!({
                        "reason": reason,
                        "before": view(before),
                        "after": view(Some(after)),
                    })),
                })?;
                Ok::<_, StoreError>(view(Some(after)))
            })
        })
        .await
    }
}
