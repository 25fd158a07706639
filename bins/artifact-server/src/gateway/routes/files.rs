//! Files: upload, batches, lists, bytes and ranges, removal, comparison.

use actix_web::http::header::{self, EntityTag, HeaderMap, HeaderName, HeaderValue, HttpDate};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use artifact_domain::digest::Sha256Digest;
use artifact_domain::media_type::MediaType;
use artifact_domain::wire::{
    BatchAnswer, CheckFilesRequest, CheckFilesResponse, EntryError, ErrorCode, FileView, Page,
};
use artifact_domain::{FileRecord, LogicalPath, PackageId};
use artifact_store::{NewUpload, OpenFile, StoreError};
use data_encoding::BASE64;

use super::packages::page;
use super::{get, resource};
use crate::gateway::Settings;
use crate::gateway::bytes::{self, HeadOnly};
use crate::gateway::caller::{Caller, Ingest, Read};
use crate::gateway::conditions::{self, Outcome, Version};
use crate::gateway::extract::{
    Body, FilePath, Json, NoQuery, PackagePath, Query, announced_sha256, content_length,
    identity_coding,
};
use crate::gateway::metrics::Metrics;
use crate::gateway::problem::ApiError;

pub(crate) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.service(
        resource("/packages/{package}/files/{path:.*}", "GET, HEAD, PUT, DELETE")
            .route(get().to(read))
            .route(web::put().to(upload))
            .route(web::delete().to(remove)),
    )
    .service(resource("/packages/{package}/files", "GET, HEAD").route(get().to(list)))
    .service(resource("/packages/{package}/files:batch", "POST").route(web::post().to(batch)))
    .service(resource("/packages/{package}/files:check", "POST").route(web::post().to(check)));
}

/// The media type that the request claims for its body.
fn media_type(headers: &HeaderMap) -> Result<Option<MediaType>, ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let parsed = MediaType::parse(text);
    parsed.map(Some).map_err(|error| ApiError::invalid(format!("Content-Type: {error}")))
}

/// What the head of a request says of the file that its body is to become.
pub(crate) fn announced(headers: &HeaderMap, path: LogicalPath) -> Result<NewUpload, ApiError> {
    identity_coding(headers)?;
    if headers.contains_key(header::CONTENT_RANGE) {
        // RFC 9110, section 14.4: a part must not be taken for the whole.
        return Err(ApiError::invalid("Content-Range: a file is uploaded as a whole"));
    }
    Ok(NewUpload {
        media_type: media_type(headers)?,
        size: content_length(headers),
        sha256: announced_sha256(headers)?,
        ..NewUpload::new(path)
    })
}

/// Upload a file
///
/// The raw body is the file. Its `Content-Type` is kept as the media type.
#[utoipa::path(
    put, path = "/api/v1/packages/{package}/files/{path}", tag = "files", operation_id = "uploadFile",
    params(
        ("package" = PackageId, Path, description = "The package's id"),
        ("path" = artifact_domain::LogicalPath, Path, description = "The file's path: percent-encoded per segment, slashes stay slashes"),
        ("replace" = Option<bool>, Query, description = "true: a file of this path may be there and is replaced"),
        ("Repr-Digest" = Option<String>, Header, description = "SHA-256 that the body must have (RFC 9530): `sha-256=:<base64>:`"),
        ("Content-Digest" = Option<String>, Header, description = "The same as Repr-Digest"),
    ),
    request_body(content = inline(bytes::Binary), content_type = "application/octet-stream", description = "The bytes of the file, of any media type"),
    responses(
        (status = 201, description = "The stored file", body = FileView,
            headers(("Location" = String, description = "Where the bytes are"))),
        (status = 200, description = "The file that replaced another", body = FileView),
        (status = 404, description = "not-found"),
        (status = 409, description = "duplicate-path, path-conflict, upload-in-progress or wrong-status"),
        (status = 410, description = "package-deleted"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
        (status = 422, description = "digest-mismatch"),
    )
)]
pub(crate) async fn upload(
    caller: Caller<Ingest>,
    settings: web::Data<Settings>,
    metrics: web::Data<Metrics>,
    request: HttpRequest,
    file: FilePath,
    mut query: Query,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let replace = query.flag("replace")?.unwrap_or(false);
    query.finish()?;
    let FilePath { package, path } = file;
    let upload = NewUpload { replace, ..announced(request.headers(), path)? };
    let replaced = replace && caller.file(package, &upload.path).await.is_ok();
    let stored = caller.upload(package, upload, body).await?;
    metrics.received(stored.size);
    let view = FileView::new(stored, package, &settings.public_url);
    let mut response = if replaced { HttpResponse::Ok() } else { HttpResponse::Created() };
    response.insert_header((header::LOCATION, view.links.content.clone()));
    Ok(response.json(view))
}

