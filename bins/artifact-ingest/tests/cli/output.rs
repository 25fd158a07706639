//! What is printed, where, and for whom.

use std::fs;

use assert_cmd::assert::OutputAssertExt as _;
use insta::Settings;
use serde_json::Value;

use crate::support::{Sandbox, fixture, names, said};

/// What differs from run to run is left out of the snapshots.
fn redacted(compare: impl FnOnce()) {
    let mut settings = Settings::clone_current();
    settings.add_filter("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{21}", "[id]");
    settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]");
    settings.add_filter("[0-9a-f]{64}", "[sha256]");
    settings.bind(compare);
}

/// Everything that a run of the binary says.
fn all(sandbox: &Sandbox, args: &[&str]) -> String {
    let output = sandbox.run(args);
    let code = output.status.code().unwrap();
    format!("exit {code}\n-- stdout\n{}-- stderr\n{}", said(&output.stdout), said(&output.stderr))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// A directory with a bit of everything.
fn a_directory(sandbox: &Sandbox) -> [&'static str; 12] {
    sandbox.write("run/report.txt", "all is well\n");
    sandbox.write("run/logs/server.log", "line\n".repeat(2000));
    sandbox.write("run/.hidden", "");
    [
        "directory",
        "run",
        "--producer",
        "ci",
        "--kind",
        "nightly",
        "--external-id",
        "build-17",
        "--title",
        "Nightly build 17",
        "--label",
        "branch=main",
    ]
}

#[test]
fn an_ingest_is_told_as_a_table() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    redacted(|| {
        insta::assert_snapshot!("ingested", all(&sandbox, &args));
        insta::assert_snapshot!("already_ingested", all(&sandbox, &args));
    });
}

#[test]
fn an_ingest_is_told_as_json() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    redacted(|| insta::assert_snapshot!(pretty(&sandbox.json(&args))));
}

#[test]
fn json_is_one_line_on_stdout_and_the_rest_on_stderr() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    let output = sandbox.run(&[&args[..], &["--json"]].concat()).assert().success();
    let output = output.get_output();
    let stdout = said(&output.stdout);
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    assert!(stdout.ends_with("}\n"), "{stdout}");
    assert!(said(&output.stderr).starts_with("note: 1 hidden left out"));
}

#[test]
fn a_run_is_told_as_a_table_and_as_json() {
    let sandbox = Sandbox::new();
    let directory = fixture("cmis-pilot");
    let args = ["guide-board", directory.to_str().unwrap()];
    redacted(|| insta::assert_snapshot!("run_as_table", all(&sandbox, &args)));
    redacted(|| insta::assert_snapshot!("run_as_json", pretty(&sandbox.json(&args))));
}

#[test]
fn show_verify_and_download_are_told_as_text() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    let id = sandbox.ingest(&args);
    redacted(|| {
        insta::assert_snapshot!("show", all(&sandbox, &["show", &id]));
        insta::assert_snapshot!("verify", all(&sandbox, &["verify", &id]));
        insta::assert_snapshot!("download", all(&sandbox, &["download", &id]));
    });
    // Without a folder the package's id names it.
    assert_eq!(names(&sandbox.path(&id)), ["logs", "logs/server.log", "report.txt"]);
}

#[test]
fn show_verify_and_download_are_told_as_json() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    let id = sandbox.ingest(&args);
    redacted(|| {
        insta::assert_snapshot!("show_json", pretty(&sandbox.json(&["show", &id])));
        insta::assert_snapshot!("verify_json", pretty(&sandbox.json(&["verify", &id])));
        insta::assert_snapshot!("download_json", pretty(&sandbox.json(&["download", &id])));
    });
}

#[test]
fn damage_is_told_as_text_and_as_json() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    let id = sandbox.ingest(&args);
    fs::write(sandbox.bag(&id).join("data/report.txt"), "all is lost\n").unwrap();
    fs::remove_file(sandbox.bag(&id).join("data/logs/server.log")).unwrap();
    redacted(|| {
        insta::assert_snapshot!("damage", all(&sandbox, &["verify", &id]));
        insta::assert_snapshot!("damage_json", all(&sandbox, &["verify", &id, "--json"]));
    });
}

#[test]
fn a_dry_run_is_told_as_text_and_as_json() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    let dry = [&args[..], &["--dry-run"]].concat();
    insta::assert_snapshot!("dry_run", all(&sandbox, &dry));
    insta::assert_snapshot!("dry_run_json", pretty(&sandbox.json(&dry)));
    let quiet = sandbox.run(&[&dry[..], &["--quiet"]].concat()).assert().success();
    assert_eq!(said(&quiet.get_output().stdout), "");
    assert!(!sandbox.store().exists());
}

