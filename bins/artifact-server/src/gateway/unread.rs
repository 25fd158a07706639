//! What a client is told whose request is none: the parser refuses it before any of our code sees
//! it, with a status and nothing else.
//!
//! As long as no request of a connection was understood, whatever is written to it is the parser's.
//! So a bare refusal can be told from the bytes of a file that look like one, and gets the problem
//! document and the request id that every answer has. Later on a connection it stays bare.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use artifact_domain::wire::{ErrorCode, Problem};

use super::observe::request_id;

/// The answer for the parser's refusal, if this is one.
pub(super) fn refusal(written: &[u8]) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(written).ok()?.strip_suffix("\r\n\r\n")?;
    let (first, headers) = head.split_once("\r\n")?;
    let status = first.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    if !headers.split("\r\n").any(|line| line == "content-length: 0") {
        return None;
    }
    let (code, detail) = match status {
        "400" => (
            ErrorCode::InvalidRequest,
            "the request cannot be read: its first line or a header is malformed, there is not \
             exactly one Host, or its headers contradict each other (RFC 9112)",
        ),
        "431" => (
            ErrorCode::InvalidRequest,
            "the request cannot be read: its first line and headers are longer than 128 KiB, or \
             there are too many of them",
        ),
        "408" => (
            ErrorCode::RequestTimeout,
            "the first line and headers of a request have to come within ten seconds",
        ),
        _ => return None,
    };
    // What else the parser says stays: the date, and that the connection is closed.
    let kept = headers.split("\r\n").filter(|line| *line != "content-length: 0");
    Some(answer(code, detail, kept))
}

fn answer<'a>(code: ErrorCode, detail: &str, kept: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let id = request_id(&HeaderMap::new());
    let problem = Problem::new(code, detail, id.clone());
    let status = problem.status;
    tracing::info!(
        target: "artifact_server::access",
        request_id = %id,
        status,
        "a request that cannot be read was refused",
    );
    let body = serde_json::to_string(&problem)
        .unwrap_or_else(|_| unreachable!("a problem has string keys alone"));
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason.unwrap_or_default());
    for line in kept {
        head += line;
        head += "\r\n";
    }
    let length = body.len();
    format!(
        "{head}content-length: {length}\r\ncontent-type: application/problem+json\r\n\
         x-request-id: {id}\r\n\r\n{body}"
    )
    .into_bytes()
}
