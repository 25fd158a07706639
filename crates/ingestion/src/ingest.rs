//! An ingest: create or resume, upload in parallel, finalize.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact_domain::bag;
use artifact_domain::label::Labels;
use artifact_domain::name::Title;
use artifact_domain::wire::{
    CreatePackage, ErrorCode, FinalizePackage, IngestReport, Outcome, Summary,
};
use artifact_domain::{LogicalPath, PackageId, PackageStatus, Sha256Digest};

use crate::bookmark::Bookmark;
use crate::compare::{CompareError, Comparison, compare};
use crate::destination::{Destination, DestinationError};
use crate::lanes::upload_all;
use crate::progress::Progress;
use crate::source::SourceError;
use crate::walk::Walk;

/// How long an ingest waits before it looks again at a package that another ingest works on, at
/// first and at most; it doubles in between. Together that is half a minute.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(16);

/// How an ingest is done.
#[derive(Debug, Clone)]
pub struct IngestOptions {
    /// Files that are on their way at once.
    pub concurrency: usize,
    /// Whether files of an unfinished package that are not as in the directory are replaced or
    /// removed. A finalized package is never changed.
    pub replace: bool,
    /// Where the unfinished package of a directory without an external id is noted; without such
    /// a folder it is not found again, and neither is a finalized one with the same files.
    pub bookmarks: Option<PathBuf>,
    /// Digests that files must have, because something is already said of their bytes.
    pub expected: HashMap<LogicalPath, Sha256Digest>,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self { concurrency: 8, replace: false, bookmarks: None, expected: HashMap::new() }
    }
}

/// What went wrong with one file of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedFile {
    /// The file.
    pub path: LogicalPath,
    /// What is wrong with it.
    pub error: SourceError,
}

/// Why a directory did not become a finalized package.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The directory has no file that is taken.
    #[error("there is nothing to ingest in {directory}: {reason}")]
    Nothing {
        /// The directory.
        directory: String,
        /// What there is instead.
        reason: String,
    },
    /// The package of this run has other content.
    #[error("package {package} holds this run with other content, and nothing was changed:{}{}", differences(comparison), advice(*status))]
    Conflict {
        /// The package.
        package: PackageId,
        /// Its status.
        status: PackageStatus,
        /// How the directory differs from it.
        comparison: Box<Comparison>,
    },
    /// Files could not be read as they were listed.
    #[error("{} could not be ingested, and package {package} is not finalized:{}run again when they are settled: only what is missing is sent", count(files.len()), failures(files))]
    Files {
        /// The unfinished package.
        package: PackageId,
        /// Each file.
        files: Vec<FailedFile>,
    },
    /// A file could not be read while it was compared.
    #[error("{path}: {error}")]
    Compared {
        /// The file.
        path: LogicalPath,
        /// What is wrong with it.
        error: SourceError,
    },
    /// The store refused or failed.
    #[error("{source}{}", unfinished(*package))]
    Destination {
        /// The package, if one was made.
        package: Option<PackageId>,
        /// What the store said.
        #[source]
        source: DestinationError,
    },
}

impl IngestError {
    /// Says that no file of a directory is taken.
    pub fn nothing(walk: &Walk) -> Self {
        let reason = match walk.left_out.len() {
            0 => "it has no files".to_owned(),
            left_out => format!("{left_out} of its entries are left out, and no file is taken"),
        };
        Self::Nothing { directory: walk.directory.display().to_string(), reason }
    }
}

impl IngestError {
    /// Whether it may be that another ingest of the same run is at work: a path is being uploaded,
    /// or was stored or the package finalized since we looked.
    fn is_of_another_ingest(&self) -> bool {
        let Self::Destination { package: Some(_), source } = self else { return false };
        matches!(
            source.code,
            ErrorCode::UploadInProgress | ErrorCode::DuplicatePath | ErrorCode::WrongStatus
        )
    }
}

fn count(files: usize) -> String {
    if files == 1 { "one file".to_owned() } else { format!("{files} files") }
}

fn unfinished(package: Option<PackageId>) -> String {
    package.map_or_else(String::new, |id| {
        format!("; package {id} is not finalized, run again to resume it")
    })
}

fn advice(status: PackageStatus) -> &'static str {
    if status.is_open() {
        "the package is not finalized: run with --replace to make it like the directory"
    } else {
        "evidence is not overwritten: give the new content a run id of its own"
    }
}

/// The first few of a list and how many more there are, one on a line.
fn some_lines<T>(items: &[T], line: impl Fn(&T) -> String) -> String {
    let mut text = String::from("\n");
    for item in items.iter().take(10) {
        let _ = writeln!(text, "  {}", line(item));
    }
    if items.len() > 10 {
        let _ = writeln!(text, "  and {} more", items.len() - 10);
    }
    text
}

fn failures(files: &[FailedFile]) -> String {
    some_lines(files, |file| format!("{}: {}", file.path, file.error))
}

