//! The believable run.

use std::{collections::BTreeSet, fs};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::support::{fixture, guide_board, reading};

#[test]
fn a_whole_run_is_read_without_warnings() {
    let reading = reading("cmis-pilot");
    assert_eq!(reading.run_id.as_deref(), Some("gb-2026-03-17-0007"));
    assert_eq!(reading.target_profile.as_deref(), Some("docstore-cmis11-browser"));
    assert_eq!(reading.assessment_profile.as_deref(), Some("opencmis-tck-full"));
    assert_eq!(reading.retention_class.as_deref(), Some("raw-evidence"));
    assert_eq!(reading.warnings, Vec::<String>::new());
}

#[test]
fn a_whole_run_has_the_counts_of_its_scorecard() {
    let reading = reading("cmis-pilot");
    let metadata = guide_board(&reading);
    let scorecard: serde_json::Value =
        serde_json::from_slice(&fs::read(fixture("cmis-pilot/reports/scorecard.json")).unwrap())
            .unwrap();
    assert_eq!(metadata["evidence_result_counts"], scorecard["evidence_result_counts"]);
    assert_eq!(metadata["finding_counts"], scorecard["finding_counts"]);
    assert_eq!(metadata["tck"]["counts"], scorecard["tck_counts"]);
    assert_eq!(
        metadata["tck"],
        json!({
            "source": "artifacts/opencmis-tck/tck-report.json",
            "counts": {
                "FAILURE": 7, "INFO": 6, "OK": 244, "SKIPPED": 6, "UNEXPECTED_EXCEPTION": 2, "WARNING": 9,
            },
            "groups": 7,
            "tests": 40,
        })
    );
}

#[test]
fn the_metadata_has_every_documented_member_and_no_other() {
    let reading = reading("cmis-pilot");
    let members: BTreeSet<&str> =
        guide_board(&reading).as_object().unwrap().keys().map(String::as_str).collect();
    let documented = [
        "assessment_profile",
        "evidence_result_counts",
        "extra",
        "finding_counts",
        "finished_at",
        "reports",
        "retention_proposals",
        "run_id",
        "schema",
        "source_commits",
        "started_at",
        "status",
        "target_profile",
        "tck",
    ];
    assert_eq!(members, BTreeSet::from(documented));
    assert_eq!(guide_board(&reading)["schema"], "guide-board/run/v1");
}

#[test]
fn the_files_relied_on_are_listed_with_their_true_digests() {
    let reading = reading("cmis-pilot");
    let paths: Vec<&str> = reading.read_files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "artifacts/opencmis-tck/tck-report.json",
            "artifacts/opencmis-tck/tck-report.xml",
            "assessment-package.json",
            "reports/assessment-report.html",
            "reports/assessment-report.md",
            "reports/log-review.json",
            "reports/log-review.md",
            "reports/scorecard.json",
            "reports/scorecard.md",
            "retention-summary.json",
            "run.json",
        ]
    );
    for file in &reading.read_files {
        let bytes = fs::read(fixture("cmis-pilot").join(&file.path)).unwrap();
        assert_eq!(file.size, bytes.len() as u64, "{}", file.path);
        assert_eq!(file.sha256, <[u8; 32]>::from(Sha256::digest(&bytes)), "{}", file.path);
    }
}

#[test]
fn a_report_carries_its_digest_in_lower_case_hex() {
    let reading = reading("cmis-pilot");
    let hex = "6b11bc47e92b58e6edebc1d0021d669aaba144c6aa80c4efd4a25207ec57b98e";
    assert_eq!(
        guide_board(&reading)["reports"][1],
        json!({
            "kind": "scorecard", "path": "reports/scorecard.md", "title": "Scorecard", "sha256": hex,
        })
    );
}

#[test]
fn reading_twice_gives_the_same() {
    assert_eq!(reading("cmis-pilot"), reading("cmis-pilot"));
}
