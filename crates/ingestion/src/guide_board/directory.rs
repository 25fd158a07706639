//! The run directory: what is in it, opened without following links.

use std::{
    ffi::OsString,
    fs::{self, File, FileType, Metadata},
    io,
    path::{Path, PathBuf},
};

use super::{
    error::GuideBoardError,
    file::{HashingReader, io_error},
    reading::ReadFile,
};

/// A directory that was there and held at least one entry other than folders.
///
/// The path itself may be a symbolic link: the user named it. Nothing below it is followed.
pub(super) struct RunDirectory {
    root: PathBuf,
}

/// What stands at a path inside the run directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Missing,
    File,
    Folder,
    /// A symbolic link, at the path or at a folder on the way to it.
    Link,
    /// A FIFO, socket or device.
    Special,
}

impl Entry {
    fn of(kind: FileType) -> Self {
        if kind.is_symlink() {
            Self::Link
        } else if kind.is_dir() {
            Self::Folder
        } else if kind.is_file() {
            Self::File
        } else {
            Self::Special
        }
    }
}

impl RunDirectory {
    /// Checks that the path is a directory with something in it.
    pub(super) fn open(directory: &Path) -> Result<Self, GuideBoardError> {
        let metadata = fs::metadata(directory)
            .map_err(|e| io_error("open the run directory", directory, e))?;
        if !metadata.is_dir() {
            return Err(GuideBoardError::NotADirectory { path: directory.to_owned() });
        }
        let run = Self { root: directory.to_owned() };
        if run.holds_nothing()? {
            return Err(GuideBoardError::Empty { directory: directory.to_owned() });
        }
        Ok(run)
    }

    /// Where a relative path is on this machine.
    pub(super) fn absolute(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// What stands at a relative path with `/` between segments and no `..`.
    pub(super) fn entry(&self, relative: &str) -> Result<Entry, GuideBoardError> {
        let mut path = self.root.clone();
        let mut found = Entry::Folder;
        for segment in relative.split('/') {
            match found {
                Entry::Folder => path.push(segment),
                Entry::Link => return Ok(Entry::Link),
                Entry::Missing | Entry::File | Entry::Special => return Ok(Entry::Missing),
            }
            found = match fs::symlink_metadata(&path) {
                Ok(metadata) => Entry::of(metadata.file_type()),
                Err(error) if means_absent(&error) => return Ok(Entry::Missing),
                Err(error) => return Err(io_error("look at", &path, error)),
            };
        }
        Ok(found)
    }

    /// Opens a regular file. Whoever calls this has checked with [`RunDirectory::entry`] that no
    /// link is on the way; the file itself is checked again here.
    pub(super) fn open_file(&self, relative: &str) -> Result<File, GuideBoardError> {
        let path = self.absolute(relative);
        let failed = |error| io_error("open", &path, error);
        let before = fs::symlink_metadata(&path).map_err(failed)?;
        if !before.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        let file = File::open(&path).map_err(failed)?;
        let after = file.metadata().map_err(failed)?;
        if !same_file(&before, &after) {
            return Err(failed(io::Error::other("it was replaced while it was being opened")));
        }
        Ok(file)
    }

    /// Reads a whole file for its size and digest only.
    pub(super) fn hash_file(&self, relative: &str) -> Result<ReadFile, GuideBoardError> {
        HashingReader::new(self.open_file(relative)?)
            .finish(relative)
            .map_err(|e| io_error("read", &self.absolute(relative), e))
    }

    /// The regular files below a folder, sorted by path, and the names that were passed over
    /// because they are links, special files or not UTF-8. No folder: no files.
    pub(super) fn files_below(&self, folder: &str) -> Result<Listing, GuideBoardError> {
        let mut listing = Listing::default();
        if self.entry(folder)? != Entry::Folder {
            return Ok(listing);
        }
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for (name, kind) in children(&self.absolute(&folder))? {
                let Some(name) = name.to_str() else {
                    listing.passed_over.push(format!("{folder}/{}", name.display()));
                    continue;
                };
                let path = format!("{folder}/{name}");
                match Entry::of(kind) {
                    Entry::Folder => folders.push(path),
                    Entry::File => listing.files.push(path),
                    Entry::Missing | Entry::Link | Entry::Special => listing.passed_over.push(path),
                }
            }
        }
        listing.files.sort_unstable();
        listing.passed_over.sort_unstable();
        Ok(listing)
    }

    /// Whether there is nothing but folders in the directory.
    fn holds_nothing(&self) -> Result<bool, GuideBoardError> {
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for (name, kind) in children(&folder)? {
                if !kind.is_dir() {
                    return Ok(false);
                }
                folders.push(folder.join(name));
            }
        }
        Ok(true)
    }
}

/// The files below a folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: Vec<String>,
    pub(super) passed_over: Vec<String>,
}

/// Whether a failed look means that nothing is there, rather than that it cannot be seen.
fn means_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}

#[cfg(unix)]
fn same_file(before: &Metadata, after: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    after.is_file() && before.dev() == after.dev() && before.ino() == after.ino()
}

#[cfg(not(unix))]
fn same_file(_before: &Metadata, after: &Metadata) -> bool {
    after.is_file()
}

fn children(folder: &Path) -> Result<Vec<(OsString, FileType)>, GuideBoardError> {
    let failed = |error| io_error("list", folder, error);
    fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| {
            let entry = entry.map_err(failed)?;
            Ok((entry.file_name(), entry.file_type().map_err(failed)?))
        })
        .collect()
}