fn differences(comparison: &Comparison) -> String {
    let all: Vec<String> = [
        ("different bytes", &comparison.different),
        ("not in the package", &comparison.missing),
        ("not in the directory", &comparison.extra),
    ]
    .into_iter()
    .flat_map(|(what, paths)| paths.iter().map(move |path| format!("{path}: {what}")))
    .collect();
    some_lines(&all, Clone::clone)
}

/// What an ingest brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingested {
    /// The package and what was done.
    pub report: IngestReport,
    /// What was asked for and not done, because the package was there already.
    pub warnings: Vec<String>,
}

/// Makes the files of `walk` one finalized package, or finds that they are one already.
///
/// Dropping the future gives the uploads under way up; what is stored stays, and the next ingest
/// of the same run goes on from there. If somebody else ingests the same run at the same time,
/// the two share the work, and both answer the same package.
pub async fn ingest<D: Destination>(
    destination: &D,
    walk: &Walk,
    request: CreatePackage,
    options: &IngestOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Ingested, IngestError> {
    if walk.files.is_empty() {
        return Err(IngestError::nothing(walk));
    }
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt(destination, walk, request.clone(), options, progress).await {
            Err(error) if pause <= LAST_PAUSE && error.is_of_another_ingest() => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            done => return done,
        }
    }
}

