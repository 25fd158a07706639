//! The walk that the README promises: a whole guide-board run in, held, and out again.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Sandbox, file_names, files, fixture, sha256, tree};

fn pilot(sandbox: &Sandbox, options: &[&str]) -> Value {
    let directory = fixture("cmis-pilot");
    let args = [&["guide-board", directory.to_str().unwrap()], options].concat();
    sandbox.json(&args)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn the_pilot_run_becomes_a_bag_that_any_tool_can_check() {
    let sandbox = Sandbox::new();
    let report = pilot(&sandbox, &[]);
    let id = text(&report["package_id"]);

    sandbox.assert_whole(id);
    sandbox.assert_nothing_staged();
    assert_eq!(sandbox.packages(), [id]);
    assert_eq!(sha256(&sandbox.bag(id).join("manifest.json")), text(&report["manifest_sha256"]));
    assert_eq!(files(&sandbox.bag(id).join("data")), files(&fixture("cmis-pilot")));
}

#[test]
fn the_pilot_run_is_downloaded_byte_for_byte() {
    let sandbox = Sandbox::new();
    let report = pilot(&sandbox, &[]);
    let id = text(&report["package_id"]);

    let downloaded = sandbox.json(&["download", id, "there"]);
    assert_eq!(
        downloaded,
        json!({"package_id": id, "folder": "there", "file_count": 40, "total_bytes": report["total_bytes"]})
    );
    assert_eq!(tree(&sandbox.path("there")), tree(&fixture("cmis-pilot")));

    // Again into the same folder: what is there is right and stays.
    sandbox.succeeds(&["download", id, "there"]);
    assert_eq!(tree(&sandbox.path("there")), tree(&fixture("cmis-pilot")));
}

#[test]
fn show_and_verify_agree_with_what_the_ingest_said() {
    let sandbox = Sandbox::new();
    let mut report = pilot(&sandbox, &[]);
    let id = text(&report["package_id"]).to_owned();

    let verified = sandbox.json(&["verify", &id]);
    assert_eq!(verified["files_checked"], report["file_count"]);
    assert_eq!(verified["bytes_checked"], report["total_bytes"]);
    assert_eq!(verified["manifest_sha256"], report["manifest_sha256"]);
    assert_eq!(verified["problems"], json!([]));

    assert_eq!(report.as_object_mut().unwrap().remove("outcome"), Some(json!("ingested")));
    let mut shown = sandbox.json(&["show", &id]);
    let retention = shown.as_object_mut().unwrap().remove("retention").unwrap();
    assert_eq!(retention["expires_at"], report["expires_at"]);
    assert_eq!(shown, report);
}

#[test]
fn the_same_run_again_is_found_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    let mut first = pilot(&sandbox, &[]);
    let before = tree(&sandbox.store().join("packages"));

    let second = pilot(&sandbox, &[]);
    assert_eq!(second["outcome"], "already-ingested");
    first["outcome"] = json!("already-ingested");
    assert_eq!(second, first);
    assert_eq!(tree(&sandbox.store().join("packages")), before);

    // A copy of the run elsewhere, with other times, is the same run.
    let copy = sandbox.path("copy");
    for name in file_names(&fixture("cmis-pilot")) {
        let bytes = fs::read(fixture("cmis-pilot").join(&name)).unwrap();
        sandbox.write(copy.join(name), bytes);
    }
    assert_eq!(sandbox.json(&["guide-board", "copy"]), first);
    assert_eq!(tree(&sandbox.store().join("packages")), before);
}

#[test]
fn the_report_has_the_members_of_the_summary_and_the_outcome() {
    let sandbox = Sandbox::new();
    let report = pilot(&sandbox, &[]);
    let members: Vec<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "created_at",
            "expires_at",
            "external_id",
            "file_count",
            "finalized_at",
            "highlights",
            "kind",
            "labels",
            "manifest_sha256",
            "on_hold",
            "outcome",
            "package_id",
            "producer",
            "retention_class",
            "status",
            "title",
            "total_bytes",
            "url",
        ]
    );
    assert_eq!(report["producer"], "guide-board");
    assert_eq!(report["kind"], "guide-board-run");
    assert_eq!(report["external_id"], "gb-2026-03-17-0007");
    assert_eq!(report["title"], "opencmis-tck-full on docstore-cmis11-browser");
    assert_eq!(report["status"], "finalized");
    assert_eq!(report["retention_class"], "raw-evidence");
    assert_eq!(report["file_count"], 40);
    assert_eq!(report["url"], Value::Null);
    assert_eq!(report["on_hold"], false);
    assert_eq!(
        report["labels"],
        json!({
            "assessment-profile": "opencmis-tck-full",
            "target-profile": "docstore-cmis11-browser",
        })
    );
}

#[test]
fn the_highlights_are_the_facts_that_a_tracker_wants() {
    let sandbox = Sandbox::new();
    let report = pilot(&sandbox, &[]);
    let highlights = report["highlights"].as_object().unwrap();
    let members: Vec<&str> = highlights.keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "assessment_profile",
            "evidence_result_counts",
            "finding_counts",
            "reports",
            "source_commits",
            "target_profile",
            "tck_counts",
        ]
    );
    assert_eq!(highlights["target_profile"], "docstore-cmis11-browser");
    assert_eq!(highlights["assessment_profile"], "opencmis-tck-full");
    assert_eq!(
        highlights["evidence_result_counts"],
        json!({"error": 2, "fail": 6, "not-assessed": 5, "pass": 19, "pass-with-remarks": 8})
    );
    assert_eq!(highlights["finding_counts"], json!({"high": 3, "info": 1, "low": 8, "medium": 5}));
    assert_eq!(
        highlights["tck_counts"],
        json!({
            "FAILURE": 7, "INFO": 6, "OK": 244, "SKIPPED": 6, "UNEXPECTED_EXCEPTION": 2,
            "WARNING": 9,
        })
    );
    assert_eq!(highlights["source_commits"].as_array().unwrap().len(), 3);
    for listed in highlights["reports"].as_array().unwrap() {
        let path = fixture("cmis-pilot").join(text(&listed["path"]));
        assert_eq!(sha256(&path), text(&listed["sha256"]), "{}", path.display());
    }
}

#[test]
fn title_labels_and_class_of_the_command_line_win() {
    let sandbox = Sandbox::new();
    let options = [
        "--title",
        "A title of its own",
        "--label",
        "team=storage",
        "--label",
        "target-profile=another",
        "--retention-class",
        "release-evidence",
    ];
    let report = pilot(&sandbox, &options);
    assert_eq!(report["title"], "A title of its own");
    assert_eq!(report["retention_class"], "release-evidence");
    assert_eq!(
        report["labels"],
        json!({
            "assessment-profile": "opencmis-tck-full",
            "target-profile": "another",
            "team": "storage",
        })
    );
    // What the run says of itself stays what it is.
    assert_eq!(report["highlights"]["target_profile"], "docstore-cmis11-browser");
}

#[test]
fn a_permanent_package_never_expires() {
    let sandbox = Sandbox::new();
    let report = pilot(&sandbox, &["--retention-class", "permanent-record"]);
    assert_eq!(report["expires_at"], Value::Null);
    let shown = sandbox.succeeds(&["show", text(&report["package_id"])]);
    assert!(shown.contains("expires       never"), "{shown}");
}
