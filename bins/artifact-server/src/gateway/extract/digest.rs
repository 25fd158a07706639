//! Digests that a client sends (RFC 9530).

use actix_web::http::header::HeaderMap;
use artifact_domain::Sha256Digest;
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::gateway::problem::ApiError;

/// The SHA-256 that the request says its body has, in `Repr-Digest` or `Content-Digest`. A body is
/// never coded here, so both mean the same. Digests of other algorithms are not looked at.
pub(crate) fn announced_sha256(headers: &HeaderMap) -> Result<Option<Sha256Digest>, ApiError> {
    let mut announced = None;
    for name in ["repr-digest", "content-digest"] {
        for value in headers.get_all(name) {
            let found = sha256(value.as_bytes()).map_err(|detail| {
                ApiError::invalid(format!(
                    "{name} {detail}: expected sha-256=:<32 bytes in base64>: (RFC 9530)"
                ))
            })?;
            if let (Some(one), Some(other)) = (announced, found)
                && one != other
            {
                return Err(ApiError::invalid(format!(
                    "two different SHA-256 digests are announced: {one} and {other}"
                )));
            }
            announced = announced.or(found);
        }
    }
    Ok(announced)
}

fn sha256(value: &[u8]) -> Result<Option<Sha256Digest>, &'static str> {
    let digests: Dictionary =
        Parser::new(value).parse().map_err(|_error| "is not a dictionary of byte sequences")?;
    match digests.get("sha-256") {
        None => Ok(None),
        Some(ListEntry::Item(item)) => match &item.bare_item {
            BareItem::ByteSequence(bytes) => {
                let bytes = bytes.as_slice().try_into();
                bytes
                    .map(|bytes| Some(Sha256Digest::from_bytes(bytes)))
                    .map_err(|_error| "has a SHA-256 of another length")
            }
            _ => Err("has a SHA-256 that is not a byte sequence"),
        },
        Some(ListEntry::InnerList(_)) => Err("has a SHA-256 that is a list"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_a_byte_sequence_of_32_bytes() {
        let good = b"sha-512=:AAAA:, sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:";
        assert_eq!(sha256(good).unwrap(), Some(Sha256Digest::of(b"test")));
        assert_eq!(sha256(b"sha-512=:AAAA:"), Ok(None));
        for bad in [
            &b"sha-256"[..],
            b"sha-256=abc",
            b"sha-256=:AAAA:",
            b"sha-256=(:AAAA:)",
            b"sha-256=:n4",
            b"=",
            b"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ] {
            assert!(sha256(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
