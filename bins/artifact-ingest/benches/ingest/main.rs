//! What an embedded ingest costs beside what nobody can go below on this machine.
//!
//! `cargo bench --package artifact-ingest --bench ingest -- [--rounds N] [mixed] [small] [large]`
//!
//! Each round runs the floor and the ingest one after the other, on fresh copies of nothing but
//! the source, so that both meet the same machine. What counts is the median of the ratios, not a
//! time: machines differ and are noisy. The floors:
//!
//! - `cp -r` and `sync` of the same tree: the bytes moved and made durable, nothing hashed,
//!   nothing registered.
//! - `openssl dgst -sha256` of one file: SHA-256 of one stream does not parallelise.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../common/measure.rs"]
mod measure;
mod run;
#[path = "../common/trees.rs"]
mod trees;

use std::path::Path;
use std::process::Command;

use measure::median;
use run::{Run, run};

/// One tree and what it is measured against.
struct Workload {
    name: &'static str,
    what: &'static str,
    floor: &'static str,
    promise: f64,
    make: fn(&Path) -> std::io::Result<()>,
}

const WORKLOADS: [Workload; 3] = [
    Workload {
        name: "mixed",
        what: "2,000 files, 400 MiB",
        floor: "cp -r \"$1\" \"$2\" && sync",
        promise: 1.3,
        make: trees::mixed,
    },
    Workload {
        name: "small",
        what: "10,000 files of 4 KiB",
        floor: "cp -r \"$1\" \"$2\" && sync",
        promise: 1.0,
        make: trees::small,
    },
    Workload {
        name: "large",
        what: "one file of 2 GiB",
        floor: "openssl dgst -sha256 \"$1\"/* > /dev/null",
        promise: 1.3,
        make: trees::large,
    },
];

/// The most memory that an ingest may have resident.
const MEMORY_MIB: f64 = 64.0;

fn main() -> std::io::Result<()> {
    // Cargo adds `--bench`.
    let mut arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut rounds = 5;
    if let Some(at) = arguments.iter().position(|argument| argument == "--rounds") {
        rounds = arguments.get(at + 1).and_then(|text| text.parse().ok()).unwrap_or(rounds);
        arguments.drain(at..(at + 2).min(arguments.len()));
    }
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ingest-bench");
    println!(
        "{:<24} {:>9} {:>9} {:>7} {:>8} {:>9}",
        "workload", "floor", "ingest", "ratio", "promise", "memory"
    );
    for workload in &WORKLOADS {
        if !arguments.is_empty() && !arguments.iter().any(|argument| argument == workload.name) {
            continue;
        }
        measure_workload(workload, &base, rounds)?;
    }
    std::fs::remove_dir_all(&base)
}

fn measure_workload(workload: &Workload, base: &Path, rounds: usize) -> std::io::Result<()> {
    let source = base.join(workload.name);
    if !source.exists() {
        (workload.make)(&source)?;
    }
    let (copy, data) = (base.join("copy"), base.join("data"));
    let (mut floors, mut ingests) = (Vec::new(), Vec::new());
    // The first round warms the page cache and is not counted.
    for round in 0..=rounds {
        let floor = clean_run(&copy, || {
            let mut command = Command::new("sh");
            command.arg("-c").arg(workload.floor).arg("sh").arg(&source).arg(&copy);
            command
        })?;
        let ingest = clean_run(&data, || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_artifact-ingest"));
            command.arg("directory").arg(&source).arg("--data-dir").arg(&data);
            command.args(["--producer", "bench", "--quiet"]);
            command
        })?;
        if round > 0 {
            floors.push(floor);
            ingests.push(ingest);
        }
    }
    let ratio =
        median(floors.iter().zip(&ingests).map(|(floor, ingest)| ingest.seconds / floor.seconds));
    let floor = median(floors.iter().map(|run| run.seconds));
    let ingest = median(ingests.iter().map(|run| run.seconds));
    let memory = ingests.iter().map(|run| run.peak_mib).fold(0.0, f64::max);
    println!(
        "{:<24} {floor:>8.2}s {ingest:>8.2}s {ratio:>7.2} {:>8.2} {memory:>5.1} MiB{}",
        workload.what,
        workload.promise,
        if ratio <= workload.promise && memory < MEMORY_MIB { "" } else { "  missed" },
    );
    Ok(())
}

/// Runs a command that makes `output`, from a quiet disk and to a removed output.
fn clean_run(output: &Path, command: impl FnOnce() -> Command) -> std::io::Result<Run> {
    let remove = || if output.exists() { std::fs::remove_dir_all(output) } else { Ok(()) };
    remove()?;
    Command::new("sync").status()?;
    let ran = run(command())?;
    remove()?;
    Command::new("sync").status()?;
    Ok(ran)
}
