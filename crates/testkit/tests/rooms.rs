//! The rooms of the workspace know only whom they may know.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// Which of our crates a crate may depend on. Crates that are not here may depend on none.
const MAY_KNOW: [(&str, &[&str]); 10] = [
    ("artifact-domain", &[]),
    ("artifact-retention", &["artifact-domain"]),
    ("artifact-registry", &["artifact-domain"]),
    ("artifact-storage", &["artifact-domain"]),
    (
        "artifact-store",
        &["artifact-domain", "artifact-retention", "artifact-registry", "artifact-storage"],
    ),
    ("artifact-client", &["artifact-domain"]),
    ("artifact-ingestion", &["artifact-domain", "artifact-store", "artifact-client"]),
    ("artifact-server", &["artifact-domain", "artifact-store"]),
    (
        "artifact-ingest",
        &["artifact-domain", "artifact-ingestion", "artifact-store", "artifact-client"],
    ),
    // It starts what others test against, and is nowhere but among their dev-dependencies.
    ("artifact-testkit", &["artifact-server", "artifact-store"]),
];

/// Crates of others that only some of ours may name: each technology has its room. HTTP as a client
/// has two, because a bucket is spoken to over HTTP.
const ROOMS: [(&str, &[&str]); 6] = [
    ("diesel", &["artifact-registry"]),
    ("diesel_migrations", &["artifact-registry"]),
    ("libsqlite3-sys", &["artifact-registry"]),
    ("pq-sys", &["artifact-registry"]),
    ("object_store", &["artifact-storage"]),
    ("reqwest", &["artifact-client", "artifact-storage"]),
];

/// The normal dependencies of each crate of the workspace.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let normal = package["dependencies"].as_array().unwrap().iter();
            let names = normal
                .filter(|dependency| dependency["kind"].is_null())
                .map(|dependency| text(&dependency["name"]));
            (text(&package["name"]), names.collect())
        })
        .collect()
}

#[test]
fn a_room_knows_only_the_rooms_that_it_may_know() {
    let may_know = BTreeMap::from(MAY_KNOW);
    for (package, dependencies) in dependencies() {
        let allowed = may_know.get(package.as_str()).copied().unwrap_or_default();
        for dependency in dependencies.iter().filter(|name| name.starts_with("artifact-")) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{package} may not depend on {dependency}"
            );
        }
    }
}

#[test]
fn a_technology_is_named_in_its_room() {
    for (package, dependencies) in dependencies() {
        for (technology, rooms) in ROOMS {
            let names_it = dependencies.iter().any(|dependency| dependency == technology);
            assert!(
                !names_it || rooms.contains(&package.as_str()),
                "{package} may not name {technology}: {rooms:?} do"
            );
        }
    }
}

#[test]
fn the_testkit_is_never_a_dependency_of_what_is_shipped() {
    for (package, dependencies) in dependencies() {
        assert!(!dependencies.contains(&"artifact-testkit".to_owned()), "{package}");
    }
}
