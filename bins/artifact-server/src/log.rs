//! The log: lines on stderr.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::args::{Log, LogFormat};

/// The library that speaks to buckets, as filters name it.
const OBJECT_STORE: &str = "object_store";

/// Begins to log.
///
/// # Errors
/// The filter cannot be read.
pub(crate) fn start(log: &Log) -> Result<(), ParseError> {
    let mut filter = EnvFilter::builder().parse(&log.log)?;
    // Each try at a bucket that is repeated would be a line beside the one that says how it ended.
    if !log.log.contains(OBJECT_STORE) {
        filter = filter.add_directive(format!("{OBJECT_STORE}=warn").parse()?);
    }
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second subscriber is refused where this runs inside another program: its log is used then.
    let _ = match log.log_format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
