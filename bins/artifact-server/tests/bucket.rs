//! A real gateway that is set up in a way that loses evidence: it is named, and not served.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Output;

use artifact_testkit::Ceph;
use assert_cmd::Command;
use tempfile::TempDir;

/// A store whose bytes are in a bucket.
struct Store<'c> {
    ceph: &'c Ceph,
    bucket: &'static str,
    data: TempDir,
}

impl<'c> Store<'c> {
    fn to_be(ceph: &'c Ceph, bucket: &'static str) -> Self {
        ceph.make_bucket(bucket);
        Self { ceph, bucket, data: TempDir::new().unwrap() }
    }

    fn new(ceph: &'c Ceph, bucket: &'static str) -> Self {
        let store = Self::to_be(ceph, bucket);
        assert!(store.run(&["migrate"]).status.success());
        store
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::cargo_bin("artifact-server").unwrap();
        command.env_clear().env("ARTIFACT_STORE_DATA_DIR", self.data.path().join("data"));
        for (name, value) in [
            ("LOG", "error"),
            ("STORAGE_URL", &format!("s3://{}/store", self.bucket)),
            ("S3_ENDPOINT", &self.ceph.endpoint()),
            ("S3_ALLOW_HTTP", "true"),
            ("S3_ACCESS_KEY_ID", self.ceph.access_key()),
            ("S3_SECRET_ACCESS_KEY", self.ceph.secret_key()),
        ] {
            command.env(format!("ARTIFACT_STORE_{name}"), value);
        }
        command.args(arguments).output().unwrap()
    }

    /// Asserts that the bucket is found unsafe for a reason with this word, and is not served.
    #[track_caller]
    fn assert_unsafe(&self, word: &str) {
        let checked = self.run(&["check"]);
        let table = String::from_utf8(checked.stdout).unwrap();
        assert_eq!(checked.status.code(), Some(1), "{table}");
        let verdict = table.lines().find(|line| line.starts_with("verdict")).unwrap();
        assert!(verdict.contains("NOT SAFE") && verdict.contains(word), "{verdict}");

        let served = self.run(&["serve", "--bind", "127.0.0.1:0"]);
        let said = String::from_utf8(served.stderr).unwrap();
        assert_eq!(served.status.code(), Some(1), "{said}");
        assert!(said.contains("is not served") && said.contains(word), "{said}");
        assert!(served.stdout.is_empty(), "it listened");
    }
}

#[test]
#[ignore = "needs Ceph: just test-engines"]
fn a_bucket_that_deletes_or_overwrites_is_named_and_not_served() {
    let ceph = Ceph::start();
    let store = Store::new(&ceph, "kept-whole");
    let checked = store.run(&["check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));

    ceph.expire_objects("kept-whole", 30);
    store.assert_unsafe("30 days");

    // A Ceph that keeps versions takes a second object for a new version of the first, whatever
    // the request says.
    let store = Store::new(&ceph, "kept-in-versions");
    ceph.keep_versions("kept-in-versions");
    store.assert_unsafe("overwrites");
}

#[test]
#[ignore = "needs Ceph: just test-engines"]
fn a_bucket_is_checked_before_a_store_is_made_in_it() {
    let ceph = Ceph::start();
    let store = Store::to_be(&ceph, "to-be");
    let checked = store.run(&["check"]);
    let table = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{table}");
    assert!(table.contains("has no store yet") && table.contains("can be given"), "{table}");
    assert!(ceph.keys("to-be", "").is_empty() && !store.data.path().join("data").exists());

    ceph.expire_objects("to-be", 30);
    store.assert_unsafe("30 days");
    assert!(ceph.keys("to-be", "").is_empty() && !store.data.path().join("data").exists());
}
