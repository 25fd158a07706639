//! Settings of a bucket that cannot work: each stops the start with one line that names what to
//! change, and makes nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use assert_cmd::Command;
use tempfile::TempDir;

/// Migrates with these settings, asserts that it fails with this code and leaves nothing behind,
/// and answers what was said.
#[track_caller]
fn refused(code: i32, settings: &[(&str, &str)]) -> String {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let mut command = Command::cargo_bin("artifact-server").unwrap();
    command.env_clear().env("ARTIFACT_STORE_DATA_DIR", &data).env("ARTIFACT_STORE_LOG", "error");
    for (name, value) in settings {
        command.env(format!("ARTIFACT_STORE_{name}"), value);
    }
    let output = command.arg("migrate").assert().code(code).get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!data.exists(), "something was made: {said}");
    assert!(!said.contains("hush"), "the secret is shown: {said}");
    said
}

const KEY: [(&str, &str); 2] = [("S3_ACCESS_KEY_ID", "artifact"), ("S3_SECRET_ACCESS_KEY", "hush")];

fn with_key<'a>(settings: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    KEY.into_iter().chain(settings.iter().copied()).collect()
}

#[track_caller]
fn assert_one_line_about(said: &str, setting: &str) {
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.starts_with("error: ") && said.contains(setting), "{said}");
}

#[test]
fn a_bucket_without_a_key_names_the_missing_variable() {
    let bucket = ("STORAGE_URL", "s3://evidence/store");
    assert_one_line_about(&refused(2, &[bucket]), "ARTIFACT_STORE_S3_ACCESS_KEY_ID");
    assert_one_line_about(&refused(2, &[bucket, KEY[0]]), "ARTIFACT_STORE_S3_SECRET_ACCESS_KEY");
}

#[test]
fn an_endpoint_without_tls_has_to_be_allowed() {
    let settings =
        with_key(&[("STORAGE_URL", "s3://evidence/store"), ("S3_ENDPOINT", "http://127.0.0.1:1")]);
    assert_one_line_about(&refused(1, &settings), "ARTIFACT_STORE_S3_ALLOW_HTTP");
}

#[test]
fn an_endpoint_that_nobody_answers_at_is_named() {
    let settings = with_key(&[
        ("STORAGE_URL", "s3://evidence/store"),
        // Nobody listens at port 1.
        ("S3_ENDPOINT", "http://127.0.0.1:1"),
        ("S3_ALLOW_HTTP", "true"),
    ]);
    assert_one_line_about(&refused(1, &settings), "ARTIFACT_STORE_S3_ENDPOINT");
}

#[test]
fn a_storage_url_of_another_kind_is_a_usage_error() {
    for url in ["gs://bucket/prefix", "/srv/evidence", "s3://", "s3://No_Bucket/x", "http://a/b"] {
        let said = refused(2, &with_key(&[("STORAGE_URL", url)]));
        assert!(said.contains("--storage-url"), "{said}");
    }
}
