//! Retention and audit events. Rows are appended; the database itself refuses anything else.

use artifact_domain::event::{AuditAction, AuditEvent, Origin, RetentionEvent, RetentionEventKind};
use artifact_domain::filter::AuditFilter;
use artifact_domain::name::{Actor, RequestId};
use artifact_domain::{PackageId, Timestamp};
use diesel::dsl::{max, min};
use diesel::prelude::*;
use serde_json::{Map, Value};

use crate::connection::{Backend, on_backend};
use crate::error::RegistryError;
use crate::packages::{big, column};
use crate::read::Reader;
use crate::schema::{audit_events, retention_events};
use crate::write::Writer;

/// An audit event that is to be appended.
#[derive(Debug, Clone)]
pub struct NewAuditEvent<'a> {
    /// When.
    pub at: Timestamp,
    /// Who, in which request.
    pub origin: &'a Origin,
    /// What.
    pub action: AuditAction,
    /// On which package.
    pub package: Option<PackageId>,
    /// The facts.
    pub details: Map<String, Value>,
}

/// A retention event that is to be appended.
#[derive(Debug, Clone)]
pub struct NewRetentionEvent<'a> {
    /// When.
    pub at: Timestamp,
    /// Who, in which request.
    pub origin: &'a Origin,
    /// What.
    pub kind: RetentionEventKind,
    /// Why.
    pub reason: &'a str,
    /// The promise before.
    pub before: Value,
    /// The promise after.
    pub after: Value,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_events)]
struct AuditRow {
    seq: i64,
    at: i64,
    actor: String,
    action: String,
    package_id: Option<String>,
    request_id: Option<String>,
    details: String,
}

impl TryFrom<AuditRow> for AuditEvent {
    type Error = RegistryError;

