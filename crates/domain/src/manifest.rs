//! The manifest: the document whose SHA-256 seals a package.
//!
//! Its bytes are RFC 8785 canonical JSON, so anybody can write them again from the same facts and
//! compare. It is produced in pieces (opening, one piece a file, closing): a package of 100,000
//! files has a manifest of 25 MB, and nothing needs to hold it whole.

use serde::{Deserialize, Serialize};

use crate::digest::{Blake3Digest, Sha256Digest};
use crate::file::FileRecord;
use crate::id::PackageId;
use crate::label::Labels;
use crate::media_type::MediaType;
use crate::metadata::Metadata;
use crate::name::{ExternalId, Kind, Producer, RetentionClassName, Title};
use crate::package::Package;
use crate::path::LogicalPath;
use crate::time::Timestamp;

/// The value of the manifest's `schema` member.
pub const SCHEMA: &str = "artifact-store/manifest/v1";

/// A whole manifest, for readers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// The package as it was when it was sealed.
    pub package: ManifestPackage,
    /// Its files, sorted by the bytes of their paths.
    pub files: Vec<ManifestFile>,
    /// How many files there are.
    pub file_count: u64,
    /// How many bytes they have together.
    pub total_bytes: u64,
}

/// The `package` member of the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ManifestPackage {
    /// The package's id.
    pub id: PackageId,
    /// Who made the evidence.
    pub producer: Producer,
    /// What sort of package it is.
    pub kind: Kind,
    /// The producer's own id of it.
    pub external_id: Option<ExternalId>,
    /// Its title when it was sealed.
    pub title: Option<Title>,
    /// Its labels when it was sealed.
    pub labels: Labels,
    /// The producer's own facts.
    pub metadata: Metadata,
    /// When it was announced.
    pub created_at: Timestamp,
    /// When it was sealed.
    pub finalized_at: Timestamp,
    /// Its class when it was sealed.
    pub retention_class: RetentionClassName,
}

/// One entry of the manifest's `files`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ManifestFile {
    /// Its name in the package.
    pub path: LogicalPath,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// BLAKE3 of its bytes.
    pub blake3: Blake3Digest,
    /// What it is said to be.
    pub media_type: MediaType,
}

impl From<&FileRecord> for ManifestFile {
    fn from(file: &FileRecord) -> Self {
        Self {
            path: file.path.clone(),
            size: file.size,
            sha256: file.sha256,
            blake3: file.blake3,
            media_type: file.media_type.clone(),
        }
    }
}

/// A value that could not be written as canonical JSON; only a defect makes one.
#[derive(Debug, thiserror::Error)]
#[error("the manifest cannot be written as RFC 8785 JSON")]
pub struct NotCanonical(#[from] serde_json::Error);

/// The bytes of a value as RFC 8785 has them: sorted keys, no spaces, one spelling of numbers.
pub fn canonical_json(value: &impl Serialize) -> Result<Vec<u8>, NotCanonical> {
    Ok(serde_json_canonicalizer::to_vec(value)?)
}

/// The part of a manifest that is not its files, sealed: kept by the registry, so that the same
/// bytes can be written again after the title was changed or the stored bytes were deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestHead {
    package: String,
}

impl ManifestHead {
    /// The head of `package`, sealed at `finalized_at`.
    pub fn seal(package: &Package, finalized_at: Timestamp) -> Result<Self, NotCanonical> {
        let said = package.description.clone();
        let package = canonical_json(&ManifestPackage {
            id: package.id,
            producer: said.producer,
            kind: said.kind,
            external_id: said.external_id,
            title: said.title,
            labels: said.labels,
            metadata: said.metadata,
            created_at: package.created_at,
            finalized_at,
            retention_class: said.retention_class,
        })?;
        Ok(Self { package: String::from_utf8_lossy(&package).into_owned() })
    }

    /// The head that the registry kept, as [`Self::as_json`] gave it.
    pub const fn from_json(package: String) -> Self {
        Self { package }
    }

    /// The canonical JSON of the `package` member.
    pub fn as_json(&self) -> &str {
        &self.package
    }

