//! Retention: what a package is promised, holds, deletion.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use artifact_domain::PackageId;
use artifact_domain::event::RetentionEvent;
use artifact_domain::id::HoldId;
use artifact_domain::retention::DeletionReceipt;
use artifact_domain::wire::{
    ChangeRetentionClass, DeletePackage, DeletionCandidate, ExtendRetention, HoldView, Page,
    PlaceHold, ReleaseHold, RetentionView,
};

use super::packages::page;
use super::{get, resource};
use crate::gateway::caller::{Caller, Delete, Read, Retain};
use crate::gateway::extract::{HoldPath, Json, NoQuery, PackagePath, Query};
use crate::gateway::problem::ApiError;

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.service(resource("/packages/{package}/retention", "GET, HEAD").route(get().to(retention)))
        .service(
            resource("/packages/{package}/retention/events", "GET, HEAD").route(get().to(events)),
        )
        .service(
            resource("/packages/{package}/retention/extend", "POST").route(web::post().to(extend)),
        )
        .service(
            resource("/packages/{package}/retention/class", "PUT")
                .route(web::put().to(change_class)),
        )
        .service(
            resource("/packages/{package}/holds", "GET, HEAD, POST")
                .route(get().to(holds))
                .route(web::post().to(place_hold)),
        )
        .service(
            resource("/packages/{package}/holds/{hold}/release", "POST")
                .route(web::post().to(release_hold)),
        )
        .service(resource("/packages/{package}/delete", "POST").route(web::post().to(delete)))
        .service(resource("/packages/{package}/deletion", "GET, HEAD").route(get().to(deletion)))
        .service(resource("/deletion-candidates", "GET, HEAD").route(get().to(candidates)));
}

/// An answer that tomorrow is another one.
fn ok(body: impl serde::Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-cache")).json(body)
}

/// What a package is promised, explained
///
/// `eligible` says whether the package could be deleted at `at`; `reasons` has each rule that was
/// consulted and what it said. The holds are those that are active now.
#[utoipa::path(
    get, path = "/api/v1/packages/{package}/retention", tag = "retention", operation_id = "getRetention",
    params(
        ("package" = PackageId, Path, description = "The package's id"),
        ("at" = Option<artifact_domain::Timestamp>, Query, description = "For this time instead of now"),
    ),
    responses(
        (status = 200, description = "The promise and the decision", body = RetentionView),
        (status = 404, description = "not-found"),
    )
)]
pub(crate) async fn retention(
    caller: Caller<Read>,
    package: PackagePath,
    mut query: Query,
) -> Result<HttpResponse, ApiError> {
    let at = query.one("at")?;
    query.finish()?;
    Ok(ok(caller.retention(package.0, at).await?))
}

/// How a package's retention came to be, oldest first
#[utoipa::path(
    get, path = "/api/v1/packages/{package}/retention/events", tag = "retention",
    operation_id = "getRetentionEvents",
    params(
        ("package" = PackageId, Path, description = "The package's id"),
        ("limit" = Option<u32>, Query, description = "How many items at most, 100 if absent", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
    ),
    responses(
        (status = 200, description = "One page", body = Page<RetentionEvent>),
        (status = 404, description = "not-found"),
    )
)]
pub(crate) async fn events(
    caller: Caller<Read>,
    package: PackagePath,
    mut query: Query,
) -> Result<HttpResponse, ApiError> {
    let (cursor, limit) = page(&mut query)?;
    query.finish()?;
    Ok(ok(caller.retention_events(package.0, cursor, limit).await?))
}

/// Keep a package for longer
///
/// Exactly one of `expires_at`, `days` (beyond the present expiry) and `permanent`. What is
/// promised is never shortened; the present expiry again is no change.
#[utoipa::path(
    post, path = "/api/v1/packages/{package}/retention/extend", tag = "retention",
    operation_id = "extendRetention",
    params(("package" = PackageId, Path, description = "The package's id")),
    request_body = ExtendRetention,
    responses(
        (status = 200, description = "The retention as it is now", body = RetentionView),
        (status = 404, description = "not-found"),
        (status = 409, description = "retention-shortened"),
        (status = 410, description = "package-deleted"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
    )
)]
pub(crate) async fn extend(
    caller: Caller<Retain>,
    package: PackagePath,
    _query: NoQuery,
    request: Json<ExtendRetention>,
) -> Result<HttpResponse, ApiError> {
    Ok(ok(caller.extend_retention(package.0, request.0).await?))
}

/// Put a package into another class
///
/// The expiry is then what the class gives from the package's finalize, or from its creation
/// while it is open; an earlier one than the present is refused.
#[utoipa::path(
    put, path = "/api/v1/packages/{package}/retention/class", tag = "retention",
    operation_id = "changeRetentionClass",
    params(("package" = PackageId, Path, description = "The package's id")),
    request_body = ChangeRetentionClass,
    responses(
        (status = 200, description = "The retention as it is now", body = RetentionView),
        (status = 404, description = "not-found"),
        (status = 409, description = "retention-shortened"),
        (status = 410, description = "package-deleted"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
    )
)]
pub(crate) async fn change_class(
    caller: Caller<Retain>,
    package: PackagePath,
    _query: NoQuery,
    request: Json<ChangeRetentionClass>,
) -> Result<HttpResponse, ApiError> {
    Ok(ok(caller.change_retention_class(package.0, request.0).await?))
}

