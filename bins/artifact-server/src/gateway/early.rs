//! Refusals before the body is sent: what `Expect: 100-continue` is for (RFC 9110, section 10.1.1).

use actix_http::{HttpMessage as _, Request, Response};
use actix_web::body::BoxBody;
use actix_web::http::Method;
use artifact_domain::wire::ErrorCode;

use super::Settings;
use super::extract::FilePath;
use super::observe::{name_answer, request_id};
use super::problem::ApiError;
use super::routes::files::announced;

/// Lets a client that waits for it send its body, unless the head of its request shows already
/// that the body would be refused.
pub(crate) fn expect(request: Request, settings: &Settings) -> Result<Request, Response<BoxBody>> {
    let Err(error) = check(&request, settings) else { return Ok(request) };
    let id = request_id(request.headers());
    let mut answer = error.answer(id.clone());
    name_answer(answer.headers_mut(), &id);
    tracing::info!(
        target: "artifact_server::access",
        request_id = %id,
        method = %request.method(),
        path = request.path(),
        status = answer.status().as_u16(),
    );
    Err(answer.into())
}

fn check(request: &Request, settings: &Settings) -> Result<(), ApiError> {
    // Only uploads have bodies that are worth to be held back.
    if *request.method() != Method::PUT {
        return Ok(());
    }
    let file = FilePath::of(request.path())?;
    let upload = announced(request.headers(), file.path)?;
    if upload.size.is_some_and(|size| size > settings.max_file_bytes) {
        let detail = format!(
            "a file, and so {}, is limited to {} bytes",
            upload.path, settings.max_file_bytes
        );
        return Err(ApiError::refuse(ErrorCode::PayloadTooLarge, detail));
    }
    Ok(())
}
