//! The record for a tracker: what a package is, without its bytes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::digest::Sha256Digest;
use crate::id::PackageId;
use crate::label::Labels;
use crate::metadata::Metadata;
use crate::name::{ExternalId, Kind, Producer, RetentionClassName, Title};
use crate::package::Package;
use crate::status::PackageStatus;
use crate::time::Timestamp;

/// `GET /packages/{id}/summary`: the facts that a tracker such as Statehub records beside its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// The package's stable identity.
    pub package_id: PackageId,
    /// Where it is found; null in embedded mode.
    pub url: Option<String>,
    /// Who made the evidence.
    pub producer: Producer,
    /// What sort of package it is.
    pub kind: Kind,
    /// The producer's own id of it.
    pub external_id: Option<ExternalId>,
    /// What a person calls it.
    pub title: Option<Title>,
    /// Where it is in its life.
    pub status: PackageStatus,
    /// How many files are stored.
    pub file_count: u64,
    /// How many bytes they have together.
    pub total_bytes: u64,
    /// SHA-256 of the manifest, once sealed.
    pub manifest_sha256: Option<Sha256Digest>,
    /// How long it is to be kept.
    pub retention_class: RetentionClassName,
    /// Until when it is kept at least; null: for ever.
    pub expires_at: Option<Timestamp>,
    /// Whether a legal hold is active.
    pub on_hold: bool,
    /// When it was announced.
    pub created_at: Timestamp,
    /// When it was sealed.
    pub finalized_at: Option<Timestamp>,
    /// What lists can be filtered by.
    pub labels: Labels,
    /// Small facts of the producer.
    pub highlights: Map<String, Value>,
}

/// What an ingest did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A new package was made.
    Ingested,
    /// The same content was there already; nothing was written.
    AlreadyIngested,
    /// An unfinished package was completed.
    Resumed,
}

/// `artifact-ingest --json`: the summary and what was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IngestReport {
    /// The package.
    #[serde(flatten)]
    pub summary: Summary,
    /// What was done.
    pub outcome: Outcome,
}

impl Summary {
    /// The summary of a package that is found at `url`.
    pub fn new(package: &Package, url: Option<String>) -> Self {
        let said = package.description.clone();
        Self {
            package_id: package.id,
            url,
            highlights: highlights(&said.metadata),
            producer: said.producer,
            kind: said.kind,
            external_id: said.external_id,
            title: said.title,
            status: package.status,
            file_count: package.file_count,
            total_bytes: package.total_bytes,
            manifest_sha256: package.manifest_sha256,
            retention_class: said.retention_class,
            expires_at: package.expires_at,
            on_hold: package.on_hold,
            created_at: package.created_at,
            finalized_at: package.finalized_at,
            labels: said.labels,
        }
    }
}

/// The members of `metadata.guide_board` that a tracker wants to see, as they are.
const GUIDE_BOARD: [&str; 6] = [
    "target_profile",
    "assessment_profile",
    "evidence_result_counts",
    "finding_counts",
    "source_commits",
    "reports",
];

/// The few facts of a producer's metadata that belong into a summary. A producer that is not
/// known here has none.
fn highlights(metadata: &Metadata) -> Map<String, Value> {
    let Some(Value::Object(run)) = metadata.as_object().get("guide_board") else {
        return Map::new();
    };
    let mut highlights: Map<String, Value> = GUIDE_BOARD
        .into_iter()
        .map(|key| (key.to_owned(), run.get(key).cloned().unwrap_or(Value::Null)))
        .collect();
    let counts = run.get("tck").and_then(|tck| tck.get("counts")).cloned();
    highlights.insert("tck_counts".to_owned(), counts.unwrap_or(Value::Null));
    highlights
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_guide_board_run_shows_its_counts_and_leaves_out_the_rest() {
        let metadata: Metadata = serde_json::from_value(json!({"guide_board": {
            "run_id": "r1", "target_profile": "t", "finding_counts": {"high": 1},
            "tck": {"counts": {"OK": 3}, "tests": 2}, "extra": {"large": true}
        }}))
        .unwrap();
        assert_eq!(
            Value::Object(highlights(&metadata)),
            json!({
                "target_profile": "t", "assessment_profile": null, "evidence_result_counts": null,
                "finding_counts": {"high": 1}, "source_commits": null, "reports": null,
                "tck_counts": {"OK": 3}
            })
        );
        assert!(highlights(&Metadata::default()).is_empty());
    }
}
