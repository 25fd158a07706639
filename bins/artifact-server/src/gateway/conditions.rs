//! Conditional requests and ranges (RFC 9110, sections 13 and 14).

use std::ops::Range;
use std::time::SystemTime;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{
    self, EntityTag, Header, IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince,
};
use artifact_domain::wire::ErrorCode;

use super::problem::ApiError;

/// The version of what a resource is now.
pub(crate) struct Version {
    pub(crate) etag: EntityTag,
    /// When it came to be, in whole seconds; `None` for what is named by its tag alone.
    pub(crate) modified: Option<SystemTime>,
}

/// What a conditional request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The client has this version: 304.
    NotModified,
    /// What the request asks for.
    Proceed,
}

/// A header that is there and has to be understood.
fn read<H: Header>(request: &HttpRequest) -> Result<Option<H>, ApiError> {
    if !request.headers().contains_key(H::name()) {
        return Ok(None);
    }
    let invalid = |_| ApiError::invalid(format!("{} cannot be read", H::name()));
    H::parse(request).map(Some).map_err(invalid)
}

/// Dates that cannot be read count as not sent (RFC 9110, section 13.1.3).
fn date<H: Header>(request: &HttpRequest) -> Option<H> {
    read(request).ok().flatten()
}

/// Whether `If-Match` holds; `None` if it is not sent. It compares strongly, and a list without a
/// tag matches nothing.
pub(crate) fn if_match(request: &HttpRequest, now: &EntityTag) -> Result<Option<bool>, ApiError> {
    Ok(read::<IfMatch>(request)?.map(|condition| match condition {
        IfMatch::Any => true,
        IfMatch::Items(tags) => tags.iter().any(|tag| tag.strong_eq(now)),
    }))
}

/// Evaluates the conditions of a GET or HEAD in the order of RFC 9110, section 13.2.2.
pub(crate) fn evaluate(request: &HttpRequest, now: &Version) -> Result<Outcome, ApiError> {
    let changed = |condition: &str| {
        let detail = format!("{condition} does not hold: the resource is {} now", now.etag);
        Err(ApiError::refuse(ErrorCode::PreconditionFailed, detail))
    };
    match if_match(request, &now.etag)? {
        Some(false) => return changed("If-Match"),
        Some(true) => {}
        None => {
            if let Some(since) = date::<IfUnmodifiedSince>(request)
                && now.modified.is_some_and(|modified| modified > SystemTime::from(since.0))
            {
                return changed("If-Unmodified-Since");
            }
        }
    }
    match read::<IfNoneMatch>(request)? {
        Some(IfNoneMatch::Any) => return Ok(Outcome::NotModified),
        Some(IfNoneMatch::Items(tags)) => {
            if tags.iter().any(|tag| tag.weak_eq(&now.etag)) {
                return Ok(Outcome::NotModified);
            }
        }
        None => {
            if let Some(since) = date::<IfModifiedSince>(request)
                && now.modified.is_some_and(|modified| modified <= SystemTime::from(since.0))
            {
                return Ok(Outcome::NotModified);
            }
        }
    }
    Ok(Outcome::Proceed)
}

/// The one range that a GET asks for, of a resource with `size` bytes; `None` for all of it.
///
/// Several ranges, another unit and a version that is not the present one are answered with the
/// whole (RFC 9110, sections 13.1.5 and 14.2). `Err` holds a range that lies outside.
pub(crate) fn range(
    request: &HttpRequest,
    now: &Version,
    size: u64,
) -> Result<Option<Range<u64>>, OutOfRange> {
    if request.method() != Method::GET || !still_the_version(request, now) {
        return Ok(None);
    }
    let mut values = request.headers().get_all(header::RANGE);
    let (Some(value), None) = (values.next(), values.next()) else { return Ok(None) };
    let Some(set) = value.to_str().ok().and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Ok(None);
    };
    if set.contains(',') {
        return Ok(None);
    }
    satisfiable(set.trim(), size).map(Some).ok_or(OutOfRange)
}

/// A range of bytes that the resource does not have, or that is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutOfRange;

/// Reads `first-last`, `first-` or `-length`.
fn satisfiable(range: &str, size: u64) -> Option<Range<u64>> {
    // More digits than a u64 has are a number beyond every size.
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match range.split_once('-')? {
        ("", length) => {
            let length = number(length)?.min(size);
            (length > 0).then(|| size - length..size)
        }
        (first, "") => number(first).filter(|first| *first < size).map(|first| first..size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last && first < size).then(|| first..last.saturating_add(1).min(size))
        }
    }
}

