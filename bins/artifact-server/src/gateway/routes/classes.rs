//! Retention classes, and the clock that they are measured by.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use artifact_domain::name::RetentionClassName;
use artifact_domain::wire::{
    AcknowledgeClock, ClockView, Page, PutRetentionClass, RetentionClassView,
};

use super::{get, resource};
use crate::gateway::caller::{Admin, Caller, Read};
use crate::gateway::extract::{ClassPath, Json, NoQuery};
use crate::gateway::problem::ApiError;

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.service(resource("/retention-classes", "GET, HEAD").route(get().to(classes)))
        .service(resource("/retention-classes/{class}", "PUT").route(web::put().to(put_class)))
        .service(resource("/clock", "GET, HEAD").route(get().to(clock)))
        .service(resource("/clock/acknowledge", "POST").route(web::post().to(acknowledge_clock)));
}

/// The retention classes
///
/// Each in the version that is for packages to come; there is one page.
#[utoipa::path(
    get, path = "/api/v1/retention-classes", tag = "retention", operation_id = "listRetentionClasses",
    responses((status = 200, description = "All of them, by name", body = Page<RetentionClassView>))
)]
pub(crate) async fn classes(
    caller: Caller<Read>,
    _query: NoQuery,
) -> Result<HttpResponse, ApiError> {
    let rules = caller.retention_classes().await?;
    let items = rules.into_iter().map(RetentionClassView::from).collect();
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .json(Page { items, next_cursor: None }))
}

/// Add or change a retention class
///
/// For packages to come: those that are there keep the version that they have.
#[utoipa::path(
    put, path = "/api/v1/retention-classes/{class}", tag = "retention",
    operation_id = "putRetentionClass",
    params(("class" = RetentionClassName, Path, description = "The class's name")),
    request_body = PutRetentionClass,
    responses(
        (status = 200, description = "The class was changed", body = RetentionClassView),
        (status = 201, description = "The class was added", body = RetentionClassView),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
    )
)]
pub(crate) async fn put_class(
    caller: Caller<Admin>,
    class: ClassPath,
    _query: NoQuery,
    request: Json<PutRetentionClass>,
) -> Result<HttpResponse, ApiError> {
    let put = caller.put_retention_class(class.0, request.0).await?;
    let mut answer = if put.added { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(RetentionClassView::from(put.rule)))
}

/// Whether the clock is trusted with deleting
#[utoipa::path(
    get, path = "/api/v1/clock", tag = "retention", operation_id = "getClock",
    responses((status = 200, description = "What its guard last found", body = ClockView))
)]
pub(crate) async fn clock(caller: Caller<Read>, _query: NoQuery) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .json(caller.clock().await?))
}

/// Say that the clock is right as it is now
///
/// Deletion is allowed again.
#[utoipa::path(
    post, path = "/api/v1/clock/acknowledge", tag = "retention", operation_id = "acknowledgeClock",
    request_body = AcknowledgeClock,
    responses(
        (status = 200, description = "The clock as it is now", body = ClockView),
        (status = 408, description = "request-timeout"),
        (status = 413, description = "payload-too-large"),
        (status = 415, description = "unsupported-media-type"),
    )
)]
pub(crate) async fn acknowledge_clock(
    caller: Caller<Admin>,
    _query: NoQuery,
    request: Json<AcknowledgeClock>,
) -> Result<HttpResponse, ApiError> {
    Ok(HttpResponse::Ok().json(caller.acknowledge_clock(request.0.reason).await?))
}
