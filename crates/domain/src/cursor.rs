//! Where a list goes on: opaque to users, a keyset to us.
//!
//! A cursor carries the key of the last item seen and a fingerprint of the filter, so that it is
//! refused when it is used with another list than its own instead of answering nonsense.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

use crate::filter::{AuditFilter, PackageFilter};
use crate::id::{HoldId, PackageId};
use crate::parsed::quote;
use crate::path::LogicalPath;
use crate::time::Timestamp;

/// A text that is no cursor of this list.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{text} is not a cursor of this list: use next_cursor of the page before, with the same filters"
)]
pub struct InvalidCursor {
    /// The text, quoted and shortened.
    pub text: String,
}

/// The last package of a page; newest first, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageCursor {
    /// When the package was created.
    pub created_at: Timestamp,
    /// The package.
    pub id: PackageId,
}

/// A fingerprint of what is listed, eight characters. It need not resist attack: it catches a
/// cursor that is used with another list.
fn fingerprint(list: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(list)[..6])
}

fn encode(list: &str, key: &str) -> String {
    BASE64URL_NOPAD.encode(format!("{}:{key}", fingerprint(list)).as_bytes())
}

fn decode(list: &str, text: &str) -> Result<String, InvalidCursor> {
    let invalid = || InvalidCursor { text: quote(text) };
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok().ok_or_else(invalid)?;
    let plain = String::from_utf8(bytes).ok().ok_or_else(invalid)?;
    let (print, key) = plain.split_once(':').ok_or_else(invalid)?;
    if print == fingerprint(list) { Ok(key.to_owned()) } else { Err(invalid()) }
}

/// The list that a package cursor belongs to.
fn package_list(filter: &PackageFilter) -> String {
    format!("packages {filter:?}")
}

impl PackageCursor {
    /// The text for `next_cursor` of the list with this filter.
    pub fn encode(&self, filter: &PackageFilter) -> String {
        let key = format!("{}:{}", self.created_at.unix_micros(), self.id);
        encode(&package_list(filter), &key)
    }

    /// Reads a cursor back, if it was made for a list with this filter.
    pub fn decode(text: &str, filter: &PackageFilter) -> Result<Self, InvalidCursor> {
        let key = decode(&package_list(filter), text)?;
        key.split_once(':')
            .and_then(|(created_at, id)| {
                let created_at = Timestamp::from_unix_micros(created_at.parse().ok()?).ok()?;
                Some(Self { created_at, id: id.parse().ok()? })
            })
            .ok_or_else(|| InvalidCursor { text: quote(text) })
    }
}

/// The last file of a page; files are listed by the bytes of their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCursor {
    /// The file's path.
    pub path: LogicalPath,
}

/// The list that a file cursor belongs to.
fn file_list(package: PackageId, prefix: Option<&str>) -> String {
    format!("files {package} {prefix:?}")
}

impl FileCursor {
    /// The text for `next_cursor` of the files of this package below this prefix.
    pub fn encode(&self, package: PackageId, prefix: Option<&str>) -> String {
        encode(&file_list(package, prefix), self.path.as_str())
    }

    /// Reads a cursor back, if it was made for this list.
    pub fn decode(
        text: &str,
        package: PackageId,
        prefix: Option<&str>,
    ) -> Result<Self, InvalidCursor> {
        let key = decode(&file_list(package, prefix), text)?;
        LogicalPath::parse(key)
            .map(|path| Self { path })
            .ok()
            .ok_or_else(|| InvalidCursor { text: quote(text) })
    }
}

/// The last event of a page of an audit trail; events are listed oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCursor {
    /// The event's place in its trail.
    pub seq: u64,
}

impl EventCursor {
    /// The text for `next_cursor` of the audit events with this filter.
    pub fn encode_audit(&self, filter: &AuditFilter) -> String {
        encode(&format!("audit {filter:?}"), &self.seq.to_string())
    }

    /// Reads a cursor back, if it was made for the audit events with this filter.
    pub fn decode_audit(text: &str, filter: &AuditFilter) -> Result<Self, InvalidCursor> {
        Self::decode(&format!("audit {filter:?}"), text)
    }

    /// The text for `next_cursor` of the retention events of this package.
    pub fn encode_retention(&self, package: PackageId) -> String {
        encode(&format!("retention {package}"), &self.seq.to_string())
    }

    /// Reads a cursor back, if it was made for the retention events of this package.
    pub fn decode_retention(text: &str, package: PackageId) -> Result<Self, InvalidCursor> {
        Self::decode(&format!("retention {package}"), text)
    }

