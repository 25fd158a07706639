//! Events: what was changed, by whom, when and why.

use serde_json::{Map, Value};

use crate::id::PackageId;
use crate::name::{Actor, RequestId};
use crate::time::Timestamp;

/// Who asks for a change, and in which request: recorded with each event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The person or token that acts.
    pub actor: Actor,
    /// The request, when there is one.
    pub request_id: Option<RequestId>,
}

/// What an audit event says was done.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
pub enum AuditAction {
    /// A package was announced.
    #[serde(rename = "package.created")]
    PackageCreated,
    /// Title or labels were changed.
    #[serde(rename = "package.updated")]
    PackageUpdated,
    /// A package was given up.
    #[serde(rename = "package.failed")]
    PackageFailed,
    /// A package was sealed.
    #[serde(rename = "package.finalized")]
    PackageFinalized,
    /// Files were stored: one event for all that one request or one commit brought.
    #[serde(rename = "files.stored")]
    FilesStored,
    /// A file was taken out of an open package, to be replaced or for good.
    #[serde(rename = "file.removed")]
    FileRemoved,
    /// The expiry was moved to a later time.
    #[serde(rename = "retention.extended")]
    RetentionExtended,
    /// A package was put into another class.
    #[serde(rename = "retention.class-changed")]
    RetentionClassChanged,
    /// A legal hold was placed.
    #[serde(rename = "hold.placed")]
    HoldPlaced,
    /// A legal hold was released.
    #[serde(rename = "hold.released")]
    HoldReleased,
    /// A package was deleted; its bytes go next.
    #[serde(rename = "package.deleted")]
    PackageDeleted,
    /// Nothing of a deleted package is left in storage.
    #[serde(rename = "package.bytes-removed")]
    BytesRemoved,
    /// A retention class was added.
    #[serde(rename = "retention-class.added")]
    ClassAdded,
    /// A retention class got a new version, for packages to come.
    #[serde(rename = "retention-class.changed")]
    ClassChanged,
    /// The clock cannot be trusted: nothing is deleted until somebody says it can.
    #[serde(rename = "clock.suspended")]
    ClockSuspended,
    /// Somebody said that the clock is right.
    #[serde(rename = "clock.acknowledged")]
    ClockAcknowledged,
    /// All packages were moved to another storage.
    #[serde(rename = "storage.moved")]
    StorageMoved,
}

impl AuditAction {
    /// Every action.
    pub const ALL: [Self; 17] = [
        Self::PackageCreated,
        Self::PackageUpdated,
        Self::PackageFailed,
        Self::PackageFinalized,
        Self::FilesStored,
        Self::FileRemoved,
        Self::RetentionExtended,
        Self::RetentionClassChanged,
        Self::HoldPlaced,
        Self::HoldReleased,
        Self::PackageDeleted,
        Self::BytesRemoved,
        Self::ClassAdded,
        Self::ClassChanged,
        Self::ClockSuspended,
        Self::ClockAcknowledged,
        Self::StorageMoved,
    ];

    /// The name, as it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PackageCreated => "package.created",
            Self::PackageUpdated => "package.updated",
            Self::PackageFailed => "package.failed",
            Self::PackageFinalized => "package.finalized",
            Self::FilesStored => "files.stored",
            Self::FileRemoved => "file.removed",
            Self::RetentionExtended => "retention.extended",
            Self::RetentionClassChanged => "retention.class-changed",
            Self::HoldPlaced => "hold.placed",
            Self::HoldReleased => "hold.released",
            Self::PackageDeleted => "package.deleted",
            Self::BytesRemoved => "package.bytes-removed",
            Self::ClassAdded => "retention-class.added",
            Self::ClassChanged => "retention-class.changed",
            Self::ClockSuspended => "clock.suspended",
            Self::ClockAcknowledged => "clock.acknowledged",
            Self::StorageMoved => "storage.moved",
        }
    }

    /// The action with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

/// One row of the audit trail. Rows are appended and never changed.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct AuditEvent {
    /// Its place in the trail of this registry, from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: AuditAction,
    /// On which package.
    pub package_id: Option<PackageId>,
    /// In which request.
    pub request_id: Option<RequestId>,
    /// The facts of this action: counts, paths, digests.
    pub details: Map<String, Value>,
}

/// What a retention event says was done.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RetentionEventKind {
    /// The class gave the package its expiry at create.
    ExpirySet,
    /// Finalize moved the expiry to the later of two dates.
    ExpiryMoved,
    /// Somebody moved the expiry to a later time.
    Extended,
    /// Somebody put the package into another class.
    ClassChanged,
    /// A legal hold was placed.
    HoldPlaced,
    /// A legal hold was released.
    HoldReleased,
    /// The package was deleted.
    Deleted,
}

impl RetentionEventKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::ExpirySet,
        Self::ExpiryMoved,
        Self::Extended,
        Self::ClassChanged,
        Self::HoldPlaced,
        Self::HoldReleased,
        Self::Deleted,
    ];

    /// The name, as it is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExpirySet => "expiry-set",
            Self::ExpiryMoved => "expiry-moved",
            Self::Extended => "extended",
            Self::ClassChanged => "class-changed",
            Self::HoldPlaced => "hold-placed",
            Self::HoldReleased => "hold-released",
            Self::Deleted => "deleted",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One change of what a package was promised. Rows are appended and never changed.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct RetentionEvent {
    /// Its place among the retention events of this registry, from 1.
    pub seq: u64,
    /// What was done.
    pub kind: RetentionEventKind,
    /// Who.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// In which request.
    pub request_id: Option<RequestId>,
    /// Why.
    pub reason: String,
    /// The promise before: class, rule version, expiry.
    pub before: Value,
    /// The promise after.
    pub after: Value,
}
