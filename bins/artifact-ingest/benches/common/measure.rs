//! Running a command and watching what it takes.

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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

/// `VmHWM` of a process, where there is a `/proc` to ask; 0 elsewhere.
fn resident_peak_mib(pid: u32) -> f64 {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .ok()
        .and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()
        })
        .map_or(0.0, |kib| kib / 1024.0)
}

/// The median; of an even number the mean of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
