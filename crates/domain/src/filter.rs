//! What a list of packages is asked for.

use crate::event::AuditAction;
use crate::id::PackageId;
use crate::label::Labels;
use crate::name::{Actor, ExternalId, Kind, Producer, RetentionClassName};
use crate::status::PackageStatus;
use crate::time::Timestamp;

/// Conditions that a listed package must meet, all of them. The default meets everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PackageFilter {
    /// Has this status.
    pub status: Option<PackageStatus>,
    /// Was made by this producer.
    pub producer: Option<Producer>,
    /// Is of this kind.
    pub kind: Option<Kind>,
    /// Has this id at its producer.
    pub external_id: Option<ExternalId>,
    /// Is in this class.
    pub retention_class: Option<RetentionClassName>,
    /// Is, or is not, under a legal hold.
    pub on_hold: Option<bool>,
    /// Carries all of these labels.
    pub labels: Labels,
    /// Was created after this time.
    pub created_after: Option<Timestamp>,
    /// Was created before this time.
    pub created_before: Option<Timestamp>,
    /// Expires after this time; what never expires does.
    pub expires_after: Option<Timestamp>,
    /// Expires before this time; what never expires does not.
    pub expires_before: Option<Timestamp>,
    /// May be deleted now. Only `true` is a condition.
    pub eligible: bool,
}

/// Conditions that a listed audit event must meet, all of them. The default meets everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Concerns this package.
    pub package: Option<PackageId>,
    /// Says that this was done.
    pub action: Option<AuditAction>,
    /// Says that it was done by this actor.
    pub actor: Option<Actor>,
    /// Happened after this time.
    pub after: Option<Timestamp>,
    /// Happened before this time.
    pub before: Option<Timestamp>,
}

/// How many items one page of a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit(u32);

/// A number of items that no page has.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a page of {0} items was asked for: expected 1 to {max}", max = PageLimit::MAX)]
pub struct InvalidPageLimit(pub u64);

impl PageLimit {
    /// The most items of one page.
    pub const MAX: u32 = 1000;

    /// A page of so many items, 1 to [`Self::MAX`].
    pub fn new(limit: u64) -> Result<Self, InvalidPageLimit> {
        match u32::try_from(limit) {
            Ok(items @ 1..=Self::MAX) => Ok(Self(items)),
            _ => Err(InvalidPageLimit(limit)),
        }
    }

    /// The number of items.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Default for PageLimit {
    fn default() -> Self {
        Self(100)
    }
}
