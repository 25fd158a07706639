//! Documents that cannot be read, and where exactly.

use std::{fs, fs::File};

use serde_json::json;

use super::support::{Run, assessment_package, refusal, run_json, with};
use crate::guide_board::{GuideBoardError, position::Position};

#[test]
fn malformed_json_is_refused_with_line_and_column() {
    let error = refusal("malformed-json");
    assert!(matches!(
        error,
        GuideBoardError::Malformed { file: "run.json", line: 4, column, .. } if column > 0
    ));
    assert!(error.to_string().starts_with("run.json:4:"), "{error}");
}

#[test]
fn a_key_that_occurs_twice_is_refused_even_with_the_same_value() {
    let error = refusal("duplicate-keys");
    assert!(matches!(error, GuideBoardError::Malformed { line: 5, .. }));
    assert!(error.to_string().contains("\"run_id\" occurs twice"), "{error}");
}

#[test]
fn text_that_is_not_utf_8_is_refused_with_line_and_column() {
    let error = refusal("not-utf-8");
    assert!(matches!(error, GuideBoardError::Malformed { line: 2, column: 17, .. }), "{error}");
}

#[test]
fn an_empty_document_is_refused() {
    let run = Run::valid();
    run.write("run.json", "");
    assert!(matches!(run.refusal(), GuideBoardError::Malformed { line: 1, column: 1, .. }));
}

#[test]
fn text_after_the_document_is_refused() {
    let run = Run::valid();
    run.write("run.json", "{}\n{}\n");
    assert!(matches!(run.refusal(), GuideBoardError::Malformed { line: 2, .. }));
}

#[test]
fn nesting_without_end_is_refused() {
    let run = Run::valid();
    run.write("run.json", "[".repeat(1_000_000));
    assert!(matches!(run.refusal(), GuideBoardError::Malformed { .. }));
}

#[test]
fn a_document_that_is_no_object_is_refused() {
    let message = refusal("not-an-object").to_string();
    assert!(
        message.starts_with("run.json:1:1: the document is a list, expected an object"),
        "{message}"
    );
}

#[test]
fn a_wrong_type_is_refused_with_line_column_and_place() {
    let message = refusal("wrong-types").to_string();
    let expected =
        "run.json:2:13: /run_id is the number 17, expected a string or an object with `id`";
    assert!(message.starts_with(expected), "{message}");
}

#[test]
fn a_wrong_type_deep_inside_is_refused_with_its_place() {
    let error = refusal("wrong-type-deep-inside");
    assert!(matches!(
        error,
        GuideBoardError::WrongType { file: "assessment-package.json", line: 11, .. }
    ));
    assert!(error.to_string().contains("/evidence_results/2/status"), "{error}");
}

#[test]
fn every_known_key_is_checked_for_its_type() {
    for (key, value) in [
        ("target_profile", json!(["t"])),
        ("assessment_profile", json!(true)),
        ("started_at", json!(1_773_736_200)),
        ("finished_at", json!({})),
        ("status", json!(0)),
        ("source_commits", json!("0")),
        ("source_commits", json!([{ "repository": "x" }])),
        ("source_commits", json!([{ "repository": "x", "commit": "0", "dirty": "no" }])),
        ("source_commits", json!({ "x": 1 })),
    ] {
        let run = Run::valid();
        run.write("run.json", with(run_json(), key, value.clone()));
        assert!(matches!(run.refusal(), GuideBoardError::WrongType { .. }), "{key}: {value}");
    }
    for (key, value) in [
        ("evidence_results", json!("pass")),
        ("evidence_results", json!(["pass"])),
        ("evidence_results", json!([{ "name": "no status" }])),
        ("evidence_results", json!({ "pass": 1 })),
        ("evidence_results", json!({ "counts": { "pass": -1 } })),
        ("evidence_results", json!({ "counts": { "pass": 1.5 } })),
        ("findings", json!({ "counts": [1] })),
        ("reports", json!("reports/scorecard.json")),
        ("reports", json!([{ "kind": "scorecard" }])),
        ("reports", json!({ "scorecard": 1 })),
    ] {
        let run = Run::valid();
        run.write("assessment-package.json", with(assessment_package(), key, value.clone()));
        assert!(matches!(run.refusal(), GuideBoardError::WrongType { .. }), "{key}: {value}");
    }
}

#[test]
fn a_document_over_the_limit_is_refused_without_reading_it() {
    let run = Run::valid();
    let file = File::create(run.path().join("assessment-package.json")).unwrap();
    file.set_len(32 * 1024 * 1024 + 1).unwrap();
    let error = run.refusal();
    assert!(matches!(
        error,
        GuideBoardError::TooLarge {
            file: "assessment-package.json",
            size: 33_554_433,
            limit: 33_554_432
        }
    ));
}

#[test]
fn a_document_of_exactly_the_limit_is_read() {
    let run = Run::valid();
    let mut text = run_json().to_string();
    text.push_str(&" ".repeat(32 * 1024 * 1024 - text.len()));
    run.write("run.json", text);
    assert_eq!(run.read().run_id.as_deref(), Some("r1"));
}

#[test]
fn a_document_that_is_a_folder_is_refused() {
    let run = Run::valid();
    fs::remove_file(run.path().join("run.json")).unwrap();
    fs::create_dir(run.path().join("run.json")).unwrap();
    assert!(matches!(run.refusal(), GuideBoardError::NotARegularFile { found: "a folder", .. }));
}

#[cfg(unix)]
#[test]
fn a_document_that_is_a_link_is_refused() {
    let run = Run::valid();
    fs::rename(run.path().join("run.json"), run.path().join("elsewhere.json")).unwrap();
    std::os::unix::fs::symlink("elsewhere.json", run.path().join("run.json")).unwrap();
    assert!(matches!(
        run.refusal(),
        GuideBoardError::NotARegularFile { found: "a symbolic link", .. }
    ));
}

#[cfg(unix)]
#[test]
fn a_document_that_is_a_socket_is_refused_without_opening_it() {
    let run = Run::valid();
    fs::remove_file(run.path().join("run.json")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(run.path().join("run.json")).unwrap();
    assert!(matches!(
        run.refusal(),
        GuideBoardError::NotARegularFile { found: "a FIFO, socket or device", .. }
    ));
}

#[test]
fn the_position_of_a_value_is_found_behind_anything() {
    let text = "{\n \"a\\\"}\": [1, {\"x\": \"],\"}, \"é\", 2],\n \"b\": {}, \"c\": [[], [3]]\n}";
    let at = |path: &[&str]| {
        let path: Vec<String> = path.iter().map(|&step| step.to_owned()).collect();
        let position = Position::of_value(text, &path);
        (position.line, position.column)
    };
    assert_eq!(at(&[]), (1, 1));
    assert_eq!(at(&["a\"}"]), (2, 10));
    assert_eq!(at(&["a\"}", "3"]), (2, 32));
    assert_eq!(at(&["a\"}", "1", "x"]), (2, 20));
    assert_eq!(at(&["c", "1", "0"]), (3, 22));
    assert_eq!(at(&["c", "7"]), (3, 16), "as far as the path leads");
}
