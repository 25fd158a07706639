//! The stable codes of errors.

use std::fmt;

/// What went wrong, as a program reads it: the `code` of a problem document, and what the command
/// line derives its exit code from. Codes are promises; their meaning never changes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The request breaks a rule of the interface.
    InvalidRequest,
    /// A path that no file of a package can have.
    InvalidPath,
    /// No valid token.
    Unauthorized,
    /// The token does not allow this.
    Forbidden,
    /// There is no such package, file or hold.
    NotFound,
    /// The resource has no such method.
    MethodNotAllowed,
    /// The body of the request stopped coming.
    RequestTimeout,
    /// The package has a file of this path.
    DuplicatePath,
    /// The path is a folder of another file, or the other way round.
    PathConflict,
    /// Somebody is uploading this path now.
    UploadInProgress,
    /// The producer has a package of this external id.
    PackageExists,
    /// The package's status does not allow this.
    WrongStatus,
    /// Files are missing or differ.
    IncompletePackage,
    /// The package must be kept.
    NotEligible,
    /// The change would keep the package for less long than was promised.
    RetentionShortened,
    /// The package was deleted.
    PackageDeleted,
    /// The resource is not as `If-Match` has it.
    PreconditionFailed,
    /// Too many bytes or files.
    PayloadTooLarge,
    /// A body of this type or coding is not taken.
    UnsupportedMediaType,
    /// The range lies outside the file.
    RangeNotSatisfiable,
    /// The bytes are not those that were announced or recorded.
    DigestMismatch,
    /// A package without files cannot be finalized.
    EmptyPackage,
    /// The client is too fast.
    TooManyRequests,
    /// The bytes cannot be read or written now.
    StorageUnavailable,
    /// The registry cannot be read or written now.
    RegistryUnavailable,
    /// A defect of ours.
    Internal,
}

impl ErrorCode {
    /// The HTTP status that goes with the code.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::InvalidPath => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::DuplicatePath
            | Self::PathConflict
            | Self::UploadInProgress
            | Self::PackageExists
            | Self::WrongStatus
            | Self::IncompletePackage
            | Self::NotEligible
            | Self::RetentionShortened => 409,
            Self::PackageDeleted => 410,
            Self::PreconditionFailed => 412,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RangeNotSatisfiable => 416,
            Self::DigestMismatch | Self::EmptyPackage => 422,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::StorageUnavailable | Self::RegistryUnavailable => 503,
        }
    }

    /// The code in words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request is not valid",
            Self::InvalidPath => "No file can have this path",
            Self::Unauthorized => "A valid token is needed",
            Self::Forbidden => "The token does not allow this",
            Self::NotFound => "There is no such thing",
            Self::MethodNotAllowed => "The resource has no such method",
            Self::RequestTimeout => "The body stopped coming",
            Self::DuplicatePath => "The package has a file of this path",
            Self::PathConflict => "A file would be a folder of another",
            Self::UploadInProgress => "Somebody is uploading this now",
            Self::PackageExists => "The producer has a package of this external id",
            Self::WrongStatus => "The status does not allow this",
            Self::IncompletePackage => "Files are missing or differ",
            Self::NotEligible => "The package must be kept",
            Self::RetentionShortened => "Retention is never shortened",
            Self::PackageDeleted => "The package was deleted",
            Self::PreconditionFailed => "A precondition does not hold",
            Self::PayloadTooLarge => "Too many bytes or files",
            Self::UnsupportedMediaType => "A body of this type or coding is not taken",
            Self::RangeNotSatisfiable => "The range lies outside the file",
            Self::DigestMismatch => "The bytes are not those that were announced",
            Self::EmptyPackage => "The package has no file",
            Self::TooManyRequests => "Too many requests",
            Self::StorageUnavailable => "The storage is not available",
            Self::RegistryUnavailable => "The registry is not available",
            Self::Internal => "Something went wrong in the server",
        }
    }

    /// The code as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid-request",
            Self::InvalidPath => "invalid-path",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::RequestTimeout => "request-timeout",
            Self::DuplicatePath => "duplicate-path",
            Self::PathConflict => "path-conflict",
            Self::UploadInProgress => "upload-in-progress",
            Self::PackageExists => "package-exists",
            Self::WrongStatus => "wrong-status",
            Self::IncompletePackage => "incomplete-package",
            Self::NotEligible => "not-eligible",
            Self::RetentionShortened => "retention-shortened",
            Self::PackageDeleted => "package-deleted",
            Self::PreconditionFailed => "precondition-failed",
            Self::PayloadTooLarge => "payload-too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::RangeNotSatisfiable => "range-not-satisfiable",
            Self::DigestMismatch => "digest-mismatch",
            Self::EmptyPackage => "empty-package",
            Self::TooManyRequests => "too-many-requests",
            Self::StorageUnavailable => "storage-unavailable",
            Self::RegistryUnavailable => "registry-unavailable",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_in_json_as_it_is_displayed() {
        for code in [ErrorCode::InvalidRequest, ErrorCode::IncompletePackage, ErrorCode::Internal] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
