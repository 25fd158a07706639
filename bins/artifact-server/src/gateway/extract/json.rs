//! JSON bodies.

use std::future::Future;
use std::io;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use artifact_domain::metadata::MAX_SAFE_INTEGER;
use artifact_domain::wire::ErrorCode;
use futures::StreamExt as _;
use serde::de::DeserializeOwned;

use super::body::{self, Body};
use crate::gateway::problem::ApiError;

/// The most bytes of a JSON body: a check of some ten thousand files fits.
const MAX_JSON_BYTES: usize = 16 << 20;

/// A JSON body, read through the rules of its type.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON body that may be missing.
#[derive(Debug)]
pub(crate) struct OptionalJson<T>(pub(crate) T);

fn is_json(request: &HttpRequest) -> bool {
    let Some(Ok(text)) = request.headers().get(header::CONTENT_TYPE).map(|value| value.to_str())
    else {
        return false;
    };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().eq_ignore_ascii_case("application/json");
    // JSON is UTF-8 (RFC 8259, section 8.1); a client that says so again is right.
    essence
        && parts.all(|parameter| {
            let parameter = parameter.to_ascii_lowercase();
            matches!(parameter.as_str(), "" | "charset=utf-8" | "charset=\"utf-8\"")
        })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // A derived reader of a structure would take a list of its members too.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(ApiError::invalid("the body has to be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        let detail = if field == "." { String::new() } else { format!("{field}: ") };
        ApiError::invalid(format!("the body cannot be taken: {detail}{}", error.into_inner()))
    })?;
    reader
        .end()
        .map_err(|error| ApiError::invalid(format!("the body goes on after its end: {error}")))?;
    if let Some(number) = unsafe_integer(bytes) {
        let detail =
            format!("the body has the integer {number}, beyond 2^53: write it as a string");
        return Err(ApiError::invalid(detail));
    }
    Ok(value)
}

/// The first integer of a JSON document that other readers would round, as it is written there and
/// shortened. It is looked for in the text: once parsed, what has more than 64 bits is rounded.
fn unsafe_integer(json: &[u8]) -> Option<String> {
    let mut rest = json;
    while let [first, behind @ ..] = rest {
        rest = match first {
            b'"' => behind_text(behind),
            b'-' | b'0'..=b'9' => {
                let is_part =
                    |byte: &u8| matches!(byte, b'+' | b'-' | b'.' | b'0'..=b'9' | b'E' | b'e');
                let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                let (number, behind) = rest.split_at(end);
                let number = String::from_utf8_lossy(number);
                let is_integer = !number.contains(['.', 'E', 'e']);
                let size = number.trim_start_matches('-').parse::<u64>();
                if is_integer && !size.is_ok_and(|size| size <= MAX_SAFE_INTEGER) {
                    return Some(number.chars().take(40).collect());
                }
                behind
            }
            _ => behind,
        };
    }
    None
}

/// What follows a text whose opening quote was read.
fn behind_text(json: &[u8]) -> &[u8] {
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return &json[at + 1..],
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    &[]
}

/// What it means that the body did not come to its end.
fn cut_off(error: &io::Error) -> ApiError {
    let code = match error.kind() {
        io::ErrorKind::TimedOut => ErrorCode::RequestTimeout,
        _ => ErrorCode::InvalidRequest,
    };
    ApiError::refuse(code, format!("the body was cut off: {error}"))
}

/// The bytes of the body; `None` if there are none.
async fn bytes(request: HttpRequest, mut body: Body) -> Result<Option<Vec<u8>>, ApiError> {
    let too_large = || {
        let detail = format!("a JSON body has at most {MAX_JSON_BYTES} bytes");
        ApiError::refuse(ErrorCode::PayloadTooLarge, detail)
    };
    body::identity_coding(request.headers())?;
    if body::content_length(request.headers()).is_some_and(|length| length > MAX_JSON_BYTES as u64)
    {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| cut_off(&error))?;
        if bytes.len() + chunk.len() > MAX_JSON_BYTES {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    if !is_json(&request) {
        let detail = "the body has to be JSON: send Content-Type: application/json";
        return Err(ApiError::refuse(ErrorCode::UnsupportedMediaType, detail));
    }
    Ok(Some(bytes))
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, body) = (request.clone(), Body::bounded(request, payload));
        Box::pin(async move {
            match bytes(request, body).await? {
                Some(bytes) => parse(&bytes).map(Self),
                None => Err(ApiError::invalid("the body is empty: a JSON object was expected")),
            }
        })
    }
}

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalJson<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, body) = (request.clone(), Body::bounded(request, payload));
        Box::pin(async move {
            let bytes = bytes(request, body).await?;
            bytes.map_or_else(|| Ok(Self(T::default())), |bytes| parse(&bytes).map(Self))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_is_unsafe_by_what_is_written_and_not_by_what_is_parsed() {
        for safe in [
            "9007199254740991",
            "[-9007199254740991, 1e300, 18446744073709551616.0, 12345678901234567890e0]",
            r#"{"a": "18446744073709551616", "\\\"18446744073709551616": 0}"#,
        ] {
            assert_eq!(unsafe_integer(safe.as_bytes()), None, "{safe}");
        }
        for (text, number) in [
            ("9007199254740992", "9007199254740992"),
            ("[1,-9007199254740992]", "-9007199254740992"),
            (r#"{"a\\":18446744073709551616}"#, "18446744073709551616"),
        ] {
            assert_eq!(unsafe_integer(text.as_bytes()).as_deref(), Some(number), "{text}");
        }
    }
}
