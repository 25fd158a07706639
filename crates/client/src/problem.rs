//! Answers that refuse or fail a request.

use std::time::Duration;

use artifact_domain::wire::Problem;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::call::read_whole;
use crate::error::ClientError;
use crate::tries::{Reached, Setback};

/// The most bytes of such an answer that are read: a problem may list a thousand files.
const LONGEST: usize = 4 << 20;

/// What an answer that is no success means.
pub(crate) async fn setback(what: &str, response: Response, idle: Duration) -> Setback {
    let (url, status) = (response.url().to_string(), response.status());
    let wait = retry_after(response.headers());
    let reached = match status {
        StatusCode::TOO_MANY_REQUESTS => Reached::Nothing,
        StatusCode::REQUEST_TIMEOUT
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Reached::Unknown,
        _ => Reached::Answer,
    };
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.map(str::to_owned);
    // If the reason cannot be read there is still the status.
    let body = read_whole(what, response, LONGEST, idle).await.unwrap_or_default();
    let what = what.to_owned();
    let error = if let Ok(problem) = serde_json::from_slice::<Problem>(&body) {
        ClientError::Problem { what, problem: Box::new(problem), attempts: 1 }
    } else {
        let detail = match location {
            Some(location) if status.is_redirection() => {
                format!("and points to {location}: give that address instead")
            }
            _ => explain(status, &body),
        };
        ClientError::Unexpected { what, url, status: status.as_u16(), detail, attempts: 1 }
    };
    Setback { error, reached, wait }
}

/// Seconds alone: the other form, a date, needs clocks that agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What something says that does not speak as our servers do: a proxy, another program, or a
/// later version with a code that is not known here.
fn explain(status: StatusCode, body: &[u8]) -> String {
    if let Ok(Value::Object(object)) = serde_json::from_slice(body)
        && let Some(Value::String(text)) = object.get("detail").or_else(|| object.get("title"))
    {
        return format!("({text})");
    }
    let reason = status.canonical_reason().unwrap_or("with no known meaning");
    if status.is_client_error() {
        format!("{reason}, and not as an artifact-store does: is this its address?")
    } else {
        reason.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_seconds() {
        let of = |text: &'static str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]))
        };
        assert_eq!(of("3"), Some(Duration::from_secs(3)));
        assert_eq!(of("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(of("-1"), None);
    }
}
