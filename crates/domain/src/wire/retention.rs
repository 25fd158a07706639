//! Retention on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::digest::Sha256Digest;
use crate::id::{HoldId, PackageId};
use crate::name::{
    Actor, ClassDescription, ExternalId, Kind, Mandate, Producer, Reason, RetentionClassName, Title,
};
use crate::package::Package;
use crate::retention::{
    Decision, Extension, Hold, HoldRelease, MAX_PERIOD_DAYS, RetentionPeriod, RetentionReason,
    RetentionRule,
};
use crate::status::PackageStatus;
use crate::time::Timestamp;
use crate::wire::strict;

/// A retention class as an answer: the version of it that is for packages to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionClassView {
    /// The class.
    pub name: RetentionClassName,
    /// How many days of 24 hours it keeps; null is for ever.
    pub period_days: Option<u32>,
    /// What it is for.
    pub description: String,
    /// Counts the changes of this class, from 1.
    pub version: u32,
    /// When this version was made.
    pub updated_at: Timestamp,
}

impl From<RetentionRule> for RetentionClassView {
    fn from(rule: RetentionRule) -> Self {
        Self {
            name: rule.class,
            period_days: match rule.period {
                RetentionPeriod::Days(days) => Some(days),
                RetentionPeriod::Permanent => None,
            },
            description: rule.description,
            version: rule.version,
            updated_at: rule.updated_at,
        }
    }
}

/// `PUT /retention-classes/{name}`: how long the class keeps packages to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutRetentionClass {
    /// How many days of 24 hours; null is for ever. It has to be there: a class is not made
    /// permanent by a member that was forgotten.
    #[serde(deserialize_with = "period")]
    #[schema(required, maximum = 36500)]
    pub period_days: Option<u32>,
    /// What it is for; the description that it has, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<ClassDescription>,
}

impl PutRetentionClass {
    /// The period that was asked for.
    pub fn period(&self) -> RetentionPeriod {
        self.period_days.map_or(RetentionPeriod::Permanent, RetentionPeriod::Days)
    }
}

fn period<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let days = Option::<u32>::deserialize(deserializer)?;
    match days {
        Some(days) if days > MAX_PERIOD_DAYS => Err(serde::de::Error::custom(format!(
            "period_days is {days}: expected 0 to {MAX_PERIOD_DAYS}, or null for ever"
        ))),
        days => Ok(days),
    }
}

/// `GET /packages/{id}/retention`: what a package is promised and what every rule says to
/// deleting it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionView {
    /// The package.
    pub package_id: PackageId,
    /// Where it is in its life.
    pub status: PackageStatus,
    /// The class that it is in.
    pub retention_class: RetentionClassName,
    /// The version of the class that its expiry came from.
    pub rule_version: u32,
    /// Until when it is kept at least; null: for ever.
    pub expires_at: Option<Timestamp>,
    /// Whether a legal hold is active.
    pub on_hold: bool,
    /// The holds that are active now.
    pub holds: Vec<HoldView>,
    /// Whether it may be deleted at `decided_at`.
    pub eligible: bool,
    /// The time that this was decided for.
    pub decided_at: Timestamp,
    /// Each rule that was consulted and what it said.
    pub reasons: Vec<RetentionReason>,
}

impl RetentionView {
    /// The answer for a package with these active holds, as it was decided.
    pub fn new(package: &Package, holds: Vec<Hold>, decision: Decision) -> Self {
        Self {
            package_id: package.id,
            status: package.status,
            retention_class: package.description.retention_class.clone(),
            rule_version: package.rule_version,
            expires_at: package.expires_at,
            on_hold: package.on_hold,
            holds: holds.into_iter().map(HoldView::from).collect(),
            eligible: decision.eligible,
            decided_at: decision.decided_at,
            reasons: decision.reasons,
        }
    }
}

/// `POST /packages/{id}/retention/extend`: one of the three ways to say until when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendRetention {
    /// Until this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// So many days of 24 hours beyond the present expiry.
    #[serde(
        default,
        deserialize_with = "strict::optional_safe_integer",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    pub days: Option<u64>,
    /// For ever; only `true` is a wish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permanent: Option<bool>,
    /// Why.
    pub reason: Reason,
}

/// A request to extend that does not say until when, or says it in more than one way.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidExtension {
    /// None or several of the three.
    #[error("{0} of expires_at, days and permanent are given: expected exactly one")]
    NotOne(usize),
    /// `days` is 0.
    #[error("days is 0: expected 1 or more")]
    NoDay,
    /// `permanent` is false.
    #[error("permanent is false: leave it out, or say true; permanence is not taken back")]
    NotPermanent,
}

impl ExtendRetention {
    /// What is asked for.
    ///
    /// # Errors
    /// It is not said in exactly one way.
    pub fn extension(&self) -> Result<Extension, InvalidExtension> {
        match (self.expires_at, self.days, self.permanent) {
            (Some(until), None, None) => Ok(Extension::Until(until)),
            (None, Some(0), None) => Err(InvalidExtension::NoDay),
            (None, Some(days), None) => Ok(Extension::Days(days)),
            (None, None, Some(true)) => Ok(Extension::Permanent),
            (None, None, Some(false)) => Err(InvalidExtension::NotPermanent),
            (until, days, permanent) => {
                let given = [until.is_some(), days.is_some(), permanent.is_some()];
                Err(InvalidExtension::NotOne(given.into_iter().filter(|given| *given).count()))
            }
        }
    }
}

/// `PUT /packages/{id}/retention/class`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRetentionClass {
    /// The class that the package is to be in.
    pub retention_class: RetentionClassName,
    /// Why.
    pub reason: Reason,
}

