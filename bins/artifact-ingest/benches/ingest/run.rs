//! Running a command and watching what it takes.

use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::measure::resident_peak_mib;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Wall time.
    pub(crate) seconds: f64,
    /// The most resident memory of the process itself.
    pub(crate) peak_mib: f64,
}

/// Runs a command to its end; a command that fails is an error.
pub(crate) fn run(mut command: Command) -> io::Result<Run> {
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let mut peak_mib = 0.0_f64;
    loop {
        // The kernel keeps the high-water mark, so looking now and then is enough.
        peak_mib = peak_mib.max(resident_peak_mib(child.id()));
        if let Some(status) = child.try_wait()? {
            let seconds = begun.elapsed().as_secs_f64();
            if status.success() {
                return Ok(Run { seconds, peak_mib });
            }
            return Err(io::Error::other(format!("{command:?} ended with {status}")));
        }
        thread::sleep(Duration::from_millis(5));
    }
}
