//! Problem documents: errors as JSON (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::PackageId;
use crate::name::{Reason, RequestId};
use crate::retention::RetentionReason;
use crate::status::PackageStatus;
use crate::time::Timestamp;
use crate::wire::ErrorCode;

/// Why a request was refused or failed, as `application/problem+json`. The members after
/// `request_id` are there where they say something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of problem it is, as a URI path: `/problems/` and the code.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not-found")]
    pub kind: String,
    /// The kind in words; the same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and to what.
    pub detail: String,
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// The request, to be named to an operator.
    pub request_id: RequestId,
    /// The file that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The package that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_id: Option<PackageId>,
    /// The status that the package has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_status: Option<PackageStatus>,
    /// The files that stand in the way of finalize.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<ProblemFile>>,
    /// Why the package must be kept: each rule that was consulted and what it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Vec<RetentionReason>>,
    /// When the package was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Why the package was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What was announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
}

/// A file that stands in the way of finalize.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemFile {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    /// A problem without extension members.
    pub fn new(code: ErrorCode, detail: impl Into<String>, request_id: RequestId) -> Self {
        Self {
            kind: format!("/problems/{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            request_id,
            path: None,
            package_id: None,
            package_status: None,
            files: None,
            reasons: None,
            deleted_at: None,
            reason: None,
            expected: None,
            actual: None,
        }
    }
}
