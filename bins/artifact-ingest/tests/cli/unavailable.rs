//! A store that cannot be read or written now: code 7, with what to do about it.

use std::collections::BTreeMap;
use std::fs;

use artifact_registry::{DatabaseUrl, OpenMode, OpenOptions, Registry};

use crate::support::{Sandbox, is_passing, tree};

const INGEST: [&str; 4] = ["directory", "run", "--producer", "p"];

/// A store with one package.
fn a_store() -> (Sandbox, String) {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    let id = sandbox.ingest(&INGEST);
    (sandbox, id)
}

/// Asserts that neither reading nor writing works, that both say `wanted`, and that nothing that
/// is there is changed.
fn assert_unavailable(sandbox: &Sandbox, id: &str, wanted: &str) {
    let everything = || {
        let mut all =
            if sandbox.store().is_dir() { tree(&sandbox.store()) } else { BTreeMap::new() };
        all.retain(|name, _| !is_passing(name));
        all
    };
    let before = everything();
    for args in [&INGEST[..], &["show", id], &["verify", id], &["download", id, "there"]] {
        let error = sandbox.fails(7, args);
        assert!(error.contains(wanted), "{args:?} said: {error}");
    }
    assert_eq!(everything(), before);
    assert!(!sandbox.path("there").exists());
}

const SOME_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[test]
fn a_data_folder_that_is_a_file_is_7() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    sandbox.write("store", "a file");
    assert_unavailable(&sandbox, SOME_ID, "store/registry.sqlite3");
    assert_eq!(fs::read(sandbox.store()).unwrap(), b"a file");
}

#[test]
fn a_registry_that_is_a_folder_is_7() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    fs::create_dir_all(sandbox.path("store/registry.sqlite3")).unwrap();
    assert_unavailable(&sandbox, SOME_ID, "store/registry.sqlite3");
}

#[test]
fn a_registry_that_is_some_other_file_is_7_and_kept() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    sandbox.write("store/registry.sqlite3", "Dear diary, today I was taken for a database.");
    assert_unavailable(&sandbox, SOME_ID, "is not a registry of artifact-store");
}

#[test]
fn a_registry_of_a_later_version_is_7_and_kept() {
    let (sandbox, id) = a_store();
    let url = DatabaseUrl::sqlite(sandbox.store().join("registry.sqlite3"));
    let later = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')";
    let options =
        OpenOptions { on_connect: later.to_owned(), ..OpenOptions::new(OpenMode::Existing) };
    drop(Registry::open_with(&url, &options).unwrap());
    assert_unavailable(&sandbox, &id, "is newer than this program");
}

#[test]
fn a_registry_that_another_process_keeps_locked_is_7_and_can_be_read() {
    let (sandbox, id) = a_store();
    let error = sandbox.while_locked(|| {
        sandbox.succeeds(&["show", &id]);
        sandbox.assert_whole(&id);
        sandbox.fails(7, &INGEST)
    });
    assert!(error.contains("is locked by another process; try again"), "{error}");
    sandbox.ingest(&INGEST);
}

#[test]
fn a_store_whose_marker_is_gone_is_7_and_gets_no_new_one() {
    let (sandbox, id) = a_store();
    let marker = sandbox.store().join("storage.json");
    let bytes = fs::read(&marker).unwrap();
    fs::remove_file(&marker).unwrap();
    assert_unavailable(&sandbox, &id, "is not it");

    fs::write(marker, bytes).unwrap();
    sandbox.assert_whole(&id);
}

#[test]
fn a_store_whose_packages_are_gone_with_its_marker_is_7() {
    // As when the registry is there, but the device of the packages is not mounted.
    let (sandbox, id) = a_store();
    fs::remove_file(sandbox.store().join("storage.json")).unwrap();
    fs::remove_dir_all(sandbox.store().join("packages")).unwrap();
    fs::remove_dir_all(sandbox.store().join("staging")).unwrap();
    for args in [&["show", &id][..], &["verify", &id], &["download", &id, "there"], &INGEST] {
        let error = sandbox.fails(7, args);
        assert!(error.contains("storage"), "{args:?} said: {error}");
    }
    assert!(!sandbox.path("there").exists());
    assert!(!sandbox.store().join("storage.json").exists(), "an empty storage was begun");
}

#[test]
fn a_marker_of_another_store_is_7() {
    let (sandbox, id) = a_store();
    let foreign = format!("{{\"schema\":\"artifact-store/storage/v1\",\"id\":\"{SOME_ID}\"}}\n");
    fs::write(sandbox.store().join("storage.json"), foreign).unwrap();
    assert_unavailable(&sandbox, &id, "nothing was changed");
}

#[test]
fn a_marker_that_is_none_is_7() {
    let (sandbox, id) = a_store();
    for text in ["", "not JSON", "{}"] {
        fs::write(sandbox.store().join("storage.json"), text).unwrap();
        assert_unavailable(&sandbox, &id, "is not a storage marker");
    }
}

#[test]
fn a_download_into_a_place_that_takes_no_files_is_7() {
    let (sandbox, id) = a_store();
    sandbox.write("file", "in the way");
    let error = sandbox.fails(7, &["download", &id, "file/there"]);
    assert!(error.contains("failed to write file/there"), "{error}");
}
