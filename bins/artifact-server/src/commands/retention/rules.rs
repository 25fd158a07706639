//! Rules and what they said, in words.

use artifact_domain::retention::{ConsultedRule, RetentionReason, Verdict};

/// A verdict, as the interface writes it.
pub(super) const fn verdict(reason: &RetentionReason) -> &'static str {
    match reason.verdict {
        Verdict::Allows => "allows",
        Verdict::Protects => "protects",
    }
}

/// A rule and why it said so.
pub(super) fn said(reason: &RetentionReason) -> String {
    let rule = match reason.rule {
        ConsultedRule::Status => "status",
        ConsultedRule::Expiry => "expiry",
        ConsultedRule::Hold => "hold",
        ConsultedRule::Clock => "clock",
    };
    let hold = reason.hold_id.map(|hold| format!(" {hold}")).unwrap_or_default();
    format!("{rule}{hold}: {}", reason.detail)
}