/// Upload many files as one tar stream
///
/// Each regular file is stored as one upload. Links, devices and names that leave the package are
/// errors of their entry. At most 10,000 files.
#[utoipa::path(
    post, path = "/api/v1/packages/{package}/files:batch", tag = "files", operation_id = "uploadBatch",
    params(("package" = PackageId, Path, description = "The package's id")),
    request_body(content = inline(bytes::Binary), content_type = "application/x-tar", description = "A tar stream"),
    responses(
        (status = 200, description = "Every entry was stored", body = BatchAnswer),
        (status = 207, description = "Some entries were not stored", body = BatchAnswer),
        (status = 404, description = "not-found"),
        (status = 409, description = "wrong-status"),
        (status = 410, description = "package-deleted"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
    )
)]
pub(crate) async fn batch(
    caller: Caller<Ingest>,
    settings: web::Data<Settings>,
    metrics: web::Data<Metrics>,
    request: HttpRequest,
    package: PackagePath,
    _query: NoQuery,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    identity_coding(request.headers())?;
    let tar = media_type(request.headers())?.is_some_and(|given| {
        given
            .as_str()
            .split(';')
            .next()
            .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/x-tar"))
    });
    if !tar {
        let detail = "the body has to be a tar stream: send Content-Type: application/x-tar";
        return Err(ApiError::refuse(ErrorCode::UnsupportedMediaType, detail));
    }
    let report = caller.upload_tar(package.0, body).await?;
    let status = if report.failed.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    let view = |file: FileRecord| {
        metrics.received(file.size);
        FileView::new(file, package.0, &settings.public_url)
    };
    let errors = report.failed.into_iter().map(|entry| EntryError {
        path: entry.path,
        code: entry.code,
        detail: entry.detail,
    });
    Ok(HttpResponse::build(status).json(BatchAnswer {
        files: report.stored.into_iter().map(view).collect(),
        errors: errors.collect(),
    }))
}

/// The files of a package, ordered by path
#[utoipa::path(
    get, path = "/api/v1/packages/{package}/files", tag = "files", operation_id = "listFiles",
    params(
        ("package" = PackageId, Path, description = "The package's id"),
        ("prefix" = Option<String>, Query, description = "Paths begin with this"),
        ("limit" = Option<u32>, Query, description = "How many items at most, 100 if absent", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
    ),
    responses(
        (status = 200, description = "One page", body = Page<FileView>),
        (status = 404, description = "not-found"),
    )
)]
pub(crate) async fn list(
    caller: Caller<Read>,
    settings: web::Data<Settings>,
    package: PackagePath,
    mut query: Query,
) -> Result<HttpResponse, ApiError> {
    let prefix = query.text("prefix")?;
    let (cursor, limit) = page(&mut query)?;
    query.finish()?;
    let page = caller.files(package.0, prefix, cursor, limit).await?;
    let view = |file| FileView::new(file, package.0, &settings.public_url);
    Ok(HttpResponse::Ok().json(page.map(view)))
}

/// Which files need not be sent
///
/// What a resuming client asks before it sends anything.
#[utoipa::path(
    post, path = "/api/v1/packages/{package}/files:check", tag = "files", operation_id = "checkFiles",
    params(("package" = PackageId, Path, description = "The package's id")),
    request_body = CheckFilesRequest,
    responses(
        (status = 200, description = "Every path in one of three lists", body = CheckFilesResponse),
        (status = 404, description = "not-found"),
        (status = 410, description = "package-deleted"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
    )
)]
pub(crate) async fn check(
    caller: Caller<Ingest>,
    package: PackagePath,
    _query: NoQuery,
    request: Json<CheckFilesRequest>,
) -> Result<web::Json<CheckFilesResponse>, ApiError> {
    Ok(web::Json(caller.check_files(package.0, request.0).await?))
}

/// Take a file out of an open package
#[utoipa::path(
    delete, path = "/api/v1/packages/{package}/files/{path}", tag = "files", operation_id = "removeFile",
    params(
        ("package" = PackageId, Path, description = "The package's id"),
        ("path" = artifact_domain::LogicalPath, Path, description = "The file's path"),
    ),
    responses(
        (status = 204, description = "The file is gone"),
        (status = 404, description = "not-found"),
        (status = 409, description = "upload-in-progress or wrong-status"),
        (status = 410, description = "package-deleted"),
    )
)]
pub(crate) async fn remove(
    caller: Caller<Ingest>,
    file: FilePath,
    _query: NoQuery,
) -> Result<HttpResponse, ApiError> {
    caller.remove_file(file.package, &file.path).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The strong tag of bytes.
pub(crate) fn bytes_tag(sha256: &Sha256Digest) -> EntityTag {
    EntityTag::new_strong(format!("sha256:{sha256}"))
}

/// `Repr-Digest` (RFC 9530, section 3): of the whole, also when a part is sent.
pub(crate) fn repr_digest(sha256: &Sha256Digest) -> (HeaderName, String) {
    (REPR_DIGEST, format!("sha-256=:{}:", BASE64.encode(sha256.as_bytes())))
}

fn version(file: &FileRecord) -> Version {
    let seconds = u64::try_from(file.uploaded_at.unix_seconds()).unwrap_or(0);
    let modified = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    Version { etag: bytes_tag(&file.sha256), modified: Some(modified) }
}

/// The headers that say what a file is, whatever part of it is sent.
fn describe(response: &mut HttpResponseBuilder, file: &FileRecord, now: Version, sealed: bool) {
    response
        .insert_header(header::ETag(now.etag))
        .insert_header(repr_digest(&file.sha256))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CONTENT_DISPOSITION, attachment(file.path.file_name())))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // A report that is opened in a browser runs no script in the name of this server.
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox"))
        .insert_header((
            header::CACHE_CONTROL,
            if sealed { "private, immutable" } else { "no-cache" },
        ));
    if let Some(modified) = now.modified {
        response.insert_header(header::LastModified(HttpDate::from(modified)));
    }
}

