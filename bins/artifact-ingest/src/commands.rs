//! The commands.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use artifact_domain::label::Labels;
use artifact_domain::metadata::Metadata;
use artifact_domain::name::{
    ExternalId, Kind, LabelKey, LabelValue, Producer, RetentionClassName, Title,
};
use artifact_domain::wire::CreatePackage;
use artifact_domain::{LogicalPath, PackageId, PackageStatus, Sha256Digest};
use artifact_ingestion::download::download;
use artifact_ingestion::guide_board::{ReadOptions, RunReading, read_run};
use artifact_ingestion::{
    Destination, IngestError, IngestOptions, Progress, Selection, Walk, ingest, walk,
};
use artifact_store::Access;
use serde_json::json;

use crate::args::{Cli, Command, Common, Directory, GuideBoard, Ingest};
use crate::bars::Bars;
use crate::exit;
use crate::failure::Failure;
use crate::output::{self, Format, say};
use crate::place::Place;
use crate::shown::Shown;

/// How long an interrupted command may go on to give its uploads up.
const LAST_WORK: Duration = Duration::from_secs(2);

/// Runs the command line and answers what the process ends with.
pub(crate) fn execute() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap prints each where it belongs.
            let code = if error.use_stderr() { exit::USAGE } else { exit::DONE };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let ran = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(exit::UNEXPECTED, format!("failed to start: {error}")))
        .and_then(|runtime| {
            let ended = runtime.block_on(interruptible(run(cli)));
            if ended.as_ref().is_err_and(|failure| failure.exit == exit::INTERRUPTED) {
                // What waits for a lock of another process would keep the user waiting, too.
                runtime.shutdown_timeout(LAST_WORK);
            }
            ended
        });
    match ran {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(failure) => {
            say(format!("error: {failure}"));
            ExitCode::from(failure.exit)
        }
    }
}

/// Runs until it is done or the user interrupts. What is dropped then gives its uploads up; what
/// was stored stays for the next run.
async fn interruptible(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::select! {
        // The signal first, so that it is listened to before anything is done.
        biased;
        Ok(()) = tokio::signal::ctrl_c() => Err(Failure::new(
            exit::INTERRUPTED,
            "interrupted: an unfinished package stays as it is, and ingesting the same run again resumes it",
        )),
        done = work => done,
    }
}

/// The variables that some program of this project reads. A misspelt one must not pass unnoticed.
const VARIABLES: [&str; 21] = [
    "BIND",
    "CLOCK_AHEAD",
    "CLOCK_BEHIND",
    "DATABASE_URL",
    "DATA_DIR",
    "LOG",
    "LOG_FORMAT",
    "MAX_FILES_PER_PACKAGE",
    "MAX_FILE_BYTES",
    "MAX_PACKAGE_BYTES",
    "PUBLIC_URL",
    "S3_ACCESS_KEY_ID",
    "S3_ALLOW_HTTP",
    "S3_ENDPOINT",
    "S3_REGION",
    "S3_SECRET_ACCESS_KEY",
    "S3_VIRTUAL_HOSTED_STYLE",
    "SERVER",
    "STORAGE_URL",
    "TOKEN",
    "UPLOAD_IDLE_TIMEOUT",
];

fn warn_of_unknown_variables() {
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if let Some(rest) = name.strip_prefix("ARTIFACT_STORE_")
            && !VARIABLES.contains(&rest)
        {
            say(format!("warning: {name} is set, but nothing reads a variable of this name"));
        }
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let common = cli.common;
    warn_of_unknown_variables();
    match cli.command {
        Command::GuideBoard(command) => guide_board(command, &common).await,
        Command::Directory(command) => directory(command, &common).await,
        Command::Show { package_id } => show(package_id, &common).await,
        Command::Download { package_id, folder } => {
            fetch(package_id, folder.as_deref(), &common).await
        }
        Command::Verify { package_id } => verify(package_id, &common).await,
    }
}

const fn format(common: &Common) -> Format {
    match (common.json, common.quiet) {
        (true, _) => Format::Json,
        (_, true) => Format::Quiet,
        _ => Format::Text,
    }
}

fn selection(ingest: &Ingest) -> Selection {
    Selection {
        include: ingest.include.clone(),
        exclude: ingest.exclude.clone(),
        hidden: ingest.hidden,
    }
}

