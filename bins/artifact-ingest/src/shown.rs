//! What `show` prints: a package, what it is promised, and what became of it.

use artifact_domain::retention::{DeletionReceipt, Verdict};
use artifact_domain::wire::{HoldView, RetentionView, Summary};
use serde::Serialize;

use crate::output::{expires, head, labels, row};

/// A package as `show` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    pub(crate) retention: RetentionView,
    /// There is one if the package was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deletion: Option<DeletionReceipt>,
}

impl Shown {
    /// The table for people.
    pub(crate) fn table(&self) -> String {
        let retention = &self.retention;
        let mut text = head(&self.summary, None);
        if let Some(receipt) = &self.deletion {
            tombstone(&mut text, receipt);
        }
        let RetentionView { retention_class, rule_version, .. } = retention;
        row(&mut text, "retention", format!("{retention_class}, version {rule_version}"));
        expires(&mut text, retention.expires_at);
        for hold in &retention.holds {
            row(&mut text, "hold", described(hold));
        }
        if self.deletion.is_none() {
            eligibility(&mut text, retention);
        }
        labels(&mut text, &self.summary);
        text
    }
}

/// What became of a deleted package.
fn tombstone(text: &mut String, receipt: &DeletionReceipt) {
    let DeletionReceipt { deleted_at, actor, reason, .. } = receipt;
    row(text, "deleted", format!("{deleted_at} by {actor}: {}", on_one_line(reason.as_str())));
    let removed = receipt.bytes_removed_at;
    let removed = removed.map_or_else(|| "not all yet".to_owned(), |at| at.to_string());
    row(text, "bytes removed", removed);
}

fn described(hold: &HoldView) -> String {
    let HoldView { placed_by, placed_at, .. } = hold;
    let mandate = hold.mandate.as_ref().map(|it| format!(", mandate {it}")).unwrap_or_default();
    let reason = on_one_line(hold.reason.as_str());
    format!("{reason} (by {placed_by} at {placed_at}{mandate})")
}

/// Whether the package may be deleted, and what protects it besides its holds, which have rows of
/// their own.
fn eligibility(text: &mut String, retention: &RetentionView) {
    let eligible = if retention.eligible { "yes: it may be deleted" } else { "no: it is kept" };
    row(text, "eligible", eligible);
    let protecting = retention
        .reasons
        .iter()
        .filter(|reason| reason.verdict == Verdict::Protects && reason.hold_id.is_none());
    for reason in protecting {
        row(text, "protected", on_one_line(&reason.detail));
    }
}

/// A reason may have several lines, and a table has one for each. What steers a terminal goes too:
/// the text may be anybody's.
fn on_one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_stays_on_its_line_and_steers_nothing() {
        assert_eq!(on_one_line(" one\r\n\ttwo\u{1b}[2J  three\n"), "one two [2J three");
    }
}