/// The holds of a package
///
/// Active and released ones, in the order in which they were placed.
#[utoipa::path(
    get, path = "/api/v1/packages/{package}/holds", tag = "retention", operation_id = "listHolds",
    params(
        ("package" = PackageId, Path, description = "The package's id"),
        ("limit" = Option<u32>, Query, description = "How many items at most, 100 if absent", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
    ),
    responses(
        (status = 200, description = "One page", body = Page<HoldView>),
        (status = 404, description = "not-found"),
    )
)]
pub(crate) async fn holds(
    caller: Caller<Read>,
    package: PackagePath,
    mut query: Query,
) -> Result<HttpResponse, ApiError> {
    let (cursor, limit) = page(&mut query)?;
    query.finish()?;
    Ok(ok(caller.holds(package.0, cursor, limit).await?.map(HoldView::from)))
}

/// Place a legal hold
///
/// While any hold is active nothing deletes the package, whatever its expiry says.
#[utoipa::path(
    post, path = "/api/v1/packages/{package}/holds", tag = "retention", operation_id = "placeHold",
    params(("package" = PackageId, Path, description = "The package's id")),
    request_body = PlaceHold,
    responses(
        (status = 201, description = "The hold", body = HoldView),
        (status = 404, description = "not-found"),
        (status = 410, description = "package-deleted"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
    )
)]
pub(crate) async fn place_hold(
    caller: Caller<Retain>,
    package: PackagePath,
    _query: NoQuery,
    request: Json<PlaceHold>,
) -> Result<HttpResponse, ApiError> {
    let hold = caller.place_hold(package.0, request.0).await?;
    Ok(HttpResponse::Created().json(HoldView::from(hold)))
}

/// Release a legal hold
///
/// It stays on record. The expiry does not move: a package that expired meanwhile may be deleted
/// from now on, unless another hold is active.
#[utoipa::path(
    post, path = "/api/v1/packages/{package}/holds/{hold}/release", tag = "retention",
    operation_id = "releaseHold",
    params(
        ("package" = PackageId, Path, description = "The package's id"),
        ("hold" = HoldId, Path, description = "The hold's id"),
    ),
    request_body = ReleaseHold,
    responses(
        (status = 200, description = "The hold as it is now", body = HoldView),
        (status = 404, description = "not-found"),
        (status = 409, description = "wrong-status, if it was released before"),
        (status = 410, description = "package-deleted"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
    )
)]
pub(crate) async fn release_hold(
    caller: Caller<Retain>,
    hold: HoldPath,
    _query: NoQuery,
    request: Json<ReleaseHold>,
) -> Result<HttpResponse, ApiError> {
    let hold = caller.release_hold(hold.package, hold.hold, request.0.reason).await?;
    Ok(ok(HoldView::from(hold)))
}

/// Delete a package that nothing protects
///
/// Its record stays as a tombstone and its bytes go. With `dry_run` nothing is deleted: the answer
/// is what it would be.
#[utoipa::path(
    post, path = "/api/v1/packages/{package}/delete", tag = "retention",
    operation_id = "deletePackage",
    params(("package" = PackageId, Path, description = "The package's id")),
    request_body = DeletePackage,
    responses(
        (status = 200, description = "The receipt", body = DeletionReceipt),
        (status = 404, description = "not-found"),
        (status = 409, description = "not-eligible"),
        (status = 410, description = "package-deleted"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
        (status = 503, description = "storage-unavailable"),
    )
)]
pub(crate) async fn delete(
    caller: Caller<Delete>,
    package: PackagePath,
    _query: NoQuery,
    request: Json<DeletePackage>,
) -> Result<HttpResponse, ApiError> {
    Ok(ok(caller.delete_package(package.0, request.0).await?))
}

/// The receipt of a deletion
#[utoipa::path(
    get, path = "/api/v1/packages/{package}/deletion", tag = "retention",
    operation_id = "getDeletion",
    params(("package" = PackageId, Path, description = "The package's id")),
    responses(
        (status = 200, description = "The receipt", body = DeletionReceipt),
        (status = 404, description = "not-found, also before the package is deleted"),
    )
)]
pub(crate) async fn deletion(
    caller: Caller<Read>,
    package: PackagePath,
    _query: NoQuery,
) -> Result<HttpResponse, ApiError> {
    Ok(ok(caller.deletion(package.0).await?))
}

/// What may be deleted now, oldest expiry first
///
/// Nothing of it is deleted by itself, ever: deleting is a call of its own for each package.
#[utoipa::path(
    get, path = "/api/v1/deletion-candidates", tag = "retention",
    operation_id = "listDeletionCandidates",
    params(
        ("limit" = Option<u32>, Query, description = "How many items at most, 100 if absent", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
    ),
    responses((status = 200, description = "One page", body = Page<DeletionCandidate>))
)]
pub(crate) async fn candidates(
    caller: Caller<Read>,
    mut query: Query,
) -> Result<HttpResponse, ApiError> {
    let (cursor, limit) = page(&mut query)?;
    query.finish()?;
    Ok(ok(caller.deletion_candidates(cursor, limit).await?))
}
