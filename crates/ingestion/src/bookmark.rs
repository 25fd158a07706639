//! Where an ingest without an external id was, so that the next one finds it.
//!
//! A package that has an external id is found by it. One that has none could only be found by
//! its content, which an unfinished package does not have yet. So its id is noted in a small file
//! until it is finalized, under a name made from what was asked for and from which directory.

use std::io;
use std::path::{Path, PathBuf};

use artifact_domain::wire::CreatePackage;
use artifact_domain::{PackageId, Sha256Digest};

/// A note of the unfinished package of one directory.
#[derive(Debug, Clone)]
pub(crate) struct Bookmark {
    file: PathBuf,
}

impl Bookmark {
    /// The note, in `folder`, for ingesting `directory` as `request` has it.
    pub(crate) fn new(folder: &Path, request: &CreatePackage, directory: &Path) -> Self {
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        let kind = request.kind.as_ref().map_or("", |kind| kind.as_str());
        let identity = [
            request.producer.as_str().as_bytes(),
            kind.as_bytes(),
            directory.as_os_str().as_encoded_bytes(),
        ];
        let name = Sha256Digest::of(&identity.join(&b'\n'));
        Self { file: folder.join(name.to_string()) }
    }

    /// The package that was noted. What cannot be read is no note: the ingest then begins anew.
    pub(crate) fn read(&self) -> Option<PackageId> {
        std::fs::read_to_string(&self.file).ok()?.trim().parse().ok()
    }

    /// Where the notes are.
    pub(crate) fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(&self.file)
    }

    /// Notes a package.
    pub(crate) fn write(&self, package: PackageId) -> io::Result<()> {
        std::fs::create_dir_all(self.folder())?;
        std::fs::write(&self.file, format!("{package}\n"))
    }

    /// Forgets the package, which is finalized or gone.
    pub(crate) fn remove(&self) {
        // A note that stays is harmless: it leads to a package that is compared before it is used.
        let _ = std::fs::remove_file(&self.file);
    }
}
