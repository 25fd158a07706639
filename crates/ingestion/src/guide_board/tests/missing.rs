//! Required values that are missing.

use super::support::{Run, fixture, guide_board, leniently, refusal, warnings_with};
use crate::guide_board::GuideBoardError;

#[test]
fn all_missing_values_are_reported_at_once_with_every_place() {
    let GuideBoardError::Missing { missing } = refusal("missing-values") else {
        panic!("another error");
    };
    let values: Vec<&str> = missing.iter().map(|value| value.value).collect();
    assert_eq!(values, ["run id", "target profile", "assessment profile"]);
    for value in &missing {
        assert_eq!(value.looked_for.len(), 2);
        assert!(value.looked_for[0].contains("run.json"));
        assert!(value.looked_for[1].contains("assessment-package.json"));
    }
    let message = refusal("missing-values").to_string();
    for part in
        ["`run_id`, `runId` or `run-id`", "`target-profile`", "`assessmentProfile`", "leniently"]
    {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn documents_that_do_not_exist_are_named_among_the_places() {
    let message = refusal("missing-documents").to_string();
    assert!(message.contains("in run.json (which does not exist) as `run_id`"), "{message}");
    assert!(message.contains("in assessment-package.json (which does not exist)"), "{message}");
}

#[test]
fn lenient_reading_records_missing_values_as_null_and_warns() {
    let reading = leniently(&fixture("missing-values")).unwrap();
    assert_eq!(reading.run_id, None);
    assert_eq!(reading.target_profile, None);
    assert_eq!(reading.assessment_profile, None);
    assert!(guide_board(&reading)["run_id"].is_null());
    assert_eq!(warnings_with(&reading, "recorded as null").len(), 3);
}

#[test]
fn lenient_reading_does_without_any_document() {
    let reading = leniently(&fixture("missing-documents")).unwrap();
    assert_eq!(reading.run_id, None);
    assert_eq!(warnings_with(&reading, "there is no run.json").len(), 1);
    assert_eq!(warnings_with(&reading, "there is no assessment-package.json").len(), 1);
    assert!(reading.read_files.is_empty());
}

#[test]
fn a_profile_object_without_an_id_is_missing() {
    let run = Run::valid();
    run.write(
        "run.json",
        r#"{"run_id":"r","target_profile":{"name":"n"},"assessment_profile":"a"}"#,
    );
    let GuideBoardError::Missing { missing } = run.refusal() else { panic!("another error") };
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].value, "target profile");
}

#[test]
fn null_is_as_good_as_absent() {
    let run = Run::valid();
    run.write(
        "run.json",
        r#"{"run_id":null,"target_profile":"t","assessment_profile":"a","status":null}"#,
    );
    assert!(matches!(run.refusal(), GuideBoardError::Missing { missing } if missing.len() == 1));
}
