//! The same commands with a server instead of the embedded store.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use artifact_domain::filter::{PackageFilter, PageLimit};
use artifact_domain::{PackageId, PackageStatus};
use artifact_testkit::TestServer;
use serde_json::Value;

use crate::support::{Sandbox, assert_bag, files, fixture, names, said, wait_until};

const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A sandbox and a server that its commands talk to.
struct Site {
    sandbox: Sandbox,
    server: TestServer,
    url: String,
}

impl Site {
    fn new() -> Self {
        let server = TestServer::start();
        let url = server.url();
        Self { sandbox: Sandbox::new(), server, url }
    }

    fn args<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [args, &["--server", &self.url]].concat()
    }

    fn json(&self, args: &[&str]) -> Value {
        self.sandbox.json(&self.args(args))
    }

    fn fails(&self, code: i32, args: &[&str]) -> String {
        self.sandbox.fails(code, &self.args(args))
    }

    fn bag(&self, id: &str) -> PathBuf {
        self.server.data_dir().join("packages").join(id)
    }

    /// The packages that the server has, newest first.
    fn packages(&self) -> Vec<(String, PackageStatus)> {
        let listed =
            self.server.store().packages(PackageFilter::default(), None, PageLimit::default());
        let page = runtime().block_on(listed).unwrap();
        page.items.into_iter().map(|package| (package.id.to_string(), package.status)).collect()
    }

    /// How many files of the only package are stored.
    fn stored(&self) -> u64 {
        let listed =
            self.server.store().packages(PackageFilter::default(), None, PageLimit::default());
        let page = runtime().block_on(listed).unwrap();
        page.items.first().map_or(0, |package| package.file_count)
    }

    /// Asserts that a package is whole, in the eyes of the server and of a tool that knows nothing
    /// of it.
    fn assert_whole(&self, id: &str) {
        assert_eq!(self.json(&["verify", id])["problems"], serde_json::json!([]));
        assert_bag(&self.bag(id));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn id(report: &Value) -> String {
    report["package_id"].as_str().unwrap().to_owned()
}

/// A report without what is of one store and one moment.
fn comparable(mut report: Value) -> Value {
    for member in
        ["package_id", "url", "created_at", "finalized_at", "expires_at", "manifest_sha256"]
    {
        assert!(report.as_object_mut().unwrap().remove(member).is_some(), "{member}");
    }
    report
}

#[test]
fn the_pilot_is_ingested_shown_downloaded_and_verified() {
    let site = Site::new();
    let pilot = fixture("cmis-pilot");
    let ingest = ["guide-board", pilot.to_str().unwrap()];
    let report = site.json(&ingest);
    let id = id(&report);
    assert_eq!(report["url"], format!("{}/api/v1/packages/{id}", site.url));
    assert_eq!(comparable(report.clone()), comparable(site.sandbox.json(&ingest)));
    site.assert_whole(&id);

    let again = site.json(&ingest);
    assert_eq!(
        (&again["outcome"], &again["package_id"]),
        (&"already-ingested".into(), &id.clone().into())
    );
    let mut shown = site.json(&["show", &id]);
    let retention = shown.as_object_mut().unwrap().remove("retention").unwrap();
    assert_eq!(retention["expires_at"], report["expires_at"]);
    shown["outcome"] = "ingested".into();
    assert_eq!(shown, report);
    let table = site.sandbox.succeeds(&site.args(&["show", &id]));
    assert!(
        table.contains(&format!("url           {}/api/v1/packages/{id}\n", site.url)),
        "{table}"
    );

    let downloaded = site.json(&["download", &id, "there"]);
    assert_eq!(downloaded["file_count"], report["file_count"]);
    assert_eq!(files(&site.sandbox.path("there")), files(&site.bag(&id).join("data")));
    let verified = site.json(&["verify", &id]);
    assert_eq!(verified["files_checked"], report["file_count"]);
    assert_eq!(verified["bytes_checked"], report["total_bytes"]);
    assert_eq!(verified["manifest_sha256"], report["manifest_sha256"]);
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let embedded = site.sandbox.json(&ingest);
    let embedded = site.sandbox.json(&["verify", embedded["package_id"].as_str().unwrap()]);
    assert_eq!(members(&verified), members(&embedded));
    assert!(!site.sandbox.path("state").exists(), "a run that has an id needs no note");
}

#[test]
fn the_server_can_be_named_by_the_environment_and_a_flag_wins() {
    let site = Site::new();
    site.sandbox.write("run/a.txt", "a");
    let ingest = ["directory", "run", "--producer", "p", "--quiet"];
    let run = |args: &[&str]| {
        let mut command = site.sandbox.command(args);
        command.env("ARTIFACT_STORE_SERVER", &site.url).output().unwrap()
    };
    let id = said(&run(&ingest).stdout).trim_end().to_owned();
    assert_eq!(site.packages(), [(id, PackageStatus::Finalized)]);
    assert!(!site.sandbox.store().exists());

    let output = run(&[&ingest[..], &["--data-dir", "store"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
    assert_eq!(site.packages().len(), 1);
    assert_eq!(site.sandbox.packages().len(), 1);
    let error = site.fails(2, &[&ingest[..], &["--data-dir", "store"]].concat());
    assert!(error.contains("--server and --data-dir exclude each other"), "{error}");
    let mut command = site.sandbox.command(&ingest);
    assert_eq!(command.env("ARTIFACT_STORE_SERVER", "").output().unwrap().status.code(), Some(0));
}

#[test]
fn a_directory_without_an_external_id_is_found_by_its_content() {
    let site = Site::new();
    site.sandbox.write("run/a.txt", "a");
    site.sandbox.write("run/large.bin", vec![7; 600_000]);
    let ingest = ["directory", "run", "--producer", "p"];
    let first = site.json(&ingest);
    assert_eq!(first["outcome"], "ingested");
    let again = site.json(&ingest);
    assert_eq!((&again["outcome"], id(&again)), (&"already-ingested".into(), id(&first)));
    site.sandbox.write("run/a.txt", "b");
    let other = site.json(&ingest);
    assert_ne!(id(&other), id(&first));
    site.assert_whole(&id(&first));
    site.assert_whole(&id(&other));
    let notes = names(&site.sandbox.path("state/artifact-store/unfinished"));
    assert!(notes.iter().all(|name| !name.contains('/')), "a note is left: {notes:?}");
}

#[test]
fn names_that_a_url_must_not_read_are_kept() {
    let site = Site::new();
    let contents: BTreeMap<&str, usize> = [
        ("a b.txt", 1),
        ("%2e%2e#?&+.txt", 2),
        ("ü/日本/…", 3),
        ("large #1/100%.bin", 700_000),
        ("~empty", 0),
    ]
    .into();
    for (name, size) in &contents {
        site.sandbox.write(format!("run/{name}"), vec![b'x'; *size]);
    }
    let long = format!("run/{}/{}", "d".repeat(200), "e".repeat(200));
    site.sandbox.write(long, "deep");
    let report = site.json(&["directory", "run", "--producer", "p"]);
    assert_eq!(files(&site.bag(&id(&report)).join("data")), files(&site.sandbox.path("run")));
    site.json(&["download", &id(&report), "there"]);
    assert_eq!(files(&site.sandbox.path("there")), files(&site.sandbox.path("run")));
}

#[test]
fn other_content_under_the_same_id_is_5_and_changes_nothing() {
    let site = Site::new();
    site.sandbox.write("run/a.txt", "a");
    site.sandbox.write("run/b.txt", "b");
    let ingest = ["directory", "run", "--producer", "p", "--external-id", "e"];
    let first = id(&site.json(&ingest));
    for change in ["different", "missing", "extra"] {
        match change {
            "different" => site.sandbox.write("run/a.txt", "x"),
            "missing" => site.sandbox.write("run/c.txt", "c"),
            _ => {
                fs::remove_file(site.sandbox.path("run/c.txt")).unwrap();
                fs::remove_file(site.sandbox.path("run/b.txt")).unwrap();
                site.sandbox.write("run/a.txt", "a")
            }
        };
        let error = site.fails(5, &ingest);
        let wanted = match change {
            "different" => "a.txt: different bytes",
            "missing" => "c.txt: not in the package",
            _ => "b.txt: not in the directory",
        };
        assert!(error.contains(wanted) && error.contains(&first), "{error}");
    }
    site.assert_whole(&first);
    assert_eq!(site.packages(), [(first, PackageStatus::Finalized)]);
}

/// Small files in several batches, and two that are streamed.
fn large_run(sandbox: &Sandbox) {
    for number in 0..1500 {
        sandbox.write(format!("run/{:02}/{number}.log", number % 30), number.to_string().repeat(9));
    }
    sandbox.write_sparse("run/heap-1.bin", 16 << 20, "first");
    sandbox.write_sparse("run/heap-2.bin", 16 << 20, "second");
}

#[test]
fn an_ingest_that_is_killed_at_any_moment_is_completed_by_the_next() {
    let run = Site::new();
    large_run(&run.sandbox);
    let begun = Instant::now();
    run.json(&["directory", "run", "--producer", "undisturbed"]);
    let whole = begun.elapsed();
    let mut outcomes = Vec::new();
    for moment in 0..8 {
        let site = Site::new();
        let directory = run.sandbox.path("run");
        let mut ingest = vec!["directory", directory.to_str().unwrap(), "--producer", "p"];
        if moment % 2 == 0 {
            ingest.extend(["--external-id", "e"]);
        }
        let running = site.sandbox.spawn(&site.args(&ingest));
        std::thread::sleep(whole * moment / 8);
        running.kill();
        let report = site.json(&ingest);
        assert_eq!(report["file_count"], 1502);
        site.assert_whole(&id(&report));
        let listed = site.packages();
        // A package that was made and not noted yet is not found again without an external id.
        assert!(listed.len() == 1 || moment % 2 == 1, "{listed:?}");
        assert_eq!(listed[0], (id(&report), PackageStatus::Finalized));
        outcomes.push(report["outcome"].as_str().unwrap().to_owned());
    }
    assert!(outcomes.iter().any(|outcome| outcome == "resumed"), "{outcomes:?}");
}

#[test]
fn what_is_stored_already_is_not_sent_again() {
    let run = Sandbox::new();
    large_run(&run);
    run.write_sparse("run/endless.bin", 64 << 30, "end");
    let directory = run.path("run");
    for identity in [&["--external-id", "e"][..], &[]] {
        let site = Site::new();
        let directory = ["directory", directory.to_str().unwrap(), "--producer", "p"];
        let ingest = [&directory, identity].concat();
        let running = site.sandbox.spawn(&site.args(&ingest));
        wait_until("many files are stored", || site.stored() > 1000);
        running.interrupt();
        let output = running.output();
        assert_eq!(output.status.code(), Some(130), "{}", said(&output.stderr));
        let (unfinished, status) = site.packages().remove(0);
        assert_eq!(status, PackageStatus::Uploading);

        let report = site.json(&[&ingest[..], &["--exclude", "endless.bin"]].concat());
        assert_eq!((&report["outcome"], id(&report)), (&"resumed".into(), unfinished.clone()));
        site.assert_whole(&unfinished);
        let package: PackageId = unfinished.parse().unwrap();
        let trail = artifact_domain::filter::AuditFilter {
            package: Some(package),
            ..artifact_domain::filter::AuditFilter::default()
        };
        let events = runtime()
            .block_on(site.server.store().audit(trail, None, PageLimit::default()))
            .unwrap();
        let removed = artifact_domain::event::AuditAction::FileRemoved;
        assert!(events.items.iter().all(|event| event.action != removed));
    }
}

#[test]
fn damage_is_4_and_named() {
    let site = Site::new();
    site.sandbox.write("run/changed.txt", "was here");
    site.sandbox.write("run/kept.txt", "kept");
    site.sandbox.write("run/lost.txt", "lost");
    let id = id(&site.json(&["directory", "run", "--producer", "p"]));
    fs::write(site.bag(&id).join("data/changed.txt"), "WAS HERE").unwrap();
    let error = site.fails(4, &["download", &id, "there"]);
    assert!(error.contains("changed.txt is damaged: expected SHA-256"), "{error}");
    assert!(!site.sandbox.path("there/changed.txt").exists());

    fs::remove_file(site.bag(&id).join("data/lost.txt")).unwrap();
    let output = site.sandbox.run(&site.args(&["verify", &id, "--json"]));
    assert_eq!(output.status.code(), Some(4), "{}", said(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = found["problems"].as_array().unwrap();
    let named: Vec<_> = problems.iter().map(|one| one["path"].as_str().unwrap()).collect();
    assert_eq!(named, ["data/changed.txt", "data/lost.txt"]);
    assert_eq!(problems[0]["problem"], "digest");
    assert_eq!(found["files_checked"], 2);
    assert!(said(&output.stderr).contains("is not as it was promised, 2 problems"));
}

#[test]
fn a_server_that_is_not_there_is_7() {
    let sandbox = Sandbox::new();
    sandbox.write("run/a.txt", "a");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let ingest = ["directory", "run", "--producer", "p", "--external-id", "e"];
    for args in [&ingest[..], &["show", NOBODY], &["verify", NOBODY], &["download", NOBODY]] {
        let error = sandbox.fails(7, &[args, &["--server", &url]].concat());
        assert!(error.contains(&url) && error.contains("Connection refused"), "{error}");
        assert!(error.contains("6 attempts"), "{error}");
    }
    assert_eq!(names(sandbox.root()), ["run", "run/a.txt"]);
}

#[test]
fn a_server_that_goes_away_in_the_middle_is_7_and_the_package_is_named() {
    let site = Site::new();
    large_run(&site.sandbox);
    site.sandbox.write_sparse("run/endless.bin", 64 << 30, "end");
    let ingest = ["directory", "run", "--producer", "p", "--external-id", "e"];
    let running = site.sandbox.spawn(&site.args(&ingest));
    wait_until("many files are stored", || site.stored() > 1000);
    let unfinished = site.packages().remove(0).0;
    let Site { server, sandbox: _sandbox, .. } = site;
    drop(server);
    let output = running.output();
    let error = said(&output.stderr);
    assert_eq!(output.status.code(), Some(7), "{error}");
    let wanted = format!("package {unfinished} is not finalized, run again to resume it");
    assert!(error.contains(&wanted), "{error}");
}

#[test]
fn a_token_that_the_server_does_not_know_is_6_and_not_shown() {
    let site = Site::new();
    site.sandbox.write("run/a.txt", "a");
    let ingest = ["directory", "run", "--producer", "p"];
    for args in [&ingest[..], &["show", NOBODY], &["verify", NOBODY], &["download", NOBODY]] {
        let error = site.fails(6, &[args, &["--token", "s3cret"]].concat());
        assert!(error.contains("token") && !error.contains("s3cret"), "{error}");
        let mut command = site.sandbox.command(&site.args(args));
        let output = command.env("ARTIFACT_STORE_TOKEN", "s3cret").output().unwrap();
        assert_eq!(output.status.code(), Some(6), "{}", said(&output.stderr));
    }
    let mut command = site.sandbox.command(&["--help"]);
    let help = command.env("ARTIFACT_STORE_TOKEN", "s3cret").output().unwrap();
    assert!(!said(&help.stdout).contains("s3cret"));
    assert_eq!(site.packages(), []);
}

#[test]
fn what_is_no_server_and_what_it_does_not_have_have_codes_of_their_own() {
    let site = Site::new();
    site.sandbox.write("run/a.txt", "a");
    for args in [&["show", NOBODY][..], &["verify", NOBODY], &["download", NOBODY]] {
        let error = site.fails(9, args);
        assert!(error.contains(&format!("there is no package {NOBODY}")), "{error}");
    }
    let ingest = ["directory", "run", "--producer", "p", "--retention-class", "forever"];
    let error = site.fails(2, &ingest);
    assert!(error.contains("there is no retention class forever"), "{error}");
    let error = site.sandbox.fails(2, &["show", NOBODY, "--server", "localhost"]);
    assert!(error.contains("\"localhost\" is not the URL of a server"), "{error}");
    let dry = site.sandbox.succeeds(&[
        "directory",
        "run",
        "--producer",
        "p",
        "--dry-run",
        "--server",
        "http://127.0.0.1:1",
    ]);
    assert!(dry.contains("nothing is written"), "{dry}");
}

#[test]
fn two_ingests_of_one_run_at_the_same_time_share_one_package() {
    let site = Site::new();
    large_run(&site.sandbox);
    let ingest = ["directory", "run", "--producer", "p", "--external-id", "e", "--quiet"];
    let running = [(); 2].map(|()| site.sandbox.spawn(&site.args(&ingest)));
    let begun = Instant::now();
    let printed = running.map(|running| {
        let output = running.output();
        assert_eq!(output.status.code(), Some(0), "{}", said(&output.stderr));
        said(&output.stdout)
    });
    assert_eq!(printed[0], printed[1]);
    site.assert_whole(printed[0].trim_end());
    assert!(begun.elapsed() < Duration::from_mins(1));
}
