//! What was done: audit trails and retention events.

use actix_web::{HttpResponse, web};
use artifact_domain::PackageId;
use artifact_domain::event::{AuditAction, AuditEvent};
use artifact_domain::filter::AuditFilter;
use artifact_domain::wire::Page;

use super::packages::page;
use super::{get, resource};
use crate::gateway::caller::{Admin, Caller, Read};
use crate::gateway::extract::{PackagePath, Query};
use crate::gateway::problem::ApiError;

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.service(resource("/packages/{package}/audit", "GET, HEAD").route(get().to(of_package)))
        .service(resource("/audit", "GET, HEAD").route(get().to(all)));
}

fn filter(query: &mut Query, package: Option<PackageId>) -> Result<AuditFilter, ApiError> {
    let action = |name: String| {
        AuditAction::from_name(&name).ok_or_else(|| {
            let known = AuditAction::ALL.map(AuditAction::as_str).join(", ");
            ApiError::invalid(format!("action: {name:?} is none of {known}"))
        })
    };
    Ok(AuditFilter {
        package,
        action: query.text("action")?.map(action).transpose()?,
        actor: query.one("actor")?,
        after: query.one("after")?,
        before: query.one("before")?,
    })
}

/// What was done to a package, oldest first
#[utoipa::path(
    get, path = "/api/v1/packages/{package}/audit", tag = "audit", operation_id = "getPackageAudit",
    params(
        ("package" = PackageId, Path, description = "The package's id"),
        ("action" = Option<AuditAction>, Query, description = "This was done"),
        ("actor" = Option<artifact_domain::name::Actor>, Query, description = "By this actor"),
        ("after" = Option<artifact_domain::Timestamp>, Query, description = "After this time"),
        ("before" = Option<artifact_domain::Timestamp>, Query, description = "Before this time"),
        ("limit" = Option<u32>, Query, description = "How many items at most, 100 if absent", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
    ),
    responses(
        (status = 200, description = "One page", body = Page<AuditEvent>),
        (status = 404, description = "not-found"),
    )
)]
pub(crate) async fn of_package(
    caller: Caller<Read>,
    package: PackagePath,
    mut query: Query,
) -> Result<HttpResponse, ApiError> {
    let filter = filter(&mut query, Some(package.0))?;
    let (cursor, limit) = page(&mut query)?;
    query.finish()?;
    Ok(HttpResponse::Ok().json(caller.audit(filter, cursor, limit).await?))
}

/// What was done, oldest first
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", operation_id = "getAudit",
    params(
        ("action" = Option<AuditAction>, Query, description = "This was done"),
        ("actor" = Option<artifact_domain::name::Actor>, Query, description = "By this actor"),
        ("after" = Option<artifact_domain::Timestamp>, Query, description = "After this time"),
        ("before" = Option<artifact_domain::Timestamp>, Query, description = "Before this time"),
        ("limit" = Option<u32>, Query, description = "How many items at most, 100 if absent", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
    ),
    responses((status = 200, description = "One page", body = Page<AuditEvent>))
)]
pub(crate) async fn all(caller: Caller<Admin>, mut query: Query) -> Result<HttpResponse, ApiError> {
    let filter = filter(&mut query, None)?;
    let (cursor, limit) = page(&mut query)?;
    query.finish()?;
    Ok(HttpResponse::Ok().json(caller.audit(filter, cursor, limit).await?))
}
