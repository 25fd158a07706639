//! Packages: create, look up, list, update, fail.

use actix_web::http::header::{self, EntityTag};
use actix_web::{HttpRequest, HttpResponse, web};
use artifact_domain::Package;
use artifact_domain::filter::{PackageFilter, PageLimit};
use artifact_domain::label::Labels;
use artifact_domain::name::{LabelKey, LabelValue};
use artifact_domain::wire::{
    CreatePackage, ErrorCode, FailPackage, PackageView, Page, Summary, UpdatePackage,
};

use super::{get, resource};
use crate::gateway::Settings;
use crate::gateway::caller::{Caller, Ingest, Read};
use crate::gateway::conditions;
use crate::gateway::extract::{Json, NoQuery, PackagePath, Query};
use crate::gateway::problem::ApiError;

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.service(
        resource("/packages", "GET, HEAD, POST")
            .route(get().to(list))
            .route(web::post().to(create)),
    )
    .service(
        resource("/packages/{package}", "GET, HEAD, PATCH")
            .route(get().to(package))
            .route(web::patch().to(update)),
    )
    .service(resource("/packages/{package}/fail", "POST").route(web::post().to(fail)))
    .service(resource("/packages/{package}/summary", "GET, HEAD").route(get().to(summary)));
}

/// The strong tag of a package: every change counts its revision up.
pub(crate) fn etag(package: &Package) -> EntityTag {
    EntityTag::new_strong(package.revision.to_string())
}

/// A package as an answer, with its tag.
pub(crate) fn answer(
    mut response: actix_web::HttpResponseBuilder,
    package: Package,
    settings: &Settings,
) -> HttpResponse {
    response
        .insert_header(header::ETag(etag(&package)))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .json(PackageView::new(package, &settings.public_url))
}

/// Announce a package
///
/// Files are uploaded to it next; finalize seals it.
#[utoipa::path(
    post, path = "/api/v1/packages", tag = "packages", operation_id = "createPackage",
    request_body = CreatePackage,
    responses(
        (status = 201, description = "The package", body = PackageView,
            headers(("Location" = String, description = "The package's path"),
                    ("ETag" = String, description = "The package's revision"))),
        (status = 409, description = "package-exists"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
    )
)]
pub(crate) async fn create(
    caller: Caller<Ingest>,
    settings: web::Data<Settings>,
    _query: NoQuery,
    request: Json<CreatePackage>,
) -> Result<HttpResponse, ApiError> {
    let package = caller.create_package(request.0).await?;
    let location = artifact_domain::wire::PackageLinks::new(&settings.public_url, package.id).this;
    let mut response = HttpResponse::Created();
    response.insert_header((header::LOCATION, location));
    Ok(answer(response, package, &settings))
}

/// One package
///
/// A deleted package still answers, with its tombstone fields.
#[utoipa::path(
    get, path = "/api/v1/packages/{package}", tag = "packages", operation_id = "getPackage",
    params(
        ("package" = artifact_domain::PackageId, Path, description = "The package's id"),
        ("If-None-Match" = Option<String>, Header, description = "A revision that the client has"),
    ),
    responses(
        (status = 200, description = "The package", body = PackageView,
            headers(("ETag" = String, description = "The package's revision"))),
        (status = 304, description = "The client has this revision"),
        (status = 404, description = "not-found"),
        (status = 412, description = "precondition-failed"),
    )
)]
pub(crate) async fn package(
    caller: Caller<Read>,
    settings: web::Data<Settings>,
    request: HttpRequest,
    package: PackagePath,
    _query: NoQuery,
) -> Result<HttpResponse, ApiError> {
    let package = caller.package(package.0).await?;
    let now = conditions::Version { etag: etag(&package), modified: None };
    if conditions::evaluate(&request, &now)? == conditions::Outcome::NotModified {
        return Ok(HttpResponse::NotModified().insert_header(header::ETag(now.etag)).finish());
    }
    Ok(answer(HttpResponse::Ok(), package, &settings))
}

/// How many items, and from where: what every list takes.
pub(crate) fn page(query: &mut Query) -> Result<(Option<String>, PageLimit), ApiError> {
    let limit = match query.one::<u64>("limit")? {
        None => PageLimit::default(),
        Some(limit) => {
            PageLimit::new(limit).map_err(|error| ApiError::invalid(format!("limit: {error}")))?
        }
    };
    Ok((query.text("cursor")?, limit))
}

fn filter(query: &mut Query) -> Result<PackageFilter, ApiError> {
    let mut labels = std::collections::BTreeMap::new();
    for (name, value) in query.all(|name| name.starts_with("label.")) {
        let key = name.trim_start_matches("label.");
        let key = LabelKey::parse(key).map_err(|error| ApiError::invalid(error.to_string()))?;
        let value = LabelValue::parse(value)
            .map_err(|error| ApiError::invalid(format!("{name}: {error}")))?;
        if let Some(other) = labels.insert(key, value.clone())
            && other != value
        {
            let detail = format!("{name} is given with two values: no package has both");
            return Err(ApiError::invalid(detail));
        }
    }
    Ok(PackageFilter {
        status: query.one("status")?,
        producer: query.one("producer")?,
        kind: query.one("kind")?,
        external_id: query.one("external_id")?,
        retention_class: query.one("retention_class")?,
        on_hold: query.flag("on_hold")?,
        labels: Labels::new(labels).map_err(|error| ApiError::invalid(error.to_string()))?,
        created_after: query.one("created_after")?,
        created_before: query.one("created_before")?,
        expires_after: query.one("expires_after")?,
        expires_before: query.one("expires_before")?,
        eligible: query.flag("eligible")?.unwrap_or(false),
    })
}

