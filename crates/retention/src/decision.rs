//! Whether a package may be deleted, rule by rule: the one predicate.

use std::cmp::Ordering;

use artifact_domain::retention::{ConsultedRule, Decision, Hold, RetentionReason, Verdict};
use artifact_domain::{Package, PackageStatus, Timestamp};

use crate::span::{Span, between};

/// Decides whether `package` may be deleted at `now`: it is finalized or failed, its expiry has
/// passed (at the very instant it is still protected), and no hold is active.
///
/// `holds` are all that is known of the package's holds; released ones say nothing. A package
/// whose record says that it is on hold is protected even if none of them is active: one of the
/// two is wrong, and the wrong one must not cost the evidence.
pub fn decide(package: &Package, holds: &[Hold], now: Timestamp) -> Decision {
    let mut reasons = vec![status(package), expiry(package, now)];
    reasons.extend(holds.iter().filter(|hold| hold.is_active()).map(active_hold));
    if !reasons.iter().any(|reason| reason.rule == ConsultedRule::Hold) {
        reasons.push(no_hold(package));
    }
    // A package is eligible because every rule said so, and for no other reason: what is shown
    // and what is done cannot differ.
    Decision::new(now, reasons)
}

/// What [`decide`] says of a package by its record alone, which knows whether a hold is active.
pub fn is_eligible(package: &Package, now: Timestamp) -> bool {
    decide(package, &[], now).eligible
}

fn reason(rule: ConsultedRule, verdict: Verdict, detail: impl Into<String>) -> RetentionReason {
    RetentionReason { rule, verdict, detail: detail.into(), hold_id: None }
}

fn status(package: &Package) -> RetentionReason {
    let (verdict, is) = match package.status {
        PackageStatus::Created => (Verdict::Protects, "it is created and not finalized yet"),
        PackageStatus::Uploading => (Verdict::Protects, "it is being uploaded"),
        PackageStatus::Finalized => (Verdict::Allows, "it is finalized"),
        PackageStatus::Failed => (Verdict::Allows, "it has failed"),
        PackageStatus::Deleted => {
            let when = package.deleted_at.map(|at| format!(" at {at}")).unwrap_or_default();
            let detail = format!("it was deleted{when}: nothing is deleted twice");
            return reason(ConsultedRule::Status, Verdict::Protects, detail);
        }
    };
    let rule = match verdict {
        Verdict::Allows => "what is finalized or failed can be deleted",
        Verdict::Protects => "only what is finalized or failed can be deleted",
    };
    reason(ConsultedRule::Status, verdict, format!("{is}: {rule}"))
}

fn expiry(package: &Package, now: Timestamp) -> RetentionReason {
    let Some(expires_at) = package.expires_at else {
        let detail = "it is kept for ever: nothing that is permanent expires";
        return reason(ConsultedRule::Expiry, Verdict::Protects, detail);
    };
    let (verdict, said) = match now.cmp(&expires_at) {
        Ordering::Greater => {
            let since = Span(between(expires_at, now));
            (Verdict::Allows, format!("which passed {since} before {now}"))
        }
        Ordering::Equal => {
            (Verdict::Protects, "and that very instant is still protected".to_owned())
        }
        Ordering::Less => {
            let left = Span(between(now, expires_at));
            (Verdict::Protects, format!("which has not passed at {now}: it is {left} ahead"))
        }
    };
    let (class, version) = (&package.description.retention_class, package.rule_version);
    let detail = format!(
        "its class {class}, version {version}, with every extension since, keeps it until \
         {expires_at}, {said}"
    );
    reason(ConsultedRule::Expiry, verdict, detail)
}

fn active_hold(hold: &Hold) -> RetentionReason {
    let (by, at, why) = (&hold.placed_by, hold.placed_at, &hold.reason);
    let mandate = hold
        .mandate
        .as_ref()
        .map(|mandate| format!(" on the mandate {mandate}"))
        .unwrap_or_default();
    let detail = format!("a hold that {by} placed at {at}{mandate} is active: {why}");
    RetentionReason {
        hold_id: Some(hold.id),
        ..reason(ConsultedRule::Hold, Verdict::Protects, detail)
    }
}

/// What is said when no active hold is known.
fn no_hold(package: &Package) -> RetentionReason {
    if package.on_hold {
        let detail = "its record says that it is on hold, but no active hold was found: it is \
                      protected until that is cleared up";
        reason(ConsultedRule::Hold, Verdict::Protects, detail)
    } else {
        reason(ConsultedRule::Hold, Verdict::Allows, "no hold is active")
    }
}
