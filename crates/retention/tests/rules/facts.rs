//! Packages, holds and rules to ask about.

use artifact_domain::name::{Actor, Mandate, Reason, RetentionClassName};
use artifact_domain::package::PackageDescription;
use artifact_domain::retention::{Hold, HoldRelease, RetentionPeriod, RetentionRule};
use artifact_domain::{Package, PackageId, PackageStatus, Timestamp};

pub(crate) const FIRST_INSTANT: &str = "1970-01-01T00:00:00Z";
pub(crate) const LAST_INSTANT: &str = "9999-12-31T23:59:59.999999Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// So many days after the beginning of 2026.
pub(crate) fn day(days: u32) -> Timestamp {
    at("2026-01-01T00:00:00Z").plus_days(days)
}

/// A microsecond later: the next instant that there is.
pub(crate) fn next(time: Timestamp) -> Timestamp {
    Timestamp::from_unix_micros(time.unix_micros() + 1).unwrap()
}

/// A package of `raw-evidence` that was created on day 0, with what its status demands.
pub(crate) fn package(status: PackageStatus, expires_at: Option<Timestamp>) -> Package {
    let created_at = day(0);
    Package {
        id: PackageId::generate(created_at),
        description: PackageDescription {
            producer: "guide-board".parse().unwrap(),
            kind: "directory".parse().unwrap(),
            external_id: None,
            title: None,
            retention_class: "raw-evidence".parse().unwrap(),
            labels: artifact_domain::label::Labels::default(),
            metadata: artifact_domain::metadata::Metadata::default(),
        },
        rule_version: 1,
        status,
        created_at,
        updated_at: created_at,
        finalized_at: (status == PackageStatus::Finalized).then_some(created_at),
        expires_at,
        on_hold: false,
        file_count: 1,
        total_bytes: 1,
        manifest_sha256: None,
        payload_manifest_sha256: None,
        failure_reason: None,
        deleted_at: (status == PackageStatus::Deleted).then_some(day(1)),
        deletion_reason: None,
        revision: 1,
    }
}

/// An active hold that alice placed on day 3.
pub(crate) fn hold(reason: &str, mandate: Option<&str>) -> Hold {
    Hold {
        id: artifact_domain::id::HoldId::generate(day(3)),
        package_id: PackageId::generate(day(0)),
        reason: Reason::parse(reason).unwrap(),
        mandate: mandate.map(|mandate| Mandate::parse(mandate).unwrap()),
        placed_at: day(3),
        placed_by: Actor::parse("alice").unwrap(),
        release: None,
    }
}

pub(crate) fn released(hold: Hold) -> Hold {
    let release = HoldRelease {
        at: day(4),
        by: Actor::parse("bob").unwrap(),
        reason: Reason::parse("the case is closed").unwrap(),
    };
    Hold { release: Some(release), ..hold }
}

pub(crate) fn rule(class: &str, version: u32, period: RetentionPeriod) -> RetentionRule {
    RetentionRule {
        class: RetentionClassName::parse(class).unwrap(),
        version,
        period,
        description: String::new(),
        updated_at: day(0),
    }
}
