//! `Repr-Digest` (RFC 9530) and the `ETag` of a file, both ways.

use artifact_domain::Sha256Digest;
use data_encoding::BASE64;
use reqwest::header::{ETAG, HeaderMap};

pub(crate) const REPR_DIGEST: &str = "repr-digest";

/// The field's value for a SHA-256.
pub(crate) fn field(sha256: &Sha256Digest) -> String {
    format!("sha-256=:{}:", BASE64.encode(sha256.as_bytes()))
}

/// The SHA-256 that an answer announces for the whole of what is asked for: by `Repr-Digest`, or
/// else by an `ETag` of the form `"sha256:<hex>"`.
pub(crate) fn announced(headers: &HeaderMap) -> Option<Sha256Digest> {
    let repr = headers.get_all(REPR_DIGEST).iter().filter_map(|value| value.to_str().ok());
    repr.flat_map(|value| value.split(',')).find_map(from_member).or_else(|| from_etag(headers))
}

/// One member of the field, a dictionary of RFC 9651.
fn from_member(member: &str) -> Option<Sha256Digest> {
    let (name, value) = member.trim().split_once('=')?;
    let encoded = value.split(';').next()?.trim().strip_prefix(':')?.strip_suffix(':')?;
    let bytes = (name == "sha-256").then(|| BASE64.decode(encoded.as_bytes()).ok()).flatten()?;
    Some(Sha256Digest::from_bytes(bytes.try_into().ok()?))
}

fn from_etag(headers: &HeaderMap) -> Option<Sha256Digest> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    etag.strip_prefix("\"sha256:")?.strip_suffix('"')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let sha256 = Sha256Digest::of(b"x");
        assert_eq!(announced(&headers(&[(REPR_DIGEST, &field(&sha256))])), Some(sha256));
        let among = format!("sha-512=:AAAA:, {};a=1", field(&sha256));
        assert_eq!(announced(&headers(&[(REPR_DIGEST, &among)])), Some(sha256));
        let etag = format!("\"sha256:{sha256}\"");
        assert_eq!(announced(&headers(&[("etag", &etag)])), Some(sha256));
    }

    #[test]
    fn what_is_no_digest_announces_none() {
        for value in ["", "sha-256", "sha-256=:!:", "sha-256=:AAAA:", "md5=:AAAA:"] {
            assert_eq!(announced(&headers(&[(REPR_DIGEST, value), ("etag", "W/\"x\"")])), None);
        }
    }
}
