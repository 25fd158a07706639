//! The reading itself, from a directory to a [`RunReading`].

use std::path::Path;

use super::{
    commits, counts,
    directory::RunDirectory,
    document::Document,
    documents::{ASSESSMENT_PACKAGE, Documents, KNOWN_KEYS, RUN},
    error::GuideBoardError,
    identity::Identity,
    metadata::{self, Parts},
    notes::Notes,
    reading::RunReading,
    reports,
    retention::Proposal,
    tck,
};

/// The shape that is read, as recorded in the metadata.
pub const SCHEMA: &str = "guide-board/run/v1";

/// How tolerantly a run directory is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Record required values that are missing as null, and listed reports that are missing, with a
    /// warning each, instead of refusing the directory. Contradictions, malformed JSON and wrong
    /// types are refused in any case.
    pub lenient: bool,
}

/// Reads a guide-board run directory.
///
/// Nothing is written and no symbolic link below `directory` is followed. The three documents are
/// held in memory, 32 MiB each at most; reports and TCK reports are streamed.
///
/// # Errors
///
/// [`GuideBoardError::Empty`] if there is no file in the directory; any other variant if the
/// directory cannot be read or is not a valid run, as [`GuideBoardError`] describes.
pub fn read_run(directory: &Path, options: &ReadOptions) -> Result<RunReading, GuideBoardError> {
    let run = RunDirectory::open(directory)?;
    let mut notes = Notes::default();
    let documents = Documents {
        run: Document::load(&run, RUN, &mut notes)?,
        assessment_package: Document::load(&run, ASSESSMENT_PACKAGE, &mut notes)?,
    };
    for document in documents.present() {
        document.keep_unknown(&KNOWN_KEYS, &mut notes)?;
    }
    let identity = Identity::read(&documents, options.lenient, &mut notes)?;
    warn_about_missing_documents(&documents, &mut notes);
    let retention = Proposal::read(&run, identity.run_id.as_deref(), &mut notes)?;
    let retention_class = retention.as_ref().and_then(|r| r.retention_class.clone());
    let parts = Parts {
        evidence_result_counts: counts::EVIDENCE_RESULTS.read(&documents, &mut notes)?,
        finding_counts: counts::FINDINGS.read(&documents, &mut notes)?,
        source_commits: commits::read(&documents, &mut notes)?,
        reports: reports::read(&run, &documents, options.lenient, &mut notes)?,
        tck: tck::find(&run, &mut notes)?,
        retention,
        identity,
    };
    let metadata = metadata::assemble(&parts, &mut notes);
    Ok(RunReading {
        run_id: parts.identity.run_id,
        target_profile: parts.identity.target_profile,
        assessment_profile: parts.identity.assessment_profile,
        retention_class,
        metadata,
        read_files: notes.take_files(),
        warnings: notes.warnings,
    })
}

fn warn_about_missing_documents(documents: &Documents, notes: &mut Notes) {
    let absent = [(RUN, &documents.run), (ASSESSMENT_PACKAGE, &documents.assessment_package)];
    for (name, _) in absent.into_iter().filter(|(_, document)| document.is_none()) {
        notes.warn(format!("there is no {name}"));
    }
}
