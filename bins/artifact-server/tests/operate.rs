//! The operator's commands, through the real binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::Output;

use artifact_domain::PackageId;
use artifact_store::{ArtifactStore, NewUpload, StoreOptions};
use assert_cmd::Command;

fn artifact_server(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_artifact-server"));
    command.arg("--data-dir").arg(data).args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A finalized package with one file.
fn package(data: &Path, text: &'static str) -> PackageId {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = ArtifactStore::open(&StoreOptions::embedded(data)).await.unwrap();
        let request = serde_json::from_str(r#"{"producer":"ci"}"#).unwrap();
        let package = store.create_package(request).await.unwrap();
        store
            .upload_bytes(package.id, NewUpload::new("log.txt".parse().unwrap()), text)
            .await
            .unwrap();
        store
            .finalize(package.id, artifact_domain::wire::FinalizePackage::default())
            .await
            .unwrap()
            .id
    })
}

#[test]
fn migrate_makes_a_registry_and_finds_it_done_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for _ in 0..2 {
        let output = artifact_server(&data, &["migrate"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(stdout(&output).contains("up to date"));
    }
    assert!(data.join("registry.sqlite3").is_file());
}

#[test]
fn verify_says_of_each_package_whether_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let ids = [package(folder.path(), "one"), package(folder.path(), "two")];
    let output = artifact_server(folder.path(), &["verify"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for id in ids {
        assert!(stdout(&output).contains(&format!("{id} whole: 1 files, 3 bytes")), "{output:?}");
    }
}

#[test]
fn verify_ends_with_4_and_names_what_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, damaged) = (package(folder.path(), "one"), package(folder.path(), "two"));
    std::fs::write(folder.path().join(format!("packages/{damaged}/data/log.txt")), "owt").unwrap();
    let output = artifact_server(folder.path(), &["verify"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let text = stdout(&output);
    assert!(text.contains(&format!("{whole} whole")), "{text}");
    assert!(
        text.contains(&format!("{damaged} DAMAGED"))
            && text.contains("data/log.txt: expected SHA-256"),
        "{text}"
    );
    let one = artifact_server(folder.path(), &["verify", "--package", &whole.to_string()]);
    assert_eq!(one.status.code(), Some(0), "{one:?}");
}

#[test]
fn a_store_that_is_not_there_is_said_so_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("nowhere");
    let output = artifact_server(&data, &["verify"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("there is no registry at") && text.contains("nowhere"), "{text}");
    assert!(!data.exists());
    assert_eq!(artifact_server(&data, &["frobnicate"]).status.code(), Some(2));
}

#[test]
fn check_tells_what_a_store_is_on_and_that_it_can_be_trusted() {
    let folder = tempfile::tempdir().unwrap();
    package(folder.path(), "evidence");
    let checked = artifact_server(folder.path(), &["check"]);
    let table = stdout(&checked);
    assert!(checked.status.success(), "{table}");
    for row in [
        "registry     sqlite",
        "storage      local",
        "create-only put        works",
        "expiry rule            off",
        "verdict      evidence can be given",
    ] {
        assert!(table.contains(row), "{row} is not in\n{table}");
    }
    let checked = artifact_server(folder.path(), &["check", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(found["safe"], true, "{found}");
    assert_eq!(found["capabilities"]["create-only put"]["finding"], "works", "{found}");
    assert_eq!(found["settings"]["versioning"]["finding"], "off", "{found}");
}
