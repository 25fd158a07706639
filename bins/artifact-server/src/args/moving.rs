//! `migrate-storage` as clap reads it.

use clap::Args;

use super::{StorageUrl, Who};

/// Where all packages are moved.
#[derive(Debug, Args)]
pub(crate) struct MigrateStorage {
    /// The new storage: `file:///<path>` or `s3://bucket/prefix`; a bucket is entered with the same
    /// S3 settings as the present one
    #[arg(long, value_name = "URL")]
    pub(crate) to: StorageUrl,

    /// Say what would be copied and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,

    /// Show no progress
    #[arg(long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) who: Who,
}
