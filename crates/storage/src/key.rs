//! Object keys: the only way to name an object.

use std::fmt;

use artifact_domain::{LogicalPath, PackageId, bag};

/// The name of an object in a storage, the same on every backend: a function of the package and
/// of the logical path or tag file, never of a string from outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

/// A file of a package beside its payload, by its place in the bag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TagFile {
    /// `bagit.txt`, the bag declaration.
    Declaration,
    /// `bag-info.txt`, facts for people.
    BagInfo,
    /// `manifest-sha256.txt`, the digests of the payload.
    PayloadManifest,
    /// `tagmanifest-sha256.txt`, the digests of the tag files.
    TagManifest,
    /// `manifest.json`, our manifest.
    Manifest,
    /// `registry.json`, the package's record as it is now; the only object that is overwritten.
    Record,
}

impl TagFile {
    /// Every tag file.
    pub const ALL: [Self; 6] = [
        Self::Declaration,
        Self::BagInfo,
        Self::PayloadManifest,
        Self::TagManifest,
        Self::Manifest,
        Self::Record,
    ];

    /// Its file name in the package's folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declaration => bag::DECLARATION,
            Self::BagInfo => bag::BAG_INFO,
            Self::PayloadManifest => bag::PAYLOAD_MANIFEST,
            Self::TagManifest => bag::TAG_MANIFEST,
            Self::Manifest => bag::MANIFEST,
            Self::Record => bag::RECORD,
        }
    }
}

impl ObjectKey {
    /// The key of a payload file.
    pub fn payload(package: PackageId, path: &LogicalPath) -> Self {
        Self(bag::payload_key(package, path))
    }

    /// The key of a tag file.
    pub fn tag(package: PackageId, file: TagFile) -> Self {
        Self(bag::tag_key(package, file.name()))
    }

    /// The key as the backends spell it, `packages/<package id>/...`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The logical path, if this is the key of a payload file of `package`: the inverse of
    /// [`ObjectKey::payload`].
    pub fn payload_path(&self, package: PackageId) -> Option<&str> {
        payload_path(&self.0, package)
    }

    /// The key as `object_store` has it, byte for byte.
    pub(crate) fn path(&self) -> object_store::path::Path {
        // `parse` keeps a name as it is; `from` would percent-encode `#`, `%` and others.
        #[expect(
            clippy::expect_used,
            reason = "`LogicalPath` is stricter than `Path`: no empty, `.` or `..` segment and no control character"
        )]
        object_store::path::Path::parse(&self.0).expect("an object key is a path")
    }
}

/// The logical path in a key that a listing gave, if it is one of the payload of `package`.
pub(crate) fn payload_path(key: &str, package: PackageId) -> Option<&str> {
    let in_package = key.strip_prefix(&bag::folder(package))?.strip_prefix('/')?;
    let path = in_package.strip_prefix(bag::PAYLOAD)?.strip_prefix('/')?;
    (!path.is_empty()).then_some(path)
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn a_payload_key_leads_back_to_its_path_byte_for_byte() {
        let package: PackageId = PACKAGE.parse().unwrap();
        for name in ["a", "data/x", "100%", "%2e", "report #1", "…", "a~b?*:", ".x", "x.", " y "]
        {
            let path = LogicalPath::parse(name).unwrap();
            let key = ObjectKey::payload(package, &path);
            assert_eq!(key.as_str(), format!("packages/{PACKAGE}/data/{name}"));
            assert_eq!(key.payload_path(package), Some(name));
            assert_eq!(key.path().as_ref(), key.as_str());
        }
    }

    #[test]
    fn a_tag_file_is_no_payload_and_lies_in_the_package_folder() {
        let package: PackageId = PACKAGE.parse().unwrap();
        for file in TagFile::ALL {
            let key = ObjectKey::tag(package, file);
            assert_eq!(key.to_string(), format!("packages/{PACKAGE}/{}", file.name()));
            assert_eq!(key.payload_path(package), None);
        }
    }

    #[test]
    fn a_key_of_another_package_is_not_ours() {
        let other: PackageId = "01890a5d-ac96-774b-bcce-b302099a8058".parse().unwrap();
        let key = ObjectKey::payload(PACKAGE.parse().unwrap(), &LogicalPath::parse("a").unwrap());
        assert_eq!(key.payload_path(other), None);
    }
}
