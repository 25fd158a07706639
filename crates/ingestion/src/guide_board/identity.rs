//! Which run this is: its id and profiles, its times and its status.

use serde_json::Value;

use super::{
    documents::Documents,
    error::{GuideBoardError, MissingValue},
    node::Node,
    notes::Notes,
};

/// What identifies and dates a run.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) run_id: Option<String>,
    pub(super) target_profile: Option<String>,
    pub(super) assessment_profile: Option<String>,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    pub(super) status: Option<String>,
}

/// The required values: what they are called, and their key.
const REQUIRED: [(&str, &str); 3] = [
    ("run id", "run_id"),
    ("target profile", "target_profile"),
    ("assessment profile", "assessment_profile"),
];

impl Identity {
    /// Reads the identity. Missing required values are one error together, or warnings if lenient.
    pub(super) fn read(
        documents: &Documents,
        lenient: bool,
        notes: &mut Notes,
    ) -> Result<Self, GuideBoardError> {
        let mut missing = Vec::new();
        let [run_id, target_profile, assessment_profile] = {
            let mut values = [None, None, None];
            for (slot, (value, key)) in values.iter_mut().zip(REQUIRED) {
                *slot = documents.agreed(key, |node| identifier(node, notes), as_text)?;
                if slot.is_none() {
                    missing.push(MissingValue { value, looked_for: documents.places(key) });
                }
            }
            values
        };
        let text = |key| documents.agreed(key, plain_text, as_text);
        let identity = Self {
            run_id,
            target_profile,
            assessment_profile,
            started_at: text("started_at")?,
            finished_at: text("finished_at")?,
            status: text("status")?,
        };
        if missing.is_empty() {
            return Ok(identity);
        }
        if !lenient {
            return Err(GuideBoardError::Missing { missing });
        }
        for value in missing {
            notes.warn(format!("no {value}; recorded as null"));
        }
        Ok(identity)
    }
}

/// A string, or an object with a string `id`; the rest of such an object is kept. Blank text names
/// nothing and counts as absent.
pub(super) fn identifier(
    node: &Node<'_>,
    notes: &mut Notes,
) -> Result<Option<String>, GuideBoardError> {
    const EXPECTED: &str = "a string or an object with `id`";
    if !node.value.is_object() {
        return Ok(not_blank(node.text(EXPECTED)?));
    }
    let object = node.object()?;
    let id = match object.field("id")? {
        Some(id) => not_blank(id.text("a string")?),
        None => None,
    };
    notes.keep_leftovers(node.document.name, node.key(), object.unknown(&["id"])?);
    Ok(id)
}

fn plain_text(node: &Node<'_>) -> Result<Option<String>, GuideBoardError> {
    node.text("a string").map(not_blank)
}

fn not_blank(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

#[expect(clippy::ptr_arg, reason = "the comparison is handed the value that was read")]
fn as_text(text: &String) -> Value {
    Value::String(text.clone())
}
