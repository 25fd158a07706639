//! Every shape that is tolerated.

use serde_json::{Value, json};

use super::support::{
    Run, assessment_package, guide_board, reading, run_json, warnings_with, with,
};

const DOCSTORE: &str = "4f2a9c7d1e8b3605a7c4d2e9f1b0836475a9c8d1";
const PROFILES: &str = "b81d03e6f59a27c4481e6d0b9f35a7c20e64d1f8";

#[test]
fn a_minimal_run_is_read_and_warns_about_everything_else() {
    let reading = reading("minimal");
    let metadata = guide_board(&reading);
    assert_eq!(reading.run_id.as_deref(), Some("gb-0001"));
    for absent in ["evidence_result_counts", "finding_counts", "source_commits", "tck", "status"] {
        assert_eq!(metadata[absent], Value::Null, "{absent}");
    }
    assert_eq!(metadata["retention_proposals"], Value::Null);
    assert_eq!(reading.retention_class, None);
    for absent in ["no evidence results", "no findings", "no source commits", "no report paths"] {
        assert_eq!(warnings_with(&reading, absent).len(), 1, "{absent}");
    }
    assert_eq!(reading.warnings.len(), 4);
}

#[test]
fn counts_given_as_objects_are_taken() {
    let reading = reading("counts-as-objects");
    let metadata = guide_board(&reading);
    assert_eq!(metadata["evidence_result_counts"], json!({ "error": 0, "fail": 1, "pass": 2 }));
    assert_eq!(metadata["finding_counts"], json!({ "high": 1, "low": 1 }));
    assert_eq!(
        metadata["extra"]["assessment-package.json"]["findings"],
        json!({ "tool": "reviewer" })
    );
}

#[test]
fn an_empty_list_has_no_counts_and_no_warning() {
    let reading = Run::valid().read();
    assert_eq!(guide_board(&reading)["finding_counts"], json!({}));
    assert_eq!(reading.warnings, Vec::<String>::new());
}

#[test]
fn reports_as_a_map_have_their_key_for_a_kind() {
    let reading = reading("reports-as-map");
    let reports = guide_board(&reading)["reports"].as_array().unwrap();
    let kinds: Vec<_> = reports.iter().map(|r| (r["kind"].as_str(), r["path"].as_str())).collect();
    assert_eq!(
        kinds,
        [
            (Some("log-review"), Some("reports/log-review.json")),
            (Some("log-review"), Some("reports/log-review.md")),
            (Some("scorecard"), Some("reports/scorecard.json")),
        ]
    );
}

#[test]
fn without_a_list_the_files_below_reports_are_the_reports() {
    let reading = reading("no-reports-listed");
    let reports = guide_board(&reading)["reports"].as_array().unwrap();
    let kinds: Vec<_> = reports.iter().map(|r| (r["kind"].as_str(), r["path"].as_str())).collect();
    assert_eq!(
        kinds,
        [
            (Some("annex"), Some("reports/annex.txt")),
            (Some("assessment-report"), Some("reports/cmis/assessment-report.html")),
            (Some("log-review"), Some("reports/log-review.md")),
            (Some("scorecard"), Some("reports/scorecard.json")),
        ]
    );
    assert_eq!(warnings_with(&reading, "the 4 files below reports/").len(), 1);
}

#[test]
fn hidden_files_below_reports_are_no_reports() {
    let run = Run::valid();
    run.write("assessment-package.json", with(assessment_package(), "reports", Value::Null));
    run.write("reports/.index", "");
    let reading = run.read();
    assert_eq!(guide_board(&reading)["reports"].as_array().unwrap().len(), 1);
}

#[test]
fn a_list_of_plain_paths_has_the_kinds_of_the_file_names() {
    let run = Run::valid();
    let paths = json!(["./reports/scorecard.json"]);
    run.write("assessment-package.json", with(assessment_package(), "reports", paths));
    let reading = run.read();
    assert_eq!(guide_board(&reading)["reports"][0]["kind"], "scorecard");
    assert_eq!(guide_board(&reading)["reports"][0]["path"], "reports/scorecard.json");
}

#[test]
fn commits_as_a_map_are_a_list_sorted_by_repository() {
    let reading = reading("commits-as-map");
    assert_eq!(
        guide_board(&reading)["source_commits"],
        json!([
            { "repository": "docstore", "commit": DOCSTORE, "branch": "main", "dirty": true },
            { "repository": "profiles", "commit": PROFILES },
        ])
    );
}

#[test]
fn unknown_members_of_a_commit_are_kept() {
    let run = Run::valid();
    let commits = json!([{ "repository": "x", "commit": "0", "tag": "v1" }]);
    run.write("run.json", with(run_json(), "source_commits", commits));
    assert_eq!(
        guide_board(&run.read())["extra"]["run.json"]["source_commits"],
        json!({ "x": { "tag": "v1" } })
    );
}

#[test]
fn profiles_as_objects_give_their_id_and_keep_the_rest() {
    let reading = reading("profiles-as-objects");
    assert_eq!(reading.target_profile.as_deref(), Some("docstore-test"));
    assert_eq!(reading.assessment_profile.as_deref(), Some("cmis-basics"));
    assert_eq!(
        guide_board(&reading)["extra"]["run.json"],
        json!({
            "target_profile": { "name": "docstore, test bed" },
            "assessment_profile": { "version": "2026.1" },
        })
    );
}

#[test]
fn values_may_all_stand_in_the_assessment_package() {
    let reading = reading("values-in-assessment-package");
    assert_eq!(reading.run_id.as_deref(), Some("gb-0001"));
    assert_eq!(guide_board(&reading)["status"], "completed");
    assert_eq!(warnings_with(&reading, "there is no run.json").len(), 1);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(reading("byte-order-mark").run_id.as_deref(), Some("gb-0001"));
}
