//! A package is a BagIt bag (RFC 8493): where its files lie and what its tag files say.
//!
//! In `manifest-sha256.txt` a `%` in a name stands as it is. RFC 8493, section 2.1.3, would have
//! it written `%25`, but `sha256sum -c` reads names literally, and so does bagit-python (but for
//! `%0A` and `%0D`). A bag that the
//! tools at hand cannot check proves nothing. Line breaks, the other characters that the section
//! escapes, cannot be in a [`LogicalPath`].

use crate::digest::Sha256Digest;
use crate::id::PackageId;
use crate::package::Package;
use crate::path::LogicalPath;
use crate::time::Timestamp;

/// The folder of the payload.
pub const PAYLOAD: &str = "data";
/// The bag declaration.
pub const DECLARATION: &str = "bagit.txt";
/// Facts about the bag for people.
pub const BAG_INFO: &str = "bag-info.txt";
/// The digests of the payload.
pub const PAYLOAD_MANIFEST: &str = "manifest-sha256.txt";
/// The digests of the tag files.
pub const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
/// Our manifest, a tag file.
pub const MANIFEST: &str = "manifest.json";
/// The package's record as it is now. It changes, so the tag manifest does not list it.
pub const RECORD: &str = "registry.json";

/// The tag files that the tag manifest lists, sorted by name.
pub const SEALED_TAG_FILES: [&str; 4] = [BAG_INFO, DECLARATION, PAYLOAD_MANIFEST, MANIFEST];

/// The storage key of a package's folder, without a slash at its end.
pub fn folder(package: PackageId) -> String {
    format!("packages/{package}")
}

/// The storage key of a payload file.
pub fn payload_key(package: PackageId, path: &LogicalPath) -> String {
    format!("packages/{package}/{PAYLOAD}/{path}")
}

/// The storage key of a tag file.
pub fn tag_key(package: PackageId, name: &str) -> String {
    format!("packages/{package}/{name}")
}

/// The bytes of `bagit.txt`.
pub const fn declaration() -> &'static str {
    "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
}

/// The bytes of `bag-info.txt`. Names and titles are one line each by their types.
pub fn bag_info(
    package: &Package,
    finalized_at: Timestamp,
    file_count: u64,
    total_bytes: u64,
) -> String {
    use std::fmt::Write as _;

    let said = &package.description;
    let mut text = format!("Source-Organization: {}\n", said.producer);
    if let Some(title) = &said.title {
        let _ = writeln!(text, "External-Description: {title}");
    }
    let _ = writeln!(text, "External-Identifier: {}", package.id);
    if let Some(id) = &said.external_id {
        let _ = writeln!(text, "Internal-Sender-Identifier: {id}");
    }
    let _ = writeln!(text, "Bagging-Date: {}", finalized_at.date());
    let _ = writeln!(text, "Payload-Oxum: {total_bytes}.{file_count}");
    text.push_str("Bag-Software-Agent: artifact-store\n");
    text
}

/// One line of `manifest-sha256.txt`. The file's lines are sorted by the bytes of the paths.
pub fn payload_manifest_line(sha256: &Sha256Digest, path: &LogicalPath) -> String {
    format!("{sha256}  {PAYLOAD}/{path}\n")
}

/// The bytes of `tagmanifest-sha256.txt` for the digests of [`SEALED_TAG_FILES`], in that order.
pub fn tag_manifest(digests: [Sha256Digest; 4]) -> String {
    let lines = SEALED_TAG_FILES.iter().zip(digests);
    lines.fold(String::new(), |text, (name, digest)| text + &format!("{digest}  {name}\n"))
}
