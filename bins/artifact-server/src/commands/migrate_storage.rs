//! `migrate-storage`.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use artifact_domain::PackageId;
use artifact_store::{
    Access, ArtifactStore, MoveStep, Moved, StorageLocation, StoreError, StoreOptions,
};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::output::{print, print_json};
use super::{FAILED, explained, open_for, open_to_read};
use crate::args::MigrateStorage;

/// How often progress is said where there is no terminal to draw on.
const SAID_EVERY: Duration = Duration::from_secs(5);

/// How it ended.
#[derive(Debug, Serialize)]
struct Ended {
    /// Whether packages live at the target now.
    moved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    to: String,
    packages: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<Failed>,
}

/// What could not be copied.
#[derive(Debug, Serialize)]
struct Failed {
    package_id: PackageId,
    detail: String,
}

/// What would be copied.
#[derive(Debug, Serialize)]
struct Left {
    packages: u64,
    files: u64,
    bytes: u64,
}

/// Moves all packages to another storage.
pub(super) async fn migrate_storage(
    arguments: MigrateStorage,
    options: StoreOptions,
    to: StorageLocation,
) -> Result<ExitCode, Box<dyn Error>> {
    if arguments.dry_run {
        let left = open_to_read(options).await?.left_to_move(&to).await?;
        return would_copy(left, arguments.json);
    }
    let shown = Shown::new(arguments.quiet);
    let store = match open_for(options.clone(), arguments.who).await {
        Err(StoreError::NotHome { home, .. }) if is_home(options, &to).await => {
            return report(&Ended::before(home), arguments.json);
        }
        opened => opened?,
    };
    let moved = store.move_packages(&to, &|step| shown.step(step)).await;
    shown.end();
    report(&moved?.into(), arguments.json)
}

/// Whether packages live there already: a move that ended, and whose command is said again.
async fn is_home(options: StoreOptions, to: &StorageLocation) -> bool {
    let there = StoreOptions { storage: to.clone(), ..options };
    ArtifactStore::open(&there.with_access(Access::Read)).await.is_ok()
}

fn would_copy(left: MoveStep, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    let MoveStep::ToCopy { packages, files, bytes } = left else { return Ok(ExitCode::SUCCESS) };
    if json {
        print_json(&Left { packages, files, bytes })?;
    } else {
        let (packages, files) = (HumanCount(packages), HumanCount(files));
        print(&format!("{packages} packages to copy: {files} files, {}\n", HumanBytes(bytes)))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl From<Moved> for Ended {
    fn from(moved: Moved) -> Self {
        let failed = |(package_id, error): &(PackageId, StoreError)| Failed {
            package_id: *package_id,
            detail: explained(error),
        };
        Self {
            moved: moved.packages.is_some(),
            packages: moved.packages,
            failures: moved.failures.iter().map(failed).collect(),
            from: Some(moved.from),
            to: moved.to,
        }
    }
}

impl Ended {
    /// An earlier run has moved them.
    const fn before(to: String) -> Self {
        Self { moved: true, from: None, to, packages: None, failures: Vec::new() }
    }
}

fn report(ended: &Ended, json: bool) -> Result<ExitCode, Box<dyn Error>> {
    if json {
        print_json(ended)?;
    } else {
        print(&text(ended))?;
    }
    Ok(if ended.moved { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn text(ended: &Ended) -> String {
    let mut text = String::new();
    let to = &ended.to;
    for failed in &ended.failures {
        let _ = writeln!(text, "{} FAILED: {}", failed.package_id, failed.detail);
    }
    let _ = match (&ended.from, ended.packages) {
        (None, _) => writeln!(text, "the packages are at {to} already"),
        (Some(from), Some(packages)) => writeln!(
            text,
            "{} packages live at {to} now: start everything that opens this store with\n\n    \
             ARTIFACT_STORE_STORAGE_URL={to}\n\n\
             {from} still has all of them as they were. Nothing reads it any more, and what is \
             deleted from now on stays there: remove it when you are content.",
            HumanCount(packages)
        ),
        (Some(from), None) => writeln!(
            text,
            "{} packages could not be copied, so all packages stay at {from}: mend them and move \
             again; what was copied stays copied",
            ended.failures.len()
        ),
    };
    text
}

/// Progress on stderr: a bar on a terminal, and a line now and then elsewhere.
struct Shown {
    quiet: bool,
    bar: ProgressBar,
    lines: Option<Mutex<Lines>>,
}

struct Lines {
    packages: u64,
    of: u64,
    bytes: u64,
    of_bytes: u64,
    said: Instant,
}

impl Shown {
    fn new(quiet: bool) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let target = if quiet || !is_terminal {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let template = "{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(0), target).with_style(style);
        let lines = Lines { packages: 0, of: 0, bytes: 0, of_bytes: 0, said: Instant::now() };
        Self { quiet, bar, lines: (!is_terminal).then(|| Mutex::new(lines)) }
    }

    fn step(&self, step: MoveStep) {
        match step {
            MoveStep::ToCopy { packages, bytes, .. } => {
                self.bar.set_length(bytes);
                self.bar.set_position(0);
                self.bar.set_prefix(format!("copying {} packages", HumanCount(packages)));
            }
            MoveStep::File { bytes } => self.bar.inc(bytes),
            MoveStep::Package => {}
        }
        let Some(lines) = self.lines.as_ref().filter(|_| !self.quiet) else { return };
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut say = lines.said.elapsed() >= SAID_EVERY;
        match step {
            MoveStep::ToCopy { packages, bytes, .. } => {
                *lines = Lines { packages: 0, of: packages, bytes: 0, of_bytes: bytes, ..*lines };
                say = true;
            }
            MoveStep::File { bytes } => lines.bytes += bytes,
            MoveStep::Package => lines.packages += 1,
        }
        if say {
            lines.said = Instant::now();
            let _ = io::Write::write_fmt(
                &mut io::stderr(),
                format_args!(
                    "copied {} of {} packages, {} of {}\n",
                    HumanCount(lines.packages),
                    HumanCount(lines.of),
                    HumanBytes(lines.bytes),
                    HumanBytes(lines.of_bytes)
                ),
            );
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
