//! Finding the reports and choosing the one that counts.

use std::io::BufReader;

use serde_json::{Value, json};

use super::{
    super::{
        directory::RunDirectory,
        error::GuideBoardError,
        file::{HashingReader, io_error},
        notes::Notes,
        reading::ReadFile,
    },
    json,
    sniff::{Format, sniff},
    tally::{Tally, Verdict},
    xml,
};
/// Where raw artifacts are.
const FOLDER: &str = "artifacts";

/// The results of the report that counts.
#[derive(Debug)]
pub(in super::super) struct TckResults {
    source: String,
    tally: Tally,
}

impl TckResults {
    /// As it stands in the metadata.
    pub(in super::super) fn as_json(&self) -> Value {
        json!({
            "source": self.source,
            "counts": self.tally.counts,
            "groups": self.tally.groups,
            "tests": self.tally.tests,
        })
    }
}

/// A report that was found.
struct Found {
    path: String,
    format: Format,
    tally: Tally,
}

/// Looks for TCK reports below `artifacts/`. A report that cannot be counted is a warning: it is
/// raw evidence and gets stored in any case.
pub(in super::super) fn find(
    run: &RunDirectory,
    notes: &mut Notes,
) -> Result<Option<TckResults>, GuideBoardError> {
    let mut reports = Vec::new();
    for path in run.files_below(FOLDER)?.files {
        if let Some((format, tally, file)) = read(run, &path, notes)? {
            notes.relied_on(file);
            reports.push(Found { path, format, tally });
        }
    }
    Ok(choose(reports, notes))
}

fn read(
    run: &RunDirectory,
    path: &str,
    notes: &mut Notes,
) -> Result<Option<(Format, Tally, ReadFile)>, GuideBoardError> {
    let failed = |error| io_error("read", &run.absolute(path), error);
    let mut reader = BufReader::with_capacity(64 * 1024, HashingReader::new(run.open_file(path)?));
    let Some(format) = sniff(&mut reader).map_err(failed)? else { return Ok(None) };
    let mut tally = Tally::default();
    let verdict = match format {
        Format::Json => json::read(&mut reader, &mut tally),
        Format::Xml => xml::read(&mut reader, &mut tally),
    };
    match verdict.map_err(failed)? {
        Verdict::Foreign => Ok(None),
        Verdict::Damaged(damage) => {
            notes.warn(format!("{path} looks like a TCK report but is not counted: {damage}"));
            Ok(None)
        }
        Verdict::Report => {
            let file = reader.into_inner().finish(path).map_err(failed)?;
            Ok(Some((format, tally, file)))
        }
    }
}

/// Chooses the report that counts, as the documentation of [`super`] says.
fn choose(mut reports: Vec<Found>, notes: &mut Notes) -> Option<TckResults> {
    let first = reports.first()?;
    let index = if first.format == Format::Json {
        0
    } else {
        let same_run = |r: &Found| r.format == Format::Json && r.tally.is_same_run(&first.tally);
        reports.iter().position(same_run).unwrap_or(0)
    };
    let chosen = reports.swap_remove(index);
    reports.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    for other in &reports {
        if !other.tally.is_same_run(&chosen.tally) {
            notes.warn(format!(
                "{} is another TCK report than {}: it is not counted",
                other.path, chosen.path
            ));
        } else if other.tally.counts != chosen.tally.counts {
            notes.warn(format!(
                "the TCK reports {} and {} look like the same run but disagree: {:?} and {:?}; the \
                 first of them is counted",
                chosen.path, other.path, chosen.tally.counts, other.tally.counts
            ));
        }
    }
    for (status, count) in chosen.tally.unknown_statuses() {
        notes.warn(format!(
            "{} counts {count} under {status:?}, a status the kit does not have",
            chosen.path
        ));
    }
    Some(TckResults { source: chosen.path, tally: chosen.tally })
}
