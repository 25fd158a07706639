//! Media types, as a producer claims them.

use crate::parsed::{parsed_string, quote};

/// A media type (RFC 9110, section 8.3.1): `type/subtype` with optional parameters. It is what
/// the producer said or what the file's name suggests, never what decides an access.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = String, max_length = 255, example = "application/json")]
pub struct MediaType(String);

/// A text that is no media type.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{text} is not a media type: expected type/subtype such as text/plain, at most 255 visible ASCII characters"
)]
pub struct InvalidMediaType {
    /// The text, quoted and shortened.
    pub text: String,
}

/// Token characters of RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

impl MediaType {
    fn check(text: &str) -> Result<(), InvalidMediaType> {
        let essence = text.split(';').next().unwrap_or_default().trim_end();
        let valid = text.len() <= 255
            && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
            && essence.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub));
        if valid { Ok(()) } else { Err(InvalidMediaType { text: quote(text) }) }
    }

    /// Bytes about which nothing is known: `application/octet-stream`.
    pub fn octet_stream() -> Self {
        Self("application/octet-stream".to_owned())
    }
}

parsed_string!(MediaType, InvalidMediaType);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_with_and_without_parameters_are_kept_as_they_are() {
        for text in
            ["text/plain", "text/html; charset=utf-8", "application/vnd.oasis.opendocument+xml"]
        {
            assert_eq!(MediaType::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "text", "/plain", "text/", "text/pl ain", "text/plain\r\nX: y", "ü/ü"] {
            assert!(MediaType::parse(text).is_err(), "{text}");
        }
    }
}