/// Packages, newest first
///
/// Filters combine with AND. `label.<key>=<value>` may be given several times.
#[utoipa::path(
    get, path = "/api/v1/packages", tag = "packages", operation_id = "listPackages",
    params(
        ("limit" = Option<u32>, Query, description = "How many items at most, 100 if absent", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("status" = Option<artifact_domain::PackageStatus>, Query, description = "Has this status"),
        ("producer" = Option<artifact_domain::name::Producer>, Query, description = "Was made by this producer"),
        ("kind" = Option<artifact_domain::name::Kind>, Query, description = "Is of this kind"),
        ("external_id" = Option<artifact_domain::name::ExternalId>, Query, description = "Has this id at its producer"),
        ("retention_class" = Option<artifact_domain::name::RetentionClassName>, Query, description = "Is in this class"),
        ("on_hold" = Option<bool>, Query, description = "Is, or is not, under a legal hold"),
        ("created_after" = Option<artifact_domain::Timestamp>, Query, description = "Was created after this time"),
        ("created_before" = Option<artifact_domain::Timestamp>, Query, description = "Was created before this time"),
        ("expires_after" = Option<artifact_domain::Timestamp>, Query, description = "Expires after this time; what never expires does"),
        ("expires_before" = Option<artifact_domain::Timestamp>, Query, description = "Expires before this time"),
        ("eligible" = Option<bool>, Query, description = "true: may be deleted now"),
    ),
    responses((status = 200, description = "One page", body = Page<PackageView>))
)]
pub(crate) async fn list(
    caller: Caller<Read>,
    settings: web::Data<Settings>,
    mut query: Query,
) -> Result<HttpResponse, ApiError> {
    let (cursor, limit) = page(&mut query)?;
    let filter = filter(&mut query)?;
    query.finish()?;
    let page = caller.packages(filter, cursor, limit).await?;
    Ok(HttpResponse::Ok().json(page.map(|package| PackageView::new(package, &settings.public_url))))
}

/// Change a package's title or labels
#[utoipa::path(
    patch, path = "/api/v1/packages/{package}", tag = "packages", operation_id = "updatePackage",
    params(
        ("package" = artifact_domain::PackageId, Path, description = "The package's id"),
        ("If-Match" = Option<String>, Header, description = "The revision that is to be changed"),
    ),
    request_body = UpdatePackage,
    responses(
        (status = 200, description = "The package as it is now", body = PackageView,
            headers(("ETag" = String, description = "The package's revision"))),
        (status = 404, description = "not-found"),
        (status = 409, description = "wrong-status"),
        (status = 410, description = "package-deleted"),
        (status = 412, description = "precondition-failed"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
    )
)]
pub(crate) async fn update(
    caller: Caller<Ingest>,
    settings: web::Data<Settings>,
    request: HttpRequest,
    package: PackagePath,
    _query: NoQuery,
    change: Json<UpdatePackage>,
) -> Result<HttpResponse, ApiError> {
    let mut expected = None;
    if request.headers().contains_key(header::IF_MATCH) {
        let now = caller.package(package.0).await?;
        if conditions::if_match(&request, &etag(&now))? == Some(false) {
            let detail =
                format!("If-Match does not hold: package {} is {} now", now.id, etag(&now));
            return Err(ApiError::refuse(ErrorCode::PreconditionFailed, detail));
        }
        expected = Some(now.revision);
    }
    let package = caller.update_package(package.0, change.0, expected).await?;
    Ok(answer(HttpResponse::Ok(), package, &settings))
}

/// Give a package up
#[utoipa::path(
    post, path = "/api/v1/packages/{package}/fail", tag = "packages", operation_id = "failPackage",
    params(("package" = artifact_domain::PackageId, Path, description = "The package's id")),
    request_body = FailPackage,
    responses(
        (status = 200, description = "The failed package", body = PackageView,
            headers(("ETag" = String, description = "The package's revision"))),
        (status = 404, description = "not-found"),
        (status = 409, description = "wrong-status"),
        (status = 410, description = "package-deleted"),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
    )
)]
pub(crate) async fn fail(
    caller: Caller<Ingest>,
    settings: web::Data<Settings>,
    package: PackagePath,
    _query: NoQuery,
    request: Json<FailPackage>,
) -> Result<HttpResponse, ApiError> {
    let package = caller.fail_package(package.0, request.0.reason).await?;
    Ok(answer(HttpResponse::Ok(), package, &settings))
}

/// The record for a tracker
///
/// What a tracker such as Statehub records beside its own. Never bytes.
#[utoipa::path(
    get, path = "/api/v1/packages/{package}/summary", tag = "packages", operation_id = "getSummary",
    params(("package" = artifact_domain::PackageId, Path, description = "The package's id")),
    responses(
        (status = 200, description = "The summary", body = Summary),
        (status = 404, description = "not-found"),
    )
)]
pub(crate) async fn summary(
    caller: Caller<Read>,
    settings: web::Data<Settings>,
    package: PackagePath,
    _query: NoQuery,
) -> Result<HttpResponse, ApiError> {
    let summary = caller.summary(package.0).await?;
    let url = artifact_domain::wire::PackageLinks::new(&settings.public_url, package.0).this;
    Ok(HttpResponse::Ok().json(Summary { url: Some(url), ..summary }))
}
