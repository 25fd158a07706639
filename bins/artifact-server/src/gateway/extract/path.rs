//! Packages and files as URLs name them.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use artifact_domain::id::{HoldId, InvalidId};
use artifact_domain::name::RetentionClassName;
use artifact_domain::wire::ErrorCode;
use artifact_domain::{LogicalPath, PackageId};
use percent_encoding::percent_decode_str;

use crate::gateway::problem::ApiError;
use crate::gateway::routes::BASE;

/// The package that the URL names. An id that no package can have is a package that is not there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackagePath(pub(crate) PackageId);

fn package(text: &str) -> Result<PackageId, ApiError> {
    text.parse().map_err(|error: InvalidId| {
        ApiError::refuse(ErrorCode::NotFound, format!("there is no such package: {error}"))
    })
}

impl FromRequest for PackagePath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(package(request.match_info().get("package").unwrap_or_default()).map(Self))
    }
}

/// The hold that the URL names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HoldPath {
    pub(crate) package: PackageId,
    pub(crate) hold: HoldId,
}

impl FromRequest for HoldPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let segment = |name| request.match_info().get(name).unwrap_or_default();
        let hold = |text: &str| {
            text.parse().map_err(|error: InvalidId| {
                ApiError::refuse(ErrorCode::NotFound, format!("there is no such hold: {error}"))
            })
        };
        ready(
            package(segment("package"))
                .and_then(|package| Ok(Self { package, hold: hold(segment("hold"))? })),
        )
    }
}

/// The retention class that the URL names. It may be one that is yet to be made, so a name that
/// no class can have is a bad request.
#[derive(Debug, Clone)]
pub(crate) struct ClassPath(pub(crate) RetentionClassName);

impl FromRequest for ClassPath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let name = request.match_info().get("class").unwrap_or_default();
        let class = RetentionClassName::parse(name);
        ready(class.map(Self).map_err(|error| ApiError::invalid(error.to_string())))
    }
}

/// The file that the URL names: the rest of the path behind `/files/`.
///
/// It is read from the URL as it was sent, not from what the router made of it: the router decodes
/// some characters and leaves others, and a path must be decoded once.
#[derive(Debug, Clone)]
pub(crate) struct FilePath {
    pub(crate) package: PackageId,
    pub(crate) path: LogicalPath,
}

/// Decodes a path of a URL, segment by segment (RFC 3986, section 3.3).
fn decoded(raw: &str) -> Result<LogicalPath, ApiError> {
    let bytes = raw.as_bytes();
    for (at, _) in raw.match_indices('%') {
        let escaped = bytes.get(at + 1..at + 3).unwrap_or_default();
        if escaped.len() < 2 || !escaped.iter().all(u8::is_ascii_hexdigit) {
            return Err(ApiError::malformed_path(
                raw,
                "a % is not followed by two hexadecimal digits: write a percent sign as %25",
            ));
        }
        if escaped.eq_ignore_ascii_case(b"2f") {
            return Err(ApiError::malformed_path(
                raw,
                "the path has an encoded slash: a slash always divides segments, write it as /",
            ));
        }
    }
    let text = percent_decode_str(raw).decode_utf8().ok();
    let text = text.ok_or_else(|| ApiError::malformed_path(raw, "the path is not UTF-8"))?;
    LogicalPath::parse(text.clone()).map_err(|rule| ApiError::invalid_path(&text, &rule))
}

impl FilePath {
    /// The file that the path of a URL names.
    pub(crate) fn of(url_path: &str) -> Result<Self, ApiError> {
        // The router found the resource in a decoded path; other spellings of what stands before
        // the file's path name no resource of ours.
        let nothing = || ApiError::refuse(ErrorCode::NotFound, "there is nothing at this path");
        let rest = url_path.strip_prefix(BASE).and_then(|rest| rest.strip_prefix("/packages/"));
        let (id, path) = rest.and_then(|rest| rest.split_once("/files/")).ok_or_else(nothing)?;
        Ok(Self { package: package(id)?, path: decoded(path)? })
    }
}

impl FromRequest for FilePath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::of(request.uri().path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_once() {
        assert_eq!(decoded("a%20b/%2525.txt").unwrap().as_str(), "a b/%25.txt");
        assert_eq!(decoded("a+b%3F%c3%bc").unwrap().as_str(), "a+b?ü");
    }

    #[test]
    fn what_no_file_can_be_called_is_refused() {
        let long = "a".repeat(901);
        for raw in [
            "",
            "/",
            "a//b",
            "a/",
            "..",
            "%2e%2e",
            "a/%2E%2e/b",
            ".",
            "a%2Fb",
            "a%2fb",
            "a%5Cb",
            "a%",
            "a%2",
            "a%zz",
            "a%00",
            "a%0A",
            "a%7F",
            "a%C2%85",
            "a%FF",
            "a%C0%AF",
            &long,
        ] {
            let error = decoded(raw).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidPath, "{raw}");
        }
    }
}