#[test]
fn quiet_prints_the_id_alone() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    let id = sandbox.ingest(&args);
    assert_eq!(sandbox.ingest(&args), id);
    for args in [&["show", &id][..], &["verify", &id], &["download", &id, "there"]] {
        let printed = sandbox.succeeds(&[args, &["--quiet"]].concat());
        assert_eq!(printed, format!("{id}\n"), "{args:?}");
    }
}

#[test]
fn help_lists_the_commands_the_options_and_the_exit_codes() {
    let sandbox = Sandbox::new();
    insta::assert_snapshot!(sandbox.succeeds(&["--help"]));
    for command in ["guide-board", "directory", "show", "download", "verify"] {
        let help = sandbox.succeeds(&[command, "--help"]);
        assert!(help.contains(&format!("Usage: artifact-ingest {command}")), "{help}");
    }
    assert!(sandbox.succeeds(&["--version"]).starts_with("artifact-ingest "));
}

#[test]
fn nothing_is_drawn_when_stderr_is_no_terminal() {
    let sandbox = Sandbox::new();
    sandbox.write_sparse("run/large.bin", 24 << 20, "end");
    let output = sandbox.run(&["directory", "run", "--producer", "p"]).assert().success();
    assert_eq!(said(&output.get_output().stderr), "");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let sandbox = Sandbox::new();
    let directory = fixture("cmis-pilot");
    let ingest = ["guide-board", directory.to_str().unwrap()];
    let id = sandbox.ingest(&ingest);
    for args in [
        &ingest[..],
        &["guide-board", directory.to_str().unwrap(), "--dry-run", "--json"],
        &["show", &id],
        &["verify", &id, "--json"],
        &["download", &id, "there", "--quiet"],
        &["--help"],
    ] {
        let mut running = sandbox.spawn(args);
        running.close_stdout();
        let output = running.output();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output.stderr));
        assert_eq!(said(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn the_data_folder_comes_from_the_flag_then_the_environment_then_the_default() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    let ingest = ["directory", "run", "--producer", "p"];
    sandbox.ingest(&ingest);
    assert!(sandbox.path("store/registry.sqlite3").exists());

    sandbox.ingest(&[&ingest[..], &["--data-dir", "deep/flag"]].concat());
    assert!(sandbox.path("deep/flag/registry.sqlite3").exists());
    // The options of every command may stand before it, too.
    sandbox.ingest(&[&["--data-dir", "before"], &ingest[..]].concat());
    assert!(sandbox.path("before/registry.sqlite3").exists());

    let mut by_default = sandbox.command(&ingest);
    by_default.env_remove("ARTIFACT_STORE_DATA_DIR").assert().success();
    assert!(sandbox.path("artifact-store-data/registry.sqlite3").exists());
    assert_eq!(sandbox.packages().len(), 1);
}

#[test]
fn a_store_can_be_moved_to_another_folder() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    let id = sandbox.ingest(&args);
    fs::rename(sandbox.store(), sandbox.path("moved")).unwrap();
    sandbox.succeeds(&["verify", &id, "--data-dir", "moved"]);
    assert_eq!(sandbox.ingest(&[&args[..], &["--data-dir", "moved"]].concat()), id);
}

#[test]
fn what_an_existing_package_cannot_heed_is_said() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    let id = sandbox.ingest(&args);
    let more = ["--retention-class", "permanent-record", "--label", "team=storage", "--quiet"];
    let output = sandbox.run(&[&args[..], &more].concat()).assert().success();
    assert_eq!(said(&output.get_output().stdout), format!("{id}\n"));
    redacted(|| insta::assert_snapshot!(said(&output.get_output().stderr)));
    assert_eq!(sandbox.json(&["show", &id])["retention_class"], "raw-evidence");
}

#[test]
fn a_misspelt_variable_is_a_warning() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    let mut command = sandbox.command(&args);
    let output = command.env("ARTIFACT_STORE_DATADIR", "elsewhere").assert().success();
    let warned = said(&output.get_output().stderr);
    assert!(warned.starts_with("warning: ARTIFACT_STORE_DATADIR is set, but nothing"), "{warned}");
}

#[test]
fn output_that_cannot_be_written_is_1() {
    let sandbox = Sandbox::new();
    let args = a_directory(&sandbox);
    for format in [&["--json"][..], &["--quiet"], &[]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = sandbox.command(&[&args[..], format].concat());
        let output = command.stdout(full).output().unwrap();
        let error = said(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("error: failed to write to stdout: No space left"), "{error}");
    }
    // What was asked for is done all the same.
    assert_eq!(sandbox.json(&args)["outcome"], "already-ingested");
}