async fn attempt<D: Destination>(
    destination: &D,
    walk: &Walk,
    request: CreatePackage,
    options: &IngestOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Ingested, IngestError> {
    let failed = |source| IngestError::Destination { package: None, source };
    let bookmark = match (&request.external_id, &options.bookmarks) {
        (None, Some(folder)) => Some(Bookmark::new(folder, &request, &walk.directory)),
        _ => None,
    };
    let mut warnings = Vec::new();
    let existing = match &bookmark {
        Some(bookmark) => {
            recall(destination, walk, &request, bookmark, options, progress, &mut warnings).await?
        }
        None => None,
    };
    let created = match existing {
        Some(recalled) => Err(recalled),
        None => match destination.create(request.clone()).await {
            Ok(package) => Ok(package),
            Err(DestinationError {
                code: ErrorCode::PackageExists,
                package: Some(package),
                ..
            }) => Err((package, None)),
            Err(source) => return Err(failed(source)),
        },
    };
    let (package, outcome, wanted, mut digests) = match created {
        Ok(package) => {
            if let Some(bookmark) = &bookmark {
                bookmark.write(package).map_err(|error| {
                    failed(DestinationError::bookmark(bookmark.folder(), &error))
                })?;
            }
            (package, Outcome::Ingested, None, Digests::new())
        }
        Err((package, compared)) => {
            let summary = destination.summary(package).await.map_err(failed)?;
            warnings.extend(unheeded(&request, &summary));
            let comparison = match compared {
                Some(comparison) => comparison,
                None => hold(destination, package, walk, options, progress).await?,
            };
            let digests = comparison.digests.clone();
            match resume(destination, summary, comparison, options).await? {
                Resumption::Done(report) => return Ok(Ingested { report: *report, warnings }),
                Resumption::Send(paths) => (package, Outcome::Resumed, Some(paths), digests),
            }
        }
    };
    let files = walk
        .files
        .iter()
        .filter(|file| wanted.as_ref().is_none_or(|paths| paths.contains(&file.path)));
    digests.extend(
        upload_all(destination, package, files.cloned().collect(), options, progress).await?,
    );
    finalize(destination, package, walk, digests, options, progress).await?;
    if let Some(bookmark) = &bookmark {
        bookmark.remove();
    }
    let failed = |source| IngestError::Destination { package: Some(package), source };
    let summary = destination.summary(package).await.map_err(failed)?;
    Ok(Ingested { report: IngestReport { summary, outcome }, warnings })
}

/// The package of a directory that has no external id: the unfinished one that was noted, or a
/// finalized one with the very same files, with the comparison that has shown it.
async fn recall<D: Destination>(
    destination: &D,
    walk: &Walk,
    request: &CreatePackage,
    bookmark: &Bookmark,
    options: &IngestOptions,
    progress: &Arc<dyn Progress>,
    warnings: &mut Vec<String>,
) -> Result<Option<(PackageId, Option<Comparison>)>, IngestError> {
    let failed = |source| IngestError::Destination { package: None, source };
    if let Some(noted) = bookmark.read() {
        match destination.summary(noted).await {
            Ok(summary) if summary.status.is_open() => {
                let comparison = hold(destination, noted, walk, options, progress).await?;
                if comparison.agrees() || options.replace {
                    return Ok(Some((noted, Some(comparison))));
                }
                // Tonight's build is not last night's that was cut off.
                bookmark.remove();
                warnings.push(format!("unfinished package {noted} of this directory has other content and is left as it is"));
            }
            Ok(_) => bookmark.remove(),
            Err(error) if error.code == ErrorCode::NotFound => bookmark.remove(),
            Err(error) => return Err(failed(error)),
        }
    }
    let (files, bytes) = (walk.files.len() as u64, walk.total_bytes());
    for package in destination.alike(request, files, bytes).await.map_err(failed)? {
        let comparison = hold(destination, package, walk, options, progress).await?;
        if comparison.is_equal() {
            return Ok(Some((package, Some(comparison))));
        }
    }
    Ok(None)
}

/// Holds the directory against a package.
async fn hold<D: Destination>(
    destination: &D,
    package: PackageId,
    walk: &Walk,
    options: &IngestOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Comparison, IngestError> {
    compare(destination, package, walk, options.concurrency.min(4), &**progress).await.map_err(
        |error| match error {
            CompareError::Destination(source) => IngestError::Destination { package: None, source },
            CompareError::Source { path, source } => IngestError::Compared { path, error: source },
        },
    )
}

/// The SHA-256 of each file of the directory by path: computed here, or answered for bytes that were
/// sent and found to be the same.
type Digests = BTreeMap<LogicalPath, Sha256Digest>;

/// What the package must have to be this directory.
fn sent(walk: &Walk, digests: &Digests) -> FinalizePackage {
    let lines = || {
        walk.files.iter().try_fold(String::new(), |text, file| {
            Some(text + &bag::payload_manifest_line(digests.get(&file.path)?, &file.path))
        })
    };
    FinalizePackage {
        file_count: Some(walk.files.len() as u64),
        total_bytes: Some(walk.total_bytes()),
        payload_manifest_sha256: lines().map(|text| Sha256Digest::of(text.as_bytes())),
    }
}

/// Finalizes, and once more after sending again what the store found incomplete: uploads that
/// were cut off, and files whose bytes a crash took after they had been recorded. The directory
/// has them, as the comparison before has shown.
async fn finalize<D: Destination>(
    destination: &D,
    package: PackageId,
    walk: &Walk,
    mut digests: Digests,
    options: &IngestOptions,
    progress: &Arc<dyn Progress>,
) -> Result<(), IngestError> {
    let failed = |source| IngestError::Destination { package: Some(package), source };
    let incomplete = match destination.finalize(package, sent(walk, &digests)).await {
        Err(error) if !error.files.is_empty() => error.files,
        done => return done.map_err(failed),
    };
    for path in &incomplete {
        destination.remove(package, path).await.map_err(failed)?;
    }
    let again = walk.files.iter().filter(|file| incomplete.contains(&file.path));
    digests.extend(
        upload_all(destination, package, again.cloned().collect(), options, progress).await?,
    );
    destination.finalize(package, sent(walk, &digests)).await.map_err(failed)
}

/// What the request asks for and the package, which is there already, does not have.
fn unheeded(request: &CreatePackage, summary: &Summary) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut differs = |what: &str, has: String, asked: String| {
        let id = summary.package_id;
        warnings.push(format!(
            "package {id} keeps its {what} {has}, not {asked}: it was there already"
        ));
    };
    if let Some(class) =
        request.retention_class.as_ref().filter(|class| **class != summary.retention_class)
    {
        differs("retention class", summary.retention_class.to_string(), class.to_string());
    }
    if request.title.is_some() && request.title != summary.title {
        let text = |title: &Option<Title>| {
            title.as_ref().map_or_else(|| "(none)".to_owned(), ToString::to_string)
        };
        differs("title", text(&summary.title), text(&request.title));
    }
    if request.labels != summary.labels {
        let text = |labels: &Labels| {
            let pairs: Vec<String> =
                labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            if pairs.is_empty() { "(none)".to_owned() } else { pairs.join(", ") }
        };
        differs("labels", text(&summary.labels), text(&request.labels));
    }
    warnings
}

/// What there is to do for a run that has a package.
enum Resumption {
    /// Nothing: it is there.
    Done(Box<IngestReport>),
    /// These files have to be sent.
    Send(HashSet<LogicalPath>),
}

async fn resume<D: Destination>(
    destination: &D,
    summary: Summary,
    comparison: Comparison,
    options: &IngestOptions,
) -> Result<Resumption, IngestError> {
    let (package, status) = (summary.package_id, summary.status);
    if !status.is_open() && comparison.is_equal() {
        let report = IngestReport { summary, outcome: Outcome::AlreadyIngested };
        return Ok(Resumption::Done(Box::new(report)));
    }
    let may_change = status.is_open() && (comparison.agrees() || options.replace);
    if !may_change {
        return Err(IngestError::Conflict { package, status, comparison: Box::new(comparison) });
    }
    // Only with --replace is there anything to take out. What replaces it is sent like any other
    // missing file.
    for path in comparison.extra.iter().chain(&comparison.different) {
        let removed = destination.remove(package, path).await;
        removed.map_err(|source| IngestError::Destination { package: Some(package), source })?;
    }
    Ok(Resumption::Send(comparison.missing.into_iter().chain(comparison.different).collect()))
}
