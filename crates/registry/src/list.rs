//! Lists of packages: filtered, newest first, paged by key.

use artifact_domain::cursor::PackageCursor;
use artifact_domain::filter::PackageFilter;
use artifact_domain::{Package, PackageStatus, Timestamp};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::connection::Backend;
use crate::error::RegistryError;
use crate::packages::PackageRow;
use crate::read::Reader;
use crate::schema::{package_labels, packages};

/// A condition on a package, whatever the tables that the query begins with.
type Condition = Box<dyn BoxableExpression<packages::table, Backend, SqlType = Bool>>;
/// A condition on a package in the list of those that carry a label.
type LabelledCondition = Box<
    dyn BoxableExpression<
            diesel::dsl::InnerJoinQuerySource<package_labels::table, packages::table>,
            Backend,
            SqlType = Bool,
        >,
>;

/// Pushes each condition of the filter but the labels. A macro, because the conditions have
/// different types over `packages` and over `package_labels` joined with it.
macro_rules! conditions {
    ($conditions:ident, $filter:ident, $now:ident, $type:ty) => {{
        let mut push = |condition: $type| $conditions.push(condition);
        if let Some(status) = $filter.status {
            push(Box::new(packages::status.eq(status.as_str())));
        }
        if let Some(producer) = &$filter.producer {
            push(Box::new(packages::producer.eq(producer.to_string())));
        }
        if let Some(kind) = &$filter.kind {
            push(Box::new(packages::kind.eq(kind.to_string())));
        }
        if let Some(external_id) = &$filter.external_id {
            push(Box::new(packages::external_id.assume_not_null().eq(external_id.to_string())));
        }
        if let Some(class) = &$filter.retention_class {
            push(Box::new(packages::retention_class.eq(class.to_string())));
        }
        if let Some(on_hold) = $filter.on_hold {
            push(Box::new(packages::on_hold.eq(on_hold)));
        }
        if let Some(after) = $filter.created_after {
            push(Box::new(packages::created_at.gt(after.unix_micros())));
        }
        if let Some(before) = $filter.created_before {
            push(Box::new(packages::created_at.lt(before.unix_micros())));
        }
        if let Some(after) = $filter.expires_after {
            let never = packages::expires_at.is_null();
            push(Box::new(
                never.or(packages::expires_at.assume_not_null().gt(after.unix_micros())),
            ));
        }
        if let Some(before) = $filter.expires_before {
            push(Box::new(packages::expires_at.is_not_null()));
            push(Box::new(packages::expires_at.assume_not_null().lt(before.unix_micros())));
        }
        if $filter.eligible {
            // The predicate of `artifact_retention::is_eligible`, in SQL; a test of the store
            // holds the two against each other.
            push(Box::new(
                packages::status
                    .eq_any([PackageStatus::Finalized.as_str(), PackageStatus::Failed.as_str()]),
            ));
            push(Box::new(packages::on_hold.eq(false)));
            push(Box::new(packages::expires_at.is_not_null()));
            push(Box::new(packages::expires_at.assume_not_null().lt($now.unix_micros())));
        }
    }};
}

impl Reader<'_> {
    /// One page of the packages that meet `filter`, newest first, beginning behind `after`,
    /// at most `limit`. `now` decides what is eligible for deletion.
    pub fn packages(
        &mut self,
        filter: &PackageFilter,
        after: Option<PackageCursor>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Package>, RegistryError> {
        // Without a cursor the list begins behind the end of time: the query is the same, and the
        // index is entered at a key instead of being walked from its end.
        let (at, id) = after.map_or((i64::MAX, String::new()), |cursor| {
            (cursor.created_at.unix_micros(), cursor.id.to_string())
        });
        let rows = match filter.labels.iter().next() {
            None => self.all_packages(filter, at, &id, limit, now),
            Some(_) => self.labelled_packages(filter, at, &id, limit, now),
        };
        rows.map_err(|error| RegistryError::query(self.url, "list packages", error))?
            .into_iter()
            .map(Package::try_from)
            .collect()
    }

    fn all_packages(
        &mut self,
        filter: &PackageFilter,
        at: i64,
        id: &str,
        limit: u32,
        now: Timestamp,
    ) -> QueryResult<Vec<PackageRow>> {
        let mut conditions: Vec<Condition> = Vec::new();
        conditions!(conditions, filter, now, Condition);
        let mut query = packages::table
            .select(PackageRow::as_select())
            .filter(packages::created_at.le(at))
            .filter(packages::created_at.lt(at).or(packages::id.lt(id)))
            .order((packages::created_at.desc(), packages::id.desc()))
            .limit(limit.into())
            .into_boxed::<Backend>();
        for condition in conditions {
            query = query.filter(condition);
        }
        query.load(self.connection)
    }

    /// The list driven by the first label's index, which ends in the order of the list; the other
    /// labels and conditions are looked up for each row of it.
    fn labelled_packages(
        &mut self,
        filter: &PackageFilter,
        at: i64,
        id: &str,
        limit: u32,
        now: Timestamp,
    ) -> QueryResult<Vec<PackageRow>> {
        let mut conditions: Vec<LabelledCondition> = Vec::new();
        conditions!(conditions, filter, now, LabelledCondition);
        let mut query = package_labels::table
            .inner_join(packages::table)
            .select(PackageRow::as_select())
            .filter(package_labels::created_at.le(at))
            .filter(package_labels::created_at.lt(at).or(package_labels::package_id.lt(id)))
            .order((package_labels::created_at.desc(), package_labels::package_id.desc()))
            .limit(limit.into())
            .into_boxed::<Backend>();
        let mut labels = filter.labels.iter();
        if let Some((key, value)) = labels.next() {
            query = query
                .filter(package_labels::key.eq(key.as_str()))
                .filter(package_labels::value.eq(value.as_str()));
        }
        let other = diesel::alias!(package_labels as other);
        for (key, value) in labels {
            query = query.filter(diesel::dsl::exists(
                other
                    .filter(other.field(package_labels::package_id).eq(packages::id))
                    .filter(other.field(package_labels::key).eq(key.as_str()))
                    .filter(other.field(package_labels::value).eq(value.as_str())),
            ));
        }
        for condition in conditions {
            query = query.filter(condition);
        }
        query.load(self.connection)
    }
}
