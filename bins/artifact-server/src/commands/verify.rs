//! The commands.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use artifact_domain::filter::{PackageFilter, PageLimit};
use artifact_domain::{PackageId, PackageStatus};
use artifact_store::{Access, ArtifactStore, StoreError, StoreOptions};
use clap::Parser as _;

use crate::args::{Cli, Command};

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const DAMAGED: u8 = 4;

/// Runs the command line and answers what the process ends with.
pub(crate) fn execute() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(cli))) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {}", explained(&*error));
            ExitCode::from(FAILED)
        }
    }
}

/// An error with the causes that it does not say itself.
fn explained(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        if !text.contains(&error.to_string()) {
            text = format!("{text}: {error}");
        }
        cause = error.source();
    }
    text
}

async fn run(cli: Cli) -> Result<ExitCode, Box<dyn Error>> {
    let options = StoreOptions::embedded(&cli.data_dir);
    match cli.command {
        Command::Migrate => {
            ArtifactStore::open(&options).await?;
            writeln!(io::stdout(), "the registry in {} is up to date", cli.data_dir.display())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Verify { package } => {
            let store = ArtifactStore::open(&options.with_access(Access::Read)).await?;
            verify(&store, package).await
        }
    }
}

/// Verifies one package or all finalized ones, with a line for each and one for each problem.
async fn verify(
    store: &ArtifactStore,
    package: Option<PackageId>,
) -> Result<ExitCode, Box<dyn Error>> {
    let mut whole = true;
    if let Some(package) = package {
        whole &= verify_one(store, package).await?;
    } else {
        let filter =
            PackageFilter { status: Some(PackageStatus::Finalized), ..PackageFilter::default() };
        let mut cursor = None;
        loop {
            let page = store.packages(filter.clone(), cursor, PageLimit::default()).await?;
            for package in page.items {
                whole &= match verify_one(store, package.id).await {
                    // Deleted since the page was listed.
                    Err(error)
                        if matches!(error.downcast_ref(), Some(StoreError::Deleted { .. })) =>
                    {
                        true
                    }
                    verified => verified?,
                };
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

async fn verify_one(store: &ArtifactStore, package: PackageId) -> Result<bool, Box<dyn Error>> {
    let found = store.verify(package, |_| {}).await?;
    let state = if found.problems.is_empty() { "whole" } else { "DAMAGED" };
    let mut stdout = io::stdout().lock();
    writeln!(
        stdout,
        "{package} {state}: {} files, {} bytes",
        found.files_checked, found.bytes_checked
    )?;
    for problem in &found.problems {
        writeln!(stdout, "  {problem}")?;
    }
    Ok(found.problems.is_empty())
}
