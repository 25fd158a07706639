//! Packages on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::digest::Sha256Digest;
use crate::id::PackageId;
use crate::label::Labels;
use crate::metadata::Metadata;
use crate::name::{ExternalId, Kind, Producer, Reason, RetentionClassName, Title};
use crate::package::Package;
use crate::status::PackageStatus;
use crate::time::Timestamp;
use crate::wire::strict;

/// `POST /packages`: what a producer says of a new package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePackage {
    /// Who made the evidence.
    pub producer: Producer,
    /// What sort of package it is; `directory` when absent.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// The producer's own id of it.
    #[serde(default)]
    pub external_id: Option<ExternalId>,
    /// What a person calls it.
    #[serde(default)]
    pub title: Option<Title>,
    /// How long it is to be kept; `raw-evidence` when absent.
    #[serde(default)]
    pub retention_class: Option<RetentionClassName>,
    /// What lists can be filtered by.
    #[serde(default)]
    pub labels: Labels,
    /// The producer's own facts.
    #[serde(default)]
    pub metadata: Metadata,
}

/// `PATCH /packages/{id}`. An absent member is left as it is; a null title is cleared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePackage {
    /// The new title; null clears it, an absent member leaves it.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Title>)]
    pub title: Option<Option<Title>>,
    /// The new labels, as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
}

/// Tells a member that is null from one that is absent.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// `POST /packages/{id}/fail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailPackage {
    /// Why the package is given up.
    pub reason: Reason,
}

/// `POST /packages/{id}/finalize`: what the client believes it sent. Each member is checked if
/// it is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FinalizePackage {
    /// How many files it sent.
    #[serde(default, deserialize_with = "strict::optional_safe_integer")]
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub file_count: Option<u64>,
    /// How many bytes they have together.
    #[serde(default, deserialize_with = "strict::optional_safe_integer")]
    #[schema(maximum = 9_007_199_254_740_991_u64)]
    pub total_bytes: Option<u64>,
    /// SHA-256 of the bag's `manifest-sha256.txt`.
    #[serde(default)]
    pub payload_manifest_sha256: Option<Sha256Digest>,
}

/// A package as an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PackageView {
    /// Its stable identity.
    pub id: PackageId,
    /// Who made the evidence.
    pub producer: Producer,
    /// What sort of package it is.
    pub kind: Kind,
    /// The producer's own id of it.
    pub external_id: Option<ExternalId>,
    /// What a person calls it.
    pub title: Option<Title>,
    /// How long it is to be kept.
    pub retention_class: RetentionClassName,
    /// What lists can be filtered by.
    pub labels: Labels,
    /// The producer's own facts.
    pub metadata: Metadata,
    /// Where it is in its life.
    pub status: PackageStatus,
    /// When it was announced.
    pub created_at: Timestamp,
    /// When anything of it changed last.
    pub updated_at: Timestamp,
    /// When it was sealed.
    pub finalized_at: Option<Timestamp>,
    /// Until when it is kept at least; null: for ever.
    pub expires_at: Option<Timestamp>,
    /// Whether a legal hold is active.
    pub on_hold: bool,
    /// How many files are stored.
    pub file_count: u64,
    /// How many bytes they have together.
    pub total_bytes: u64,
    /// SHA-256 of the manifest, once sealed.
    pub manifest_sha256: Option<Sha256Digest>,
    /// Why it was given up.
    pub failure_reason: Option<Reason>,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Why it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_reason: Option<Reason>,
    /// Where the rest of it is.
    pub links: PackageLinks,
}

/// Where the parts of a package are found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackageLinks {
    /// The package.
    #[serde(rename = "self")]
    pub this: String,
    /// Its files.
    pub files: String,
    /// Its manifest.
    pub manifest: String,
    /// All of it as one archive.
    pub archive: String,
    /// Its retention.
    pub retention: String,
    /// Its audit trail.
    pub audit: String,
    /// A page for people.
    pub page: String,
}

impl PackageLinks {
    /// The links of a package below a public URL such as `https://evidence.example.org`, without
    /// a slash at its end; empty for paths alone.
    pub fn new(base: &str, id: PackageId) -> Self {
        let this = format!("{base}/api/v1/packages/{id}");
        Self {
            files: format!("{this}/files"),
            manifest: format!("{this}/manifest"),
            archive: format!("{this}/archive"),
            retention: format!("{this}/retention"),
            audit: format!("{this}/audit"),
            page: format!("{base}/packages/{id}"),
            this,
        }
    }
}

impl PackageView {
    /// The answer for a package, with links below `base`.
    pub fn new(package: Package, base: &str) -> Self {
        let said = package.description;
        Self {
            id: package.id,
            producer: said.producer,
            kind: said.kind,
            external_id: said.external_id,
            title: said.title,
            retention_class: said.retention_class,
            labels: said.labels,
            metadata: said.metadata,
            status: package.status,
            created_at: package.created_at,
            updated_at: package.updated_at,
            finalized_at: package.finalized_at,
            expires_at: package.expires_at,
            on_hold: package.on_hold,
            file_count: package.file_count,
            total_bytes: package.total_bytes,
            manifest_sha256: package.manifest_sha256,
            failure_reason: package.failure_reason,
            deleted_at: package.deleted_at,
            deletion_reason: package.deletion_reason,
            links: PackageLinks::new(base, package.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_in_a_request_is_refused() {
        let error =
            serde_json::from_str::<CreatePackage>(r#"{"producer":"ci","lables":{}}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `lables`"), "{error}");
    }

    #[test]
    fn an_integer_beyond_2_to_the_53_is_refused() {
        let sent = |bytes: u64| format!(r#"{{"total_bytes":{bytes}}}"#);
        assert!(serde_json::from_str::<FinalizePackage>(&sent((1 << 53) - 1)).is_ok());
        assert!(serde_json::from_str::<FinalizePackage>(&sent(1 << 53)).is_err());
        assert!(serde_json::from_str::<FinalizePackage>(r#"{"total_bytes":null}"#).is_ok());
    }

    #[test]
    fn a_null_title_clears_and_an_absent_one_leaves() {
        let update: UpdatePackage = serde_json::from_str(r#"{"title":null}"#).unwrap();
        assert_eq!(update, UpdatePackage { title: Some(None), labels: None });
        assert_eq!(serde_json::from_str::<UpdatePackage>("{}").unwrap(), UpdatePackage::default());
    }

    #[test]
    fn links_are_absolute_below_a_public_url_and_paths_without_one() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(PackageLinks::new("", id).files, format!("/api/v1/packages/{id}/files"));
        assert_eq!(
            PackageLinks::new("https://e.example.org", id).page,
            format!("https://e.example.org/packages/{id}")
        );
    }
}
