//! What a use case can answer instead of its result.

use std::fmt;
use std::time::Duration;

use artifact_domain::cursor::InvalidCursor;
use artifact_domain::id::HoldId;
use artifact_domain::manifest::NotCanonical;
use artifact_domain::name::{Actor, ExternalId, Producer, Reason, RetentionClassName};
use artifact_domain::retention::{RetentionReason, Verdict};
use artifact_domain::wire::{ErrorCode, InvalidExtension};
use artifact_domain::{LogicalPath, PackageId, PackageStatus, Timestamp};
use artifact_registry::RegistryError;
use artifact_retention::{ClassRefusal, ExtensionRefusal};
use artifact_storage::StorageError;

/// Why a use case was refused or failed. The messages are for the person who asked; [`code`]
/// is for programs.
///
/// [`code`]: StoreError::code
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such package.
    #[error("there is no package {0}")]
    NoPackage(PackageId),
    /// The package has no such file.
    #[error("package {package} has no file {path}")]
    NoFile {
        /// The package.
        package: PackageId,
        /// The path that was asked for.
        path: LogicalPath,
    },
    /// There is no such retention class.
    #[error("there is no retention class {class}: the store has {}", known.join(", "))]
    NoClass {
        /// The name that was given.
        class: RetentionClassName,
        /// The classes that there are.
        known: Vec<String>,
    },
    /// The producer has a package of this external id already.
    #[error("{producer} has {external_id} already as package {package}")]
    PackageExists {
        /// The producer.
        producer: Producer,
        /// The producer's own id.
        external_id: ExternalId,
        /// The package that has it.
        package: PackageId,
    },
    /// The package's status does not allow this.
    #[error("package {package} is {status}: {needed}")]
    WrongStatus {
        /// The package.
        package: PackageId,
        /// Its status.
        status: PackageStatus,
        /// What would have been needed.
        needed: &'static str,
    },
    /// The package was deleted.
    #[error("package {package} was deleted at {deleted_at}: {reason}")]
    Deleted {
        /// The package.
        package: PackageId,
        /// When.
        deleted_at: Timestamp,
        /// Why.
        reason: Reason,
    },
    /// The package is not as the caller believed.
    #[error(
        "package {package} has changed: it is at revision {actual}, not {expected}; look at it again"
    )]
    Changed {
        /// The package.
        package: PackageId,
        /// The revision that the caller named.
        expected: u64,
        /// The revision that it has.
        actual: u64,
    },
    /// The package has a file of this path.
    #[error(
        "package {package} has a file {path} already: replace it expressly, or use another path"
    )]
    DuplicatePath {
        /// The package.
        package: PackageId,
        /// The path.
        path: LogicalPath,
    },
    /// A file would be a folder of another.
    #[error("{path} cannot be stored beside {other}: one would be a folder of the other")]
    PathConflict {
        /// The path that was to be stored.
        path: LogicalPath,
        /// The file that is there.
        other: String,
    },
    /// Somebody is writing this path.
    #[error(
        "{path} of package {package} is being uploaded by somebody else: wait until it is done or given up"
    )]
    UploadInProgress {
        /// The package.
        package: PackageId,
        /// The path.
        path: String,
    },
    /// The claim on the path went to somebody else while the bytes were coming.
    #[error(
        "the upload of {path} took too long without a sign of life, and somebody else has begun it: ask for the file's state and try again"
    )]
    ClaimLost {
        /// The path.
        path: LogicalPath,
    },
    /// More than a limit allows.
    #[error("{what} is limited to {limit}")]
    TooLarge {
        /// What is limited, with where it applies.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// The bytes are not those that were announced.
    #[error("{what} has {digest} {actual}, not {expected} as announced: nothing was stored")]
    Mismatch {
        /// The file or document.
        what: String,
        /// What was compared: "SHA-256", "size".
        digest: &'static str,
        /// What was announced.
        expected: String,
        /// What arrived.
        actual: String,
    },
    /// The package cannot be sealed as it is.
    #[error("package {package} cannot be finalized: {}", list(problems))]
    Incomplete {
        /// The package.
        package: PackageId,
        /// Each file that stands in the way, at most a thousand.
        problems: Vec<FileProblem>,
    },
    /// The package does not have what the caller says it sent.
    #[error(
        "package {package} has {what} {actual}, not {expected}: something was not uploaded, or twice"
    )]
    NotAsSent {
        /// The package.
        package: PackageId,
        /// What was compared: "files", "bytes".
        what: &'static str,
        /// What the caller said.
        expected: u64,
        /// What the store has.
        actual: u64,
    },
    /// A package without files cannot be sealed.
    #[error("package {0} has no file: there is nothing to finalize")]
    Empty(PackageId),
    /// The range lies outside the file.
    #[error("the range lies outside {path}, which has {size} bytes")]
    RangeNotSatisfiable {
        /// The file.
        path: LogicalPath,
        /// Its size.
        size: u64,
    },
    /// The package has no such hold.
    #[error("package {package} has no hold {hold}")]
    NoHold {
        /// The package.
        package: PackageId,
        /// The hold that was named.
        hold: HoldId,
    },
    /// The hold was released before; what is on record stays as it is.
    #[error(
        "hold {hold} was released at {released_at} by {released_by} and stays on record as it is"
    )]
    HoldReleased {
        /// The hold.
        hold: HoldId,
        /// The status of its package.
        status: PackageStatus,
        /// When it was released.
        released_at: Timestamp,
        /// By whom.
        released_by: Actor,
    },
    /// A request to extend that does not say until when.
    #[error(transparent)]
    Extension(#[from] InvalidExtension),
    /// The package is not kept for longer by what was asked for.
    #[error("package {package} cannot be extended: {refusal}")]
    NotExtended {
        /// The package.
        package: PackageId,
        /// What the rules say.
        refusal: ExtensionRefusal,
    },
    /// The class would keep the package for less long than was promised.
    #[error("package {package} cannot change its class: {refusal}")]
    NotReclassified {
        /// The package.
        package: PackageId,
        /// What the rules say.
        refusal: ClassRefusal,
    },
    /// The package must be kept.
    #[error("package {package} cannot be deleted: {}", protecting(reasons))]
    NotEligible {
        /// The package.
        package: PackageId,
        /// Each rule that was consulted and what it said.
        reasons: Vec<RetentionReason>,
    },
    /// There is no receipt of a deletion.
    #[error("package {0} was not deleted: there is no receipt")]
    NotDeleted(PackageId),
    /// A cursor of another list.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// The stored bytes are not those that were recorded.
    #[error("{path} of package {package} is damaged in storage: {problem}; restore it from a copy")]
    Damaged {
        /// The package.
        package: PackageId,
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: ProblemKind,
    },
    /// The sender's bytes could not be read to their end.
    #[error("failed to read the bytes of {}", sent(path.as_ref()))]
    Body {
        /// The file that was being sent; `None` if it was an archive of files.
        path: Option<LogicalPath>,
        /// What the sender said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The sender fell silent.
    #[error("the upload of {} stalled: no byte came for {waited:?}", sent(path.as_ref()))]
    Stalled {
        /// The file that was being sent; `None` if it was an archive of files.
        path: Option<LogicalPath>,
        /// How long the store waited.
        waited: Duration,
    },
    /// What was sent as a tar archive is none, or is cut off before its first file is complete.
    #[error("this is not a whole tar archive: {reason}; nothing was stored")]
    NotATar {
        /// What is wrong with it.
        reason: String,
    },
    /// The package was changed by somebody while it was being finalized, again and again.
    #[error("package {0} is being changed while it is finalized: finish the uploads first")]
    Restless(PackageId),
    /// The store was opened to read.
    #[error("the store was opened to read only")]
    ReadOnly,
    /// The storage root is not the one that the registry's packages lie in.
    #[error(
        "the registry knows the storage {known}, and {url} is not it: name the right folder, mount it, or restore it; nothing was changed"
    )]
    ForeignStorage {
        /// What the registry knows.
        known: String,
        /// Where the store was to be opened.
        url: String,
    },
    /// The storage is known to the registry, and packages are not read or changed there.
    #[error(
        "the packages are at {home}, and {url} is {what}: name that storage (ARTIFACT_STORE_STORAGE_URL or --storage-url)"
    )]
    NotHome {
        /// Where the store was to be opened.
        url: String,
        /// What it is.
        what: &'static str,
        /// Where the packages are.
        home: String,
    },
    /// Packages cannot be moved to this storage.
    #[error("the packages cannot be moved to {url}: {reason}")]
    CannotMove {
        /// Where they were to be moved.
        url: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The registry failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The manifest could not be written; a defect.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// A thread of the store died; a defect.
    #[error("a part of the store stopped unexpectedly: {0}")]
    Stopped(String),
}

