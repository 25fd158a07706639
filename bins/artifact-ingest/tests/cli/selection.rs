//! What of a directory is taken: hidden files, globs, links, special files, odd names.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use assert_cmd::assert::OutputAssertExt as _;
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;

use crate::support::{PATIENCE, Sandbox, file_names, files, said};

/// The paths that a dry run would take.
fn taken(sandbox: &Sandbox, options: &[&str]) -> Vec<String> {
    let args = [&["directory", "run", "--producer", "p", "--dry-run"], options].concat();
    let plan = sandbox.json(&args);
    let files = plan["files"].as_array().unwrap();
    files.iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

fn some_files(sandbox: &Sandbox, names: &[&str]) {
    for name in names {
        sandbox.write(Path::new("run").join(name), name);
    }
}

#[test]
fn hidden_files_and_folders_are_left_out_and_said_so() {
    let sandbox = Sandbox::new();
    some_files(&sandbox, &[".env", ".git/config", ".git/HEAD", "a/.cache", "a/b.txt"]);
    let output =
        sandbox.run(&["directory", "run", "--producer", "p", "--quiet"]).assert().success();
    let output = output.get_output();
    insta::assert_snapshot!(
        said(&output.stderr),
        @"note: 3 hidden left out (.env, .git, a/.cache); --hidden takes them"
    );
    let id = said(&output.stdout);
    let bag = sandbox.bag(id.trim_end());
    assert_eq!(file_names(&bag.join("data")), ["a/b.txt"]);
}

#[test]
fn only_the_first_few_hidden_names_are_said() {
    let sandbox = Sandbox::new();
    some_files(&sandbox, &["a", ".1", ".2", ".3", ".4", ".5", ".6", ".7"]);
    let output = sandbox.run(&["directory", "run", "--producer", "p"]);
    insta::assert_snapshot!(
        said(&output.stderr),
        @"note: 7 hidden left out (.1, .2, .3, .4, .5, ...); --hidden takes them"
    );
}

#[test]
fn hidden_files_are_taken_when_asked_for() {
    let sandbox = Sandbox::new();
    some_files(&sandbox, &[".env", ".git/config", "a/.cache", "a/b.txt"]);
    let args = ["directory", "run", "--producer", "p", "--hidden", "--quiet"];
    let output = sandbox.run(&args).assert().success();
    let output = output.get_output();
    assert_eq!(said(&output.stderr), "");
    let id = said(&output.stdout);
    sandbox.assert_whole(id.trim_end());
    assert_eq!(files(&sandbox.bag(id.trim_end()).join("data")), files(&sandbox.path("run")));
}

#[test]
fn globs_are_those_of_gitignore_on_the_whole_path() {
    let sandbox = Sandbox::new();
    let all =
        ["a.log", "build/a.log", "build/out/x.bin", "keep.txt", "logs/a.txt", "src/build", "tmp/t"];
    some_files(&sandbox, &all);
    let without = |gone: &[&str]| -> Vec<String> {
        all.iter().filter(|name| !gone.contains(name)).map(|&name| name.to_owned()).collect()
    };
    let cases: [(&[&str], Vec<String>); 12] = [
        (&[], without(&[])),
        (&["--exclude", "*.log"], without(&["a.log", "build/a.log"])),
        (&["--exclude", "/*.log"], without(&["a.log"])),
        (&["--exclude", "build/"], without(&["build/a.log", "build/out/x.bin"])),
        (&["--exclude", "build"], without(&["build/a.log", "build/out/x.bin", "src/build"])),
        (&["--exclude", "build/*.log"], without(&["build/a.log"])),
        (&["--exclude", "**/out/**"], without(&["build/out/x.bin"])),
        (&["--exclude", "*.{log,bin}"], without(&["a.log", "build/a.log", "build/out/x.bin"])),
        (&["--exclude", "*.log", "--exclude", "!/a.log"], without(&["build/a.log"])),
        (&["--include", "*.txt"], vec!["keep.txt".to_owned(), "logs/a.txt".to_owned()]),
        (&["--include", "/build", "--include", "tmp/"], {
            vec!["build/a.log".to_owned(), "build/out/x.bin".to_owned(), "tmp/t".to_owned()]
        }),
        (&["--include", "build/", "--exclude", "*.log"], vec!["build/out/x.bin".to_owned()]),
    ];
    for (options, wanted) in cases {
        assert_eq!(taken(&sandbox, options), wanted, "{options:?}");
    }
}

#[test]
fn what_the_globs_leave_out_is_counted() {
    let sandbox = Sandbox::new();
    some_files(&sandbox, &["a.log", "b/c.log", "d.txt"]);
    let args = ["directory", "run", "--producer", "p", "--exclude", "*.log"];
    let output = sandbox.run(&args);
    assert_eq!(said(&output.stderr), "note: 2 left out by --include and --exclude\n");
}

#[test]
fn the_same_globs_choose_from_a_run_directory() {
    let sandbox = Sandbox::new();
    let directory = crate::support::fixture("cmis-pilot");
    let args = ["guide-board", directory.to_str().unwrap(), "--exclude", "artifacts/logs/"];
    let report = sandbox.json(&args);
    let left =
        file_names(&directory).into_iter().filter(|name| !name.starts_with("artifacts/logs/"));
    assert_eq!(report["file_count"], left.count());
}

#[test]
fn links_pipes_and_sockets_are_reported_and_never_opened() {
    let sandbox = Sandbox::new();
    some_files(&sandbox, &["file.txt", "folder/inside.txt"]);
    sandbox.write("outside/secret.txt", "secret");
    let run = sandbox.path("run");
    symlink("file.txt", run.join("link-to-file")).unwrap();
    symlink(sandbox.path("outside"), run.join("link-to-folder")).unwrap();
    symlink("nowhere", run.join("link-to-nothing")).unwrap();
    symlink(".", run.join("folder/link-to-itself")).unwrap();
    mkfifoat(CWD, run.join("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
    let _socket = UnixListener::bind(run.join("socket")).unwrap();

    // Nobody ever writes to the pipe: whoever opens it to read waits for ever.
    let output = assert_cmd::Command::from_std(sandbox.command(&[
        "directory",
        "run",
        "--producer",
        "p",
        "--quiet",
    ]))
    .timeout(PATIENCE)
    .assert()
    .success();
    let output = output.get_output();
    insta::assert_snapshot!(said(&output.stderr), @r"
    warning: folder/link-to-itself is left out: symbolic link
    warning: link-to-file is left out: symbolic link
    warning: link-to-folder is left out: symbolic link
    warning: link-to-nothing is left out: symbolic link
    warning: pipe is left out: named pipe
    warning: socket is left out: socket
    ");
    let id = said(&output.stdout);
    sandbox.assert_whole(id.trim_end());
    assert_eq!(
        file_names(&sandbox.bag(id.trim_end()).join("data")),
        ["file.txt", "folder/inside.txt"]
    );
}

#[test]
fn what_is_left_out_stands_in_the_plan_with_its_reason() {
    let sandbox = Sandbox::new();
    some_files(&sandbox, &["a.txt", ".hidden", "b.log"]);
    symlink("a.txt", sandbox.path("run/link")).unwrap();
    let args = ["directory", "run", "--producer", "p", "--dry-run", "--exclude", "*.log"];
    assert_eq!(
        sandbox.json(&args)["left_out"],
        serde_json::json!([
            {"path": ".hidden", "reason": "hidden"},
            {"path": "b.log", "reason": "excluded by the options"},
            {"path": "link", "reason": "symbolic link"},
        ])
    );
}

#[test]
fn a_link_that_the_user_names_is_the_directory() {
    let sandbox = Sandbox::new();
    some_files(&sandbox, &["a.txt", "b/c.txt"]);
    symlink("run", sandbox.path("latest")).unwrap();
    symlink(crate::support::fixture("minimal"), sandbox.path("latest-run")).unwrap();
    for args in [
        &["directory", "latest", "--producer", "p"][..],
        &["directory", "latest/", "--producer", "p"],
        &["directory", "./latest/../run/.", "--producer", "p"],
    ] {
        let id = sandbox.ingest(args);
        assert_eq!(files(&sandbox.bag(&id).join("data")), files(&sandbox.path("run")));
    }
    let id = sandbox.ingest(&["guide-board", "latest-run"]);
    assert_eq!(files(&sandbox.bag(&id).join("data")), files(&crate::support::fixture("minimal")));
}

#[test]
fn odd_names_empty_files_and_deep_folders_come_back_as_they_were() {
    let sandbox = Sandbox::new();
    let deep = format!("deep/{}end", "level/".repeat(120));
    let long = "x".repeat(255);
    let names = [
        "#1",
        "%41%2F%00",
        "100% sure?",
        "--help",
        "a*b[c]{d}",
        "caf\u{e9} composed",
        "cafe\u{301} decomposed",
        "con",
        "empty",
        "it's \"quoted\" & <marked>",
        "name with  spaces ",
        "trailing.dot.",
        "~tilde",
        "\u{65e5}\u{672c}\u{8a9e}/\u{1f389}.txt",
        "\u{202e}backwards",
        &deep,
        &long,
    ];
    some_files(&sandbox, &names);
    sandbox.write("run/empty", "");
    let report = sandbox.json(&["directory", "run", "--producer", "p"]);
    assert_eq!(report["file_count"], names.len());
    let id = report["package_id"].as_str().unwrap();
    sandbox.assert_whole(id);
    assert_eq!(files(&sandbox.bag(id).join("data")), files(&sandbox.path("run")));
    sandbox.succeeds(&["download", id, "there"]);
    assert_eq!(files(&sandbox.path("there")), files(&sandbox.path("run")));

    let manifest = fs::read(sandbox.bag(id).join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut expected = names;
    expected.sort_unstable();
    let kept: Vec<&str> = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(kept, expected);
}

#[test]
fn a_path_that_is_too_long_for_a_package_is_named() {
    let sandbox = Sandbox::new();
    some_files(&sandbox, &["a.txt", &format!("{}end", "a long level of it/".repeat(48))]);
    let error = sandbox.fails(4, &["directory", "run", "--producer", "p"]);
    assert!(error.contains("one of the names") || error.contains("1 of the names"), "{error}");
    assert!(error.contains("900"), "{error}");
    assert!(!sandbox.store().exists());
}
