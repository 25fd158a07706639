//! The reports of a run: those the documents list, or whatever is below `reports/`.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    directory::{Entry, RunDirectory},
    documents::Documents,
    error::{GuideBoardError, ReportProblem},
    node::Node,
    notes::Notes,
};

const KEY: &str = "reports";
const FOLDER: &str = "reports";

/// A report as a document lists it.
struct Listed {
    kind: String,
    /// As the document gives it.
    path: String,
    title: Option<String>,
    /// File, line and column.
    location: String,
}

/// Reads the reports, each `{kind, path, title?, sha256}`.
///
/// A listed report that cannot be used is an error that names all such reports. If lenient it is a
/// warning: a missing file keeps its entry with a null digest, while a path that leaves the
/// directory or goes through a link is dropped, because nobody should be led there.
pub(super) fn read(
    run: &RunDirectory,
    documents: &Documents,
    lenient: bool,
    notes: &mut Notes,
) -> Result<Vec<Value>, GuideBoardError> {
    let listed = documents.agreed(
        KEY,
        |node| read_value(node, notes).map(Some),
        |reports| {
            let mut reports: Vec<Value> = reports.iter().map(|r| entry(r, None)).collect();
            reports.sort_by_cached_key(Value::to_string);
            Value::Array(reports)
        },
    )?;
    match listed {
        Some(listed) => check(run, listed, lenient, notes),
        None => find(run, notes),
    }
}

/// Looks up every listed report.
fn check(
    run: &RunDirectory,
    listed: Vec<Listed>,
    lenient: bool,
    notes: &mut Notes,
) -> Result<Vec<Value>, GuideBoardError> {
    let mut reports = Vec::new();
    let mut problems = Vec::new();
    for mut report in listed {
        let (problem, keep) = match normalised(&report.path) {
            None => ("is not a relative path with `/` that stays inside the run directory", false),
            Some(path) => match run.entry(&path)? {
                Entry::File => {
                    let file = run.hash_file(&path)?;
                    report.path = path;
                    reports.push(entry(&report, Some(&file.sha256_hex())));
                    notes.relied_on(file);
                    continue;
                }
                Entry::Missing => ("does not exist in the run directory", true),
                Entry::Folder => ("is a folder, not a file", true),
                Entry::Link => {
                    ("is or goes through a symbolic link, which is never followed", false)
                }
                Entry::Special => ("is a FIFO, socket or device", false),
            },
        };
        if keep {
            reports.push(entry(&report, None));
        }
        problems.push(ReportProblem { path: report.path, listed_in: report.location, problem });
    }
    if !problems.is_empty() && !lenient {
        return Err(GuideBoardError::Reports { problems });
    }
    for problem in problems {
        notes.warn(format!("the report {problem}"));
    }
    Ok(reports)
}

/// Takes the files below `reports/` for the reports, their kind from their name. Hidden files are
/// no reports.
fn find(run: &RunDirectory, notes: &mut Notes) -> Result<Vec<Value>, GuideBoardError> {
    let listing = run.files_below(FOLDER)?;
    let mut reports = Vec::new();
    for path in listing.files.iter().filter(|path| !path.contains("/.")) {
        let file = run.hash_file(path)?;
        let report = Listed {
            kind: kind_of(path),
            path: path.clone(),
            title: None,
            location: String::new(),
        };
        reports.push(entry(&report, Some(&file.sha256_hex())));
        notes.relied_on(file);
    }
    notes.warn(format!(
        "no report paths: `{KEY}` stands in no document; {}",
        match reports.len() {
            0 => "there is no file below reports/ either".to_owned(),
            1 => "the file below reports/ is taken for the report".to_owned(),
            count => format!("the {count} files below reports/ are taken for the reports"),
        }
    ));
    for path in listing.passed_over {
        notes.warn(format!("{path:?} is not a regular file with a readable name; it is no report"));
    }
    Ok(reports)
}

/// Reads a list of reports, or a map from kind to one path or several.
fn read_value(node: &Node<'_>, notes: &mut Notes) -> Result<Vec<Listed>, GuideBoardError> {
    let mut leftovers = Map::new();
    let mut reports = Vec::new();
    if node.value.is_object() {
        for (kind, value) in node.object()?.entries()? {
            if value.value.is_array() {
                for element in value.list("a list of paths")? {
                    reports.push(report(Some(kind), &element, &mut leftovers)?);
                }
            } else {
                reports.push(report(Some(kind), &value, &mut leftovers)?);
            }
        }
    } else {
        for element in node.list("a list of reports, or an object from kind to path")? {
            reports.push(report(None, &element, &mut leftovers)?);
        }
    }
    notes.keep_leftovers(node.document.name, node.key(), leftovers);
    Ok(reports)
}

/// One report: its path, or an object with it.
fn report(
    kind: Option<&str>,
    node: &Node<'_>,
    leftovers: &mut Map<String, Value>,
) -> Result<Listed, GuideBoardError> {
    if !node.value.is_object() {
        let path = node.text("a path as a string, or an object with `path`")?;
        return Ok(Listed {
            kind: kind.map_or_else(|| kind_of(path), str::to_owned),
            path: path.to_owned(),
            title: None,
            location: node.location(),
        });
    }
    let object = node.object()?;
    let path = object.required("path")?;
    let location = path.location();
    let path = path.text("a string")?;
    let kind = match (object.field("kind")?, kind) {
        (Some(kind), _) => kind.text("a string")?.to_owned(),
        (None, Some(kind)) => kind.to_owned(),
        (None, None) => kind_of(path),
    };
    let title = match object.field("title")? {
        Some(title) => Some(title.text("a string")?.to_owned()),
        None => None,
    };
    let unknown = object.unknown(&["kind", "path", "title"])?;
    if !unknown.is_empty() {
        leftovers.insert(path.to_owned(), Value::Object(unknown));
    }
    Ok(Listed { kind, path: path.to_owned(), title, location })
}

fn entry(report: &Listed, sha256: Option<&str>) -> Value {
    let mut entry = json!({ "kind": report.kind, "path": report.path, "sha256": sha256 });
    if let (Some(title), Some(members)) = (&report.title, entry.as_object_mut()) {
        members.insert("title".to_owned(), title.as_str().into());
    }
    entry
}

/// The path without `.` segments, or `None` if it is not a path inside the directory.
fn normalised(path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains(|c: char| c == '\\' || c.is_control()) {
        return None;
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| *segment != ".").collect();
    let inside = !segments.is_empty() && segments.iter().all(|s| !s.is_empty() && *s != "..");
    inside.then(|| segments.join("/"))
}

/// The kind of a report that does not state one: the name of its file without extension, so
/// `scorecard`, `log-review` or `assessment-report`.
fn kind_of(path: &str) -> String {
    Path::new(path)
        .file_stem()
        .map_or_else(|| path.to_owned(), |stem| stem.to_string_lossy().into_owned())
}
