//! Spellings of keys, and keys that are not known.

use serde_json::{Value, json};

use super::support::{Run, assessment_package, guide_board, reading, refusal, run_json, with};
use crate::guide_board::{
    GuideBoardError,
    names::{snake_case, spellings},
};

#[test]
fn camel_case_and_kebab_case_documents_are_read_like_snake_case() {
    for name in ["camel-case-keys", "kebab-case-keys"] {
        let reading = reading(name);
        let metadata = guide_board(&reading);
        assert_eq!(reading.run_id.as_deref(), Some("gb-0001"), "{name}");
        assert_eq!(reading.retention_class.as_deref(), Some("summary-evidence"), "{name}");
        assert_eq!(metadata["started_at"], "2026-03-18T09:00:00Z", "{name}");
        assert_eq!(metadata["evidence_result_counts"], json!({ "fail": 1, "pass": 2 }), "{name}");
        assert_eq!(metadata["source_commits"].as_array().unwrap().len(), 2, "{name}");
        assert_eq!(metadata["extra"], json!({}), "{name}");
        assert_eq!(reading.warnings, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_key_is_brought_into_snake_case() {
    for (key, name) in [
        ("run_id", "run_id"),
        ("runId", "run_id"),
        ("run-id", "run_id"),
        ("runID", "run_id"),
        ("RunId", "run_id"),
        ("evidenceResultCounts", "evidence_result_counts"),
        ("status", "status"),
        ("", ""),
    ] {
        assert_eq!(snake_case(key), name, "{key}");
    }
    assert_eq!(spellings("run_id"), "`run_id`, `runId` or `run-id`");
}

#[test]
fn two_spellings_of_a_key_with_different_values_are_refused() {
    let error = refusal("contradicting-spellings");
    assert!(matches!(error, GuideBoardError::SpellingsDiffer { file: "run.json", .. }));
    let message = error.to_string();
    for part in ["run.json:", r#""run_id": "gb-0001""#, r#""runId": "gb-0002""#] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn two_spellings_of_a_key_with_the_same_value_are_tolerated() {
    let run = Run::valid();
    run.write("run.json", with(run_json(), "runId", json!("r1")));
    assert_eq!(run.read().run_id.as_deref(), Some("r1"));
}

#[test]
fn unknown_keys_are_kept_as_they_are_spelled_under_their_file() {
    let reading = reading("unknown-keys");
    assert_eq!(
        guide_board(&reading)["extra"],
        json!({
            "run.json": { "triggeredBy": "schedule", "run_label": { "colour": "green" } },
            "assessment-package.json": { "verdict": "conditional" },
            "retention-summary.json": { "policy": "default" },
        })
    );
}

#[test]
fn unknown_values_that_make_the_metadata_too_large_are_left_out_with_a_warning() {
    let run = Run::valid();
    let mut package = assessment_package();
    package["small"] = json!("kept");
    run.write("assessment-package.json", with(package, "huge", json!("x".repeat(300 * 1024))));
    let reading = run.read();
    let extra = &guide_board(&reading)["extra"]["assessment-package.json"];
    assert_eq!(extra, &json!({ "small": "kept", "huge": Value::Null }));
    assert_eq!(reading.warnings.len(), 1);
    assert!(reading.warnings[0].contains("/extra/assessment-package.json/huge"));
}
