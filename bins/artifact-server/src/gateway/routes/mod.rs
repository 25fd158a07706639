//! The resources of the gateway. A handler takes what it needs out of the request, calls one use
//! case and answers.

use actix_web::guard::{self, Guard};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, web};
use artifact_domain::wire::ErrorCode;

use super::problem::ApiError;

pub(crate) mod audit;
pub(crate) mod classes;
pub(crate) mod docs;
pub(crate) mod files;
pub(crate) mod operations;
pub(crate) mod packages;
pub(crate) mod retention;
pub(crate) mod seal;

/// Where the resources of the interface begin; what an operator asks for lies at the root.
pub(crate) const BASE: &str = "/api/v1";

/// Every resource of the gateway.
pub(crate) fn routes(app: &mut web::ServiceConfig) {
    // Resources are tried in this order: files are asked for most.
    app.configure(files::routes)
        .configure(packages::routes)
        .configure(seal::routes)
        .configure(retention::routes)
        .configure(classes::routes)
        .configure(audit::routes)
        .configure(operations::routes)
        .configure(docs::routes)
        .default_service(web::to(nothing_here));
}

async fn nothing_here(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let detail = format!("there is nothing at {}", request.uri().path());
    Err(ApiError::refuse(ErrorCode::NotFound, detail))
}

/// A resource below [`BASE`] that has these methods and no others.
fn resource(path: &str, allow: &'static str) -> Resource {
    root_resource(&format!("{BASE}{path}"), allow)
}

/// A resource at the root that has these methods and no others.
fn root_resource(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |request: HttpRequest| async move {
        Err::<HttpResponse, _>(ApiError::method_not_allowed(request.method().as_str(), allow))
    }))
}

/// A route for GET and for HEAD, which is GET without the body.
fn get() -> Route {
    web::route().guard(guard::fn_guard(|context| {
        guard::Get().check(context) || guard::Head().check(context)
    }))
}
