//! Values that metadata cannot hold exactly.

use serde_json::json;

use super::support::{Run, assessment_package, refusal, run_json, with};
use crate::guide_board::GuideBoardError;

#[test]
fn an_integer_beyond_two_to_the_53_is_refused_where_it_stands() {
    let error = refusal("integer-too-large");
    assert!(matches!(error, GuideBoardError::NotStorable { file: "run.json", .. }));
    let message = error.to_string();
    assert!(message.contains("/ticket is the number 9007199254740993"), "{message}");
}

#[test]
fn integers_are_kept_up_to_the_largest_exact_one() {
    for (number, fits) in [
        ("9007199254740991", true),
        ("9007199254740992", false),
        ("-9007199254740991", true),
        ("-9007199254740992", false),
        ("100000000000000000000000", false),
        ("1e300", false),
        ("0.5", true),
        ("-0.0", true),
    ] {
        let run = Run::valid();
        let text =
            run_json().to_string().replacen('{', &format!("{{\"n\":[{{\"m\":{number}}}],"), 1);
        run.write("run.json", text);
        let result = super::support::strictly(run.path());
        assert_eq!(result.is_ok(), fits, "{number}");
        if let Err(error) = result {
            assert!(error.to_string().contains("/n/0/m"), "{error}");
        }
    }
}

#[test]
fn a_large_integer_in_what_is_only_counted_is_no_concern() {
    let run = Run::valid();
    let results = json!([{ "status": "pass", "started_ns": 1_773_736_200_000_000_000_u64 }]);
    run.write("assessment-package.json", with(assessment_package(), "evidence_results", results));
    run.read();
}

#[test]
fn a_count_too_large_to_be_exact_is_refused() {
    let run = Run::valid();
    let results = json!({ "counts": { "pass": 9_007_199_254_740_992_u64 } });
    run.write("assessment-package.json", with(assessment_package(), "evidence_results", results));
    assert!(matches!(run.refusal(), GuideBoardError::NotStorable { .. }));
}

#[test]
fn a_nul_character_is_refused_in_values_and_in_keys() {
    for (key, value) in [
        ("run_id", json!("a\0b")),
        ("note", json!(["a\0"])),
        ("a\0", json!(1)),
        ("source_commits", json!({ "a\0": "1" })),
    ] {
        let run = Run::valid();
        run.write("run.json", with(run_json(), key, value));
        assert!(matches!(run.refusal(), GuideBoardError::NotStorable { .. }), "{key:?}");
    }
}
