//! What PostgreSQL and Ceph cost beside SQLite and beside a client of S3 that only copies.
//!
//! `cargo bench --package artifact-ingest --bench engines -- [--rounds N] [mixed] [large]
//! [postgres]`
//!
//! It starts a PostgreSQL that syncs, and for each workload a Ceph in memory of its own; both have
//! to be installed, and `aws`, the command line of Amazon. `artifact-server` is taken from the
//! folder of `artifact-ingest`. What counts is the median of the ratios of rounds that run both
//! one after the other:
//!
//! - Ceph: `aws s3 sync` of a tree into a bucket, which registers nothing and proves nothing; the
//!   same tree through `artifact-ingest --server`, with both digests, registry and finalize;
//! - PostgreSQL: 10,000 files of 4 KiB through the gateway into a folder, registered in SQLite and
//!   in PostgreSQL.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[expect(dead_code, reason = "the other benchmark needs more of it")]
#[path = "../common/gateway.rs"]
mod gateway;
#[path = "../common/measure.rs"]
mod measure;
#[path = "../common/trees.rs"]
mod trees;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use artifact_testkit::{Ceph, Postgres};
use gateway::Gateway;
use measure::{median, resident_peak_mib};

/// The most memory that the gateway may have resident on S3, where a part is in memory until it is
/// stored.
const MEMORY_MIB: f64 = 128.0;

/// What the gateway may cost, as a ratio to its peer.
const PROMISE: f64 = 1.3;

fn main() -> io::Result<()> {
    // Cargo adds `--bench`.
    let mut arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut rounds = 5;
    if let Some(at) = arguments.iter().position(|argument| argument == "--rounds") {
        rounds = arguments.get(at + 1).and_then(|text| text.parse().ok()).unwrap_or(rounds);
        arguments.drain(at..(at + 2).min(arguments.len()));
    }
    let wanted =
        |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    let bench =
        Bench { base: Path::new(env!("CARGO_TARGET_TMPDIR")).join("engines-bench"), rounds };
    println!(
        "{:<34} {:>9} {:>9} {:>7} {:>9} {:>10}",
        "", "peer", "gateway", "ratio", "promise", "memory"
    );
    if wanted("mixed") {
        bench.ceph("Ceph: 2,000 files, 400 MiB", "mixed", trees::mixed, rounds)?;
    }
    if wanted("large") {
        // Each round stores 4 GiB, and the Ceph has 8 GiB.
        bench.ceph("Ceph: one file of 2 GiB", "large", trees::large, 1)?;
    }
    if wanted("postgres") {
        bench.postgres()?;
    }
    std::fs::remove_dir_all(&bench.base)
}

struct Bench {
    base: PathBuf,
    rounds: usize,
}

impl Bench {
    fn source(&self, name: &str, make: fn(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
        let source = self.base.join(name);
        if !source.exists() {
            make(&source)?;
        }
        Ok(source)
    }

    /// An empty folder.
    fn fresh(&self, name: &str, round: usize) -> io::Result<PathBuf> {
        let folder = self.base.join("rounds").join(format!("{name}-{round}"));
        std::fs::create_dir_all(&folder)?;
        Command::new("sync").status()?;
        Ok(folder)
    }

    fn clear(&self) -> io::Result<()> {
        std::fs::remove_dir_all(self.base.join("rounds"))
    }

    /// The first round is not counted, unless it is the only one.
    fn ceph(
        &self,
        what: &str,
        name: &str,
        make: fn(&Path) -> io::Result<()>,
        rounds: usize,
    ) -> io::Result<()> {
        let source = self.source(name, make)?;
        let ceph = Ceph::start();
        ceph.make_bucket("evidence");
        ceph.make_bucket("copies");
        let (mut peer, mut ours, mut memory) = (Vec::new(), Vec::new(), 0.0_f64);
        let warm = usize::from(rounds > 1);
        for round in 0..rounds + warm {
            let by_aws = sync(&ceph, &source, &format!("s3://copies/{round}"))?;
            let settings = [
                ("ARTIFACT_STORE_STORAGE_URL", format!("s3://evidence/{round}")),
                ("ARTIFACT_STORE_S3_ENDPOINT", ceph.endpoint()),
                ("ARTIFACT_STORE_S3_ALLOW_HTTP", "true".to_owned()),
                ("ARTIFACT_STORE_S3_ACCESS_KEY_ID", ceph.access_key().to_owned()),
                ("ARTIFACT_STORE_S3_SECRET_ACCESS_KEY", ceph.secret_key().to_owned()),
            ];
            let (by_gateway, peak) = ingest(&source, &self.fresh("ceph", round)?, &settings)?;
            memory = memory.max(peak);
            if round >= warm {
                peer.push(by_aws);
                ours.push(by_gateway);
            }
        }
        self.clear()?;
        print(what, &peer, &ours, memory);
        Ok(())
    }

    fn postgres(&self) -> io::Result<()> {
        let source = self.source("small", trees::small)?;
        let postgres = Postgres::start_synced();
        let (mut by_sqlite, mut by_postgres, mut memory) = (Vec::new(), Vec::new(), 0.0_f64);
        for round in 0..=self.rounds {
            let (sqlite, _) = ingest(&source, &self.fresh("sqlite", round)?, &[])?;
            let database = postgres.fresh_database();
            let settings = [("ARTIFACT_STORE_DATABASE_URL", database.url())];
            let (seconds, peak) = ingest(&source, &self.fresh("postgres", round)?, &settings)?;
            memory = memory.max(peak);
            if round > 0 {
                by_sqlite.push(sqlite);
                by_postgres.push(seconds);
            }
        }
        self.clear()?;
        print("PostgreSQL: 10,000 files of 4 KiB", &by_sqlite, &by_postgres, memory);
        Ok(())
    }
}

/// How long an ingest through a gateway with these settings takes, and what the gateway had
/// resident at most.
fn ingest(source: &Path, folder: &Path, settings: &[(&str, String)]) -> io::Result<(f64, f64)> {
    let gateway = Gateway::start_with(folder, settings)?;
    let begun = Instant::now();
    gateway.ingest(source)?;
    Ok((begun.elapsed().as_secs_f64(), resident_peak_mib(gateway.pid())))
}

/// How long Amazon's command line takes to copy a tree into a bucket.
fn sync(ceph: &Ceph, source: &Path, target: &str) -> io::Result<f64> {
    let begun = Instant::now();
    let status = Command::new("aws")
        .args(["--endpoint-url", &ceph.endpoint(), "s3", "sync", "--only-show-errors"])
        .arg(source)
        .arg(target)
        .env("AWS_ACCESS_KEY_ID", ceph.access_key())
        .env("AWS_SECRET_ACCESS_KEY", ceph.secret_key())
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("aws s3 sync ended with {status}")));
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn print(what: &str, peer: &[f64], gateway: &[f64], memory: f64) {
    let of = |values: &[f64]| median(values.iter().copied());
    let ratio = median(peer.iter().zip(gateway).map(|(peer, gateway)| gateway / peer));
    println!(
        "{what:<34} {:>8.2}s {:>8.2}s {ratio:>7.2} {PROMISE:>9.2} {memory:>6.1} MiB{}",
        of(peer),
        of(gateway),
        if ratio <= PROMISE && memory < MEMORY_MIB { "" } else { "  missed" },
    );
}