    fn try_from(row: AuditRow) -> Result<Self, RegistryError> {
        let what = "audit event";
        let key = row.seq.to_string();
        let package = row.package_id.map(|id| id.parse()).transpose();
        let action = AuditAction::from_name(&row.action).ok_or("unknown action");
        Ok(Self {
            seq: column(what, &key, "seq", u64::try_from(row.seq))?,
            at: column(what, &key, "at", Timestamp::from_unix_micros(row.at))?,
            actor: column(what, &key, "actor", Actor::parse(row.actor))?,
            action: column(what, &key, "action", action)?,
            package_id: column(what, &key, "package_id", package)?,
            request_id: column(
                what,
                &key,
                "request_id",
                row.request_id.map(RequestId::parse).transpose(),
            )?,
            details: column(what, &key, "details", serde_json::from_str(&row.details))?,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = retention_events)]
struct RetentionRow {
    seq: i64,
    kind: String,
    actor: String,
    at: i64,
    request_id: Option<String>,
    reason: String,
    before: String,
    after: String,
}

impl TryFrom<RetentionRow> for RetentionEvent {
    type Error = RegistryError;

    fn try_from(row: RetentionRow) -> Result<Self, RegistryError> {
        let what = "retention event";
        let key = row.seq.to_string();
        let kind = RetentionEventKind::from_name(&row.kind).ok_or("unknown kind");
        Ok(Self {
            seq: column(what, &key, "seq", u64::try_from(row.seq))?,
            kind: column(what, &key, "kind", kind)?,
            actor: column(what, &key, "actor", Actor::parse(row.actor))?,
            at: column(what, &key, "at", Timestamp::from_unix_micros(row.at))?,
            request_id: column(
                what,
                &key,
                "request_id",
                row.request_id.map(RequestId::parse).transpose(),
            )?,
            reason: row.reason,
            before: column(what, &key, "before", serde_json::from_str(&row.before))?,
            after: column(what, &key, "after", serde_json::from_str(&row.after))?,
        })
    }
}

/// A part of the audit trail, by `seq`.
struct Place {
    behind: i64,
    up_to: i64,
}

impl Reader<'_> {
    /// The audit events that meet `filter` behind the event `after` (0: from the beginning),
    /// oldest first, at most `limit`.
    ///
    /// In the order of `seq`: a clock that was set back does not change the order of a trail that
    /// somebody is reading.
    pub fn audit_events(
        &mut self,
        filter: &AuditFilter,
        after: u64,
        limit: u32,
    ) -> Result<Vec<AuditEvent>, RegistryError> {
        let Some(place) = self.audit_place(filter, after)? else { return Ok(Vec::new()) };
        let mut query = audit_events::table
            .filter(audit_events::seq.gt(place.behind))
            .filter(audit_events::seq.le(place.up_to))
            .order(audit_events::seq.asc())
            .limit(limit.into())
            .select(AuditRow::as_select())
            .into_boxed::<Backend>();
        if let Some(package) = filter.package {
            query =
                query.filter(audit_events::package_id.assume_not_null().eq(package.to_string()));
        }
        if let Some(action) = filter.action {
            query = query.filter(audit_events::action.eq(action.as_str()));
        }
        if let Some(actor) = &filter.actor {
            query = query.filter(audit_events::actor.eq(actor.to_string()));
        }
        // The sums keep the databases from sorting what the index of times gives: the way along
        // `seq` has been narrowed by it.
        if let Some(after) = filter.after {
            query = query.filter((audit_events::at + 0).gt(after.unix_micros()));
        }
        if let Some(before) = filter.before {
            query = query.filter((audit_events::at + 0).lt(before.unix_micros()));
        }
        let rows: Vec<AuditRow> = query
            .load(self.connection)
            .map_err(|error| RegistryError::query(self.url, "list audit events", error))?;
        rows.into_iter().map(AuditEvent::try_from).collect()
    }

    /// Where in the trail the events lie that happened in the filter's time; `None` if nowhere.
    ///
    /// Times mostly rise with `seq`, so this is a short way that begins near its first event and
    /// ends near its last; without it a list of this week would walk through all the years before.
    /// It reads the index of times alone. A package's own trail is short anyway, and a page that
    /// goes on has its beginning.
    fn audit_place(
        &mut self,
        filter: &AuditFilter,
        after: u64,
    ) -> Result<Option<Place>, RegistryError> {
        let place = Place { behind: big(after), up_to: i64::MAX };
        let (None, Some(begin)) = (filter.package, filter.after) else { return Ok(Some(place)) };
        if after > 0 && filter.before.is_none() {
            return Ok(Some(place));
        }
        let end = filter.before.map_or(i64::MAX, Timestamp::unix_micros);
        let (first, last): (Option<i64>, Option<i64>) = audit_events::table
            .filter(audit_events::at.gt(begin.unix_micros()))
            .filter(audit_events::at.lt(end))
            .select((min(audit_events::seq), max(audit_events::seq)))
            .first(self.connection)
            .map_err(|error| RegistryError::query(self.url, "look for a time", error))?;
        Ok(first.zip(last).map(|(first, last)| Place {
            behind: place.behind.max(first - 1),
            up_to: if filter.before.is_some() { last } else { i64::MAX },
        }))
    }

    /// The retention events of a package behind `after`, oldest first.
    pub fn retention_events(
        &mut self,
        package: PackageId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<RetentionEvent>, RegistryError> {
        let rows: Vec<RetentionRow> = retention_events::table
            .filter(retention_events::package_id.eq(package.to_string()))
            .filter(retention_events::seq.gt(big(after)))
            .order(retention_events::seq.asc())
            .limit(limit.into())
            .select(RetentionRow::as_select())
            .load(self.connection)
            .map_err(|error| {
                RegistryError::query(self.url, "read the retention events of a package", error)
            })?;
        rows.into_iter().map(RetentionEvent::try_from).collect()
    }
}

impl Writer<'_> {
    /// Appends an audit event.
    pub fn append_audit(&mut self, event: NewAuditEvent<'_>) -> Result<(), RegistryError> {
        let values = (
            audit_events::at.eq(event.at.unix_micros()),
            audit_events::actor.eq(event.origin.actor.as_str()),
            audit_events::action.eq(event.action.as_str()),
            audit_events::package_id.eq(event.package.map(|id| id.to_string())),
            audit_events::request_id.eq(event.origin.request_id.as_ref().map(RequestId::as_str)),
            audit_events::details.eq(Value::Object(event.details).to_string()),
        );
        on_backend!(self.connection, |c| diesel::insert_into(audit_events::table)
            .values(values)
            .execute(c))
        .map(|_| ())
        .map_err(|error| RegistryError::query(self.url, "append an audit event", error))
    }

    /// Appends a retention event of a package.
    pub fn append_retention_event(
        &mut self,
        package: PackageId,
        event: &NewRetentionEvent<'_>,
    ) -> Result<(), RegistryError> {
        let values = (
            retention_events::package_id.eq(package.to_string()),
            retention_events::kind.eq(event.kind.as_str()),
            retention_events::actor.eq(event.origin.actor.as_str()),
            retention_events::at.eq(event.at.unix_micros()),
            retention_events::request_id.eq(event
                .origin
                .request_id
                .as_ref()
                .map(RequestId::as_str)),
            retention_events::reason.eq(event.reason),
            retention_events::before.eq(event.before.to_string()),
            retention_events::after.eq(event.after.to_string()),
        );
        on_backend!(self.connection, |c| diesel::insert_into(retention_events::table)
            .values(values)
            .execute(c))
        .map(|_| ())
        .map_err(|error| RegistryError::query(self.url, "append a retention event", error))
    }
}
