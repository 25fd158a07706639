//! The command line as clap reads it.

use std::path::PathBuf;
use std::time::Duration;

use artifact_client::Token;
use artifact_domain::PackageId;
use artifact_domain::name::{
    ExternalId, Kind, LabelKey, LabelValue, Producer, RetentionClassName, Title,
};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// Turn directories of evidence into packages that are kept, and get them back.
#[derive(Debug, Parser)]
#[command(name = "artifact-ingest", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) common: Common,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 unexpected, 2 usage, 3 nothing to ingest, 4 integrity, 5 conflict, \
6 not authorised, 7 server or storage unavailable, 8 not a valid run directory, \
9 no such package, 130 interrupted";

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Folder of the embedded store, which is used if there is no server
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_DATA_DIR",
        default_value = "./artifact-store-data",
        value_name = "DIR"
    )]
    pub(crate) data_dir: PathBuf,

    /// Server to talk to instead of the embedded store
    #[arg(long, global = true, env = "ARTIFACT_STORE_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,

    /// Token for the server; the variable keeps it out of the list of processes
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        value_parser = token
    )]
    pub(crate) token: Option<Token>,

    /// How far the clock may stand before the latest time that the embedded store has seen; farther,
    /// and nothing is deleted from it until that is acknowledged
    #[arg(long, global = true, env = "ARTIFACT_STORE_CLOCK_BEHIND", default_value = "5m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) clock_behind: Duration,

    /// How far the clock may stand beyond that time, such as after a long rest
    #[arg(long, global = true, env = "ARTIFACT_STORE_CLOCK_AHEAD", default_value = "30d", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) clock_ahead: Duration,

    /// Print one JSON object on stdout
    #[arg(long, global = true, conflicts_with = "quiet")]
    pub(crate) json: bool,

    /// Print nothing on stdout but the package id, and no progress
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ingest one guide-board run directory as one finalized package
    GuideBoard(GuideBoard),
    /// Ingest any directory as one finalized package
    Directory(Directory),
    /// Show a package
    Show {
        /// The package's id
        package_id: PackageId,
    },
    /// Download a package's files, verified as they arrive
    Download {
        /// The package's id
        package_id: PackageId,
        /// Where to; a folder named by the id if absent
        folder: Option<PathBuf>,
    },
    /// Hold the stored bytes of a package against its manifest
    Verify {
        /// The package's id
        package_id: PackageId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct GuideBoard {
    /// The run directory
    #[arg(value_name = "DIRECTORY")]
    pub(crate) source: PathBuf,

    /// Record missing values as null and missing reports as warnings
    #[arg(long)]
    pub(crate) lenient: bool,

    #[command(flatten)]
    pub(crate) ingest: Ingest,
}

#[derive(Debug, Args)]
pub(crate) struct Directory {
    /// The directory
    #[arg(value_name = "DIRECTORY")]
    pub(crate) source: PathBuf,

    /// Who made the evidence: a-z, 0-9, '.', '_', '-'
    #[arg(long)]
    pub(crate) producer: Producer,

    /// What sort of package it is
    #[arg(long)]
    pub(crate) kind: Option<Kind>,

    /// The producer's own id of it; ingesting under the same id again finds or resumes the package
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<ExternalId>,

    #[command(flatten)]
    pub(crate) ingest: Ingest,
}

/// Options of the commands that ingest.
#[derive(Debug, Args)]
pub(crate) struct Ingest {
    /// How long the package is to be kept
    #[arg(long, value_name = "CLASS")]
    pub(crate) retention_class: Option<RetentionClassName>,

    /// What a person calls the package
    #[arg(long)]
    pub(crate) title: Option<Title>,

    /// A label that lists can be filtered by (repeatable)
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub(crate) labels: Vec<(LabelKey, LabelValue)>,

    /// Take only files that match, as in gitignore on the whole path (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,

    /// Leave out files that match, as in gitignore on the whole path (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,

    /// Take hidden files too
    #[arg(long)]
    pub(crate) hidden: bool,

    /// Files that are on their way at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) concurrency: u16,

    /// Make an unfinished package like the directory where they differ
    #[arg(long)]
    pub(crate) replace: bool,

    /// Show what would be ingested and write nothing
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) dry_run: bool,
}

#[expect(clippy::unnecessary_wraps, reason = "a parser of values may fail")]
fn token(text: &str) -> Result<Token, std::convert::Infallible> {
    Ok(Token::new(text))
}

impl Cli {
    /// Reads the command line. What was given as a flag goes before what stands in the
    /// environment, also where one says the server and the other the folder.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(std::env::args_os())?;
        let is_flag = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        let mut cli = Self::from_arg_matches(&matches)?;
        let (server, data_dir) = (is_flag("server"), is_flag("data_dir"));
        if server && data_dir {
            let message = "--server and --data-dir exclude each other: one store at a time";
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
        // An empty variable is one that is not set.
        if data_dir || cli.common.server.as_deref() == Some("") {
            cli.common.server = None;
        }
        Ok(cli)
    }
}

fn label(text: &str) -> Result<(LabelKey, LabelValue), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    let key = LabelKey::parse(key).map_err(|error| error.to_string())?;
    let value = LabelValue::parse(value).map_err(|error| error.to_string())?;
    Ok((key, value))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