/// Whether `If-Range`, if it is sent, names the present version. It compares strongly; what cannot
/// be read is not it.
fn still_the_version(request: &HttpRequest, now: &Version) -> bool {
    match read::<IfRange>(request) {
        Ok(None) => true,
        Ok(Some(IfRange::EntityTag(tag))) => tag.strong_eq(&now.etag),
        Ok(Some(IfRange::Date(date))) => now.modified == Some(date.into()),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    fn version() -> Version {
        let modified = SystemTime::UNIX_EPOCH + std::time::Duration::from_hours(500_000);
        Version { etag: EntityTag::new_strong("sha256:ab".to_owned()), modified: Some(modified) }
    }

    fn asked(headers: &[(&str, &str)]) -> HttpRequest {
        let request = headers.iter().fold(TestRequest::get(), |request, header| {
            request.insert_header((header.0, header.1))
        });
        request.to_http_request()
    }

    #[test]
    fn conditions_are_evaluated_in_the_order_of_the_standard() {
        let early = ("if-unmodified-since", "Mon, 01 Jan 2001 00:00:00 GMT");
        let late = ("if-modified-since", "Fri, 01 Jan 2038 00:00:00 GMT");
        for (headers, expected) in [
            (&[][..], Some(Outcome::Proceed)),
            (&[("if-match", "\"sha256:ab\"")], Some(Outcome::Proceed)),
            (&[("if-match", "*")], Some(Outcome::Proceed)),
            (&[("if-match", "\"x\", \"sha256:ab\""), early], Some(Outcome::Proceed)),
            (&[("if-match", "W/\"sha256:ab\"")], None),
            (&[("if-match", "\"x\"")], None),
            (&[("if-match", "")], None),
            (&[early], None),
            (&[("if-none-match", "\"sha256:ab\"")], Some(Outcome::NotModified)),
            (&[("if-none-match", "W/\"sha256:ab\"")], Some(Outcome::NotModified)),
            (&[("if-none-match", "*")], Some(Outcome::NotModified)),
            (&[("if-none-match", "\"x\""), late], Some(Outcome::Proceed)),
            (&[late], Some(Outcome::NotModified)),
            (&[("if-modified-since", "yesterday")], Some(Outcome::Proceed)),
        ] {
            assert_eq!(evaluate(&asked(headers), &version()).ok(), expected, "{headers:?}");
        }
    }

    #[test]
    fn one_range_is_answered_and_what_is_no_range_of_the_file_is_refused() {
        for (text, expected) in [
            ("bytes=0-0", Ok(Some(0..1))),
            ("bytes=2-", Ok(Some(2..10))),
            ("bytes=-3", Ok(Some(7..10))),
            ("bytes=-30", Ok(Some(0..10))),
            ("bytes=8-99999999999999999999999", Ok(Some(8..10))),
            ("bytes=10-", Err(OutOfRange)),
            ("bytes=5-2", Err(OutOfRange)),
            ("bytes=-0", Err(OutOfRange)),
            ("bytes=a-b", Err(OutOfRange)),
            ("bytes=", Err(OutOfRange)),
            ("bytes=0-1,3-4", Ok(None)),
            ("lines=0-1", Ok(None)),
        ] {
            assert_eq!(range(&asked(&[("range", text)]), &version(), 10), expected, "{text}");
        }
        assert_eq!(range(&asked(&[("range", "bytes=0-")]), &version(), 0), Err(OutOfRange));
    }

    #[test]
    fn a_range_of_another_version_is_answered_with_the_whole() {
        for (condition, expected) in [
            ("\"sha256:ab\"", Some(0..1)),
            ("W/\"sha256:ab\"", None),
            ("\"x\"", None),
            ("Fri, 15 Jan 2027 08:00:00 GMT", Some(0..1)),
            ("Mon, 01 Jan 2001 00:00:00 GMT", None),
            ("nonsense", None),
        ] {
            let request = asked(&[("range", "bytes=0-0"), ("if-range", condition)]);
            assert_eq!(range(&request, &version(), 10), Ok(expected), "{condition}");
        }
    }

    proptest! {
        #[test]
        fn a_range_never_leaves_the_file(text in "[0-9]{0,22}-[0-9]{0,22}", size in 0..1_000_000_u64) {
            if let Some(range) = satisfiable(&text, size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
