//! The commands.

mod check;
mod migrate_storage;
mod output;
mod retention;
mod serve;
mod sweep;
mod verify;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use artifact_domain::event::Origin;
use artifact_store::{Access, ArtifactStore, StoreError, StoreOptions};
use clap::Parser as _;

use crate::args::{Cli, Command, Place, Who};
use crate::{environment, log};

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const DAMAGED: u8 = 4;

/// Runs the command line and answers what the process ends with.
pub fn execute() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    if let Err(error) = log::start(&cli.log) {
        let _ = writeln!(io::stderr(), "error: --log {}: {error}", cli.log.log);
        return ExitCode::from(USAGE);
    }
    environment::warn_of_unknown_variables();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {}", explained(&*error));
            ExitCode::from(FAILED)
        }
    }
}

/// An error with the causes that it does not say itself.
pub(crate) fn explained(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

fn options(place: &Place) -> Result<StoreOptions, String> {
    let mut options = StoreOptions::embedded(&place.data_dir);
    if let Some(database) = &place.database_url {
        options.database =
            database.0.parse().map_err(|error| format!("--database-url: {error}"))?;
    }
    if let Some(storage) = &place.storage_url {
        options.storage = storage.location(&place.s3)?;
    }
    options.connections = place.connections();
    options.clock_tolerance = place.clock_tolerance();
    Ok(options)
}

/// Opens the store to do something for somebody.
async fn open_for(options: StoreOptions, who: Who) -> Result<ArtifactStore, StoreError> {
    let store = ArtifactStore::open(&options.with_access(Access::Write)).await?;
    Ok(store.acting_as(Origin { actor: who.actor, request_id: None }))
}

async fn open_to_read(options: StoreOptions) -> Result<ArtifactStore, StoreError> {
    ArtifactStore::open(&options.with_access(Access::Read)).await
}

fn run(cli: Cli) -> Result<ExitCode, Box<dyn Error>> {
    let options = match options(&cli.place) {
        Ok(options) => options,
        Err(error) => {
            writeln!(io::stderr(), "error: {error}")?;
            return Ok(ExitCode::from(USAGE));
        }
    };
    let command = match cli.command {
        Command::Serve(arguments) => return serve::serve(&arguments, options),
        command => command,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Serve(_) => unreachable!("it was served above"),
            Command::Migrate => {
                ArtifactStore::open(&options).await?;
                writeln!(io::stdout(), "the registry {} is up to date", options.database)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Verify { package } => {
                verify::verify(&open_to_read(options).await?, package).await
            }
            Command::Retention(arguments) => retention::retention(arguments, options).await,
            Command::Check { json } => check::check(json, options).await,
            Command::Sweep(arguments) => sweep::sweep(arguments, options).await,
            Command::MigrateStorage(arguments) => match arguments.to.location(&cli.place.s3) {
                Ok(to) => migrate_storage::migrate_storage(arguments, options, to).await,
                Err(error) => {
                    writeln!(io::stderr(), "error: --to {error}")?;
                    Ok(ExitCode::from(USAGE))
                }
            },
        }
    })
}
