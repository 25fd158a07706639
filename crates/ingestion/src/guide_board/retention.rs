//! `retention-summary.json`: what guide-board proposes to keep.

use serde_json::{Value, json};

use super::{
    directory::RunDirectory, document::Document, error::GuideBoardError, identity::identifier,
    node::Node, notes::Notes,
};

/// The name of the document.
pub(super) const RETENTION_SUMMARY: &str = "retention-summary.json";

/// The keys the proposals for single files may stand under.
const PROPOSALS: [&str; 3] = ["files", "proposals", "file_proposals"];

/// What the summary proposes.
pub(super) struct Proposal {
    pub(super) retention_class: Option<String>,
    reason: Option<String>,
    files: Option<Value>,
}

impl Proposal {
    /// Reads the summary; `None` if there is none. A run id in it must be the one of the run.
    pub(super) fn read(
        run: &RunDirectory,
        run_id: Option<&str>,
        notes: &mut Notes,
    ) -> Result<Option<Self>, GuideBoardError> {
        let Some(document) = Document::load(run, RETENTION_SUMMARY, notes)? else {
            return Ok(None);
        };
        let root = document.root()?;
        let text = |node: Option<Node<'_>>| -> Result<Option<String>, GuideBoardError> {
            node.map(|node| node.text("a string").map(str::to_owned)).transpose()
        };
        let retention_class = text(root.field("retention_class")?)?;
        let reason = text(root.field("reason")?)?;
        let mut files = None;
        let mut known = vec!["retention_class", "reason", "run_id"];
        for key in PROPOSALS {
            // The first of them wins; another one stays an unknown key.
            if files.is_none()
                && let Some(node) = root.field(key)?
            {
                files = Some(proposals(&node)?);
                known.push(key);
            }
        }
        if let Some(node) = root.field("run_id")? {
            check_run_id(run_id, identifier(&node, notes)?.as_deref())?;
        }
        document.keep_unknown(&known, notes)?;
        Ok(Some(Self { retention_class, reason, files }))
    }

    /// As it stands in the metadata.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "retention_class": self.retention_class,
            "reason": self.reason,
            "files": self.files,
        })
    }
}

fn proposals(node: &Node<'_>) -> Result<Value, GuideBoardError> {
    match node.value {
        Value::Array(_) | Value::Object(_) => node.storable(),
        _ => Err(node.wrong_type("a list of proposals, or an object from path to proposal")),
    }
}

fn check_run_id(run_id: Option<&str>, summary: Option<&str>) -> Result<(), GuideBoardError> {
    match (run_id, summary) {
        (Some(run_id), Some(summary)) if run_id != summary => Err(GuideBoardError::Contradiction {
            what: "`run_id`".to_owned(),
            first_file: "the run (run.json or assessment-package.json)",
            first_value: Value::from(run_id).to_string(),
            second_file: RETENTION_SUMMARY,
            second_value: Value::from(summary).to_string(),
        }),
        _ => Ok(()),
    }
}
