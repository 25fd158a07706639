//! Legal holds.

use crate::id::{HoldId, PackageId};
use crate::name::{Actor, Mandate, Reason};
use crate::time::Timestamp;

/// Why a package must be kept whatever its expiry says. A package can have many, each for its own
/// reason; a hold has no date and moves no expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its identity.
    pub id: HoldId,
    /// What it holds.
    pub package_id: PackageId,
    /// Why.
    pub reason: Reason,
    /// Who demands it: a case number, a contract, an order.
    pub mandate: Option<Mandate>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Who placed it.
    pub placed_by: Actor,
    /// How it ended; `None` while it is active. A released hold stays on record, unchanged.
    pub release: Option<HoldRelease>,
}

/// How a hold ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldRelease {
    /// When.
    pub at: Timestamp,
    /// Who released it.
    pub by: Actor,
    /// Why.
    pub reason: Reason,
}

impl Hold {
    /// Whether it protects its package.
    pub const fn is_active(&self) -> bool {
        self.release.is_none()
    }
}
