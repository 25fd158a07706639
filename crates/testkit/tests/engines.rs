//! The engines come, go and leave nothing behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use artifact_testkit::{Ceph, Postgres};

/// The folders of the engines below the folder for temporary files.
fn folders(within: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(within).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// `host:port` of a URL.
fn address(url: &str) -> String {
    let rest = url.split_once("://").unwrap().1;
    let host = rest.split('/').next().unwrap();
    host.rsplit('@').next().unwrap().to_owned()
}

fn answers(url: &str) -> bool {
    TcpStream::connect(address(url)).is_ok()
}

fn eventually(mut is_so: impl FnMut() -> bool, otherwise: &str) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_mins(1), "{otherwise}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn postgresql_stops_starts_again_and_is_gone_when_it_is_dropped() {
    let postgres = Postgres::start();
    let url = postgres.url();
    assert!(answers(&url));
    let [one, two] = [postgres.fresh_database(), postgres.fresh_database()];
    assert_ne!(one.url(), two.url());
    postgres.stop();
    assert!(!answers(&url));
    postgres.start_again();
    assert_eq!(postgres.url(), url);
    assert!(answers(&url));
    drop((one, two));
    drop(postgres);
    assert!(!answers(&url));
}

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn a_panic_stops_postgresql_too() {
    let mut url = None;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let postgres = Postgres::start();
        url = Some(postgres.url());
        panic!("as a test does that has failed");
    }));
    assert!(panicked.is_err());
    assert!(!answers(&url.expect("it was started")));
}

/// What tells the test below that it is the one to be killed.
const VICTIM: &str = "ARTIFACT_STORE_TEST_VICTIM";

#[test]
#[ignore = "needs PostgreSQL: just test-engines"]
fn an_engine_is_gone_when_its_process_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        victim();
    }
    let temporary = tempfile::tempdir().unwrap();
    // PostgreSQL runs as another user than root, who has to get through here.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(temporary.path(), open).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "an_engine_is_gone_when_its_process_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(VICTIM, "yes")
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("at ").map(str::to_owned))
        .expect("a cluster");
    assert!(answers(&url) && folders(temporary.path()).len() == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually(|| folders(temporary.path()).is_empty(), "its folder stays");
    assert!(!answers(&url));
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn victim() -> ! {
    let postgres = Postgres::start();
    println!("\nat {}", postgres.url());
    loop {
        std::thread::sleep(Duration::from_mins(1));
    }
}

#[test]
#[ignore = "needs Ceph: just test-engines"]
fn cephs_gateway_stops_starts_again_and_is_gone_when_it_is_dropped() {
    let ceph = Ceph::start();
    let endpoint = ceph.endpoint();
    ceph.make_bucket("one-bucket");
    ceph.stop_gateway();
    assert!(!answers(&endpoint));
    ceph.start_gateway();
    assert!(answers(&endpoint));
    ceph.make_bucket("another-bucket");
    drop(ceph);
    assert!(!answers(&endpoint));
}
