//! A wrong command line, nothing to ingest, no such package: codes 2, 3 and 9.

use std::fs;

use crate::support::{Sandbox, fixture, is_passing, names};

const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[test]
fn a_command_line_that_says_nothing_or_nonsense_is_2() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    let cases: [(&[&str], &str); 14] = [
        (&[], "Usage: artifact-ingest"),
        (&["--quiet"], "Usage: artifact-ingest"),
        (&["nonsense"], "'nonsense'"),
        (&["show", NOBODY, "--nonsense"], "'--nonsense'"),
        (&["show"], "<PACKAGE_ID>"),
        (&["show", "not-an-id"], "\"not-an-id\" is not a package id"),
        (&["show", "01890A5D-AC96-774B-BCCE-B302099A8057"], "lower-case"),
        (&["show", NOBODY, "--json", "--quiet"], "cannot be used with"),
        (&["directory", "run"], "--producer"),
        (&["directory", "run", "--producer", "A b"], "\"A b\" is not a valid producer"),
        (&["directory", "run", "--producer", "p", "--external-id", ""], "--external-id"),
        (&["directory", "run", "--producer", "p", "--label", "nothing"], "expected KEY=VALUE"),
        (&["directory", "run", "--producer", "p", "--label", "Key=x"], "not a valid label key"),
        (&["directory", "run", "--producer", "p", "--concurrency", "0"], "1..=256"),
    ];
    for (args, wanted) in cases {
        let error = sandbox.fails(2, args);
        assert!(error.contains(wanted), "{args:?} said: {error}");
    }
    assert!(!sandbox.store().exists());
}

#[test]
fn a_retention_class_that_is_malformed_or_unknown_is_2() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    let ingest = ["directory", "run", "--producer", "p", "--retention-class"];
    let malformed = sandbox.fails(2, &[&ingest[..], &["No Class"]].concat());
    assert!(malformed.contains("\"No Class\" is not a valid retention class"), "{malformed}");
    let unknown = sandbox.fails(2, &[&ingest[..], &["forever"]].concat());
    assert!(unknown.contains("there is no retention class forever"), "{unknown}");
    assert!(!sandbox.store().join("packages").exists(), "a package was made");
}

#[test]
fn a_glob_that_is_none_is_2() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    for option in ["--include", "--exclude"] {
        let error = sandbox.fails(2, &["directory", "run", "--producer", "p", option, "{a"]);
        assert!(error.contains("\"{a\" is not a glob"), "{error}");
    }
    assert!(!sandbox.store().exists());
}

#[test]
fn a_directory_that_is_missing_or_none_is_2() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "a");
    let missing = sandbox.fails(2, &["directory", "missing", "--producer", "p"]);
    assert!(missing.contains("missing cannot be ingested: No such file"), "{missing}");
    let file = sandbox.fails(2, &["directory", "file", "--producer", "p"]);
    assert!(file.contains("file cannot be ingested: it is not a directory"), "{file}");
    assert!(!sandbox.store().exists());
}

#[test]
fn too_many_labels_are_2() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    let labels: Vec<String> = (0..33).map(|number| format!("--label=k{number}=v")).collect();
    let mut args = vec!["directory", "run", "--producer", "p"];
    args.extend(labels.iter().map(String::as_str));
    let error = sandbox.fails(2, &args);
    assert!(error.contains("32"), "{error}");
    assert!(!sandbox.store().exists());
}

#[test]
fn an_empty_directory_is_3_and_makes_no_store() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("empty")).unwrap();
    fs::create_dir_all(sandbox.path("folders/alone/deep")).unwrap();
    for args in [
        &["guide-board", "empty"][..],
        &["directory", "empty", "--producer", "p"],
        &["directory", "folders", "--producer", "p"],
        &["directory", "empty", "--producer", "p", "--hidden"],
    ] {
        let error = sandbox.fails(3, args);
        assert!(error.contains("nothing to ingest"), "{args:?} said: {error}");
    }
    assert!(!sandbox.store().exists());
}

#[test]
fn a_directory_that_has_nothing_that_is_taken_is_3() {
    let sandbox = Sandbox::new();
    sandbox.write("hidden/.a", "a");
    sandbox.write("hidden/.git/config", "c");
    sandbox.write("run/a.txt", "a");
    let ingest = |directory, options: &[&str]| {
        let args = [&["directory", directory, "--producer", "p"], options].concat();
        let error = sandbox.fails(3, &args);
        assert!(error.contains("no file is taken"), "{error}");
        error
    };
    let hidden = ingest("hidden", &[]);
    assert!(hidden.contains("2 hidden left out (.a, .git); --hidden takes them"), "{hidden}");
    let excluded = ingest("run", &["--exclude", "*"]);
    assert!(excluded.contains("1 left out by --include and --exclude"), "{excluded}");
    ingest("run", &["--include", "*.log"]);
    assert!(!sandbox.store().exists());
}

#[test]
fn a_package_that_the_store_does_not_have_is_9() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    sandbox.ingest(&["directory", "run", "--producer", "p"]);
    let everything = || {
        let mut all = names(sandbox.root());
        all.retain(|name| !is_passing(name));
        all
    };
    let before = everything();
    for args in [&["show", NOBODY][..], &["verify", NOBODY], &["download", NOBODY]] {
        let error = sandbox.fails(9, args);
        assert!(error.contains(&format!("there is no package {NOBODY}")), "{error}");
    }
    assert_eq!(everything(), before);
}

#[test]
fn where_there_is_no_store_reading_is_9_and_makes_nothing() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("empty")).unwrap();
    for args in [&["show", NOBODY][..], &["verify", NOBODY], &["download", NOBODY, "there"]] {
        let error = sandbox.fails(9, args);
        assert!(error.contains("there is no registry at store/registry.sqlite3"), "{error}");
        assert!(error.contains("--data-dir"), "{error}");
        let args = [args, &["--data-dir", "empty"]].concat();
        sandbox.fails(9, &args);
    }
    assert_eq!(names(sandbox.root()), ["empty"]);
}

#[test]
fn a_dry_run_makes_no_store() {
    let sandbox = Sandbox::new();
    sandbox.succeeds(&["guide-board", fixture("cmis-pilot").to_str().unwrap(), "--dry-run"]);
    assert_eq!(names(sandbox.root()), Vec::<String>::new());
}
