//! `retention`.

use std::error::Error;
use std::process::ExitCode;

use artifact_domain::wire::ErrorCode;
use artifact_store::{StoreError, StoreOptions};

use super::output::say;
use super::{USAGE, explained, open_for, open_to_read};
use crate::args::{ClassesCommand, Retention, RetentionCommand};

mod candidates;
mod classes;
mod clock;
mod delete;
mod holds;
mod promise;
mod rules;

/// Does what was decided and prints what is so now.
pub(super) async fn retention(
    arguments: Retention,
    options: StoreOptions,
) -> Result<ExitCode, Box<dyn Error>> {
    match run(arguments, options).await {
        Err(error) if asks_for_nonsense(&*error) => {
            say(format!("error: {}", explained(&*error)));
            Ok(ExitCode::from(USAGE))
        }
        ended => ended,
    }
}

/// Whether what was asked for is wrong in itself, such as a time that has passed.
fn asks_for_nonsense(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<StoreError>()
        .is_some_and(|error| error.code() == ErrorCode::InvalidRequest)
}

async fn run(arguments: Retention, options: StoreOptions) -> Result<ExitCode, Box<dyn Error>> {
    let json = arguments.json;
    match arguments.command {
        RetentionCommand::Show { package, at } => {
            promise::show(&open_to_read(options).await?, package, at, json).await?;
        }
        RetentionCommand::Extend { package, until, decision } => {
            let store = open_for(options, decision.who).await?;
            promise::extend(&store, package, until.because(decision.reason), json).await?;
        }
        RetentionCommand::Class { package, class, decision } => {
            let store = open_for(options, decision.who).await?;
            promise::change_class(&store, package, class, decision.reason, json).await?;
        }
        RetentionCommand::Hold { package, mandate, decision } => {
            let store = open_for(options, decision.who).await?;
            holds::place(&store, package, decision.reason, mandate, json).await?;
        }
        RetentionCommand::Release { package, hold, decision } => {
            let store = open_for(options, decision.who).await?;
            holds::release(&store, package, hold, decision.reason, json).await?;
        }
        RetentionCommand::Candidates { limit } => {
            candidates::list(&open_to_read(options).await?, limit, json).await?;
        }
        RetentionCommand::Delete { packages, dry_run, decision } => {
            let store = open_for(options, decision.who).await?;
            return delete::delete(&store, &packages, &decision.reason, dry_run, json).await;
        }
        RetentionCommand::Classes { command: None } => {
            classes::list(&open_to_read(options).await?, json).await?;
        }
        RetentionCommand::Classes {
            command: Some(ClassesCommand::Put { class, period, description, who }),
        } => {
            let store = open_for(options, who).await?;
            classes::put(&store, class, period.described(description), json).await?;
        }
        RetentionCommand::AcknowledgeClock { decision } => {
            let store = open_for(options, decision.who).await?;
            clock::acknowledge(&store, decision.reason, json).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
