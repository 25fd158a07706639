//! The root and the way from it to a key. No symlink on that way is ever followed: each step is
//! relative to the descriptor of the step before, and the kernel is told not to follow.

use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;

use crate::StorageError;

/// A descriptor that is good for `*at` calls and no more; cheaper, and it needs no read
/// permission. Other systems than Linux have no such thing.
#[cfg(target_os = "linux")]
const HANDLE: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const HANDLE: OFlags = OFlags::RDONLY;

/// Flags of every descriptor of a folder.
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);

/// The root of a storage, held open: what is mounted over its path later is not ours.
#[derive(Debug)]
pub(super) struct Root {
    fd: OwnedFd,
    path: PathBuf,
    /// Whether to try `openat2`, which resolves a whole path in one call (Linux 5.6 and later).
    one_call: bool,
}

/// What stands in the way of a path.
enum Obstacle {
    Symlink(String),
    NotAFolder(String),
    IsAFolder(String),
}

impl Root {
    /// Opens the root; `path` is to be canonical. The descriptor is a real one, not a handle:
    /// `fsync` and `syncfs` need it.
    pub(super) fn open(path: PathBuf) -> Result<Self, Errno> {
        let fd = openat(CWD, &path, OFlags::RDONLY | FOLDER, Mode::empty())?;
        Ok(Self { fd, path, one_call: cfg!(target_os = "linux") })
    }

    /// The same root, walked step by step as on systems without `openat2`.
    #[cfg(test)]
    pub(super) fn step_by_step(mut self) -> Self {
        self.one_call = false;
        self
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The full path of something below the root, for messages only.
    pub(super) fn shown(&self, relative: &str) -> String {
        self.path.join(relative).display().to_string()
    }

    /// Opens what lies at `relative`, which has no `.` or `..` segment; an empty one is the root.
    pub(super) fn open_at(&self, relative: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let relative = if relative.is_empty() { "." } else { relative };
        let flags = flags | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        if self.one_call {
            use rustix::fs::ResolveFlags;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match rustix::fs::openat2(&self.fd, relative, flags, Mode::empty(), resolve) {
                // An old kernel, or a sandbox that does not know the call: the long way says
                // whether the permission is really missing.
                Err(Errno::NOSYS | Errno::PERM) => {}
                result => return result,
            }
        }
        let (parent, name) = split(relative);
        let parent = self.walk(parent, false)?;
        openat(self.or_root(parent.as_ref()), name, flags | OFlags::NOFOLLOW, Mode::empty())
    }

    /// A handle of the folder at `relative`.
    pub(super) fn folder(&self, relative: &str) -> Result<OwnedFd, Errno> {
        self.open_at(relative, HANDLE | FOLDER)
    }

    /// A handle of the folder at `relative`, which is made if it is missing, with its parents.
    pub(super) fn folder_or_create(&self, relative: &str) -> Result<OwnedFd, Errno> {
        match self.folder(relative) {
            Err(Errno::NOENT) => match self.walk(relative, true)? {
                Some(folder) => Ok(folder),
                None => self.folder(""),
            },
            result => result,
        }
    }

    /// One step at a time; `None` is the root itself.
    fn walk(&self, relative: &str, create: bool) -> Result<Option<OwnedFd>, Errno> {
        let mut at: Option<OwnedFd> = None;
        for name in relative.split('/').filter(|name| !name.is_empty()) {
            let here = self.or_root(at.as_ref());
            let step = || openat(here, name, HANDLE | FOLDER, Mode::empty());
            let next = match step() {
                Err(Errno::NOENT) if create => {
                    match mkdirat(here, name, FOLDER_MODE) {
                        // Somebody else was faster, which is as good.
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error),
                    }
                    step()?
                }
                result => result?,
            };
            at = Some(next);
        }
        Ok(at)
    }

    fn or_root<'a>(&'a self, folder: Option<&'a OwnedFd>) -> BorrowedFd<'a> {
        folder.map_or(self.fd(), AsFd::as_fd)
    }

