//! The command line as clap reads it.

use std::path::PathBuf;

use artifact_domain::PackageId;
use clap::{Parser, Subcommand};

/// Operate a store of evidence packages.
#[derive(Debug, Parser)]
#[command(
    name = "artifact-server",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 4 verify found damage"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Folder of the embedded store
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_DATA_DIR",
        default_value = "./artifact-store-data",
        value_name = "DIR"
    )]
    pub(crate) data_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the registry, or bring it to this version
    Migrate,
    /// Read every stored byte again and hold it against what was promised
    Verify {
        /// One package instead of all finalized ones
        #[arg(long, value_name = "ID")]
        package: Option<PackageId>,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
