//! The commands that the documents show are run as they stand there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use artifact_testkit::TestServer;
use serde_json::Value;
use tempfile::TempDir;

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)).unwrap()
}

/// The blocks of a document that are to be run.
fn commands(document: &str) -> String {
    let mut script = String::new();
    let mut inside = false;
    for line in document.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => {
                script.push_str(line);
                script.push('\n');
            }
            _ => {}
        }
    }
    script
}

/// Runs a script in an empty folder; a request that is refused ends it.
fn run(script: &str, server: &TestServer) -> (TempDir, Output) {
    let folder = TempDir::new().unwrap();
    let strict = "curl() { command curl --silent --show-error --fail-with-body \"$@\"; }";
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &format!("{strict}\n{script}")])
        .env("server", server.url())
        .env("NO_PROXY", "127.0.0.1")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    (folder, output)
}

#[test]
fn every_curl_line_of_the_interface_document_works() {
    let server = TestServer::start();
    let (folder, _) = run(&commands(&document("docs/api.md")), &server);
    let file = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(file("copy.log"), "all green\n");
    let id = file("location").rsplit('/').next().unwrap().to_owned();
    assert_eq!(file(&format!("{id}/data/reports/2.txt")), "two\n");
    assert_eq!(file(&format!("{id}/manifest.json")), file("manifest.json"));
    assert!(file("docs.html").contains("swagger-ui"));
}

#[test]
fn the_interface_document_shows_every_operation() {
    let server = TestServer::start();
    let output = Command::new("curl")
        .args(["--silent", "--fail", &format!("{}/openapi.json", server.url())])
        .output()
        .unwrap();
    let described: Value = serde_json::from_slice(&output.stdout).unwrap();
    let shown = commands(&document("docs/api.md"));
    for path in described["paths"].as_object().unwrap().keys() {
        let place = path
            .replace("/api/v1/packages/{package}", "$package")
            .replace("/api/v1", "$api")
            .replace("{path}", "");
        let place = if path.starts_with("/api/v1") { place } else { format!("$server{place}") };
        let place = place.replace("{hold}", "$hold").replace("{class}", "$class");
        // Failing and deleting need packages of their own.
        let place = place.replace("$package/fail", "/fail").replace("$package/delet", "/delet");
        assert!(shown.contains(&place), "docs/api.md shows no request to {path}");
    }
}

#[test]
fn the_walk_of_the_readme_works() {
    let server = TestServer::start();
    let readme = document("README.md");
    let walk = readme.split("## Over HTTP").nth(1).unwrap();
    let walk = commands(walk.split("\n## ").next().unwrap());
    assert_eq!(walk.lines().filter(|line| line.contains("curl ")).count(), 6, "{walk}");
    let script = format!("echo 'all green' > build.log\n{walk}");
    let (folder, _) = run(&script.replace("http://127.0.0.1:8080", &server.url()), &server);
    assert_eq!(fs::read_to_string(folder.path().join("copy.log")).unwrap(), "all green\n");
}