    /// The first bytes of the manifest. RFC 8785 sorts `file_count` and `files` before `package`.
    pub fn opening(file_count: u64) -> String {
        format!(r#"{{"file_count":{file_count},"files":["#)
    }

    /// The bytes of one file; `first` is the one that no comma precedes.
    pub fn file(file: &FileRecord, first: bool) -> Result<Vec<u8>, NotCanonical> {
        let mut bytes = canonical_json(&ManifestFile::from(file))?;
        if !first {
            bytes.insert(0, b',');
        }
        Ok(bytes)
    }

    /// The last bytes of the manifest.
    pub fn closing(&self, total_bytes: u64) -> String {
        format!(r#"],"package":{},"schema":"{SCHEMA}","total_bytes":{total_bytes}}}"#, self.package)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::package::PackageDescription;
    use crate::status::PackageStatus;

    fn package(title: &str, metadata: Value) -> Package {
        let at: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        Package {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            description: PackageDescription {
                producer: Producer::parse("guide-board").unwrap(),
                kind: Kind::parse("guide-board-run").unwrap(),
                external_id: None,
                title: Title::parse(title).ok(),
                retention_class: RetentionClassName::parse("raw-evidence").unwrap(),
                labels: Labels::default(),
                metadata: serde_json::from_value(metadata).unwrap(),
            },
            rule_version: 1,
            status: PackageStatus::Uploading,
            created_at: at,
            updated_at: at,
            finalized_at: None,
            expires_at: None,
            on_hold: false,
            file_count: 0,
            total_bytes: 0,
            manifest_sha256: None,
            payload_manifest_sha256: None,
            failure_reason: None,
            deleted_at: None,
            deletion_reason: None,
            revision: 1,
        }
    }

    fn file(path: &str, size: u64) -> FileRecord {
        FileRecord {
            path: LogicalPath::parse(path).unwrap(),
            size,
            sha256: Sha256Digest::of(path.as_bytes()),
            blake3: Blake3Digest::from_bytes([7; 32]),
            media_type: MediaType::octet_stream(),
            uploaded_at: "2026-03-01T12:00:00Z".parse().unwrap(),
        }
    }

    fn in_pieces(package: &Package, files: &[FileRecord]) -> Vec<u8> {
        let head = ManifestHead::seal(package, package.created_at).unwrap();
        let total = files.iter().map(|file| file.size).sum();
        let mut bytes = ManifestHead::opening(files.len() as u64).into_bytes();
        for (index, file) in files.iter().enumerate() {
            bytes.extend(ManifestHead::file(file, index == 0).unwrap());
        }
        bytes.extend(head.closing(total).into_bytes());
        bytes
    }

    #[test]
    fn the_bytes_of_a_small_manifest_are_these() {
        let bytes =
            in_pieces(&package("Ü", json!({"b": 1, "a": [1.0, "\u{20}é"]})), &[file("a b", 3)]);
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            concat!(
                r#"{"file_count":1,"files":[{"blake3":"0707070707070707070707070707070707070707070707070707070707070707","#,
                r#""media_type":"application/octet-stream","path":"a b","sha256":"c8687a08aa5d6ed2044328fa6a697ab8e96dc34291e8c2034ae8c38e6fcc6d65","size":3}],"#,
                r#""package":{"created_at":"2026-03-01T12:00:00.000000Z","external_id":null,"finalized_at":"2026-03-01T12:00:00.000000Z","#,
                r#""id":"01890a5d-ac96-774b-bcce-b302099a8057","kind":"guide-board-run","labels":{},"metadata":{"a":[1," é"],"b":1},"#,
                r#""producer":"guide-board","retention_class":"raw-evidence","title":"Ü"},"schema":"artifact-store/manifest/v1","total_bytes":3}"#,
            )
        );
    }

    proptest! {
        /// The pieces are written by hand around canonical parts; this holds them against the
        /// canonical form of the whole document.
        #[test]
        fn the_pieces_make_the_canonical_form_of_the_whole(
            paths in proptest::collection::btree_set("[a-zé#% ]{1,12}(/[a-z\u{10000}\u{e000}]{1,4})?", 0..6),
            title in ".{0,20}",
            number in -1e12f64..1e12,
            key in ".{0,8}",
        ) {
            prop_assume!(!key.contains('\0'));
            let package = package(&title, json!({ key: {"z": number, "a": [title.replace('\0', "")]} }));
            let files: Vec<_> = paths.iter().map(|path| file(path, path.len() as u64)).collect();
            let bytes = in_pieces(&package, &files);
            let manifest: Manifest = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(manifest.files.len(), files.len());
            prop_assert_eq!(canonical_json(&manifest).unwrap(), bytes.clone());
            let value: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(canonical_json(&value).unwrap(), bytes);
        }
    }
}
