//! `metadata.guide_board`: the pieces of a reading, put together.

use serde_json::{Map, Value, json};

use super::{
    counts::Counts, identity::Identity, notes::Notes, read::SCHEMA, retention::Proposal,
    tck::TckResults,
};

/// A package's metadata may have 256 KiB; this leaves room for the caller's own.
const MAX_BYTES: usize = 240 * 1024;

/// Everything a reading found.
pub(super) struct Parts {
    pub(super) identity: Identity,
    pub(super) evidence_result_counts: Option<Counts>,
    pub(super) finding_counts: Option<Counts>,
    pub(super) source_commits: Option<Vec<Value>>,
    pub(super) reports: Vec<Value>,
    pub(super) tck: Option<TckResults>,
    pub(super) retention: Option<Proposal>,
}

/// Puts the metadata together. What is copied without being understood (unknown keys, proposals for
/// single files) is left out, the largest first and with a warning, where it would make the
/// metadata larger than a package's may be; it still is in the files.
pub(super) fn assemble(parts: &Parts, notes: &mut Notes) -> Map<String, Value> {
    let mut guide_board = json!({
        "schema": SCHEMA,
        "run_id": parts.identity.run_id,
        "target_profile": parts.identity.target_profile,
        "assessment_profile": parts.identity.assessment_profile,
        "started_at": parts.identity.started_at,
        "finished_at": parts.identity.finished_at,
        "status": parts.identity.status,
        "evidence_result_counts": parts.evidence_result_counts,
        "finding_counts": parts.finding_counts,
        "source_commits": parts.source_commits,
        "reports": parts.reports,
        "tck": parts.tck.as_ref().map(TckResults::as_json),
        "retention_proposals": parts.retention.as_ref().map(Proposal::as_json),
        "extra": notes.extra,
    });
    shrink(&mut guide_board, notes);
    let mut metadata = Map::new();
    metadata.insert("guide_board".to_owned(), guide_board);
    metadata
}

fn shrink(guide_board: &mut Value, notes: &mut Notes) {
    let mut size = guide_board.to_string().len();
    let mut candidates = copied_values(guide_board);
    candidates.sort_unstable_by(|a, b| b.cmp(a));
    for (bytes, pointer) in candidates {
        if size <= MAX_BYTES {
            return;
        }
        if let Some(value) = guide_board.pointer_mut(&pointer) {
            *value = Value::Null;
            size -= bytes.min(size);
            notes.warn(format!(
                "{pointer} of the metadata would have {bytes} bytes and is left out (null), \
                 because a package's metadata must stay small; the file it comes from has it"
            ));
        }
    }
}

/// The sizes and places of values that are copied without being understood.
fn copied_values(guide_board: &Value) -> Vec<(usize, String)> {
    let mut values = Vec::new();
    let mut add = |value: &Value, pointer: String| values.push((value.to_string().len(), pointer));
    let extra = guide_board.get("extra").and_then(Value::as_object);
    for (file, members) in extra.into_iter().flatten() {
        for (key, value) in members.as_object().into_iter().flatten() {
            let key = key.replace('~', "~0").replace('/', "~1");
            add(value, format!("/extra/{file}/{key}"));
        }
    }
    let proposals = "/retention_proposals/files";
    if let Some(value) = guide_board.pointer(proposals) {
        add(value, proposals.to_owned());
    }
    values
}