/// One file that is not as it was promised.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileProblem {
    /// The file, or a tag file of the bag.
    pub path: String,
    /// What is wrong with it.
    #[serde(flatten)]
    pub kind: ProblemKind,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "problem", rename_all = "kebab-case")]
pub enum ProblemKind {
    /// Its upload was begun and cut off.
    Unfinished,
    /// There are no bytes in storage.
    Missing,
    /// The stored object has another size.
    Size {
        /// The size on record.
        expected: u64,
        /// The size in storage.
        actual: u64,
    },
    /// The stored object was changed since it was uploaded.
    Changed,
    /// The stored bytes have another digest.
    Digest {
        /// Which one.
        algorithm: &'static str,
        /// The digest on record.
        expected: String,
        /// The digest of what is stored.
        actual: String,
    },
    /// An object that nobody recorded.
    Stray,
    /// The storage could not read it.
    Unreadable {
        /// What the storage said.
        reason: String,
    },
    /// A tag file that does not say what the registry says.
    Contradicts {
        /// How.
        reason: String,
    },
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfinished => f.write_str("its upload was cut off; upload it again or remove it"),
            Self::Missing => f.write_str("its bytes are not in storage"),
            Self::Size { expected, actual } => {
                write!(f, "expected {expected} bytes, found {actual}")
            }
            Self::Changed => f.write_str("the stored object was changed after its upload"),
            Self::Digest { algorithm, expected, actual } => {
                write!(f, "expected {algorithm} {expected}, found {actual}")
            }
            Self::Stray => f.write_str("nobody recorded this object"),
            Self::Unreadable { reason } => write!(f, "it cannot be read: {reason}"),
            Self::Contradicts { reason } => f.write_str(reason),
        }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.kind)
    }
}

