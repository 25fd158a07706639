//! Bytes that are not what they should be: code 4, and every file of them is named.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};

use crate::support::{Sandbox, files, names, said, sha256};

const INGEST: [&str; 4] = ["directory", "run", "--producer", "p"];

#[test]
fn names_that_no_package_can_have_are_listed_all_at_once() {
    let sandbox = Sandbox::new();
    sandbox.write("run/good.txt", "good");
    sandbox.write("run/back\\slash", "");
    sandbox.write("run/bell\u{7}", "");
    sandbox.write("run/next\u{85}line", "");
    sandbox.write("run/deep/new\nline/file", "");
    sandbox.write(std::path::Path::new("run").join(OsStr::from_bytes(b"latin-\xe9")), "");
    let error = sandbox.fails(4, &INGEST);
    insta::assert_snapshot!(error);
    assert!(!sandbox.store().exists());

    let excluded =
        sandbox.fails(4, &[&INGEST[..], &["--exclude", "deep", "--exclude", "b*"]].concat());
    assert!(excluded.contains("2 of the names"), "{excluded}");
}

#[test]
fn a_file_that_grows_all_the_time_is_never_stored() {
    let sandbox = Sandbox::new();
    let growing = sandbox.write_sparse("run/growing.log", 64 << 20, "end");
    sandbox.write("run/settled.log", "settled");
    let ingest = [&INGEST[..], &["--external-id", "e"]].concat();
    let done = AtomicBool::new(false);
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut log = fs::OpenOptions::new().append(true).open(&growing).unwrap();
            while !done.load(Ordering::Relaxed) {
                log.write_all(b"one more line\n").unwrap();
                std::thread::sleep(Duration::from_micros(100));
            }
        });
        let output = sandbox.run(&ingest);
        done.store(true, Ordering::Relaxed);
        assert_eq!(output.status.code(), Some(4), "{}", said(&output.stderr));
        said(&output.stderr)
    });
    assert!(error.contains("one file could not be ingested"), "{error}");
    assert!(
        error.contains("\n  growing.log: it changed while it was ingested: it had "),
        "{error}"
    );
    let [id] = &sandbox.packages()[..] else { panic!("{:?}", sandbox.packages()) };
    assert_eq!(sandbox.json(&["show", id])["status"], "uploading");
    assert_eq!(names(&sandbox.bag(id)), ["data", "data/settled.log"]);

    // It has settled now.
    let report = sandbox.json(&ingest);
    assert_eq!(report["outcome"], "resumed");
    assert_eq!(report["package_id"], *id);
    sandbox.assert_whole(id);
}

#[test]
fn files_that_change_after_they_were_listed_are_named_one_by_one() {
    let sandbox = Sandbox::new();
    sandbox.write("other/a", "the store is there before it is locked");
    sandbox.ingest(&["directory", "other", "--producer", "p"]);
    let paths = ["cut", "grown", "link", "pipe", "rewritten", "swapped", "vanished"]
        .map(|name| sandbox.write(format!("run/{name}"), "ten bytes\n"));
    let large = sandbox.write_sparse("run/large", 3 << 20, "end");
    sandbox.write("run/settled", "settled");
    // Once the directory is listed this is said; only then the store is opened, which waits.
    sandbox.write("run/.hidden", "");
    let running = sandbox.while_locked(|| {
        let mut running = sandbox.spawn(&INGEST);
        running.wait_until_it_says("1 hidden left out");
        let [cut, grown, link, pipe, rewritten, swapped, vanished] = &paths;
        fs::write(cut, "ten").unwrap();
        fs::write(grown, "ten bytes\nand more").unwrap();
        fs::remove_file(link).unwrap();
        symlink("settled", link).unwrap();
        fs::remove_file(pipe).unwrap();
        mkfifoat(CWD, pipe, Mode::RUSR | Mode::WUSR).unwrap();
        fs::write(rewritten, "TEN BYTES\n").unwrap();
        fs::write(sandbox.path("run.new"), "ten bytes\n").unwrap();
        fs::rename(sandbox.path("run.new"), swapped).unwrap();
        fs::remove_file(vanished).unwrap();
        fs::OpenOptions::new().append(true).open(large).unwrap().write_all(b"more").unwrap();
        running
    });
    let output = running.output();
    assert_eq!(output.status.code(), Some(4));
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("[0-9a-f]{8}-[0-9a-f-]{27}", "[id]");
    settings.bind(|| insta::assert_snapshot!(said(&output.stderr)));
}

#[test]
fn a_run_document_that_changes_after_it_was_read_is_not_ingested() {
    let sandbox = Sandbox::new();
    sandbox.write("other/a", "the store is there before it is locked");
    sandbox.ingest(&["directory", "other", "--producer", "p"]);
    for name in ["run.json", "assessment-package.json", "reports/scorecard.json"] {
        let bytes = fs::read(crate::support::fixture("minimal").join(name)).unwrap();
        sandbox.write(format!("run/{name}"), bytes);
    }
    sandbox.write("run/.hidden", "");
    let running = sandbox.while_locked(|| {
        let mut running = sandbox.spawn(&["guide-board", "run"]);
        running.wait_until_it_says("1 hidden left out");
        let document = sandbox.path("run/run.json");
        let text = fs::read_to_string(&document).unwrap().replace("docstore-test", "docstore-live");
        fs::write(document, text).unwrap();
        running
    });
    let output = running.output();
    let error = said(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{error}");
    assert!(error.contains("\n  run.json: it changed while it was ingested"), "{error}");
}

#[test]
fn a_file_that_may_not_be_read_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    let locked = sandbox.write("run/locked.txt", "secret");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&locked).is_ok() {
        return; // Nothing is locked for root.
    }
    let error = sandbox.fails(4, &INGEST);
    assert!(error.contains("\n  locked.txt: it cannot be read: Permission denied"), "{error}");
}