/// Does what blocks on a thread that may, so that an interrupt is heard meanwhile.
async fn blocking<T, E>(f: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Failure>
where
    T: Send + 'static,
    E: Into<Failure> + Send + 'static,
{
    match tokio::task::spawn_blocking(f).await {
        Ok(done) => done.map_err(Into::into),
        Err(error) => Err(Failure::new(exit::UNEXPECTED, error.to_string())),
    }
}

/// A value that an adapter read from a run, as the type that the store wants.
fn read_as<T, E: std::fmt::Display>(parsed: Result<T, E>, from: &Path) -> Result<T, Failure> {
    parsed.map_err(|error| Failure::new(exit::NOT_A_RUN, format!("{}: {error}", from.display())))
}

/// The labels of an adapter and those of the command line, which win.
fn labels(
    read: Vec<(LabelKey, LabelValue)>,
    given: &[(LabelKey, LabelValue)],
) -> Result<Labels, Failure> {
    let pairs: BTreeMap<_, _> = read.into_iter().chain(given.iter().cloned()).collect();
    Labels::new(pairs).map_err(|error| Failure::new(exit::USAGE, error.to_string()))
}

async fn guide_board(command: GuideBoard, common: &Common) -> Result<(), Failure> {
    let GuideBoard { source: directory, lenient, ingest } = command;
    let read_from = directory.clone();
    let reading = blocking(move || read_run(&read_from, &ReadOptions { lenient })).await?;
    for warning in &reading.warnings {
        say(format!("warning: {warning}"));
    }
    let (listed, selection) = (directory.clone(), selection(&ingest));
    let walk = blocking(move || walk(&listed, &selection)).await?;
    let expected = expected(&reading, &walk)?;
    let request = guide_board_request(reading, &directory, &ingest)?;
    send(walk, request, &ingest, expected, common).await
}

/// The digests of the files that the reading relies on. What is said of a run must be in its
/// package, byte for byte.
fn expected(
    reading: &RunReading,
    walk: &Walk,
) -> Result<HashMap<LogicalPath, Sha256Digest>, Failure> {
    let mut expected = HashMap::new();
    for file in &reading.read_files {
        let path = read_as(LogicalPath::parse(file.path.clone()), &walk.directory)?;
        if !walk.files.iter().any(|walked| walked.path == path) {
            let message = format!(
                "{path} belongs to the run, but the options leave it out: change --include, --exclude or --hidden"
            );
            return Err(Failure::new(exit::NOT_A_RUN, message));
        }
        expected.insert(path, Sha256Digest::from_bytes(file.sha256));
    }
    Ok(expected)
}

fn guide_board_request(
    reading: RunReading,
    directory: &Path,
    ingest: &Ingest,
) -> Result<CreatePackage, Failure> {
    let known = |text: &str| text.to_owned();
    let title = match (&ingest.title, &reading.assessment_profile, &reading.target_profile) {
        (Some(title), _, _) => Some(title.clone()),
        (None, Some(assessment), Some(target)) => {
            let title: String = format!("{assessment} on {target}").chars().take(256).collect();
            Some(read_as(Title::parse(title), directory)?)
        }
        _ => None,
    };
    let mut read_labels = Vec::new();
    for (key, value) in [
        ("target-profile", &reading.target_profile),
        ("assessment-profile", &reading.assessment_profile),
    ] {
        if let Some(value) = value {
            let key = read_as(LabelKey::parse(key), directory)?;
            read_labels.push((key, read_as(LabelValue::parse(value.clone()), directory)?));
        }
    }
    let proposed = reading.retention_class.map(RetentionClassName::parse);
    let retention_class = match (&ingest.retention_class, proposed) {
        (Some(given), _) => Some(given.clone()),
        (None, proposed) => {
            read_as(proposed.transpose(), &directory.join("retention-summary.json"))?
        }
    };
    Ok(CreatePackage {
        producer: read_as(Producer::parse(known("guide-board")), directory)?,
        kind: Some(read_as(Kind::parse(known("guide-board-run")), directory)?),
        external_id: read_as(
            reading.run_id.map(ExternalId::parse).transpose(),
            &directory.join("run.json"),
        )?,
        title,
        retention_class,
        labels: labels(read_labels, &ingest.labels)?,
        metadata: read_as(Metadata::new(reading.metadata), directory)?,
    })
}

async fn directory(command: Directory, common: &Common) -> Result<(), Failure> {
    let Directory { source, producer, kind, external_id, ingest } = command;
    let selection = selection(&ingest);
    let walk = blocking(move || walk(&source, &selection)).await?;
    let request = CreatePackage {
        producer,
        kind,
        external_id,
        title: ingest.title.clone(),
        retention_class: ingest.retention_class.clone(),
        labels: labels(Vec::new(), &ingest.labels)?,
        metadata: Metadata::default(),
    };
    send(walk, request, &ingest, HashMap::new(), common).await
}

async fn send(
    walk: Walk,
    request: CreatePackage,
    options: &Ingest,
    expected: HashMap<LogicalPath, Sha256Digest>,
    common: &Common,
) -> Result<(), Failure> {
    output::left_out(&walk);
    if options.dry_run {
        return output::plan(&walk, &request, format(common));
    }
    // Before the store is opened: an empty directory makes none.
    if walk.files.is_empty() {
        return Err(IngestError::nothing(&walk).into());
    }
    let place = Place::open(common, Access::Create).await?;
    let options = IngestOptions {
        concurrency: options.concurrency.into(),
        replace: options.replace,
        bookmarks: place.bookmarks(common, &request),
        expected,
    };
    let progress: Arc<dyn Progress> = Arc::new(Bars::new(common.quiet));
    let ingested = match place {
        Place::Embedded(store) => ingest(&store, &walk, request, &options, &progress).await?,
        Place::Server(client) => ingest(&client, &walk, request, &options, &progress).await?,
    };
    for warning in &ingested.warnings {
        say(format!("warning: {warning}"));
    }
    output::ingested(&ingested.report, format(common))
}

async fn fetch(id: PackageId, folder: Option<&Path>, common: &Common) -> Result<(), Failure> {
    let named = std::path::PathBuf::from(id.to_string());
    let folder = folder.unwrap_or(&named);
    let bars = Bars::new(common.quiet);
    let downloaded = match Place::open(common, Access::Read).await? {
        Place::Embedded(store) => download(&store, id, folder, &bars).await?,
        Place::Server(client) => download(&client, id, folder, &bars).await?,
    };
    match format(common) {
        Format::Json => output::print(&output::json_line(&json!({
            "package_id": id,
            "folder": folder.to_string_lossy(),
            "file_count": downloaded.files,
            "total_bytes": downloaded.bytes,
        }))?),
        Format::Quiet => output::print(&format!("{id}\n")),
        Format::Text => output::print(&format!(
            "{} files, {} bytes of package {id} are in {}, each with its recorded SHA-256\n",
            downloaded.files,
            downloaded.bytes,
            folder.display()
        )),
    }
}

async fn show(id: PackageId, common: &Common) -> Result<(), Failure> {
    match Place::open(common, Access::Read).await? {
        Place::Embedded(store) => show_from(&store, id, format(common)).await,
        Place::Server(client) => show_from(&client, id, format(common)).await,
    }
}

async fn show_from(store: &impl Destination, id: PackageId, format: Format) -> Result<(), Failure> {
    let summary = store.summary(id).await?;
    if format == Format::Quiet {
        return output::print(&format!("{id}\n"));
    }
    let retention = store.retention(id).await?;
    let deletion = match retention.status {
        PackageStatus::Deleted => Some(store.deletion(id).await?),
        _ => None,
    };
    let shown = Shown { summary, retention, deletion };
    match format {
        Format::Json => output::print(&output::json_line(&shown)?),
        _ => output::print(&shown.table()),
    }
}

async fn verify(id: PackageId, common: &Common) -> Result<(), Failure> {
    let bars = Bars::new(common.quiet);
    let found = match Place::open(common, Access::Read).await? {
        Place::Embedded(store) => {
            let summary = store.summary(id).await?;
            bars.begin("verifying", summary.file_count, summary.total_bytes);
            let found = store.verify(id, |bytes| bars.bytes(bytes)).await?;
            bars.end();
            found
        }
        Place::Server(client) => artifact_ingestion::verify(&client, id, &bars).await?,
    };
    match format(common) {
        Format::Json => output::print(&output::json_line(&found)?)?,
        Format::Quiet => output::print(&format!("{id}\n"))?,
        Format::Text => {
            let (files, bytes) = (found.files_checked, found.bytes_checked);
            let state = if found.problems.is_empty() { "whole" } else { "DAMAGED" };
            output::print(&format!(
                "package {id} is {state}: {files} files, {bytes} bytes read and hashed\n"
            ))?;
        }
    }
    if found.problems.is_empty() {
        return Ok(());
    }
    let listed =
        found.problems.iter().fold(String::new(), |text, problem| text + &format!("\n  {problem}"));
    let count = found.problems.len();
    Err(Failure::new(
        exit::INTEGRITY,
        format!("package {id} is not as it was promised, {count} problems:{listed}"),
    ))
}
