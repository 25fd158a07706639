//! What a decision over a package's retention said, rule by rule.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::HoldId;
use crate::time::Timestamp;

/// A rule that was consulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConsultedRule {
    /// Only what is finalized or failed can be deleted.
    Status,
    /// Nothing is deleted before its expiry, nor at that very instant.
    Expiry,
    /// Nothing is deleted while a legal hold is active.
    Hold,
    /// Nothing is deleted while the clock cannot be trusted.
    Clock,
}

/// What a rule said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does not stand in the way of deleting the package.
    Allows,
    /// It keeps the package.
    Protects,
}

/// One rule and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionReason {
    /// The rule.
    pub rule: ConsultedRule,
    /// What it said.
    pub verdict: Verdict,
    /// Why, for a person.
    #[schema(example = "it is kept until 2026-04-01T00:00:00.000000Z, which has not passed")]
    pub detail: String,
    /// The hold that speaks, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_id: Option<HoldId>,
}

/// Whether a package may be deleted, and each rule that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be: no rule protects it.
    pub eligible: bool,
    /// The time that it was decided for.
    pub decided_at: Timestamp,
    /// Every rule that was consulted, in their order.
    pub reasons: Vec<RetentionReason>,
}

impl Decision {
    /// The decision that these rules make: one that protects is enough to keep the package.
    pub fn new(decided_at: Timestamp, reasons: Vec<RetentionReason>) -> Self {
        let eligible = reasons.iter().all(|reason| reason.verdict == Verdict::Allows);
        Self { eligible, decided_at, reasons }
    }

    /// The decision with one more rule.
    #[must_use]
    pub fn and(mut self, reason: RetentionReason) -> Self {
        self.reasons.push(reason);
        Self::new(self.decided_at, self.reasons)
    }
}
