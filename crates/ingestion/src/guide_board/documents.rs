//! `run.json` and `assessment-package.json` together: a value may stand in either, and if it stands
//! in both, both must say the same.

use serde_json::Value;

use super::{
    document::Document,
    error::GuideBoardError,
    names::spellings,
    node::{Node, shortened},
};

/// The name of the document that says which run this is.
pub(super) const RUN: &str = "run.json";
/// The name of the document that says what was found.
pub(super) const ASSESSMENT_PACKAGE: &str = "assessment-package.json";

/// Every key that has a meaning in one of the two documents.
pub(super) const KNOWN_KEYS: [&str; 12] = [
    "run_id",
    "target_profile",
    "assessment_profile",
    "started_at",
    "finished_at",
    "status",
    "source_commits",
    "evidence_results",
    "evidence_result_counts",
    "findings",
    "finding_counts",
    "reports",
];

/// The two documents, as far as they are there.
pub(super) struct Documents {
    pub(super) run: Option<Document>,
    pub(super) assessment_package: Option<Document>,
}

impl Documents {
    /// The documents that are there, `run.json` first.
    pub(super) fn present(&self) -> impl Iterator<Item = &Document> {
        [&self.run, &self.assessment_package].into_iter().flatten()
    }

    /// Reads a value with `read` wherever it stands, and insists that all places agree.
    ///
    /// `read` answers `None` for a value that counts as absent. `as_json` is how a value is
    /// compared and shown.
    pub(super) fn agreed<T>(
        &self,
        name: &str,
        mut read: impl FnMut(&Node<'_>) -> Result<Option<T>, GuideBoardError>,
        as_json: impl Fn(&T) -> Value,
    ) -> Result<Option<T>, GuideBoardError> {
        let mut first: Option<(&'static str, T)> = None;
        for document in self.present() {
            let Some(node) = document.root()?.field(name)? else { continue };
            let Some(value) = read(&node)? else { continue };
            match &first {
                None => first = Some((document.name, value)),
                Some((first_file, stated)) => {
                    let (stated, other) = (as_json(stated), as_json(&value));
                    if stated != other {
                        return Err(GuideBoardError::Contradiction {
                            what: format!("`{name}`"),
                            first_file,
                            first_value: shortened(&stated),
                            second_file: document.name,
                            second_value: shortened(&other),
                        });
                    }
                }
            }
        }
        Ok(first.map(|(_, value)| value))
    }

    /// Where a value was looked for, by file, as fragments that fit after "looked for".
    pub(super) fn places(&self, name: &str) -> Vec<String> {
        [(RUN, &self.run), (ASSESSMENT_PACKAGE, &self.assessment_package)]
            .into_iter()
            .map(|(file, document)| {
                let note = if document.is_some() { "" } else { " (which does not exist)" };
                format!("in {file}{note} as {}", spellings(name))
            })
            .collect()
    }
}
