//! The description of the interface, for programs and for people.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use artifact_domain::wire::ErrorCode;
use utoipa_swagger_ui::Config;

use super::{get, root_resource};
use crate::gateway::caller::{Caller, Read};
use crate::gateway::extract::NoQuery;
use crate::gateway::openapi;
use crate::gateway::problem::ApiError;

pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.service(root_resource("/openapi.json", "GET, HEAD").route(get().to(description)))
        .service(root_resource("/docs", "GET, HEAD").route(get().to(to_page)))
        .service(root_resource("/docs/{file:.*}", "GET, HEAD").route(get().to(page)));
}

/// The description of this interface (OpenAPI 3.1)
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations", operation_id = "getDescription",
    responses((status = 200, description = "This document", body = serde_json::Value, content_type = "application/json"))
)]
pub(crate) async fn description(
    _caller: Caller<Read>,
    _query: NoQuery,
) -> Result<HttpResponse, ApiError> {
    let text = openapi::document().to_json();
    let text = text.map_err(|error| ApiError::refuse(ErrorCode::Internal, error.to_string()))?;
    Ok(HttpResponse::Ok().content_type("application/json").body(text))
}

async fn to_page(_query: NoQuery) -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

/// The page that shows the description. All that it needs is in this program.
async fn page(
    _caller: Caller<Read>,
    request: HttpRequest,
    config: web::Data<Config<'static>>,
) -> Result<HttpResponse, ApiError> {
    let name = request.match_info().get("file").unwrap_or_default();
    let nothing =
        || ApiError::refuse(ErrorCode::NotFound, format!("there is nothing at /docs/{name}"));
    let file = utoipa_swagger_ui::serve(name, config.into_inner())
        .map_err(|error| ApiError::refuse(ErrorCode::Internal, error.to_string()))?
        .ok_or_else(nothing)?;
    Ok(HttpResponse::Ok().content_type(file.content_type).body(file.bytes.into_owned()))
}
