//! Finalize, and what a sealed package gives away as a whole: its manifest and its archive.

use actix_web::http::Method;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use artifact_domain::PackageId;
use artifact_domain::manifest::Manifest;
use artifact_domain::wire::{FinalizePackage, PackageView};
use artifact_store::ArchiveFormat;

use super::files::{attachment, bytes_tag, repr_digest};
use super::packages::answer;
use super::{get, resource};
use crate::gateway::Settings;
use crate::gateway::bytes;
use crate::gateway::caller::{Caller, Ingest, Read};
use crate::gateway::conditions::{self, Outcome, Version};
use crate::gateway::extract::{NoQuery, OptionalJson, PackagePath, Query};
use crate::gateway::metrics::Metrics;
use crate::gateway::problem::ApiError;

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.service(resource("/packages/{package}/finalize", "POST").route(web::post().to(finalize)))
        .service(resource("/packages/{package}/manifest", "GET, HEAD").route(get().to(manifest)))
        .service(resource("/packages/{package}/archive", "GET, HEAD").route(get().to(archive)));
}

/// Seal a package
///
/// When this answers 200 every byte, the manifest and the record survive a power loss. Again on a
/// sealed package answers the same package.
#[utoipa::path(
    post, path = "/api/v1/packages/{package}/finalize", tag = "seal", operation_id = "finalizePackage",
    params(("package" = PackageId, Path, description = "The package's id")),
    request_body(content = Option<FinalizePackage>, description = "What the client believes it sent; each member is checked if given"),
    responses(
        (status = 200, description = "The sealed package", body = PackageView,
            headers(("ETag" = String, description = "The package's revision"))),
        (status = 404, description = "not-found"),
        (status = 409, description = "incomplete-package, upload-in-progress or wrong-status"),
        (status = 410, description = "package-deleted"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
        (status = 422, description = "digest-mismatch or empty-package"),
    )
)]
pub(crate) async fn finalize(
    caller: Caller<Ingest>,
    settings: web::Data<Settings>,
    package: PackagePath,
    _query: NoQuery,
    sent: OptionalJson<FinalizePackage>,
) -> Result<HttpResponse, ApiError> {
    let package = caller.finalize(package.0, sent.0).await?;
    Ok(answer(HttpResponse::Ok(), package, &settings))
}

/// The manifest of a sealed package
///
/// RFC 8785 canonical JSON; its SHA-256 is the package's `manifest_sha256`. It never changes.
#[utoipa::path(
    get, path = "/api/v1/packages/{package}/manifest", tag = "seal", operation_id = "getManifest",
    params(
        ("package" = PackageId, Path, description = "The package's id"),
        ("If-None-Match" = Option<String>, Header, description = "A version that the client has"),
    ),
    responses(
        (status = 200, description = "The manifest", body = Manifest,
            headers(("ETag" = String, description = "`\"sha256:<hex>\"`"),
                    ("Repr-Digest" = String, description = "SHA-256 of the bytes (RFC 9530)"))),
        (status = 304, description = "The client has it"),
        (status = 404, description = "not-found"),
        (status = 409, description = "wrong-status"),
        (status = 412, description = "precondition-failed"),
    )
)]
pub(crate) async fn manifest(
    caller: Caller<Read>,
    metrics: web::Data<Metrics>,
    request: HttpRequest,
    package: PackagePath,
    _query: NoQuery,
) -> Result<HttpResponse, ApiError> {
    let manifest = caller.manifest(package.0).await?;
    let now = Version { etag: bytes_tag(&manifest.sha256), modified: None };
    let outcome = conditions::evaluate(&request, &now)?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header(header::ETag(now.etag))
        .insert_header(repr_digest(&manifest.sha256))
        .insert_header((header::CACHE_CONTROL, "private, immutable"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if outcome == Outcome::NotModified {
        response.status(actix_web::http::StatusCode::NOT_MODIFIED);
        return Ok(response.finish());
    }
    response.content_type("application/json");
    Ok(bytes::send_chunked(response, manifest.bytes, metrics).await?)
}

fn format(query: &mut Query) -> Result<ArchiveFormat, ApiError> {
    match query.text("format")?.as_deref() {
        None | Some("tar") => Ok(ArchiveFormat::Tar),
        Some("zip") => Ok(ArchiveFormat::Zip),
        Some(other) => Err(ApiError::invalid(format!("format: {other:?} is not tar or zip"))),
    }
}

/// All of a sealed package in one stream
///
/// The whole bag under one folder named by the package's id: the same bytes every time.
#[utoipa::path(
    get, path = "/api/v1/packages/{package}/archive", tag = "seal", operation_id = "getArchive",
    params(
        ("package" = PackageId, Path, description = "The package's id"),
        ("format" = Option<ArchiveName>, Query, description = "tar if absent"),
    ),
    responses(
        (status = 200, description = "The archive", content(
            (inline(bytes::Binary) = "application/x-tar"), (inline(bytes::Binary) = "application/zip"))),
        (status = 404, description = "not-found"),
        (status = 409, description = "wrong-status"),
        (status = 410, description = "package-deleted"),
    )
)]
pub(crate) async fn archive(
    caller: Caller<Read>,
    metrics: web::Data<Metrics>,
    request: HttpRequest,
    package: PackagePath,
    mut query: Query,
) -> Result<HttpResponse, ApiError> {
    let format = format(&mut query)?;
    query.finish()?;
    let (media_type, extension) = match format {
        ArchiveFormat::Tar => ("application/x-tar", "tar"),
        ArchiveFormat::Zip => ("application/zip", "zip"),
    };
    let archive = caller.archive(package.0, format).await?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(media_type)
        .insert_header((
            header::CONTENT_DISPOSITION,
            attachment(&format!("{}.{extension}", package.0)),
        ))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "private, immutable"));
    if request.method() == Method::HEAD {
        // Nobody reads it: it is not written either.
        return Ok(response.streaming(futures::stream::empty::<Result<_, std::io::Error>>()));
    }
    Ok(bytes::send_chunked(response, archive, metrics).await?)
}

/// The format of an archive, for the description of the interface.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "requests are read by `format`")]
pub(crate) enum ArchiveName {
    /// POSIX tar with GNU long names.
    Tar,
    /// Zip with stored entries.
    Zip,
}
