//! The retention summary.

use serde_json::{Value, json};

use super::support::{Run, guide_board, reading};
use crate::guide_board::GuideBoardError;

#[test]
fn the_proposals_are_kept_as_metadata() {
    let reading = reading("camel-case-keys");
    assert_eq!(
        guide_board(&reading)["retention_proposals"],
        json!({
            "retention_class": "summary-evidence",
            "reason": "kept for the yearly review",
            "files": [{ "path": "reports/scorecard.json", "retentionClass": "summary-evidence" }],
        })
    );
}

#[test]
fn proposals_may_be_called_proposals() {
    let run = Run::valid();
    run.write("retention-summary.json", r#"{"proposals": {"run.json": "permanent-record"}}"#);
    let reading = run.read();
    assert_eq!(reading.retention_class, None);
    assert_eq!(
        guide_board(&reading)["retention_proposals"],
        json!({ "retention_class": Value::Null, "reason": Value::Null, "files": { "run.json": "permanent-record" } })
    );
}

#[test]
fn a_summary_of_the_wrong_type_is_refused() {
    for text in [r#"{"retention_class": 90}"#, r#"{"reason": []}"#, r#"{"files": "all"}"#, "[]"] {
        let run = Run::valid();
        run.write("retention-summary.json", text);
        let error = run.refusal();
        assert!(
            matches!(error, GuideBoardError::WrongType { file: "retention-summary.json", .. }),
            "{text}"
        );
    }
}
