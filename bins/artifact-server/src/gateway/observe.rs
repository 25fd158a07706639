//! What is seen of every request: its id, one line in the log, and the numbers.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, web};
use artifact_domain::name::RequestId;
use artifact_domain::wire::ErrorCode;
use uuid::Uuid;

use super::connection::Connection;
use super::metrics::Metrics;
use super::problem::ApiError;
use crate::commands::explained;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id that the client gave its request, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> RequestId {
    let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    given.and_then(|text| RequestId::parse(text).ok()).unwrap_or_else(|| {
        RequestId::parse(Uuid::now_v7().to_string())
            .unwrap_or_else(|_| unreachable!("a UUID keeps the rule of request ids"))
    })
}

/// Says in an answer which request it is of.
pub(crate) fn name_answer(headers: &mut HeaderMap, id: &RequestId) {
    // A request id is visible ASCII, so it is a header value.
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(X_REQUEST_ID, value);
    }
}

/// Gives a request its id, turns what went wrong into a problem document, logs and counts it.
pub(crate) async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let began = Instant::now();
    let connection = Connection::of(request.request());
    connection.begin_request();
    // What a client sends after that is answered too if it is there already, but nothing more.
    let closes = connection.closes() || request.head().connection_type() == ConnectionType::Close;
    let id = request_id(request.headers());
    request.extensions_mut().insert(id.clone());
    let metrics = request.app_data::<web::Data<Metrics>>().cloned();
    let in_flight = metrics.as_ref().map(|metrics| metrics.begin());

    // What handlers and extractors refuse is an answer already; nothing else can fail in between.
    let mut answer = next.call(request).await?.map_into_boxed_body();
    if let Some(error) = answer.response().error() {
        let foreign = not_ours(error);
        let error = error.as_error::<ApiError>().unwrap_or(&foreign);
        if error.is_ours() {
            let cause = explained(error);
            tracing::error!(request_id = %id, code = %error.code(), "request {id} failed: {cause}");
        }
        let mut problem = error.answer(id.clone());
        if answer.request().headers().contains_key(TRANSFER_ENCODING) {
            // Where the rest of a refused body ends is not known before it has come. It must not
            // stand in the way of the next request.
            problem.head_mut().set_connection_type(ConnectionType::Close);
        }
        answer = answer.into_response(problem);
    }
    if closes {
        answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        connection.note_last_answer();
    }
    name_answer(answer.headers_mut(), &id);
    let route = answer.request().match_pattern().unwrap_or_else(|| "none".to_owned());
    let (method, status) = (answer.request().method().clone(), answer.status().as_u16());
    let seconds = began.elapsed().as_secs_f64();
    tracing::info!(
        target: "artifact_server::access",
        request_id = %id,
        method = %method,
        path = answer.request().uri().path(),
        status,
        milliseconds = seconds * 1000.0,
    );
    if let Some(metrics) = metrics {
        metrics.answered(method.as_str(), &route, status, seconds);
    }
    drop(in_flight);
    Ok(answer)
}

/// An error of the framework: what it says about a request is the client's, the rest is ours.
fn not_ours(error: &actix_web::Error) -> ApiError {
    let status = error.as_response_error().status_code();
    if status.is_client_error() {
        return ApiError::invalid(format!("the request cannot be taken: {error}"));
    }
    ApiError::refuse(ErrorCode::Internal, error.to_string())
}
