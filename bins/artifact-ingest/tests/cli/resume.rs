//! An ingest that was cut off, however it was, is completed by the next one.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use artifact_domain::PackageStatus;

use crate::support::{Sandbox, file_names, said, sha256, wait_until};

/// How many moments of an ingest are tried.
const MOMENTS: u32 = 12;

const SMALL_FILES: usize = 800;

/// A run that is large enough to be cut off. Tests only read it.
struct LargeRun {
    path: String,
    /// The `manifest-sha256.txt` that its bag must have.
    manifest: String,
}

/// The run, which is made once and stays in the target folder: nothing would remove it in the end.
fn large_run() -> &'static LargeRun {
    static RUN: OnceLock<LargeRun> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let run = folder.join(format!("run-of-{SMALL_FILES}"));
        if !run.exists() {
            let sandbox = Sandbox::below(folder);
            for number in 0..SMALL_FILES {
                let name = format!("run/logs/{:02}/{number:04}.log", number % 40);
                sandbox.write(name, format!("line {number}\n").repeat(number % 50));
            }
            sandbox.write_sparse("run/heap-1.bin", 16 << 20, "first");
            sandbox.write_sparse("run/heap-2.bin", 16 << 20, "second");
            // Nobody waits for this one.
            sandbox.write_sparse("run/endless.bin", 64 << 30, "end");
            // Another process of these tests may have been faster; its run is the same.
            let _ = fs::rename(sandbox.path("run"), &run);
        }
        let mut manifest = String::new();
        for name in file_names(&run).iter().filter(|name| *name != "endless.bin") {
            let _ = writeln!(manifest, "{}  data/{name}", sha256(&run.join(name)));
        }
        LargeRun { path: run.to_str().unwrap().to_owned(), manifest }
    })
}

/// An ingest that is not done before a test has cut it off.
fn endless() -> [&'static str; 7] {
    ["directory", &large_run().path, "--producer", "p", "--external-id", "run-1", "--json"]
}

fn ingest() -> Vec<&'static str> {
    [&endless()[..], &["--exclude", "endless.bin"]].concat()
}

/// Runs the ingest once more and asserts that the package is whole and the only one. Answers what
/// was left to do.
fn complete(sandbox: &Sandbox) -> String {
    let output = sandbox.run(&ingest());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = report["package_id"].as_str().unwrap();
    assert_eq!(report["file_count"], SMALL_FILES + 2);
    sandbox.assert_whole(id);
    let manifest = fs::read_to_string(sandbox.bag(id).join("manifest-sha256.txt")).unwrap();
    assert_eq!(manifest, large_run().manifest);
    assert_eq!(sandbox.listed(), [(id.to_owned(), PackageStatus::Finalized)]);
    assert_eq!(sandbox.packages(), [id]);
    sandbox.assert_nothing_staged();
    report["outcome"].as_str().unwrap().to_owned()
}

/// The id of the one package, which is not finalized.
fn the_unfinished(sandbox: &Sandbox) -> String {
    let listed = sandbox.listed();
    let [(id, PackageStatus::Uploading)] = &listed[..] else { panic!("{listed:?}") };
    id.clone()
}

/// Begins an ingest and interrupts it when some files are stored.
fn interrupted(sandbox: &Sandbox) -> Output {
    let running = sandbox.spawn(&endless());
    let packages = sandbox.store().join("packages");
    wait_until("a package has files", || packages.is_dir() && !sandbox.packages().is_empty());
    let [id] = &sandbox.packages()[..] else { panic!("{:?}", sandbox.packages()) };
    wait_until("many files are recorded", || sandbox.recorded(id).len() > 100);
    running.interrupt();
    running.output()
}

#[test]
fn an_ingest_that_is_killed_at_any_moment_is_completed_by_the_next() {
    let undisturbed = Sandbox::new();
    let begun = Instant::now();
    undisturbed.run(&ingest());
    let whole = begun.elapsed();
    let mut outcomes = Vec::new();
    for moment in 0..MOMENTS {
        let sandbox = Sandbox::new();
        let running = sandbox.spawn(&ingest());
        std::thread::sleep(whole * moment / MOMENTS);
        running.kill();
        outcomes.push(complete(&sandbox));
    }
    // Before the package is announced there is nothing to resume, after finalize neither.
    let known = ["ingested", "resumed", "already-ingested"];
    assert!(outcomes.iter().all(|outcome| known.contains(&outcome.as_str())), "{outcomes:?}");
    assert!(outcomes.iter().any(|outcome| outcome == "resumed"), "{outcomes:?}");
}