/// What was being sent, in words.
fn sent(path: Option<&LogicalPath>) -> &str {
    path.map_or("the archive", LogicalPath::as_str)
}

/// What the rules that protect a package say.
fn protecting(reasons: &[RetentionReason]) -> String {
    let protecting = reasons.iter().filter(|reason| reason.verdict == Verdict::Protects);
    protecting.map(|reason| reason.detail.as_str()).collect::<Vec<_>>().join("; ")
}

/// The first few problems and how many more there are.
fn list(problems: &[FileProblem]) -> String {
    let shown: Vec<String> = problems.iter().take(5).map(ToString::to_string).collect();
    match problems.len().saturating_sub(5) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    }
}

impl StoreError {
    /// Whether there is no store at all where one was to be opened.
    pub const fn is_missing_store(&self) -> bool {
        matches!(self, Self::Registry(RegistryError::Missing { .. }))
    }

    /// What went wrong, for programs. There is no wildcard: a new error has to decide.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::NoPackage(_)
            | Self::NoFile { .. }
            | Self::NoHold { .. }
            | Self::NotDeleted(_) => ErrorCode::NotFound,
            Self::NoClass { .. }
            | Self::Extension(_)
            | Self::Cursor(_)
            | Self::Body { .. }
            | Self::NotATar { .. } => ErrorCode::InvalidRequest,
            Self::NotExtended { refusal, .. } => {
                if refusal.is_shortening() {
                    ErrorCode::RetentionShortened
                } else {
                    ErrorCode::InvalidRequest
                }
            }
            Self::NotReclassified { .. } => ErrorCode::RetentionShortened,
            Self::NotEligible { .. } => ErrorCode::NotEligible,
            Self::Stalled { .. } => ErrorCode::RequestTimeout,
            Self::PackageExists { .. } => ErrorCode::PackageExists,
            Self::WrongStatus { .. } | Self::HoldReleased { .. } => ErrorCode::WrongStatus,
            Self::Deleted { .. } => ErrorCode::PackageDeleted,
            Self::Changed { .. } => ErrorCode::PreconditionFailed,
            Self::DuplicatePath { .. } => ErrorCode::DuplicatePath,
            Self::PathConflict { .. } => ErrorCode::PathConflict,
            Self::UploadInProgress { .. } | Self::ClaimLost { .. } | Self::Restless(_) => {
                ErrorCode::UploadInProgress
            }
            Self::TooLarge { .. } => ErrorCode::PayloadTooLarge,
            Self::Mismatch { .. } => ErrorCode::DigestMismatch,
            Self::Incomplete { .. } | Self::NotAsSent { .. } => ErrorCode::IncompletePackage,
            Self::Empty(_) => ErrorCode::EmptyPackage,
            Self::RangeNotSatisfiable { .. } => ErrorCode::RangeNotSatisfiable,
            Self::Registry(error) => match error {
                RegistryError::Damaged { .. } | RegistryError::Query { .. } => ErrorCode::Internal,
                RegistryError::Moved { .. } => ErrorCode::StorageUnavailable,
                RegistryError::InvalidUrl { .. }
                | RegistryError::Missing { .. }
                | RegistryError::Open { .. }
                | RegistryError::NotARegistry { .. }
                | RegistryError::Newer { .. }
                | RegistryError::Outdated { .. }
                | RegistryError::Locked { .. }
                | RegistryError::Full { .. }
                | RegistryError::ReadOnly { .. }
                | RegistryError::NoConnection { .. } => ErrorCode::RegistryUnavailable,
            },
            Self::Storage(_)
            | Self::ForeignStorage { .. }
            | Self::NotHome { .. }
            | Self::CannotMove { .. } => ErrorCode::StorageUnavailable,
            Self::Damaged { .. } | Self::ReadOnly | Self::NotCanonical(_) | Self::Stopped(_) => {
                ErrorCode::Internal
            }
        }
    }
}
