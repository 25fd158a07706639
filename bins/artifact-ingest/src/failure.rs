//! What is said and which code is left with when something fails.

use std::error::Error;
use std::fmt;

use artifact_client::ClientError;
use artifact_domain::wire::ErrorCode;
use artifact_ingestion::download::DownloadError;
use artifact_ingestion::guide_board::GuideBoardError;
use artifact_ingestion::{DestinationError, IngestError, WalkError};
use artifact_store::StoreError;

use crate::exit;

/// A command that did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: u8,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: u8, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// An error with the causes that it does not say itself.
    fn explained(exit: u8, error: &dyn Error) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        Self { exit, message }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The exit code of a store's refusal. There is no wildcard: a new code has to decide.
const fn exit_of(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Unauthorized | ErrorCode::Forbidden => exit::NOT_AUTHORISED,
        ErrorCode::NotFound => exit::NO_PACKAGE,
        ErrorCode::InvalidRequest
        | ErrorCode::InvalidPath
        | ErrorCode::RangeNotSatisfiable
        | ErrorCode::UnsupportedMediaType => exit::USAGE,
        ErrorCode::DuplicatePath
        | ErrorCode::PathConflict
        | ErrorCode::UploadInProgress
        | ErrorCode::PackageExists
        | ErrorCode::WrongStatus
        | ErrorCode::PackageDeleted
        | ErrorCode::PreconditionFailed
        | ErrorCode::NotEligible
        | ErrorCode::RetentionShortened
        | ErrorCode::PayloadTooLarge => exit::CONFLICT,
        ErrorCode::IncompletePackage | ErrorCode::DigestMismatch => exit::INTEGRITY,
        ErrorCode::EmptyPackage => exit::NOTHING,
        ErrorCode::RequestTimeout
        | ErrorCode::TooManyRequests
        | ErrorCode::StorageUnavailable
        | ErrorCode::RegistryUnavailable => exit::UNAVAILABLE,
        ErrorCode::MethodNotAllowed | ErrorCode::Internal => exit::UNEXPECTED,
    }
}

/// The exit code of an error of the embedded store, which says more than its code.
const fn exit_of_store(error: &StoreError) -> u8 {
    match error {
        StoreError::Damaged { .. } => exit::INTEGRITY,
        _ if error.is_missing_store() => exit::NO_PACKAGE,
        _ => exit_of(error.code()),
    }
}

fn exit_of_destination(error: &DestinationError) -> u8 {
    error.source.downcast_ref().map_or_else(|| exit_of(error.code), exit_of_store)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::explained(exit_of_store(&error), &error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::explained(exit_of(error.code()), &error)
    }
}

impl From<DestinationError> for Failure {
    fn from(error: DestinationError) -> Self {
        Self::explained(exit_of_destination(&error), &error)
    }
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        let exit = match &error {
            IngestError::Nothing { .. } => exit::NOTHING,
            IngestError::Conflict { .. } => exit::CONFLICT,
            IngestError::Files { .. } | IngestError::Compared { .. } => exit::INTEGRITY,
            IngestError::Destination { source, .. } => exit_of_destination(source),
        };
        Self::explained(exit, &error)
    }
}

impl From<WalkError> for Failure {
    fn from(error: WalkError) -> Self {
        let exit = match &error {
            WalkError::NotADirectory { .. } | WalkError::InvalidGlob { .. } => exit::USAGE,
            WalkError::Unreadable { .. } | WalkError::InvalidNames { .. } => exit::INTEGRITY,
        };
        Self::explained(exit, &error)
    }
}

impl From<GuideBoardError> for Failure {
    fn from(error: GuideBoardError) -> Self {
        let exit = match &error {
            GuideBoardError::Empty { .. } => exit::NOTHING,
            _ => exit::NOT_A_RUN,
        };
        let explained = Self::explained(exit, &error);
        Self {
            message: explained.message.replace("read leniently", "read leniently (--lenient)"),
            ..explained
        }
    }
}

impl From<DownloadError> for Failure {
    fn from(error: DownloadError) -> Self {
        let exit = match &error {
            DownloadError::Destination(source) => exit_of_destination(source),
            // A folder that cannot be written is as good as a store that cannot be read.
            _ => error.code().map_or(exit::UNAVAILABLE, exit_of),
        };
        Self::explained(exit, &error)
    }
}