/// `attachment` with the name in the form that takes every character (RFC 6266, RFC 8187).
pub(crate) fn attachment(name: &str) -> HeaderValue {
    const ENCODED: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let name = percent_encoding::utf8_percent_encode(name, &ENCODED);
    HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{name}"))
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

/// The bytes of a file
///
/// One range is answered with 206; conditional requests are honoured. HEAD is the same without
/// the bytes.
#[utoipa::path(
    get, path = "/api/v1/packages/{package}/files/{path}", tag = "files", operation_id = "readFile",
    params(
        ("package" = PackageId, Path, description = "The package's id"),
        ("path" = artifact_domain::LogicalPath, Path, description = "The file's path"),
        ("Range" = Option<String>, Header, description = "One range of bytes"),
        ("If-Range" = Option<String>, Header, description = "The version that the range is of"),
        ("If-Match" = Option<String>, Header, description = "The version that is wanted"),
        ("If-None-Match" = Option<String>, Header, description = "A version that the client has"),
    ),
    responses(
        (status = 200, description = "All bytes", body = inline(bytes::Binary), content_type = "*/*",
            headers(("ETag" = String, description = "`\"sha256:<hex>\"`"),
                    ("Repr-Digest" = String, description = "SHA-256 of all bytes (RFC 9530)"))),
        (status = 206, description = "The bytes of the range", body = inline(bytes::Binary), content_type = "*/*",
            headers(("Content-Range" = String, description = "Which bytes"))),
        (status = 304, description = "The client has this version"),
        (status = 404, description = "not-found"),
        (status = 410, description = "package-deleted"),
        (status = 412, description = "precondition-failed"),
        (status = 416, description = "range-not-satisfiable"),
    )
)]
pub(crate) async fn read(
    caller: Caller<Read>,
    metrics: web::Data<Metrics>,
    request: HttpRequest,
    file: FilePath,
    _query: NoQuery,
) -> Result<HttpResponse, ApiError> {
    let FilePath { package, path } = file;
    // A range is resolved against a version of the file, and read from that version.
    let mut range = None;
    loop {
        if request.headers().contains_key(header::RANGE) {
            let record = caller.file(package, &path).await?;
            range = conditions::range(&request, &version(&record), record.size).map_err(
                |conditions::OutOfRange| StoreError::RangeNotSatisfiable {
                    path: path.clone(),
                    size: record.size,
                },
            )?;
        }
        let opened = caller.open_file(package, &path, range.clone()).await?;
        let record = &opened.record;
        let now = version(record);
        let outcome = conditions::evaluate(&request, &now)?;
        if outcome == Outcome::NotModified {
            let mut response = HttpResponse::NotModified();
            describe(&mut response, record, now, opened.sealed);
            return Ok(response.finish());
        }
        if range.is_some() {
            let again = conditions::range(&request, &now, record.size);
            if again != Ok(range.clone()) {
                continue;
            }
        }
        return Ok(send(&request, opened, range, now, &metrics).await?);
    }
}

async fn send(
    request: &HttpRequest,
    file: OpenFile,
    range: Option<std::ops::Range<u64>>,
    now: Version,
    metrics: &web::Data<Metrics>,
) -> Result<HttpResponse, StoreError> {
    let OpenFile { record, sealed, bytes: stream } = file;
    let mut response = HttpResponse::Ok();
    let length = match &range {
        None => record.size,
        Some(range) => {
            let (first, last) = (range.start, range.end - 1);
            response.status(StatusCode::PARTIAL_CONTENT);
            response.insert_header((
                header::CONTENT_RANGE,
                format!("bytes {first}-{last}/{}", record.size),
            ));
            range.end - range.start
        }
    };
    describe(&mut response, &record, now, sealed);
    response.content_type(record.media_type.as_str());
    if request.method() == Method::HEAD {
        return Ok(response.body(HeadOnly(length)));
    }
    bytes::send(response, length, stream, metrics.clone()).await
}