/// `POST /packages/{id}/holds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceHold {
    /// Why the package must be kept.
    pub reason: Reason,
    /// Who demands it: a case number, a contract, an order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mandate: Option<Mandate>,
}

/// `POST /packages/{id}/holds/{hold_id}/release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseHold {
    /// Why the hold ends.
    pub reason: Reason,
}

/// A legal hold as an answer, and in the record beside a package's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldView {
    /// Its identity.
    pub id: HoldId,
    /// What it holds.
    pub package_id: PackageId,
    /// Whether it protects the package now.
    pub active: bool,
    /// Why.
    pub reason: Reason,
    /// Who demands it.
    pub mandate: Option<Mandate>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Who placed it.
    pub placed_by: Actor,
    /// When it was released; null while it is active.
    pub released_at: Option<Timestamp>,
    /// Who released it.
    pub released_by: Option<Actor>,
    /// Why it was released.
    pub release_reason: Option<Reason>,
}

impl From<Hold> for HoldView {
    fn from(hold: Hold) -> Self {
        let active = hold.is_active();
        let (released_at, released_by, release_reason) = match hold.release {
            None => (None, None, None),
            Some(HoldRelease { at, by, reason }) => (Some(at), Some(by), Some(reason)),
        };
        Self {
            id: hold.id,
            package_id: hold.package_id,
            active,
            reason: hold.reason,
            mandate: hold.mandate,
            placed_at: hold.placed_at,
            placed_by: hold.placed_by,
            released_at,
            released_by,
            release_reason,
        }
    }
}

/// A package that may be deleted now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletionCandidate {
    /// The package.
    pub package_id: PackageId,
    /// Who made the evidence.
    pub producer: Producer,
    /// What sort of package it is.
    pub kind: Kind,
    /// The producer's own id of it.
    pub external_id: Option<ExternalId>,
    /// What a person calls it.
    pub title: Option<Title>,
    /// Finalized or failed.
    pub status: PackageStatus,
    /// The class that it is in.
    pub retention_class: RetentionClassName,
    /// The version of the class that its expiry came from.
    pub rule_version: u32,
    /// The expiry that has passed.
    pub expires_at: Option<Timestamp>,
    /// How many files would go.
    pub file_count: u64,
    /// How many bytes would go.
    pub total_bytes: u64,
    /// SHA-256 of its manifest; null if it was never sealed.
    pub manifest_sha256: Option<Sha256Digest>,
    /// Each rule that was consulted and what it said.
    pub reasons: Vec<RetentionReason>,
}

impl DeletionCandidate {
    /// The answer for a package, as it was decided.
    pub fn new(package: Package, decision: Decision) -> Self {
        let said = package.description;
        Self {
            package_id: package.id,
            producer: said.producer,
            kind: said.kind,
            external_id: said.external_id,
            title: said.title,
            status: package.status,
            retention_class: said.retention_class,
            rule_version: package.rule_version,
            expires_at: package.expires_at,
            file_count: package.file_count,
            total_bytes: package.total_bytes,
            manifest_sha256: package.manifest_sha256,
            reasons: decision.reasons,
        }
    }
}

/// `POST /packages/{id}/delete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletePackage {
    /// Why.
    pub reason: Reason,
    /// Whether only to say what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// `POST /clock/acknowledge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeClock {
    /// Why the clock is right now.
    pub reason: Reason,
}

/// What the guard of the clock says: whether anything may be deleted at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClockView {
    /// Whether deletion is suspended.
    pub suspended: bool,
    /// The latest time that the registry has seen and trusts.
    pub seen_at: Option<Timestamp>,
    /// What the clock said when deletion was suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_at: Option<Timestamp>,
    /// Why deletion is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(json: &str) -> Result<Extension, InvalidExtension> {
        serde_json::from_str::<ExtendRetention>(json).unwrap().extension()
    }

    #[test]
    fn an_extension_is_said_in_exactly_one_way() {
        assert_eq!(extension(r#"{"days":3,"reason":"r"}"#), Ok(Extension::Days(3)));
        assert_eq!(extension(r#"{"permanent":true,"reason":"r"}"#), Ok(Extension::Permanent));
        assert_eq!(extension(r#"{"reason":"r"}"#), Err(InvalidExtension::NotOne(0)));
        let both = r#"{"days":3,"permanent":true,"reason":"r"}"#;
        assert_eq!(extension(both), Err(InvalidExtension::NotOne(2)));
        assert_eq!(extension(r#"{"days":0,"reason":"r"}"#), Err(InvalidExtension::NoDay));
        let not = r#"{"permanent":false,"reason":"r"}"#;
        assert_eq!(extension(not), Err(InvalidExtension::NotPermanent));
    }

    #[test]
    fn a_reason_that_is_missing_or_blank_is_refused() {
        for json in [r#"{"days":3}"#, r#"{"days":3,"reason":" \n"}"#, r#"{"days":3,"reason":null}"#]
        {
            assert!(serde_json::from_str::<ExtendRetention>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_class_is_made_permanent_by_null_and_not_by_forgetting() {
        let put = |json| serde_json::from_str::<PutRetentionClass>(json);
        assert_eq!(put(r#"{"period_days":null}"#).unwrap().period(), RetentionPeriod::Permanent);
        assert_eq!(put(r#"{"period_days":0}"#).unwrap().period(), RetentionPeriod::Days(0));
        assert!(put(r#"{"period_days":36500}"#).is_ok());
        for json in ["{}", r#"{"period_days":36501}"#, r#"{"period_days":-1}"#] {
            assert!(put(json).is_err(), "{json}");
        }
    }
}