#[test]
fn an_ingest_that_is_killed_again_and_again_is_completed_in_the_end() {
    let sandbox = Sandbox::new();
    for delay in [40, 80, 120, 160] {
        let running = sandbox.spawn(&ingest());
        std::thread::sleep(Duration::from_millis(delay));
        running.kill();
    }
    complete(&sandbox);
}

#[test]
fn an_interrupt_leaves_with_130_and_a_package_that_is_resumed() {
    let sandbox = Sandbox::new();
    let output = interrupted(&sandbox);
    let error = said(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{error}");
    insta::assert_snapshot!(error, @"error: interrupted: an unfinished package stays as it is, and ingesting the same run again resumes it");
    assert_eq!(said(&output.stdout), "");
    the_unfinished(&sandbox);
    assert_eq!(complete(&sandbox), "resumed");
}

#[test]
fn an_interrupt_is_heard_while_another_process_keeps_the_registry_locked() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    sandbox.write("run/.hidden", "");
    let ingest = ["directory", "run", "--producer", "p", "--external-id", "e"];
    let id = sandbox.ingest(&ingest);
    sandbox.write("run/b.txt", "b");
    let other = ["directory", "run", "--producer", "p", "--external-id", "other"];
    let output = sandbox.while_locked(|| {
        let mut running = sandbox.spawn(&other);
        running.wait_until_it_says("1 hidden left out");
        running.interrupt();
        running.output()
    });
    assert_eq!(output.status.code(), Some(130), "{}", said(&output.stderr));
    assert_eq!(sandbox.packages(), [id]);
    sandbox.assert_whole(&sandbox.ingest(&other));
}

#[test]
fn what_is_stored_already_is_not_written_again() {
    let sandbox = Sandbox::new();
    interrupted(&sandbox);
    let id = the_unfinished(&sandbox);
    let recorded = sandbox.recorded(&id);
    assert!(!recorded.is_empty());
    let identities = || -> Vec<(u64, i64, i64)> {
        let data = sandbox.bag(&id).join("data");
        let metadata = recorded.iter().map(|name| fs::metadata(data.join(name)).unwrap());
        metadata.map(|file| (file.ino(), file.mtime(), file.mtime_nsec())).collect()
    };
    let before = identities();
    assert_eq!(complete(&sandbox), "resumed");
    assert_eq!(identities(), before);
}

#[test]
fn stored_bytes_that_are_lost_before_finalize_are_sent_again() {
    let sandbox = Sandbox::new();
    interrupted(&sandbox);
    let id = the_unfinished(&sandbox);
    let data = sandbox.bag(&id).join("data");
    let recorded = sandbox.recorded(&id);
    let mut lost = recorded.iter().filter(|name| fs::metadata(data.join(name)).unwrap().len() > 9);
    fs::remove_file(data.join(lost.next().unwrap())).unwrap();
    fs::write(data.join(lost.next().unwrap()), "cut").unwrap();
    assert_eq!(complete(&sandbox), "resumed");
}

#[test]
fn two_ingests_of_one_run_at_the_same_time_share_one_package() {
    let sandbox = Sandbox::new();
    let running = [sandbox.spawn(&ingest()), sandbox.spawn(&ingest())];
    let ids = running.map(|running| {
        let output = running.output();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report["package_id"].as_str().unwrap().to_owned()
    });
    assert_eq!(ids[0], ids[1]);
    assert_eq!(complete(&sandbox), "already-ingested");
}

#[test]
fn two_ingests_of_different_runs_at_the_same_time_make_two_packages() {
    let sandbox = Sandbox::new();
    sandbox.write("one/a.txt", "one");
    sandbox.write("two/a.txt", "two");
    // The store is made by both at the same time, too.
    let running = ["one", "two"]
        .map(|directory| sandbox.spawn(&["directory", directory, "--producer", "p", "--quiet"]));
    for running in running {
        let output = running.output();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
        sandbox.assert_whole(said(&output.stdout).trim_end());
    }
    assert_eq!(sandbox.packages().len(), 2);
}
