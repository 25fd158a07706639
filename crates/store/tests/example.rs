//! The example that the README points to, run as a user runs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use artifact_domain::PackageId;
use artifact_store::{Access, ArtifactStore, StoreOptions};

#[tokio::test]
async fn the_example_seals_a_package_and_shows_it() {
    let mut program = std::env::current_exe().unwrap();
    program.pop();
    program.set_file_name("examples");
    program.push(format!("embed{}", std::env::consts::EXE_SUFFIX));
    let built = program.is_file();
    assert!(built, "{} is missing: `cargo test` builds it, or --examples", program.display());

    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(&program).arg(folder.path().join("store")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [package, manifest, kept, name, first, second] = lines.as_slice() else { panic!("{text}") };
    assert_eq!((*name, *first, *second), ("logs/build.log:", "compiled", "tested"));

    // What it says is what the store has.
    let id: PackageId = package.strip_prefix("package ").unwrap().parse().unwrap();
    let options = StoreOptions::embedded(folder.path().join("store")).with_access(Access::Read);
    let store = ArtifactStore::open(&options).await.unwrap();
    let sealed = store.package(id).await.unwrap();
    let digest = sealed.manifest_sha256.unwrap().to_string();
    assert_eq!(manifest.strip_prefix("manifest "), Some(digest.as_str()));
    let expiry = sealed.expires_at.unwrap().to_string();
    assert_eq!(kept.strip_prefix("kept until "), Some(expiry.as_str()));
    assert_eq!(store.verify(id, |_| ()).await.unwrap().problems, []);
}
