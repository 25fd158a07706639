//! Directories that are no valid runs: code 8, and what is said of each.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use assert_cmd::assert::OutputAssertExt as _;

use crate::support::{Sandbox, fixture, names, said};

/// The fixtures that the README of the fixtures lists below a heading.
fn listed_below(heading: &str) -> BTreeSet<String> {
    let readme = fs::read_to_string(fixture("README.md")).unwrap();
    let (_, section) = readme.split_once(&format!("\n{heading}\n")).unwrap();
    section
        .lines()
        .map_while(|line| line.strip_prefix("- `"))
        .flat_map(|line| {
            let (names, _) = line.split_once(": ").unwrap();
            names.split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_broken_run_is_8_and_says_what_to_correct() {
    let sandbox = Sandbox::new();
    let mut all = String::new();
    for name in listed_below("Errors") {
        let error = sandbox.fails(8, &["guide-board", fixture(&name).to_str().unwrap()]);
        let _ = writeln!(all, "== {name}\n{error}");
    }
    assert_eq!(names(sandbox.root()), Vec::<String>::new(), "something was written");
    insta::assert_snapshot!(all);
}

#[test]
fn every_variant_is_ingested_with_its_warnings() {
    let mut all = String::new();
    for name in listed_below("Variants that are read") {
        // Some of them are the same run in another spelling, so each gets a store of its own.
        let sandbox = Sandbox::new();
        let output = sandbox
            .run(&["guide-board", fixture(&name).to_str().unwrap(), "--quiet"])
            .assert()
            .success();
        let output = output.get_output();
        sandbox.assert_whole(said(&output.stdout).trim_end());
        let _ = writeln!(all, "== {name}\n{}", said(&output.stderr));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn what_strictness_refuses_is_read_leniently_with_a_warning() {
    let sandbox = Sandbox::new();
    for (name, warning) in
        [("missing-values", "run id"), ("missing-report", "\"reports/log-review.json\"")]
    {
        let directory = fixture(name);
        let args = ["guide-board", directory.to_str().unwrap(), "--lenient", "--quiet"];
        let output = sandbox.run(&args).assert().success();
        let warned = said(&output.get_output().stderr);
        let mut warnings = warned.lines().filter(|line| line.starts_with("warning: "));
        assert!(warnings.any(|line| line.contains(warning)), "{name} said: {warned}");
        sandbox.assert_whole(said(&output.get_output().stdout).trim_end());
    }
}

#[test]
fn a_run_directory_that_is_missing_or_none_is_8() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "a");
    let missing = sandbox.fails(8, &["guide-board", "missing"]);
    assert!(missing.contains("cannot open the run directory missing: No such file"), "{missing}");
    let file = sandbox.fails(8, &["guide-board", "file"]);
    assert!(file.contains("file is not a directory"), "{file}");
    assert_eq!(names(sandbox.root()), ["file"]);
}

#[test]
fn what_is_said_of_a_run_cannot_be_left_out_of_its_package() {
    let sandbox = Sandbox::new();
    let directory = fixture("minimal");
    let directory = directory.to_str().unwrap();
    for glob in ["run.json", "reports"] {
        let error = sandbox.fails(8, &["guide-board", directory, "--exclude", glob]);
        assert!(error.contains("the options leave it out"), "{error}");
    }
    assert_eq!(names(sandbox.root()), Vec::<String>::new());
}
