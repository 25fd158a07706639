//! The store holds something else under the same name: code 5, and nothing is changed.

use std::fs;

use crate::support::{Sandbox, tree};

const INGEST: [&str; 6] = ["directory", "run", "--producer", "p", "--external-id", "run-1"];

fn with(options: &[&'static str]) -> Vec<&'static str> {
    [&INGEST[..], options].concat()
}

/// A run of four files.
fn a_run() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["changed", "resized", "gone", "same"] {
        sandbox.write(format!("run/{name}.txt"), name);
    }
    sandbox
}

/// The run with other content: a file with other bytes, one of another size, one more, one less.
fn change(sandbox: &Sandbox) {
    sandbox.write("run/changed.txt", "CHANGED");
    sandbox.write("run/resized.txt", "resized and longer");
    sandbox.write("run/new.txt", "new");
    fs::remove_file(sandbox.path("run/gone.txt")).unwrap();
}

/// Leaves an unfinished package: one file of the run vanishes once the directory is listed.
fn ingest_but_one(sandbox: &Sandbox, ingest: &[&str]) {
    sandbox.write("other/a", "the store is there before it is locked");
    sandbox.ingest(&["directory", "other", "--producer", "p"]);
    let last = sandbox.write("run/last.txt", "never read");
    // Once the directory is listed this is said; only then the store is opened, which waits.
    sandbox.write("run/.hidden", "");
    let running = sandbox.while_locked(|| {
        let mut running = sandbox.spawn(ingest);
        running.wait_until_it_says("1 hidden left out");
        fs::remove_file(last).unwrap();
        running
    });
    assert_eq!(running.output().status.code(), Some(4));
}

#[test]
fn a_finalized_run_with_other_content_is_5_and_stays_as_it_is() {
    let sandbox = a_run();
    let id = sandbox.ingest(&INGEST);
    let before = tree(&sandbox.store().join("packages"));
    change(&sandbox);

    for args in [with(&[]), with(&["--replace"])] {
        let error = sandbox.fails(5, &args).replace(&id, "[id]");
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @r"
            error: package [id] holds this run with other content, and nothing was changed:
              changed.txt: different bytes
              resized.txt: different bytes
              new.txt: not in the package
              gone.txt: not in the directory
            evidence is not overwritten: give the new content a run id of its own
            ");
        }
        assert_eq!(tree(&sandbox.store().join("packages")), before);
    }
    sandbox.assert_whole(&id);
}

#[test]
fn a_subset_of_a_finalized_run_is_5_too() {
    let sandbox = a_run();
    sandbox.ingest(&INGEST);
    let error = sandbox.fails(5, &with(&["--exclude", "same.txt"]));
    assert!(error.contains("\n  same.txt: not in the directory\n"), "{error}");
}

#[test]
fn an_unfinished_run_with_other_content_is_5_until_replace_completes_it() {
    let sandbox = a_run();
    ingest_but_one(&sandbox, &INGEST);
    change(&sandbox);

    let before = tree(&sandbox.store().join("packages"));
    let error = sandbox.fails(5, &INGEST);
    for line in [
        "  changed.txt: different bytes\n",
        "  resized.txt: different bytes\n",
        "  new.txt: not in the package\n",
        "  gone.txt: not in the directory\n",
        "the package is not finalized: run with --replace to make it like the directory\n",
    ] {
        assert!(error.contains(line), "{error}");
    }
    assert_eq!(tree(&sandbox.store().join("packages")), before);

    let report = sandbox.json(&with(&["--replace"]));
    assert_eq!(report["outcome"], "resumed");
    let id = report["package_id"].as_str().unwrap();
    sandbox.assert_whole(id);
    fs::remove_file(sandbox.path("run/.hidden")).unwrap();
    assert_eq!(tree(&sandbox.bag(id).join("data")), tree(&sandbox.path("run")));
}

#[test]
fn an_unfinished_run_with_the_same_content_is_resumed() {
    let sandbox = a_run();
    ingest_but_one(&sandbox, &INGEST);
    sandbox.write("run/last.txt", "there at last");
    let report = sandbox.json(&INGEST);
    assert_eq!(report["outcome"], "resumed");
    assert_eq!(report["file_count"], 5);
    sandbox.assert_whole(report["package_id"].as_str().unwrap());
    sandbox.assert_nothing_staged();
}

