//! Logical paths: the name of a file inside its package.

use crate::parsed::parsed_string;

/// The longest logical path in bytes. An S3 key has 1024 bytes; `packages/<id>/data/` and room
/// for a bucket prefix take the rest.
pub const MAX_PATH_BYTES: usize = 900;

/// The longest segment in bytes: `NAME_MAX` of the common file systems.
pub const MAX_SEGMENT_BYTES: usize = 255;

/// The name of a file inside its package: relative, `/` between segments, UTF-8 kept byte for
/// byte. It is the only way from a user's string to a storage key, and no value of it can point
/// outside its package: there is no empty, `.` or `..` segment, no backslash and no control
/// character.
///
/// Ordered by bytes, as the manifest is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, utoipa::ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 900, example = "reports/summary.json")]
pub struct LogicalPath(String);

/// The rule that a text breaks which was to be a logical path.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidPath {
    /// There is no text.
    #[error("the path is empty")]
    Empty,
    /// The whole is too long for an S3 key.
    #[error("the path has {bytes} bytes, more than {MAX_PATH_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It begins with `/`.
    #[error("{path:?} is absolute: a path in a package is relative")]
    Absolute {
        /// The path as it was given.
        path: String,
    },
    /// Two slashes in a row, or one at the end.
    #[error("{path:?} has an empty segment: remove the doubled or trailing slash")]
    EmptySegment {
        /// The path as it was given.
        path: String,
    },
    /// A segment that means another folder.
    #[error("{path:?} has the segment {segment:?}, which could leave the package")]
    DotSegment {
        /// The path as it was given.
        path: String,
        /// `.` or `..`.
        segment: String,
    },
    /// A segment that no file system takes.
    #[error("{path:?} has a segment of {bytes} bytes, more than {MAX_SEGMENT_BYTES}")]
    SegmentTooLong {
        /// The path as it was given.
        path: String,
        /// The segment's length.
        bytes: usize,
    },
    /// A backslash, which is a separator elsewhere.
    #[error("{path:?} has a backslash")]
    Backslash {
        /// The path as it was given.
        path: String,
    },
    /// A control character (C0, DEL or C1), which hides in listings and breaks line formats.
    #[error("{path:?} has the control character U+{code:04X}")]
    ControlCharacter {
        /// The path as it was given.
        path: String,
        /// The character's code point.
        code: u32,
    },
}

impl LogicalPath {
    fn check(text: &str) -> Result<(), InvalidPath> {
        let path = || text.to_owned();
        if text.is_empty() {
            return Err(InvalidPath::Empty);
        }
        if text.len() > MAX_PATH_BYTES {
            return Err(InvalidPath::TooLong { bytes: text.len() });
        }
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            return Err(InvalidPath::ControlCharacter { path: path(), code: control.into() });
        }
        if text.contains('\\') {
            return Err(InvalidPath::Backslash { path: path() });
        }
        if text.starts_with('/') {
            return Err(InvalidPath::Absolute { path: path() });
        }
        for segment in text.split('/') {
            match segment {
                "" => return Err(InvalidPath::EmptySegment { path: path() }),
                "." | ".." => {
                    return Err(InvalidPath::DotSegment {
                        path: path(),
                        segment: segment.to_owned(),
                    });
                }
                long if long.len() > MAX_SEGMENT_BYTES => {
                    return Err(InvalidPath::SegmentTooLong { path: path(), bytes: long.len() });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The folders that this file lies in, outermost first: `a/b/c` lies in `a` and `a/b`.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(at, _)| &self.0[..at])
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

parsed_string!(LogicalPath, InvalidPath);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_are_kept_byte_for_byte() {
        for text in [
            "a",
            "a/b/c.txt",
            "report #1",
            "attempt#1",
            "100%.log",
            "%2e%2e/x",
            "…/ü/日本",
            ".hidden",
            "a.",
            "...",
            "a b ",
        ] {
            assert_eq!(LogicalPath::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn each_rule_names_itself() {
        let path = |text: &str| text.to_owned();
        for (text, error) in [
            ("", InvalidPath::Empty),
            ("/a", InvalidPath::Absolute { path: path("/a") }),
            ("a//b", InvalidPath::EmptySegment { path: path("a//b") }),
            ("a/", InvalidPath::EmptySegment { path: path("a/") }),
            ("a/../b", InvalidPath::DotSegment { path: path("a/../b"), segment: path("..") }),
            ("./a", InvalidPath::DotSegment { path: path("./a"), segment: path(".") }),
            ("a\\b", InvalidPath::Backslash { path: path("a\\b") }),
            ("a\0b", InvalidPath::ControlCharacter { path: path("a\0b"), code: 0 }),
            ("a\u{7f}b", InvalidPath::ControlCharacter { path: path("a\u{7f}b"), code: 0x7f }),
            ("a\u{85}b", InvalidPath::ControlCharacter { path: path("a\u{85}b"), code: 0x85 }),
        ] {
            assert_eq!(LogicalPath::parse(text), Err(error));
        }
        assert_eq!(
            LogicalPath::parse("a/".repeat(450) + "a"),
            Err(InvalidPath::TooLong { bytes: 901 })
        );
        assert!(matches!(
            LogicalPath::parse("a".repeat(256)),
            Err(InvalidPath::SegmentTooLong { bytes: 256, .. })
        ));
        assert!(LogicalPath::parse("a".repeat(255)).is_ok());
        assert!(LogicalPath::parse("ab/".repeat(299) + "abc").is_ok());
    }

    #[test]
    fn folders_are_listed_outermost_first() {
        let path = LogicalPath::parse("a/b/c").unwrap();
        assert_eq!(path.folders().collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(path.file_name(), "c");
    }

    proptest! {
        #[test]
        fn whatever_parses_stays_below_its_root(text in "[a./\\\\%\u{1}é#]{0,24}") {
            if let Ok(path) = LogicalPath::parse(text.clone()) {
                prop_assert_eq!(path.as_str(), text.as_str());
                let joined = std::path::Path::new("/root").join(path.as_str());
                prop_assert!(joined.starts_with("/root"));
                prop_assert!(joined.components().all(|c| !matches!(c, std::path::Component::ParentDir)));
                prop_assert!(text.split('/').all(|s| !s.is_empty() && s != "." && s != ".."));
            }
        }
    }
}
