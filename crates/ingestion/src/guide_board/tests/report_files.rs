//! Listed reports that cannot be used.

use std::fs;

use serde_json::{Value, json};

use super::support::{
    Run, assessment_package, fixture, guide_board, leniently, refusal, warnings_with, with,
};
use crate::guide_board::GuideBoardError;

#[test]
fn all_missing_reports_are_named_with_the_place_that_lists_them() {
    let GuideBoardError::Reports { problems } = refusal("missing-report") else {
        panic!("another error")
    };
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["reports/log-review.json", "reports/assessment-report.html"]);
    assert!(problems[0].listed_in.starts_with("assessment-package.json:"));
    assert!(refusal("missing-report").to_string().contains("does not exist in the run directory"));
}

#[test]
fn a_report_outside_the_directory_is_refused() {
    let GuideBoardError::Reports { problems } = refusal("escaping-report") else {
        panic!("another error")
    };
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["../minimal/run.json", "/etc/hostname"]);
}

#[test]
fn paths_that_are_no_paths_are_refused() {
    for path in [
        "",
        ".",
        "a/../reports/scorecard.json",
        "reports\\scorecard.json",
        "a//b",
        "a\nb",
        "reports/",
    ] {
        let run = Run::valid();
        run.write("assessment-package.json", with(assessment_package(), "reports", json!([path])));
        assert!(matches!(run.refusal(), GuideBoardError::Reports { .. }), "{path:?}");
    }
}

#[test]
fn a_report_that_is_a_folder_or_below_a_file_is_refused() {
    for path in ["reports", "run.json/scorecard.json"] {
        let run = Run::valid();
        run.write("assessment-package.json", with(assessment_package(), "reports", json!([path])));
        assert!(matches!(run.refusal(), GuideBoardError::Reports { .. }), "{path}");
    }
}

#[test]
fn lenient_reading_keeps_missing_reports_without_a_digest_and_warns() {
    let reading = leniently(&fixture("missing-report")).unwrap();
    let reports = guide_board(&reading)["reports"].as_array().unwrap();
    assert_eq!(reports.len(), 3);
    assert!(reports[0]["sha256"].is_string());
    assert_eq!(reports[1]["sha256"], Value::Null);
    assert_eq!(warnings_with(&reading, "the report ").len(), 2);
}

#[test]
fn lenient_reading_drops_reports_outside_the_directory_and_warns() {
    let reading = leniently(&fixture("escaping-report")).unwrap();
    assert_eq!(guide_board(&reading)["reports"].as_array().unwrap().len(), 1);
    assert_eq!(warnings_with(&reading, "the report ").len(), 2);
}

#[cfg(unix)]
#[test]
fn a_report_is_never_read_through_a_link() {
    use std::os::unix::fs::symlink;

    let run = Run::valid();
    symlink("scorecard.json", run.path().join("reports/linked.json")).unwrap();
    symlink("reports", run.path().join("linked")).unwrap();
    let paths = json!(["reports/linked.json", "linked/scorecard.json"]);
    run.write("assessment-package.json", with(assessment_package(), "reports", paths));
    let GuideBoardError::Reports { problems } = run.refusal() else { panic!("another error") };
    assert_eq!(problems.len(), 2);
    assert!(problems.iter().all(|problem| problem.problem.contains("symbolic link")));
    let reading = leniently(run.path()).unwrap();
    assert_eq!(guide_board(&reading)["reports"], json!([]));
}

#[cfg(unix)]
#[test]
fn links_below_reports_are_no_reports() {
    let run = Run::valid();
    run.write("assessment-package.json", with(assessment_package(), "reports", Value::Null));
    std::os::unix::fs::symlink("scorecard.json", run.path().join("reports/linked.json")).unwrap();
    let reading = run.read();
    assert_eq!(guide_board(&reading)["reports"].as_array().unwrap().len(), 1);
    assert_eq!(warnings_with(&reading, "reports/linked.json").len(), 1);
}

#[test]
fn no_reports_folder_and_no_list_is_a_warning() {
    let run = Run::valid();
    run.write("assessment-package.json", with(assessment_package(), "reports", Value::Null));
    fs::remove_dir_all(run.path().join("reports")).unwrap();
    let reading = run.read();
    assert_eq!(guide_board(&reading)["reports"], json!([]));
    assert_eq!(warnings_with(&reading, "no file below reports/").len(), 1);
}
