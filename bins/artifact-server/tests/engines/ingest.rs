//! The ingest program while servers or engines come and go: it ends well.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

use artifact_testkit::{Fault, FaultyLink, Postgres};
use serde_json::Value;
use tempfile::TempDir;

use crate::room::{Client, PACKAGES, Package, eventually};
use crate::shared::{CEPH, POSTGRES, Replica, Shared, events, sealed_files};

const SMALL: usize = 600;

/// A directory of many small files and some that go in parts.
struct Run {
    folder: TempDir,
    files: BTreeMap<String, u64>,
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut files = BTreeMap::new();
        let mut write = |path: String, bytes: Vec<u8>| {
            let file = folder.path().join("run").join(&path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            files.insert(path, bytes.len() as u64);
            fs::write(file, bytes).unwrap();
        };
        for number in 0..SMALL {
            let text = format!("log {number}\n").repeat(number + 1);
            write(format!("logs/{number}.txt"), text.into_bytes());
        }
        for number in 0..4 {
            let line = format!("line of large file {number}\n").into_bytes();
            let bytes = line.iter().copied().cycle().take((12 << 20) + number).collect();
            write(format!("large/{number}.bin"), bytes);
        }
        Self { folder, files }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Begins to ingest it.
    fn ingest(&self, server: &str) -> JoinHandle<Output> {
        let run = self.path();
        let arguments = ["directory", run.to_str().unwrap(), "--producer", "p"];
        let identity = ["--external-id", "e", "--json"];
        begin(self.folder.path(), server, &[&arguments[..], &identity].concat())
    }

    /// Asserts that an ingest has ended well and that what is sealed is this directory, each file
    /// of it once, in the eyes of the ingest program too.
    #[track_caller]
    fn assert_ingested(&self, output: &Output, shared: &Shared<'_>, client: Client) {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let package = Package { client, id: report["package_id"].as_str().unwrap().to_owned() };
        let sealed = sealed_files(&package);
        assert_eq!(sealed.len(), self.files.len());
        assert!(sealed.into_iter().collect::<BTreeMap<_, _>>() == self.files);
        assert!(shared.stored(&package).iter().eq(self.files.keys()));
        assert_eq!(events(&package, "package.finalized"), 1);
        let listed = client.get(PACKAGES).json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");

        let server = format!("http://{}", client.address);
        let verified = begin(self.folder.path(), &server, &["verify", &package.id]);
        let verified = verified.join().unwrap();
        let said = String::from_utf8_lossy(&verified.stderr);
        assert_eq!(verified.status.code(), Some(0), "{said}");
        shared.assert_clean();
    }
}

/// Runs the ingest program.
fn begin(folder: &Path, server: &str, arguments: &[&str]) -> JoinHandle<Output> {
    let program =
        Path::new(env!("CARGO_BIN_EXE_artifact-server")).with_file_name("artifact-ingest");
    assert!(program.exists(), "build it first: cargo build --package artifact-ingest");
    let running = Command::new(program)
        .env_clear()
        .env("XDG_STATE_HOME", folder.join("state"))
        .args(arguments)
        .args(["--server", server])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::spawn(move || running.wait_with_output().unwrap())
}

/// Waits until so many files of the only package are stored, and it is not sealed.
fn in_the_middle(client: Client, files: u64) {
    let mut last = Value::Null;
    eventually(
        || {
            last = client.get(PACKAGES).json();
            last["items"][0]["file_count"].as_u64().is_some_and(|count| count >= files)
        },
        || "the ingest does not begin".to_owned(),
    );
    assert_eq!(last["items"][0]["status"], "uploading", "{last}");
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn a_replica_that_is_killed_behind_a_balancer_does_not_stop_an_ingest() {
    let shared = Shared::on_bucket(&POSTGRES, &CEPH).with(&["--upload-idle-timeout", "4s"]);
    let [doomed, two, three]: [Replica; 3] = shared.replicas();
    let addresses = [&doomed, &two, &three].map(|replica| replica.client().address);
    let balancer = FaultyLink::balancing(&addresses);
    let run = Run::new();
    let ingest = run.ingest(&balancer.endpoint());
    in_the_middle(two.client(), 64);
    doomed.kill();
    run.assert_ingested(&ingest.join().unwrap(), &shared, three.client());

    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/guide-board");
    let pilot = fixtures.join("cmis-pilot").canonicalize().unwrap();
    let pilot = ["guide-board", pilot.to_str().unwrap()];
    let ingested = begin(run.folder.path(), &balancer.endpoint(), &pilot).join().unwrap();
    let said = String::from_utf8_lossy(&ingested.stderr);
    assert_eq!(ingested.status.code(), Some(0), "{said}");
    shared.assert_clean();
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn an_ingest_waits_for_a_gateway_that_is_away_or_busy() {
    let link = FaultyLink::to_http(&CEPH.endpoint());
    let run = Run::new();
    for away in [true, false] {
        let shared = Shared::through(&POSTGRES, &CEPH, &link.endpoint());
        let replica = shared.replica();
        if away {
            link.refuse();
        } else {
            link.every("", Fault::Answer(503));
        }
        let ingest = run.ingest(&format!("http://{}", replica.client().address));
        // It was refused at least once, and does not give up.
        let refused = || replica.place.log().contains("status=503");
        eventually(refused, || "nothing of the ingest was refused".to_owned());
        assert!(!ingest.is_finished());
        link.mend();
        run.assert_ingested(&ingest.join().unwrap(), &shared, replica.client());
    }
}

#[test]
#[ignore = "needs PostgreSQL and Ceph: just test-engines"]
fn a_database_that_restarts_in_the_middle_does_not_stop_an_ingest() {
    let postgres = Postgres::start();
    let shared = Shared::on_bucket(&postgres, &CEPH);
    let replica = shared.replica();
    let run = Run::new();
    let ingest = run.ingest(&format!("http://{}", replica.client().address));
    in_the_middle(replica.client(), 64);
    postgres.stop();
    let refused = || replica.place.log().contains("registry-unavailable");
    eventually(refused, || "nothing of the ingest was refused".to_owned());
    postgres.start_again();
    run.assert_ingested(&ingest.join().unwrap(), &shared, replica.client());
}
