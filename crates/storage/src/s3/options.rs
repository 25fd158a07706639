//! Where a bucket is and how it is entered.

use std::fmt;

/// A bucket, a prefix in it and the way to it.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// The bucket's name.
    pub bucket: String,
    /// What every key begins with, without a slash at either end; empty for the whole bucket.
    pub prefix: String,
    /// The address of the gateway, such as `https://ceph.example.org`; `None` is Amazon's. With
    /// [`S3Options::virtual_hosted_style`] it is the address of the bucket itself.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// The name of the key that requests are signed with.
    pub access_key_id: String,
    /// The key itself.
    pub secret_access_key: Secret,
    /// Whether an endpoint without TLS is fine.
    pub allow_http: bool,
    /// Whether the bucket is named in the host and not in the path. Ceph wants it in the path.
    pub virtual_hosted_style: bool,
}

impl S3Options {
    /// The region if none is given.
    pub const DEFAULT_REGION: &'static str = "us-east-1";

    /// Options for `s3://bucket/prefix` with the defaults for all else.
    pub fn new(
        url: &str,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<Secret>,
    ) -> Result<Self, WrongS3Url> {
        let (bucket, prefix) = parse_s3_url(url)?;
        Ok(Self {
            bucket,
            prefix,
            endpoint: None,
            region: Self::DEFAULT_REGION.to_owned(),
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            allow_http: false,
            virtual_hosted_style: false,
        })
    }

    /// The storage's address, `s3://bucket/prefix`.
    pub fn url(&self) -> String {
        match self.prefix.as_str() {
            "" => format!("s3://{}", self.bucket),
            prefix => format!("s3://{}/{prefix}", self.bucket),
        }
    }
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that needs it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Why a text is not `s3://bucket/prefix`. It fits after "the storage URL".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongS3Url {
    /// It does not begin with `s3://`.
    #[error("{url:?} does not begin with s3://")]
    Scheme {
        /// The text.
        url: String,
    },
    /// Nothing follows the scheme.
    #[error("{url:?} names no bucket; write s3://bucket/prefix")]
    NoBucket {
        /// The text.
        url: String,
    },
    /// The bucket has a name that no bucket can have.
    #[error(
        "the bucket {bucket:?} has a name that no bucket has: 3 to 63 lowercase letters, digits, dots and hyphens, a letter or a digit at both ends"
    )]
    Bucket {
        /// The name.
        bucket: String,
    },
    /// The prefix has a character or a segment that would have to be encoded.
    #[error(
        "the prefix {prefix:?} has other characters than letters, digits and `-_.` in its segments, or an empty segment, `.` or `..`"
    )]
    Prefix {
        /// The prefix.
        prefix: String,
    },
}

/// The bucket and the prefix of `s3://bucket/prefix`. A slash at the end is dropped.
///
/// The prefix is narrower than what S3 allows: it is written into URLs, policies and scripts,
/// where an odd character has to be encoded in a different way each time.
pub fn parse_s3_url(url: &str) -> Result<(String, String), WrongS3Url> {
    let rest =
        url.strip_prefix("s3://").ok_or_else(|| WrongS3Url::Scheme { url: url.to_owned() })?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(WrongS3Url::NoBucket { url: url.to_owned() });
    }
    check(bucket, prefix.strip_suffix('/').unwrap_or(prefix))
}

/// Checks the parts of options that were not parsed from a URL.
pub(super) fn check(bucket: &str, prefix: &str) -> Result<(String, String), WrongS3Url> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = bucket.as_bytes();
    let fits = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|&byte| plain(byte) || b".-".contains(&byte))
        && plain(bytes[0])
        && plain(bytes[bytes.len() - 1]);
    if !fits {
        return Err(WrongS3Url::Bucket { bucket: bucket.to_owned() });
    }
    let segment_fits = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if !prefix.is_empty() && !prefix.split('/').all(segment_fits) {
        return Err(WrongS3Url::Prefix { prefix: prefix.to_owned() });
    }
    Ok((bucket.to_owned(), prefix.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_bucket_and_a_prefix() {
        for (url, bucket, prefix) in [
            ("s3://evidence", "evidence", ""),
            ("s3://evidence/", "evidence", ""),
            ("s3://my.evidence-1/a/b_c", "my.evidence-1", "a/b_c"),
            ("s3://evidence/a/", "evidence", "a"),
        ] {
            assert_eq!(parse_s3_url(url), Ok((bucket.to_owned(), prefix.to_owned())));
        }
        let options = S3Options::new("s3://evidence/a/", "id", "key").unwrap();
        assert_eq!(options.url(), "s3://evidence/a");
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        for (url, says) in [
            ("S3://evidence", "begin with s3://"),
            ("evidence", "begin with s3://"),
            ("https://evidence/a", "begin with s3://"),
            ("s3://", "no bucket"),
            ("s3:///prefix", "no bucket"),
            ("s3://ab", "name that no bucket has"),
            ("s3://-ab", "name that no bucket has"),
            ("s3://Evidence", "name that no bucket has"),
            ("s3://user:password@host/x", "name that no bucket has"),
            ("s3://evidence//a", "prefix"),
            ("s3://evidence/a//", "prefix"),
            ("s3://evidence/../a", "prefix"),
            ("s3://evidence/a b", "prefix"),
            ("s3://evidence/a%20b", "prefix"),
            ("s3://evidence/a?x=1", "prefix"),
        ] {
            let error = parse_s3_url(url).unwrap_err().to_string();
            assert!(error.contains(says), "{url}: {error}");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let options = S3Options::new("s3://evidence", "id", "open sesame").unwrap();
        assert!(!format!("{options:?} {options:#?}").contains("sesame"));
    }
}
