//! What is printed: data on stdout, the rest on stderr.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};

use artifact_domain::Timestamp;
use artifact_domain::size::ByteSize;
use artifact_domain::wire::{CreatePackage, IngestReport, Outcome, Summary};
use artifact_ingestion::Walk;
use artifact_ingestion::walk::LeftOut;
use serde_json::{Value, json};

use crate::exit;
use crate::failure::Failure;

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A table for people.
    Text,
    /// One JSON object.
    Json,
    /// The package id alone.
    Quiet,
}

/// Prints data. A reader that has gone away has what it wanted.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(exit::UNEXPECTED, format!("failed to write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Says something that is no data. If nobody can hear it there is nothing to do about it.
pub(crate) fn say(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
}

pub(crate) fn json_line(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map(|text| text + "\n")
        .map_err(|error| Failure::new(exit::UNEXPECTED, format!("failed to write JSON: {error}")))
}

pub(crate) fn row(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "{name:<13} {value}");
}

/// What a table of a package begins with.
pub(crate) fn head(summary: &Summary, outcome: Option<Outcome>) -> String {
    let mut text = String::new();
    row(&mut text, "package", summary.package_id);
    if let Some(outcome) = outcome {
        row(
            &mut text,
            "outcome",
            match outcome {
                Outcome::Ingested => "ingested",
                Outcome::AlreadyIngested => "already ingested, nothing was written",
                Outcome::Resumed => "resumed and completed",
            },
        );
    }
    if let Some(title) = &summary.title {
        row(&mut text, "title", title);
    }
    if let Some(url) = &summary.url {
        row(&mut text, "url", url);
    }
    row(&mut text, "producer", format!("{} ({})", summary.producer, summary.kind));
    if let Some(id) = &summary.external_id {
        row(&mut text, "external id", id);
    }
    row(&mut text, "status", summary.status);
    row(&mut text, "files", summary.file_count);
    row(&mut text, "bytes", format!("{} ({})", summary.total_bytes, ByteSize(summary.total_bytes)));
    if let Some(manifest) = &summary.manifest_sha256 {
        row(&mut text, "manifest", format!("sha256:{manifest}"));
    }
    text
}

/// The row of an expiry.
pub(crate) fn expires(text: &mut String, at: Option<Timestamp>) {
    row(text, "expires", at.map_or_else(|| "never".to_owned(), |at| at.to_string()));
}

/// What a table of a package ends with.
pub(crate) fn labels(text: &mut String, summary: &Summary) {
    for (key, value) in summary.labels.iter() {
        row(text, "label", format!("{key}={value}"));
    }
}

/// The table of an ingest.
fn table(report: &IngestReport) -> String {
    let summary = &report.summary;
    let mut text = head(summary, Some(report.outcome));
    row(&mut text, "retention", &summary.retention_class);
    expires(&mut text, summary.expires_at);
    if summary.on_hold {
        row(&mut text, "hold", "active: the package is not deleted, whatever its expiry");
    }
    labels(&mut text, summary);
    text
}

pub(crate) fn ingested(report: &IngestReport, format: Format) -> Result<(), Failure> {
    match format {
        Format::Text => print(&table(report)),
        Format::Json => print(&json_line(report)?),
        Format::Quiet => print(&format!("{}\n", report.summary.package_id)),
    }
}

/// Says what of a directory is not taken: links and special files one by one, hidden files by
/// name as long as they are few, excluded ones by their number (they were asked for).
pub(crate) fn left_out(walk: &Walk) {
    let of = |wanted: LeftOut| walk.left_out.iter().filter(move |(_, reason)| *reason == wanted);
    for (path, reason) in &walk.left_out {
        if !matches!(reason, LeftOut::Hidden | LeftOut::Unwanted) {
            say(format!("warning: {} is left out: {reason}", path.display()));
        }
    }
    let hidden: Vec<String> =
        of(LeftOut::Hidden).map(|(path, _)| path.display().to_string()).collect();
    if !hidden.is_empty() {
        let shown = hidden.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = if hidden.len() > 5 { ", ..." } else { "" };
        say(format!("note: {} hidden left out ({shown}{more}); --hidden takes them", hidden.len()));
    }
    match of(LeftOut::Unwanted).count() {
        0 => {}
        excluded => say(format!("note: {excluded} left out by --include and --exclude")),
    }
}

/// What would be ingested.
pub(crate) fn plan(walk: &Walk, request: &CreatePackage, format: Format) -> Result<(), Failure> {
    let bytes = walk.total_bytes();
    let class = request
        .retention_class
        .as_ref()
        .map_or(artifact_domain::retention::DEFAULT_CLASS, |class| class.as_str());
    match format {
        Format::Json => {
            let files: Vec<Value> = walk
                .files
                .iter()
                .map(|file| json!({"path": file.path, "size": file.size()}))
                .collect();
            let left_out: Vec<Value> = walk
                .left_out
                .iter()
                .map(|(path, reason)| json!({"path": path.to_string_lossy(), "reason": reason.to_string()}))
                .collect();
            print(&json_line(&json!({
                "dry_run": true,
                "producer": request.producer,
                "kind": request.kind,
                "external_id": request.external_id,
                "title": request.title,
                "labels": request.labels,
                "retention_class": class,
                "file_count": walk.files.len(),
                "total_bytes": bytes,
                "files": files,
                "left_out": left_out,
            }))?)
        }
        Format::Quiet => Ok(()),
        Format::Text => {
            let mut text = String::new();
            row(&mut text, "dry run", "nothing is written");
            if let Some(title) = &request.title {
                row(&mut text, "title", title);
            }
            row(&mut text, "producer", &request.producer);
            if let Some(id) = &request.external_id {
                row(&mut text, "external id", id);
            }
            row(&mut text, "retention", class);
            for (key, value) in request.labels.iter() {
                row(&mut text, "label", format!("{key}={value}"));
            }
            row(&mut text, "files", walk.files.len());
            row(&mut text, "bytes", format!("{bytes} ({})", ByteSize(bytes)));
            for file in &walk.files {
                let _ = writeln!(text, "{:>13} {}", file.size(), file.path);
            }
            print(&text)
        }
    }
}
