//! What an operator's tools ask for: is it alive, is it ready, what does it count.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use artifact_domain::wire::ErrorCode;

use super::{get, root_resource};
use crate::gateway::caller::{Caller, Door, Read};
use crate::gateway::extract::NoQuery;
use crate::gateway::metrics::Metrics;
use crate::gateway::problem::ApiError;
use crate::gateway::readiness::{Readiness, ReadinessCache};

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.service(root_resource("/healthz", "GET, HEAD").route(get().to(healthz)))
        .service(root_resource("/readyz", "GET, HEAD").route(get().to(readyz)))
        .service(root_resource("/metrics", "GET, HEAD").route(get().to(metrics)));
}

/// That the process answers.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct Alive {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Is the process alive?
#[utoipa::path(
    get, path = "/healthz", tag = "operations", operation_id = "getHealth",
    responses((status = 200, description = "It is", body = Alive))
)]
pub(crate) async fn healthz(_query: NoQuery) -> web::Json<Alive> {
    web::Json(Alive { status: "ok" })
}

/// Can it do its work?
///
/// The storage probe writes, reads and deletes one small object. Answers are a few seconds old at
/// most.
#[utoipa::path(
    get, path = "/readyz", tag = "operations", operation_id = "getReadiness",
    responses(
        (status = 200, description = "Every part works", body = Readiness),
        (status = 503, description = "A part is down", body = Readiness),
    )
)]
pub(crate) async fn readyz(
    door: web::Data<Door>,
    metrics: web::Data<Metrics>,
    cache: web::Data<ReadinessCache>,
    _query: NoQuery,
) -> HttpResponse {
    let readiness = cache.ask(&door, &metrics).await;
    let status =
        if readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).json(readiness)
}

/// Numbers for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "getMetrics",
    responses((status = 200, description = "OpenMetrics text", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"))
)]
pub(crate) async fn metrics(
    caller: Caller<Read>,
    metrics: web::Data<Metrics>,
    _query: NoQuery,
) -> Result<HttpResponse, ApiError> {
    metrics.leads(caller.leads());
    let text = metrics.text();
    let text = text.map_err(|error| ApiError::refuse(ErrorCode::Internal, error.to_string()))?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(text))
}
