//! What the gateway costs beside servers that do less.
//!
//! `cargo bench --package artifact-ingest --bench gateway -- [--rounds N] [mixed] [small] [large]
//! [downloads] [in-flight]`
//!
//! It needs `nginx` (with its WebDAV module) and `wrk` on the path, and shows `dufs` too if it is
//! there. `artifact-server` is taken from the folder of `artifact-ingest`. Each round runs every
//! server one after the other, on fresh folders; what counts is the median of the ratios. The
//! peers hash nothing, register nothing and prove nothing:
//!
//! - uploads: the same files PUT into nginx over 8 connections that are kept, then `sync`; the
//!   gateway takes them from `artifact-ingest --server`, with both digests, registry and finalize;
//! - downloads: one file of 2 GiB over one connection; 10,000 files of 4 KiB over 16;
//! - a new connection: what a request costs more with one of its own than on one that is kept, 16
//!   at once, for one small file and for an answer without a file (dufs has none).

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "../common/gateway.rs"]
mod gateway;
#[path = "../common/measure.rs"]
mod measure;
mod put;
mod servers;
#[path = "../common/trees.rs"]
mod trees;
mod wrk;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use gateway::{Gateway, Server};
use measure::{median, resident_peak_mib};
use servers::{Dufs, Nginx};

/// One tree and what its upload may cost beside nginx.
struct Workload {
    name: &'static str,
    what: &'static str,
    make: fn(&Path) -> io::Result<()>,
}

const WORKLOADS: [Workload; 3] = [
    Workload { name: "mixed", what: "put 2,000 files, 400 MiB", make: trees::mixed },
    Workload { name: "small", what: "put 10,000 files of 4 KiB", make: trees::small },
    Workload { name: "large", what: "put one file of 2 GiB", make: trees::large },
];

/// The most memory that the gateway may have resident.
const MEMORY_MIB: f64 = 64.0;

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
        Bench { base: Path::new(env!("CARGO_TARGET_TMPDIR")).join("gateway-bench"), rounds };
    println!(
        "{:<31} {:>11} {:>11} {:>11} {:>7} {:>9} {:>10}",
        "", "nginx", "dufs", "gateway", "ratio", "promise", "memory"
    );
    for workload in WORKLOADS.iter().filter(|workload| wanted(workload.name)) {
        bench.uploads(workload)?;
    }
    if wanted("downloads") {
        bench.downloads()?;
    }
    if wanted("in-flight") {
        bench.in_flight()?;
    }
    std::fs::remove_dir_all(&bench.base)
}

struct Bench {
    base: PathBuf,
    rounds: usize,
}

/// One line of the table. `promise` is a bound of the ratio of the gateway to nginx, from above
/// or from below.
struct Line<'a> {
    what: &'a str,
    unit: &'a str,
    promise: f64,
    at_most: bool,
    memory: f64,
}

fn print(line: &Line<'_>, nginx: &[f64], dufs: &[f64], gateway: &[f64]) {
    let of = |values: &[f64]| median(values.iter().copied());
    let ratio = median(nginx.iter().zip(gateway).map(|(nginx, gateway)| gateway / nginx));
    let held = if line.at_most { ratio <= line.promise } else { ratio >= line.promise };
    let figure = |value: f64| {
        if value.is_nan() { "-".to_owned() } else { format!("{value:.2}{}", line.unit) }
    };
    let bound = if line.at_most { "<=" } else { ">=" };
    println!(
        "{:<31} {:>11} {:>11} {:>11} {ratio:>7.2} {bound:>4} {:>4.2} {:>6.1} MiB{}",
        line.what,
        figure(of(nginx)),
        figure(of(dufs)),
        figure(of(gateway)),
        line.promise,
        line.memory,
        if held && line.memory < MEMORY_MIB { "" } else { "  missed" },
    );
}

