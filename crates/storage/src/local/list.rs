//! Listing what lies in a folder, in batches, with one folder open at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use object_store::ObjectMeta;
use object_store::path::Path;
use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, statat};
use rustix::io::Errno;
use tokio::task::spawn_blocking;

use super::{Folder, facts};
use crate::StorageError;

/// The items that one task on a blocking thread collects.
const BATCH: usize = 512;

/// A walk through a folder and the folders in it.
pub(super) struct Walk {
    folder: Arc<Folder>,
    /// The folders that are still to be read. Their names only: a package may have more folders
    /// inside each other than a process may have open.
    pending: Vec<String>,
    reading: Option<(String, Dir)>,
    /// The folders that were read.
    pub(super) folders: Vec<String>,
    recursive: bool,
}

/// What a walk finds: a file, or with `recursive` off a file or a folder.
pub(super) struct Found {
    pub(super) key: String,
    pub(super) stat: Stat,
}

type Item<T> = Result<T, StorageError>;

impl Walk {
    pub(super) fn new(folder: Arc<Folder>, begin: String, recursive: bool) -> Self {
        Self { folder, pending: vec![begin], reading: None, folders: Vec::new(), recursive }
    }

    /// The next items; an empty batch is the end.
    fn batch<T>(&mut self, keep: fn(&Folder, Found) -> Item<T>) -> VecDeque<Item<T>> {
        let mut batch = VecDeque::new();
        let folder = Arc::clone(&self.folder);
        while batch.len() < BATCH
            && let Some(found) = self.next()
        {
            batch.push_back(found.and_then(|found| keep(&folder, found)));
        }
        batch
    }

    fn read_entry(&mut self) -> Option<Item<Found>> {
        let (prefix, dir) = self.reading.as_mut()?;
        let entry = match dir.read() {
            None => {
                self.reading = None;
                return None;
            }
            Some(Ok(entry)) => entry,
            Some(Err(error)) => {
                let error = self.folder.root.explain("list", prefix, error);
                self.reading = None;
                return Some(Err(error));
            }
        };
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            return None;
        }
        let name = entry.file_name().to_string_lossy();
        let key = if prefix.is_empty() { name.into_owned() } else { format!("{prefix}/{name}") };
        let root = &self.folder.root;
        let obstructed = |found| {
            Some(Err(StorageError::Obstructed { operation: "list", path: root.shown(&key), found }))
        };
        if entry.file_name().to_str().is_err() {
            return obstructed("a name that is not UTF-8");
        }
        let stat =
            dir.fd().and_then(|dir| statat(dir, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW));
        let stat = match stat {
            Ok(stat) => stat,
            // It was deleted meanwhile.
            Err(Errno::NOENT) => return None,
            Err(error) => return Some(Err(root.explain("list", &key, error))),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if self.recursive => {
                self.pending.push(key);
                None
            }
            FileType::RegularFile | FileType::Directory => Some(Ok(Found { key, stat })),
            FileType::Symlink => {
                Some(Err(StorageError::Symlink { operation: "list", path: root.shown(&key) }))
            }
            _ => obstructed("a pipe, a socket or a device"),
        }
    }

    fn open_next(&mut self) -> Option<Result<(), StorageError>> {
        let next = self.pending.pop()?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match self.folder.root.open_at(&next, flags).and_then(Dir::new) {
            Ok(dir) => {
                self.folders.push(next.clone());
                self.reading = Some((next, dir));
                Some(Ok(()))
            }
            // It was deleted meanwhile, or never was.
            Err(Errno::NOENT) => Some(Ok(())),
            Err(error) => Some(Err(self.folder.root.explain("list", &next, error))),
        }
    }
}

impl Iterator for Walk {
    type Item = Item<Found>;

    fn next(&mut self) -> Option<Item<Found>> {
        loop {
            while self.reading.is_some() {
                if let Some(found) = self.read_entry() {
                    return Some(found);
                }
            }
            if let Err(error) = self.open_next()? {
                return Some(Err(error));
            }
        }
    }
}

/// All objects below `prefix`, as the trait lists them.
pub(super) fn objects(folder: Arc<Folder>, prefix: String) -> BoxStream<'static, Item<ObjectMeta>> {
    stream_of(Walk::new(folder, prefix, true), |folder, found| match Path::parse(&found.key) {
        Ok(path) => Ok(facts::meta(path, &found.stat)),
        Err(_) => Err(StorageError::Obstructed {
            operation: "list",
            path: folder.root.shown(&found.key.escape_debug().to_string()),
            found: "a name that no key can have",
        }),
    })
}

/// The names of the folders in `packages/`.
pub(crate) fn package_names(folder: Arc<Folder>) -> BoxStream<'static, Item<String>> {
    stream_of(Walk::new(folder, "packages".to_owned(), false), |folder, found| {
        if FileType::from_raw_mode(found.stat.st_mode) == FileType::Directory {
            let name = found.key.strip_prefix("packages/").unwrap_or(&found.key);
            return Ok(name.to_owned());
        }
        let path = folder.root.shown(&found.key);
        let found = "a file where a folder has to be";
        Err(StorageError::Obstructed { operation: "list", path, found })
    })
}

/// The walk moves to a blocking thread and back for each batch.
fn stream_of<T: Send + 'static>(
    walk: Walk,
    keep: fn(&Folder, Found) -> Item<T>,
) -> BoxStream<'static, Item<T>> {
    stream::unfold((Some(walk), VecDeque::new()), move |(mut walk, mut batch)| async move {
        if batch.is_empty() {
            let mut walking = walk.take()?;
            let walked = spawn_blocking(move || {
                let batch = walking.batch(keep);
                (walking, batch)
            });
            match walked.await {
                Ok((walked, found)) => (walk, batch) = (Some(walked), found),
                Err(lost) => {
                    let error = StorageError::unavailable("list", "the storage", lost);
                    return Some((Err(error), (None, batch)));
                }
            }
        }
        batch.pop_front().map(|item| (item, (walk, batch)))
    })
    .boxed()
}
