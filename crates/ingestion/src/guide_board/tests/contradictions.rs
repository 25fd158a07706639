//! Values that stand in two places and differ.

use serde_json::json;

use super::support::{Run, assessment_package, guide_board, refusal, run_json, with};
use crate::guide_board::GuideBoardError;

#[test]
fn two_run_ids_are_refused_with_both_files_and_both_values() {
    let error = refusal("contradicting-run-id");
    assert!(matches!(error, GuideBoardError::Contradiction { .. }));
    let message = error.to_string();
    for part in ["run.json", "assessment-package.json", "gb-0001", "gb-0002", "run_id"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_retention_summary_of_another_run_is_refused() {
    let message = refusal("contradicting-retention-summary").to_string();
    for part in ["retention-summary.json", "gb-0001", "gb-0002"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn counts_and_a_list_that_differ_are_refused_naming_both() {
    let error = refusal("counts-disagree");
    assert!(matches!(error, GuideBoardError::CountsDisagree { what: "evidence results", .. }));
    let message = error.to_string();
    for part in
        ["the counts at assessment-package.json:", "the list at ", r#""pass":3"#, r#""pass":2"#]
    {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn counts_and_a_list_in_two_files_that_differ_are_refused_naming_both() {
    let message = refusal("counts-disagree-across-files").to_string();
    for part in ["findings", "the counts at run.json:", "the list at assessment-package.json:"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn counts_beside_a_list_must_agree_with_it() {
    let run = Run::valid();
    let counts = json!({ "pass": 2 });
    run.write(
        "assessment-package.json",
        with(assessment_package(), "evidence_result_counts", counts),
    );
    assert!(matches!(run.refusal(), GuideBoardError::CountsDisagree { .. }));
}

#[test]
fn a_count_of_zero_is_the_same_as_none() {
    let run = Run::valid();
    let counts = json!({ "pass": 1, "fail": 0 });
    run.write(
        "assessment-package.json",
        with(assessment_package(), "evidence_result_counts", counts),
    );
    let reading = run.read();
    assert_eq!(guide_board(&reading)["evidence_result_counts"], json!({ "pass": 1, "fail": 0 }));
}

#[test]
fn every_shared_value_is_compared() {
    for (key, value) in [
        ("target_profile", json!("other")),
        ("assessment_profile", json!({ "id": "other" })),
        ("source_commits", json!({ "x": "1" })),
    ] {
        let run = Run::valid();
        run.write("assessment-package.json", with(assessment_package(), key, value));
        assert!(matches!(run.refusal(), GuideBoardError::Contradiction { .. }), "{key}");
    }
    for key in ["started_at", "finished_at", "status"] {
        let run = Run::valid();
        run.write("run.json", with(run_json(), key, json!("one")));
        run.write("assessment-package.json", with(assessment_package(), key, json!("two")));
        assert!(matches!(run.refusal(), GuideBoardError::Contradiction { .. }), "{key}");
    }
    let run = Run::valid();
    run.write("run.json", with(run_json(), "reports", json!([])));
    assert!(matches!(run.refusal(), GuideBoardError::Contradiction { .. }));
}

#[test]
fn the_same_value_in_two_shapes_is_no_contradiction() {
    let run = Run::valid();
    let mut package = assessment_package();
    package["target_profile"] = json!({ "id": "t" });
    run.write("assessment-package.json", with(package, "source_commits", json!({ "x": "0" })));
    assert_eq!(run.read().target_profile.as_deref(), Some("t"));
}