impl Bench {
    fn source(&self, name: &str, make: fn(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
        let source = self.base.join(name);
        if !source.exists() {
            make(&source)?;
        }
        Ok(source)
    }

    /// An empty folder. What other rounds wrote stays: on ext4 the inodes of files that were
    /// deleted a moment ago are expensive to pass by.
    fn fresh(&self, name: &str) -> io::Result<PathBuf> {
        let folder = (0..1000)
            .map(|round| self.base.join("rounds").join(format!("{name}-{round}")))
            .find(|folder| !folder.exists())
            .unwrap_or_default();
        std::fs::create_dir_all(&folder)?;
        Command::new("sync").status()?;
        Ok(folder)
    }

    fn clear(&self) -> io::Result<()> {
        let rounds = self.base.join("rounds");
        if rounds.exists() { std::fs::remove_dir_all(rounds) } else { Ok(()) }
    }

    fn uploads(&self, workload: &Workload) -> io::Result<()> {
        let source = self.source(workload.name, workload.make)?;
        let (mut nginx, mut dufs, mut gateway) = (Vec::new(), Vec::new(), Vec::new());
        let mut memory = 0.0_f64;
        // The first round warms the page cache and is not counted.
        for round in 0..=self.rounds {
            let server = Nginx::start(&self.fresh("nginx")?)?;
            let begun = Instant::now();
            put::tree(&source, server.address())?;
            Command::new("sync").status()?;
            let by_nginx = begun.elapsed().as_secs_f64();
            drop(server);

            let mut by_dufs = None;
            let folder = self.fresh("dufs")?;
            if let Some(server) = Dufs::start(&folder)? {
                put::make_folders(&source, &folder)?;
                let begun = Instant::now();
                put::tree(&source, server.address())?;
                Command::new("sync").status()?;
                by_dufs = Some(begun.elapsed().as_secs_f64());
            }

            let server = Gateway::start(&self.fresh("gateway")?)?;
            let begun = Instant::now();
            server.ingest(&source)?;
            let by_gateway = begun.elapsed().as_secs_f64();
            memory = memory.max(resident_peak_mib(server.pid()));
            drop(server);
            // Few files, but many bytes.
            if workload.name == "large" {
                self.clear()?;
            }
            if round > 0 {
                nginx.push(by_nginx);
                dufs.extend(by_dufs);
                gateway.push(by_gateway);
            }
        }
        self.clear()?;
        let line = Line { what: workload.what, unit: "s", promise: 1.0, at_most: true, memory };
        print(&line, &nginx, &dufs, &gateway);
        Ok(())
    }

    fn downloads(&self) -> io::Result<()> {
        let source = self.base.join("downloads");
        if !source.exists() {
            trees::small(&source.join("small"))?;
            trees::large(&source)?;
        }
        let nginx_folder = self.fresh("nginx")?;
        let nginx = Nginx::start(&nginx_folder)?;
        put::tree(&source, nginx.address())?;
        let dufs = Dufs::start(&nginx_folder)?;
        let gateway = Gateway::start(&self.fresh("gateway")?)?;
        let package = gateway.ingest(&source)?;
        let prefix = format!("/api/v1/packages/{package}/files");
        let mut figures: Vec<[Vec<f64>; 4]> = Vec::new();
        for (address, prefix) in [
            (Some(nginx.address()), ""),
            (dufs.as_ref().map(Server::address), ""),
            (Some(gateway.address()), prefix.as_str()),
        ] {
            figures.push(Default::default());
            if let Some(address) = address {
                // Into the page cache, where the others have their files already.
                wrk::large(address, prefix)?;
                wrk::small(address, prefix, &self.base)?;
            }
        }
        for _ in 0..self.rounds {
            for (server, (address, prefix)) in [
                (Some(nginx.address()), ""),
                (dufs.as_ref().map(Server::address), ""),
                (Some(gateway.address()), prefix.as_str()),
            ]
            .into_iter()
            .enumerate()
            {
                let Some(address) = address else { continue };
                let kept = wrk::one(address, prefix, true)?;
                let new = wrk::one(address, prefix, false)?;
                figures[server][0].push(wrk::large(address, prefix)?);
                figures[server][1].push(wrk::small(address, prefix, &self.base)?);
                figures[server][2].push(1e6 / new - 1e6 / kept);
                if server != 1 {
                    let (kept, new) = (wrk::health(address, true)?, wrk::health(address, false)?);
                    figures[server][3].push(1e6 / new - 1e6 / kept);
                }
            }
        }
        let memory = resident_peak_mib(gateway.pid());
        drop((nginx, dufs, gateway));
        self.clear()?;
        let lines = [
            ("get one file of 2 GiB", " MiB/s", 0.8, false),
            ("get files of 4 KiB, 16 at once", "/s", 0.3, false),
            ("a new connection, for a file", " us", 1.0, true),
            ("a new connection, for no file", " us", 1.0, true),
        ];
        for (index, (what, unit, promise, at_most)) in lines.into_iter().enumerate() {
            let line = Line { what, unit, promise, at_most, memory };
            print(&line, &figures[0][index], &figures[1][index], &figures[2][index]);
        }
        Ok(())
    }

    /// The memory of 64 uploads of 32 MiB at once.
    fn in_flight(&self) -> io::Result<()> {
        let gateway = Gateway::start(&self.fresh("gateway")?)?;
        let package = put::create_package(gateway.address())?;
        put::at_once(
            gateway.address(),
            &format!("/api/v1/packages/{package}/files"),
            64,
            32 << 20,
        )?;
        let memory = resident_peak_mib(gateway.pid());
        let verdict = if memory < MEMORY_MIB { "" } else { "  missed" };
        println!("{:<31} {memory:>6.1} MiB{verdict}", "64 uploads in flight");
        Ok(())
    }
}