    fn decode(list: &str, text: &str) -> Result<Self, InvalidCursor> {
        // A registry counts its events in 63 bits.
        let seq = decode(list, text)?.parse().ok().filter(|seq| *seq <= i64::MAX.unsigned_abs());
        seq.map(|seq| Self { seq }).ok_or_else(|| InvalidCursor { text: quote(text) })
    }
}

/// The last hold of a page; holds are listed in the order in which they were placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldCursor {
    /// The hold.
    pub id: HoldId,
}

impl HoldCursor {
    /// The text for `next_cursor` of the holds of this package.
    pub fn encode(&self, package: PackageId) -> String {
        encode(&format!("holds {package}"), &self.id.to_string())
    }

    /// Reads a cursor back, if it was made for the holds of this package.
    pub fn decode(text: &str, package: PackageId) -> Result<Self, InvalidCursor> {
        let id = decode(&format!("holds {package}"), text)?.parse().ok();
        id.map(|id| Self { id }).ok_or_else(|| InvalidCursor { text: quote(text) })
    }
}

/// The last package of a page of deletion candidates; oldest expiry first, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandidateCursor {
    /// When the package expired.
    pub expires_at: Timestamp,
    /// The package.
    pub id: PackageId,
}

impl CandidateCursor {
    /// The text for `next_cursor` of the deletion candidates.
    pub fn encode(&self) -> String {
        encode("candidates", &format!("{}:{}", self.expires_at.unix_micros(), self.id))
    }

    /// Reads a cursor back, if it was made for the deletion candidates.
    pub fn decode(text: &str) -> Result<Self, InvalidCursor> {
        let key = decode("candidates", text)?;
        key.split_once(':')
            .and_then(|(expires_at, id)| {
                let expires_at = Timestamp::from_unix_micros(expires_at.parse().ok()?).ok()?;
                Some(Self { expires_at, id: id.parse().ok()? })
            })
            .ok_or_else(|| InvalidCursor { text: quote(text) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::name::Producer;

    fn filter(producer: &str) -> PackageFilter {
        PackageFilter {
            producer: Some(Producer::parse(producer).unwrap()),
            ..PackageFilter::default()
        }
    }

    proptest! {
        #[test]
        fn a_package_cursor_survives_its_text_form(micros in 0i64..=4_000_000_000_000_000) {
            let created_at = Timestamp::from_unix_micros(micros).unwrap();
            let cursor = PackageCursor { created_at, id: PackageId::generate(created_at) };
            let text = cursor.encode(&filter("ci"));
            prop_assert_eq!(PackageCursor::decode(&text, &filter("ci")), Ok(cursor));
            prop_assert!(PackageCursor::decode(&text, &filter("other")).is_err());
        }

        #[test]
        fn a_file_cursor_survives_its_text_form(name in "[a-z:%# é/]{1,40}") {
            prop_assume!(LogicalPath::parse(name.clone()).is_ok());
            let package = PackageId::generate(Timestamp::from_unix_micros(1).unwrap());
            let cursor = FileCursor { path: LogicalPath::parse(name).unwrap() };
            let text = cursor.encode(package, None);
            prop_assert_eq!(FileCursor::decode(&text, package, None), Ok(cursor));
            prop_assert!(FileCursor::decode(&text, package, Some("a")).is_err());
        }

        #[test]
        fn an_event_cursor_belongs_to_its_list(seq in 0..=i64::MAX.unsigned_abs()) {
            let package = PackageId::generate(Timestamp::from_unix_micros(1).unwrap());
            let cursor = EventCursor { seq };
            let all = AuditFilter::default();
            let one = AuditFilter { package: Some(package), ..AuditFilter::default() };
            let text = cursor.encode_audit(&all);
            prop_assert_eq!(EventCursor::decode_audit(&text, &all), Ok(cursor));
            prop_assert!(EventCursor::decode_audit(&text, &one).is_err());
            prop_assert!(EventCursor::decode_retention(&text, package).is_err());
        }

        #[test]
        fn a_candidate_cursor_and_a_hold_cursor_survive_their_text_forms(micros in 0i64..=4_000_000_000_000_000) {
            let at = Timestamp::from_unix_micros(micros).unwrap();
            let package = PackageId::generate(at);
            let candidate = CandidateCursor { expires_at: at, id: package };
            prop_assert_eq!(CandidateCursor::decode(&candidate.encode()), Ok(candidate));
            let hold = HoldCursor { id: HoldId::generate(at) };
            let text = hold.encode(package);
            prop_assert_eq!(HoldCursor::decode(&text, package), Ok(hold));
            prop_assert!(CandidateCursor::decode(&text).is_err());
        }

        #[test]
        fn garbage_is_refused_and_never_panics(text in ".{0,60}") {
            prop_assert!(PackageCursor::decode(&text, &PackageFilter::default()).is_err());
        }
    }
}