#[test]
fn without_an_external_id_an_unfinished_directory_is_resumed_too() {
    let sandbox = a_run();
    let ingest = ["directory", "run", "--producer", "p"];
    ingest_but_one(&sandbox, &ingest);
    sandbox.write("run/last.txt", "there at last");
    let report = sandbox.json(&ingest);
    assert_eq!(report["outcome"], "resumed");
    assert_eq!(report["file_count"], 5);
    sandbox.assert_whole(report["package_id"].as_str().unwrap());
    assert_eq!(sandbox.packages().len(), 2, "the other package, and this one");
}

#[test]
fn without_an_external_id_an_unfinished_directory_that_changed_begins_anew() {
    let sandbox = a_run();
    let ingest = ["directory", "run", "--producer", "p"];
    ingest_but_one(&sandbox, &ingest);
    let before = sandbox.packages().len();
    change(&sandbox);
    let report = sandbox.json(&ingest);
    assert_eq!(report["outcome"], "ingested");
    assert_eq!(sandbox.packages().len(), before + 1, "the unfinished one is left as it is");
    sandbox.assert_whole(report["package_id"].as_str().unwrap());
}

#[test]
fn without_an_external_id_another_retention_class_is_another_package() {
    let sandbox = a_run();
    let first = sandbox.json(&["directory", "run", "--producer", "p"]);
    let kept = ["directory", "run", "--producer", "p", "--retention-class", "permanent-record"];
    let second = sandbox.json(&kept);
    assert_eq!(second["outcome"], "ingested");
    assert_eq!(second["expires_at"], serde_json::Value::Null);
    assert_ne!(second["package_id"], first["package_id"]);
    assert_eq!(sandbox.json(&kept)["package_id"], second["package_id"]);
}

#[test]
fn without_an_external_id_a_directory_is_found_again_by_its_content() {
    let sandbox = a_run();
    let ingest = ["directory", "run", "--producer", "p"];
    let first = sandbox.json(&ingest);
    assert_eq!(first["outcome"], "ingested");
    let again = sandbox.json(&ingest);
    assert_eq!(again["outcome"], "already-ingested");
    assert_eq!(again["package_id"], first["package_id"]);

    // Other content is no conflict, for nothing says that it is the same run.
    change(&sandbox);
    let changed = sandbox.json(&ingest);
    assert_eq!(changed["outcome"], "ingested");
    assert_ne!(changed["package_id"], first["package_id"]);
}

#[test]
fn an_external_id_is_the_producers_own() {
    let sandbox = a_run();
    let other = ["directory", "run", "--producer", "q", "--external-id", "run-1"];
    assert_ne!(sandbox.ingest(&INGEST), sandbox.ingest(&other));
}

#[test]
fn a_download_over_another_file_is_5_and_keeps_that_file() {
    let sandbox = a_run();
    let id = sandbox.ingest(&INGEST);
    let mine = sandbox.write("there/same.txt", "mine");
    let error = sandbox.fails(5, &["download", &id, "there"]);
    assert!(error.contains("there/same.txt is there already with other bytes"), "{error}");
    assert_eq!(fs::read(&mine).unwrap(), b"mine");

    fs::remove_file(mine).unwrap();
    sandbox.succeeds(&["download", &id, "there"]);
    assert_eq!(tree(&sandbox.path("there")), tree(&sandbox.path("run")));
}

#[test]
fn a_download_does_not_follow_a_link_that_is_in_its_way() {
    let sandbox = a_run();
    let id = sandbox.ingest(&INGEST);
    let victim = sandbox.write("victim", "same");
    fs::create_dir(sandbox.path("there")).unwrap();
    std::os::unix::fs::symlink(&victim, sandbox.path("there/same.txt")).unwrap();
    let error = sandbox.fails(5, &["download", &id, "there"]);
    assert!(error.contains("there/same.txt is there already"), "{error}");
    assert_eq!(fs::read(&victim).unwrap(), b"same");
}
