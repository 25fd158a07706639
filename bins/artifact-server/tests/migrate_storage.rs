//! `migrate-storage`, through the real binary, from folder to folder. To a bucket and back it goes
//! in the tests of engines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use artifact_domain::PackageId;
use artifact_domain::wire::FinalizePackage;
use artifact_store::{ArtifactStore, NewUpload, StoreOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

fn command(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_artifact-server"));
    command.env_clear().env("ARTIFACT_STORE_LOG", "error").arg("--data-dir").arg(data);
    command.args(arguments);
    command
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    command(data, arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn assert_ended(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
}

fn url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

/// A data folder with sealed packages of some files each.
fn filled(packages: usize, files: usize) -> (TempDir, Vec<PackageId>) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ids = runtime.block_on(async {
        let store = ArtifactStore::open(&StoreOptions::embedded(folder.path())).await.unwrap();
        let mut ids = Vec::new();
        for n in 0..packages {
            let request = serde_json::from_str(r#"{"producer":"ci"}"#).unwrap();
            let id = store.create_package(request).await.unwrap().id;
            for file in 0..files {
                let name = NewUpload::new(format!("{file}.txt").parse().unwrap());
                store.upload_bytes(id, name, format!("{n} {file}")).await.unwrap();
            }
            store.finalize(id, FinalizePackage::default()).await.unwrap();
            ids.push(id);
        }
        ids
    });
    (folder, ids)
}

#[test]
fn all_packages_move_and_the_command_says_what_to_set() {
    let (data, ids) = filled(3, 4);
    let parent = tempfile::tempdir().unwrap();
    let to = url(&parent.path().join("new"));
    let dry = run(data.path(), &["migrate-storage", "--to", &to, "--dry-run"]);
    assert_ended(&dry, 0);
    assert!(stdout(&dry).contains("3 packages to copy: 12 files"), "{dry:?}");
    assert!(!parent.path().join("new").exists());

    let moved = run(data.path(), &["migrate-storage", "--to", &to]);
    assert_ended(&moved, 0);
    let said = stdout(&moved);
    assert!(said.contains("3 packages live at"), "{said}");
    assert!(said.contains(&format!("ARTIFACT_STORE_STORAGE_URL={to}")), "{said}");
    assert!(String::from_utf8_lossy(&moved.stderr).contains("copied 0 of 3 packages"), "{moved:?}");

    let verified = run(data.path(), &["--storage-url", &to, "verify"]);
    assert_ended(&verified, 0);
    for id in ids {
        assert!(stdout(&verified).contains(&id.to_string()), "{verified:?}");
    }
    // At the old home nothing is opened any more, and the error says where to go.
    for arguments in [&["verify"][..], &["serve", "--bind", "127.0.0.1:0"]] {
        let refused = run(data.path(), arguments);
        assert_ended(&refused, 1);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains(&to) && said.contains("ARTIFACT_STORE_STORAGE_URL"), "{said}");
    }
    // Said again, as a script does that was cut off, it is done already.
    let again = run(data.path(), &["migrate-storage", "--to", &to, "--json"]);
    assert_ended(&again, 0);
    let ended: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(ended, json!({"moved": true, "to": to, "packages": null}));
}

#[test]
fn what_cannot_be_copied_is_named_and_nothing_moves() {
    let (data, ids) = filled(2, 2);
    let file = data.path().join(format!("packages/{}/data/1.txt", ids[1]));
    std::fs::write(&file, "x y").unwrap();
    let parent = tempfile::tempdir().unwrap();
    let to = url(parent.path());
    let moved = run(data.path(), &["migrate-storage", "--to", &to, "--json", "--quiet"]);
    assert_ended(&moved, 1);
    assert!(moved.stderr.is_empty(), "{moved:?}");
    let ended: Value = serde_json::from_slice(&moved.stdout).unwrap();
    assert_eq!((&ended["moved"], &ended["packages"]), (&json!(false), &Value::Null), "{ended}");
    assert_eq!(ended["failures"][0]["package_id"], ids[1].to_string(), "{ended}");
    assert!(ended["failures"][0]["detail"].as_str().unwrap().contains("1.txt"), "{ended}");
    // The store is where it was.
    assert_ended(&run(data.path(), &["verify", "--package", &ids[0].to_string()]), 0);
}

#[test]
fn a_target_that_is_no_url_is_a_usage_error() {
    let (data, _) = filled(1, 1);
    for to in ["/srv/evidence", "s3://", "gs://a/b"] {
        assert_ended(&run(data.path(), &["migrate-storage", "--to", to]), 2);
    }
    let said = run(data.path(), &["migrate-storage", "--to", "s3://evidence/store"]);
    assert_ended(&said, 2);
    assert!(String::from_utf8_lossy(&said.stderr).contains("ARTIFACT_STORE_S3_ACCESS_KEY_ID"));
}

#[test]
fn a_move_that_is_killed_again_and_again_ends_some_day() {
    let (data, ids) = filled(30, 10);
    let parent = tempfile::tempdir().unwrap();
    let to = url(parent.path());
    let arguments = ["migrate-storage", "--to", &to];
    let is_there = |id: &PackageId| parent.path().join(format!("packages/{id}/bagit.txt")).exists();
    for killed_at in [1, 8, 20] {
        let mut child = command(data.path(), &arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while ids.iter().filter(|id| is_there(id)).count() < killed_at {
            assert!(begun.elapsed() < Duration::from_mins(1), "it copies nothing");
            if child.try_wait().unwrap().is_some() {
                break;
            }
        }
        let _ = child.kill();
        child.wait().unwrap();
    }
    let moved = run(data.path(), &arguments);
    assert_ended(&moved, 0);
    let verified = run(data.path(), &["--storage-url", &to, "verify"]);
    assert_ended(&verified, 0);
    assert_eq!(ids.iter().filter(|id| stdout(&verified).contains(&id.to_string())).count(), 30);
}