/// Ingests a run of three files and answers its id.
fn stored(sandbox: &Sandbox) -> String {
    for name in ["a.txt", "b.txt", "folder/c.txt"] {
        sandbox.write(format!("run/{name}"), name);
    }
    sandbox.ingest(&INGEST)
}

#[test]
fn stored_bytes_that_were_changed_are_found_and_not_handed_out() {
    let sandbox = Sandbox::new();
    let id = stored(&sandbox);
    let victim = sandbox.bag(&id).join("data/folder/c.txt");
    fs::write(&victim, "FOLDER/C.TXT").unwrap();

    let output = sandbox.run(&["verify", &id]);
    assert_eq!(output.status.code(), Some(4));
    assert!(said(&output.stdout).contains("is DAMAGED"), "{}", said(&output.stdout));
    let error = said(&output.stderr);
    assert!(error.contains("\n  data/folder/c.txt: expected SHA-256 "), "{error}");

    let error = sandbox.fails(4, &["download", &id, "there"]);
    assert!(error.contains("folder/c.txt is damaged"), "{error}");
    let damaged = sha256(&victim);
    assert!(!files(&sandbox.path("there")).values().any(|sha256| *sha256 == damaged));
}

#[test]
fn stored_bytes_that_are_missing_cut_or_longer_are_4_for_verify_and_download() {
    for (damage, said_by_verify) in [
        ("missing", "its bytes are not in storage"),
        ("cut", "expected 12 bytes, found 3"),
        ("longer", "expected 12 bytes, found 13"),
    ] {
        let sandbox = Sandbox::new();
        let id = stored(&sandbox);
        let victim = sandbox.bag(&id).join("data/folder/c.txt");
        fs::remove_file(&victim).unwrap();
        match damage {
            "cut" => fs::write(&victim, "fol").unwrap(),
            "longer" => fs::write(&victim, "folder/c.txt!").unwrap(),
            _ => {}
        }
        let error = sandbox.fails(4, &["verify", &id]);
        let wanted = format!("\n  data/folder/c.txt: {said_by_verify}");
        assert!(error.contains(&wanted), "{damage}, verify: {error}");
        let output = sandbox.run(&["download", &id, "there"]);
        let error = said(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{damage}, download: {error}");
        assert!(error.contains("folder/c.txt"), "{damage}, download: {error}");
    }
}

#[test]
fn what_stands_in_the_place_of_stored_bytes_is_damage_and_not_followed() {
    for damage in ["link", "folder"] {
        let sandbox = Sandbox::new();
        let id = stored(&sandbox);
        let victim = sandbox.bag(&id).join("data/folder/c.txt");
        fs::remove_file(&victim).unwrap();
        if damage == "link" {
            // The right bytes, but not in the store.
            symlink(sandbox.path("run/folder/c.txt"), &victim).unwrap();
        } else {
            fs::create_dir(&victim).unwrap();
        }
        let error = sandbox.fails(4, &["verify", &id]);
        assert!(error.contains("\n  data/folder/c.txt: "), "{damage}: {error}");
        let output = sandbox.run(&["download", &id, "there"]);
        assert!(!output.status.success());
        let error = said(&output.stderr);
        assert!(error.contains("folder/c.txt"), "{damage}: {error}");
        assert!(!sandbox.path("there/folder/c.txt").exists());
    }
}

#[test]
fn what_is_wrong_with_the_bag_itself_is_found() {
    let sandbox = Sandbox::new();
    let id = stored(&sandbox);
    let bag = sandbox.bag(&id);
    fs::write(bag.join("manifest.json"), "{}").unwrap();
    fs::remove_file(bag.join("bagit.txt")).unwrap();
    fs::write(bag.join("data/stray.txt"), "nobody recorded me").unwrap();

    let output = sandbox.run(&["verify", &id, "--json"]);
    assert_eq!(output.status.code(), Some(4));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut problems: Vec<(&str, &str)> = found["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| (found["path"].as_str().unwrap(), found["problem"].as_str().unwrap()))
        .collect();
    problems.sort_unstable();
    assert_eq!(
        problems,
        [("bagit.txt", "missing"), ("data/stray.txt", "stray"), ("manifest.json", "digest")]
    );
}

#[test]
fn verify_with_quiet_prints_the_id_and_leaves_with_4_all_the_same() {
    let sandbox = Sandbox::new();
    let id = stored(&sandbox);
    fs::write(sandbox.bag(&id).join("data/a.txt"), "A.TXT").unwrap();
    let output = sandbox.run(&["verify", &id, "--quiet"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(said(&output.stdout), format!("{id}\n"));
    assert!(said(&output.stderr).contains("data/a.txt"));
}
