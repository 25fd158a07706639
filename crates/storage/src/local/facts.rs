//! From what the file system says to what `object_store` and our callers say.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path as FilePath;

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;
use rustix::fs::Stat;

/// `<inode>-<mtime in ns>-<size>` in hexadecimal: an object that was written again, in place or
/// as a new file, has another one.
#[expect(clippy::cast_lossless, reason = "the widths of the fields differ between systems")]
pub(super) fn etag(stat: &Stat) -> String {
    let mtime = i128::from(stat.st_mtime) * 1_000_000_000 + stat.st_mtime_nsec as i128;
    format!("{:x}-{mtime:x}-{:x}", stat.st_ino, stat.st_size)
}

/// The size in bytes; the system's type is signed and never negative for a file.
pub(super) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

pub(super) fn meta(location: Path, stat: &Stat) -> ObjectMeta {
    ObjectMeta {
        location,
        last_modified: modified(stat),
        size: size(stat),
        e_tag: Some(etag(stat)),
        version: None,
    }
}

/// The trait wants a time; nobody of ours reads it, so one out of range may become 1970.
fn modified(stat: &Stat) -> DateTime<Utc> {
    let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    DateTime::from_timestamp(stat.st_mtime, nanos).unwrap_or_default()
}

/// The URL of a folder: RFC 8089, with all but RFC 3986's unreserved characters encoded.
pub(crate) fn url(path: &FilePath) -> String {
    let mut url = String::from("file://");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(byte.into());
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_encodes_what_a_url_cannot_hold() {
        assert_eq!(url(FilePath::new("/srv/a b/é#1")), "file:///srv/a%20b/%C3%A9%231");
    }
}
