//! What a decision over retention costs, and what a list of deletion candidates costs in a large
//! registry.
//!
//! `cargo bench --package artifact-store --bench retention -- [--rounds N]`
//!
//! Two stores on SQLite: one with 1,000 packages, one with 100,000; in each 1,000 may be deleted.
//! The first page of candidates is to cost at most twice as much in the large one: it is found
//! through an index, whatever else is there. A decision is set beside a look at its package alone,
//! which is what it cannot do without. What counts is the median of the rounds; each round
//! measures everything once.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use artifact_domain::filter::PageLimit;
use artifact_domain::package::PackageDescription;
use artifact_domain::{Package, PackageId, PackageStatus, Timestamp};
use artifact_registry::{Durability, OpenMode, Registry};
use artifact_store::{Access, ArtifactStore, StoreError, StoreOptions};
use tempfile::TempDir;

const ELIGIBLE: usize = 1000;
const SMALL: usize = 1000;
const LARGE: usize = 100_000;

/// Repetitions of one measurement; their mean is one figure.
const TIMES: u32 = 200;

/// A store with so many packages.
struct Shelf {
    store: ArtifactStore,
    packages: Vec<PackageId>,
    _folder: TempDir,
}

fn sealed(number: usize, expires_at: Timestamp) -> Package {
    let micros = 1_700_000_000_000_000 + i64::try_from(number).unwrap() * 1_000_000;
    let created_at = Timestamp::from_unix_micros(micros).unwrap();
    Package {
        id: PackageId::generate(created_at),
        description: PackageDescription {
            producer: "ci".parse().unwrap(),
            kind: "build".parse().unwrap(),
            external_id: Some(format!("run {number}").parse().unwrap()),
            title: None,
            retention_class: "raw-evidence".parse().unwrap(),
            labels: serde_json::from_str(r#"{"branch": "main"}"#).unwrap(),
            metadata: serde_json::from_str("{}").unwrap(),
        },
        rule_version: 1,
        status: PackageStatus::Finalized,
        created_at,
        updated_at: created_at,
        finalized_at: Some(created_at),
        expires_at: Some(expires_at),
        on_hold: false,
        file_count: 1,
        total_bytes: 1,
        manifest_sha256: None,
        payload_manifest_sha256: None,
        failure_reason: None,
        deleted_at: None,
        deletion_reason: None,
        revision: 1,
    }
}

impl Shelf {
    async fn fill(count: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let options = StoreOptions::embedded(folder.path());
        drop(ArtifactStore::open(&options).await.unwrap());
        let registry = Registry::open(&options.database, OpenMode::Existing).unwrap();
        let expired = "2025-01-01T00:00:00Z".parse().unwrap();
        let kept: Timestamp = "2999-01-01T00:00:00Z".parse().unwrap();
        let packages: Vec<Package> = (0..count)
            // The eligible ones lie scattered among the others.
            .map(|n| sealed(n, if n % (count / ELIGIBLE) == 0 { expired } else { kept }))
            .collect();
        registry
            .write::<_, StoreError>(Durability::Relaxed, |writer| {
                let location = writer.locations()?[0].id;
                for package in &packages {
                    writer.insert_package(package, location)?;
                }
                Ok(())
            })
            .unwrap();
        let store = ArtifactStore::open(&options.with_access(Access::Read)).await.unwrap();
        let packages = packages.iter().map(|package| package.id).collect();
        Self { store, packages, _folder: folder }
    }

    /// Microseconds for the first page of candidates.
    async fn first_page(&self) -> f64 {
        let begun = Instant::now();
        for _ in 0..TIMES {
            let page = self.store.deletion_candidates(None, PageLimit::default()).await.unwrap();
            assert_eq!(black_box(page).items.len(), 100);
        }
        micros(begun)
    }

    /// Microseconds for a look at a package, and for a decision over it.
    async fn decision(&self) -> [f64; 2] {
        let mut spent = [Duration::ZERO; 2];
        for n in 0..TIMES {
            let id = self.packages[n as usize * 7 % self.packages.len()];
            // Into the cache of the database, for both.
            self.store.package(id).await.unwrap();
            let begun = Instant::now();
            black_box(self.store.package(id).await.unwrap());
            spent[0] += begun.elapsed();
            let begun = Instant::now();
            black_box(self.store.retention(id, None).await.unwrap());
            spent[1] += begun.elapsed();
        }
        spent.map(|spent| spent.as_secs_f64() * 1e6 / f64::from(TIMES))
    }
}

fn micros(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let rounds = arguments
        .iter()
        .position(|argument| argument == "--rounds")
        .and_then(|at| arguments.get(at + 1)?.parse().ok())
        .unwrap_or(9);
    let (small, large) = (Shelf::fill(SMALL).await, Shelf::fill(LARGE).await);
    let mut figures: [Vec<f64>; 4] = Default::default();
    for _ in 0..rounds {
        let [looked, decided] = large.decision().await;
        let round = [small.first_page().await, large.first_page().await, looked, decided];
        for (figures, figure) in figures.iter_mut().zip(round) {
            figures.push(figure);
        }
    }
    let ratio = |above: usize, below: usize| {
        median(figures[above].iter().zip(&figures[below]).map(|(a, b)| a / b).collect())
    };
    let [page_small, page_large, looked, decided] = figures.clone().map(median);
    let pages = ratio(1, 0);
    println!("first page of 1,000 candidates among   1,000 packages  {page_small:>8.0} us");
    println!(
        "first page of 1,000 candidates among 100,000 packages  {page_large:>8.0} us  ratio {pages:.2}, at most 2{}",
        if pages <= 2.0 { "" } else { "  missed" }
    );
    println!("a look at a package                                    {looked:>8.0} us");
    println!(
        "a decision: the package and its holds                  {decided:>8.0} us  ratio {:.2}",
        ratio(3, 2)
    );
}
