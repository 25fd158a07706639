//! Retention rules: versions of retention classes.

use artifact_domain::Timestamp;
use artifact_domain::name::RetentionClassName;
use artifact_domain::retention::{RetentionPeriod, RetentionRule};
use diesel::prelude::*;

use crate::connection::on_backend;
use crate::error::RegistryError;
use crate::packages::column;
use crate::read::Reader;
use crate::schema::retention_rules;
use crate::write::Writer;

/// What a transaction locks that adds a class or a version of one.
const LOCK: &str = "retention classes";

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = retention_rules, treat_none_as_default_value = false)]
struct RuleRow {
    class: String,
    version: i64,
    period_days: Option<i64>,
    description: String,
    updated_at: i64,
}

impl TryFrom<RuleRow> for RetentionRule {
    type Error = RegistryError;

    fn try_from(row: RuleRow) -> Result<Self, RegistryError> {
        let what = "retention rule";
        let key = format!("{} version {}", row.class, row.version);
        let days = row.period_days.map(u32::try_from).transpose();
        Ok(Self {
            class: column(what, &key, "class", row.class.parse())?,
            version: column(what, &key, "version", u32::try_from(row.version))?,
            period: column(what, &key, "period_days", days)?
                .map_or(RetentionPeriod::Permanent, RetentionPeriod::Days),
            description: row.description,
            updated_at: column(
                what,
                &key,
                "updated_at",
                Timestamp::from_unix_micros(row.updated_at),
            )?,
        })
    }
}

impl Reader<'_> {
    /// The version of a class that is for packages to come.
    pub fn current_rule(
        &mut self,
        class: &RetentionClassName,
    ) -> Result<Option<RetentionRule>, RegistryError> {
        let row: Option<RuleRow> = retention_rules::table
            .filter(retention_rules::class.eq(class.as_str()))
            .order(retention_rules::version.desc())
            .select(RuleRow::as_select())
            .first(self.connection)
            .optional()
            .map_err(|error| RegistryError::query(self.url, "look up a retention class", error))?;
        row.map(RetentionRule::try_from).transpose()
    }

    /// One version of a class.
    pub fn rule(
        &mut self,
        class: &RetentionClassName,
        version: u32,
    ) -> Result<Option<RetentionRule>, RegistryError> {
        let row: Option<RuleRow> = retention_rules::table
            .find((class.as_str(), i64::from(version)))
            .select(RuleRow::as_select())
            .first(self.connection)
            .optional()
            .map_err(|error| RegistryError::query(self.url, "look up a retention rule", error))?;
        row.map(RetentionRule::try_from).transpose()
    }

    /// The current version of every class, ordered by name. There are a few dozen at most.
    pub fn current_rules(&mut self) -> Result<Vec<RetentionRule>, RegistryError> {
        let url = self.url;
        let failed = |error| RegistryError::query(url, "list the retention classes", error);
        if self.decides {
            // Whoever finds no class is about to make the first ones.
            self.connection.lock_name(LOCK).map_err(failed)?;
        }
        let rows: Vec<RuleRow> = retention_rules::table
            .order((retention_rules::class.asc(), retention_rules::version.desc()))
            .select(RuleRow::as_select())
            .load(self.connection)
            .map_err(failed)?;
        let mut rules: Vec<RetentionRule> = Vec::new();
        for row in rows {
            let rule = RetentionRule::try_from(row)?;
            if rules.last().is_none_or(|last| last.class != rule.class) {
                rules.push(rule);
            }
        }
        Ok(rules)
    }
}

impl Writer<'_> {
    /// Waits until no other transaction changes a class, and keeps others from it until the end
    /// of this one: whoever reads the newest version to record the next one calls this first.
    /// [`Reader::current_rule`] does not do it by itself, because packages are created by it and
    /// need not wait for each other.
    pub fn lock_rules(&mut self) -> Result<(), RegistryError> {
        self.connection
            .lock_name(LOCK)
            .map_err(|error| RegistryError::query(self.url, "lock the retention classes", error))
    }

    /// Records a version of a class; its version must be the next one ([`Self::lock_rules`]).
    pub fn insert_rule(&mut self, rule: &RetentionRule) -> Result<(), RegistryError> {
        let row = RuleRow {
            class: rule.class.to_string(),
            version: rule.version.into(),
            period_days: match rule.period {
                RetentionPeriod::Days(days) => Some(days.into()),
                RetentionPeriod::Permanent => None,
            },
            description: rule.description.clone(),
            updated_at: rule.updated_at.unix_micros(),
        };
        on_backend!(self.connection, |c| diesel::insert_into(retention_rules::table)
            .values(&row)
            .execute(c))
        .map(|_| ())
        .map_err(|error| RegistryError::query(self.url, "record a retention rule", error))
    }
}
