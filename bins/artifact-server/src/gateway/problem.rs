//! Errors as problem documents: the one mapping from what went wrong to what a client reads.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use artifact_domain::name::RequestId;
use artifact_domain::path::InvalidPath;
use artifact_domain::wire::{ErrorCode, Problem, ProblemFile};
use artifact_store::StoreError;

/// How long a client should wait before it asks again, when a part of the server is down.
const RETRY_AFTER_SECONDS: &str = "5";

/// The most files that one problem document names.
const NAMED_FILES: usize = 1000;

/// Why a request is not answered as it was meant. It becomes a [`Problem`] in [`ApiError::answer`],
/// where the request's id is known.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The use case refused or failed.
    Store(Box<StoreError>),
    /// The request itself is wrong; nothing was asked of the store.
    Request(Box<Refusal>),
}

/// A request that is refused by what it says of itself.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: ErrorCode,
    detail: String,
    path: Option<String>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// A refusal with this code.
    pub(crate) fn refuse(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self::Request(Box::new(Refusal { code, detail: detail.into(), path: None, header: None }))
    }

    /// The request breaks a rule of the interface.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::refuse(ErrorCode::InvalidRequest, detail)
    }

    /// No file can have the path that the URL names.
    pub(crate) fn invalid_path(path: &str, rule: &InvalidPath) -> Self {
        Self::malformed_path(path, rule.to_string())
    }

    /// The path in the URL cannot be read.
    pub(crate) fn malformed_path(path: &str, detail: impl Into<String>) -> Self {
        Self::Request(Box::new(Refusal {
            code: ErrorCode::InvalidPath,
            detail: detail.into(),
            path: Some(path.to_owned()),
            header: None,
        }))
    }

    /// The resource has no such method; `allow` are those that it has (RFC 9110, 15.5.6).
    pub(crate) fn method_not_allowed(method: &str, allow: &'static str) -> Self {
        Self::Request(Box::new(Refusal {
            code: ErrorCode::MethodNotAllowed,
            detail: format!("{method} is not a method of this resource: it has {allow}"),
            path: None,
            header: Some((header::ALLOW, HeaderValue::from_static(allow))),
        }))
    }

    /// The request brings no token that is known here (RFC 6750, section 3).
    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::Request(Box::new(Refusal {
            code: ErrorCode::Unauthorized,
            detail: detail.into(),
            path: None,
            header: Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        }))
    }

    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Store(error) => error.code(),
            Self::Request(refusal) => refusal.code,
        }
    }

    /// Whether the server is to blame, so that the cause belongs into its log and not into the
    /// answer.
    pub(crate) fn is_ours(&self) -> bool {
        self.code().status() >= 500
    }

    /// The document for the client.
    fn problem(&self, request_id: RequestId) -> Problem {
        let code = self.code();
        if self.is_ours() {
            // The cause may name folders, hosts and queries: it is in the log, under this id.
            let detail = format!("the cause is in the server's log under request {request_id}");
            return Problem::new(code, detail, request_id);
        }
        match self {
            Self::Request(refusal) => Problem {
                path: refusal.path.clone(),
                ..Problem::new(code, refusal.detail.clone(), request_id)
            },
            Self::Store(error) => {
                with_members(Problem::new(code, error.to_string(), request_id), error)
            }
        }
    }

    /// The whole answer.
    pub(crate) fn answer(&self, request_id: RequestId) -> HttpResponse {
        let problem = self.problem(request_id);
        let mut answer = HttpResponse::build(self.status_code());
        answer.content_type("application/problem+json");
        if problem.status == 503 {
            answer.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        match self {
            Self::Request(refusal) => {
                if let Some(header) = &refusal.header {
                    answer.insert_header(header.clone());
                }
            }
            Self::Store(error) => {
                if let StoreError::RangeNotSatisfiable { size, .. } = &**error {
                    answer.insert_header((header::CONTENT_RANGE, format!("bytes */{size}")));
                }
            }
        }
        let body = serde_json::to_vec(&problem);
        answer.body(body.unwrap_or_else(|_| unreachable!("a problem has string keys alone")))
    }
}

/// The extension members that say which file, package or digest it is about.
fn with_members(problem: Problem, error: &StoreError) -> Problem {
    let path = |path: &dyn fmt::Display| Some(path.to_string());
    match error {
        StoreError::NoPackage(package)
        | StoreError::Empty(package)
        | StoreError::NotDeleted(package)
        | StoreError::NoHold { package, .. }
        | StoreError::NotExtended { package, .. }
        | StoreError::NotReclassified { package, .. }
        | StoreError::Restless(package) => Problem { package_id: Some(*package), ..problem },
        StoreError::NoFile { package, path: file }
        | StoreError::DuplicatePath { package, path: file } => {
            Problem { package_id: Some(*package), path: path(file), ..problem }
        }
        StoreError::UploadInProgress { package, path: file } => {
            Problem { package_id: Some(*package), path: Some(file.clone()), ..problem }
        }
        StoreError::PackageExists { package, .. } => {
            Problem { package_id: Some(*package), ..problem }
        }
        StoreError::WrongStatus { package, status, .. } => {
            Problem { package_id: Some(*package), package_status: Some(*status), ..problem }
        }
        StoreError::HoldReleased { status, .. } => {
            Problem { package_status: Some(*status), ..problem }
        }
        StoreError::NotEligible { package, reasons } => {
            Problem { package_id: Some(*package), reasons: Some(reasons.clone()), ..problem }
        }
        StoreError::Deleted { package, deleted_at, reason } => Problem {
            package_id: Some(*package),
            deleted_at: Some(*deleted_at),
            reason: Some(reason.clone()),
            ..problem
        },
        StoreError::Changed { package, expected, actual } => Problem {
            package_id: Some(*package),
            expected: Some(expected.to_string()),
            actual: Some(actual.to_string()),
            ..problem
        },
        StoreError::PathConflict { path: file, .. }
        | StoreError::ClaimLost { path: file }
        | StoreError::RangeNotSatisfiable { path: file, .. } => {
            Problem { path: path(file), ..problem }
        }
        StoreError::Stalled { path: file, .. } | StoreError::Body { path: file, .. } => {
            Problem { path: file.as_ref().map(ToString::to_string), ..problem }
        }
        StoreError::Mismatch { expected, actual, .. } => {
            Problem { expected: Some(expected.clone()), actual: Some(actual.clone()), ..problem }
        }
        StoreError::NotAsSent { package, expected, actual, .. } => Problem {
            package_id: Some(*package),
            files: Some(Vec::new()),
            expected: Some(expected.to_string()),
            actual: Some(actual.to_string()),
            ..problem
        },
        StoreError::Incomplete { package, problems } => {
            let named = problems.iter().take(NAMED_FILES);
            let files = named
                .map(|file| ProblemFile { path: file.path.clone(), detail: file.kind.to_string() });
            Problem { package_id: Some(*package), files: Some(files.collect()), ..problem }
        }
        // What is left says everything in its words, or is ours.
        _ => problem,
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => fmt::Display::fmt(error, f),
            Self::Request(refusal) => f.write_str(&refusal.detail),
        }
    }
}

impl std::error::Error for ApiError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Request(_) => None,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code().status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// A bare status: the document is written where the request's id is known.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}
