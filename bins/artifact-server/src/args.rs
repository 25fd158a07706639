//! The command line as clap reads it.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use artifact_domain::PackageId;
use artifact_domain::size::ByteSize;
use artifact_store::{ClockTolerance, ConnectionOptions};
use clap::{Args, Parser, Subcommand, ValueEnum};

mod moving;
mod retention;
mod storage;

pub(crate) use moving::MigrateStorage;
pub(crate) use retention::{ClassesCommand, Retention, RetentionCommand, Sweep, Who};
pub(crate) use storage::{Hidden, S3, StorageUrl};

/// Serve and operate a store of evidence packages.
#[derive(Debug, Parser)]
#[command(
    name = "artifact-server",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 4 verify found damage"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) place: Place,

    #[command(flatten)]
    pub(crate) log: Log,
}

/// Where the store is, and how far its clock is trusted.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Folder of the embedded store
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_DATA_DIR",
        default_value = "./artifact-store-data",
        value_name = "DIR"
    )]
    pub(crate) data_dir: PathBuf,

    /// Registry: sqlite://<path> or postgres://... [default: SQLite in the data folder]
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(crate) database_url: Option<Hidden>,

    /// Most connections to the registry that this process has open at once
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_DATABASE_CONNECTIONS",
        default_value_t = ConnectionOptions::default().pool_size,
        value_name = "N"
    )]
    pub(crate) database_connections: NonZeroU32,

    /// How long a request waits for a connection to the registry
    #[arg(long, global = true, env = "ARTIFACT_STORE_DATABASE_CONNECTION_TIMEOUT", default_value = "30s", value_name = "TIME", value_parser = duration)]
    pub(crate) database_connection_timeout: Duration,

    /// How long one statement may run in PostgreSQL
    #[arg(long, global = true, env = "ARTIFACT_STORE_DATABASE_STATEMENT_TIMEOUT", default_value = "30s", value_name = "TIME", value_parser = duration)]
    pub(crate) database_statement_timeout: Duration,

    /// Storage: `file:///<path>` or `s3://bucket/prefix` [default: the data folder]
    #[arg(long, global = true, env = "ARTIFACT_STORE_STORAGE_URL", value_name = "URL")]
    pub(crate) storage_url: Option<StorageUrl>,

    #[command(flatten)]
    pub(crate) s3: S3,

    /// How far the clock may stand before the latest time that the registry has seen; farther,
    /// and nothing is deleted until it is acknowledged
    #[arg(long, global = true, env = "ARTIFACT_STORE_CLOCK_BEHIND", default_value = "5m", value_name = "TIME", value_parser = duration)]
    pub(crate) clock_behind: Duration,

    /// How far the clock may stand beyond that time, such as after a long rest
    #[arg(long, global = true, env = "ARTIFACT_STORE_CLOCK_AHEAD", default_value = "30d", value_name = "TIME", value_parser = duration)]
    pub(crate) clock_ahead: Duration,
}

impl Place {
    /// How the registry is spoken to.
    pub(crate) fn connections(&self) -> ConnectionOptions {
        ConnectionOptions {
            pool_size: self.database_connections,
            connection_timeout: self.database_connection_timeout,
            statement_timeout: self.database_statement_timeout,
            ..ConnectionOptions::default()
        }
    }

    /// How far the clock is trusted.
    pub(crate) const fn clock_tolerance(&self) -> ClockTolerance {
        ClockTolerance { behind: self.clock_behind, ahead: self.clock_ahead }
    }
}

/// What is logged, to stderr.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// What is logged: a level, or levels of parts such as `warn,artifact_server=info`
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub(crate) log: String,

    /// How lines of the log look
    #[arg(
        long,
        global = true,
        env = "ARTIFACT_STORE_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub(crate) log_format: LogFormat,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve packages over HTTP
    Serve(Serve),
    /// Make the registry, or bring it to this version
    Migrate,
    /// Try out what the registry and the storage really do
    Check {
        /// Print one JSON object on stdout
        #[arg(long)]
        json: bool,
    },
    /// Read every stored byte again and hold it against what was promised
    Verify {
        /// One package instead of all finalized ones
        #[arg(long, value_name = "ID")]
        package: Option<PackageId>,
    },
    /// Decide how long packages are kept, and delete what nothing protects
    Retention(Retention),
    /// Finish what was cut off: bytes of deleted packages, records behind the registry
    Sweep(Sweep),
    /// Move all packages to another storage
    MigrateStorage(MigrateStorage),
}

/// How packages are served.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "ARTIFACT_STORE_BIND",
        default_value = "127.0.0.1:8080",
        value_name = "HOST:PORT"
    )]
    pub(crate) bind: String,

    /// Serve everybody who can reach the address, although no token was made
    #[arg(long)]
    pub(crate) allow_anonymous: bool,

    /// Refuse to start on a registry of an older version instead of migrating it
    #[arg(long)]
    pub(crate) no_migrate: bool,

    /// What links begin with, such as <https://evidence.example.org> [default: links are paths]
    #[arg(long, env = "ARTIFACT_STORE_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    pub(crate) public_url: Option<String>,

    /// Most bytes of one file, such as 64MiB
    #[arg(long, env = "ARTIFACT_STORE_MAX_FILE_BYTES", value_name = "SIZE")]
    pub(crate) max_file_bytes: Option<ByteSize>,

    /// Most bytes of one package
    #[arg(long, env = "ARTIFACT_STORE_MAX_PACKAGE_BYTES", value_name = "SIZE")]
    pub(crate) max_package_bytes: Option<ByteSize>,

    /// Most files of one package
    #[arg(long, env = "ARTIFACT_STORE_MAX_FILES_PER_PACKAGE", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_files_per_package: Option<u64>,

    /// How long an upload may be silent before its path is free again
    #[arg(long, env = "ARTIFACT_STORE_UPLOAD_IDLE_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub(crate) upload_idle_timeout: Option<Duration>,

    /// How long running requests may take to finish after SIGTERM or SIGINT
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = duration)]
    pub(crate) shutdown_timeout: Duration,
}

impl Serve {
    /// The addresses that `--bind` names.
    pub(crate) fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        std::net::ToSocketAddrs::to_socket_addrs(&self.bind).map(Iterator::collect)
    }
}

/// `500ms`, `30s`, `2m`, `24h`; more than nothing.
fn duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a time such as 500ms, 30s, 2m or 24h";
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err(format!("{expected}, longer than nothing")),
        Err(error) => Err(format!("{expected}: {error}")),
    }
}

fn public_url(url: &str) -> Result<String, String> {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host)
            if !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#') =>
        {
            Ok(url.trim_end_matches('/').to_owned())
        }
        _ => Err("expected http:// or https://, a host and perhaps a path".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_clock_is_trusted_as_far_as_the_store_trusts_it_by_default() {
        let cli = Cli::try_parse_from(["artifact-server", "migrate"]).unwrap();
        assert_eq!(cli.place.clock_tolerance(), ClockTolerance::default());
    }

    #[test]
    fn durations_have_units_and_are_longer_than_nothing() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for text in ["", "0s", "5", "soon", "-1s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_public_url_loses_its_last_slash() {
        assert_eq!(public_url("https://e.example.org/").as_deref(), Ok("https://e.example.org"));
        for text in ["", "e.example.org", "https://", "ftp://e", "https://e?x", "https://a b"] {
            assert!(public_url(text).is_err(), "{text}");
        }
    }
}