    /// What an error at `relative` means. The kernel says "not a folder" or "too many symlinks"
    /// without saying where; this looks and names it.
    pub(super) fn explain(
        &self,
        operation: &'static str,
        relative: &str,
        errno: Errno,
    ) -> StorageError {
        if matches!(errno, Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::MLINK | Errno::EXIST)
        {
            match self.obstacle(relative) {
                Some(Obstacle::Symlink(at)) => {
                    return StorageError::Symlink { operation, path: self.shown(&at) };
                }
                Some(Obstacle::NotAFolder(at)) => {
                    let (path, found) = (self.shown(&at), "a file where a folder has to be");
                    return StorageError::Obstructed { operation, path, found };
                }
                Some(Obstacle::IsAFolder(at)) => {
                    let (path, found) = (self.shown(&at), "a folder where a file has to be");
                    return StorageError::Obstructed { operation, path, found };
                }
                None => {}
            }
        }
        match errno {
            // Keys, not paths: they are what the caller asked for.
            Errno::NOENT | Errno::EXIST => StorageError::io(operation, relative, errno),
            _ => StorageError::io(operation, self.shown(relative), errno),
        }
    }

    /// The first thing on the way to the file `relative` that is not as it has to be.
    fn obstacle(&self, relative: &str) -> Option<Obstacle> {
        let mut at: Option<OwnedFd> = None;
        let mut end = 0;
        for name in relative.split('/') {
            end += name.len();
            let here = self.or_root(at.as_ref());
            let stat = statat(here, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            let (path, is_last) = (relative[..end].to_owned(), end == relative.len());
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => return Some(Obstacle::Symlink(path)),
                FileType::Directory if is_last => return Some(Obstacle::IsAFolder(path)),
                FileType::Directory => {}
                _ if is_last => return None,
                _ => return Some(Obstacle::NotAFolder(path)),
            }
            at = Some(openat(here, name, HANDLE | FOLDER, Mode::empty()).ok()?);
            end += 1;
        }
        None
    }
}

/// A relative path as its folder and its last segment.
pub(super) fn split(relative: &str) -> (&str, &str) {
    relative.rsplit_once('/').unwrap_or(("", relative))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Both ways to walk have to behave the same.
    fn both_ways(check: impl Fn(&Path, &Root)) {
        for one_call in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().canonicalize().unwrap();
            let root = Root::open(path.clone()).unwrap();
            check(&path, &if one_call { root } else { root.step_by_step() });
        }
    }

    #[test]
    fn missing_folders_are_made_and_found_again() {
        both_ways(|path, root| {
            assert_eq!(root.folder("a/b").unwrap_err(), Errno::NOENT);
            root.folder_or_create("a/b").unwrap();
            root.folder_or_create("a/b").unwrap();
            root.folder("a/b").unwrap();
            root.folder("").unwrap();
            assert!(path.join("a/b").is_dir());
        });
    }

    #[test]
    fn a_symlink_is_named_wherever_it_stands_on_the_way() {
        both_ways(|path, root| {
            let outside = tempfile::tempdir().unwrap();
            fs::create_dir(outside.path().join("b")).unwrap();
            fs::write(outside.path().join("f"), "secret").unwrap();
            fs::create_dir(path.join("real")).unwrap();
            symlink(outside.path(), path.join("a")).unwrap();
            symlink(outside.path().join("f"), path.join("real/f")).unwrap();
            symlink("/nowhere", path.join("dangling")).unwrap();
            for (relative, at) in
                [("a", "a"), ("a/b", "a"), ("dangling", "dangling"), ("dangling/x", "dangling")]
            {
                let error = root.folder_or_create(relative).unwrap_err();
                let error = root.explain("write", relative, error);
                let at = path.join(at).display().to_string();
                assert!(
                    matches!(&error, StorageError::Symlink { path, .. } if *path == at),
                    "{error}"
                );
            }
            let error = root.open_at("real/f", OFlags::RDONLY).unwrap_err();
            assert!(matches!(root.explain("read", "real/f", error), StorageError::Symlink { .. }));
            assert_eq!(fs::read_dir(outside.path().join("b")).unwrap().count(), 0);
        });
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_named() {
        both_ways(|path, root| {
            fs::write(path.join("f"), "x").unwrap();
            let error = root.folder_or_create("f/g").unwrap_err();
            let error = root.explain("write", "f/g", error);
            let at = path.join("f").display().to_string();
            assert!(
                matches!(&error, StorageError::Obstructed { path, .. } if *path == at),
                "{error}"
            );
        });
    }
}
