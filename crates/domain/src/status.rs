//! The status machine of a package.

use std::fmt;
use std::str::FromStr;

/// Where a package is in its life.
///
/// ```text
/// created ──> uploading ──> finalized ──> deleted
///    └────────────┴──────> failed ─────────┘
/// ```
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PackageStatus {
    /// Announced; no file has arrived.
    Created,
    /// Files are arriving.
    Uploading,
    /// Sealed by its manifest: the bytes never change again.
    Finalized,
    /// Removed by decision; the record stays as a tombstone.
    Deleted,
    /// Given up before it was finalized.
    Failed,
}

/// A text that names no status.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a package status: expected created, uploading, finalized, deleted or failed")]
pub struct InvalidStatus(pub String);

impl PackageStatus {
    /// Every status, in the order of a package's life.
    pub const ALL: [Self; 5] =
        [Self::Created, Self::Uploading, Self::Finalized, Self::Deleted, Self::Failed];

    /// Whether a package may go from this status to `next`. Nothing else moves it.
    pub const fn may_become(self, next: Self) -> bool {
        use PackageStatus::{Created, Deleted, Failed, Finalized, Uploading};
        matches!(
            (self, next),
            (Created, Uploading)
                | (Uploading, Finalized)
                | (Created | Uploading, Failed)
                | (Finalized | Failed, Deleted)
        )
    }

    /// Whether files may still come, go and be replaced.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Created | Self::Uploading)
    }

    /// The name, as it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Uploading => "uploading",
            Self::Finalized => "finalized",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for PackageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PackageStatus {
    type Err = InvalidStatus;

    fn from_str(text: &str) -> Result<Self, InvalidStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| InvalidStatus(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::PackageStatus::{self, Created, Deleted, Failed, Finalized, Uploading};

    #[test]
    fn only_the_six_moves_of_the_diagram_are_allowed() {
        let allowed: Vec<_> = PackageStatus::ALL
            .into_iter()
            .flat_map(|from| PackageStatus::ALL.into_iter().map(move |to| (from, to)))
            .filter(|(from, to)| from.may_become(*to))
            .collect();
        assert_eq!(
            allowed,
            [
                (Created, Uploading),
                (Created, Failed),
                (Uploading, Finalized),
                (Uploading, Failed),
                (Finalized, Deleted),
                (Failed, Deleted),
            ]
        );
    }

    #[test]
    fn every_status_survives_its_name() {
        for status in PackageStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert!("Finalized".parse::<PackageStatus>().is_err());
    }
}
